//! Mint and verify the credentials Homing accepts (S-8).
//!
//! A credential is a text that an app's own server computes and the user's client shows at login:
//! "the app says that this is alice, until then". [`mint`] makes one, [`verify`] judges one. Both
//! are functions of their arguments: the time is one, nothing is remembered, and nothing is read but
//! the randomness that minting `token04` needs. This crate is small so that an app server can use it
//! alone.
//!
//! It does not know bans, revocations or which formats an app has switched on: whoever calls
//! [`verify`] passes the keys of one format and judges the [`Claims`] further. It also cannot judge
//! [`Format::ThirdParty`], where the app's own server is asked.
//!
//! # An app server that mints
//!
//! ```
//! use homing_proto::id::{AppId, UserId};
//! use homing_proto::time::WallTime;
//! use homing_token::{Format, Grant, Key, mint};
//!
//! # fn main() -> Result<(), homing_proto::Error> {
//! let key = Key::new("the app's secret key, from its settings")?;
//! let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
//! let token = mint(
//!     Format::Usersig,
//!     &key,
//!     &Grant {
//!         app: AppId::new(1_400_000_000)?,
//!         user: &UserId::parse("alice")?,
//!         issued_at: WallTime(now.expect("the clock is past 1970").as_millis() as u64),
//!         ttl_s: homing_token::DEFAULT_TTL_S,
//!         userbuf: None,
//!     },
//! )?;
//! let answer_to_the_client = token.expose();
//! # assert!(answer_to_the_client.len() > 100);
//! # Ok(())
//! # }
//! ```
//!
//! # A server that verifies
//!
//! Several keys may be valid at once, so that a key can be replaced without a moment in which
//! tokens fail: add the new key, let the app server mint with it, remove the old one when its
//! last token has expired.
//!
//! ```
//! # use homing_proto::id::{AppId, UserId};
//! # use homing_proto::time::WallTime;
//! # use homing_proto::Code;
//! # use homing_token::{Expected, Format, Grant, Key, Rules, mint, verify};
//! # fn main() -> Result<(), homing_proto::Error> {
//! # let (app, alice) = (AppId::new(1)?, UserId::parse("alice")?);
//! # let grant = Grant { app, user: &alice, issued_at: WallTime(1_000), ttl_s: 60, userbuf: None };
//! # let token = mint(Format::Usersig, &Key::new("old")?, &grant)?;
//! let keys = [Key::new("new")?, Key::new("old")?];
//! let rules = Rules::default();
//! let mut expected = Expected { app, user: &alice, keys: &keys, now: WallTime(2_000), rules };
//! let claims = verify(Format::Usersig, &token, &expected)?;
//! assert_eq!(claims.expires_at, Some(WallTime(61_000)));
//!
//! expected.now = WallTime(61_001);
//! let refused = verify(Format::Usersig, &token, &expected).unwrap_err();
//! assert_eq!(refused.code, Code::CREDENTIAL_EXPIRED);
//! # Ok(())
//! # }
//! ```
//!
//! # Order of the checks
//!
//! Every format is judged in this order, and the first check that fails is the verdict:
//!
//! 1. Form: bounds, encoding, packing, fields. `credential_malformed`.
//! 2. The app it names. `credential_wrong_app`. This stands before the signature because each app
//!    has keys of its own: the honest mistake of showing one app's token to another would otherwise
//!    always read as a bad signature. Whoever shows a token knows both app ids already, so the
//!    answer tells a forger nothing.
//! 3. The signature, against every key of the ring, in constant time. `credential_bad_signature`.
//!    Nothing that the token says about a user or a time is believed or answered before this.
//! 4. The user. `credential_wrong_user`.
//! 5. Issue time (300 s of leeway), then expiry. `credential_not_yet_valid`, `credential_expired`.
//!
//! What a form does not say cannot be told apart. `token04` is opened before it can be read, so that
//! 3 comes first and another app's token is one with a bad signature unless both apps have one key.
//! `nim-dynamic`, `nim-static` and `app-sign` name neither user nor app: another's is one with a bad
//! signature. A `token04` of the AES-CBC form is `credential_type_disabled` before all but its form.

