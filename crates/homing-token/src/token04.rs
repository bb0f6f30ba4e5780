//! `token04`: the form of ZEGO's server assistants, sealed with AES-GCM, and the older one that is
//! encrypted with AES-CBC.
//!
//! `04` and standard base64 of, big-endian: the expiry (i64, seconds), the length of the nonce (u16),
//! the nonce, the length of the sealed text (u16), the sealed text. AES-GCM has its 16-byte tag at the
//! end of the sealed text and one more byte, 1, at the very end; AES-CBC has nothing more. Inside is a
//! JSON object. The expiry in the clear is under no signature, so it must be the one inside.

use std::borrow::Cow;

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::consts::U12;
use aes::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit};
use aes::{Aes128, Aes192, Aes256};
use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{AesGcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use homing_proto::id::{AppId, UserId};
use homing_proto::secret::Token;
use homing_proto::time::WallTime;
use homing_proto::{Code, Error, limits};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::refusal::{
    bad_signature, bounded, malformed, standard_base64, unmintable, wall, wrong_app,
};
use crate::{Cbc, Claims, Expected, Format, Grant, Key, strict_json};

/// Makes a token; see [`crate::mint`].
pub(crate) fn mint(mode: Mode, key: &Key, grant: &Grant<'_>) -> Result<Token, Error> {
    check(key)?;
    let ctime = grant.issued_at.seconds();
    let expire = ctime.checked_add(grant.ttl_s).filter(|end| wall(*end).is_some());
    let expire = expire.ok_or_else(|| unmintable("the time to live is too long"))?;
    let payload = std::str::from_utf8(grant.userbuf.unwrap_or_default())
        .map_err(|_| unmintable("token04 carries text: its user buffer must be UTF-8"))?;
    let [mut nonce, mut number] = [[0; 16]; 2];
    for bytes in [&mut nonce, &mut number] {
        getrandom::fill(bytes).map_err(|_| {
            Error::new(Code::SERVER_INTERNAL).with_text("the system has no randomness")
        })?;
    }
    let [a, b, c, d, ..] = number;
    let document = Document {
        app_id: grant.app.get(),
        user_id: grant.user.as_str().into(),
        nonce: i32::from_be_bytes([a, b, c, d]).into(),
        ctime,
        expire,
        payload: payload.into(),
    };
    let json = Zeroizing::new(serde_json::to_vec(&document).expect("texts and numbers only"));
    let nonce = &nonce[..mode.nonce_bytes()];
    let sealed = Cipher::of(key).expect("the key was checked").seal(mode, nonce, &json);
    let packed = Envelope { expire, nonce, sealed: &sealed, mode }.pack();
    let token = packed.map(|packed| format!("{VERSION}{}", STANDARD.encode(packed)));
    match token {
        Some(token) if token.len() <= limits::TOKEN_BYTES => Ok(Token::new(token)),
        _ => Err(unmintable("the user buffer is too long for a token of 8 KiB")),
    }
}

/// Judges a token of one of the `modes`; see [`crate::verify`].
pub(crate) fn verify(
    modes: &[Mode],
    token: &Token,
    expected: &Expected<'_>,
) -> Result<Claims, Error> {
    let packed = decode(token.expose()).map_err(malformed)?;
    let envelope = Envelope::read(&packed).map_err(malformed)?;
    if !modes.contains(&envelope.mode) {
        return Err(malformed(format_args!("it is of the form `{}`", envelope.mode.format())));
    }
    if envelope.mode == Mode::Cbc && expected.rules.cbc == Cbc::Refused {
        return Err(Error::new(Code::CREDENTIAL_TYPE_DISABLED).with_text(CBC_IS_OFF));
    }
    let opened = expected.keys.iter().find_map(|key| Cipher::of(key)?.open(&envelope));
    let json = opened.ok_or_else(bad_signature)?;
    let document: Document<'_> = strict_json::object(&json).map_err(malformed)?;
    let claims = document.claims(envelope.mode).map_err(malformed)?;
    if document.expire != envelope.expire {
        return Err(malformed("the expiry before the sealed part is not the one inside"));
    }
    if claims.app != expected.app {
        return Err(wrong_app(claims.app));
    }
    expected.admits(claims)
}

/// When a token says that it expires; nothing of it is proven.
pub(crate) fn peek(token: &Token) -> Option<WallTime> {
    let packed = decode(token.expose()).ok()?;
    wall(Envelope::read(&packed).ok()?.expire)
}

/// Whether a key fits one of the ciphers.
pub(crate) fn check(key: &Key) -> Result<(), Error> {
    match Cipher::of(key) {
        Some(_) => Ok(()),
        None => Err(Error::new(Code::INVALID_ARGUMENT)
            .with_text("a token04 key has 32 bytes (16 and 24 are taken too)")),
    }
}

/// How a token is encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    Gcm,
    Cbc,
}

