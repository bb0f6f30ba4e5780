//! `homing app`.

use serde_json::{Value, json};

use crate::program::{Drive, Server, assert_failed, homing, run, stdout};

#[test]
fn an_app_is_created_listed_shown_and_changed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let created = server.app(["create", "--name", "shop", "--policy", "dual", "--json"]);
    assert_eq!(created.status.code(), Some(0), "{created:?}");
    let app: Value = serde_json::from_slice(&created.stdout).unwrap();
    let id = app["id"].as_u64().unwrap().to_string();
    assert!(app["key"].as_str().unwrap().len() >= 32, "the answer shows the key: {app}");

    let list = stdout(&server.app(["list"]));
    assert!(list.lines().next().unwrap().starts_with("ID"), "{list}");
    assert!(list.contains("demo") && list.contains("shop") && list.contains("dual"), "{list}");

    let changed = server.app(["set", &id, "policy=single", "auto_register=false", "name=The shop"]);
    assert_eq!(changed.status.code(), Some(0), "{changed:?}");
    let shown = server.app(["show", &id, "--json"]);
    let app: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(app["name"], "The shop");
    assert_eq!(app["policy"]["preset"], "single");
    assert_eq!(app["auto_register"], false);
    assert!(app.get("key").is_none(), "only the creation shows the key");
}

/// D-7, F-02: gone for who is signed in, for who comes back, and out of the list; another app stays.
#[test]
fn a_deleted_app_is_gone_for_its_users_and_only_by_who_means_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    server.app(["create", "--name", "other"]);
    let mut phone = Drive::start(server.url(), &folder.path().join("phone"), "ios");
    phone.login("alice", &server.token("alice"));
    let away = folder.path().join("away");
    let mut laptop = Drive::start(server.url(), &away, "linux");
    laptop.login("alice", &server.token("alice"));
    laptop.done("network", json!({"cut": true}));

    assert_failed(&server.app(["delete", "1"]), "nobody is there to be asked");
    assert_eq!(server.app(["show", "1"]).status.code(), Some(0), "nothing happened");
    let mark = phone.mark();
    let deleted = server.app(["delete", "1", "--yes", "--wait", "--json"]);
    assert_eq!(deleted.status.code(), Some(0), "{deleted:?}");
    let app: Value = serde_json::from_slice(&deleted.stdout).unwrap();
    assert_eq!(
        (&app["id"], &app["state"], &app["erased"]["users"]),
        (&json!(1), &json!("erased"), &json!(3))
    );
    phone.find(mark, |line| line["session"]["why"] == "AccountDeleted");
    let mark = laptop.mark();
    laptop.done("network", json!({"cut": false, "up": true}));
    laptop.find(mark, |line| line["session"]["why"] == "AccountDeleted");
    let login = json!({"user": "alice", "token": server.token("alice")});
    assert_eq!(phone.refused("login", login), "unknown_app");

    assert_failed(&server.app(["show", "1"]), "unknown_app");
    let again = stdout(&server.app(["delete", "1", "--yes"]));
    assert_eq!(again, "app 1 is deleted and erased: users 3, messages 0\n");
    let list = stdout(&server.app(["list"]));
    assert!(list.contains("other") && !list.contains("demo"), "{list}");
    assert_failed(&server.app(["create", "--name", "again", "--id", "1"]), "not used again");
    assert_failed(&server.app(["delete", "77", "--yes"]), "unknown_app");
}

#[test]
fn what_the_server_refuses_is_told_in_its_words() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    assert_failed(&server.app(["show", "77"]), "unknown_app");
    assert_failed(&server.app(["set", "1", "policy=nonsense"]), "nim-desktop-mobile");
    assert_failed(&server.app(["set", "1", "colour=red"]), "colour");
}

#[test]
fn a_missing_or_wrong_admin_token_is_told_with_the_cure() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    assert_failed(&run(["app", "list", "--url", server.url()]), "there is no admin token");
    let data = folder.path().to_str().unwrap();
    let found = run(["app", "list", "--url", server.url(), "--data", data]);
    assert_eq!(found.status.code(), Some(0), "{found:?}");
    let wrong = run(["app", "list", "--url", server.url(), "--admin-token", "wrong"]);
    assert_failed(&wrong, "admin.token");
}

#[test]
fn a_server_that_is_not_there_is_told() {
    let mut command = homing(["app", "list", "--admin-token", "x"]);
    let output = command.env("HOMING_URL", "http://127.0.0.1:1").output().unwrap();
    assert_failed(&output, "http://127.0.0.1:1 cannot be reached");
    assert_failed(&run(["app", "list", "--admin-token", "x", "--url", "here"]), "here");
}
