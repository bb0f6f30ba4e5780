//! The data directory: is it there, is it ours alone, is somebody on it, is there room?

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::Finding;

pub(super) fn look(dir: &Path) -> Vec<Finding> {
    let metadata = match fs::metadata(dir) {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => {
            let seen = format!("{} is no directory", dir.display());
            return vec![Finding::fail("data directory", seen, "choose another with --data")];
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return absent(dir),
        Err(error) => {
            let seen = format!("{}: {error}", dir.display());
            return vec![Finding::fail("data directory", seen, "check the path and its rights")];
        }
    };
    vec![rights(dir, metadata.mode()), writable("data directory", dir), lock(dir), room(dir)]
}

fn absent(dir: &Path) -> Vec<Finding> {
    let parent = existing_parent(dir);
    let mut writable = writable("data directory", &parent);
    if writable.state == super::State::Ok {
        writable.seen = format!("{} is not there yet; `serve` will make it", dir.display());
    }
    vec![writable, room(&parent)]
}

fn existing_parent(dir: &Path) -> PathBuf {
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    absolute.ancestors().find(|path| path.is_dir()).unwrap_or_else(|| Path::new("/")).to_owned()
}

/// Keys of apps and messages lie there.
fn rights(dir: &Path, mode: u32) -> Finding {
    let seen = format!("{}, mode {:03o}", dir.display(), mode & 0o777);
    if mode & 0o077 == 0 {
        Finding::ok("rights", seen)
    } else {
        let cure = format!("let only the server's user in: chmod 700 {}", dir.display());
        Finding::warn("rights", format!("{seen}: others can look in"), cure)
    }
}

fn writable(name: &'static str, dir: &Path) -> Finding {
    match rustix::fs::access(dir, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK) {
        Ok(()) => Finding::ok(name, format!("{} can be written", dir.display())),
        Err(error) => Finding::fail(
            name,
            format!("{} cannot be written: {error}", dir.display()),
            format!("give it to the server's user: chown USER {}", dir.display()),
        ),
    }
}

fn lock(dir: &Path) -> Finding {
    let path = dir.join("homing.lock");
    let file: io::Result<File> = OpenOptions::new().write(true).open(&path);
    match file.map(|file| file.try_lock()) {
        Ok(Ok(())) => Finding::ok("lock", "no server runs on this directory"),
        Ok(Err(TryLockError::WouldBlock)) => {
            Finding::ok("lock", "a server is running on this directory")
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Finding::ok("lock", "no server ever ran on this directory")
        }
        Ok(Err(TryLockError::Error(error))) | Err(error) => Finding::fail(
            "lock",
            format!("{}: {error}", path.display()),
            "give the file to the server's user, and use a file system that has locks",
        ),
    }
}

fn room(dir: &Path) -> Finding {
    let name = "free disk";
    match rustix::fs::statvfs(dir) {
        Ok(stat) => {
            let mib = stat.f_bavail.saturating_mul(stat.f_frsize) >> 20;
            let seen = format!("{mib} MiB for {}", dir.display());
            let cure = "free some space, or choose another disk with --data";
            if mib < MIB_LEAST {
                Finding::fail(name, seen, cure)
            } else if mib < MIB_GOOD {
                Finding::warn(name, seen, cure)
            } else {
                Finding::ok(name, seen)
            }
        }
        Err(error) => Finding::warn(name, format!("cannot be told: {error}"), "look with df -h"),
    }
}

/// Below this the next checkpoint may not fit.
const MIB_LEAST: u64 = 64;
const MIB_GOOD: u64 = 1024;
