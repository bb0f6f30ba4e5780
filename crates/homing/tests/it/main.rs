//! The SDK against real files, real sockets and real processes.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are tests")]

mod client;
mod data_dir;
mod store;
