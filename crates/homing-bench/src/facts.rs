//! On what, of what and when was measured: without it a figure is a rumour.

use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::process::kib;

/// What a figure is worth nothing without.
#[derive(Serialize, Debug)]
pub(crate) struct Facts {
    pub(crate) command: String,
    pub(crate) started: String,
    /// The commit that was checked out, with `+changes` where the files differed from it.
    pub(crate) commit: String,
    pub(crate) machine: Machine,
    /// Programs that ran or wanted to, on average over the last minute: when it began and at its end.
    /// The measurement itself is part of the second.
    pub(crate) load_before: f64,
    pub(crate) load_after: f64,
}

/// The machine, client and server together.
#[derive(Serialize, Debug)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) processor: String,
    pub(crate) memory_mib: u64,
    pub(crate) kernel: String,
}

impl Facts {
    /// To be called before anything is measured.
    pub(crate) fn gather() -> Self {
        let load = load();
        Self {
            command: command(std::env::args().skip(1)),
            started: rfc3339(SystemTime::now()),
            commit: commit(),
            machine: machine(),
            load_before: load,
            load_after: load,
        }
    }

    /// To be called when all is measured.
    pub(crate) fn finish(mut self) -> Self {
        self.load_after = load();
        self
    }
}

fn command(arguments: impl Iterator<Item = String>) -> String {
    arguments.fold("cargo xtask bench".to_owned(), |line, argument| line + " " + &argument)
}

fn machine() -> Machine {
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    Machine {
        cores: std::thread::available_parallelism().map_or(0, Into::into),
        processor: model.unwrap_or("unknown").to_owned(),
        memory_mib: kib(&read("/proc/meminfo"), "MemTotal:").unwrap_or(0) / 1024,
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
    }
}

fn load() -> f64 {
    read("/proc/loadavg").split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0.0)
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output =
            Command::new("git").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
        let output = output.ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown".to_owned();
    };
    let is_clean = git(&["status", "--porcelain"]).is_some_and(|changes| changes.is_empty());
    if is_clean { commit } else { commit + "+changes" }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// A moment in UTC, to the second.
fn rfc3339(moment: SystemTime) -> String {
    let seconds = moment.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a number of days after 1970-01-01. Years are counted from the first of
/// March, so that the leap day is their last.
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let at = |seconds| rfc3339(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(at(1_772_323_200), "2026-03-01T00:00:00Z");
        assert_eq!(at(4_102_444_799), "2099-12-31T23:59:59Z");
    }

    #[test]
    fn the_command_is_one_that_can_be_typed() {
        let arguments = ["idle", "--tls"].map(str::to_owned);
        assert_eq!(command(arguments.into_iter()), "cargo xtask bench idle --tls");
    }
}
