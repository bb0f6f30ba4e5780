//! Ends of a session told apart, stored before they are told, and honoured after a restart (S-5.2,
//! S-10): the real program as server, as operator and as devices.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::program::{Drive, Lines, Server, assert_failed, homing};

/// A device that was killed and starts again on its data: whatever ended its session still does, and
/// nothing signs it in by itself.
fn killed_and_reopened(mut device: Drive, server: &Server, store: &Path, why: &str) -> Value {
    device.process().signal(Signal::KILL);
    drop(device);
    let mut device = Drive::start(server.url(), store, "ios");
    let status = device.done("status", json!({}));
    assert_eq!(status["session"]["state"], "SignedOut", "{status}");
    assert_eq!(status["session"]["why"], why, "{status}");
    assert_eq!(device.refused("resume_last", json!({})), "needs_explicit_login");
    let offline = json!({"user": "alice"});
    assert_eq!(device.refused("login_offline", offline), "needs_explicit_login");
    status["session"].clone()
}

fn signed_out(device: &mut Drive, mark: usize) -> Value {
    let line = device.find(mark, |line| line["session"]["state"] == "SignedOut");
    line["session"].clone()
}

fn start(server: &Server, store: &Path) -> Drive {
    let mut device = Drive::start(server.url(), store, "ios");
    device.login("alice", &server.token("alice"));
    device
}

fn operate<const N: usize>(server: &Server, act: [&str; N]) {
    let output = server.operate("user", act);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_kick_by_policy_an_own_device_or_the_server_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let kick = |other: &mut Drive, reason: &str| match reason {
        "policy" => {
            let login = json!({"user": "alice", "token": server.token("alice")});
            other.done("login", login);
        }
        "own_device" => {
            let mut laptop = Drive::start(server.url(), &folder.path().join("laptop"), "linux");
            laptop.login("alice", &server.token("alice"));
            let devices = laptop.done("devices", json!({}))["devices"].clone();
            let phone = devices.as_array().unwrap().iter().find(|d| d["platform"] == "ios");
            laptop.done("kick_device", json!({"session": phone.unwrap()["session"]}));
        }
        _ => operate(&server, ["kick", "--app-id", "1", "alice", "--text", "bye"]),
    };
    for reason in ["policy", "own_device", "server"] {
        let store = folder.path().join(reason);
        let mut phone = start(&server, &store);
        let mut other = Drive::start(server.url(), &folder.path().join("other"), "android");
        let mark = phone.mark();
        kick(&mut other, reason);
        let session = signed_out(&mut phone, mark);
        assert_eq!(
            (&session["why"], &session["record"]["reason"]),
            (&json!("Kicked"), &json!(reason))
        );
        assert_eq!(phone.event(mark, "kicked")["record"], session["record"]);
        let kept = killed_and_reopened(phone, &server, &store, "Kicked");
        assert_eq!(kept["record"], session["record"]);
        let by = match reason {
            "policy" => json!("android"),
            "own_device" => json!("linux"),
            _ => Value::Null,
        };
        assert_eq!(kept["record"]["by"]["platform"], by);
        other.end();
    }
}

#[test]
fn a_ban_says_until_when_to_who_is_there_who_is_away_and_who_tries_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let store = folder.path().join("phone");
    let mut phone = start(&server, &store);
    let away = folder.path().join("away");
    let mut laptop = Drive::start(server.url(), &away, "linux");
    laptop.login("alice", &server.token("alice"));
    laptop.done("network", json!({"cut": true}));

    let mark = phone.mark();
    operate(&server, ["ban", "--app-id", "1", "alice", "--for", "1h", "--text", "spam"]);
    let session = signed_out(&mut phone, mark);
    assert_eq!((&session["why"], &session["error"]["text"]), (&json!("Banned"), &json!("spam")));
    let until = session["error"]["until_ms"].as_u64().expect("an end");
    let mark = laptop.mark();
    laptop.done("network", json!({"cut": false, "up": true}));
    let late = signed_out(&mut laptop, mark);
    assert_eq!((&late["why"], &late["error"]["until_ms"]), (&json!("Banned"), &json!(until)));

    let kept = killed_and_reopened(phone, &server, &store, "Banned");
    assert_eq!(kept["error"], session["error"]);
    let mut phone = Drive::start(server.url(), &store, "ios");
    let login = json!({"user": "alice", "token": server.token("alice")});
    let refused = phone.ask("login", login.clone()).unwrap_err();
    assert_eq!((&refused["name"], &refused["until_ms"]), (&json!("user_banned"), &json!(until)));
    operate(&server, ["unban", "--app-id", "1", "alice"]);
    phone.done("login", login);
}

