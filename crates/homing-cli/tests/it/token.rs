//! `homing token`.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::program::{assert_failed, homing, run, run_with, stderr, stdout};

const VECTORS: &str = include_str!("../../../../spec/vectors/tokens/usersig.json");

#[test]
fn what_mint_prints_is_the_token_alone_and_verify_takes_it() {
    let key = "0123456789abcdef";
    let minted = run([
        "token",
        "mint",
        "--format",
        "usersig",
        "--app-id",
        "7",
        "--key",
        key,
        "--user",
        "alice",
        "--ttl",
        "60",
        "--now",
        "1700000000",
        "--userbuf",
        "AQI=",
    ]);
    assert_eq!(minted.status.code(), Some(0), "{}", stderr(&minted));
    let text = stdout(&minted);
    let token = text.strip_suffix('\n').unwrap();
    assert!(!token.contains(char::is_whitespace));
    let verdict = run([
        "token",
        "verify",
        "--format",
        "usersig",
        "--app-id",
        "7",
        "--key",
        key,
        "--user",
        "alice",
        "--now",
        "1700000060",
        token,
    ]);
    assert_eq!(verdict.status.code(), Some(0));
    let claims: Value = serde_json::from_slice(&verdict.stdout).unwrap();
    assert_eq!(
        claims,
        json!({"format": "usersig", "app_id": 7, "user": "alice", "issued_at": 1_700_000_000,
            "expires_at": 1_700_000_060, "userbuf": "AQI="})
    );
}

#[test]
fn a_credential_that_is_not_good_exits_with_1_and_says_why_as_json() {
    for (now, user, format, token, name) in [
        ("1700086401", "alice", "usersig", "", "credential_expired"),
        ("1600000000", "alice", "usersig", "", "credential_not_yet_valid"),
        ("1700000000", "bob", "usersig", "", "credential_wrong_user"),
        ("1700000000", "alice", "usersig", "-nonsense", "credential_malformed"),
        ("1700000000", "a/b", "usersig", "", "invalid_user_id"),
        ("1700000000", "alice", "token04", "", "invalid_argument"),
        ("1700000000", "alice", "jwt", "", "credential_malformed"),
        ("1700000000", "alice", "nonsense", "", "invalid_argument"),
    ] {
        let good = vectors()[0]["token"].as_str().unwrap().to_owned();
        let token = if token.is_empty() { &good } else { token };
        let key = vectors()[0]["key"].as_str().unwrap().to_owned();
        let verdict = run([
            "token",
            "verify",
            "--format",
            format,
            "--app-id",
            "1400000000",
            "--key",
            &key,
            "--user",
            user,
            "--now",
            now,
            token,
        ]);
        assert_eq!(verdict.status.code(), Some(1), "{name}");
        let answer: Value = serde_json::from_slice(&verdict.stdout).unwrap();
        assert_eq!(answer["error"]["name"], name, "{answer}");
        assert!(answer["error"]["code"].is_u64() && answer["error"]["text"].is_string());
        assert!(!stdout(&verdict).contains(&key) && !stderr(&verdict).contains(&key));
    }
}

#[test]
fn tokens_of_the_vendors_public_packages_are_good_in_a_batch() {
    let mut batch = String::new();
    for vector in vectors() {
        let line = json!({"format": "usersig", "app_id": vector["app_id"], "key": vector["key"],
            "user": vector["user"], "now": vector["issued_at"], "token": vector["token"]});
        writeln!(batch, "{line}").unwrap();
    }
    let output = run_with(homing(["token", "verify", "--batch", "-"]), batch.as_bytes());
    assert_eq!(output.status.code(), Some(0));
    let verdicts = stdout(&output);
    assert_eq!(verdicts.lines().count(), vectors().len());
    for line in verdicts.lines() {
        let verdict: Value = serde_json::from_str(line).unwrap();
        assert_eq!(verdict["ok"], true, "{line}");
    }
}

#[test]
fn garbage_lines_of_a_batch_get_error_verdicts_in_their_places() {
    let vector = &vectors()[0];
    let good = json!({"format": "usersig", "app_id": vector["app_id"], "key": vector["key"],
        "user": vector["user"], "now": vector["issued_at"], "token": vector["token"]});
    let long = "x".repeat(200_000);
    let batch = format!("{good}\n{{\n\n\u{0}\n{long}\n[]\n{good}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("batch.jsonl");
    std::fs::write(&file, &batch).unwrap();
    let output = run(["token", "verify", "--batch", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    let verdicts: Vec<bool> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["ok"].as_bool().unwrap())
        .collect();
    assert_eq!(verdicts, [true, false, false, false, false, false, true]);
    assert!(stderr(&output).is_empty(), "no bar without a terminal: {}", stderr(&output));
}

#[test]
fn a_batch_file_that_is_not_there_is_told() {
    let output = run(["token", "verify", "--batch", "/no/such/file"]);
    assert_failed(&output, "No such file");
}

/// S-8.1: no key can judge it, so none is asked for.
#[test]
fn a_third_party_credential_needs_no_key_and_is_told_who_can_judge_it() {
    let verify = |format| {
        let form = ["token", "verify", "--format", format, "--app-id", "1", "--user", "alice", "x"];
        homing(form).env_remove("HOMING_KEY").output().unwrap()
    };
    let refused = verify("third-party");
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let error: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(error["error"]["name"], "credential_type_disabled");
    assert!(error["error"]["text"].as_str().unwrap().contains("third_party_url"), "{error}");
    for format in ["usersig", "token04", "token04-cbc", "nim-static", "nim-dynamic", "jwt"] {
        let usage = verify(format);
        assert_eq!(usage.status.code(), Some(2), "{format}: {usage:?}");
        assert!(stderr(&usage).contains("--key"), "{usage:?}");
    }
    assert_eq!(verify("nonsense").status.code(), Some(1));
}

#[test]
fn the_key_can_come_from_the_environment_and_is_never_shown() {
    let arguments = ["token", "mint", "--format", "usersig", "--app-id", "7", "--user", "alice"];
    let mut command = homing(arguments);
    let output = command.env("HOMING_KEY", "a-secret-key").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let help = homing(["token", "mint", "--help"]).env("HOMING_KEY", "a-secret-key").output();
    assert!(!stdout(&help.unwrap()).contains("a-secret-key"));
}

#[test]
fn mint_refuses_what_cannot_be_said() {
    let output = run([
        "token",
        "mint",
        "--format",
        "usersig",
        "--app-id",
        "7",
        "--key",
        "k",
        "--user",
        "alice",
        "--ttl",
        "18446744073709551615",
    ]);
    assert_failed(&output, "invalid_argument");
    let output = run([
        "token", "mint", "--format", "usersig", "--app-id", "0", "--key", "k", "--user", "alice",
    ]);
    assert_eq!(output.status.code(), Some(2));
}

fn vectors() -> Vec<Value> {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    file["tokens"].as_array().unwrap().clone()
}
