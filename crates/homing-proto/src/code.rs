//! The one table of errors (S-10): number, name, sentence, whose fault, what to do.

use std::fmt;

use crate::time::WallTime;

/// The number of an error. A number this version does not know survives and prints.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u16);

/// Whose doing an error is (S-10).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Blame {
    User,
    App,
    Server,
    Network,
    Sdk,
    Unknown,
}

/// What a program should do about an error (S-10).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Advice {
    /// Correct the call.
    FixCall,
    /// Try again later, at the time given if there is one.
    Retry,
    /// Get another credential.
    ReAuthenticate,
    /// Ask the user to sign in.
    LogIn,
    /// Stay away; trying again changes nothing.
    Stop,
    /// Update the app.
    UpdateApp,
    /// Nothing; the SDK goes on by itself.
    Wait,
    /// Report it: this should not happen.
    Report,
}

impl Advice {
    /// The name as it is written in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FixCall => "fix_call",
            Self::Retry => "retry",
            Self::ReAuthenticate => "re_authenticate",
            Self::LogIn => "log_in",
            Self::Stop => "stop",
            Self::UpdateApp => "update_app",
            Self::Wait => "wait",
            Self::Report => "report",
        }
    }
}

/// One row of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// The number.
    pub code: Code,
    /// The name, as it is written in JSON and in this documentation.
    pub name: &'static str,
    /// What happened and what to do, for a person.
    pub sentence: &'static str,
    /// Whose doing it is.
    pub blame: Blame,
    /// What a program should do.
    pub advice: Advice,
}

