//! `ZIMConnectionState` and `ZIMConnectionEvent`: which ones each status of Homing is.

use homing::status::{CredentialStatus, LinkStatus, SessionStatus, Status, Why};
use homing::{Code, KickReason};

/// `ZIMConnectionState`, with its numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ZimConnectionState {
    /// `Disconnected`: before a login and after its end.
    #[default]
    Disconnected = 0,
    /// `Connecting`: from the login on.
    Connecting = 1,
    /// `Connected`
    Connected = 2,
    /// `Reconnecting`: it was connected, and will be again.
    Reconnecting = 3,
}

/// `ZIMConnectionEvent`, with its numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ZimConnectionEvent {
    /// `Success`
    Success = 0,
    /// `ActiveLogin`: the user called `login`.
    ActiveLogin = 1,
    /// `LoginTimeout`: the login came to nothing.
    LoginTimeout = 2,
    /// `LoginInterrupted`: the network broke.
    LoginInterrupted = 3,
    /// `KickedOut`: another login or the server ended the session.
    KickedOut = 4,
    /// `TokenExpired`: it was not renewed in time.
    TokenExpired = 5,
    /// `Unregistered`: the account is gone.
    Unregistered = 6,
}

impl ZimConnectionState {
    /// Every state.
    pub const ALL: [Self; 4] =
        [Self::Disconnected, Self::Connecting, Self::Connected, Self::Reconnecting];

    /// The original's number.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The original's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disconnected => "Disconnected",
            Self::Connecting => "Connecting",
            Self::Connected => "Connected",
            Self::Reconnecting => "Reconnecting",
        }
    }

    /// The state and its event after this state, for a status of Homing; `None` where the original goes
    /// on showing what it shows: somebody is signed in and no link is wanted, because a verdict is on
    /// its way to the disk (S-5.2).
    ///
    /// The original tells a first connection from a later one by what it showed before; so does this.
    pub fn next(self, status: &Status) -> Option<(Self, ZimConnectionEvent)> {
        Some(match &status.session {
            SessionStatus::SignedOut { why } => (Self::Disconnected, signed_out_event(why)),
            SessionStatus::SignedIn { credential: CredentialStatus::Needed { .. }, .. } => {
                (Self::Disconnected, ZimConnectionEvent::TokenExpired)
            }
            SessionStatus::SigningIn { .. } => (Self::Connecting, ZimConnectionEvent::ActiveLogin),
            SessionStatus::SignedIn {
                credential: CredentialStatus::Valid | CredentialStatus::Expiring { .. },
                ..
            } => match &status.link {
                LinkStatus::Idle => return None,
                LinkStatus::Connected { .. } => (Self::Connected, ZimConnectionEvent::Success),
                LinkStatus::NoNetwork
                | LinkStatus::Connecting { .. }
                | LinkStatus::Handshaking
                | LinkStatus::Waiting { .. }
                | LinkStatus::Paused => match self {
                    Self::Disconnected | Self::Connecting => {
                        (Self::Connecting, ZimConnectionEvent::ActiveLogin)
                    }
                    Self::Connected | Self::Reconnecting => {
                        (Self::Reconnecting, ZimConnectionEvent::LoginInterrupted)
                    }
                },
            },
        })
    }
}

impl ZimConnectionEvent {
    /// The original's number.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The original's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::ActiveLogin => "ActiveLogin",
            Self::LoginTimeout => "LoginTimeout",
            Self::LoginInterrupted => "LoginInterrupted",
            Self::KickedOut => "KickedOut",
            Self::TokenExpired => "TokenExpired",
            Self::Unregistered => "Unregistered",
        }
    }
}

/// The event beside `Disconnected`, for the reason that nobody is signed in.
///
/// The original documents no event for a login that failed by a verdict; `LoginTimeout` is the one
/// it has for a login that came to nothing. The login's own answer says why.
pub const fn signed_out_event(why: &Why) -> ZimConnectionEvent {
    match why {
        Why::Never | Why::Logout | Why::Switched => ZimConnectionEvent::Success,
        Why::LoginFailed(error) => match error.code {
            Code::CREDENTIAL_EXPIRED => ZimConnectionEvent::TokenExpired,
            Code::USER_NOT_FOUND | Code::ACCOUNT_DELETED => ZimConnectionEvent::Unregistered,
            _ => ZimConnectionEvent::LoginTimeout,
        },
        Why::Kicked(record) => match record.reason {
            KickReason::Policy
            | KickReason::OwnDevice
            | KickReason::Server
            | KickReason::DeviceConflict
            | KickReason::Banned
            | KickReason::SessionExpired
            | KickReason::Unknown(_) => ZimConnectionEvent::KickedOut,
            KickReason::AccountDeleted => ZimConnectionEvent::Unregistered,
        },
        Why::Banned(_) | Why::VersionTooOld => ZimConnectionEvent::KickedOut,
        Why::AccountDeleted => ZimConnectionEvent::Unregistered,
    }
}
