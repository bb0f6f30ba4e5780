//! Killed at any moment, the store on disk keeps every write that it confirmed.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};

use homing_core::client::Row;
use homing_proto::id::Cursor;
use tempfile::TempDir;

use super::{entry, message, open_sqlite, pending, with};

#[test]
fn a_killed_process_loses_nothing_that_was_confirmed_and_tears_no_batch() {
    let dir = TempDir::new().unwrap();
    let mut confirmed = 0;
    for batches_before_the_kill in [1, 7, 20, 40] {
        confirmed = run_and_kill(&dir, batches_before_the_kill).max(confirmed);

        let mut store = open_sqlite(dir.path());
        let cursor = store.opened.cursor.map_or(0, |cursor| cursor.offset);
        assert_eq!(store.opened.reset, None);
        assert!(cursor >= confirmed, "confirmed {confirmed}, found {cursor}");
        let view = store.reader.conversation(&with("bob")).unwrap().unwrap();
        assert_eq!(view.head, cursor, "rows and cursor are one commit");
        let last = store.reader.history(&with("bob"), 0, 100).unwrap();
        assert_eq!(last.gap, homing::Gap::None);
        assert_eq!(store.opened.outbox.len() as u64, cursor);
    }
}

/// Runs the child until it has confirmed so many batches, kills it, and gives the last batch that
/// it confirmed.
fn run_and_kill(dir: &TempDir, batches: usize) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::crash::child_that_writes", "--ignored", "--nocapture"])
        .env(DIR, dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut last = 0;
    let mut seen = 0;
    let mut line = String::new();
    while seen < batches {
        line.clear();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "the child ended by itself");
        if let Some(number) = confirmed_in(&line) {
            last = number;
            seen += 1;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    rest.lines().filter_map(confirmed_in).next_back().unwrap_or(last)
}

/// The harness may have written something before it on the same line.
fn confirmed_in(line: &str) -> Option<u64> {
    let (_, number) = line.trim().split_once("confirmed ")?;
    number.parse().ok()
}

#[test]
#[ignore = "the child process of the test above"]
fn child_that_writes() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let mut store = open_sqlite(dir.as_ref());
    let mut next = store.opened.cursor.map_or(1, |cursor| cursor.offset + 1);
    loop {
        let rows = [
            entry(message("bob", next, "bob"), 0),
            Row::Queue(pending(1_000_000 + next, "bob")),
            Row::Cursor(Cursor { log_epoch: 1, offset: next }),
        ];
        store.writer.write(&rows).unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "confirmed {next}").and_then(|()| out.flush()).unwrap();
        next += 1;
    }
}

const DIR: &str = "HOMING_TEST_CRASH_DIR";
