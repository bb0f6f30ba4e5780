//! One user's sessions as one value: whatever is decided about them is a change of this value.
//!
//! The store keeps a [`UserSessions`] as one row. An operation reads the row, calls one method here
//! and writes the row back if it changed, all in one transaction. That makes admission linearizable
//! per user (S-7.11): by the single writer of the embedded store, by a row lock elsewhere.
//!
//! Nobody is told of a change before the row is durable (S-7.6).

mod bind;
mod resume;
mod session;
mod static_token;

use homing_proto::code::{Code, Error};
use homing_proto::device::{DeviceInfo, KickReason, KickRecord};
use homing_proto::id::SessionId;
use homing_proto::limits;
use homing_proto::time::WallTime;

pub use bind::{BindAnswer, BindAsk, Bound, Fresh, ResumeAsk, Rules, Verdict};
pub use session::{ConnId, Ended, Place, SecretHash, Secrets, Session, Suspicion};
pub use static_token::StaticToken;

use session::since;

/// Everything the registry knows of one user.
///
/// `Default` is a user nobody has signed in as.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UserSessions {
    /// The highest login epoch given out (S-1.5).
    pub epoch: u64,
    /// The living sessions, earliest login first; at most one per device.
    pub sessions: Vec<Session>,
    /// Sessions that ended not long ago, earliest end first.
    pub ended: Vec<Ended>,
    /// Credentials issued before this moment are dead (S-7.8); 0: none was revoked.
    pub revoked_before: WallTime,
    /// Whether the user may sign in at all.
    pub standing: Standing,
    /// The static token, where the user has one (S-8.1).
    pub static_token: Option<StaticToken>,
}

/// Whether a user may sign in at all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Standing {
    /// Yes.
    #[default]
    Good,
    /// Not before `until`; `None`: not until the ban is lifted.
    Banned {
        /// When the ban ends by itself.
        until: Option<WallTime>,
        /// Words for whoever tries to sign in, at most 256 bytes; may be empty.
        text: String,
    },
    /// The account was deleted.
    Deleted,
}

/// Somebody who lost a place: where to tell it, if it is there, and what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loser {
    /// The connection it is on; `None`: it is told when it comes back.
    pub conn: Option<ConnId>,
    /// The record, already kept with the user.
    pub record: KickRecord,
    /// When what ended it is over by itself: the end of a ban.
    pub until: Option<WallTime>,
}

/// Whom a kick is for (S-7.8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Targets<'a> {
    /// Every session.
    All,
    /// These.
    Listed(&'a [SessionId]),
    /// Every session but these.
    AllBut(&'a [SessionId]),
}

/// What an [`UserSessions::end`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndAnswer {
    /// The session was alive and is over.
    Ended {
        /// The connection it was on.
        conn: Option<ConnId>,
    },
    /// The session had been kicked, and its holder knows now.
    Acknowledged,
    /// Nothing: it was over before, or it never was, or the secret is wrong.
    Nothing,
}

impl UserSessions {
    /// Takes a session off this connection (S-1.6); `false` when none is on it any more.
    pub fn detach(&mut self, conn: ConnId, now: WallTime) -> bool {
        let on_it = |session: &&mut Session| session.place == Place::Online(conn);
        let Some(session) = self.sessions.iter_mut().find(on_it) else { return false };
        session.place = Place::Detached { since: now };
        true
    }

    /// Takes every session off the connections of other runs of the server, as after a crash.
    pub fn recover(&mut self, incarnation: u32, now: WallTime) -> bool {
        let mut changed = false;
        for session in &mut self.sessions {
            if session.conn().is_some_and(|conn| conn.incarnation != incarnation) {
                session.place = Place::Detached { since: now };
                changed = true;
            }
        }
        changed
    }

    /// Whether this session is alive and on this connection: the fence in front of every write,
    /// acknowledgement and cursor move of a session (V-2).
    pub fn is_current(&self, session: SessionId, conn: ConnId) -> bool {
        self.living(session).is_some_and(|session| session.place == Place::Online(conn))
    }

    /// Ends a session for good, or takes note that its holder has the kick record (S-9.2, S-7.6).
    ///
    /// It can be repeated, needs no connection, and signs nobody in.
    pub fn end(&mut self, session: SessionId, secret: SecretHash, now: WallTime) -> EndAnswer {
        if self.living(session).is_some_and(|living| living.secrets.hold(secret)) {
            let conn = self.end_plainly(session, now).and_then(|ended| ended.conn());
            return EndAnswer::Ended { conn };
        }
        let known = |ended: &&mut Ended| ended.session == session && ended.secrets.hold(secret);
        match self.ended.iter_mut().find(known) {
            Some(ended) if ended.kick.is_some() => {
                ended.kick = None;
                self.bound_ended();
                EndAnswer::Acknowledged
            }
            _ => EndAnswer::Nothing,
        }
    }

