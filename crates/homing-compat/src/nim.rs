//! The facade shaped like NetEase NIM: [`NimCore`] and its [`AuthService`].
//!
//! ```no_run
//! use homing_compat::Deployment;
//! use homing_compat::nim::{NimAuthEvent, NimCore, NimLoginInfo, NimSdkOptions};
//!
//! # async fn start(token: &str) -> Result<(), homing_compat::nim::NimError> {
//! let core = NimCore::new(Deployment::new("wss://chat.example.org"));
//! let mut events = core.auth_service().auth_status();
//! core.initialize(NimSdkOptions::new("1")).await?;
//! core.auth_service().login(NimLoginInfo::new("account", token)).await?;
//! while let Some(event) = events.next().await {
//!     match event {
//!         NimAuthEvent::KickOutByOtherClient(kick) => println!("kicked by {:?}", kick.client_type),
//!         NimAuthEvent::Status(event) => println!("{}", event.status.name()),
//!         NimAuthEvent::DataSync(event) => println!("{}", event.status.name()),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Not here because Homing does not have it yet: teams, signalling, block lists, user profiles.

mod adapter;
mod auth;
pub mod code;
mod core;
mod device;
mod event;
mod message;
mod status;

pub use adapter::NimAdapter;
pub use auth::{AuthService, NimAuthType, NimLoginInfo};
pub use code::NimError;
pub use core::{NimCore, NimSdkOptions};
pub use device::{NimClientType, NimOnlineClient};
pub use event::{
    NimAuthEvent, NimAuthStatusEvent, NimDataSyncStatusEvent, NimEvents,
    NimKickOutByOtherClientEvent,
};
pub use message::{MessageService, NimMessage, NimSession};
pub use status::{NimAuthStatus, auth_status, kicked_status, signed_out_status};
