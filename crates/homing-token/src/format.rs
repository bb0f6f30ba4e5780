//! The forms a credential can have (S-8.1).

use std::fmt;
use std::str::FromStr;

use homing_proto::{Code, Error};

/// The form of a credential. Each app switches forms on one by one, each with its own keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Format {
    /// `usersig`: JSON signed with HMAC-SHA256, packed with zlib, in base64 (TLSSigAPI v2).
    Usersig,
}

impl Format {
    /// Every form that this version mints and verifies.
    pub const ALL: &[Self] = &[Self::Usersig];

    /// The name as it is written in settings, flags and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Usersig => "usersig",
        }
    }
}

impl FromStr for Format {
    type Err = Error;

    /// Reads a name.
    ///
    /// Fails with `credential_type_disabled` for a form that Homing defines and this version does
    /// not have, and with `invalid_argument` for anything else.
    fn from_str(name: &str) -> Result<Self, Error> {
        if let Some(format) = Self::ALL.iter().find(|format| format.name() == name) {
            return Ok(*format);
        }
        let known = Self::ALL.iter().map(|format| format.name()).collect::<Vec<_>>().join(", ");
        Err(if let Some(reserved) = RESERVED.iter().find(|reserved| **reserved == name) {
            Error::new(Code::CREDENTIAL_TYPE_DISABLED)
                .with_text(format!("this version does not have `{reserved}`; it has: {known}"))
        } else {
            Error::new(Code::INVALID_ARGUMENT)
                .with_text(format!("there is no such credential format; there is: {known}"))
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Names of S-8.1 that are promised but not built.
const RESERVED: &[&str] =
    &["token04", "token04-cbc", "nim-static", "nim-dynamic", "jwt", "third-party", "app-sign"];
