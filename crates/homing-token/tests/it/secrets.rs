//! No secret in anything that can be shown (S-8.7).

use homing_proto::id::{AppId, UserId};
use homing_proto::time::WallTime;
use homing_token::batch::{verify_line, verify_lines};
use homing_token::{Expected, Key, Rules};

use crate::craft::{self, APP, Craft, SECRET, USER};

#[test]
fn a_key_shows_nothing_of_itself() {
    let key = Key::new(SECRET).unwrap();
    assert_eq!(format!("{key:?} {key:#?}"), "Key(..) Key(..)");
    let (app, user) = (AppId::new(APP).unwrap(), UserId::parse(USER).unwrap());
    let rules = Rules::default();
    let expected = Expected { app, user: &user, keys: &[key], now: WallTime(0), rules };
    assert!(!format!("{expected:?}").contains("0123"));
}

#[test]
fn a_refused_line_quotes_neither_key_nor_token() {
    const NEEDLE: &str = "hunter2";
    for line in [
        r#"{"key":"hunter2"}"#,
        r#"{"key":"hunter2","key":"hunter2"}"#,
        r#"{"key":["hunter2"]}"#,
        r#"{"hunter2":1,"token":{"hunter2":"hunter2"}}"#,
        r#"{"now":"hunter2"}"#,
        r#"{"app_id":"hunter2"}"#,
        r#"{"allow_cbc":"hunter2"}"#,
        r#""hunter2""#,
        "hunter2",
        r#"{"key":"hunter2"#,
        r#"{"format":"hunter2","app_id":1,"key":"hunter2","user":"u","token":"hunter2"}"#,
        r#"{"format":"usersig","app_id":1,"key":"hunter2","user":"hunter2 ","token":"hunter2"}"#,
        r#"{"format":"usersig","app_id":1,"key":"hunter2","user":"u","token":"hunter2"}"#,
    ] {
        let verdict = verify_line(line.as_bytes(), WallTime(0));
        assert!(verdict.0.is_err(), "{line}");
        assert!(!verdict.to_json().contains(NEEDLE), "{}", verdict.to_json());
        assert!(!format!("{verdict:?}").contains(NEEDLE), "{verdict:?}");
        let mut out = Vec::new();
        verify_lines(line.as_bytes(), &mut out, WallTime(0)).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), verdict.to_json() + "\n");
    }
}

#[test]
fn a_refused_token_is_not_quoted() {
    for field in ["TLS.ver", "TLS.identifier", "TLS.sdkappid", "TLS.time", "TLS.userbuf", "hunter2"]
    {
        for value in ["\"hunter2 \"", "[\"hunter2\"]", "{\"hunter2\":1}", "hunter2"] {
            let mut fields = Craft::default().fields();
            fields.retain(|(name, _)| *name != field);
            fields.push((field, value.to_owned()));
            let error = craft::judge(&craft::token(craft::json(&fields).as_bytes())).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }
}
