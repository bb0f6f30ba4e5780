//! Error codes (`ZIMErrorCode`).

use homing::{Code, Error};

/// `ZIMError`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ZimError {
    /// `code`
    pub code: i32,
    /// `message`
    pub message: String,
}

/// Success.
pub const SUCCESS: i32 = 0;
/// Failed, without a number of its own.
pub const FAILED: i32 = 1;
/// A parameter.
pub const BAD_PARAMETER: i32 = 6_000_001;
/// Not initialised.
pub const NOT_INITIALISED: i32 = 6_000_002;
/// The app id is wrong.
pub const APP_ID: i32 = 6_000_003;
/// Too frequent, by the SDK's own limit.
pub const TOO_FREQUENT: i32 = 6_000_004;
/// Too frequent, by the server's limit.
pub const SERVER_LIMIT: i32 = 6_000_005;
/// The server is being switched.
pub const SERVER_SWITCH: i32 = 6_000_006;
/// The server failed.
pub const SERVER_INTERNAL: i32 = 6_000_007;
/// The local database.
pub const LOCAL_DATABASE: i32 = 6_000_008;
/// Disconnected meanwhile.
pub const DISCONNECTED: i32 = 6_000_009;
/// No such user.
pub const NO_SUCH_USER: i32 = 6_000_011;
/// A quota is used up.
pub const QUOTA: i32 = 6_000_016;
/// The login failed: token or app id.
pub const LOGIN_TOKEN: i32 = 6_000_101;
/// The login failed.
pub const LOGIN_FAILED: i32 = 6_000_102;
/// The token is not valid.
pub const TOKEN_INVALID: i32 = 6_000_103;
/// The network.
pub const NETWORK: i32 = 6_000_104;
/// No answer in time.
pub const TIMEOUT: i32 = 6_000_105;
/// The token has expired.
pub const TOKEN_EXPIRED: i32 = 6_000_106;
/// The token's version, here: its form is switched off for the app.
pub const TOKEN_VERSION: i32 = 6_000_107;
/// The token has less than 30 s left. Homing takes such a token and warns at once
/// (`tokenWillExpire`): no call gives this number.
pub const TOKEN_SHORT: i32 = 6_000_108;
/// The answer cannot be read.
pub const UNREADABLE: i32 = 6_000_109;
/// An account is signed in on this device: log out first.
pub const ALREADY_LOGGED_IN: i32 = 6_000_111;
/// Not signed in.
pub const NOT_LOGGED_IN: i32 = 6_000_121;
/// Signed out already.
pub const LOGGED_OUT: i32 = 6_000_122;
/// Offline login of a user who is not the last one that signed in online.
pub const OFFLINE_LOGIN: i32 = 6_000_124;
/// The database cannot be opened.
pub const DATABASE_OPEN: i32 = 6_000_701;
/// The database cannot be written.
pub const DATABASE_WRITE: i32 = 6_000_702;

/// The original's number for a code of Homing. A number that this version does not know goes by its
/// family: usage 6000001, credential 6000103, session 6000121, network 6000104, local store 6000008,
/// server 6000007, everything else 1.
pub const fn number(code: Code) -> i32 {
    match code {
        Code::NOT_INITIALIZED => NOT_INITIALISED,
        Code::NOT_LOGGED_IN
        | Code::NOT_READY
        | Code::KICKED
        | Code::DEVICE_LIMIT
        | Code::DEVICE_CONFLICT
        | Code::SESSION_UNKNOWN => NOT_LOGGED_IN,
        Code::SESSION_ENDED | Code::SUPERSEDED => LOGGED_OUT,
        Code::NEEDS_EXPLICIT_LOGIN | Code::OFFLINE_NOT_LAST_USER => OFFLINE_LOGIN,
        Code::UNKNOWN_APP => APP_ID,
        Code::USER_NOT_FOUND | Code::ACCOUNT_DELETED | Code::PEER_NOT_FOUND => NO_SUCH_USER,
        Code::USER_BANNED | Code::VERSION_TOO_OLD => LOGIN_FAILED,
        Code::CREDENTIAL_EXPIRED => TOKEN_EXPIRED,
        Code::CREDENTIAL_MALFORMED
        | Code::CREDENTIAL_BAD_SIGNATURE
        | Code::CREDENTIAL_WRONG_USER
        | Code::CREDENTIAL_NOT_YET_VALID
        | Code::CREDENTIAL_REVOKED
        | Code::CREDENTIAL_REQUIRED => TOKEN_INVALID,
        Code::CREDENTIAL_WRONG_APP | Code::THIRD_PARTY_REFUSED => LOGIN_TOKEN,
        Code::CREDENTIAL_TYPE_DISABLED => TOKEN_VERSION,
        Code::TIMEOUT | Code::HELLO_TIMEOUT => TIMEOUT,
        Code::NETWORK | Code::OFFLINE => NETWORK,
        Code::CONNECTION_SUPERSEDED | Code::SLOW_READER | Code::LIVENESS => DISCONNECTED,
        Code::STORE_OPEN_FAILED | Code::STORE_IN_USE => DATABASE_OPEN,
        Code::STORE_CORRUPT => LOCAL_DATABASE,
        Code::STORE_FULL => DATABASE_WRITE,
        Code::TOO_FREQUENT | Code::OUTBOX_FULL => TOO_FREQUENT,
        Code::SERVER_BUSY | Code::RATE_LIMITED => SERVER_LIMIT,
        Code::SERVER_STOPPING => SERVER_SWITCH,
        Code::SERVER_INTERNAL | Code::HELLO_REPLAYED => SERVER_INTERNAL,
        Code::QUOTA_EXCEEDED => QUOTA,
        Code::PROTOCOL_ERROR => UNREADABLE,
        Code::INVALID_ARGUMENT
        | Code::INVALID_USER_ID
        | Code::UNKNOWN_OPERATION
        | Code::FRAME_TOO_LARGE
        | Code::CONVERSATION_UNKNOWN
        | Code::CONTENT_TOO_LARGE
        | Code::SESSION_NOT_FOUND => BAD_PARAMETER,
        Code(unknown) => match unknown / 100 {
            1 => BAD_PARAMETER,
            2 => TOKEN_INVALID,
            3 => NOT_LOGGED_IN,
            4 => NETWORK,
            5 => LOCAL_DATABASE,
            6 => SERVER_INTERNAL,
            _ => FAILED,
        },
    }
}

impl ZimError {
    /// One of this facade's own answers.
    pub(super) fn of(code: i32, message: &str) -> Self {
        Self { code, message: message.to_owned() }
    }
}

impl From<Error> for ZimError {
    fn from(error: Error) -> Self {
        Self { code: number(error.code), message: error.sentence().to_owned() }
    }
}

impl std::fmt::Display for ZimError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for ZimError {}
