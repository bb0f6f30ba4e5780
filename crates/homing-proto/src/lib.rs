//! The words of Homing: what client and server say to each other, as pure data.
//!
//! Everything that crosses the wire is parsed once, here, into types that cannot hold an illegal
//! value: an id of the wrong length or a frame over its bound never gets past [`codec`]. The schema
//! is `spec/homing.proto`; `spec/protocol.md` explains it in numbered clauses.
//!
//! Reading order: [`id`], [`device`], [`message`], [`frame`] (the whole wire on one screen), [`codec`],
//! [`code`] (the one table of errors), [`limits`], [`time`].
//!
//! This crate never does IO, reads no clock and draws no random number.

pub mod id;

pub mod device;
pub mod message;

pub mod frame;

pub mod codec;

pub mod code;

pub mod limits;
pub mod time;

pub mod secret;

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::use_self,
    reason = "made from spec/homing.proto, where the comments stand"
)]
pub mod wire;

pub use code::{Code, Error};