macro_rules! table {
    ($($number:literal $constant:ident $name:literal $blame:ident $advice:ident $sentence:literal;)*) => {
        impl Code {
            $(#[doc = concat!("`", $name, "`: ", $sentence)] pub const $constant: Self = Self($number);)*
        }

        /// Every error Homing knows, by number.
        pub const TABLE: &[Row] = &[$(Row {
            code: Code($number),
            name: $name,
            sentence: $sentence,
            blame: Blame::$blame,
            advice: Advice::$advice,
        },)*];
    };
}

// Families: 1xx usage, 2xx credential, 3xx session, 4xx network, 5xx local store, 6xx server, 7xx domain.
table! {
    101 INVALID_ARGUMENT "invalid_argument" App FixCall "An argument is not valid; the text says which.";
    102 INVALID_USER_ID "invalid_user_id" App FixCall "A user id has 1 to 32 bytes of letters, digits and !#$%&()+-:;<=.>?@[]^_{}|~.";
    103 NOT_INITIALIZED "not_initialized" App FixCall "The client was closed or never opened; open it first.";
    104 NOT_LOGGED_IN "not_logged_in" App LogIn "Nobody is signed in; sign in first.";
    105 NOT_READY "not_ready" App Retry "The account's data is not open yet; wait until the login succeeded.";
    106 TOO_FREQUENT "too_frequent" App Retry "Too many logins in a short time; wait as long as the answer says.";
    107 SUPERSEDED "superseded" App Stop "A later call took this one's place.";
    108 UNKNOWN_OPERATION "unknown_operation" App FixCall "There is no such operation; check its name and version.";
    109 VERSION_TOO_OLD "version_too_old" App UpdateApp "The server no longer speaks this version; update the app.";
    201 CREDENTIAL_EXPIRED "credential_expired" App ReAuthenticate "The credential has expired; get a new one from the app's server.";
    202 CREDENTIAL_MALFORMED "credential_malformed" App ReAuthenticate "The credential cannot be read; check how the app's server makes it.";
    203 CREDENTIAL_BAD_SIGNATURE "credential_bad_signature" App ReAuthenticate "The credential's signature is wrong; check the key the app's server uses.";
    204 CREDENTIAL_WRONG_USER "credential_wrong_user" App ReAuthenticate "The credential was made for another user.";
    205 CREDENTIAL_WRONG_APP "credential_wrong_app" App ReAuthenticate "The credential was made for another app.";
    206 CREDENTIAL_NOT_YET_VALID "credential_not_yet_valid" App ReAuthenticate "The credential's issue time lies in the future; check the clock of the app's server.";
    207 CREDENTIAL_REVOKED "credential_revoked" Server ReAuthenticate "The credential was revoked; get one issued after that.";
    208 CREDENTIAL_TYPE_DISABLED "credential_type_disabled" App FixCall "This kind of credential is not switched on for the app.";
    209 THIRD_PARTY_REFUSED "third_party_refused" App ReAuthenticate "The app's own server refused the login.";
    210 CREDENTIAL_REQUIRED "credential_required" App ReAuthenticate "A credential is needed to sign in; none was given.";
    301 USER_NOT_FOUND "user_not_found" App Stop "There is no such user, and the app does not register users at login.";
    302 USER_BANNED "user_banned" Server Stop "The user is banned.";
    303 ACCOUNT_DELETED "account_deleted" Server Stop "The account was deleted.";
    304 KICKED "kicked" User LogIn "The session was ended; the record says by whom. Sign in again if the user wants to.";
    305 DEVICE_LIMIT "device_limit" User LogIn "Other devices hold all places; sign in by force to displace one.";
    306 DEVICE_CONFLICT "device_conflict" User LogIn "This device's data is in use on another machine.";
    307 NEEDS_EXPLICIT_LOGIN "needs_explicit_login" User LogIn "The last session ended; the user must sign in again.";
    308 OFFLINE_NOT_LAST_USER "offline_not_last_user" App LogIn "Only the user who last signed in on this device may sign in offline.";
    309 SESSION_UNKNOWN "session_unknown" Server LogIn "The server does not know this session any more.";
    310 UNKNOWN_APP "unknown_app" App FixCall "There is no such app on this server; check the app id.";
    311 SESSION_ENDED "session_ended" User LogIn "The session was signed out.";
    312 HELLO_REPLAYED "hello_replayed" Sdk Wait "The hello was seen before; the SDK asks again with a fresh one.";
    401 TIMEOUT "timeout" Network Retry "No answer came in time; check the network and try again.";
    402 NETWORK "network" Network Retry "The server cannot be reached; check the network and the address.";
    403 OFFLINE "offline" Network Wait "This needs the server, and there is no connection; the SDK is reconnecting.";
    404 CONNECTION_SUPERSEDED "connection_superseded" Network Wait "A newer connection of this device took over.";
    405 SLOW_READER "slow_reader" Network Wait "The connection could not keep up and was cut off; nothing is lost.";
    406 LIVENESS "liveness" Network Wait "Nothing was heard for too long; the connection is taken for dead.";
    501 STORE_OPEN_FAILED "store_open_failed" Sdk Retry "The local store cannot be opened; the text says why.";
    502 STORE_CORRUPT "store_corrupt" Sdk Wait "The local store was damaged; it was set aside and is filled anew.";
    503 STORE_IN_USE "store_in_use" App FixCall "Another process or client has this data directory open.";
    504 STORE_FULL "store_full" User Retry "The disk is full or read-only; free some space and try again.";
    601 SERVER_BUSY "server_busy" Server Retry "The server cannot take this now; try again as the answer says.";
    602 SERVER_INTERNAL "server_internal" Server Report "The server failed; it is logged there.";
    603 QUOTA_EXCEEDED "quota_exceeded" App Stop "A quota of the app is used up.";
    604 FRAME_TOO_LARGE "frame_too_large" App FixCall "A frame is larger than the server takes.";
    605 RATE_LIMITED "rate_limited" App Retry "Too many requests; wait as long as the answer says.";
    606 PROTOCOL_ERROR "protocol_error" Sdk Report "A frame was malformed or came out of order.";
    607 SERVER_STOPPING "server_stopping" Server Wait "The server is stopping; come back within the window given.";
    608 HELLO_TIMEOUT "hello_timeout" Network Wait "No valid hello came in time.";
    701 CONVERSATION_UNKNOWN "conversation_unknown" App FixCall "There is no such conversation.";
    702 CONTENT_TOO_LARGE "content_too_large" App FixCall "A message may have 12 KiB.";
    703 OUTBOX_FULL "outbox_full" App Retry "Too many messages wait to be sent; wait until some are gone.";
    704 PEER_NOT_FOUND "peer_not_found" App Stop "There is no such user to write to.";
    705 SESSION_NOT_FOUND "session_not_found" App FixCall "The account has no such session.";
}

impl Code {
    /// The row of this number, if it is known.
    pub fn row(self) -> Option<&'static Row> {
        TABLE.binary_search_by_key(&self, |row| row.code).ok().map(|i| &TABLE[i])
    }

    /// The code of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.name == name).map(|row| row.code)
    }

    /// The name; `unknown` for a number this version does not know.
    pub fn name(self) -> &'static str {
        self.row().map_or("unknown", |row| row.name)
    }

    /// What a program should do. For an unknown number its family decides.
    pub fn advice(self) -> Advice {
        self.row().map_or(
            match self.0 / 100 {
                1 => Advice::FixCall,
                2 => Advice::ReAuthenticate,
                3 => Advice::LogIn,
                4 | 6 => Advice::Retry,
                _ => Advice::Report,
            },
            |row| row.advice,
        )
    }

    /// The credential itself is what is wrong (2xx): it must not be shown again (S-8.5).
    pub const fn is_credential(self) -> bool {
        self.0 / 100 == 2
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An error with its circumstances, as it is shown, sent and stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Error {
    /// Which.
    pub code: Code,
    /// More than the table's sentence says; `None` where that is enough.
    pub text: Option<Box<str>>,
    /// When trying again makes sense, in milliseconds from now.
    pub retry_after_ms: Option<u32>,
    /// When what it says is over by itself, by the server's clock: the end of a ban.
    pub until: Option<WallTime>,
}

impl Error {
    /// An error that the table's sentence explains.
    pub const fn new(code: Code) -> Self {
        Self { code, text: None, retry_after_ms: None, until: None }
    }

    /// Says more. Texts are for people and must not hold secrets (S-8.7).
    #[must_use]
    pub fn with_text(mut self, text: impl Into<Box<str>>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Says when trying again makes sense.
    #[must_use]
    pub const fn retry_after(mut self, ms: u32) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }

    /// Says when it is over by itself; `None`: not by itself.
    #[must_use]
    pub const fn until(mut self, until: Option<WallTime>) -> Self {
        self.until = until;
        self
    }

    /// What a person should read: the text, else the table's sentence.
    pub fn sentence(&self) -> &str {
        match (&self.text, self.code.row()) {
            (Some(text), _) => text,
            (None, Some(row)) => row.sentence,
            (None, None) => "An error that this version does not know.",
        }
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.sentence())
    }
}

impl std::error::Error for Error {}
