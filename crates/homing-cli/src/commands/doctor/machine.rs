//! The machine: version, clock, limits.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, getrlimit};

use super::Finding;

pub(super) fn version() -> Finding {
    let seen = format!(
        "homing {}, protocol {}, {} {}",
        env!("CARGO_PKG_VERSION"),
        homing_proto::limits::PROTO,
        std::env::consts::OS,
        std::env::consts::ARCH
    );
    Finding::ok("version", seen)
}

/// Credentials are judged by the server's clock: minutes off, and good ones are refused.
pub(super) fn clock() -> Finding {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let seen = format!("{seconds} seconds since 1970 (year {})", 1970 + seconds / YEAR_S);
    if (EARLIEST_S..LATEST_S).contains(&seconds) {
        return Finding::ok("clock", seen);
    }
    Finding::fail(
        "clock",
        format!("{seen}, which cannot be"),
        "set the clock, and let NTP keep it: timedatectl set-ntp true",
    )
}

/// Each connection takes one open file.
pub(super) fn open_files() -> Finding {
    let limit = getrlimit(Resource::Nofile);
    let (soft, hard) = (limit.current.unwrap_or(u64::MAX), limit.maximum.unwrap_or(u64::MAX));
    let seen = format!("{} (hard limit {})", count(soft), count(hard));
    let cure = "raise it: ulimit -n 1048576, or LimitNOFILE=1048576 in the systemd unit";
    if soft < FILES_LEAST {
        Finding::fail("open files", seen, cure)
    } else if soft < FILES_GOOD {
        let seen = format!("{seen}: about {} connections at once", soft - FILES_OWN);
        Finding::warn("open files", seen, cure)
    } else {
        Finding::ok("open files", seen)
    }
}

fn count(limit: u64) -> String {
    if limit == u64::MAX { "no limit".to_owned() } else { limit.to_string() }
}

const YEAR_S: u64 = 31_556_952;
/// 2025-01-01: this program did not exist before.
const EARLIEST_S: u64 = 1_735_689_600;
/// 2100-01-01.
const LATEST_S: u64 = 4_102_444_800;
/// The database, the log, the listener, some spare ones.
const FILES_OWN: u64 = 64;
const FILES_LEAST: u64 = 256;
const FILES_GOOD: u64 = 10_000;
