//! The `homing` program: a server, the tools to run it, and clients to try it.
//!
//! [`cli`] says what can be asked; each command is a file under [`commands`].
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line program prints")]

mod cli;
mod commands;

mod failure;
mod lines;
mod logging;
mod signals;

/// Many small, equal objects are what a server's connections are made of; this allocator packs
/// them closest of those measured.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}
