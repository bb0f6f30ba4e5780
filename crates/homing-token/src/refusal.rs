//! The refusals that several forms share, and the base64 that they are strict about.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use homing_proto::id::AppId;
use homing_proto::time::WallTime;
use homing_proto::{Code, Error, limits};
use zeroize::Zeroizing;

pub(crate) fn malformed(why: impl std::fmt::Display) -> Error {
    Error::new(Code::CREDENTIAL_MALFORMED)
        .with_text(format!("the credential cannot be read: {why}"))
}

pub(crate) fn wrong_app(app: AppId) -> Error {
    Error::new(Code::CREDENTIAL_WRONG_APP)
        .with_text(format!("the credential was made for app {app}"))
}

pub(crate) fn bad_signature() -> Error {
    Error::new(Code::CREDENTIAL_BAD_SIGNATURE)
}

/// A grant that a form cannot say.
pub(crate) fn unmintable(why: &'static str) -> Error {
    Error::new(Code::INVALID_ARGUMENT).with_text(why)
}

/// The bound on a token's text (S-8.2), before anything else is looked at.
pub(crate) fn bounded(text: &str) -> Result<&str, &'static str> {
    if text.len() > limits::TOKEN_BYTES { Err("it is longer than 8 KiB") } else { Ok(text) }
}

/// Standard base64, padded, with nothing in its unused bits: one text for one run of bytes.
pub(crate) fn standard_base64(text: &str) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    STANDARD
        .decode(text)
        .map(Zeroizing::new)
        .map_err(|_| "it is not padded base64; it may be cut short")
}

/// Base64 for URLs without padding, with nothing in its unused bits.
pub(crate) fn url_base64(text: &str) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map(Zeroizing::new)
        .map_err(|_| "a part of it is not base64 for URLs without padding")
}

/// A time of whole seconds; `None` where it lies beyond what a [`WallTime`] can hold.
pub(crate) fn wall(seconds: u64) -> Option<WallTime> {
    seconds.checked_mul(1000).map(WallTime)
}
