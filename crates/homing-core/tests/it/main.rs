//! What homing-core promises, tested from outside.

mod client;
mod client_desk;
mod policy;
mod policy_model;
mod server_log;
mod server_registry;
mod server_registry_sequences;
mod server_session;
