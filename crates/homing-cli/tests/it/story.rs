//! What several devices and a server live through together.

use serde_json::{Value, json};

use crate::program::{Drive, Server, homing, run_with, stdout};

#[test]
fn two_people_talk() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let mut alice = Drive::start(server.url(), &folder.path().join("alice"), "ios");
    let mut bob = Drive::start(server.url(), &folder.path().join("bob"), "linux");
    alice.login("alice", &server.token("alice"));
    bob.login("bob", &server.token("bob"));
    assert_eq!(alice.done("self", json!({}))["user"], "alice");

    let client_id = "00112233-4455-6677-8899-aabbccddeeff";
    let send = json!({"to": "bob", "text": "hi", "client_id": client_id, "wait": "accepted"});
    let sent = alice.done("send", send);
    assert_eq!((&sent["seq"], &sent["client_id"]), (&json!(1), &json!(client_id)));
    let message = bob.message(0, "hi");
    assert_eq!(message["from"], "alice");
    assert_eq!(message["conversation"], "user/alice");
    assert_eq!(message["seq"], 1);
    assert_eq!(message["client_id"], client_id);

    let custom = json!({"kind": "app/card", "data": "AAEC"});
    bob.done("send", json!({"conversation": "user/alice", "custom": custom, "wait": "accepted"}));
    let message = alice.find(0, |line| line["event"] == "message" && line["seq"] == 2);
    assert_eq!(message["custom"], custom);

    let view = bob.done("conversation", json!({"with": "alice"}));
    assert_eq!((&view["unread"], &view["head"]), (&json!(1), &json!(2)));
    bob.done("mark_read", json!({"with": "alice", "seq": 2}));
    bob.event(0, "read");
    let list = bob.done("conversations", json!({"limit": 5}));
    assert_eq!(list["conversations"][0]["unread"], 0);
    assert_eq!(list["conversations"][0]["last"]["custom"], custom);

    let presence = alice.done("presence", json!({"users": ["bob", "carol"]}));
    assert_eq!(
        presence["users"],
        json!([{"user": "bob", "online": true}, {"user": "carol", "online": false}])
    );
    assert_eq!(
        alice.refused("send", json!({"to": "nobody", "text": "hi", "wait": "accepted"})),
        "peer_not_found"
    );
    alice.end();
    bob.end();
}

#[test]
fn the_same_message_handed_over_twice_is_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let mut alice = Drive::start(server.url(), &folder.path().join("alice"), "ios");
    alice.login("alice", &server.token("alice"));
    let client_id = "00112233445566778899aabbccddeeff";
    let send = json!({"to": "bob", "text": "once", "client_id": client_id, "wait": "accepted"});
    let first = alice.done("send", send.clone());
    let second = alice.done("send", send);
    assert_eq!(first["seq"], second["seq"]);
    assert_eq!(alice.texts("bob"), ["once"]);
}

#[test]
fn sends_keep_the_order_of_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let mut alice = Drive::start(server.url(), &folder.path().join("alice"), "ios");
    alice.login("alice", &server.token("alice"));
    let texts: Vec<_> = (0..100).map(|i| format!("message {i}")).collect();
    let ids: Vec<_> = texts
        .iter()
        .map(|text| alice.begin("send", json!({"to": "bob", "text": text, "wait": "accepted"})))
        .collect();
    for id in ids {
        alice.answer(id).unwrap();
    }
    assert_eq!(alice.texts("bob"), texts);
}

#[test]
fn a_displaced_device_stays_out_until_its_user_signs_in_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    assert!(server.app(["set", "1", "policy=dual"]).status.success());
    let token = server.token("alice");
    let store = folder.path().join("a");
    let mut a = Drive::start(server.url(), &store, "ios");
    let mut b = Drive::start(server.url(), &folder.path().join("b"), "android");
    a.login("alice", &token);
    b.login("alice", &token);
    let record = a.event(0, "kicked")["record"].clone();
    assert_eq!(record["reason"], "policy");
    assert_eq!(record["by"]["platform"], "android");
    assert_eq!(record["by"]["tag"], "android");
    let out = a.find(0, |line| line["session"]["why"] == "Kicked");
    assert_eq!(out["action"], "show_kicked");
    assert_eq!(a.refused("resume_last", json!({})), "needs_explicit_login");
    assert_eq!(a.refused("login_offline", json!({"user": "alice"})), "needs_explicit_login");
    a.end();

    let mut a = Drive::start(server.url(), &store, "ios");
    assert_eq!(a.done("status", json!({}))["session"]["why"], "Kicked");
    assert_eq!(a.refused("resume_last", json!({})), "needs_explicit_login");
    assert_eq!(a.refused("login_offline", json!({"user": "alice"})), "needs_explicit_login");
    let mark = b.mark();
    let polite = json!({"user": "alice", "token": token, "force": false});
    assert_eq!(a.refused("login", polite), "device_limit");
    assert_eq!(b.done("status", json!({}))["link"]["state"], "Connected");
    assert!(b.seen[mark..].iter().all(|line| line["event"] != "kicked"));

    a.login("alice", &token);
    assert_eq!(b.event(0, "kicked")["record"]["by"]["platform"], "ios");
    let devices = a.done("devices", json!({}))["devices"].clone();
    assert_eq!(devices.as_array().unwrap().len(), 1, "{devices}");
}