impl Mode {
    const fn nonce_bytes(self) -> usize {
        match self {
            Self::Gcm => 12,
            Self::Cbc => BLOCK,
        }
    }

    const fn format(self) -> Format {
        match self {
            Self::Gcm => Format::Token04,
            Self::Cbc => Format::Token04Cbc,
        }
    }
}

/// What lies around the sealed part.
struct Envelope<'a> {
    /// Seconds since 1970.
    expire: u64,
    nonce: &'a [u8],
    sealed: &'a [u8],
    mode: Mode,
}

impl<'a> Envelope<'a> {
    fn read(packed: &'a [u8]) -> Result<Self, &'static str> {
        const CUT: &str = "it is cut short";
        let (expire, rest) = packed.split_first_chunk().ok_or(CUT)?;
        let expire = i64::from_be_bytes(*expire);
        let (nonce, rest) = field(rest).ok_or(CUT)?;
        let (sealed, rest) = field(rest).ok_or(CUT)?;
        let mode = match rest {
            [] => Mode::Cbc,
            [GCM] => Mode::Gcm,
            _ => return Err("something follows its sealed part that is not the mode of AES-GCM"),
        };
        let fits = match mode {
            Mode::Gcm => sealed.len() > TAG,
            Mode::Cbc => !sealed.is_empty() && sealed.len().is_multiple_of(BLOCK),
        };
        if nonce.len() != mode.nonce_bytes() || !fits {
            return Err("its nonce or its sealed part has the wrong length");
        }
        let expire = u64::try_from(expire).map_err(|_| "its expiry is negative")?;
        Ok(Self { expire, nonce, sealed, mode })
    }

    /// `None` when a part is too long for its length field.
    fn pack(&self) -> Option<Vec<u8>> {
        let mut packed = i64::try_from(self.expire).ok()?.to_be_bytes().to_vec();
        for part in [self.nonce, self.sealed] {
            packed.extend_from_slice(&u16::try_from(part.len()).ok()?.to_be_bytes());
            packed.extend_from_slice(part);
        }
        if self.mode == Mode::Gcm {
            packed.push(GCM);
        }
        Some(packed)
    }
}

/// A run of bytes behind its length, and what follows.
fn field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

fn decode(text: &str) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let base64 = bounded(text)?.strip_prefix(VERSION).ok_or("it does not begin with `04`")?;
    standard_base64(base64)
}

