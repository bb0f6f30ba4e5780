//! `homing token`: make a credential, or judge one.

mod mint;
mod progress;
mod verify;

use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use homing_proto::time::WallTime;

use crate::cli::Outcome;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a credential and print it, alone.
    Mint(mint::Arguments),
    /// Judge one credential, or a file of them.
    Verify(verify::Arguments),
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    match &arguments.command {
        Command::Mint(arguments) => mint::run(arguments),
        Command::Verify(arguments) => verify::run(arguments),
    }
}

/// `--now`, or the clock.
fn judged_at(now: Option<u64>) -> WallTime {
    let seconds = now.unwrap_or_else(|| {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    });
    WallTime(seconds.saturating_mul(1000))
}
