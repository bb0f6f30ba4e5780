//! One file per command, each with its arguments and `run`.

pub(crate) mod admin;
pub(crate) mod app;
pub(crate) mod chat;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod drive;
pub(crate) mod policy;
pub(crate) mod serve;
pub(crate) mod token;
pub(crate) mod user;

use std::io;

use tokio::runtime::{Builder, Runtime};

use crate::failure::Failure;

/// The runtime of a command that is one client or less: one thread is enough.
fn runtime() -> Result<Runtime, Failure> {
    Builder::new_current_thread().enable_all().build().map_err(no_runtime)
}

fn no_runtime(error: io::Error) -> Failure {
    Failure::new(
        "cannot start",
        error,
        "raise the limits of open files and threads (ulimit -n, ulimit -u)",
    )
}

fn no_signals(error: io::Error) -> Failure {
    Failure::new("cannot listen for SIGTERM", error, "this should not happen; please report it")
}
