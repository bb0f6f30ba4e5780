//! The forms a credential can have (S-8.1).

use std::fmt;
use std::str::FromStr;

use homing_proto::{Code, Error};

/// The form of a credential. Each app switches forms on one by one, each with its own keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Format {
    /// `usersig`: JSON signed with HMAC-SHA256, packed with zlib, in base64 (TLSSigAPI v2).
    Usersig,
    /// `token04`: JSON sealed with AES-GCM, its expiry in the clear before it.
    Token04,
    /// `token04-cbc`: the older form of `token04`, encrypted with AES-CBC. Nothing proves that it is
    /// unchanged, so it is taken only where [`Cbc::Accepted`](crate::Cbc::Accepted) says so.
    Token04Cbc,
    /// `nim-static`: a text of the user's own that the server keeps a hash of; it does not expire and
    /// the newest one alone is good.
    NimStatic,
    /// `nim-dynamic`: issue time and time to live with a SHA-1 over them, the user and two keys.
    NimDynamic,
    /// `jwt`: a JSON Web Token, signed with HS256, ES256 or EdDSA.
    Jwt,
    /// `third-party`: any text at all; the app's own server is asked about it.
    ThirdParty,
    /// `app-sign`: the app's secret itself. Whoever has it is any user: for development alone.
    AppSign,
}

impl Format {
    /// Every form, in the order in which they are listed to people.
    pub const ALL: &[Self] = &[
        Self::Usersig,
        Self::Token04,
        Self::Token04Cbc,
        Self::NimStatic,
        Self::NimDynamic,
        Self::Jwt,
        Self::ThirdParty,
        Self::AppSign,
    ];

    /// The name as it is written in settings, flags and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Usersig => "usersig",
            Self::Token04 => "token04",
            Self::Token04Cbc => "token04-cbc",
            Self::NimStatic => "nim-static",
            Self::NimDynamic => "nim-dynamic",
            Self::Jwt => "jwt",
            Self::ThirdParty => "third-party",
            Self::AppSign => "app-sign",
        }
    }

    /// The form whose keys it is verified with: both forms of `token04` have one ring.
    pub const fn ring(self) -> Self {
        match self {
            Self::Token04Cbc => Self::Token04,
            other => other,
        }
    }
}

impl FromStr for Format {
    type Err = Error;

    /// Reads a name; `invalid_argument` for any other text.
    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.iter().find(|format| format.name() == name).copied().ok_or_else(|| {
            let known = Self::ALL.iter().map(|format| format.name()).collect::<Vec<_>>().join(", ");
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
