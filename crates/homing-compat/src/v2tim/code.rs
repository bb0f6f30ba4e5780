//! Error codes (`V2TIMErrorCode`).

use homing::{Code, Error, REFUSED_BEFORE};

/// An error of this facade: a number of the original's table and words for a person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct V2TimError {
    /// `code`
    pub code: i32,
    /// `desc`
    pub desc: String,
}

/// No error.
pub const ERR_SUCC: i32 = 0;
/// `ERR_SDK_NOT_INITIALIZED`
pub const ERR_SDK_NOT_INITIALIZED: i32 = 6013;
/// `ERR_SDK_NOT_LOGGED_IN`: also what calls get after a kick.
pub const ERR_SDK_NOT_LOGGED_IN: i32 = 6014;
/// The same operation is running, or has been done: a second `initSDK`.
pub const ERR_IN_PROGRESS: i32 = 6015;
/// `ERR_INVALID_PARAMETERS`
pub const ERR_INVALID_PARAMETERS: i32 = 6017;
/// `ERR_USER_SIG_EXPIRED`: this device knows that the sig has expired, because the server said so before.
pub const ERR_USER_SIG_EXPIRED: i32 = 6206;
/// Another terminal took the place while this one was away.
pub const ERR_KICKED_WHILE_AWAY: i32 = 6208;
/// `ERR_SVR_ACCOUNT_USERSIG_EXPIRED`: the server found the sig expired.
pub const ERR_SVR_ACCOUNT_USERSIG_EXPIRED: i32 = 70001;
/// A login is running.
pub const ERR_LOGIN_IN_PROGRESS: i32 = 7501;
/// A logout is running.
pub const ERR_LOGOUT_IN_PROGRESS: i32 = 7502;

/// The original's number for an error.
///
/// Homing has one code for an expired credential; the original has two, by who noticed. What the
/// device answers from memory, without asking the server again, is 6206; the server's verdict is
/// 70001.
pub fn error_number(error: &Error) -> i32 {
    match error.code {
        Code::CREDENTIAL_EXPIRED if error.text.as_deref() == Some(REFUSED_BEFORE) => {
            ERR_USER_SIG_EXPIRED
        }
        code => number(code),
    }
}

/// The original's number for a code of Homing. A number that this version does not know goes by its
/// family: usage 6017, credential 6207, session 6014, network 6200, local store 6005, server
/// 70500, everything else 6017.
pub const fn number(code: Code) -> i32 {
    match code {
        Code::NOT_INITIALIZED => ERR_SDK_NOT_INITIALIZED,
        Code::NOT_LOGGED_IN | Code::NOT_READY | Code::SESSION_ENDED => ERR_SDK_NOT_LOGGED_IN,
        Code::INVALID_USER_ID => 7003,
        Code::TOO_FREQUENT => 7008,
        Code::SUPERSEDED => 6023,
        Code::VERSION_TOO_OLD | Code::THIRD_PARTY_REFUSED => 6207,
        Code::CREDENTIAL_EXPIRED => ERR_SVR_ACCOUNT_USERSIG_EXPIRED,
        Code::CREDENTIAL_REQUIRED => 70002,
        Code::CREDENTIAL_MALFORMED | Code::CREDENTIAL_NOT_YET_VALID => 70003,
        Code::CREDENTIAL_BAD_SIGNATURE => 70009,
        Code::CREDENTIAL_WRONG_USER => 70013,
        Code::CREDENTIAL_WRONG_APP => 70014,
        Code::CREDENTIAL_TYPE_DISABLED => 70016,
        Code::UNKNOWN_APP => 70020,
        Code::USER_BANNED => 70051,
        Code::CREDENTIAL_REVOKED => 70052,
        Code::USER_NOT_FOUND | Code::ACCOUNT_DELETED | Code::PEER_NOT_FOUND => 70107,
        Code::KICKED | Code::DEVICE_LIMIT | Code::DEVICE_CONFLICT => ERR_KICKED_WHILE_AWAY,
        Code::NEEDS_EXPLICIT_LOGIN | Code::OFFLINE_NOT_LAST_USER => 6026,
        Code::SESSION_UNKNOWN => 6020,
        Code::TIMEOUT | Code::HELLO_TIMEOUT => 6012,
        Code::NETWORK | Code::OFFLINE => 6200,
        Code::LIVENESS | Code::SLOW_READER => 6201,
        Code::CONNECTION_SUPERSEDED | Code::SERVER_STOPPING => 9508,
        Code::HELLO_REPLAYED => 6205,
        Code::STORE_OPEN_FAILED => 6005,
        Code::STORE_CORRUPT => 6019,
        Code::STORE_IN_USE => 6018,
        Code::STORE_FULL => 6022,
        Code::SERVER_BUSY => 70169,
        Code::SERVER_INTERNAL => 70500,
        Code::QUOTA_EXCEEDED => 70398,
        Code::FRAME_TOO_LARGE => 9522,
        Code::RATE_LIMITED => 9506,
        Code::PROTOCOL_ERROR => 6001,
        Code::CONVERSATION_UNKNOWN => 6004,
        Code::OUTBOX_FULL => 9507,
        Code::INVALID_ARGUMENT
        | Code::UNKNOWN_OPERATION
        | Code::CONTENT_TOO_LARGE
        | Code::SESSION_NOT_FOUND => ERR_INVALID_PARAMETERS,
        Code(unknown) => match unknown / 100 {
            2 => 6207,
            3 => ERR_SDK_NOT_LOGGED_IN,
            4 => 6200,
            5 => 6005,
            6 => 70500,
            _ => ERR_INVALID_PARAMETERS,
        },
    }
}

impl V2TimError {
    /// One of this facade's own answers.
    pub(super) fn of(code: i32, desc: &str) -> Self {
        Self { code, desc: desc.to_owned() }
    }

    pub(super) fn not_initialized() -> Self {
        Self::of(ERR_SDK_NOT_INITIALIZED, "call init_sdk first")
    }
}

impl From<Error> for V2TimError {
    fn from(error: Error) -> Self {
        Self { code: error_number(&error), desc: error.sentence().to_owned() }
    }
}

impl std::fmt::Display for V2TimError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.desc)
    }
}

impl std::error::Error for V2TimError {}
