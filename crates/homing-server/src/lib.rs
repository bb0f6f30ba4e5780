//! The server of Homing: gateway, registry, log, store.

mod admin_token;
mod api;
pub mod apps;
mod audit;
pub mod clock;
pub mod config;
pub mod dev;
pub mod gateway;
mod metrics;
pub mod server;
pub mod store;
mod webhook;
pub mod ws;
