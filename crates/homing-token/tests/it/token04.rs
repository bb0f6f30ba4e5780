//! `token04`, sealed and merely encrypted (S-8.1, S-8.2).

use homing_proto::limits::TOKEN_BYTES;
use homing_proto::secret::Token;
use homing_proto::time::WallTime;
use homing_token::{Format, peek_expiry};
use serde_json::{Value, json};

use crate::craft::{TIME_S, USER};
use crate::ring::{
    Judge, SECRET_32, document04, pack04, seal_cbc, seal_gcm, text04, token04, token04_cbc,
};

/// Made by the vendor's Node helper with a fixed clock and fixed randomness.
const PUBLISHED: &str = "04AAAAAGVT/xAAEGlpaWlpaWlpaWlpaWlpaWkAcFWabs0WrbT/39KGT9LX/DTQZLFM+dwIcC2GOjE/f6hx/U80IX0VT6lY+rvotMSMMP26D7SzlaNcBKKp/fk6GS1YKApW0qJ7kqDmazfbkIc/lRhvKIoxbuM4RzKJLcJ8Y+2j3kt3QApsBRmR5eeSCzs=";

fn sealed() -> Judge {
    Judge::new(Format::Token04, &[SECRET_32])
}

#[test]
fn the_published_token_is_good_where_its_form_is_allowed() {
    let mut judge = sealed().with_cbc();
    judge.app = 123_456_789;
    let claims = judge.judge(PUBLISHED).unwrap();
    assert_eq!(claims.format, Format::Token04Cbc);
    assert_eq!(claims.issued_at, Some(WallTime(1_700_000_000_000)));
    assert_eq!(claims.expires_at, Some(WallTime(1_700_003_600_000)));
    assert_eq!(claims.userbuf, None);
    judge.format = Format::Token04Cbc;
    judge.says(PUBLISHED, "ok");
}

#[test]
fn the_form_without_integrity_is_refused_unless_it_is_allowed() {
    let cbc = token04_cbc(&document04(), SECRET_32);
    for format in [Format::Token04, Format::Token04Cbc] {
        let judge = Judge { format, ..sealed() };
        let error = judge.judge(&cbc).unwrap_err();
        assert_eq!(error.code.name(), "credential_type_disabled");
        assert!(error.sentence().contains("no integrity check"), "{error}");
        judge.with_cbc().says(&cbc, "ok");
    }
    let judge = Judge { format: Format::Token04Cbc, ..sealed() }.with_cbc();
    judge.says(&token04(&document04(), SECRET_32), "credential_malformed");
}

#[test]
fn a_sealed_token_says_what_was_sealed() {
    let mut document = document04();
    document["payload"] = json!({"room_id": "r", "privilege": {"1": 1}}).to_string().into();
    let claims = sealed().judge(&token04(&document, SECRET_32)).unwrap();
    assert_eq!(claims.format, Format::Token04);
    assert_eq!(claims.user.as_str(), USER);
    assert_eq!(claims.userbuf.as_deref(), Some(document["payload"].as_str().unwrap().as_bytes()));
}

#[test]
fn each_check_has_its_verdict() {
    let token = |field: &str, value: Value| {
        let mut document = document04();
        document[field] = value;
        token04(&document, SECRET_32)
    };
    for (field, value, name) in [
        ("user_id", json!("bob"), "credential_wrong_user"),
        ("app_id", json!(7), "credential_wrong_app"),
        ("ctime", json!(TIME_S + 302), "credential_not_yet_valid"),
        ("ctime", json!(TIME_S + 301), "ok"),
        ("expire", json!(TIME_S), "credential_expired"),
        ("expire", json!(TIME_S + 1), "ok"),
        ("app_id", json!("1400000000"), "credential_malformed"),
        ("app_id", json!(0), "credential_malformed"),
        ("app_id", json!(1.4e9), "credential_malformed"),
        ("user_id", json!(5), "credential_malformed"),
        ("user_id", json!("a b"), "credential_malformed"),
        ("ctime", json!("1700000000"), "credential_malformed"),
        ("ctime", json!(-1), "credential_malformed"),
        ("ctime", json!(u64::MAX), "credential_malformed"),
        ("nonce", json!(1.5), "credential_malformed"),
        ("nonce", Value::Null, "credential_malformed"),
        ("payload", json!({}), "credential_malformed"),
        ("extra", json!(1), "credential_malformed"),
    ] {
        sealed().says(&token(field, value.clone()), name);
    }
    sealed().says(
        &token04(&document04(), "another secret of 32 characters."),
        "credential_bad_signature",
    );
}

