//! The project's own commands. `cargo xtask help` lists them.
#![allow(clippy::print_stdout, reason = "a command line tool prints")]

mod browser;
mod clauses;
mod metadata;
mod packages;
mod run;
mod scenarios;
mod size;
mod test;
mod tidy;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", &[][..]),
    };
    let result = match command {
        "test" => test::run(rest),
        "tidy" => tidy::run(),
        "proto" => run::cargo(&[
            "run",
            "--quiet",
            "--package",
            "homing-proto",
            "--example",
            "generate-wire",
        ]),
        "session" => run::cargo_blessing(&[
            "test",
            "--package",
            "homing-core",
            "--test",
            "it",
            "session_table",
        ]),
        "clauses" => clauses::run(),
        "browser" => browser::run(),
        "scenarios" => scenarios::run(rest).map(|_| ()),
        "size" => size::run(),
        "sim" => run::release_binary("homing-sim", "homing-sim", rest),
        "explore" => {
            let arguments: Vec<_> =
                std::iter::once("explore".to_owned()).chain(rest.to_vec()).collect();
            run::release_binary("homing-sim", "homing-sim", &arguments)
        }
        "bench" => run::release_binary("homing-bench", "homing-bench", rest),
        "history" => {
            let history = ["history".to_owned()];
            run::release_binary("homing-bench", "homing-bench", &[&history, rest].concat())
        }
        "kill9" => run::release_example("homing-cli", "kill9", rest),
        "fuzz" => run::fuzz(rest),
        "fuzz-tokens" => run::release_example("homing-token", "fuzz-tokens", rest),
        "docs" => run::cargo(&["doc", "--workspace", "--no-deps"]),
        "help" | "--help" | "-h" => {
            println!("{HELP}");
            Ok(())
        }
        other => Err(format!("there is no `{other}`; `cargo xtask help` lists what there is")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

const HELP: &str = "\
The project's own commands.

  cargo xtask test [--no-install]   everything CI runs: format, lints, layout, tests, doctests,
                                    vectors, a browser, scenarios, 20 000 simulated worlds, size
  cargo xtask tidy                  the layout: arrows between crates, files that grew too long
  cargo xtask proto                 makes the wire types anew from spec/homing.proto
  cargo xtask session               makes the transition tables and the picture of spec/session.md anew
  cargo xtask clauses               the clauses of the session, and the tests that cite each
  cargo xtask browser               the server's WebSocket against a real Chromium
  cargo xtask scenarios [NAME…]     the flows of spec/scenarios on a real server and real devices;
                                    --driver COMMAND plays them on another language's driver
  cargo xtask size                  how large the smallest app with the SDK is; fails if too large
  cargo xtask sim --seeds N         simulated worlds; prints the seeds that failed
  cargo xtask sim --seed X --trace  one world, told step by step
  cargo xtask explore [--depth N]   every state of a small world within N steps; JSON
  cargo xtask bench NAME            measurements as JSON: idle, login, send, offline-open, kick,
                                    way, stampede
  cargo xtask history --ops N       concurrent sign-ins, kicks and resumes against a server: is there an
                                    order in which every answer is right? Prints what is illegal
  cargo xtask kill9                 kill -9 of server and clients during sends; counts at the end
  cargo xtask fuzz TARGET [SECONDS] a fuzz target (needs a nightly toolchain and cargo-fuzz)
  cargo xtask fuzz-tokens [N] [SEED]
                                    mutates good credentials of all forms and judges them, N times
                                    (10 000 000); the mutations follow from the seed
  cargo xtask docs                  the API documentation";
