//! Names of things, parsed once at the edge (S-1).

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;

use crate::code::{Code, Error};
use crate::limits::USER_ID_BYTES;

/// An app: the wall that nothing crosses (S-1.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppId(NonZeroU32);

impl AppId {
    /// An app id from its number.
    ///
    /// # Errors
    /// `invalid_argument` when the number is 0.
    pub fn new(number: u32) -> Result<Self, Error> {
        NonZeroU32::new(number)
            .map(Self)
            .ok_or_else(|| Error::new(Code::INVALID_ARGUMENT).with_text("an app id is 1 or more"))
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A user of one app: 1 to 32 bytes of a fixed set of ASCII characters, case-sensitive (S-1.2).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Arc<str>);

impl UserId {
    /// Parses a user id.
    ///
    /// # Errors
    /// `invalid_user_id` when it is empty, longer than 32 bytes, or holds another character.
    ///
    /// ```
    /// use homing_proto::id::UserId;
    /// assert!(UserId::parse("alice").is_ok());
    /// assert!(UserId::parse("").is_err());
    /// assert!(UserId::parse("a/b").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, Error> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || USER_ID_SIGNS.contains(&b);
        if text.is_empty() || text.len() > USER_ID_BYTES || !text.bytes().all(legal) {
            return Err(Error::new(Code::INVALID_USER_ID));
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const USER_ID_SIGNS: &[u8] = b"!#$%&()+-:;<=.>?@[]^_{}|~";

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for UserId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

/// A conversation as one of its members sees it: `user/<peer>`.
///
/// The slash cannot stand in a user id, so the text has one reading.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConversationId {
    /// With one other user.
    Direct(UserId),
}

impl ConversationId {
    /// Parses `user/<peer>`.
    ///
    /// # Errors
    /// `invalid_argument` for another kind, `invalid_user_id` for an illegal peer.
    ///
    /// ```
    /// use homing_proto::id::ConversationId;
    /// let with_bob: ConversationId = "user/bob".parse()?;
    /// assert_eq!(with_bob.to_string(), "user/bob");
    /// # Ok::<(), homing_proto::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, Error> {
        match text.split_once('/') {
            Some(("user", peer)) => Ok(Self::Direct(UserId::parse(peer)?)),
            _ => Err(Error::new(Code::INVALID_ARGUMENT)
                .with_text("a conversation is written `user/<user id>`")),
        }
    }
}

impl FromStr for ConversationId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct(peer) => write!(f, "user/{peer}"),
        }
    }
}

impl fmt::Debug for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! id16 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl $name {
            /// From exactly 16 bytes; anything else is `None`.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            /// In the UUID form, 8-4-4-4-12.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let digits = uuid_form(&self.0);
                f.write_str(std::str::from_utf8(&digits).expect("digits and dashes are ASCII"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            /// Reads the UUID form; dashes may be left out.
            fn from_str(text: &str) -> Result<Self, Error> {
                parse_16(text).map(Self).ok_or_else(|| {
                    Error::new(Code::INVALID_ARGUMENT).with_text("expected 32 hexadecimal digits")
                })
            }
        }
    };
}

id16! {
    /// An install of an app (S-1.3): a random UUID made at first use and kept with the local data.
    DeviceId
}
id16! {
    /// One login of one user on one device (S-1.5), minted by the server.
    SessionId
}
id16! {
    /// One explicit login: its second attempt, after a lost answer, is not a second login (S-3.2).
    LoginId
}
id16! {
    /// A message as its sender named it: the idempotency key (D-4).
    ClientMsgId
}

/// 8-4-4-4-12. In one piece: ids are printed far more often than anything else.
fn uuid_form(id: &[u8; 16]) -> [u8; 36] {
    let mut text = [b'-'; 36];
    let mut at = 0;
    for (i, byte) in id.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            at += 1;
        }
        text[at] = HEX_DIGITS[usize::from(byte >> 4)];
        text[at + 1] = HEX_DIGITS[usize::from(byte & 15)];
        at += 2;
    }
    text
}

const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

fn parse_16(text: &str) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    let mut digits = text.bytes().filter(|b| *b != b'-');
    for byte in &mut bytes {
        let high = char::from(digits.next()?).to_digit(16)?;
        let low = char::from(digits.next()?).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).expect("two hexadecimal digits fit a byte");
    }
    digits.next().is_none().then_some(bytes)
}

/// A point in a user's log (D-2): always the pair, never the offset alone (I22).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Cursor {
    /// The log's identity; another one means that offsets cannot be compared.
    pub log_epoch: u64,
    /// The last entry that is held; 0 is before the first.
    pub offset: u64,
}
