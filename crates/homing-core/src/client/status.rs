//! What an app sees of the client: one value, always readable (S-2.1 … S-2.4).

use homing_proto::Error;
use homing_proto::device::KickRecord;
use homing_proto::id::UserId;
use homing_proto::time::Time;

/// One immutable picture of all three machines. A later picture has a higher `seq`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// Counts pictures, from 1.
    pub seq: u64,
    /// Who is signed in.
    pub session: SessionStatus,
    /// The way to the server.
    pub link: LinkStatus,
    /// How current the local data is.
    pub sync: SyncStatus,
    /// The first screen shows what the server has, or had when this link began.
    pub first_screen: bool,
    /// Local data of the account can be read (S-3.7).
    pub readable: bool,
    /// What brought this picture about.
    pub cause: Cause,
}

/// Who is signed in (S-2.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SessionStatus {
    /// Nobody.
    SignedOut {
        /// Why.
        why: Why,
    },
    /// An explicit login is running.
    SigningIn {
        /// For whom.
        user: UserId,
    },
    /// Somebody.
    SignedIn {
        /// Who.
        user: UserId,
        /// Who vouches for it.
        trust: Trust,
        /// Whether the credential still serves.
        credential: CredentialStatus,
    },
}

/// Why nobody is signed in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Why {
    /// Nobody ever was.
    Never,
    /// The user signed out.
    Logout,
    /// Another account's login took over.
    Switched,
    /// The login failed.
    LoginFailed(Error),
    /// The session lost its place (S-7.6).
    Kicked(KickRecord),
    /// The user is banned; the error says until when, if it ends by itself, and what for.
    Banned(Error),
    /// The account is gone.
    AccountDeleted,
    /// The server no longer speaks this version.
    VersionTooOld,
}

/// Who vouches for the account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trust {
    /// Local state (S-4).
    Local,
    /// The server, in this run.
    Verified,
}

/// Whether the credential still serves (S-8.3 … S-8.5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CredentialStatus {
    /// It does.
    Valid,
    /// It soon will not.
    Expiring {
        /// When it ends.
        at: Time,
    },
    /// It does not; nothing is tried until another one is given.
    Needed {
        /// The server's or the device's verdict.
        why: Error,
    },
}

/// The way to the server (S-2.3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LinkStatus {
    /// None is wanted.
    Idle,
    /// The device says that it has no network.
    NoNetwork,
    /// A connection is being made.
    Connecting {
        /// 1 for the first since the last proven life.
        attempt: u32,
    },
    /// The server was asked.
    Handshaking,
    /// The server answered and is heard.
    Connected {
        /// Since when.
        since: Time,
        /// The last measured round trip, in milliseconds.
        rtt_ms: Option<u32>,
    },
    /// The next attempt comes later.
    Waiting {
        /// When.
        until: Time,
        /// Its number.
        attempt: u32,
        /// What ended the last one.
        cause: Error,
    },
    /// The app suspended the client (S-9.4).
    Paused,
}

/// How current the local data is (S-2.4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SyncStatus {
    /// Nothing to compare with.
    Idle,
    /// Pages are coming in.
    CatchingUp {
        /// Entries applied of `of`.
        done: u64,
        /// Entries that were missing.
        of: u64,
    },
    /// Nothing is missing.
    Live,
    /// The local store or the server refuses; it is tried again.
    Stalled {
        /// What happened.
        cause: Error,
        /// When it is tried again.
        retry_at: Time,
    },
}

/// What brought a status about (S-2.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cause {
    /// The client was just made.
    Start,
    /// A call of the app.
    Call,
    /// The server's answer or verdict.
    Server,
    /// The connection or the network.
    Network,
    /// The local store.
    Store,
    /// Time passed.
    Timer,
}

impl Cause {
    /// The name as it is written in JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Call => "call",
            Self::Server => "server",
            Self::Network => "network",
            Self::Store => "store",
            Self::Timer => "timer",
        }
    }
}

/// What the app should do about a status (S-2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Nothing.
    None,
    /// Nothing; the SDK tries again at this moment.
    WaitUntil(Time),
    /// Get a new credential and hand it to `renew`.
    AskForCredential,
    /// Tell the user who took the place, and offer to sign in.
    ShowKicked,
    /// Show the login page.
    ShowLogin,
    /// Tell the user to update the app.
    UpdateApp,
}

impl Status {
    /// What the app should do.
    pub const fn action(&self) -> Action {
        match &self.session {
            SessionStatus::SignedOut { why } => match why {
                Why::Kicked(_) => Action::ShowKicked,
                Why::VersionTooOld => Action::UpdateApp,
                Why::Never
                | Why::Logout
                | Why::Switched
                | Why::LoginFailed(_)
                | Why::Banned(_)
                | Why::AccountDeleted => Action::ShowLogin,
            },
            SessionStatus::SignedIn {
                credential: CredentialStatus::Needed { .. } | CredentialStatus::Expiring { .. },
                ..
            } => Action::AskForCredential,
            SessionStatus::SignedIn { .. } | SessionStatus::SigningIn { .. } => match self.link {
                LinkStatus::Waiting { until, .. } => Action::WaitUntil(until),
                _ => Action::None,
            },
        }
    }

    /// Who is signed in or being signed in.
    pub const fn user(&self) -> Option<&UserId> {
        match &self.session {
            SessionStatus::SignedOut { .. } => None,
            SessionStatus::SigningIn { user } | SessionStatus::SignedIn { user, .. } => Some(user),
        }
    }

    /// The server answered and is heard.
    pub const fn is_connected(&self) -> bool {
        matches!(self.link, LinkStatus::Connected { .. })
    }
}
