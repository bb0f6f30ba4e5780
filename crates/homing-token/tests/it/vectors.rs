//! Tokens that the vendor's public packages made (`spec/vectors/tokens`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use homing_proto::secret::Token;
use homing_proto::time::WallTime;
use serde_json::Value;

use crate::craft::{judge_for, name};

const USERSIG: &str = include_str!("../../../../spec/vectors/tokens/usersig.json");

#[test]
fn tokens_of_the_public_usersig_packages_are_good_from_issue_to_expiry() {
    let mut packages = std::collections::BTreeSet::new();
    for vector in vectors() {
        let (issued_at, ttl_s) = (number(&vector, "issued_at"), number(&vector, "ttl_s"));
        for now in [issued_at, issued_at + ttl_s] {
            let claims = verdict(&vector, WallTime(now * 1000)).unwrap();
            assert_eq!(claims.issued_at, Some(WallTime(issued_at * 1000)), "{vector}");
            assert_eq!(claims.expires_at, Some(WallTime((issued_at + ttl_s) * 1000)), "{vector}");
            let userbuf = vector["userbuf"].as_str().map(|text| STANDARD.decode(text).unwrap());
            assert_eq!(claims.userbuf, userbuf, "{vector}");
        }
        packages.insert((
            vector["origin"]["registry"].to_string(),
            vector["origin"]["version"].to_string(),
        ));
    }
    assert_eq!(packages.len(), 3, "two versions from npm, one from PyPI");
}

#[test]
fn tokens_of_the_public_usersig_packages_expire() {
    for vector in vectors() {
        let end = number(&vector, "issued_at") + number(&vector, "ttl_s");
        let late = verdict(&vector, WallTime((end + 1) * 1000));
        assert_eq!(name(late), "credential_expired", "{vector}");
    }
}

fn vectors() -> Vec<Value> {
    let file: Value = serde_json::from_str(USERSIG).unwrap();
    let vectors = file["tokens"].as_array().unwrap().clone();
    assert!(vectors.len() >= 30);
    vectors
}

fn verdict(vector: &Value, now: WallTime) -> Result<homing_token::Claims, homing_proto::Error> {
    let token = Token::new(text(vector, "token"));
    let app = u32::try_from(number(vector, "app_id")).unwrap();
    judge_for(&token, app, text(vector, "user"), &[text(vector, "key")], now)
}

fn number(vector: &Value, field: &str) -> u64 {
    vector[field].as_u64().unwrap()
}

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().unwrap()
}
