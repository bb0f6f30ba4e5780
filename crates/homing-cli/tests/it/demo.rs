//! `homing demo`.

use rustix::process::Signal;

use crate::program::{Lines, homing, read_all, send};

#[test]
fn every_step_holds_and_nothing_stays_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = homing(["demo", "--once"]);
    command.env("TMPDIR", folder.path());
    let mut demo = Lines::start(command);
    assert_eq!(demo.wait().code(), Some(0), "{}", demo.seen.join("\n"));
    let text = demo.seen.join("\n");
    assert_eq!(text.matches('✓').count(), 13, "{text}");
    assert!(!text.contains('✗'), "{text}");
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_server_that_is_killed_in_the_middle_makes_it_fail_and_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = homing(["demo", "--once"]);
    let (reader, writer) = std::io::pipe().unwrap();
    command.env("TMPDIR", folder.path()).stderr(writer);
    let mut demo = Lines::start(command);
    let pid = loop {
        let line = demo.next().unwrap();
        if let Some(rest) = line.trim_start().strip_prefix("process ") {
            break rest.split(' ').next().unwrap().parse().unwrap();
        }
    };
    send(pid, Signal::KILL);
    assert_eq!(demo.wait().code(), Some(1));
    let text = demo.seen.join("\n");
    assert!(text.contains('✗') && text.contains("is gone in the middle of it"), "{text}");
    let told = read_all(reader);
    assert!(told.contains("error: the tour ends at step"), "{told}");
    assert!(told.contains(&format!("process {pid}")), "{told}");
}
