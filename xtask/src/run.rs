//! Runs other programs, in the checkout's top folder, and says which one failed.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs cargo with these arguments.
pub(crate) fn cargo(arguments: &[&str]) -> Result<(), String> {
    succeed(cargo_command().args(arguments))
}

/// Runs tests that write what they made instead of comparing it.
pub(crate) fn cargo_blessing(arguments: &[&str]) -> Result<(), String> {
    succeed(cargo_command().env("HOMING_BLESS", "1").args(arguments))
}

/// Runs a binary of the workspace, built for speed.
pub(crate) fn release_binary(package: &str, name: &str, rest: &[String]) -> Result<(), String> {
    let fixed = ["run", "--release", "--quiet", "--package", package, "--bin", name, "--"];
    succeed(cargo_command().args(fixed).args(rest))
}

/// Runs an example of the workspace, built for speed, with the `homing` binary beside it.
pub(crate) fn release_example(package: &str, name: &str, rest: &[String]) -> Result<(), String> {
    cargo(&["build", "--release", "--package", "homing-cli"])?;
    let fixed = ["run", "--release", "--quiet", "--package", package, "--example", name, "--"];
    succeed(cargo_command().args(fixed).args(rest))
}

/// Runs a fuzz target for some seconds.
pub(crate) fn fuzz(rest: &[String]) -> Result<(), String> {
    let (target, seconds) = match rest {
        [target] => (target.as_str(), "60"),
        [target, seconds] => (target.as_str(), seconds.as_str()),
        _ => return Err("usage: cargo xtask fuzz TARGET [SECONDS]".to_owned()),
    };
    let limit = format!("-max_total_time={seconds}");
    succeed(
        Command::new("cargo-fuzz")
            .args(["run", "--fuzz-dir", ".", target, "--", &limit])
            .env("RUSTUP_TOOLCHAIN", "nightly")
            .current_dir(root().join("fuzz")),
    )
    .map_err(|e| format!("{e}\ncargo-fuzz is installed with `cargo install cargo-fuzz`"))
}

/// Runs a command to its end; an exit code other than 0 is an error.
pub(crate) fn succeed(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|e| format!("{}: {e}", shown(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", shown(command))) }
}

/// Cargo, in the checkout's top folder.
pub(crate) fn cargo_command() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// The top folder of the checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the checkout").to_owned()
}

fn shown(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    let name = program.rsplit('/').next().unwrap_or_default().to_owned();
    command.get_args().fold(name, |line, argument| line + " " + &argument.to_string_lossy())
}
