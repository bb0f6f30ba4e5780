//! The logic of Homing: pure client and server machines.
pub mod client;
pub mod policy;
pub mod server;
