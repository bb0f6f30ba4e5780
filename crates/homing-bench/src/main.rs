//! `homing-bench`: how fast and how small Homing is, measured from outside.
//!
//! Each command measures one thing that `docs/benchmarks.md` holds a budget for: it starts a server
//! process of its own, loads it through sockets with a client that costs as little as it can, and
//! ends the process. Read [`cli`] for what can be asked, then [`idle`], [`login`], [`send`] and
//! [`offline_open`]; [`link`] is the client they share.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line program prints")]

mod cli;

mod history;
mod idle;
mod kick;
mod login;
mod offline_open;
mod send;
mod stampede;
mod way;

mod crowd;
mod link;
mod path;
mod puppet;
mod server;
mod tls;

mod disk;
mod kernel;
mod process;

mod facts;
mod figures;
mod report;

/// The server's allocator: a client that shares its cores should not be the slower one.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What went wrong, in words.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> std::process::ExitCode {
    cli::run()
}
