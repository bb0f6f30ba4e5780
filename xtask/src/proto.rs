//! `cargo xtask proto`: the wire types of `homing-proto`, made from `spec/homing.proto`.
//!
//! The result is committed so that a build needs no schema compiler; `--check` fails on drift.

use std::path::{Path, PathBuf};

/// Writes `crates/homing-proto/src/wire.rs`, or with `--check` compares it.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let made = generate()?;
    let path = root().join("crates/homing-proto/src/wire.rs");
    if arguments.iter().any(|a| a == "--check") {
        let kept = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        if kept == made {
            return Ok(());
        }
        return Err("wire.rs differs from spec/homing.proto: run `cargo xtask proto`".to_owned());
    }
    std::fs::write(&path, made).map_err(|e| format!("{}: {e}", path.display()))
}

fn generate() -> Result<String, String> {
    let root = root();
    let files = protox::compile([root.join("spec/homing.proto")], [root.join("spec")])
        .map_err(|e| format!("spec/homing.proto: {e}"))?;
    let out = std::env::temp_dir().join(format!("homing-proto-{}", std::process::id()));
    std::fs::create_dir_all(&out).map_err(|e| e.to_string())?;
    let made = prost_build::Config::new()
        .bytes(["."])
        .out_dir(&out)
        .compile_fds(files)
        .and_then(|()| std::fs::read_to_string(out.join("homing.v1.rs")));
    std::fs::remove_dir_all(&out).map_err(|e| e.to_string())?;
    let body = made.map_err(|e| e.to_string())?;
    Ok(format!(
        "// Made by `cargo xtask proto` from spec/homing.proto; not edited by hand.\n{body}"
    ))
}

/// The top folder of the checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the checkout").to_owned()
}
