//! Login status and link: what each status of Homing is in the original.

use homing::status::{CredentialStatus, LinkStatus, SessionStatus, Trust, Why};

use super::code;

/// `V2TIM_STATUS_…`, what `getLoginStatus` gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum V2TimLoginStatus {
    /// `V2TIM_STATUS_LOGINED`
    Logined = 1,
    /// `V2TIM_STATUS_LOGINING`
    Logining = 2,
    /// `V2TIM_STATUS_LOGOUT`
    Logout = 3,
}

impl V2TimLoginStatus {
    /// The original's number.
    pub const fn number(self) -> i32 {
        self as i32
    }
}

/// The login status for a session.
///
/// An expired sig counts as signed out: the original asks for a login then, and so does this facade.
pub const fn login_status(session: &SessionStatus) -> V2TimLoginStatus {
    match session {
        SessionStatus::SignedOut { .. } => V2TimLoginStatus::Logout,
        SessionStatus::SigningIn { .. } => V2TimLoginStatus::Logining,
        SessionStatus::SignedIn { trust, credential, .. } => match (credential, trust) {
            (CredentialStatus::Needed { .. }, Trust::Local | Trust::Verified) => {
                V2TimLoginStatus::Logout
            }
            (CredentialStatus::Valid | CredentialStatus::Expiring { .. }, Trust::Local) => {
                V2TimLoginStatus::Logining
            }
            (CredentialStatus::Valid | CredentialStatus::Expiring { .. }, Trust::Verified) => {
                V2TimLoginStatus::Logined
            }
        },
    }
}

/// What the original tells of the network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LinkCallback {
    /// `onConnecting`
    Connecting,
    /// `onConnectSuccess`
    Success,
    /// `onConnectFailed`
    Failed {
        /// `code`
        code: i32,
        /// `error`
        desc: String,
    },
}

/// The link callback for a link; `None` where the original says nothing.
pub fn link_callback(link: &LinkStatus) -> Option<LinkCallback> {
    match link {
        LinkStatus::Idle | LinkStatus::Paused => None,
        LinkStatus::Connecting { .. } | LinkStatus::Handshaking => Some(LinkCallback::Connecting),
        LinkStatus::Connected { .. } => Some(LinkCallback::Success),
        LinkStatus::NoNetwork => Some(LinkCallback::Failed {
            code: code::number(homing::Code::NETWORK),
            desc: "the device says that it has no network".to_owned(),
        }),
        LinkStatus::Waiting { cause, .. } => Some(LinkCallback::Failed {
            code: code::error_number(cause),
            desc: cause.sentence().to_owned(),
        }),
    }
}

/// Whether an end of the session, for this reason, is `onKickedOffline` (the original gives no reason on
/// native platforms).
pub const fn is_kicked_offline(why: &Why) -> bool {
    match why {
        Why::Never | Why::Logout | Why::Switched => false,
        Why::LoginFailed(_)
        | Why::Kicked(_)
        | Why::Banned(_)
        | Why::AccountDeleted
        | Why::VersionTooOld => true,
    }
}
