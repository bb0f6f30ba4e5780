//! `cargo xtask tidy`: what the layout promises and no compiler checks.

use std::path::Path;
use std::process::Command;

use crate::metadata::arrows;
use crate::run::root;

/// Which workspace crates each crate may depend on (ARCHITECTURE.md, "Arrows").
const ALLOWED: &[(&str, &[&str])] = &[
    ("homing-proto", &[]),
    ("homing-core", &["homing-proto"]),
    ("homing-token", &["homing-proto"]),
    ("homing", &["homing-core", "homing-proto", "homing-token"]),
    ("homing-compat", &["homing"]),
    ("homing-server", &["homing-core", "homing-proto", "homing-token"]),
    ("homing-sim", &["homing-core", "homing-proto"]),
    ("homing-bench", &["homing", "homing-core", "homing-proto", "homing-server", "homing-token"]),
    (
        "homing-cli",
        &[
            "homing",
            "homing-compat",
            "homing-core",
            "homing-proto",
            "homing-server",
            "homing-token",
        ],
    ),
    ("xtask", &["homing-proto"]),
];

/// Lines of a source file from which on readers get lost.
const LINES_MAX: usize = 700;

/// Checks everything and reports all that is wrong at once.
pub(crate) fn run() -> Result<(), String> {
    let mut wrong = Vec::new();
    check_arrows(&mut wrong)?;
    check_files(&mut wrong)?;
    if wrong.is_empty() { Ok(()) } else { Err(format!("tidy:\n  {}", wrong.join("\n  "))) }
}

fn check_arrows(wrong: &mut Vec<String>) -> Result<(), String> {
    for (from, to) in arrows()? {
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == from) else {
            wrong.push(format!("{from}: not in the list of arrows (xtask/src/tidy.rs)"));
            continue;
        };
        for target in to {
            if !allowed.contains(&target.as_str()) {
                wrong.push(format!("{from} must not depend on {target}"));
            }
        }
    }
    Ok(())
}

fn check_files(wrong: &mut Vec<String>) -> Result<(), String> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"])
        .current_dir(root())
        .output()
        .map_err(|e| format!("git ls-files: {e}"))?;
    for path in String::from_utf8_lossy(&output.stdout).lines() {
        // Made from the schema.
        if path.ends_with("homing-proto/src/wire.rs") {
            continue;
        }
        // Deleted and not committed yet.
        let Ok(text) = std::fs::read_to_string(root().join(path)) else { continue };
        if Path::new(path).file_name().is_some_and(|name| name == "mod.rs") {
            wrong.push(format!("{path}: `foo.rs` beside `foo/`, no `mod.rs`"));
        }
        if !text.starts_with("//!") && !text.starts_with("#!") {
            wrong.push(format!("{path}: the first line says what the file is for (`//! …`)"));
        }
        let lines = text.lines().count();
        let is_test = path.contains("/tests/") || path.ends_with("tests.rs");
        if lines > LINES_MAX && !is_test {
            wrong.push(format!("{path}: {lines} lines; split it before readers get lost"));
        }
    }
    Ok(())
}
