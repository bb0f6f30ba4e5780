//! Status codes (`NIMResult.code`).

use homing::{Code, Error};

/// A result that is no success: `NIMResult` with a code and `errorDetails`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NimError {
    /// `code`
    pub code: i32,
    /// `errorDetails`
    pub details: String,
}

/// Success.
pub const OK: i32 = 200;
/// The client's version.
pub const CLIENT_VERSION: i32 = 201;
/// appKey, account and token do not match.
pub const MISMATCH: i32 = 302;
/// Forbidden, or the kind of token is switched off.
pub const FORBIDDEN: i32 = 403;
/// There is no such account.
pub const NOT_FOUND: i32 = 404;
/// No answer in time.
pub const TIMEOUT: i32 = 408;
/// A parameter.
pub const PARAMETER: i32 = 414;
/// No link.
pub const NO_LINK: i32 = 415;
/// Too frequent.
pub const TOO_FREQUENT: i32 = 416;
/// Another device holds the place: an automatic login, or one without force, displaces nobody.
pub const HELD_BY_OTHER: i32 = 417;
/// The account is disabled.
pub const DISABLED: i32 = 422;
/// The local store is not open.
pub const LOCAL_STORE: i32 = 1000;
/// Not initialised.
pub const NOT_INITIALIZED: i32 = 20_000;
/// Not signed in.
pub const NOT_LOGGED_IN: i32 = 20_001;
/// Signed in already.
pub const ALREADY_LOGGED_IN: i32 = 20_002;

/// The original's number for a code of Homing. A number that this version does not know goes by its
/// family: usage 414, credential 302, session 403, network 415, local store 1000, server 500,
/// everything else 414.
pub const fn number(code: Code) -> i32 {
    match code {
        Code::NOT_INITIALIZED => NOT_INITIALIZED,
        Code::NOT_LOGGED_IN
        | Code::NEEDS_EXPLICIT_LOGIN
        | Code::SESSION_UNKNOWN
        | Code::SESSION_ENDED => NOT_LOGGED_IN,
        Code::NOT_READY
        | Code::OFFLINE_NOT_LAST_USER
        | Code::STORE_OPEN_FAILED
        | Code::STORE_CORRUPT
        | Code::STORE_IN_USE
        | Code::STORE_FULL => LOCAL_STORE,
        Code::TOO_FREQUENT | Code::RATE_LIMITED => TOO_FREQUENT,
        Code::VERSION_TOO_OLD => CLIENT_VERSION,
        Code::CREDENTIAL_EXPIRED
        | Code::CREDENTIAL_MALFORMED
        | Code::CREDENTIAL_BAD_SIGNATURE
        | Code::CREDENTIAL_WRONG_USER
        | Code::CREDENTIAL_WRONG_APP
        | Code::CREDENTIAL_NOT_YET_VALID
        | Code::CREDENTIAL_REVOKED
        | Code::CREDENTIAL_REQUIRED
        | Code::UNKNOWN_APP => MISMATCH,
        Code::CREDENTIAL_TYPE_DISABLED | Code::THIRD_PARTY_REFUSED => FORBIDDEN,
        Code::USER_NOT_FOUND
        | Code::ACCOUNT_DELETED
        | Code::PEER_NOT_FOUND
        | Code::CONVERSATION_UNKNOWN
        | Code::SESSION_NOT_FOUND => NOT_FOUND,
        Code::USER_BANNED => DISABLED,
        Code::KICKED | Code::DEVICE_LIMIT | Code::DEVICE_CONFLICT => HELD_BY_OTHER,
        Code::TIMEOUT | Code::HELLO_TIMEOUT => TIMEOUT,
        Code::NETWORK
        | Code::OFFLINE
        | Code::CONNECTION_SUPERSEDED
        | Code::SLOW_READER
        | Code::LIVENESS => NO_LINK,
        Code::SUPERSEDED => 191_002,
        Code::OUTBOX_FULL | Code::QUOTA_EXCEEDED => 419,
        Code::SERVER_INTERNAL => 500,
        Code::SERVER_BUSY | Code::SERVER_STOPPING => 503,
        Code::HELLO_REPLAYED => 509,
        Code::PROTOCOL_ERROR => 998,
        Code::INVALID_ARGUMENT
        | Code::INVALID_USER_ID
        | Code::UNKNOWN_OPERATION
        | Code::FRAME_TOO_LARGE
        | Code::CONTENT_TOO_LARGE => PARAMETER,
        Code(unknown) => match unknown / 100 {
            2 => MISMATCH,
            3 => FORBIDDEN,
            4 => NO_LINK,
            5 => LOCAL_STORE,
            6 => 500,
            _ => PARAMETER,
        },
    }
}

impl NimError {
    /// One of this facade's own answers.
    pub(super) fn of(code: i32, details: &str) -> Self {
        Self { code, details: details.to_owned() }
    }
}

impl From<Error> for NimError {
    fn from(error: Error) -> Self {
        Self { code: number(error.code), details: error.sentence().to_owned() }
    }
}

impl std::fmt::Display for NimError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.details)
    }
}

impl std::error::Error for NimError {}
