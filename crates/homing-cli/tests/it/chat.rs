//! `homing chat` in a pipe.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::json;

use crate::program::{Drive, Lines, Server, assert_failed, homing, run, run_with, stderr};

#[test]
fn lines_from_a_pipe_are_sent_and_lines_for_a_pipe_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let url = server.url();
    let store = folder.path().join("bob");
    let mut bob = homing([
        "chat",
        "--server",
        url,
        "--app-id",
        "1",
        "--user",
        "bob",
        "--store",
        store.to_str().unwrap(),
    ]);
    let (reader, writer) = std::io::pipe().unwrap();
    bob.env("HOMING_TOKEN", server.token("bob")).stderr(writer);
    let mut bob = Lines::start(bob);
    let is_ready = |line: &String| line.contains("up to date");
    let mut told = BufReader::new(reader).lines().map_while(Result::ok);
    assert!(told.any(|line| is_ready(&line)));
    let mut alice =
        homing(["chat", "--server", url, "--app-id", "1", "--user", "alice", "--with", "bob"]);
    alice.env("HOMING_TOKEN", server.token("alice"));
    let output = run_with(alice, b"hello bob\n\n/who\n/nonsense\n//slash\nbye \x1b[2J");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = stderr(&output);
    assert!(told.contains("/nonsense is not understood"), "{told}");
    for text in ["hello bob", "/slash", "bye  [2J"] {
        let line = bob.next().unwrap();
        assert!(line.ends_with(&format!(" alice: {text}")), "{line:?}");
    }
    bob.say("/quit");
    assert_eq!(bob.wait().code(), Some(0));
}

#[test]
fn what_was_written_before_the_start_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let mut alice = Drive::start(server.url(), &folder.path().join("alice"), "ios");
    alice.login("alice", &server.token("alice"));
    alice.done("send", json!({"to": "bob", "text": "early", "wait": "accepted"}));
    let mut bob = homing(["chat", "--server", server.url(), "--app-id", "1", "--user", "bob"]);
    bob.env("HOMING_TOKEN", server.token("bob")).stderr(Stdio::null());
    let mut bob = Lines::start(bob);
    assert!(bob.next().unwrap().ends_with(" alice: early"));
    alice.done("send", json!({"to": "bob", "text": "late", "wait": "accepted"}));
    assert!(bob.next().unwrap().ends_with(" alice: late"), "nothing is printed twice");
}

#[test]
fn what_cannot_be_done_exits_with_1_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let refused = run([
        "chat",
        "--server",
        server.url(),
        "--app-id",
        "1",
        "--user",
        "alice",
        "--token",
        "garbage",
    ]);
    assert_failed(&refused, "credential_malformed");
    let nobody = run(["chat", "--server", server.url(), "--app-id", "1", "--user", "alice"]);
    assert_failed(&nobody, "offline_not_last_user");
}
