//! The facade shaped like ZEGOCLOUD's ZIM: [`Zim`] and its event handler.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use homing_compat::Deployment;
//! use homing_compat::zim::{
//!     Zim, ZimAppConfig, ZimConnectionEvent, ZimConnectionState, ZimEventHandler, ZimLoginConfig,
//! };
//!
//! struct Handler;
//!
//! impl ZimEventHandler for Handler {
//!     fn on_connection_state_changed(
//!         &self,
//!         state: ZimConnectionState,
//!         event: ZimConnectionEvent,
//!         _extended_data: &str,
//!     ) {
//!         println!("{} {}", state.number(), event.number());
//!     }
//! }
//!
//! # async fn start(token: &str) -> Result<(), homing_compat::zim::ZimError> {
//! let server = Deployment::new("wss://chat.example.org")
//!     .configure(|config| config.data_dir("/data/app/chat"));
//! let zim = Zim::create(server, ZimAppConfig::new(1), Arc::new(Handler)).await?;
//! // The same user as last time: local data opens at once, with or without network.
//! zim.login("zego", ZimLoginConfig::new().token(token).offline_login()).await?;
//! let list = zim.query_conversation_list(None, 20).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Not here because Homing does not have it yet: groups, call invitations, block lists, friends, user
//! profiles and custom status.

mod adapter;
pub mod code;
mod event;
mod login;
mod message;
mod sdk;
mod status;

pub use adapter::ZimAdapter;
pub use code::ZimError;
pub use event::{ZimCallback, ZimConversationSyncState, ZimEventHandler};
pub use login::{ZimAppConfig, ZimLoginConfig};
pub use message::{ZimConversation, ZimMessage};
pub use sdk::Zim;
pub use status::{ZimConnectionEvent, ZimConnectionState, signed_out_event};
