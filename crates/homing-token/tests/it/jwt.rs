//! `jwt` (S-8.1, S-8.2).

use homing_proto::limits::TOKEN_BYTES;
use homing_proto::secret::Token;
use homing_proto::time::WallTime;
use homing_token::{Format, Key, peek_expiry};
use serde_json::{Value, json};

use crate::craft::{APP, TIME_S, USER};
use crate::ring::{
    ED25519_PRIVATE, ED25519_PUBLIC, Judge, P256_PRIVATE, P256_PUBLIC, P256_SEC1, RSA_PUBLIC,
    SECRET_32, eddsa, es256, header, hs256, payload, unsigned, url,
};

fn judge() -> Judge {
    Judge::new(Format::Jwt, &[SECRET_32])
}

fn token(payload: &Value) -> String {
    hs256(&header("HS256"), &payload.to_string(), SECRET_32.as_bytes())
}

fn with(field: &str, value: Value) -> String {
    let mut payload = payload();
    payload[field] = value;
    token(&payload)
}

#[test]
fn all_three_algorithms_are_good_with_the_public_half_of_their_key() {
    let payload = payload().to_string();
    for (token, keys) in [
        (hs256(&header("HS256"), &payload, SECRET_32.as_bytes()), &[SECRET_32][..]),
        (es256(&header("ES256"), &payload), &[P256_PUBLIC, P256_PRIVATE, P256_SEC1]),
        (eddsa(&header("EdDSA"), &payload), &[ED25519_PUBLIC, ED25519_PRIVATE]),
    ] {
        for key in keys {
            let claims = Judge::new(Format::Jwt, &[key]).judge(&token).unwrap();
            assert_eq!(claims.user.as_str(), USER);
            assert_eq!(claims.issued_at, Some(WallTime(TIME_S * 1000)));
            assert_eq!(claims.expires_at, Some(WallTime((TIME_S + 3600) * 1000)));
        }
        let all = Judge::new(Format::Jwt, &[P256_PUBLIC, SECRET_32, ED25519_PUBLIC]);
        all.says(&token, "ok");
        let mut forged = token.into_bytes();
        let last = forged.len() - 5;
        forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
        all.says(&String::from_utf8(forged).unwrap(), "credential_bad_signature");
    }
}

#[test]
fn the_key_decides_the_algorithm_and_never_the_token() {
    let payload = payload().to_string();
    let ring = Judge::new(Format::Jwt, &[P256_PUBLIC, ED25519_PUBLIC]);
    // The classic: an HMAC keyed with the text of the public key that everybody has.
    for public in [P256_PUBLIC, P256_PUBLIC.trim(), ED25519_PUBLIC, ED25519_PUBLIC.trim()] {
        let forged = hs256(&header("HS256"), &payload, public.as_bytes());
        ring.says(&forged, "credential_bad_signature");
    }
    for alg in ["none", "None", "", "hs256", "HS512", "RS256", "ES384", "ES256K", "EdDSA "] {
        let unsigned = unsigned(&header(alg), &payload);
        for token in [
            format!("{unsigned}."),
            hs256(&header(alg), &payload, SECRET_32.as_bytes()),
            es256(&header(alg), &payload),
            eddsa(&header(alg), &payload),
        ] {
            let all = Judge::new(Format::Jwt, &[P256_PUBLIC, SECRET_32, ED25519_PUBLIC]);
            all.says(&token, "credential_bad_signature");
        }
    }
    Judge::new(Format::Jwt, &[P256_PUBLIC, SECRET_32])
        .says(&es256(&header("HS256"), &payload), "credential_bad_signature");
}

#[test]
fn each_claim_has_its_verdict() {
    for (field, value, name) in [
        ("sub", json!("bob"), "credential_wrong_user"),
        ("sub", json!("a b"), "credential_malformed"),
        ("sub", json!(5), "credential_malformed"),
        ("aud", json!("7"), "credential_wrong_app"),
        ("aud", json!("01400000000"), "credential_wrong_app"),
        ("aud", json!([]), "credential_wrong_app"),
        ("aud", json!(["7", APP.to_string()]), "ok"),
        ("aud", json!(["7", APP]), "credential_malformed"),
        ("aud", json!(APP), "credential_malformed"),
        ("aud", Value::Null, "credential_malformed"),
        ("app", json!(APP), "ok"),
        ("app", json!(7), "credential_wrong_app"),
        ("app", json!(APP.to_string()), "credential_malformed"),
        ("app", Value::Null, "credential_malformed"),
        ("iat", json!(TIME_S + 301), "ok"),
        ("iat", json!(TIME_S + 302), "credential_not_yet_valid"),
        ("iat", json!("1700000000"), "credential_malformed"),
        ("iat", json!(1_700_000_000.5), "credential_malformed"),
        ("iat", json!(-1), "credential_malformed"),
        ("exp", json!(TIME_S + 1), "credential_expired"),
        ("exp", json!(TIME_S + 2), "ok"),
        ("exp", json!(u64::MAX), "credential_malformed"),
        ("exp", json!(null), "credential_malformed"),
        ("nbf", json!(TIME_S + 301), "ok"),
        ("nbf", json!(TIME_S + 302), "credential_not_yet_valid"),
        ("nbf", json!("0"), "credential_malformed"),
        ("name", json!({"anything": [1, null]}), "ok"),
    ] {
        let token = with(field, value.clone());
        let verdict = judge().judge(&token);
        assert_eq!(crate::craft::name(verdict), name, "{field}: {value}");
    }
    let by_number = json!({"sub": USER, "app": APP, "iat": TIME_S, "exp": TIME_S + 60});
    judge().says(&token(&by_number), "ok");
}

