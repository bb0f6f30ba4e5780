//! What homing-core promises, tested from outside.
#![allow(clippy::unwrap_used, reason = "a test that unwraps says where it broke")]

mod client;
mod client_credentials;
mod client_desk;
mod client_link;
mod client_messages;
mod client_return;
mod client_session;
mod policy;
mod policy_model;
mod server_log;
mod server_registry;
mod server_registry_sequences;
mod server_session;
mod server_version;
mod session_table;