#[test]
fn a_deleted_account_is_told_and_stays_out() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let store = folder.path().join("phone");
    let mut phone = start(&server, &store);
    let mark = phone.mark();
    operate(&server, ["delete", "--app-id", "1", "alice"]);
    assert_eq!(signed_out(&mut phone, mark)["why"], "AccountDeleted");
    killed_and_reopened(phone, &server, &store, "AccountDeleted");
    let mut phone = Drive::start(server.url(), &store, "ios");
    let login = json!({"user": "alice", "token": server.token("alice")});
    assert_eq!(phone.refused("login", login), "account_deleted");
}

#[test]
fn a_version_that_became_too_old_is_told_and_stays_out_until_the_app_is_updated() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let store = folder.path().join("phone");
    let mut phone = start(&server, &store);
    assert!(server.app(["set", "1", "min_sdk_on.ios=99.0"]).status.success());
    assert_failed(&server.app(["set", "1", "min_sdk=new"]), "no version");
    let mark = phone.mark();
    phone.done("network", json!({"cut": true}));
    phone.done("network", json!({"cut": false, "up": true}));
    let line = phone.find(mark, |line| line["session"]["state"] == "SignedOut");
    assert_eq!(
        (&line["session"]["why"], &line["action"]),
        (&json!("VersionTooOld"), &json!("update_app"))
    );
    killed_and_reopened(phone, &server, &store, "VersionTooOld");
    // The update, here a server that lets the version in again: the user signs in.
    assert!(server.app(["set", "1", "min_sdk_on.ios="]).status.success());
    start(&server, &store).end();
}

#[test]
fn a_bad_credential_is_told_and_not_shown_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let store = folder.path().join("phone");
    let mut phone = Drive::start(server.url(), &store, "ios");
    let wrong = json!({"user": "alice", "token": server.token("bob")});
    assert_eq!(phone.refused("login", wrong.clone()), "credential_wrong_user");
    phone.process().signal(Signal::KILL);
    drop(phone);
    let mut phone = Drive::start(server.url(), &store, "ios");
    assert_eq!(phone.refused("resume_last", json!({})), "needs_explicit_login");
    // Its hash is remembered: refused without traffic.
    phone.done("network", json!({"cut": true}));
    assert_eq!(phone.refused("login", wrong), "credential_wrong_user");
}

/// S-6.1, I1: no end at all. The server comes up without its apps, as after a restore that went wrong, and
/// then with them.
#[test]
fn a_server_without_its_apps_signs_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let (port, token) = (server.port(), server.token("alice"));
    let mut phone = Drive::start(server.url(), &folder.path().join("phone"), "ios");
    phone.login("alice", &token);
    let mark = phone.mark();
    assert_eq!(server.stop(), Some(0));

    let empty = folder.path().join("empty");
    let listen = format!("127.0.0.1:{port}");
    let mut without =
        Lines::start(homing(["serve", "--data", empty.to_str().unwrap(), "--listen", &listen]));
    let refused = phone.find(mark, |line| line["link"]["error"]["name"] == "unknown_app");
    assert_eq!(refused["session"]["state"], "SignedIn");
    assert_eq!(refused["link"]["state"], "Waiting");
    without.signal(Signal::TERM);
    assert!(without.wait().success());

    let mark = phone.mark();
    let _server = Server::start_on(&folder.path().join("server"), port);
    phone.linked(mark, "Connected");
    assert!(phone.seen.iter().all(|line| line["session"]["state"] != "SignedOut"));
    phone.end();
}

