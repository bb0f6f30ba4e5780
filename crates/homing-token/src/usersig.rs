//! `usersig`: the TLSSigAPI v2 form.
//!
//! A JSON object with a signature inside, packed with zlib, in base64 with three signs replaced so
//! that it can stand in a URL. The signature covers five lines of text made from the fields, not
//! the JSON, so the order of fields, spaces and the packing are free.

use std::borrow::Cow;
use std::io::Write as _;

use base64::Engine as _;
use base64::alphabet::Alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use hmac::{Hmac, KeyInit, Mac};
use homing_proto::id::{AppId, UserId};
use homing_proto::secret::Token;
use homing_proto::time::WallTime;
use homing_proto::{Error, limits};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::inflate::inflate;
use crate::refusal::{bad_signature, bounded, malformed, unmintable, wall, wrong_app};
use crate::{Claims, Expected, Format, Grant, Key, strict_json};

/// Makes a token; see [`crate::mint`].
pub(crate) fn mint(key: &Key, grant: &Grant<'_>) -> Result<Token, Error> {
    let time = grant.issued_at.seconds();
    expiry(time, grant.ttl_s).ok_or_else(|| unmintable("the time to live is too long"))?;
    // A buffer under this keeps the JSON under `TOKEN_INFLATED_BYTES`, however well it packs.
    if grant.userbuf.is_some_and(|bytes| bytes.len() > limits::TOKEN_BYTES) {
        return Err(unmintable(TOO_LARGE));
    }
    let mut document = Document {
        ver: VERSION.into(),
        identifier: grant.user.as_str().into(),
        sdkappid: grant.app.get(),
        time,
        expire: grant.ttl_s,
        userbuf: grant.userbuf.map(|bytes| STANDARD.encode(bytes).into()),
        sig: "".into(),
    };
    document.sig =
        String::from_utf8_lossy(&signature(key, &document.signed_text())).into_owned().into();

    let json = Zeroizing::new(serde_json::to_vec(&document).expect("texts and numbers only"));
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    let packed = zlib.write_all(&json).and_then(|()| zlib.finish()).expect("a Vec takes any write");
    let token = encode(&packed);
    if token.len() > limits::TOKEN_BYTES {
        return Err(unmintable(TOO_LARGE));
    }
    Ok(Token::new(token))
}

/// Judges a token; see [`crate::verify`].
pub(crate) fn verify(token: &Token, expected: &Expected<'_>) -> Result<Claims, Error> {
    let packed = decode(token.expose()).map_err(malformed)?;
    let json = inflate(&packed).map_err(malformed)?;
    let document: Document<'_> = strict_json::object(json.bytes()).map_err(malformed)?;
    let claims = document.claims().map_err(malformed)?;
    if claims.app != expected.app {
        return Err(wrong_app(claims.app));
    }
    if !document.is_signed_by_one_of(expected.keys) {
        return Err(bad_signature());
    }
    expected.admits(claims)
}

/// When a token says that it expires; nothing of it is proven.
pub(crate) fn peek(token: &Token) -> Option<WallTime> {
    let packed = decode(token.expose()).ok()?;
    let json = inflate(&packed).ok()?;
    let document: Document<'_> = strict_json::object(json.bytes()).ok()?;
    document.claims().ok()?.expires_at
}

/// The JSON inside a token. The fields are written in this order and read in any.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<'a> {
    #[serde(rename = "TLS.ver", borrow)]
    ver: Cow<'a, str>,
    #[serde(rename = "TLS.identifier", borrow)]
    identifier: Cow<'a, str>,
    #[serde(rename = "TLS.sdkappid")]
    sdkappid: u32,
    /// Issue time, in seconds since 1970.
    #[serde(rename = "TLS.time")]
    time: u64,
    /// Seconds from the issue time.
    #[serde(rename = "TLS.expire")]
    expire: u64,
    /// In standard base64.
    #[serde(
        rename = "TLS.userbuf",
        borrow,
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    userbuf: Option<Cow<'a, str>>,
    /// In standard base64.
    #[serde(rename = "TLS.sig", borrow)]
    sig: Cow<'a, str>,
}

