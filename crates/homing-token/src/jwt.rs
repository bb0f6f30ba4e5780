//! `jwt`: JSON Web Tokens (RFC 7519) in compact form, signed with HS256, ES256 or EdDSA.
//!
//! What a key is decides the algorithm, never the token: a text is for HS256 alone, a P-256 key for
//! ES256, an Ed25519 key for EdDSA. So `none`, and an HMAC made with the text of a public key, are
//! signatures of nobody. Header fields that say where to find a key are refused.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use homing_proto::id::UserId;
use homing_proto::secret::Token;
use homing_proto::time::WallTime;
use homing_proto::{Error, limits};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

use self::signer::{Algorithm, Signer};
use crate::refusal::{bad_signature, bounded, malformed, unmintable, url_base64, wall};
use crate::{Claims, Expected, Format, Grant, Key, strict_json};

mod signer;

/// Makes a token; see [`crate::mint`].
pub(crate) fn mint(key: &Key, grant: &Grant<'_>) -> Result<Token, Error> {
    let signer = Signer::read(key)?;
    if grant.userbuf.is_some() {
        return Err(unmintable("a jwt has no room for a user buffer"));
    }
    let iat = grant.issued_at.seconds();
    let exp = iat.checked_add(grant.ttl_s).filter(|end| wall(*end).is_some());
    let exp = exp.ok_or_else(|| unmintable("the time to live is too long"))?;
    let algorithm = signer.algorithm().name();
    let header = NewHeader { alg: algorithm, typ: "JWT", kid: signer.kid() };
    let app = grant.app.to_string();
    let payload = NewPayload { sub: grant.user.as_str(), aud: &app, iat, exp };
    let mut token = format!("{}.{}", part(&header), part(&payload));
    let signature = signer.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    if token.len() > limits::TOKEN_BYTES {
        return Err(unmintable("the key id is too long for a token of 8 KiB"));
    }
    Ok(Token::new(token))
}

/// Judges a token; see [`crate::verify`].
pub(crate) fn verify(token: &Token, expected: &Expected<'_>) -> Result<Claims, Error> {
    let text = token.expose();
    let Parts { signed, header, payload, signature } = Parts::of(text).map_err(malformed)?;
    let (header, payload, signature) = (
        url_base64(header).map_err(malformed)?,
        url_base64(payload).map_err(malformed)?,
        url_base64(signature).map_err(malformed)?,
    );
    let header: Header<'_> = strict_json::object(&header)
        .map_err(|why| malformed(format_args!("in its header, {why}")))?;
    header.check().map_err(malformed)?;
    let payload: Payload<'_> = strict_json::object(&payload).map_err(malformed)?;
    let user = UserId::parse(&payload.sub).map_err(|_| malformed("its `sub` is not a user id"))?;
    let times = payload.times().map_err(malformed)?;
    payload.is_for(expected)?;
    if !header.is_signed_by_one_of(expected.keys, signed.as_bytes(), &signature) {
        return Err(bad_signature());
    }
    let claims = expected.admits(Claims {
        format: Format::Jwt,
        app: expected.app,
        user,
        issued_at: Some(times.issued_at),
        expires_at: Some(times.expires_at),
        userbuf: None,
    })?;
    if times.not_before.is_some_and(|time| expected.is_ahead(time)) {
        return Err(homing_proto::Code::CREDENTIAL_NOT_YET_VALID.into());
    }
    Ok(claims)
}

/// When a token says that it expires; nothing of it is proven.
pub(crate) fn peek(token: &Token) -> Option<WallTime> {
    let payload = url_base64(Parts::of(token.expose()).ok()?.payload).ok()?;
    let payload: Payload<'_> = strict_json::object(&payload).ok()?;
    Some(payload.times().ok()?.expires_at)
}

/// Whether a key can verify.
pub(crate) fn check(key: &Key) -> Result<(), Error> {
    Signer::read(key).map(drop)
}

struct Parts<'a> {
    /// Header and payload with the dot between them.
    signed: &'a str,
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Result<Self, &'static str> {
        const THREE: &str = "it has not three parts with dots between them";
        let (signed, signature) = bounded(text)?.rsplit_once('.').ok_or(THREE)?;
        let (header, payload) = signed.split_once('.').ok_or(THREE)?;
        if payload.contains('.') {
            return Err(THREE);
        }
        Ok(Self { signed, header, payload, signature })
    }
}

