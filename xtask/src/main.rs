//! The project's own commands. `cargo xtask help` lists them.
#![allow(clippy::print_stdout, reason = "a command line tool prints")]

mod proto;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.first().map(String::as_str) {
        Some("proto") => proto::run(&arguments[1..]),
        _ => {
            println!("cargo xtask proto [--check]   generate the wire types from spec/homing.proto");
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
