//! The secret that an app and the server share, or the public key of the app.

use std::fmt;

use homing_proto::{Code, Error, limits};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{Format, jwt, token04};

/// A key. It has no `Display`, shows nothing in `Debug` and is zeroed on drop (S-8.7).
///
/// What its bytes are depends on the form of credential:
///
/// | form | bytes | name |
/// |---|---|---|
/// | `usersig` | the secret key's text | – |
/// | `token04` | the server secret's text: 16, 24 or 32 bytes, 32 from the vendor | – |
/// | `nim-dynamic` | the app secret's text | the app key that belongs to it |
/// | `nim-static` | the user's token | – |
/// | `jwt` | a secret text (HS256; at least 32 bytes are advised), or in PEM or JWK a P-256 (ES256) or Ed25519 (EdDSA) key; the public half is enough to verify | the key id (`kid`) |
/// | `third-party` | the secret with which questions to the app's own server are signed | – |
/// | `app-sign` | the app sign's text | – |
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Key {
    secret: Vec<u8>,
    name: Option<String>,
}

impl Key {
    /// Wraps a key: for most formats the bytes of the text that the console shows, as they stand.
    ///
    /// # Errors
    /// `invalid_argument` when it is empty: everybody knows that key.
    pub fn new(secret: impl Into<Vec<u8>>) -> Result<Self, Error> {
        Self::unchecked(secret.into()).checked()
    }

    /// Gives it the public name that belongs to it: the key id of a `jwt` key, the app key of a
    /// `nim-dynamic` key.
    ///
    /// # Errors
    /// `invalid_argument` when the name is empty or longer than 128 bytes.
    pub fn named(mut self, name: impl Into<String>) -> Result<Self, Error> {
        let name = name.into();
        if name.is_empty() || name.len() > limits::KEY_NAME_BYTES {
            return Err(invalid("a key id or an app key has 1 to 128 bytes"));
        }
        self.name = Some(name);
        Ok(self)
    }

    /// The public name that belongs to it.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The bytes, for a signature or the store; never for a log.
    pub fn expose(&self) -> &[u8] {
        &self.secret
    }

    /// Whether credentials of that form can be verified with it: to be asked before it is put into
    /// a ring, where a key that cannot be used would only make good credentials look forged.
    ///
    /// # Errors
    /// `invalid_argument` with what is wrong.
    pub fn check(&self, format: Format) -> Result<(), Error> {
        if self.secret.len() > limits::KEY_BYTES {
            return Err(invalid("a key has at most 8 KiB"));
        }
        match format {
            Format::Usersig | Format::NimStatic | Format::ThirdParty | Format::AppSign => Ok(()),
            Format::Token04 | Format::Token04Cbc => token04::check(self),
            Format::NimDynamic if self.name.is_none() => {
                Err(invalid("a nim-dynamic key needs the app key that belongs to the app secret"))
            }
            Format::NimDynamic => Ok(()),
            Format::Jwt => jwt::check(self),
        }
    }

    /// For texts that are wrapped before they can be refused, so that they are zeroed either way.
    pub(crate) const fn unchecked(secret: Vec<u8>) -> Self {
        Self { secret, name: None }
    }

    pub(crate) fn checked(self) -> Result<Self, Error> {
        if self.secret.is_empty() {
            return Err(invalid("a key must not be empty"));
        }
        Ok(self)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

fn invalid(text: &str) -> Error {
    Error::new(Code::INVALID_ARGUMENT).with_text(text)
}
