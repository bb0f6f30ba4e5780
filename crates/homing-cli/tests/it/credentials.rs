//! Credentials that run out, against a real server (S-8.3 … S-8.5).

use serde_json::{Value, json};

use crate::program::{Drive, Server};

/// S-8.4: renewed in place, again and again, past the end of every one of them; the link stays and
/// no message is delayed.
#[test]
fn a_provider_keeps_a_connection_alive_through_credentials_of_three_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let mut alice =
        Drive::start_with(server.url(), &folder.path().join("alice"), "ios", &["--provider"]);
    alice.login("alice", &server.mint("alice", 3, 0));
    let mark = alice.mark();
    for round in 1..=9 {
        let wanted = alice.find(0, |line| is_wanted(line, round));
        assert_eq!((&wanted["reason"], &wanted["user"]), (&json!("expiring"), &json!("alice")));
        alice.done("provide", json!({"ask": round, "token": server.mint("alice", 3, round)}));
        alice.done("send", json!({"to": "bob", "text": "still here", "wait": "accepted"}));
    }
    let states = alice.seen[mark..].iter().filter(|line| line["event"] == "status");
    for status in states {
        assert_eq!(status["link"]["state"], "Connected", "{status}");
    }
    assert_eq!(count(&alice, "credential_needed"), 0);
    assert_eq!(alice.refused("provide", json!({"ask": 1, "token": "late"})), "invalid_argument");
    alice.end();
}

/// S-8.5: without a renewal the link closes, once; local data stays, the outbox fills, nothing is
/// tried until there is another credential; S-3.4: a login of the same account brings one.
#[test]
fn an_expired_credential_is_told_once_and_a_login_with_another_one_renews() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let mut alice = Drive::start(server.url(), &folder.path().join("alice"), "ios");
    let short = server.mint("alice", 2, 0);
    alice.login("alice", &short);
    assert_eq!(alice.event(0, "credential_expiring")["event"], "credential_expiring");
    alice.event(0, "credential_needed");
    let status = alice.find(0, |line| line["session"]["credential"] == "Needed");
    assert_eq!(status["action"], "ask_for_credential");
    assert_eq!(alice.done("status", json!({}))["link"]["state"], "Idle");
    alice.done("network", json!({"up": true}));
    assert_eq!(alice.done("status", json!({}))["link"]["state"], "Idle", "no attempt was made");
    alice.done("conversations", json!({}));
    let waiting = alice.begin("send", json!({"to": "bob", "text": "later", "wait": "accepted"}));
    assert_eq!(alice.refused("renew", json!({"token": short})), "credential_expired");
    let login = json!({"user": "alice", "token": server.mint("alice", 3_600, 0)});
    assert_eq!(alice.done("login", login)["already"], true);
    alice.answer(waiting).unwrap();
    assert_eq!(count(&alice, "credential_needed"), 1);
    alice.end();
}

/// S-8.4: a provider that was silent while the credential ran out is still waited for, and what it
/// says then counts.
#[test]
fn a_provider_that_is_late_brings_the_client_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let mut alice =
        Drive::start_with(server.url(), &folder.path().join("alice"), "ios", &["--provider"]);
    alice.login("alice", &server.mint("alice", 2, 0));
    alice.find(0, |line| is_wanted(line, 1));
    alice.event(0, "credential_needed");
    let mark = alice.mark();
    alice.done("provide", json!({"token": server.mint("alice", 3_600, 0)}));
    alice.linked(mark, "Connected");
    assert_eq!((count(&alice, "credential_wanted"), count(&alice, "credential_needed")), (1, 1));
    assert_eq!(alice.refused("provide", json!({"token": "late"})), "invalid_argument");
    alice.end();
}

fn is_wanted(line: &Value, ask: u64) -> bool {
    line["event"] == "credential_wanted" && line["ask"] == ask
}

fn count(drive: &Drive, event: &str) -> usize {
    drive.seen.iter().filter(|line| line["event"] == event).count()
}
