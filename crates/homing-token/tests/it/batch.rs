//! Verdicts in JSON, as `homing token verify` prints them.

use std::io::{BufReader, Read};

use homing_proto::limits::BATCH_LINE_BYTES;
use homing_proto::time::WallTime;
use homing_token::batch::{Request, Tally, error_to_json, verify_line, verify_lines};
use serde_json::{Value, json};

use crate::craft::{APP, Craft, EXPIRE_S, SECRET, TIME_S, USER, judge};

const NOW: WallTime = WallTime((TIME_S + 1) * 1000);

#[test]
fn a_good_line_gets_its_claims() {
    let verdict = verify_line(line().to_string().as_bytes(), NOW);
    assert_eq!(
        verdict.to_json(),
        format!(
            r#"{{"ok":true,"claims":{{"format":"usersig","app_id":{APP},"user":"alice","issued_at":{TIME_S},"expires_at":{}}}}}"#,
            TIME_S + EXPIRE_S
        ),
    );
}

#[test]
fn a_user_buffer_is_shown_in_base64() {
    let craft = Craft { userbuf: Some("YWJj".to_owned()), ..Craft::default() };
    let claims = judge(&craft.token()).unwrap();
    let claims: Value = serde_json::from_str(&claims.to_json()).unwrap();
    assert_eq!(claims["userbuf"], "YWJj");
}

