//! A session as it is stored: the parts of a [`UserSessions`](super::UserSessions).

use std::fmt;

use homing_proto::device::{Device, DeviceInfo, KickRecord};
use homing_proto::id::{LoginId, SessionId};
use homing_proto::limits;
use homing_proto::secret::SessionSecret;
use homing_proto::time::WallTime;
use sha2::{Digest, Sha256};

/// A living session (S-1.5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// The device as it was when it logged in. A resume does not change it: the policy was
    /// asked about this one.
    pub device: Device,
    /// What proves the right to resume it.
    pub secrets: Secrets,
    /// The epoch of its login. An automatic login mints none and takes the user's current one, so
    /// it never outranks an explicit login (S-3.2).
    pub epoch: u64,
    /// The counter of the last Hello that was taken for it (S-6.6).
    pub counter: u64,
    /// When it logged in.
    pub login_time: WallTime,
    /// When its credential runs out; `None`: never.
    pub credential_expires: Option<WallTime>,
    /// Where it is.
    pub place: Place,
    /// The explicit login that made it, as its device names it.
    pub login_id: Option<LoginId>,
    /// What speaks for two machines using one device's data (S-7.10).
    pub suspicion: Suspicion,
}

/// Where a living session is (S-1.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// On this connection.
    Online(ConnId),
    /// On none, since then.
    Detached {
        /// When its last connection went.
        since: WallTime,
    },
}

/// A connection of one run of one server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnId {
    /// The run: every start of the server takes the next one.
    pub incarnation: u32,
    /// The connection, never used twice in a run.
    pub number: u32,
}

/// What speaks for two machines using one device's data (S-7.10).
///
/// An honest device never uses a hello counter twice. Of two copies the one that is behind always
/// does, and then goes on with a higher one and takes the connection over: a swap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Suspicion {
    /// When a counter was used again with the right secret.
    pub replayed: Option<WallTime>,
    /// When such a counter was followed by a resume that took over a living connection.
    pub swapped: Option<WallTime>,
}

/// A session that ended, kept so that a late resume is told the truth.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ended {
    /// The session.
    pub session: SessionId,
    /// What proves that somebody who asks held it.
    pub secrets: Secrets,
    /// The explicit login that made it: an attempt of that login that comes late is told too.
    pub login_id: Option<LoginId>,
    /// Who ended it; `None` after a logout, after the device's next login, and once the loser said
    /// that it knows.
    pub kick: Option<KickRecord>,
    /// When.
    pub at: WallTime,
}

/// The secrets of a session: a replaced one stays valid until its successor was seen in use (I2).
///
/// A device may have stored one Welcome of its login, lost the link before it could say so, and
/// asked again for nothing: then it holds the secret that the server has replaced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Secrets {
    /// The one given out last.
    pub latest: SecretHash,
    /// Those given out before it, earliest first, of whose successors none was seen.
    pub former: Vec<SecretHash>,
}

impl Secrets {
    /// The only one so far.
    pub const fn new(first: SecretHash) -> Self {
        Self { latest: first, former: Vec::new() }
    }

    /// Whether this is one of them. Takes the same time whichever it is.
    pub fn hold(&self, shown: SecretHash) -> bool {
        self.former.iter().fold(self.latest == shown, |held, former| held | (*former == shown))
    }

    /// Another one was given out. A login makes so many attempts and no more (S-3.1).
    pub(super) fn replace(&mut self, fresh: SecretHash) {
        self.former.push(std::mem::replace(&mut self.latest, fresh));
        let excess = self.former.len().saturating_sub(limits::LOGIN_DIALS as usize);
        self.former.drain(..excess);
    }

    /// The device shows this one: it does not go back to those before it.
    pub(super) fn seen(&mut self, shown: SecretHash) {
        if self.latest == shown {
            self.former.clear();
        } else if let Some(at) = self.former.iter().position(|former| *former == shown) {
            self.former.drain(..at);
        }
    }
}

/// The SHA-256 of a session secret: all the server keeps of it (S-1.5).
///
/// Comparison takes the same time wherever two differ; `Debug` shows nothing.
#[derive(Clone, Copy)]
pub struct SecretHash(pub [u8; 32]);

impl SecretHash {
    /// The hash of this secret.
    pub fn of(secret: &SessionSecret) -> Self {
        Self(Sha256::digest(secret.expose()).into())
    }
}

impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.0.as_slice(), other.0.as_slice()).into()
    }
}

impl Eq for SecretHash {}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(..)")
    }
}

impl Session {
    /// The connection it is on.
    pub const fn conn(&self) -> Option<ConnId> {
        match self.place {
            Place::Online(conn) => Some(conn),
            Place::Detached { .. } => None,
        }
    }

    /// How long it has been without a connection, in milliseconds; `None` while it has one.
    pub fn away_ms(&self, now: WallTime) -> Option<u64> {
        match self.place {
            Place::Online(_) => None,
            Place::Detached { since: then } => Some(since(then, now)),
        }
    }

    /// Whether it counts as online: on a connection, or off it for less than 60 s (S-1.6).
    pub fn is_online(&self, now: WallTime) -> bool {
        self.away_ms(now).is_none_or(|away_ms| away_ms < limits::LINGER_MS)
    }

    /// As the account's devices see it.
    pub fn info(&self, now: WallTime) -> DeviceInfo {
        DeviceInfo {
            session: self.id,
            device: self.device.clone(),
            login_time: self.login_time,
            online: self.is_online(now),
        }
    }
}

/// Milliseconds between two moments; 0 when the clock was set back.
pub(super) const fn since(then: WallTime, now: WallTime) -> u64 {
    now.0.saturating_sub(then.0)
}
