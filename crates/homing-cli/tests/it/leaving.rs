//! Letting go and leaving: suspend, logout and switch, seen from other processes (S-9).

use std::time::{Duration, Instant};

use serde_json::json;

use crate::program::{Drive, Server, assert_failed, run};

/// S-9.4, I12: while the account is open and connected, `suspend` lets go of all of it within a second;
/// another process can then use the directory, and what it did is there after `resume`.
#[test]
fn a_suspended_client_lets_a_second_process_at_its_data_within_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let store = folder.path().join("alice");
    let mut first = Drive::start(server.url(), &store, "ios");
    first.login("alice", &server.token("alice"));
    first.done("send", json!({"to": "bob", "text": "from the first", "wait": "accepted"}));
    let path = store.to_str().unwrap();
    let refused = run(["drive", "--server", server.url(), "--app-id", "1", "--store", path]);
    assert_failed(&refused, "store_in_use");

    let began = Instant::now();
    first.done("suspend", json!({}));
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(first.done("status", json!({}))["link"]["state"], "Paused");
    assert_eq!(first.refused("conversations", json!({})), "not_ready");

    let mut second = Drive::start(server.url(), &store, "ios");
    second.done("resume_last", json!({}));
    assert_eq!(second.texts("bob"), ["from the first"]);
    second.done("send", json!({"to": "bob", "text": "from the second", "wait": "accepted"}));
    assert_eq!(first.refused("resume", json!({})), "store_in_use");
    second.end();

    let mark = first.mark();
    first.done("resume", json!({}));
    first.linked(mark, "Connected");
    assert_eq!(first.texts("bob"), ["from the first", "from the second"]);
    first.end();
}

/// S-9.2, S-9.3: signed out without a server, and ended there after a restart of the program, when the
/// server is back; nothing signs in meanwhile.
#[test]
fn a_logout_without_a_server_reaches_it_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("server");
    let server = Server::start(&data);
    let (store, port) = (folder.path().join("alice"), server.port());
    let (url, token) = (server.url().to_owned(), server.token("alice"));
    let mut alice = Drive::start(&url, &store, "ios");
    alice.login("alice", &token);
    assert_eq!(server.stop(), Some(0));
    let began = Instant::now();
    alice.done("logout", json!({"wipe": true}));
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    alice.end();
    let files = std::fs::read_dir(&store).unwrap();
    let names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains("store")), "{names:?}");

    let mut again = Drive::start(&url, &store, "ios");
    assert_eq!(again.refused("resume_last", json!({})), "needs_explicit_login");
    let offline = again.refused("login_offline", json!({"user": "alice"}));
    assert_eq!(offline, "needs_explicit_login");
    let server = Server::start_on(&data, port);
    let mut other = Drive::start(server.url(), &folder.path().join("other"), "linux");
    other.login("alice", &token);
    // A tap brings the job forward; the list says when the session is gone.
    again.done("hint", json!({"hint": "tap"}));
    let own = |devices: &serde_json::Value| devices["devices"].as_array().unwrap().len() == 1;
    if !own(&other.done("devices", json!({}))) {
        other.find(0, |line| line["event"] == "devices_changed" && own(line));
    }
    assert_eq!(again.done("status", json!({}))["session"]["state"], "SignedOut");
    again.end();
    other.end();
}

/// S-9.1: one atomic switch; the old account's session ends at the server by a job of its own.
#[test]
fn a_switch_ends_the_old_account_at_the_server_and_leaves_its_data() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let store = folder.path().join("device");
    let mut device = Drive::start(server.url(), &store, "ios");
    device.login("alice", &server.token("alice"));
    device.done("send", json!({"to": "bob", "text": "of alice", "wait": "accepted"}));
    let mark = device.mark();
    device.login("bob", &server.token("bob"));
    // Nothing of alice after the first word of bob.
    let first = device.seen[mark..]
        .iter()
        .position(|line| line["session"]["user"] == "bob")
        .expect("bob is shown");
    for line in &device.seen[mark + first..] {
        assert_ne!(line["session"]["user"], "alice", "{line}");
    }
    assert_eq!(device.texts("alice"), ["of alice"], "as bob has it");
    assert!(device.texts("bob").is_empty());
    let mut other = Drive::start(server.url(), &folder.path().join("other"), "linux");
    other.login("alice", &server.token("alice"));
    let own = |devices: &serde_json::Value| devices["devices"].as_array().unwrap().len() == 1;
    if !own(&other.done("devices", json!({}))) {
        other.find(0, |line| line["event"] == "devices_changed" && own(line));
    }
    device.end();
    other.end();
}
