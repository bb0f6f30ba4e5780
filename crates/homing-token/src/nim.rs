//! `nim-dynamic`: issue time and time to live with a SHA-1 over them, the user and two keys; and
//! `nim-static`, which is a text and nothing else.
//!
//! The dynamic form names neither user nor app: both are under the hash alone, so that a token of
//! somebody else reads as one with a bad signature. The formula puts its parts side by side with
//! nothing between them. Two things keep one user's digits from being read as another's time: the
//! time must have the 13 digits of this age, and the time to live must be short
//! ([`Rules::nim_ttl_max_s`](crate::Rules)).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use homing_proto::secret::Token;
use homing_proto::time::WallTime;
use homing_proto::{Error, limits};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

use crate::refusal::{bad_signature, bounded, malformed, standard_base64, unmintable};
use crate::{Claims, Expected, Format, Grant, Key, strict_json};

/// Makes a dynamic token; see [`crate::mint`].
pub(crate) fn mint(key: &Key, grant: &Grant<'_>) -> Result<Token, Error> {
    key.check(Format::NimDynamic)?;
    if grant.userbuf.is_some() {
        return Err(unmintable("nim-dynamic has no room for a user buffer"));
    }
    if !TIMES_MS.contains(&grant.issued_at.0) {
        return Err(unmintable("nim-dynamic takes issue times from September 2001 to 2286"));
    }
    if grant.ttl_s > limits::NIM_TTL_MAX_S {
        return Err(unmintable(
            "the time to live is longer than 30 days, the most an app can allow",
        ));
    }
    let mut document =
        Document { signature: "".into(), cur_time: grant.issued_at.0, ttl: grant.ttl_s };
    let signature = document.signed_with(key, grant.user.as_str());
    document.signature = String::from_utf8_lossy(&signature).into_owned().into();
    let json = serde_json::to_vec(&document).expect("texts and numbers only");
    Ok(Token::new(STANDARD.encode(json)))
}

/// Judges a dynamic token; see [`crate::verify`].
pub(crate) fn verify(token: &Token, expected: &Expected<'_>) -> Result<Claims, Error> {
    let json = decode(token).map_err(malformed)?;
    let document: Document<'_> = strict_json::object(&json).map_err(malformed)?;
    let expires_at = document.expires_at().map_err(malformed)?;
    let most = expected.rules.nim_ttl_max_s;
    if document.ttl > most {
        return Err(malformed(format_args!(
            "its `ttl` is more than the {most} s that the app allows"
        )));
    }
    if !document.is_signed_by_one_of(expected.keys, expected.user.as_str()) {
        return Err(bad_signature());
    }
    expected.admits(Claims {
        format: Format::NimDynamic,
        app: expected.app,
        user: expected.user.clone(),
        issued_at: Some(WallTime(document.cur_time)),
        expires_at: Some(expires_at),
        userbuf: None,
    })
}

/// When a dynamic token says that it expires; nothing of it is proven.
pub(crate) fn peek(token: &Token) -> Option<WallTime> {
    let json = decode(token).ok()?;
    let document: Document<'_> = strict_json::object(&json).ok()?;
    document.expires_at().ok()
}

/// Judges a credential that must be one of the keys itself: `nim-static` and `app-sign`.
pub(crate) fn verify_text(
    format: Format,
    token: &Token,
    expected: &Expected<'_>,
) -> Result<Claims, Error> {
    let text = bounded(token.expose()).map_err(malformed)?;
    if text.is_empty() {
        return Err(malformed("it is empty"));
    }
    // Hashes have one length: the time tells nothing about a key's.
    let shown = Sha256::digest(text.as_bytes());
    let is_known = expected
        .keys
        .iter()
        .fold(Choice::from(0), |any, key| any | Sha256::digest(key.expose()).ct_eq(&shown));
    if !bool::from(is_known) {
        return Err(bad_signature());
    }
    expected.admits(Claims {
        format,
        app: expected.app,
        user: expected.user.clone(),
        issued_at: None,
        expires_at: None,
        userbuf: None,
    })
}

/// The JSON inside a token. The fields are written in this order and read in any.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<'a> {
    /// Lower-case hexadecimal.
    #[serde(borrow)]
    signature: Cow<'a, str>,
    /// Milliseconds since 1970.
    #[serde(rename = "curTime")]
    cur_time: u64,
    /// Seconds.
    ttl: u64,
}

impl Document<'_> {
    fn expires_at(&self) -> Result<WallTime, &'static str> {
        if !TIMES_MS.contains(&self.cur_time) {
            return Err("its `curTime` is not in milliseconds since 1970");
        }
        let end = self.ttl.checked_mul(1000).and_then(|ttl_ms| self.cur_time.checked_add(ttl_ms));
        end.map(WallTime).ok_or("its times are out of range")
    }

    /// Compares with what every key would have signed and leaves no trace of which one it was.
    fn is_signed_by_one_of(&self, keys: &[Key], user: &str) -> bool {
        let signature = self.signature.as_bytes();
        keys.iter()
            .fold(Choice::from(0), |any, key| any | self.signed_with(key, user).ct_eq(signature))
            .into()
    }

    fn signed_with(&self, key: &Key, user: &str) -> [u8; 40] {
        let Self { cur_time, ttl, .. } = self;
        let mut sha1 = Sha1::new();
        sha1.update(key.name().unwrap_or_default());
        sha1.update(format!("{user}{cur_time}{ttl}"));
        sha1.update(key.expose());
        let mut hex = [0; 40];
        for (digits, byte) in hex.chunks_exact_mut(2).zip(sha1.finalize()) {
            digits[0] = HEX[usize::from(byte >> 4)];
            digits[1] = HEX[usize::from(byte & 15)];
        }
        hex
    }
}

fn decode(token: &Token) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    standard_base64(bounded(token.expose())?)
}

const HEX: &[u8; 16] = b"0123456789abcdef";
/// Times of 13 digits: what stands under the hash is then read in one way only.
const TIMES_MS: std::ops::Range<u64> = 1_000_000_000_000..10_000_000_000_000;