/// The cipher that a key is for, by its length.
enum Cipher<'a> {
    Aes128(&'a [u8; 16]),
    Aes192(&'a [u8; 24]),
    Aes256(&'a [u8; 32]),
}

impl<'a> Cipher<'a> {
    fn of(key: &'a Key) -> Option<Self> {
        let key = key.expose();
        Some(match key.len() {
            16 => Self::Aes128(key.try_into().ok()?),
            24 => Self::Aes192(key.try_into().ok()?),
            32 => Self::Aes256(key.try_into().ok()?),
            _ => return None,
        })
    }

    fn seal(&self, mode: Mode, nonce: &[u8], plain: &[u8]) -> Vec<u8> {
        match (self, mode) {
            (Self::Aes128(key), Mode::Gcm) => {
                gcm_seal(AesGcm::<Aes128, U12>::new((*key).into()), nonce, plain)
            }
            (Self::Aes192(key), Mode::Gcm) => {
                gcm_seal(AesGcm::<Aes192, U12>::new((*key).into()), nonce, plain)
            }
            (Self::Aes256(key), Mode::Gcm) => {
                gcm_seal(AesGcm::<Aes256, U12>::new((*key).into()), nonce, plain)
            }
            (Self::Aes128(key), Mode::Cbc) => {
                cbc_of::<cbc::Encryptor<Aes128>>(*key, nonce).encrypt_padded_vec::<Pkcs7>(plain)
            }
            (Self::Aes192(key), Mode::Cbc) => {
                cbc_of::<cbc::Encryptor<Aes192>>(*key, nonce).encrypt_padded_vec::<Pkcs7>(plain)
            }
            (Self::Aes256(key), Mode::Cbc) => {
                cbc_of::<cbc::Encryptor<Aes256>>(*key, nonce).encrypt_padded_vec::<Pkcs7>(plain)
            }
        }
    }

    /// The JSON inside; `None` when this key did not seal it. With AES-CBC the only sign of the right
    /// key is that what comes out is JSON.
    fn open(&self, envelope: &Envelope<'_>) -> Option<Zeroizing<Vec<u8>>> {
        let Envelope { nonce, sealed, mode, .. } = *envelope;
        let plain = match (self, mode) {
            (Self::Aes128(key), Mode::Gcm) => {
                gcm_open(AesGcm::<Aes128, U12>::new((*key).into()), nonce, sealed)
            }
            (Self::Aes192(key), Mode::Gcm) => {
                gcm_open(AesGcm::<Aes192, U12>::new((*key).into()), nonce, sealed)
            }
            (Self::Aes256(key), Mode::Gcm) => {
                gcm_open(AesGcm::<Aes256, U12>::new((*key).into()), nonce, sealed)
            }
            (Self::Aes128(key), Mode::Cbc) => cbc_of::<cbc::Decryptor<Aes128>>(*key, nonce)
                .decrypt_padded_vec::<Pkcs7>(sealed)
                .ok(),
            (Self::Aes192(key), Mode::Cbc) => cbc_of::<cbc::Decryptor<Aes192>>(*key, nonce)
                .decrypt_padded_vec::<Pkcs7>(sealed)
                .ok(),
            (Self::Aes256(key), Mode::Cbc) => cbc_of::<cbc::Decryptor<Aes256>>(*key, nonce)
                .decrypt_padded_vec::<Pkcs7>(sealed)
                .ok(),
        };
        let plain = Zeroizing::new(plain?);
        (mode == Mode::Gcm || strict_json::is_object(&plain)).then_some(plain)
    }
}

fn gcm_seal(cipher: impl Aead<NonceSize = U12>, nonce: &[u8], plain: &[u8]) -> Vec<u8> {
    let nonce = Nonce::try_from(nonce).expect("its mode gives it 12 bytes");
    cipher.encrypt(&nonce, plain).expect("a text of kilobytes is far below the cipher's bound")
}

fn gcm_open(cipher: impl Aead<NonceSize = U12>, nonce: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    cipher.decrypt(&Nonce::try_from(nonce).ok()?, sealed).ok()
}

fn cbc_of<C: KeyIvInit>(key: &[u8], nonce: &[u8]) -> C {
    C::new_from_slices(key, nonce).expect("key and envelope were measured")
}

/// The JSON inside a token. The vendor's libraries write the fields in different orders.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<'a> {
    app_id: u32,
    #[serde(borrow)]
    user_id: Cow<'a, str>,
    /// Makes equal grants different tokens.
    nonce: i64,
    /// Issue time, in seconds since 1970.
    ctime: u64,
    /// In seconds since 1970.
    expire: u64,
    #[serde(borrow, default)]
    payload: Cow<'a, str>,
}

impl Document<'_> {
    /// What the document says, if it says it in legal values.
    fn claims(&self, mode: Mode) -> Result<Claims, &'static str> {
        const RANGE: &str = "its times are out of range";
        let payload = self.payload.as_bytes();
        Ok(Claims {
            format: mode.format(),
            app: AppId::new(self.app_id).map_err(|_| "its `app_id` is 0")?,
            user: UserId::parse(&self.user_id).map_err(|_| "its `user_id` is not a user id")?,
            issued_at: Some(wall(self.ctime).ok_or(RANGE)?),
            expires_at: Some(wall(self.expire).ok_or(RANGE)?),
            userbuf: (!payload.is_empty()).then(|| payload.to_vec()),
        })
    }
}

const VERSION: &str = "04";
/// The last byte of the AES-GCM form.
const GCM: u8 = 1;
const TAG: usize = 16;
const BLOCK: usize = 16;
const CBC_IS_OFF: &str = "the credential is a token04 of the AES-CBC form, which has no integrity \
    check; have the app's server make the AES-GCM form, or set allow_cbc for as long as it cannot";
