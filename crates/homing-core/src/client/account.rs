//! What a client keeps between two runs besides messages: the account record.

use homing_proto::Code;
use homing_proto::frame::{Credential, EndSession, Resume};
use homing_proto::id::{AppId, UserId};
use homing_proto::limits;
use homing_proto::time::WallTime;
use sha2::{Digest, Sha256};

use super::status::Why;

/// SHA-256 of a credential's format and token, to know it again without keeping it (S-8.5).
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
    pub refused: Vec<RefusedCredential>,
    /// Sessions whose end the server has not confirmed (S-9.2).
    pub jobs: Vec<EndSession>,
}

/// A credential that the server refused, and its verdict (S-8.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RefusedCredential {
    /// Which.
    pub hash: CredentialHash,
    /// The verdict.
    pub code: Code,
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
    /// The mark that the login put on the device in place of the configured one (S-3.1).
    pub tag: Option<String>,
    /// The client type that the login gave in place of the configured one (S-3.1).
    pub custom_type: Option<u32>,
}

impl Account {
    /// The last login, if its session lives.
    pub fn live(&self) -> Option<&LastLogin> {
        self.last.as_ref().filter(|last| last.ended.is_none())
    }

    /// The server's verdict on this credential, if it refused it before.
    pub fn refusal(&self, credential: &Credential) -> Option<Code> {
        let hash = credential_hash(credential);
        self.refused.iter().find(|refused| refused.hash == hash).map(|refused| refused.code)
    }

    /// Never shows this credential again, whoever kept it (S-8.5, I11).
    pub(super) fn remember_refused(&mut self, credential: &Credential, code: Code) {
        if let Some(last) = &mut self.last
            && last.credential.as_ref() == Some(credential)
        {
            last.credential = None;
        }
        if self.refusal(credential).is_some() {
            return;
        }
        if self.refused.len() >= limits::REFUSED_HASHES {
            self.refused.remove(0);
        }
        self.refused.push(RefusedCredential { hash: credential_hash(credential), code });
    }

    /// The end of the last session becomes a job, and its secrets go (S-9.2).
    pub(super) fn end_last(&mut self, app: AppId, why: Why) {
        let Some(last) = &mut self.last else { return };
        last.ended = Some(why);
        last.credential = None;
        let Some(Resume { session, secret, .. }) = last.session.take() else { return };
        let end = EndSession { app, user: last.user.clone(), session, secret };
        self.add_job(end);
    }

    pub(super) fn add_job(&mut self, end: EndSession) {
        if self.jobs.iter().any(|job| job.session == end.session) {
            return;
        }
        if self.jobs.len() >= limits::END_SESSIONS_PER_CONNECTION as usize {
            self.jobs.remove(0);
        }
        self.jobs.push(end);
    }
}

impl LastLogin {
    /// The credential has run out by the device's clock, corrected by what the server's clock
    /// showed at the last login. For offline checks only (S-4.2, S-8.6).
    pub fn is_expired(&self, wall: WallTime) -> bool {
        self.credential_expires.is_some_and(|expires| expires <= self.server_now(wall))
    }

    /// The server's clock, as far as the device can tell.
    pub fn server_now(&self, wall: WallTime) -> WallTime {
        WallTime(wall.0.saturating_add_signed(self.server_offset_ms))
    }
}

fn credential_hash(credential: &Credential) -> CredentialHash {
    let mut digest = Sha256::new();
    digest.update(credential.format.as_bytes());
    digest.update([0]);
    digest.update(credential.token.expose().as_bytes());
    digest.finalize().into()
}
