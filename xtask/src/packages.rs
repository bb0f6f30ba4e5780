//! System packages that tests need: installed where that is allowed, named where it is not.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::succeed;

/// Makes sure that one of the programs is there, installing the package if it is not.
///
/// # Errors
/// Says the exact command to type when this process may not install packages.
pub(crate) fn need(programs: &[&str], package: &str, install: bool) -> Result<PathBuf, String> {
    if let Some(found) = find(programs) {
        return Ok(found);
    }
    let by_hand = format!(
        "the tests need `{}`; type: sudo apt-get update && sudo apt-get install -y {package}",
        programs[0]
    );
    if !install || !may_install() {
        return Err(by_hand);
    }
    println!("installing {package} …");
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        succeed(command.stdout(std::process::Stdio::null()))
    };
    apt(&["update", "-qq"])?;
    apt(&["install", "-y", "-qq", "--no-install-recommends", package])?;
    find(programs).ok_or(by_hand)
}

fn find(programs: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    programs
        .iter()
        .flat_map(|program| std::env::split_paths(&path).map(move |folder| folder.join(program)))
        .find(|candidate| candidate.is_file())
}

/// Only root may install, and only where there is apt.
fn may_install() -> bool {
    let root = Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout == b"0\n");
    root && Path::new("/usr/bin/apt-get").exists()
}
