//! The three facades: tables, orders, and flows against a real server, in one binary.

#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

mod every;
mod examples;
mod nim;
mod server;
mod v2tim;
mod zim;
