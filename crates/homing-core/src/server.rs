//! The server's decisions, as pure functions on plain values; `homing-server` does the IO around them.
//!
//! Reading order: [`registry`] (one user's sessions: who is in, who was displaced), [`session`] (one
//! connection), [`log`] (conversations, user logs and what a device is sent of them),
//! [`version`] (which versions an app lets in).

pub mod registry;

pub mod session;

pub mod log;

pub mod version;
