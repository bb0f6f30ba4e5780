//! Runs seeds and prints which failed; see [`homing_sim::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    homing_sim::cli::run(std::env::args().skip(1))
}
