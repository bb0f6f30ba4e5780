//! The tests of this crate across its modules, in one binary.

#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

mod gateway;
mod store;
mod ws;
