//! What can be measured, and the way from a measurement to a report and an exit code.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::report::{self, Measured};
use crate::{Failure, history, idle, kick, login, offline_open, send, stampede, way};

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
    /// From a login to the word to the device that loses its place (B-6).
    Kick(kick::Arguments),
    /// Round trips until connected, the return of the network, dead links (B-10, B-11, B-12).
    Way(way::Arguments),
    /// All clients lose the server at once and come back (B-7).
    Stampede(stampede::Arguments),
    /// Whether admission is linearizable (S-7.11). Exit code 1 when a history is illegal.
    History(history::Arguments),
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
        Command::Kick(arguments) => kick::run(&arguments).and_then(tell),
        Command::Way(arguments) => way::run(&arguments).and_then(tell),
        Command::Stampede(arguments) => stampede::run(&arguments).and_then(tell),
        Command::History(arguments) => history::run(&arguments),
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
  cargo xtask bench stampede --picture docs/stampede.svg
  cargo xtask history --ops 200000 --threads 64  the same as `bench history`

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