#[test]
fn a_refused_line_gets_code_name_and_text() {
    let mut line = line();
    line["now"] = (TIME_S + EXPIRE_S + 1).into();
    let verdict = verify_line(line.to_string().as_bytes(), NOW);
    let expired = r#""error":{"code":201,"name":"credential_expired","text":"The credential has expired; get a new one from the app's server."}}"#;
    assert_eq!(verdict.to_json(), format!(r#"{{"ok":false,{expired}"#));
    assert_eq!(error_to_json(&verdict.0.unwrap_err()), format!("{{{expired}"));
}

#[test]
fn the_time_of_the_line_counts_before_the_time_of_the_run() {
    let mut line = line();
    assert_eq!(name(&line, WallTime(0)), "credential_not_yet_valid");
    line["now"] = TIME_S.into();
    assert_eq!(name(&line, WallTime(0)), "ok");
    line["now"] = Value::Null;
    assert_eq!(name(&line, NOW), "ok");
}

#[test]
fn optional_fields_and_notes_change_nothing() {
    let mut line = line();
    line["app_key"] = "x".into();
    line["allow_cbc"] = true.into();
    line["note"] = json!({ "case": 17 });
    assert_eq!(name(&line, NOW), "ok");
}

#[test]
fn a_line_with_a_bad_field_gets_the_error_of_that_field() {
    for (field, value, expected) in [
        ("format", json!("usersig2"), "invalid_argument"),
        ("format", json!("USERSIG"), "invalid_argument"),
        // The key fits no AES, there is no app key, and the rest is not of that form.
        ("format", json!("token04"), "invalid_argument"),
        ("format", json!("nim-dynamic"), "invalid_argument"),
        ("format", json!("jwt"), "credential_malformed"),
        ("format", json!("app-sign"), "credential_bad_signature"),
        ("format", json!("third-party"), "credential_type_disabled"),
        ("format", json!(1), "invalid_argument"),
        ("app_id", json!(0), "invalid_argument"),
        ("app_id", json!(-1), "invalid_argument"),
        ("app_id", json!(1.5), "invalid_argument"),
        ("app_id", json!("1400000000"), "invalid_argument"),
        ("app_id", json!(4_294_967_296_u64), "invalid_argument"),
        ("app_id", json!(7), "credential_wrong_app"),
        ("key", json!(""), "invalid_argument"),
        ("key", json!(5), "invalid_argument"),
        ("key", json!("guess"), "credential_bad_signature"),
        ("user", json!(""), "invalid_user_id"),
        ("user", json!("a".repeat(33)), "invalid_user_id"),
        ("user", json!("a b"), "invalid_user_id"),
        ("user", json!("bob"), "credential_wrong_user"),
        ("now", json!(-1), "invalid_argument"),
        ("now", json!(1.5), "invalid_argument"),
        ("now", json!("1700000000"), "invalid_argument"),
        ("now", json!(u64::MAX), "invalid_argument"),
        ("now", json!(u64::MAX / 1000), "credential_expired"),
        ("allow_cbc", json!("yes"), "invalid_argument"),
        ("app_key", json!(1), "invalid_argument"),
        ("token", json!(1), "invalid_argument"),
        ("token", json!(""), "credential_malformed"),
        ("token", json!("x".repeat(60_000)), "credential_malformed"),
    ] {
        let mut line = line();
        line[field] = value;
        assert_eq!(name(&line, NOW), expected, "{line}");
    }
}

#[test]
fn a_line_without_a_needed_field_says_which() {
    for field in ["format", "app_id", "key", "user", "token"] {
        let mut line = line();
        line.as_object_mut().unwrap().remove(field);
        let error = verify_line(line.to_string().as_bytes(), NOW).0.unwrap_err();
        assert_eq!(error.code.name(), "invalid_argument");
        assert!(error.sentence().contains(&format!("`{field}` is missing")), "{error}");
    }
}

#[test]
fn every_line_of_a_file_gets_its_verdict_in_order() {
    let good = line().to_string();
    let long = format!("{}{}", good, " ".repeat(BATCH_LINE_BYTES));
    let full = format!("{}{}", good, " ".repeat(BATCH_LINE_BYTES - good.len()));
    let mut file = Vec::new();
    for line in [
        good.as_bytes(),
        b"",
        b"not json",
        b"\xff\xfe",
        long.as_bytes(),
        full.as_bytes(),
        b"[]",
        b"{}\r",
    ] {
        file.extend_from_slice(line);
        file.push(b'\n');
    }
    file.extend_from_slice(format!("{good}\r\n{good}").as_bytes());

    let expected = [
        "ok",
        "invalid_argument",
        "invalid_argument",
        "invalid_argument",
        "invalid_argument",
        "ok",
        "invalid_argument",
        "invalid_argument",
        "ok",
        "ok",
    ];
    // A reader of one byte at a time must make no difference.
    for buffer in [1, 100, 1 << 20] {
        let mut out = Vec::new();
        let input = BufReader::with_capacity(buffer, &file[..]);
        let tally = verify_lines(input, &mut out, NOW).unwrap();
        let names: Vec<_> = std::str::from_utf8(&out).unwrap().lines().map(name_of).collect();
        assert_eq!(names, expected);
        assert_eq!(tally, Tally { good: 4, refused: 6 });
    }
}

#[test]
fn an_empty_file_gets_no_verdicts() {
    let mut out = Vec::new();
    assert_eq!(verify_lines(&b""[..], &mut out, NOW).unwrap(), Tally::default());
    assert!(out.is_empty());
}

#[test]
fn a_line_without_end_is_read_in_bounded_memory() {
    let endless = BufReader::new(std::io::repeat(b'x').take(64 * 1024 * 1024));
    let mut out = Vec::new();
    let tally = verify_lines(endless, &mut out, NOW).unwrap();
    assert_eq!(tally, Tally { good: 0, refused: 1 });
    assert!(String::from_utf8(out).unwrap().contains("longer than 64 KiB"));
}

#[test]
fn a_request_is_the_same_from_flags_as_from_a_line() {
    let request = Request::from_json(line().to_string().as_bytes(), NOW).unwrap();
    assert_eq!(request.keys[0].expose(), SECRET.as_bytes());
    assert_eq!(request.verify(), judge(&Craft::default().token()));
}

fn line() -> Value {
    json!({
        "format": "usersig",
        "app_id": APP,
        "key": SECRET,
        "user": USER,
        "token": Craft::default().token().expose(),
    })
}

fn name(line: &Value, default_now: WallTime) -> String {
    name_of(&verify_line(line.to_string().as_bytes(), default_now).to_json())
}

fn name_of(verdict: &str) -> String {
    let verdict: Value = serde_json::from_str(verdict).unwrap();
    match verdict["ok"].as_bool() {
        Some(true) => "ok".to_owned(),
        _ => verdict["error"]["name"].as_str().unwrap().to_owned(),
    }
}
