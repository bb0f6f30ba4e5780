//! How large an app grows by the SDK (B-15, I24): the smallest app, built for size.

use crate::metadata::target_directory;
use crate::run::cargo;

/// Bytes that the smallest app may have, stripped.
const MOST: u64 = 4_000_000;

/// Builds `examples/01-hello.rs` with the profile `size` and weighs it.
pub(crate) fn run() -> Result<(), String> {
    let fixed = ["build", "--quiet", "--profile", "size", "--package", "homing"];
    cargo(&[&fixed[..], &["--example", "hello"]].concat())?;
    let file = target_directory()?.join("size/examples/hello");
    let bytes = std::fs::metadata(&file).map_err(|e| format!("{}: {e}", file.display()))?.len();
    println!("the smallest app has {bytes} bytes, of {MOST} that it may have");
    if bytes <= MOST { Ok(()) } else { Err("the SDK has grown too large (B-15)".to_owned()) }
}
