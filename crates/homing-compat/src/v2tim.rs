//! The facade shaped like Tencent Chat: [`V2TimManager`] and its listeners.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use homing_compat::Deployment;
//! use homing_compat::v2tim::{V2TimLogLevel, V2TimManager, V2TimSdkListener};
//!
//! struct Listener;
//!
//! impl V2TimSdkListener for Listener {
//!     fn on_kicked_offline(&self) {
//!         println!("signed in on another device; sign in again here?");
//!     }
//! }
//!
//! # async fn start(user_sig: &str) -> Result<(), homing_compat::v2tim::V2TimError> {
//! let manager = V2TimManager::new(Deployment::new("wss://chat.example.org"));
//! manager.init_sdk(1, V2TimLogLevel::Info, Arc::new(Listener)).await?;
//! manager.login("alice", user_sig).await?;
//! assert_eq!(manager.get_login_user(), "alice");
//! # Ok(())
//! # }
//! ```
//!
//! Not here because Homing does not have it yet: groups, signaling, block lists, profiles and with
//! them `onSelfInfoUpdated` and `onUserStatusChanged`.

mod adapter;
pub mod code;
mod conversation;
mod listener;
mod log_level;
mod manager;
mod message;
mod status;

pub use adapter::V2TimAdapter;
pub use code::V2TimError;
pub use conversation::{V2TimConversation, V2TimConversationManager, V2TimConversationResult};
pub use listener::{
    V2TimAdvancedMsgListener, V2TimCallback, V2TimConversationListener, V2TimSdkListener,
};
pub use log_level::V2TimLogLevel;
pub use manager::{OfflineKick, V2TimManager};
pub use message::{V2TimElem, V2TimMessage, V2TimMessageManager};
pub use status::{LinkCallback, V2TimLoginStatus, is_kicked_offline, link_callback, login_status};
