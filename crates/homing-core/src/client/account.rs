//! What a client keeps between two runs besides messages: the account record.

use homing_proto::frame::{Credential, EndSession, Resume};
use homing_proto::id::UserId;
use homing_proto::limits;
use homing_proto::time::WallTime;

use super::status::Why;

/// SHA-256 of a credential, to know it again without keeping it (S-8.5).
pub type CredentialHash = [u8; 32];

/// The account record: one value that the shell stores whole, durably and readable by its owner
/// only.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Account {
    /// Who last signed in online on this device (S-4.2).
    pub last: Option<LastLogin>,
    /// The last hello counter used (S-6.6).
    pub counter: u64,
    /// Credentials that the server refused, oldest first.
    pub refused: Vec<CredentialHash>,
    /// Sessions whose end the server has not confirmed (S-9.2).
    pub jobs: Vec<EndJob>,
}

/// The last successful online login on this device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LastLogin {
    /// Who.
    pub user: UserId,
    /// Why the session is over; `None` while it lives.
    pub ended: Option<Why>,
    /// The session, while it lives.
    pub session: Option<Resume>,
    /// The credential, while the session lives and the server has not refused it.
    pub credential: Option<Credential>,
    /// When the credential expires, by the server's clock, as the server or the token told.
    pub credential_expires: Option<WallTime>,
    /// The server's clock minus the device's, in milliseconds, at the last Welcome.
    pub server_offset_ms: i64,
    /// The device's clock at the last Welcome.
    pub verified_at: WallTime,
}

/// A session's end that the server is still to be told (S-9.2). It cannot sign anyone in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndJob {
    /// Which.
    pub end: EndSession,
    /// Since when it waits, by the device's clock.
    pub since: WallTime,
}

impl Account {
    /// The last login, if its session lives.
    pub fn live(&self) -> Option<&LastLogin> {
        self.last.as_ref().filter(|last| last.ended.is_none())
    }

    /// The server refused this credential before.
    pub fn is_refused(&self, hash: &CredentialHash) -> bool {
        self.refused.contains(hash)
    }

    pub(super) fn remember_refused(&mut self, hash: CredentialHash) {
        if self.is_refused(&hash) {
            return;
        }
        if self.refused.len() >= limits::REFUSED_HASHES {
            self.refused.remove(0);
        }
        self.refused.push(hash);
    }

    pub(super) fn add_job(&mut self, end: EndSession, since: WallTime) {
        if self.jobs.iter().any(|job| job.end.session == end.session) {
            return;
        }
        if self.jobs.len() >= limits::END_SESSIONS_PER_CONNECTION as usize {
            self.jobs.remove(0);
        }
        self.jobs.push(EndJob { end, since });
    }
}

impl LastLogin {
    /// The credential has run out by the device's clock, corrected by what the server's clock
    /// showed at the last login. For offline checks only (S-4.2, S-8.6).
    pub fn is_expired(&self, wall: WallTime) -> bool {
        let server_now = wall.0.saturating_add_signed(self.server_offset_ms);
        self.credential_expires.is_some_and(|expires| expires.0 <= server_now)
    }
}