    /// Ends the session of this connection, at its own request (S-9.2); `false` when it is not on
    /// it any more.
    pub fn log_out(&mut self, session: SessionId, conn: ConnId, now: WallTime) -> bool {
        self.is_current(session, conn) && self.end_plainly(session, now).is_some()
    }

    /// Ends sessions against their will (S-7.7, S-7.8); `text` is cut at 256 bytes.
    ///
    /// `by` is the own session that asks for it; it is never its own target. Ids that are no living
    /// session are passed over. Each loser's record is kept until it is acknowledged.
    pub fn kick(
        &mut self,
        targets: Targets<'_>,
        by: Option<SessionId>,
        reason: KickReason,
        text: &str,
        now: WallTime,
    ) -> Vec<Loser> {
        let winner = by.and_then(|by| self.living(by)).map(|session| session.info(now));
        let hit = |id: SessionId| match targets {
            Targets::All => true,
            Targets::Listed(listed) => listed.contains(&id),
            Targets::AllBut(spared) => !spared.contains(&id),
        };
        let losers: Vec<_> = self
            .sessions
            .iter()
            .map(|session| session.id)
            .filter(|id| hit(*id) && Some(*id) != by)
            .collect();
        losers
            .into_iter()
            .filter_map(|loser| self.displace(loser, winner.clone(), reason, text, now))
            .collect()
    }

    /// Bars the user until then (`None`: until [`UserSessions::unban`]) and ends all sessions. A
    /// deleted account stays deleted.
    pub fn ban(&mut self, until: Option<WallTime>, text: &str, now: WallTime) -> Vec<Loser> {
        if self.standing != Standing::Deleted {
            self.standing = Standing::Banned { until, text: cut(text) };
        }
        let losers = self.kick(Targets::All, None, KickReason::Banned, text, now);
        losers.into_iter().map(|loser| Loser { until, ..loser }).collect()
    }

    /// Lifts a ban; a deleted account stays deleted.
    pub fn unban(&mut self) {
        if matches!(self.standing, Standing::Banned { .. }) {
            self.standing = Standing::Good;
        }
    }

    /// Whether the user may sign in at that moment: a ban that is over may not be swept yet.
    pub fn standing_at(&self, now: WallTime) -> Standing {
        match &self.standing {
            Standing::Banned { until: Some(until), .. } if *until <= now => Standing::Good,
            standing => standing.clone(),
        }
    }

    /// Marks the account as deleted, ends all sessions, and forgets what nobody needs any more (D-7).
    ///
    /// What stays is for the devices alone: that each can prove the session it had and is told what
    /// became of it, for as long as any ended session is kept (S-7.6).
    pub fn delete(&mut self, text: &str, now: WallTime) -> Vec<Loser> {
        let losers = self.kick(Targets::All, None, KickReason::AccountDeleted, text, now);
        let mut ended = std::mem::take(&mut self.ended);
        for ended in &mut ended {
            ended.login_id = None;
            if let Some(kick) = &mut ended.kick {
                kick.by = None;
            }
        }
        *self = Self { ended, standing: Standing::Deleted, ..Self::default() };
        losers
    }

    /// Kills every credential issued before `now` (S-7.8). Living sessions go on; kick them too.
    pub fn revoke_credentials(&mut self, now: WallTime) {
        self.revoked_before = self.revoked_before.max(now);
    }

    /// Gives a session a new credential in place (S-8.4).
    ///
    /// # Errors
    /// `session_unknown` when the session is not on this connection any more, `credential_revoked`,
    /// `credential_expired`.
    pub fn renew(
        &mut self,
        session: SessionId,
        conn: ConnId,
        verdict: Verdict,
        now: WallTime,
    ) -> Result<(), Error> {
        self.check_credential(verdict, now)?;
        self.sessions
            .iter_mut()
            .find(|living| living.id == session && living.place == Place::Online(conn))
            .map(|living| living.credential_expires = verdict.expires)
            .ok_or_else(|| Code::SESSION_UNKNOWN.into())
    }

