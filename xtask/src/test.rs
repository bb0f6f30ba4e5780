//! `cargo xtask test`: everything CI runs, the same here and there.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Instant;

use crate::run::{cargo, cargo_command, release_binary};
use crate::{browser, packages, scenarios, size, tidy};

/// Simulated worlds in every run.
const SIM_SEEDS: &str = "20000";

/// Runs all steps, the cheap ones first, and ends with the runner's closing line.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let install = !arguments.iter().any(|argument| argument == "--no-install");
    let began = Instant::now();
    packages::need(&["cc", "gcc", "clang"], "gcc libc6-dev", install)?;
    packages::need(browser::PROGRAMS, "chromium", install)?;
    step("format", || cargo(&["fmt", "--all", "--check"]))?;
    step("layout", tidy::run)?;
    step("lints", || {
        cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])
    })?;
    let mut passed = 0;
    step("tests", || {
        passed += tests(&["test", "--workspace", "--no-fail-fast"])?;
        Ok(())
    })?;
    step("browser", browser::run)?;
    step("scenarios", || {
        passed += scenarios::run(&[])?;
        Ok(())
    })?;
    step("simulation", || {
        release_binary("homing-sim", "homing-sim", &["--seeds".into(), SIM_SEEDS.into()])
    })?;
    step("size", size::run)?;
    // The browser, the simulation and the size are one test each.
    passed += 3;
    println!("\nall of it in {} s", began.elapsed().as_secs());
    println!("{passed} passed, 0 failed");
    Ok(())
}

fn step(name: &str, work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    println!("\n== {name}");
    let began = Instant::now();
    let result = work();
    let seconds = began.elapsed().as_secs();
    match &result {
        Ok(()) => println!("== {name}: ok, {seconds} s"),
        Err(_) => println!("== {name}: FAILED after {seconds} s"),
    }
    result
}

/// Runs cargo's tests and adds up what its runners say.
fn tests(arguments: &[&str]) -> Result<u64, String> {
    let mut child = cargo_command()
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cargo test: {e}"))?;
    let output = child.stdout.take().expect("the output was asked for");
    let (mut passed, mut failed) = (0, 0);
    for line in BufReader::new(output).lines() {
        let line = line.map_err(|e| format!("cargo test: {e}"))?;
        println!("{line}");
        if let Some(result) = line.strip_prefix("test result: ") {
            passed += count(result, " passed");
            failed += count(result, " failed");
        }
    }
    let status = child.wait().map_err(|e| format!("cargo test: {e}"))?;
    if status.success() && failed == 0 {
        return Ok(passed);
    }
    println!("{passed} passed, {} failed", failed.max(1));
    Err(format!("cargo test ended with {status}"))
}

/// The number before a word in cargo's result line.
fn count(result: &str, word: &str) -> u64 {
    let before = result.split(word).next().unwrap_or_default();
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}