#[test]
fn a_field_that_is_missing_or_stands_twice_is_malformed() {
    for field in ["app_id", "user_id", "nonce", "ctime", "expire"] {
        let mut document = document04();
        document.as_object_mut().unwrap().remove(field);
        let expire = i64::try_from(TIME_S + 3600).unwrap();
        let once = seal_gcm(document.to_string().as_bytes(), SECRET_32);
        sealed().says(&text04(&pack04(expire, &[9; 12], &once, &[1])), "credential_malformed");
        let twice = document04().to_string().replacen('{', &format!("{{\"{field}\":1,"), 1);
        let twice = seal_gcm(twice.as_bytes(), SECRET_32);
        sealed().says(&text04(&pack04(expire, &[9; 12], &twice, &[1])), "credential_malformed");
    }
}

#[test]
fn the_expiry_in_the_clear_must_be_the_sealed_one() {
    let sealed_part = seal_gcm(document04().to_string().as_bytes(), SECRET_32);
    for expire in [TIME_S + 3601, TIME_S + 3599, 0, i64::MAX as u64] {
        let packed = pack04(i64::try_from(expire).unwrap(), &[9; 12], &sealed_part, &[1]);
        sealed().says(&text04(&packed), "credential_malformed");
    }
    sealed().says(&text04(&pack04(-1, &[9; 12], &sealed_part, &[1])), "credential_malformed");
}

#[test]
fn any_key_of_the_ring_may_have_sealed_it_and_keys_of_other_lengths_harm_nobody() {
    let token = token04(&document04(), SECRET_32);
    for ring in
        [&["b", SECRET_32][..], &[SECRET_32, &SECRET_32[..16]], &[&SECRET_32[..24], SECRET_32]]
    {
        Judge::new(Format::Token04, ring).says(&token, "ok");
    }
    Judge::new(Format::Token04, &["b"]).says(&token, "credential_bad_signature");
    Judge::new(Format::Token04, &[]).says(&token, "credential_type_disabled");
}

#[test]
fn an_envelope_of_any_other_shape_is_malformed() {
    let part = seal_gcm(document04().to_string().as_bytes(), SECRET_32);
    let expire = i64::try_from(TIME_S + 3600).unwrap();
    let good = pack04(expire, &[9; 12], &part, &[1]);
    for packed in [
        pack04(expire, &[9; 12], &part, &[0]),
        pack04(expire, &[9; 12], &part, &[1, 1]),
        pack04(expire, &[9; 11], &part, &[1]),
        pack04(expire, &[9; 16], &part, &[1]),
        pack04(expire, &[9; 12], &part[..16], &[1]),
        pack04(expire, &[9; 12], &[], &[1]),
        pack04(expire, &[9; 16], &part[..17], &[]),
        pack04(expire, &[9; 16], &[], &[]),
        Vec::new(),
    ] {
        sealed().with_cbc().says(&text04(&packed), "credential_malformed");
    }
    for length in 0..good.len() - 1 {
        let name = crate::craft::name(sealed().judge(&text04(&good[..length])));
        assert_eq!(name, "credential_malformed", "{length}");
    }
    for text in [
        text04(&good).replacen("04", "03", 1),
        text04(&good).replacen("04", "4", 1),
        text04(&good).trim_end_matches('=').to_owned(),
        text04(&good) + "\n",
        text04(&good).replace('+', "-").replace('/', "_"),
        String::new(),
        "04".to_owned(),
        "A".repeat(TOKEN_BYTES + 1),
    ] {
        if text != text04(&good) {
            sealed().says(&text, "credential_malformed");
        }
    }
}

#[test]
fn no_byte_of_a_sealed_token_can_be_changed() {
    let part = seal_gcm(document04().to_string().as_bytes(), SECRET_32);
    let good = pack04(i64::try_from(TIME_S + 3600).unwrap(), &[9; 12], &part, &[1]);
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut packed = good.clone();
            packed[at] ^= 1 << bit;
            assert!(sealed().with_cbc().judge(&text04(&packed)).is_err(), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn an_encrypted_token_of_another_key_is_no_json_and_so_a_bad_signature() {
    let token = token04_cbc(&document04(), "another secret of 32 characters.");
    sealed().with_cbc().says(&token, "credential_bad_signature");
    let expire = i64::try_from(TIME_S + 3600).unwrap();
    for plain in [&b"no json"[..], b"[]", b""] {
        let packed = pack04(expire, &[b'i'; 16], &seal_cbc(plain, SECRET_32), &[]);
        sealed().with_cbc().says(&text04(&packed), "credential_bad_signature");
    }
}

#[test]
fn a_device_reads_the_expiry_in_the_clear() {
    let expected = Some(WallTime((TIME_S + 3600) * 1000));
    let sealed = token04(&document04(), SECRET_32);
    assert_eq!(peek_expiry("token04", &Token::new(sealed)), expected);
    assert_eq!(peek_expiry("token04", &Token::new(PUBLISHED)), expected);
    assert_eq!(peek_expiry("token04-cbc", &Token::new(PUBLISHED)), expected);
    assert_eq!(peek_expiry("token04", &Token::new(&PUBLISHED[..40])), None);
}
