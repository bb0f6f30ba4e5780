//! Claims and errors as JSON.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use homing_proto::Error;
use homing_proto::time::WallTime;
use serde::Serialize;

use crate::Claims;

/// The answer to one question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict(pub Result<Claims, Error>);

impl Verdict {
    /// `{"ok":true,"claims":{…}}` or `{"ok":false,"error":{"code":…,"name":…,"text":…}}`, on one
    /// line.
    ///
    /// The claims are those of [`Claims::to_json`].
    pub fn to_json(&self) -> String {
        to_json(&self.json())
    }

    /// Writes [`Self::to_json`] without making a text of it first.
    pub(crate) fn write_to(&self, output: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(output, &self.json()).map_err(io::Error::from)
    }

    fn json(&self) -> VerdictJson<'_> {
        let (claims, error) = match &self.0 {
            Ok(claims) => (Some(claims_json(claims)), None),
            Err(error) => (None, Some(error_json(error))),
        };
        VerdictJson { ok: error.is_none(), claims, error }
    }
}

impl Claims {
    /// `{"format","app_id","user","issued_at","expires_at","userbuf"}` on one line: times in seconds
    /// since 1970 and null where the form has none, `userbuf` in base64 and only where there is one.
    pub fn to_json(&self) -> String {
        to_json(&claims_json(self))
    }
}

/// `{"error":{"code":…,"name":…,"text":…}}` on one line.
pub fn error_to_json(error: &Error) -> String {
    to_json(&Refusal { error: error_json(error) })
}

#[derive(Serialize)]
struct VerdictJson<'a> {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    claims: Option<ClaimsJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorJson<'a>>,
}

#[derive(Serialize)]
struct ClaimsJson<'a> {
    format: &'static str,
    app_id: u32,
    user: &'a str,
    issued_at: Option<u64>,
    expires_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    userbuf: Option<String>,
}

fn claims_json(claims: &Claims) -> ClaimsJson<'_> {
    ClaimsJson {
        format: claims.format.name(),
        app_id: claims.app.get(),
        user: claims.user.as_str(),
        issued_at: claims.issued_at.map(WallTime::seconds),
        expires_at: claims.expires_at.map(WallTime::seconds),
        userbuf: claims.userbuf.as_ref().map(|bytes| STANDARD.encode(bytes)),
    }
}

#[derive(Serialize)]
struct Refusal<'a> {
    error: ErrorJson<'a>,
}

#[derive(Serialize)]
struct ErrorJson<'a> {
    code: u16,
    name: &'static str,
    text: &'a str,
}

fn error_json(error: &Error) -> ErrorJson<'_> {
    ErrorJson { code: error.code.0, name: error.code.name(), text: error.sentence() }
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts and numbers only")
}
