//! Makes `src/wire.rs` from `spec/homing.proto`: `cargo xtask proto`.
//!
//! The result is committed so that a build needs no schema compiler; the test `wire` fails on drift.

use std::error::Error;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    Ok(std::fs::write(wire(), made()?)?)
}

/// The file that is made.
pub(crate) fn wire() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/wire.rs")
}

/// What it must hold.
pub(crate) fn made() -> Result<String, Box<dyn Error>> {
    let spec = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec");
    let files = protox::compile([spec.join("homing.proto")], [spec])?;
    let out = std::env::temp_dir().join(format!("homing-wire-{}", std::process::id()));
    std::fs::create_dir_all(&out)?;
    let made = prost_build::Config::new()
        .bytes(["."])
        .out_dir(&out)
        .compile_fds(files)
        .and_then(|()| std::fs::read_to_string(out.join("homing.v1.rs")));
    std::fs::remove_dir_all(&out)?;
    let body = made?;
    Ok(format!(
        "// Made by `cargo xtask proto` from spec/homing.proto; not edited by hand.\n{body}"
    ))
}
