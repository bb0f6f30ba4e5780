//! Three facades over the Homing SDK, for people who come from other chat SDKs.
//!
//! [`v2tim`] is shaped like Tencent Chat's `V2TIMManager`, [`nim`] like NetEase NIM's `NimCore`,
//! [`zim`] like ZEGOCLOUD's `ZIM`: their names in Rust case (the original name stands in each item's
//! documentation), their numbers for states, events, reasons and errors, their order of callbacks.
//!
//! No session logic lives here. Each facade is
//!
//! - *tables*: total functions from the SDK's own enums and codes to the original's numbers;
//! - an *adapter*: a pure value that is fed the SDK's journal and says which callbacks are due, in
//!   which order. It can be tested, and used, without any IO;
//! - a thin shell that calls a [`homing::Client`].
//!
//! What Homing does not have yet – groups, calls, profiles, blocklists – the facades do not have either:
//! there are no stubs. `docs/migrate-*.md` list what is there, what is not, and what is different.
//!
//! The originals know where their cloud is; a facade is told, once, by a [`Deployment`].

mod deployment;
mod hold;
mod present;
mod telling;

pub mod nim;
pub mod v2tim;
pub mod zim;

pub use deployment::Deployment;
