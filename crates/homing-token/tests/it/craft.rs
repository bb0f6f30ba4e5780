//! Tokens made by hand, so that each can be wrong in one way.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use hmac::{Hmac, KeyInit, Mac};
use homing_proto::Error;
use homing_proto::id::{AppId, UserId};
use homing_proto::secret::Token;
use homing_proto::time::WallTime;
use homing_token::{Claims, Expected, Format, Key, Rules, verify};
use sha2::Sha256;

pub(crate) const APP: u32 = 1_400_000_000;
pub(crate) const USER: &str = "alice";
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
pub(crate) const TIME_S: u64 = 1_700_000_000;
pub(crate) const EXPIRE_S: u64 = 86_400;

/// The fields of a token and the key that signs them.
#[derive(Clone, Debug)]
pub(crate) struct Craft {
    pub(crate) user: String,
    pub(crate) app: u64,
    pub(crate) time_s: u64,
    pub(crate) expire_s: u64,
    pub(crate) userbuf: Option<String>,
    pub(crate) secret: String,
}

impl Default for Craft {
    fn default() -> Self {
        Self {
            user: USER.to_owned(),
            app: APP.into(),
            time_s: TIME_S,
            expire_s: EXPIRE_S,
            userbuf: None,
            secret: SECRET.to_owned(),
        }
    }
}

impl Craft {
    pub(crate) fn signature(&self) -> String {
        let Self { user, app, time_s, expire_s, .. } = self;
        let mut text = format!(
            "TLS.identifier:{user}\nTLS.sdkappid:{app}\nTLS.time:{time_s}\nTLS.expire:{expire_s}\n"
        );
        if let Some(userbuf) = &self.userbuf {
            text += &format!("TLS.userbuf:{userbuf}\n");
        }
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).unwrap();
        mac.update(text.as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    }

    /// Field names with their values as JSON.
    pub(crate) fn fields(&self) -> Vec<(&'static str, String)> {
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        let mut fields = vec![
            ("TLS.ver", quoted("2.0")),
            ("TLS.identifier", quoted(&self.user)),
            ("TLS.sdkappid", self.app.to_string()),
            ("TLS.time", self.time_s.to_string()),
            ("TLS.expire", self.expire_s.to_string()),
        ];
        if let Some(userbuf) = &self.userbuf {
            fields.push(("TLS.userbuf", quoted(userbuf)));
        }
        fields.push(("TLS.sig", quoted(&self.signature())));
        fields
    }

    pub(crate) fn json(&self) -> String {
        json(&self.fields())
    }

    pub(crate) fn token(&self) -> Token {
        token(self.json().as_bytes())
    }
}

pub(crate) fn json(fields: &[(&str, String)]) -> String {
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

pub(crate) fn token(json: &[u8]) -> Token {
    text(&zlib(json, Compression::default()))
}

pub(crate) fn zlib(bytes: &[u8], level: Compression) -> Vec<u8> {
    let mut zlib = ZlibEncoder::new(Vec::new(), level);
    zlib.write_all(bytes).unwrap();
    zlib.finish().unwrap()
}

pub(crate) fn text(packed: &[u8]) -> Token {
    Token::new(STANDARD.encode(packed).replace('+', "*").replace('/', "-").replace('=', "_"))
}

/// Judges a token for alice, one second after it was issued.
pub(crate) fn judge(token: &Token) -> Result<Claims, Error> {
    judge_at(token, WallTime((TIME_S + 1) * 1000))
}

pub(crate) fn judge_at(token: &Token, now: WallTime) -> Result<Claims, Error> {
    judge_for(token, APP, USER, &[SECRET], now)
}

pub(crate) fn judge_for(
    token: &Token,
    app: u32,
    user: &str,
    secrets: &[&str],
    now: WallTime,
) -> Result<Claims, Error> {
    let keys: Vec<_> = secrets.iter().map(|secret| Key::new(*secret).unwrap()).collect();
    let (app, user) = (AppId::new(app).unwrap(), UserId::parse(user).unwrap());
    let rules = Rules::default();
    verify(Format::Usersig, token, &Expected { app, user: &user, keys: &keys, now, rules })
}

/// The name of the verdict; `ok` for a good token.
#[track_caller]
pub(crate) fn name(verdict: Result<Claims, Error>) -> &'static str {
    verdict.map_or_else(|error| error.code.name(), |_| "ok")
}
