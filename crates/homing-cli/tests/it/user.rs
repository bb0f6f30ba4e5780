//! `homing user`, with driven clients as witnesses.

use std::process::Output;

use serde_json::{Value, json};

use crate::program::{Drive, Server, assert_failed, run, stderr, stdout};

fn json_of(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn users_are_created_listed_shown_renamed_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let user = |arguments: &[&str]| match *arguments {
        [a, b] => server.operate("user", [a, "--app-id", "1", b]),
        [a, b, c] => server.operate("user", [a, "--app-id", "1", b, c]),
        _ => server.operate("user", ["list", "--app-id", "1"]),
    };
    let made = stdout(&user(&["create", "dave", "alice"]));
    assert_eq!(made, "ID     RESULT\ndave   created\nalice  known\n");
    // Signs that mean something in an address.
    assert_eq!(user(&["create", "a?b#c%../"]).status.code(), Some(1));
    assert_eq!(user(&["create", "a?b#c%.."]).status.code(), Some(0));
    let shown = stdout(&user(&["show", "a?b#c%.."]));
    assert!(shown.contains("standing           good"), "{shown}");
    let list = stdout(&user(&[]));
    let ids: Vec<_> = list.lines().skip(1).map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(ids, ["a?b#c%..", "alice", "bob", "carol", "dave"], "{list}");
    let found = stdout(&user(&["list", "--prefix", "da"]));
    assert_eq!(found.lines().count(), 2, "{found}");
    assert!(stdout(&user(&["rename", "dave", "Dave D."])).contains("Dave D."));
    let gone = stdout(&user(&["delete", "dave"]));
    assert!(gone.starts_with("0 sessions ended") && gone.contains("deleted"), "{gone}");
    assert_failed(&user(&["unban", "dave"]), "account_deleted");
    assert_failed(&user(&["show", "nobody"]), "user_not_found");
}

#[test]
fn a_list_of_more_than_a_page_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let ids: Vec<_> = (0..205).map(|n| format!("u{n:03}")).collect();
    let mut create = crate::program::homing(["user", "--url", server.url(), "create"]);
    create.args(["--app-id", "1"]).args(&ids);
    create.env("HOMING_ADMIN_TOKEN", server.text("admin_token"));
    assert_eq!(create.output().unwrap().status.code(), Some(0));
    let list = server.operate("user", ["list", "--app-id", "1", "--prefix", "u", "--json"]);
    let listed = json_of(&list);
    let listed: Vec<_> =
        listed["users"].as_array().unwrap().iter().map(|user| user["id"].clone()).collect();
    assert_eq!(listed, ids);
    let few = server.operate("user", ["list", "--app-id", "1", "--limit", "101", "--json"]);
    assert_eq!(json_of(&few)["users"].as_array().unwrap().len(), 101);
}

#[test]
fn a_kick_a_ban_and_the_online_status_concern_real_devices() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let mut phone = Drive::start(server.url(), &folder.path().join("phone"), "ios");
    phone.login("alice", &server.token("alice"));
    let online = server.operate("user", ["online", "--app-id", "1", "alice", "bob", "--json"]);
    let online = json_of(&online);
    assert_eq!(
        (&online["users"][0]["online"], &online["users"][1]["online"]),
        (&json!(true), &json!(false))
    );
    let sessions =
        json_of(&server.operate("user", ["sessions", "--app-id", "1", "alice", "--json"]));
    let session = sessions["sessions"][0]["session"].as_str().unwrap();
    assert_eq!(sessions["sessions"][0]["tag"], "ios");

    let spared = server.operate("user", ["kick", "--app-id", "1", "alice", "--except", session]);
    assert!(stdout(&spared).starts_with("0 sessions ended"), "{spared:?}");
    let mark = phone.mark();
    let kick = server
        .operate("user", ["kick", "--app-id", "1", "alice", "--session", session, "--text", "bye"]);
    assert!(stdout(&kick).starts_with("1 session ended"), "{kick:?}");
    let record = phone.event(mark, "kicked")["record"].clone();
    assert_eq!((&record["reason"], &record["text"]), (&json!("server"), &json!("bye")));

    phone.login("alice", &server.token("alice"));
    let mark = phone.mark();
    let ban = server.operate("user", ["ban", "--app-id", "1", "alice", "--for", "12h"]);
    assert!(stdout(&ban).contains("banned_until_ms"), "{ban:?}");
    phone.find(mark, |line| line["session"]["why"] == "Banned");
    let token = server.token("alice");
    assert_eq!(phone.refused("login", json!({"user": "alice", "token": token})), "user_banned");
    server.operate("user", ["unban", "--app-id", "1", "alice"]);
    phone.login("alice", &token);
}

/// S-8.1: `nim-static`, from the operator to the device and back.
#[test]
fn a_static_token_is_drawn_or_given_shown_once_and_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let mut phone = Drive::start(server.url(), &folder.path().join("phone"), "ios");
    let login = |token: &str| json!({"user": "dave", "token": token, "format": "nim-static"});
    let act = |act| server.operate("user", ["static-token", act, "--app-id", "1", "dave"]);
    assert_failed(&act("set"), "user_not_found");
    server.operate("user", ["create", "--app-id", "1", "dave"]);

    let drawn = act("set");
    assert!(stderr(&drawn).contains("homing app set 1 nim_static=true"), "{drawn:?}");
    let drawn = stdout(&drawn).trim_end().to_owned();
    assert_eq!(drawn.len(), 64);
    assert_eq!(phone.refused("login", login(&drawn)), "credential_type_disabled");
    assert!(server.app(["set", "1", "nim_static=true"]).status.success());
    // A refused credential is not shown again (S-8.5).
    let drawn = act("set");
    assert_eq!(stderr(&drawn), "");
    phone.done("login", login(stdout(&drawn).trim_end()));

    let given = "a text of the app's own";
    let set = ["static-token", "set", "--app-id", "1", "dave", "--json", "--token", given];
    let answer = server.operate("user", set);
    assert_eq!(json_of(&answer), json!({"user": "dave"}));
    phone.done("login", login(given));
    let short = ["static-token", "set", "--app-id", "1", "dave", "--token", "short"];
    assert_failed(&server.operate("user", short), "16 to 128 bytes");

    assert_eq!(stdout(&act("clear")), "done\n");
    // The session lives on; the token opens nothing more.
    assert_eq!(phone.done("status", json!({}))["session"]["state"], "SignedIn");
    let mut laptop = Drive::start(server.url(), &folder.path().join("laptop"), "linux");
    assert_eq!(laptop.refused("login", login(given)), "credential_bad_signature");
}

#[test]
fn wrong_arguments_are_usage_errors() {
    for arguments in [
        ["user", "ban", "--app-id", "1", "a", "--for", "soon"],
        ["user", "kick", "--app-id", "one", "a", "--text", "x"],
        ["user", "kick", "a", "--session", "s", "--except", "t"],
    ] {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}