pub mod batch;

mod claims;
mod format;
mod inflate;
mod jwt;
mod key;
mod nim;
mod refusal;
mod strict_json;
mod token04;
mod usersig;

use homing_proto::secret::Token;
use homing_proto::time::WallTime;
use homing_proto::{Code, Error};

pub use claims::{Cbc, Claims, Expected, Grant, Rules};
pub use format::Format;
pub use key::Key;

use token04::Mode;

/// How long a token lives where nobody says otherwise, in seconds: a day. Clients renew in-band
/// (S-8.4), so a longer life buys nothing and a stolen token stays good for longer.
pub const DEFAULT_TTL_S: u64 = 24 * 60 * 60;

/// Makes a credential that says what `grant` says.
///
/// # Errors
/// `invalid_argument` when the grant cannot be said in this format (the expiry overflows, or the user
/// buffer makes the token larger than [`verify`] takes), when the key is not one for this format, or
/// when the format is none that is minted: `nim-static` and `third-party` texts are anybody's choice,
/// and an `app-sign` is the key itself.
pub fn mint(format: Format, key: &Key, grant: &Grant<'_>) -> Result<Token, Error> {
    match format {
        Format::Usersig => usersig::mint(key, grant),
        Format::Token04 => token04::mint(Mode::Gcm, key, grant),
        Format::Token04Cbc => token04::mint(Mode::Cbc, key, grant),
        Format::NimDynamic => nim::mint(key, grant),
        Format::Jwt => jwt::mint(key, grant),
        Format::NimStatic => Err(refusal::unmintable(
            "a nim-static token is a text of your own choice: make a long random one and set it for \
             the user by the server's API",
        )),
        Format::ThirdParty => Err(refusal::unmintable(
            "a third-party credential is whatever the app's own server takes",
        )),
        Format::AppSign => Err(refusal::unmintable("an app-sign is the app's key itself")),
    }
}

/// Judges a credential; the [module page](self) gives the order of the checks (S-8.2).
///
/// # Errors
/// One of the `credential_…` codes. The texts hold neither the token nor a key (S-8.7).
pub fn verify(format: Format, token: &Token, expected: &Expected<'_>) -> Result<Claims, Error> {
    if format == Format::ThirdParty {
        return Err(Error::new(Code::CREDENTIAL_TYPE_DISABLED).with_text(
            "no key proves a third-party credential: the app's own server is asked about it, at \
                 the address in the app's setting third_party_url",
        ));
    }
    if expected.keys.is_empty() {
        return Err(Error::new(Code::CREDENTIAL_TYPE_DISABLED)
            .with_text(format!("the app has no key for `{format}` credentials")));
    }
    match format {
        Format::Usersig => usersig::verify(token, expected),
        Format::Token04 => token04::verify(&[Mode::Gcm, Mode::Cbc], token, expected),
        Format::Token04Cbc => token04::verify(&[Mode::Cbc], token, expected),
        Format::NimDynamic => nim::verify(token, expected),
        Format::Jwt => jwt::verify(token, expected),
        Format::NimStatic | Format::AppSign => nim::verify_text(format, token, expected),
        Format::ThirdParty => unreachable!("answered above"),
    }
}

/// Reads when a credential says that it expires, without proving anything: for a device that must
/// judge its own ticket offline (S-4.2). `None` when it cannot be read, when its format is not known
/// or says nothing.
///
/// ```
/// use homing_proto::secret::Token;
/// assert_eq!(homing_token::peek_expiry("usersig", &Token::new("no token")), None);
/// ```
pub fn peek_expiry(format: &str, token: &Token) -> Option<WallTime> {
    match format.parse().ok()? {
        Format::Usersig => usersig::peek(token),
        Format::Token04 | Format::Token04Cbc => token04::peek(token),
        Format::NimDynamic => nim::peek(token),
        Format::Jwt => jwt::peek(token),
        Format::NimStatic | Format::ThirdParty | Format::AppSign => None,
    }
}