#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "some_text")]
    typ: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "some_text")]
    kid: Option<Cow<'a, str>>,
    // What a reader must obey or could be lured by. Whatever else there is says nothing to us.
    #[serde(default, deserialize_with = "present")]
    crit: bool,
    #[serde(default, deserialize_with = "present")]
    b64: bool,
    #[serde(default, deserialize_with = "present")]
    jwk: bool,
    #[serde(default, deserialize_with = "present")]
    jku: bool,
    #[serde(default, deserialize_with = "present")]
    x5c: bool,
    #[serde(default, deserialize_with = "present")]
    x5u: bool,
    #[serde(default, deserialize_with = "present")]
    zip: bool,
}

impl Header<'_> {
    fn check(&self) -> Result<(), &'static str> {
        if self.crit || self.b64 || self.zip {
            return Err("its header asks for what is not done here (crit, b64 or zip)");
        }
        if self.jwk || self.jku || self.x5c || self.x5u {
            return Err("its header brings a key of its own (jwk, jku, x5c or x5u)");
        }
        if self.typ.as_ref().is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
            return Err("its `typ` is not JWT");
        }
        Ok(())
    }

    /// Tries every key that could have signed it: one of its algorithm, and not of another key id.
    fn is_signed_by_one_of(&self, keys: &[Key], signed: &[u8], signature: &[u8]) -> bool {
        let Some(algorithm) = Algorithm::from_name(&self.alg) else { return false };
        // Every candidate is tried: the time tells how many there are, not which it was.
        keys.iter().filter_map(|key| Signer::read(key).ok()).fold(false, |any, signer| {
            let may_be = match (signer.kid(), &self.kid) {
                (Some(key), Some(token)) => key == token,
                _ => true,
            };
            any | (may_be && signer.algorithm() == algorithm && signer.signed(signed, signature))
        })
    }
}

/// Claims that Homing gives no meaning are passed over, as RFC 7519 has it; those that it reads must
/// stand there once and have their type.
#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    sub: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "audience")]
    aud: Option<Audience<'a>>,
    /// The app's number, for those who need `aud` for something else.
    #[serde(default, deserialize_with = "some")]
    app: Option<u32>,
    iat: u64,
    exp: u64,
    #[serde(default, deserialize_with = "some")]
    nbf: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience<'a> {
    One(#[serde(borrow)] Cow<'a, str>),
    Many(Vec<String>),
}

struct Times {
    issued_at: WallTime,
    expires_at: WallTime,
    not_before: Option<WallTime>,
}

impl Payload<'_> {
    fn times(&self) -> Result<Times, &'static str> {
        const RANGE: &str = "its times are out of range";
        Ok(Times {
            issued_at: wall(self.iat).ok_or(RANGE)?,
            expires_at: wall(self.exp).ok_or(RANGE)?,
            not_before: self.nbf.map(|time| wall(time).ok_or(RANGE)).transpose()?,
        })
    }

    /// `aud` or `app` must name the app; where both stand there, both must.
    fn is_for(&self, expected: &Expected<'_>) -> Result<(), Error> {
        let app = expected.app.to_string();
        let by_audience = self.aud.as_ref().map(|audience| match audience {
            Audience::One(one) => *one == app,
            Audience::Many(many) => many.contains(&app),
        });
        let by_number = self.app.map(|number| number == expected.app.get());
        match (by_audience, by_number) {
            (None, None) => Err(malformed("it names no app: `aud` and `app` are missing")),
            (Some(false), _) | (_, Some(false)) => {
                Err(homing_proto::Code::CREDENTIAL_WRONG_APP.into())
            }
            (Some(true) | None, Some(true) | None) => Ok(()),
        }
    }
}

#[derive(Serialize)]
struct NewHeader<'a> {
    alg: &'a str,
    typ: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

#[derive(Serialize)]
struct NewPayload<'a> {
    sub: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
}

fn part(value: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).expect("texts and numbers only"))
}

/// A field that may be absent but not null.
fn some<'de, T: Deserialize<'de>, D: Deserializer<'de>>(input: D) -> Result<Option<T>, D::Error> {
    T::deserialize(input).map(Some)
}

fn some_text<'de: 'a, 'a, D: Deserializer<'de>>(
    input: D,
) -> Result<Option<Cow<'a, str>>, D::Error> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    Text::deserialize(input).map(|text| Some(text.0))
}

fn audience<'de: 'a, 'a, D: Deserializer<'de>>(input: D) -> Result<Option<Audience<'a>>, D::Error> {
    Audience::deserialize(input).map(Some)
}

/// Whether a field stands there, whatever its value.
fn present<'de, D: Deserializer<'de>>(input: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(input).map(|_| true)
}