    /// The account's sessions as its devices see them, earliest login first (S-7.7).
    pub fn devices(&self, now: WallTime) -> Vec<DeviceInfo> {
        self.sessions.iter().map(|session| session.info(now)).collect()
    }

    /// When the list of [`UserSessions::devices`] changes next by time alone: a session has then
    /// been without a connection for 60 s.
    pub fn next_offline(&self, now: WallTime) -> Option<WallTime> {
        let ends = self.sessions.iter().filter_map(|session| match session.place {
            Place::Online(_) => None,
            Place::Detached { since } => Some(WallTime(since.0.saturating_add(limits::LINGER_MS))),
        });
        ends.filter(|end| *end > now).min()
    }

    /// Forgets what has passed its age: sessions so long without a connection (S-1.6), ended ones
    /// after 30 days (S-7.6), a ban that is over. `false` when nothing had.
    ///
    /// A session that aged out leaves no record, so that its device may try its credential (S-5.3).
    pub fn sweep(&mut self, session_age_ms: u64, now: WallTime) -> bool {
        let before = (self.sessions.len(), self.ended.len(), self.standing.clone());
        self.sessions
            .retain(|session| session.away_ms(now).is_none_or(|away_ms| away_ms < session_age_ms));
        self.ended.retain(|ended| since(ended.at, now) < limits::KICK_RECORD_AGE_MS);
        self.standing = self.standing_at(now);
        (before.0, before.1) != (self.sessions.len(), self.ended.len()) || before.2 != self.standing
    }

    fn living(&self, session: SessionId) -> Option<&Session> {
        self.sessions.iter().find(|living| living.id == session)
    }

    /// Takes a session out of the living.
    fn remove(&mut self, session: SessionId) -> Option<Session> {
        let at = self.sessions.iter().position(|living| living.id == session)?;
        Some(self.sessions.remove(at))
    }

    fn end_plainly(&mut self, session: SessionId, now: WallTime) -> Option<Session> {
        let ended = self.remove(session)?;
        self.keep_ended(&ended, None, now);
        Some(ended)
    }

    fn displace(
        &mut self,
        session: SessionId,
        by: Option<DeviceInfo>,
        reason: KickReason,
        text: &str,
        now: WallTime,
    ) -> Option<Loser> {
        let loser = self.remove(session)?;
        let record = KickRecord { session, reason, by, text: cut(text), time: now };
        self.keep_ended(&loser, Some(record.clone()), now);
        Some(Loser { conn: loser.conn(), record, until: None })
    }

    fn keep_ended(&mut self, session: &Session, kick: Option<KickRecord>, now: WallTime) {
        let Session { id, login_id, ref secrets, .. } = *session;
        let secrets = secrets.clone();
        self.ended.push(Ended { session: id, secrets, login_id, kick, at: now });
        self.bound_ended();
    }

    /// Drops the earliest of what is too many: plain ends first, records only for other records.
    fn bound_ended(&mut self) {
        let plain = self.ended.iter().filter(|ended| ended.kick.is_none()).count();
        if plain > limits::ENDED_PLAINLY {
            let at = self.ended.iter().position(|ended| ended.kick.is_none());
            self.ended.remove(at.expect("one was just counted"));
        }
        if self.ended.len() > limits::ENDED_SESSIONS {
            let at = self.ended.iter().position(|ended| ended.kick.is_none()).unwrap_or(0);
            self.ended.remove(at);
        }
    }

    /// # Errors
    /// `credential_revoked`, `credential_expired`.
    fn check_credential(&self, verdict: Verdict, now: WallTime) -> Result<(), Error> {
        if verdict.issued < self.revoked_before {
            return Err(Code::CREDENTIAL_REVOKED.into());
        }
        if verdict.expires.is_some_and(|expires| expires <= now) {
            return Err(Code::CREDENTIAL_EXPIRED.into());
        }
        Ok(())
    }
}

/// The code by which a loser is told why.
pub const fn kick_code(reason: KickReason) -> Code {
    match reason {
        KickReason::DeviceConflict => Code::DEVICE_CONFLICT,
        KickReason::Banned => Code::USER_BANNED,
        KickReason::AccountDeleted => Code::ACCOUNT_DELETED,
        KickReason::SessionExpired => Code::SESSION_UNKNOWN,
        KickReason::Policy
        | KickReason::OwnDevice
        | KickReason::Server
        | KickReason::Unknown(_) => Code::KICKED,
    }
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(limits::TEXT_BYTES)].to_owned()
}