impl Document<'_> {
    /// What the document says, if it says it in legal values. Nothing of it is proven.
    fn claims(&self) -> Result<Claims, &'static str> {
        if self.ver != VERSION {
            return Err("its `TLS.ver` is not 2.0");
        }
        let expires_at = expiry(self.time, self.expire).ok_or("its times are out of range")?;
        let userbuf = match &self.userbuf {
            None => None,
            Some(text) => Some(
                STANDARD.decode(text.as_bytes()).map_err(|_| "its `TLS.userbuf` is not base64")?,
            ),
        };
        Ok(Claims {
            format: Format::Usersig,
            app: AppId::new(self.sdkappid).map_err(|_| "its `TLS.sdkappid` is 0")?,
            user: UserId::parse(&self.identifier)
                .map_err(|_| "its `TLS.identifier` is not a user id")?,
            issued_at: Some(WallTime(self.time * 1000)),
            expires_at: Some(expires_at),
            userbuf,
        })
    }

    /// Compares with what every key would have signed and leaves no trace of which one it was.
    fn is_signed_by_one_of(&self, keys: &[Key]) -> bool {
        let signed_text = self.signed_text();
        let sig = self.sig.as_bytes();
        keys.iter()
            .fold(Choice::from(0), |any, key| any | signature(key, &signed_text).ct_eq(sig))
            .into()
    }

    /// The text under the signature. Its lines cannot run into each other: [`Self::claims`] lets
    /// no line break into the user id or the buffer.
    fn signed_text(&self) -> String {
        let Self { identifier, sdkappid, time, expire, .. } = self;
        let mut text = format!(
            "TLS.identifier:{identifier}\nTLS.sdkappid:{sdkappid}\nTLS.time:{time}\nTLS.expire:{expire}\n"
        );
        if let Some(userbuf) = &self.userbuf {
            text.push_str("TLS.userbuf:");
            text.push_str(userbuf);
            text.push('\n');
        }
        text
    }
}

/// Reads a field that may be absent but not null.
fn text<'de: 'a, 'a, D: Deserializer<'de>>(input: D) -> Result<Option<Cow<'a, str>>, D::Error> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    Text::deserialize(input).map(|text| Some(text.0))
}

/// The signature of a text as it stands in the JSON: standard base64 of the HMAC.
fn signature(key: &Key, text: &str) -> [u8; SIGNATURE_BYTES] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).expect("HMAC takes any key");
    mac.update(text.as_bytes());
    let mut signature = [0; SIGNATURE_BYTES];
    STANDARD
        .encode_slice(mac.finalize().into_bytes(), &mut signature)
        .expect("32 bytes are 44 digits");
    signature
}

/// The last moment of validity; `None` where it lies beyond what a [`WallTime`] can hold.
fn expiry(time_s: u64, expire_s: u64) -> Option<WallTime> {
    wall(time_s.checked_add(expire_s)?)
}

fn encode(bytes: &[u8]) -> String {
    let mut text = BASE64.encode(bytes);
    while !text.len().is_multiple_of(4) {
        text.push(PADDING);
    }
    text
}

/// Takes exactly what [`encode`] makes: one text for one run of bytes.
fn decode(text: &str) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let digits = bounded(text)?.trim_end_matches(PADDING);
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return Err("it is not base64 of four-digit groups, padded with `_`; it may be cut short");
    }
    BASE64
        .decode(digits)
        .map(Zeroizing::new)
        .map_err(|_| "it is not base64 with `*` for `+` and `-` for `/`")
}

const VERSION: &str = "2.0";
const TOO_LARGE: &str = "the user buffer is too long for a token of 8 KiB";
const SIGNATURE_BYTES: usize = 44;
const PADDING: char = '_';
const BASE64: GeneralPurpose = GeneralPurpose::new(&DIGITS, NO_PAD);
const DIGITS: Alphabet =
    match Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789*-") {
        Ok(digits) => digits,
        Err(_) => panic!("64 distinct digits"),
    };
