//! `nim-dynamic`, `nim-static` and `app-sign` (S-8.1, S-8.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use homing_proto::limits::{NIM_TTL_MAX_S, NIM_TTL_S, TOKEN_BYTES};
use homing_proto::secret::Token;
use homing_proto::time::WallTime;
use homing_token::{Format, Key, peek_expiry};
use serde_json::json;

use crate::craft::{TIME_S, USER};
use crate::ring::{APP_KEY, Judge, nim, sha1_hex};

const TIME_MS: u64 = TIME_S * 1000;

fn dynamic() -> Judge {
    Judge::new(Format::NimDynamic, &["secret"])
}

#[test]
fn the_published_formula_gives_the_published_signature() {
    let signature = "fb22bb3713a5309b7bcef751f596c450a233e6b1";
    assert_eq!(sha1_hex("ak123alice17000000000003600secret"), signature);
    let json = format!(r#"{{"signature":"{signature}","curTime":1700000000000,"ttl":3600}}"#);
    let claims = dynamic().judge(&STANDARD.encode(json)).unwrap();
    assert_eq!(claims.issued_at, Some(WallTime(TIME_MS)));
    assert_eq!(claims.expires_at, Some(WallTime(TIME_MS + 3_600_000)));
}

#[test]
fn each_check_has_its_verdict() {
    for (token, name) in [
        (nim(APP_KEY, USER, TIME_MS, 3600, "secret"), "ok"),
        (nim(APP_KEY, "bob", TIME_MS, 3600, "secret"), "credential_bad_signature"),
        (nim("another", USER, TIME_MS, 3600, "secret"), "credential_bad_signature"),
        (nim(APP_KEY, USER, TIME_MS, 3600, "another"), "credential_bad_signature"),
        (nim(APP_KEY, USER, TIME_MS + 301_000, 3600, "secret"), "ok"),
        (nim(APP_KEY, USER, TIME_MS + 301_001, 3600, "secret"), "credential_not_yet_valid"),
        (nim(APP_KEY, USER, TIME_MS - 3_600_000, 3601, "secret"), "credential_expired"),
        (nim(APP_KEY, USER, TIME_MS - 3_600_000, 3602, "secret"), "ok"),
        (nim(APP_KEY, USER, TIME_MS, NIM_TTL_S, "secret"), "ok"),
        (nim(APP_KEY, USER, TIME_MS, NIM_TTL_S + 1, "secret"), "credential_malformed"),
        (nim(APP_KEY, USER, TIME_MS, u64::MAX, "secret"), "credential_malformed"),
        (nim(APP_KEY, USER, TIME_S, 3600, "secret"), "credential_malformed"),
        (nim(APP_KEY, USER, TIME_MS * 10, 3600, "secret"), "credential_malformed"),
    ] {
        dynamic().says(&token, name);
    }
    let mut longer = dynamic();
    longer.rules.nim_ttl_max_s = NIM_TTL_S + 1;
    longer.says(&nim(APP_KEY, USER, TIME_MS, NIM_TTL_S + 1, "secret"), "ok");
}

/// The formula puts user, time and time to live side by side: what was signed for one user id can be
/// cut differently. Somebody who may choose a user id must not get into another's account by it.
#[test]
fn the_digits_of_one_user_are_never_read_as_anothers_time() {
    // Signed in good faith for the user `alice1700000000000`, whose id ends like a time.
    let theirs = sha1_hex("ak123alice170000000000017000000000003600secret");
    let mut judge = dynamic();
    judge.rules.nim_ttl_max_s = NIM_TTL_MAX_S;
    for (cur_time, ttl) in [
        (1_700_000_000_000_u64, 17_000_000_000_003_600_u64),
        (17_000_000_000_001, 7_000_000_000_003_600),
        (17_000_000_000_001_700_000, 3_600),
    ] {
        let json = json!({"signature": theirs, "curTime": cur_time, "ttl": ttl}).to_string();
        judge.says(&STANDARD.encode(json), "credential_malformed");
    }
}

#[test]
fn a_token_of_any_other_shape_is_malformed() {
    let signature = sha1_hex("ak123alice17000000000003600secret");
    for (json, name) in [
        (format!(r#"{{"signature":"{signature}","curTime":1700000000000,"ttl":3600}}"#), "ok"),
        (format!(r#" {{"ttl":3600,"curTime":1700000000000,"signature":"{signature}"}} "#), "ok"),
        (
            format!(
                r#"{{"signature":"{}","curTime":1700000000000,"ttl":3600}}"#,
                signature.to_uppercase()
            ),
            "credential_bad_signature",
        ),
        (
            r#"{"signature":"","curTime":1700000000000,"ttl":3600}"#.to_owned(),
            "credential_bad_signature",
        ),
        (
            format!(r#"{{"signature":"{signature}","curTime":"1700000000000","ttl":3600}}"#),
            "credential_malformed",
        ),
        (
            format!(r#"{{"signature":"{signature}","curTime":1700000000000,"ttl":"3600"}}"#),
            "credential_malformed",
        ),
        (
            format!(r#"{{"signature":"{signature}","curTime":1700000000000.0,"ttl":3600}}"#),
            "credential_malformed",
        ),
        (
            format!(r#"{{"signature":"{signature}","curTime":1700000000000,"ttl":-1}}"#),
            "credential_malformed",
        ),
        (
            format!(r#"{{"signature":"{signature}","curTime":1700000000000}}"#),
            "credential_malformed",
        ),
        (format!(r#"{{"signature":"{signature}","ttl":3600}}"#), "credential_malformed"),
        (r#"{"curTime":1700000000000,"ttl":3600}"#.to_owned(), "credential_malformed"),
        (
            format!(
                r#"{{"signature":"{signature}","curTime":1700000000000,"ttl":3600,"ttl":3600}}"#
            ),
            "credential_malformed",
        ),
        (
            format!(r#"{{"signature":"{signature}","curTime":1700000000000,"ttl":3600,"x":1}}"#),
            "credential_malformed",
        ),
        (format!(r#"["{signature}",1700000000000,3600]"#), "credential_malformed"),
        ("{".repeat(5_000), "credential_malformed"),
        (" ".repeat(TOKEN_BYTES), "credential_malformed"),
    ] {
        dynamic().says(&STANDARD.encode(json), name);
    }
    let good = nim(APP_KEY, USER, TIME_MS, 3600, "secret");
    for length in 0..good.len() {
        dynamic().says(&good[..length], "credential_malformed");
    }
}

#[test]
fn several_pairs_of_app_key_and_secret_may_be_valid_at_once() {
    let pair = |name: &str, secret: &str| Key::new(secret).unwrap().named(name).unwrap();
    let mut judge = dynamic();
    judge.keys = vec![pair("ak1", "s1"), pair("ak2", "s2")];
    judge.says(&nim("ak1", USER, TIME_MS, 60, "s1"), "ok");
    judge.says(&nim("ak2", USER, TIME_MS, 60, "s2"), "ok");
    judge.says(&nim("ak1", USER, TIME_MS, 60, "s2"), "credential_bad_signature");
}

#[test]
fn a_static_token_or_an_app_sign_is_one_of_the_texts_and_says_no_times() {
    for format in [Format::NimStatic, Format::AppSign] {
        let judge = Judge::new(format, &["the one", "the other"]);
        for good in ["the one", "the other"] {
            let claims = judge.judge(good).unwrap();
            assert_eq!((claims.issued_at, claims.expires_at), (None, None));
            assert_eq!(claims.format, format);
        }
        judge.says("the On", "credential_bad_signature");
        judge.says("the one ", "credential_bad_signature");
        judge.says("", "credential_malformed");
        judge.says(&"x".repeat(TOKEN_BYTES), "credential_bad_signature");
        judge.says(&"x".repeat(TOKEN_BYTES + 1), "credential_malformed");
        Judge::new(format, &[]).says("the one", "credential_type_disabled");
        assert_eq!(peek_expiry(format.name(), &Token::new("the one")), None);
    }
}

#[test]
fn a_device_reads_when_a_dynamic_token_ends() {
    let token = Token::new(nim(APP_KEY, USER, TIME_MS, 3600, "secret"));
    assert_eq!(peek_expiry("nim-dynamic", &token), Some(WallTime(TIME_MS + 3_600_000)));
    assert_eq!(peek_expiry("nim-dynamic", &Token::new("cut")), None);
}