#[test]
fn a_device_is_ended_from_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let token = server.token("alice");
    let mut phone = Drive::start(server.url(), &folder.path().join("phone"), "ios");
    let mut laptop = Drive::start(server.url(), &folder.path().join("laptop"), "linux");
    phone.login("alice", &token);
    laptop.login("alice", &token);
    let devices = phone.done("devices", json!({}));
    let devices = devices["devices"].as_array().unwrap();
    assert_eq!(devices.len(), 2);
    let other = devices.iter().find(|device| device["platform"] == "linux").unwrap();
    phone.done("kick_device", json!({"sessions": [other["session"]]}));
    assert_eq!(laptop.event(0, "kicked")["record"]["reason"], "own_device");
    let unknown = json!({"session": "00000000-0000-0000-0000-000000000000"});
    assert_eq!(phone.refused("kick_device", unknown), "session_not_found");
}

#[test]
fn offline_login_opens_local_data_and_what_is_written_arrives_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("server");
    let server = Server::start(&data);
    let (port, url) = (server.port(), server.url().to_owned());
    let store = folder.path().join("alice");
    let mut bob = Drive::start(&url, &folder.path().join("bob"), "linux");
    bob.login("bob", &server.token("bob"));
    let mut alice = Drive::start(&url, &store, "ios");
    alice.login("alice", &server.token("alice"));
    alice.done("send", json!({"to": "bob", "text": "first", "wait": "accepted"}));
    alice.end();
    assert_eq!(server.stop(), Some(0));

    let mut alice = Drive::start(&url, &store, "ios");
    assert_eq!(alice.refused("login_offline", json!({"user": "bob"})), "offline_not_last_user");
    alice.done("login_offline", json!({"user": "alice"}));
    assert_eq!(alice.done("conversations", json!({}))["conversations"][0]["head"], 1);
    assert_eq!(alice.texts("bob"), ["first"]);
    assert_eq!(alice.refused("devices", json!({})), "offline");
    alice.done("send", json!({"to": "bob", "text": "second"}));
    assert_eq!(alice.done("outbox", json!({}))["messages"][0]["text"], "second");

    let mark = alice.mark();
    let _server = Server::start_on(&data, port);
    alice.linked(mark, "Connected");
    let accepted = alice.find(mark, |line| line["state"] == "Accepted");
    assert_eq!((&accepted["event"], &accepted["seq"]), (&json!("send_state"), &json!(2)));
    bob.message(0, "second");
    for (drive, with) in [(&mut alice, "bob"), (&mut bob, "alice")] {
        assert_eq!(drive.texts(with), ["first", "second"]);
        assert!(drive.seen.iter().all(|line| line["session"]["state"] != "SignedOut"));
    }
}

#[test]
fn offline_login_is_refused_after_expiry_and_after_logout() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let store = folder.path().join("alice");
    let mut alice = Drive::start(server.url(), &store, "ios");
    alice.login("alice", &server.token("alice"));
    alice.end();

    let mut alice = Drive::start(server.url(), &store, "ios");
    alice.done("network", json!({"cut": true}));
    alice.done("clock", json!({"shift_s": 31 * 86_400}));
    assert_eq!(alice.refused("login_offline", json!({"user": "alice"})), "credential_expired");
    alice.done("clock", json!({"shift_s": 0}));
    alice.done("login_offline", json!({"user": "alice"}));
    alice.done("logout", json!({}));
    assert_eq!(alice.refused("login_offline", json!({"user": "alice"})), "needs_explicit_login");
    alice.end();
    let mut alice = Drive::start(server.url(), &store, "ios");
    assert_eq!(alice.refused("resume_last", json!({})), "needs_explicit_login");
}

