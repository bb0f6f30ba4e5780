//! What Linux tells of a process: memory and time of its processors.

use std::fs;
use std::time::Duration;

use serde::Serialize;

use crate::Failure;

/// Memory of a process, in bytes.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Memory {
    /// Pages that are in memory.
    pub(crate) rss: u64,
    /// The same, with shared pages divided among those who share them.
    pub(crate) pss: u64,
    /// Of `rss`, what is no file's: heap and stacks.
    pub(crate) anonymous: u64,
}

/// The memory of a process now.
///
/// # Errors
/// When the process is gone or somebody else's, or this is not Linux.
pub(crate) fn memory(pid: u32) -> Result<Memory, Failure> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    parse_memory(&text).ok_or_else(|| format!("{path}: not as expected").into())
}

fn parse_memory(text: &str) -> Option<Memory> {
    Some(Memory {
        rss: kib(text, "Rss:")? * 1024,
        pss: kib(text, "Pss:")? * 1024,
        anonymous: kib(text, "Anonymous:")? * 1024,
    })
}

/// The number behind a name at the beginning of a line, as `/proc` writes sizes.
pub(crate) fn kib(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Processor time that a process has used so far, its own and the system's for it, to 10 ms.
///
/// # Errors
/// When the process is gone, or this is not Linux.
pub(crate) fn cpu(pid: u32) -> Result<Duration, Failure> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    parse_cpu(&text).ok_or_else(|| format!("{path}: not as expected").into())
}

fn parse_cpu(text: &str) -> Option<Duration> {
    // The program's name stands in parentheses and may hold anything.
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Duration::from_millis((ticks(11)? + ticks(12)?) * TICK_MS))
}

/// Time that the threads of a process have waited for a processor though they had something to do: what
/// other programs, and the client of a measurement, took from it.
///
/// # Errors
/// When the process is gone, or this is not Linux.
pub(crate) fn waited(pid: u32) -> Result<Duration, Failure> {
    let path = format!("/proc/{pid}/task");
    let tasks = fs::read_dir(&path).map_err(|error| format!("{path}: {error}"))?;
    // A thread may end while it is looked at; its time is gone with it.
    let times = tasks.flatten().filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    Ok(Duration::from_nanos(times.sum()))
}

/// Linux counts in hundredths of a second wherever programs can see it.
const TICK_MS: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_a_rollup() {
        let text = "55d0-7ffd ---p 00000000 00:00 0  [rollup]\nRss:   2048 kB\nPss:   1024 kB\n\
                    Pss_Anon:  1 kB\nAnonymous:   512 kB\n";
        let expected = Memory { rss: 2048 * 1024, pss: 1024 * 1024, anonymous: 512 * 1024 };
        assert_eq!(parse_memory(text), Some(expected));
    }

    #[test]
    fn time_is_read_behind_a_name_with_spaces_and_parentheses() {
        let text = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 12 30 0 0 20 0 1 0 5 6 7";
        assert_eq!(parse_cpu(text), Some(Duration::from_millis(420)));
    }

    #[test]
    fn this_process_has_memory_and_time() {
        let pid = std::process::id();
        let memory = memory(pid).unwrap();
        assert!(memory.rss >= memory.anonymous && memory.anonymous > 0);
        assert!(cpu(pid).is_ok() && waited(pid).is_ok());
    }
}
