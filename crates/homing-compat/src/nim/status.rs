//! `NIMAuthStatus`: which one each status of Homing is.

use homing::status::{CredentialStatus, LinkStatus, SessionStatus, Why};
use homing::{Code, KickReason};

/// `NIMAuthStatus`, in the order of its declaration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NimAuthStatus {
    /// `unknown`: not defined. This facade never shows it.
    Unknown,
    /// `unLogin`: not signed in, or the login failed.
    UnLogin,
    /// `connecting`: a connection is being made.
    Connecting,
    /// `logging`: the server is being asked.
    Logging,
    /// `loggedIn`
    LoggedIn,
    /// `forbidden`: the server has banned or deleted the account. Nothing signs in by itself.
    Forbidden,
    /// `netBroken`: the device has no network.
    NetBroken,
    /// `versionError`: the server no longer speaks this version. Nothing signs in by itself.
    VersionError,
    /// `pwdError`: account or token are wrong. Nothing signs in by itself.
    PwdError,
    /// `kickOut`: a login on another device took the place. Nothing signs in by itself.
    KickOut,
    /// `kickOutByOtherClient`: another device of the account ended the session
    /// (`kickOutOtherOnlineClient`). Nothing signs in by itself.
    KickOutByOtherClient,
    /// `dataSyncStart`
    DataSyncStart,
    /// `dataSyncFinish`
    DataSyncFinish,
}

impl NimAuthStatus {
    /// The original's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::UnLogin => "unLogin",
            Self::Connecting => "connecting",
            Self::Logging => "logging",
            Self::LoggedIn => "loggedIn",
            Self::Forbidden => "forbidden",
            Self::NetBroken => "netBroken",
            Self::VersionError => "versionError",
            Self::PwdError => "pwdError",
            Self::KickOut => "kickOut",
            Self::KickOutByOtherClient => "kickOutByOtherClient",
            Self::DataSyncStart => "dataSyncStart",
            Self::DataSyncFinish => "dataSyncFinish",
        }
    }

    /// After this status nothing signs in by itself: the app shows its login page.
    pub const fn is_final(self) -> bool {
        match self {
            Self::KickOut
            | Self::KickOutByOtherClient
            | Self::Forbidden
            | Self::VersionError
            | Self::PwdError => true,
            Self::Unknown
            | Self::UnLogin
            | Self::Connecting
            | Self::Logging
            | Self::LoggedIn
            | Self::NetBroken
            | Self::DataSyncStart
            | Self::DataSyncFinish => false,
        }
    }
}

/// The status for a session and its link; `None` where the original goes on showing what it shows:
/// somebody is signed in and no link is wanted, because a verdict is on its way to the disk (S-5.2).
pub const fn auth_status(session: &SessionStatus, link: &LinkStatus) -> Option<NimAuthStatus> {
    match session {
        SessionStatus::SignedOut { why } => Some(signed_out_status(why)),
        SessionStatus::SignedIn { credential: CredentialStatus::Needed { .. }, .. } => {
            Some(NimAuthStatus::PwdError)
        }
        SessionStatus::SigningIn { .. }
        | SessionStatus::SignedIn {
            credential: CredentialStatus::Valid | CredentialStatus::Expiring { .. },
            ..
        } => match link {
            LinkStatus::Idle => None,
            LinkStatus::NoNetwork | LinkStatus::Paused => Some(NimAuthStatus::NetBroken),
            LinkStatus::Connecting { .. } | LinkStatus::Waiting { .. } => {
                Some(NimAuthStatus::Connecting)
            }
            LinkStatus::Handshaking => Some(NimAuthStatus::Logging),
            LinkStatus::Connected { .. } => Some(NimAuthStatus::LoggedIn),
        },
    }
}

/// The status for the reason that nobody is signed in.
pub const fn signed_out_status(why: &Why) -> NimAuthStatus {
    match why {
        Why::Never | Why::Logout | Why::Switched => NimAuthStatus::UnLogin,
        Why::LoginFailed(error) => failed_status(error.code),
        Why::Kicked(record) => kicked_status(record.reason),
        Why::Banned(_) | Why::AccountDeleted => NimAuthStatus::Forbidden,
        Why::VersionTooOld => NimAuthStatus::VersionError,
    }
}

/// The status for the reason of a kick.
pub const fn kicked_status(reason: KickReason) -> NimAuthStatus {
    match reason {
        KickReason::OwnDevice => NimAuthStatus::KickOutByOtherClient,
        KickReason::Policy
        | KickReason::Server
        | KickReason::DeviceConflict
        | KickReason::SessionExpired
        | KickReason::Unknown(_) => NimAuthStatus::KickOut,
        KickReason::Banned | KickReason::AccountDeleted => NimAuthStatus::Forbidden,
    }
}

/// The status for a login that failed. Account and token errors are final; what only did not work this
/// time is `unLogin`.
pub(super) const fn failed_status(code: Code) -> NimAuthStatus {
    match code {
        Code::USER_NOT_FOUND | Code::UNKNOWN_APP => NimAuthStatus::PwdError,
        Code::USER_BANNED | Code::ACCOUNT_DELETED => NimAuthStatus::Forbidden,
        Code::VERSION_TOO_OLD => NimAuthStatus::VersionError,
        Code::KICKED | Code::DEVICE_CONFLICT => NimAuthStatus::KickOut,
        code if code.is_credential() => NimAuthStatus::PwdError,
        _ => NimAuthStatus::UnLogin,
    }
}