#[test]
fn a_wrong_clock_changes_nothing_online() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    for (name, years) in [("ahead", 10), ("behind", -10)] {
        let mut alice = Drive::start(server.url(), &folder.path().join(name), "ios");
        alice.done("clock", json!({"shift_s": years * 365 * 86_400}));
        alice.login("alice", &server.token("alice"));
        alice.done("send", json!({"to": "bob", "text": name, "wait": "accepted"}));
        assert_eq!(alice.done("status", json!({}))["session"]["credential"], "Valid");
        alice.end();
    }
}

#[test]
fn a_network_that_is_cut_and_returns_needs_no_login() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let mut alice = Drive::start(server.url(), &folder.path().join("alice"), "ios");
    let mut bob = Drive::start(server.url(), &folder.path().join("bob"), "linux");
    alice.login("alice", &server.token("alice"));
    bob.login("bob", &server.token("bob"));
    let signed_in = bob.mark();
    for round in 0..5 {
        let mark = bob.mark();
        bob.done("network", json!({"cut": true}));
        bob.find(mark, |line| line["event"] == "status" && line["link"]["state"] != "Connected");
        let text = format!("round {round}");
        alice.done("send", json!({"to": "bob", "text": text, "wait": "accepted"}));
        let mark = bob.mark();
        bob.done("network", json!({"cut": false, "up": true}));
        bob.linked(mark, "Connected");
        bob.message(mark, &text);
    }
    assert_eq!(bob.texts("alice").len(), 5);
    let statuses = bob.seen[signed_in..].iter().filter(|line| line["event"] == "status");
    for status in statuses {
        assert_eq!(status["session"]["state"], "SignedIn", "{status}");
    }
}

#[test]
fn an_expired_token_is_told_once_and_a_new_one_brings_the_link_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let mut carol = Drive::start(server.url(), &folder.path().join("carol"), "web");
    carol.login("carol", &mint(&server, "carol", 1));
    assert!(carol.event(0, "credential_expiring")["seconds"].as_u64().unwrap() <= 1);
    let needed = carol.event(0, "credential_needed");
    assert_eq!(needed["error"]["name"], "credential_expired");
    carol.find(0, |line| line["session"]["credential"] == "Needed");
    let mark = carol.mark();
    carol.done("renew", json!({"token": server.token("carol")}));
    carol.linked(mark, "Connected");
    let told = carol.seen.iter().filter(|line| line["event"] == "credential_needed").count();
    assert_eq!(told, 1);
}

#[test]
fn an_account_switch_shows_nothing_of_the_old_account() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let mut drive = Drive::start(server.url(), &folder.path().join("store"), "ios");
    drive.login("alice", &server.token("alice"));
    drive.done("send", json!({"to": "bob", "text": "private", "wait": "accepted"}));
    drive.login("carol", &server.token("carol"));
    assert_eq!(drive.done("self", json!({}))["user"], "carol");
    assert_eq!(drive.done("conversations", json!({}))["conversations"], json!([]));
    drive.done("logout", json!({"wipe": true}));
    assert_eq!(drive.done("status", json!({}))["session"]["why"], "Logout");
}

fn mint(server: &Server, user: &str, ttl_s: u32) -> String {
    let (app, ttl) = (server.ready["app_id"].to_string(), ttl_s.to_string());
    let mut command = homing([
        "token", "mint", "--format", "usersig", "--app-id", &app, "--user", user, "--ttl", &ttl,
    ]);
    command.env("HOMING_KEY", server.text("key"));
    stdout(&run_with(command, b"")).trim_end().to_owned()
}

#[test]
fn a_login_that_is_refused_says_what_the_app_has_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let mut drive = Drive::start(server.url(), &folder.path().join("store"), "ios");
    for (user, token, name) in [
        ("alice", "garbage".to_owned(), "credential_malformed"),
        ("alice", server.token("bob"), "credential_wrong_user"),
    ] {
        let error = drive.ask("login", json!({"user": user, "token": token})).unwrap_err();
        assert_eq!(error["name"], name);
        assert_eq!(error["advice"], "re_authenticate");
        let failed = drive.find(0, |line| line["session"]["error"]["name"] == name);
        assert_eq!(failed["session"]["why"], "LoginFailed");
    }
    let never: Vec<&Value> = drive.seen.iter().filter(|line| line["event"] == "kicked").collect();
    assert!(never.is_empty());
}
