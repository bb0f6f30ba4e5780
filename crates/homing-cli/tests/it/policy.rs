//! `homing policy`, with a driven client as witness.

use serde_json::Value;

use crate::program::{Drive, Server, assert_failed, stdout};

#[test]
fn a_policy_is_set_shown_saved_and_set_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let shown = stdout(&server.operate("policy", ["get", "--app-id", "1"]));
    assert!(shown.starts_with("preset triple"), "{shown}");
    let set = server.operate(
        "policy",
        ["set", "--app-id", "1", "--exclusive", "ios,android", "--cap", "web=2", "--total", "3"],
    );
    let set = stdout(&set);
    assert!(set.contains("at most 3 in total") && set.contains("one platform at a time"), "{set}");
    let json = stdout(&server.operate("policy", ["get", "--app-id", "1", "--json"]));
    let policy: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(policy["platform_caps"]["web"], 2);
    let preset = stdout(&server.operate("policy", ["preset", "--app-id", "1", "nim-all"]));
    assert!(preset.starts_with("preset nim-all"), "{preset}");
    let file = folder.path().join("policy.json");
    std::fs::write(&file, &json).unwrap();
    let file = file.to_str().unwrap();
    let again = server.operate("policy", ["set", "--app-id", "1", "--file", file, "--json"]);
    assert_eq!(stdout(&again), json);
    let all = stdout(&server.operate("policy", ["preset", "--app-id", "1"]));
    assert!(all.contains("preset single") && all.contains("preset zim-multi"), "{all}");
    assert_failed(&server.operate("policy", ["preset", "--app-id", "1", "best"]), "zim-dual");
    assert_failed(&server.operate("policy", ["get", "--app-id", "9"]), "unknown_app");
    let beyond = server.operate("policy", ["set", "--app-id", "1", "--total", "21"]);
    assert_failed(&beyond, "total cap");
    assert_eq!(server.operate("policy", ["set", "--app-id", "1"]).status.code(), Some(2));
}

#[test]
fn a_try_tells_who_would_be_displaced() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let mut phone = Drive::start(server.url(), &folder.path().join("phone"), "ios");
    phone.login("alice", &server.token("alice"));
    let tried = stdout(&server.operate("policy", ["try", "--app-id", "1", "alice", "android"]));
    assert!(tried.contains("lose theirs") && tried.contains("ios"), "{tried}");
    let polite = ["try", "--app-id", "1", "alice", "android", "--no-force"];
    assert!(stdout(&server.operate("policy", polite)).starts_with("refused"));
    let desk = stdout(&server.operate("policy", ["try", "--app-id", "1", "alice", "linux"]));
    assert!(desk.contains("nobody is displaced"), "{desk}");
    let single = ["try", "--app-id", "1", "alice", "linux", "--preset", "single"];
    assert!(stdout(&server.operate("policy", single)).contains("lose theirs"));
}