/// S-7.6: the record waits for a device that is away, also over its restart, and is told once.
#[test]
fn a_kick_record_waits_for_a_device_that_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let store = folder.path().join("phone");
    let mut phone = start(&server, &store);
    phone.process().signal(Signal::KILL);
    drop(phone);
    operate(&server, ["kick", "--app-id", "1", "alice", "--text", "while away"]);
    let mut phone = Drive::start(server.url(), &store, "ios");
    phone.done("resume_last", json!({}));
    let record = phone.event(0, "kicked")["record"].clone();
    assert_eq!((&record["reason"], &record["text"]), (&json!("server"), &json!("while away")));
    killed_and_reopened(phone, &server, &store, "Kicked");
}

/// V-3, S-7.6: whoever loses a place is in the server's audit log, connected or not, with who took it
/// and why.
#[test]
fn every_session_that_lost_its_place_has_a_line_in_the_audit_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let data = folder.path().join("server");
    let server = Server::start_logging(&data, std::fs::File::create(&log).unwrap());
    let device = |name: &str, platform: &str| {
        let mut device = Drive::start(server.url(), &folder.path().join(name), platform);
        device.login("alice", &server.token("alice"));
        let devices = device.done("devices", json!({}))["devices"].clone();
        let own = devices.as_array().unwrap().iter().find(|d| d["platform"] == platform).cloned();
        (device, own.unwrap()["session"].as_str().unwrap().to_owned())
    };
    let (mut phone, first) = device("phone", "ios");
    // Away when it loses its place.
    phone.done("network", json!({"cut": true}));
    let (mut tablet, second) = device("tablet", "android");
    let (mut laptop, third) = device("laptop", "linux");
    laptop.done("kick_device", json!({"session": second}));
    tablet.event(0, "kicked");
    operate(&server, ["kick", "--app-id", "1", "alice", "--text", "private words"]);
    laptop.event(0, "kicked");
    let log = std::fs::read_to_string(&log).unwrap();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("homing::audit")).collect();
    let lost = |session: &str, words: &[&str]| {
        let of = format!("user=alice session={session}");
        let found: Vec<_> = lines.iter().filter(|line| line.contains(&of)).collect();
        let [line] = found[..] else { panic!("{of}: {lines:#?}") };
        for words in words {
            assert!(line.contains(words), "{words}: {line}");
        }
    };
    lost(&first, &[&format!("by={second}"), r#"reason="policy""#, r#"platform="android""#]);
    lost(&second, &[&format!("by={third}"), r#"reason="own_device""#, r#"platform="linux""#]);
    lost(&third, &[r#"by="server""#, r#"reason="server""#, r#"act="lost""#]);
    let operator =
        lines.iter().find(|line| line.contains(r#"act="kick""#)).expect("the operator's");
    assert!(operator.contains(r#"by="admin_token""#) && operator.contains("ended=1"), "{operator}");
    assert!(!log.contains("private words"));
}

/// S-7.10: of two copies of one data directory one is parted from the session, for good.
#[test]
fn a_copied_data_directory_ends_as_a_device_conflict_and_not_as_an_endless_swap() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let stores = [folder.path().join("phone"), folder.path().join("copy")];
    start(&server, &stores[0]).end();
    copy(&stores[0], &stores[1]);
    let mut lives = stores.map(|store| {
        let mut device = Drive::start(server.url(), &store, "ios");
        device.done("resume_last", json!({}));
        device.linked(0, "Connected");
        device
    });
    // The copies take the connection from each other until one is told; it does not matter which.
    let out = |line: &Value| line["event"] == "kicked";
    let deadline = Instant::now() + Duration::from_secs(90);
    let loser = loop {
        assert!(Instant::now() < deadline, "nobody was parted: {:#?}", lives.map(|life| life.seen));
        let found = lives.iter_mut().position(|device| {
            device.done("status", json!({}));
            device.seen.iter().any(out)
        });
        if let Some(found) = found {
            break found;
        }
    };
    let record = lives[loser].event(0, "kicked")["record"].clone();
    assert_eq!(record["reason"], "device_conflict");
    assert_eq!(lives[loser].refused("resume_last", json!({})), "needs_explicit_login");
    let status = lives[1 - loser].done("status", json!({}));
    assert_eq!(status["session"]["state"], "SignedIn", "{status}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}
