//! The client SDK of Homing: in-app chat that always finds its way back.
//!
//! A [`Client`] signs a user in, keeps the connection, stores what arrives and sends what waits. It
//! opens local data at once, with or without network, reconnects by itself for ever, and says what is
//! going on in one [`Status`] and a stream of [`Event`]s.
//!
//! # Quickstart
//!
//! ```no_run
//! use homing::{Client, Config, Content, Credential, Event, Logged};
//!
//! # async fn quickstart(token: String) -> Result<(), homing::Error> {
//! let config = Config::new(1, "wss://chat.example")?.data_dir("/var/lib/example/chat");
//! let client = Client::open(config).await?;
//! let mut events = client.events();
//!
//! client.login("alice", Credential::usersig(token)).await?;
//! client.send(&"user/bob".parse()?, Content::text("hello")).await?;
//!
//! for conversation in client.conversations(20).await? {
//!     println!("{}: {} unread", conversation.id, conversation.unread());
//! }
//! while let Some(next) = events.next().await {
//!     match next {
//!         Logged::Entry(Event::Message(message)) => println!("{}", message.from),
//!         Logged::Entry(Event::CredentialNeeded(why)) => println!("sign in again: {why}"),
//!         Logged::Entry(_) => {}
//!         Logged::Lagged(_) => println!("read the lists anew"),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! At the next start, with or without network:
//!
//! ```no_run
//! # async fn start(client: homing::Client) -> Result<(), homing::Error> {
//! if client.resume_last().await.is_err() {
//!     // Nobody signed in here, or the session was ended: show the login page.
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What to know
//!
//! - Every call is legal in every state and ends with a typed [`Error`], whose code says whose fault
//!   it is and what to do. Dropping a future is legal.
//! - A client needs a tokio runtime to live on; its handles work from any thread and task.
//! - Nothing the SDK logs (through `tracing`) holds a token, a secret or what people write.
//!
//! # Security
//!
//! - The WebSocket library (`tungstenite`) writes whole frames, and with them tokens and secrets, to the `log`
//!   crate at level trace. Of what it writes while frames are sent and received nothing reaches a subscriber of
//!   `tracing`, whatever its filter asks for. An app that listens to `log` itself – with `env_logger` and the
//!   like – has to leave that level out for this library: `RUST_LOG=trace,tungstenite=debug`.
//! - The credential and the session's secret lie in the data directory, readable by its owner alone; messages
//!   there are not encrypted in this version.
//!
//! Where to read on: [`Client`] for all calls, [`Config`] for all settings, [`Status`] for the full
//! picture, [`store`] and [`transport`] for those who bring their own.

mod client;
mod config;

mod board;
mod log;

mod driver;
mod keeper;

pub mod store;
pub mod transport;

mod account_file;
mod alarm;
mod clock;
mod data_dir;
mod device;
mod provider;

pub use client::{Client, LoggedIn, Login, Pending, StatusWatch};
pub use config::Config;

pub use board::Fact;
pub use log::{Logged, Subscription};
pub use provider::{AskReason, CredentialAsk, CredentialProvider, Provided};
pub use store::{ConversationView, Gap, History};

pub use clock::ClockShift;
pub use transport::{NetworkSwitch, Plaintext, TlsRoots};

pub use homing_core::client::status::{self, Action, Status};
pub use homing_core::client::{
    Depth, Event, Failure, Force, Hint, LocalData, Pending as PendingMessage, REFUSED_BEFORE,
    Scene, SendState,
};
pub use homing_proto::code::{Advice, Blame};
pub use homing_proto::device::{DeviceInfo, KickReason, KickRecord, Platform};
pub use homing_proto::frame::Credential;
pub use homing_proto::id::{AppId, ClientMsgId, ConversationId, DeviceId, SessionId, UserId};
pub use homing_proto::message::{Content, ContentView, Message};
pub use homing_proto::time::{Time, WallTime};
pub use homing_proto::{Code, Error};
