//! What the streams give.

use homing::KickRecord;
use tokio::sync::broadcast;

use super::device::NimClientType;
use super::status::NimAuthStatus;

/// An event of the stream `authStatus`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NimAuthEvent {
    /// The login status changed.
    Status(NimAuthStatusEvent),
    /// The session was ended by another device or the server.
    KickOutByOtherClient(NimKickOutByOtherClientEvent),
    /// Data sync began or ended.
    DataSync(NimDataSyncStatusEvent),
}

/// `NIMAuthStatusEvent`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NimAuthStatusEvent {
    /// `status`
    pub status: NimAuthStatus,
}

/// `NIMKickOutByOtherClientEvent`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NimKickOutByOtherClientEvent {
    /// `status`: `kickOut` or `kickOutByOtherClient`.
    pub status: NimAuthStatus,
    /// `clientType` of the device that did it; `None` when it is not known or was none.
    pub client_type: Option<NimClientType>,
    /// `customClientType` of that device.
    pub custom_client_type: Option<u32>,
}

/// `NIMDataSyncStatusEvent`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NimDataSyncStatusEvent {
    /// `status`: `dataSyncStart` or `dataSyncFinish`.
    pub status: NimAuthStatus,
}

impl NimAuthEvent {
    /// Its class in the original.
    pub const fn original_name(&self) -> &'static str {
        match self {
            Self::Status(_) => "NIMAuthStatusEvent",
            Self::KickOutByOtherClient(_) => "NIMKickOutByOtherClientEvent",
            Self::DataSync(_) => "NIMDataSyncStatusEvent",
        }
    }

    /// Its status.
    pub const fn status(&self) -> NimAuthStatus {
        match self {
            Self::Status(event) => event.status,
            Self::KickOutByOtherClient(event) => event.status,
            Self::DataSync(event) => event.status,
        }
    }

    /// The event for a status.
    pub(super) const fn of(status: NimAuthStatus) -> Self {
        match status {
            NimAuthStatus::DataSyncStart | NimAuthStatus::DataSyncFinish => {
                Self::DataSync(NimDataSyncStatusEvent { status })
            }
            NimAuthStatus::KickOut | NimAuthStatus::KickOutByOtherClient => {
                Self::KickOutByOtherClient(NimKickOutByOtherClientEvent {
                    status,
                    client_type: None,
                    custom_client_type: None,
                })
            }
            NimAuthStatus::Unknown
            | NimAuthStatus::UnLogin
            | NimAuthStatus::Connecting
            | NimAuthStatus::Logging
            | NimAuthStatus::LoggedIn
            | NimAuthStatus::Forbidden
            | NimAuthStatus::NetBroken
            | NimAuthStatus::VersionError
            | NimAuthStatus::PwdError => Self::Status(NimAuthStatusEvent { status }),
        }
    }

    /// The same event, with what the record says of who did it.
    pub(super) fn with_record(self, record: &KickRecord) -> Self {
        match (self, &record.by) {
            (Self::KickOutByOtherClient(event), Some(by)) => {
                let custom = by.device.custom_type;
                Self::KickOutByOtherClient(NimKickOutByOtherClientEvent {
                    client_type: Some(NimClientType::of(by.device.platform)),
                    custom_client_type: (custom != 0).then_some(custom),
                    ..event
                })
            }
            (event, _) => event,
        }
    }
}

/// A stream of events from the moment it was made. One that falls more than 1024 events behind goes on
/// with the newest.
#[derive(Debug)]
pub struct NimEvents<T>(broadcast::Receiver<T>);

impl<T: Clone> NimEvents<T> {
    pub(super) const fn new(receiver: broadcast::Receiver<T>) -> Self {
        Self(receiver)
    }

    /// The next event; `None` when the facade is gone. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<T> {
        loop {
            match self.0.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "a subscriber of the NIM facade is too slow");
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

/// Events kept for a slow subscriber.
pub(super) const EVENTS: usize = 1024;
