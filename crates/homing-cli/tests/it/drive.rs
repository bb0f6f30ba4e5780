//! `homing drive`: the protocol of its lines.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::program::{Drive, assert_failed, homing, run, run_with, silent_port, stdout};

/// Nobody is there.
const NOWHERE: &str = "ws://127.0.0.1:1";

#[test]
fn whatever_a_line_says_the_answer_is_typed_and_the_program_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut drive = Drive::start(NOWHERE, folder.path(), "ios");
    let error = drive.ask("fly", json!({})).unwrap_err();
    assert_eq!(error["name"], "unknown_operation");
    assert_eq!(error["code"], 108);
    assert_eq!(error["advice"], "fix_call");
    assert!(error["text"].as_str().unwrap().contains("`fly`"));

    for line in ["{", "nonsense", "[1,2]", "{\"id\":{},\"do\":\"status\"}"] {
        let mark = drive.mark();
        drive.raw(line);
        let answer = drive.find(mark, |answer| answer.get("err").is_some());
        assert_eq!(answer["id"], Value::Null, "{line}");
        assert_eq!(answer["err"]["name"], "invalid_argument", "{line}");
    }
    drive.raw(&"x".repeat(1_000_000));
    let mark = drive.mark();
    drive.raw("{\"id\":\"a text\"}");
    let answer = drive.find(mark, |answer| answer["id"] == "a text");
    assert_eq!(answer["err"]["name"], "invalid_argument");

    for (name, fields, told) in [
        ("login", json!({"user": "alice"}), "token"),
        ("send", json!({"to": "bob"}), "text"),
        ("send", json!({"to": "bob", "text": "a", "wait": "never"}), "wait"),
        ("history", json!({}), "conversation"),
        ("network", json!({}), "cut"),
        ("clock", json!({"shift_s": "later"}), "later"),
        ("kick_device", json!({}), "session"),
        ("login", json!({"user": "alice", "token": "t", "depth": "deep"}), "depth"),
    ] {
        let error = drive.ask(name, fields).unwrap_err();
        assert_eq!(error["name"], "invalid_argument", "{name}");
        assert!(error["text"].as_str().unwrap().contains(told), "{name}: {error}");
    }
    assert_eq!(drive.done("status", json!({}))["session"]["state"], "SignedOut");
    drive.end();
}

#[test]
fn operations_of_nobody_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut drive = Drive::start(NOWHERE, folder.path(), "ios");
    assert_eq!(drive.refused("self", json!({})), "not_logged_in");
    assert_eq!(drive.refused("send", json!({"to": "bob", "text": "hi"})), "not_logged_in");
    assert_eq!(drive.refused("conversations", json!({})), "not_ready");
    assert_eq!(drive.refused("resume_last", json!({})), "needs_explicit_login");
    assert_eq!(drive.refused("login", json!({"user": "a/b", "token": "t"})), "invalid_user_id");
    drive.done("close", json!({}));
    assert_eq!(drive.refused("resume_last", json!({})), "not_initialized");
    drive.end();
}

#[test]
fn a_login_on_its_way_holds_nothing_else_up() {
    let folder = tempfile::tempdir().unwrap();
    let (_silent, url) = silent_port();
    let mut drive = Drive::start(&url, folder.path(), "ios");
    let login = drive.begin("login", json!({"user": "alice", "token": "t", "timeout_ms": 2_000}));
    drive.done("network", json!({"up": true}));
    let status = drive.done("status", json!({}));
    assert_eq!(status["session"]["state"], "SigningIn");
    let is_answered = drive.seen.iter().any(|line| line["id"] == login);
    assert!(!is_answered, "the login was answered before it could be");
    assert_eq!(drive.answer(login).unwrap_err()["name"], "timeout");
    drive.end();
}

#[test]
fn what_a_pipe_asked_is_answered_before_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().to_str().unwrap();
    let command = homing(["drive", "--server", NOWHERE, "--app-id", "1", "--store", store]);
    let lines = "{\"id\":1,\"do\":\"login\",\"user\":\"alice\",\"token\":\"t\",\"timeout_ms\":100}\n\
                 \n{\"id\":2,\"do\":\"status\"}";
    let output = run_with(command, lines.as_bytes());
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    assert!(text.contains("{\"id\":1,\"err\":"), "{text}");
    assert!(text.contains("{\"id\":2,\"ok\":"), "{text}");
}

#[test]
fn a_signal_ends_it_well() {
    for signal in [Signal::TERM, Signal::INT] {
        let folder = tempfile::tempdir().unwrap();
        let mut drive = Drive::start(NOWHERE, folder.path(), "ios");
        drive.done("status", json!({}));
        drive.process().signal(signal);
        assert_eq!(drive.process().wait().code(), Some(0));
    }
}

#[test]
fn a_store_that_is_in_use_is_told_until_its_user_suspends() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Drive::start(NOWHERE, folder.path(), "ios");
    first.done("status", json!({}));
    let store = folder.path().to_str().unwrap();
    let second = run(["drive", "--server", NOWHERE, "--app-id", "1", "--store", store]);
    assert_failed(&second, "store_in_use");
    first.done("suspend", json!({}));
    let second = run(["drive", "--server", NOWHERE, "--app-id", "1", "--store", store]);
    assert_eq!(second.status.code(), Some(0), "{second:?}");
    first.done("resume", json!({}));
    first.end();
}

#[test]
fn an_address_that_cannot_be_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().to_str().unwrap();
    for url in ["chat.example", "ws://chat.example", "ws://127.0.0.1:1/?token=t"] {
        let output = run(["drive", "--server", url, "--app-id", "1", "--store", store]);
        assert_failed(&output, "the server's address is not valid");
    }
}

#[test]
fn a_facade_is_driven_under_the_originals_names_and_numbers() {
    for (facade, first, initialise, number, again) in [
        ("v2tim", json!({"user_id": "alice", "user_sig": "t"}), "init_sdk", 6013, 6015),
        ("nim", json!({"account": "alice", "token": "t"}), "initialize", 20000, 20002),
        ("zim", json!({"user_id": "alice", "token": "t"}), "create", 6000002, 6000701),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut drive = Drive::start_with(NOWHERE, folder.path(), "ios", &["--facade", facade]);
        assert_eq!(drive.ask("login", first).unwrap_err()["code"], number, "{facade}");
        drive.done(initialise, json!({}));
        // The original's number where it has one; ZIM's second instance finds the data in use.
        assert_eq!(drive.ask(initialise, json!({})).unwrap_err()["code"], again, "{facade}");
        assert_eq!(drive.refused("fly", json!({})), "unknown_operation");
        drive.done("network", json!({"cut": true}));
        drive.end();
    }
}
