//! Tokens that public packages made, of the vendors and of others (`spec/vectors/tokens`).

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use homing_proto::Error;
use homing_proto::id::{AppId, UserId};
use homing_proto::secret::Token;
use homing_proto::time::WallTime;
use homing_token::{Cbc, Claims, Expected, Format, Key, Rules, peek_expiry, verify};
use serde_json::Value;

use crate::craft::name;

/// Each file with its form and who made its tokens: packages from npm and PyPI, repositories.
const FILES: &[(&str, Format, usize, usize)] = &[
    (include_str!("../../../../spec/vectors/tokens/usersig.json"), Format::Usersig, 30, 3),
    (include_str!("../../../../spec/vectors/tokens/token04.json"), Format::Token04, 4, 1),
    (include_str!("../../../../spec/vectors/tokens/token04-cbc.json"), Format::Token04Cbc, 20, 4),
    (include_str!("../../../../spec/vectors/tokens/nim-dynamic.json"), Format::NimDynamic, 9, 1),
    (include_str!("../../../../spec/vectors/tokens/jwt.json"), Format::Jwt, 30, 3),
];

#[test]
fn tokens_of_public_packages_are_good_from_issue_to_expiry_and_say_what_was_asked() {
    for (format, vector) in all() {
        let (issued_at, end) = times(&vector);
        let last = if is_open_ended(format) { WallTime(end.0 - 1) } else { end };
        for now in [issued_at, last] {
            let claims = verdict(format, &vector, now).unwrap_or_else(|e| panic!("{e}: {vector}"));
            assert_eq!(claims.format, format, "{vector}");
            assert_eq!(claims.issued_at, Some(issued_at), "{vector}");
            assert_eq!(claims.expires_at, Some(end), "{vector}");
            assert_eq!(claims.userbuf, userbuf(&vector), "{vector}");
        }
        let token = Token::new(text(&vector, "token"));
        assert_eq!(peek_expiry(format.name(), &token), Some(end), "{vector}");
    }
}

#[test]
fn tokens_of_public_packages_expire() {
    for (format, vector) in all() {
        let (_, end) = times(&vector);
        let after = if is_open_ended(format) { end } else { WallTime(end.0 + 1) };
        assert_eq!(name(verdict(format, &vector, after)), "credential_expired", "{vector}");
    }
}

#[test]
fn tokens_of_public_packages_are_good_for_nobody_else() {
    for (format, mut vector) in all() {
        let (issued_at, _) = times(&vector);
        vector["user"] = "somebody.else".into();
        let expected = match format {
            Format::NimDynamic => "credential_bad_signature",
            _ => "credential_wrong_user",
        };
        assert_eq!(name(verdict(format, &vector, issued_at)), expected, "{vector}");
    }
}

fn all() -> Vec<(Format, Value)> {
    let mut all = Vec::new();
    for (file, format, least, makers) in FILES {
        let file: Value = serde_json::from_str(file).unwrap();
        let vectors = file["tokens"].as_array().unwrap();
        assert!(vectors.len() >= *least, "{format}");
        let found: BTreeSet<_> = vectors.iter().map(|vector| maker(&vector["origin"])).collect();
        assert_eq!(found.len(), *makers, "{format}: {found:?}");
        all.extend(vectors.iter().map(|vector| (*format, vector.clone())));
    }
    all
}

/// Package and version, or repository and helper.
fn maker(origin: &Value) -> String {
    ["registry", "package", "version", "repository", "document"]
        .map(|field| origin[field].to_string())
        .join(" ")
        + if origin["repository"].is_string() { origin["call"].as_str().unwrap() } else { "" }
}

/// Whether the very moment of its end is over.
fn is_open_ended(format: Format) -> bool {
    matches!(format, Format::Jwt | Format::NimDynamic)
}

fn times(vector: &Value) -> (WallTime, WallTime) {
    let issued_ms = vector["issued_at_ms"]
        .as_u64()
        .unwrap_or_else(|| vector["issued_at"].as_u64().unwrap() * 1000);
    (WallTime(issued_ms), WallTime(issued_ms + vector["ttl_s"].as_u64().unwrap() * 1000))
}

fn userbuf(vector: &Value) -> Option<Vec<u8>> {
    match (vector["userbuf"].as_str(), vector["payload"].as_str()) {
        (Some(userbuf), _) => Some(STANDARD.decode(userbuf).unwrap()),
        (None, Some(payload)) if !payload.is_empty() => Some(payload.as_bytes().to_vec()),
        (None, _) => None,
    }
}

fn verdict(format: Format, vector: &Value, now: WallTime) -> Result<Claims, Error> {
    let mut key = Key::new(text(vector, "key")).unwrap();
    if let Some(name) = vector["app_key"].as_str().or_else(|| vector["key_id"].as_str()) {
        key = key.named(name).unwrap();
    }
    key.check(format).unwrap();
    let app = u32::try_from(vector["app_id"].as_u64().unwrap()).unwrap();
    let (app, user) = (AppId::new(app).unwrap(), UserId::parse(text(vector, "user")).unwrap());
    let rules = Rules { cbc: Cbc::Accepted, ..Rules::default() };
    let expected = Expected { app, user: &user, keys: std::slice::from_ref(&key), now, rules };
    verify(format, &Token::new(text(vector, "token")), &expected)
}

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().unwrap()
}
