//! Tokens of all forms made by hand, without the crate under test, and what judges them.

use aes_gcm::aead::{Aead as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt as _, KeyIvInit as _};
use hmac::{Hmac, Mac as _};
use homing_proto::Error;
use homing_proto::id::{AppId, UserId};
use homing_proto::secret::Token;
use homing_proto::time::WallTime;
use homing_token::{Cbc, Claims, Expected, Format, Key, Rules, verify};
use p256::ecdsa::signature::Signer as _;
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use crate::craft::{APP, TIME_S, USER};

pub(crate) const SECRET_32: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const APP_KEY: &str = "ak123";

// Keys of nobody, made for these tests by `openssl genpkey`.
pub(crate) const P256_PRIVATE: &str = include_str!("keys/p256.private.pem");
pub(crate) const P256_PUBLIC: &str = include_str!("keys/p256.public.pem");
pub(crate) const P256_SEC1: &str = include_str!("keys/p256.sec1.pem");
pub(crate) const ED25519_PRIVATE: &str = include_str!("keys/ed25519.private.pem");
pub(crate) const ED25519_PUBLIC: &str = include_str!("keys/ed25519.public.pem");
pub(crate) const RSA_PUBLIC: &str = include_str!("keys/rsa.public.pem");

/// The JSON inside a `token04`.
pub(crate) fn document04() -> Value {
    json!({
        "app_id": APP, "user_id": USER, "nonce": -7, "ctime": TIME_S, "expire": TIME_S + 3600,
        "payload": "",
    })
}

/// `expire`, nonce and sealed part in their places, before base64.
pub(crate) fn pack04(expire: i64, nonce: &[u8], sealed: &[u8], tail: &[u8]) -> Vec<u8> {
    let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_be_bytes();
    [&expire.to_be_bytes()[..], &length(nonce), nonce, &length(sealed), sealed, tail].concat()
}

pub(crate) fn text04(packed: &[u8]) -> String {
    format!("04{}", STANDARD.encode(packed))
}

pub(crate) fn seal_gcm(json: &[u8], secret: &str) -> Vec<u8> {
    let cipher = Aes256Gcm::new_from_slice(secret.as_bytes()).unwrap();
    cipher.encrypt(&Nonce::from([9; 12]), json).unwrap()
}

pub(crate) fn seal_cbc(json: &[u8], secret: &str) -> Vec<u8> {
    cbc::Encryptor::<aes::Aes256>::new_from_slices(secret.as_bytes(), &[b'i'; 16])
        .unwrap()
        .encrypt_padded_vec::<Pkcs7>(json)
}

/// A `token04` that is genuine under `secret`, with the inner expiry outside too.
pub(crate) fn token04(document: &Value, secret: &str) -> String {
    let expire = document["expire"].as_i64().unwrap_or(0);
    text04(&pack04(expire, &[9; 12], &seal_gcm(document.to_string().as_bytes(), secret), &[1]))
}

pub(crate) fn token04_cbc(document: &Value, secret: &str) -> String {
    let expire = document["expire"].as_i64().unwrap_or(0);
    let sealed = seal_cbc(document.to_string().as_bytes(), secret);
    text04(&pack04(expire, &[b'i'; 16], &sealed, &[]))
}

pub(crate) fn sha1_hex(text: &str) -> String {
    Sha1::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn nim(app_key: &str, user: &str, cur_time: u64, ttl: u64, secret: &str) -> String {
    let signature = sha1_hex(&format!("{app_key}{user}{cur_time}{ttl}{secret}"));
    let json = json!({"signature": signature, "curTime": cur_time, "ttl": ttl});
    STANDARD.encode(json.to_string())
}

/// The payload of a `jwt`.
pub(crate) fn payload() -> Value {
    json!({"sub": USER, "aud": APP.to_string(), "iat": TIME_S, "exp": TIME_S + 3600})
}

pub(crate) fn url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Header and payload with the dot between them.
pub(crate) fn unsigned(header: &str, payload: &str) -> String {
    format!("{}.{}", url(header), url(payload))
}

pub(crate) fn header(alg: &str) -> String {
    format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#)
}

pub(crate) fn hs256(header: &str, payload: &str, secret: &[u8]) -> String {
    let text = unsigned(header, payload);
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(text.as_bytes());
    format!("{text}.{}", url(mac.finalize().into_bytes()))
}

pub(crate) fn es256(header: &str, payload: &str) -> String {
    let text = unsigned(header, payload);
    let key = p256::SecretKey::from_sec1_pem(P256_SEC1).unwrap();
    let signature: p256::ecdsa::Signature =
        p256::ecdsa::SigningKey::from(key).sign(text.as_bytes());
    format!("{text}.{}", url(signature.to_bytes()))
}

pub(crate) fn eddsa(header: &str, payload: &str) -> String {
    use ed25519_dalek::pkcs8::DecodePrivateKey as _;
    let text = unsigned(header, payload);
    let key = ed25519_dalek::SigningKey::from_pkcs8_pem(ED25519_PRIVATE).unwrap();
    format!("{text}.{}", url(key.sign(text.as_bytes()).to_bytes()))
}

/// Judges a credential of any form for alice, one second after it was issued.
pub(crate) struct Judge {
    pub(crate) format: Format,
    pub(crate) keys: Vec<Key>,
    pub(crate) app: u32,
    pub(crate) user: &'static str,
    pub(crate) now: WallTime,
    pub(crate) rules: Rules,
}

impl Judge {
    pub(crate) fn new(format: Format, keys: &[&str]) -> Self {
        let named = |text: &&str| {
            let key = Key::new(*text).unwrap();
            if format == Format::NimDynamic { key.named(APP_KEY).unwrap() } else { key }
        };
        Self {
            format,
            keys: keys.iter().map(named).collect(),
            app: APP,
            user: USER,
            now: WallTime((TIME_S + 1) * 1000),
            rules: Rules::default(),
        }
    }

    pub(crate) fn with_cbc(mut self) -> Self {
        self.rules.cbc = Cbc::Accepted;
        self
    }

    pub(crate) fn judge(&self, token: &str) -> Result<Claims, Error> {
        let user = UserId::parse(self.user).unwrap();
        let Self { format, keys, now, rules, .. } = self;
        let app = AppId::new(self.app).unwrap();
        let expected = Expected { app, user: &user, keys, now: *now, rules: *rules };
        verify(*format, &Token::new(token), &expected)
    }

    #[track_caller]
    pub(crate) fn says(&self, token: &str, name: &str) {
        let verdict = self.judge(token);
        assert_eq!(crate::craft::name(verdict.clone()), name, "{verdict:?}");
    }
}
