//! The secret that an app and the server share.

use std::fmt;

use homing_proto::{Code, Error};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A secret key. It has no `Display`, shows nothing in `Debug` and is zeroed on drop (S-8.7).
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Key(Vec<u8>);

impl Key {
    /// Wraps a key: for most formats the bytes of the text that the console shows, as they stand.
    ///
    /// # Errors
    /// `invalid_argument` when it is empty: everybody knows that key.
    pub fn new(secret: impl Into<Vec<u8>>) -> Result<Self, Error> {
        Self::unchecked(secret.into()).checked()
    }

    /// The bytes, for a signature or the store; never for a log.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// For texts that are wrapped before they can be refused, so that they are zeroed either way.
    pub(crate) const fn unchecked(secret: Vec<u8>) -> Self {
        Self(secret)
    }

    pub(crate) fn checked(self) -> Result<Self, Error> {
        if self.0.is_empty() {
            return Err(Error::new(Code::INVALID_ARGUMENT).with_text("a key must not be empty"));
        }
        Ok(self)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}