#[test]
fn a_claim_that_is_missing_or_stands_twice_is_malformed() {
    for field in ["sub", "aud", "iat", "exp"] {
        let mut without = payload();
        without.as_object_mut().unwrap().remove(field);
        judge().says(&token(&without), "credential_malformed");
        let value = &payload()[field];
        let twice = payload().to_string().replacen('{', &format!("{{\"{field}\":{value},"), 1);
        judge()
            .says(&hs256(&header("HS256"), &twice, SECRET_32.as_bytes()), "credential_malformed");
    }
}

#[test]
fn a_header_that_asks_for_more_or_brings_a_key_is_malformed() {
    for (header, name) in [
        (r#"{"alg":"HS256"}"#, "ok"),
        (r#"{"alg":"HS256","typ":"jwt"}"#, "ok"),
        (r#"{"alg":"HS256","other":1}"#, "ok"),
        (r#"{"alg":"HS256","typ":"JWE"}"#, "credential_malformed"),
        (r#"{"alg":"HS256","typ":null}"#, "credential_malformed"),
        (r#"{"alg":"HS256","alg":"HS256"}"#, "credential_malformed"),
        (r#"{"alg":["HS256"]}"#, "credential_malformed"),
        (r#"{"typ":"JWT"}"#, "credential_malformed"),
        (r#"{"alg":"HS256","crit":["exp"]}"#, "credential_malformed"),
        (r#"{"alg":"HS256","crit":null}"#, "credential_malformed"),
        (r#"{"alg":"HS256","b64":false}"#, "credential_malformed"),
        (r#"{"alg":"HS256","zip":"DEF"}"#, "credential_malformed"),
        (r#"{"alg":"HS256","jwk":{}}"#, "credential_malformed"),
        (r#"{"alg":"HS256","jku":"http://x"}"#, "credential_malformed"),
        (r#"{"alg":"HS256","x5u":"http://x"}"#, "credential_malformed"),
        (r#"{"alg":"HS256","x5c":[]}"#, "credential_malformed"),
        (r#"{"alg":"HS256","kid":5}"#, "credential_malformed"),
    ] {
        judge().says(&hs256(header, &payload().to_string(), SECRET_32.as_bytes()), name);
    }
}

#[test]
fn a_key_id_chooses_among_keys_that_have_one() {
    let named = |secret: &str, id: &str| Key::new(secret).unwrap().named(id).unwrap();
    let token = |kid: &str, secret: &str| {
        let header = format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#);
        hs256(&header, &payload().to_string(), secret.as_bytes())
    };
    let mut judge = judge();
    judge.keys = vec![named("old", "2025"), named("new", "2026")];
    judge.says(&token("2025", "old"), "ok");
    judge.says(&token("2026", "new"), "ok");
    judge.says(&token("2026", "old"), "credential_bad_signature");
    judge.says(&token("2027", "new"), "credential_bad_signature");
    // Without a key id in the token every key is tried; a key without one is tried for any token.
    judge.says(&hs256(&header("HS256"), &payload().to_string(), b"new"), "ok");
    judge.keys.push(Key::new("nameless").unwrap());
    judge.says(&token("2027", "nameless"), "ok");
}

#[test]
fn a_jwk_is_a_key_with_its_own_id() {
    // From RFC 8037, A.1, and the HMAC key in the form of RFC 7517.
    let public =
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let private = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    for key in [public, private] {
        Key::new(key).unwrap().check(Format::Jwt).unwrap();
    }
    let oct = format!(r#"{{"kty":"oct","k":"{}","kid":"2026"}}"#, url(SECRET_32));
    let token = |kid: &str| {
        let header = format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#);
        hs256(&header, &payload().to_string(), SECRET_32.as_bytes())
    };
    let judge = Judge::new(Format::Jwt, &[&oct]);
    judge.says(&token("2026"), "ok");
    judge.says(&token("2025"), "credential_bad_signature");
}

#[test]
fn a_key_that_cannot_verify_is_refused_when_it_is_given() {
    for key in [
        RSA_PUBLIC,
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        "-----BEGIN",
        "{}",
        r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#,
        r#"{"kty":"oct","k":""}"#,
        r#"{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}"#,
        // The private half of another key.
        r#"{"kty":"OKP","crv":"Ed25519","d":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
    ] {
        let error = Key::new(key).unwrap().check(Format::Jwt).unwrap_err();
        assert_eq!(error.code.name(), "invalid_argument");
        // In a ring it opens nothing, and its text is no secret.
        let forged = hs256(&header("HS256"), &payload().to_string(), key.as_bytes());
        Judge::new(Format::Jwt, &[key]).says(&forged, "credential_bad_signature");
    }
}

#[test]
fn what_is_not_three_parts_of_base64_is_malformed() {
    let good = token(&payload());
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!() };
    for text in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        format!("{header}.{payload}"),
        format!("{good}."),
        format!(".{good}"),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}.{signature}="),
        format!("{header}.{payload}.{signature}\n"),
        format!(" {good}"),
        format!("{payload}.{header}.{signature}"),
        format!("{}.{payload}.{signature}", url("[]")),
        format!("{header}.{}.{signature}", url("null")),
        format!("{header}.{}.{signature}", url("{".repeat(6_000))),
        "A".repeat(TOKEN_BYTES + 1),
    ] {
        judge().says(&text, "credential_malformed");
    }
    judge().says(&format!("{header}.{payload}."), "credential_bad_signature");
}

#[test]
fn a_device_reads_when_a_token_ends() {
    let end = Some(WallTime((TIME_S + 3600) * 1000));
    assert_eq!(peek_expiry("jwt", &Token::new(token(&payload()))), end);
    assert_eq!(peek_expiry("jwt", &Token::new("a.b.c")), None);
}
