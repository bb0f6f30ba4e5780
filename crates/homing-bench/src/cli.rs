//! What can be measured, and the way from a measurement to a report and an exit code.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::report::{self, Measured};
use crate::{Failure, idle, login, offline_open, send};

/// Measures Homing. Progress goes to stderr; the result is JSON on stdout, and lies as
/// `target/bench/NAME.json` and `NAME.md` afterwards.
///
/// Each command starts a server of its own, in a directory of its own, and ends it. Everything runs on
/// this machine: client and server share its cores, and what else runs disturbs the figures. The
/// report tells how busy the machine was.
#[derive(Parser)]
#[command(name = "homing-bench", version, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Memory of the server per idle connection (B-1, B-2).
    Idle(idle::Arguments),
    /// Logins per second, from a new connection to the Welcome (B-3).
    Login(login::Arguments),
    /// Durable messages per second, or the way of one message on an idle server (B-4, B-5).
    Send(send::Arguments),
    /// From opening a client to the first screen, without network (B-8).
    OfflineOpen(offline_open::Arguments),
    /// One opening, in a process of its own; prints the microseconds of its steps.
    #[command(hide = true)]
    OpenOnce(offline_open::once::Arguments),
}

/// Reads the arguments and measures. A budget that is missed is a result, not a failure.
pub(crate) fn run() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Idle(arguments) => idle::run(&arguments).and_then(tell),
        Command::Login(arguments) => login::run(&arguments).and_then(tell),
        Command::Send(arguments) => send::run(&arguments).and_then(tell),
        Command::OfflineOpen(arguments) => offline_open::run(&arguments).and_then(tell),
        Command::OpenOnce(arguments) => offline_open::once::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn tell(measured: Measured) -> Result<(), Failure> {
    let json = report::write(&measured)?;
    println!("{json}");
    Ok(())
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask bench idle                         15 000 connections, plain WebSocket
  cargo xtask bench idle --tls                   the same over TLS 1.3
  cargo xtask bench idle --connections 2000 --settle-s 5
  cargo xtask bench login --new-users            every login is a new user's first
  cargo xtask bench login --admissions           the registry alone, in process
  cargo xtask bench send                         256 senders, one message each on its way
  cargo xtask bench send --idle-latency          one sender, one receiver
  cargo xtask bench offline-open                 1 000, 10 000 and 100 000 conversations

Exit codes: 0 measured (whether or not a budget was met: the report says which); 1 something failed, or a
message was lost or doubled; 2 the arguments are wrong.";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_arguments_hold_together() {
        Cli::command().debug_assert();
    }
}
