//! Commands that change a user's sessions: one registry value read, decided on, written back.

use std::borrow::Cow;

use homing_core::server::registry::{
    BindAnswer, BindAsk, Bound, ConnId, EndAnswer, Fresh, SecretHash, Standing, Targets,
    UserSessions, Verdict,
};
use homing_proto::device::KickReason;
use homing_proto::frame::{Limits, OutboxAck, Refuse, Response, Welcome};
use homing_proto::id::{ClientMsgId, SessionId};
use homing_proto::secret::SessionSecret;
use homing_proto::time::WallTime;
use homing_proto::{Code, Error, limits};

use super::UserKey;
use super::command::{Act, Bind, Chosen, Credentials, EndSession, Origin};
use super::effect::{Effect, Effects};
use super::error::Failure;
use super::state::State;
use crate::apps::Registration;

/// The answer to a request.
pub(super) type Answer = Result<Response, Error>;

impl State {
    /// Whether the session is still on the connection that asks (V-2). Every request passes here.
    pub(super) fn fence(&mut self, from: &Origin) -> Result<Result<(), Error>, Failure> {
        let Some(user) = self.user_of_living_app(from.user)? else {
            return Ok(Err(Code::ACCOUNT_DELETED.into()));
        };
        let sessions = &user.sessions;
        if sessions.is_current(from.session, from.conn) {
            return Ok(Ok(()));
        }
        let living = sessions.sessions.iter().any(|session| session.id == from.session);
        let kicked = || {
            let ended = sessions.ended.iter().find(|ended| ended.session == from.session);
            ended.is_some_and(|ended| ended.kick.is_some())
        };
        let is_deleted = sessions.standing == Standing::Deleted;
        Ok(Err(if is_deleted {
            Code::ACCOUNT_DELETED.into()
        } else if living {
            Code::CONNECTION_SUPERSEDED.into()
        } else if kicked() {
            Code::KICKED.into()
        } else {
            Code::SESSION_ENDED.into()
        }))
    }

    /// Decides on a Hello (S-7) and makes the whole Welcome.
    pub(super) fn bind(
        &mut self,
        bind: &Bind,
        limits: Limits,
        now: WallTime,
        out: &mut Effects,
    ) -> Result<(), Failure> {
        let conn = bind.ask.conn;
        let Some(app) = self.apps.get(&bind.app).cloned() else {
            out.push(refusal(conn, Code::UNKNOWN_APP));
            return Ok(());
        };
        let (fresh, secret) = self.fresh();
        let known = self.user_key(bind.app, &bind.user)?;
        let (key, answer) = match known {
            Some(key) => {
                let sessions = &mut self.user(key)?.sessions;
                let before = sessions.clone();
                let ask = ask_of(bind, sessions);
                let answer = sessions.bind(&ask, fresh, app.rules(), now);
                if *sessions != before {
                    self.journal_sessions(key);
                }
                (Some(key), answer)
            }
            None => {
                let mut sessions = UserSessions::default();
                let ask = ask_of(bind, &sessions);
                let answer = sessions.bind(&ask, fresh, app.rules(), now);
                let key = match (&answer, app.registration) {
                    (BindAnswer::Refused(_), _) => None,
                    (BindAnswer::Bound(_), Registration::Beforehand) => {
                        out.push(refusal(conn, Code::USER_NOT_FOUND));
                        return Ok(());
                    }
                    (BindAnswer::Bound(_), Registration::AtLogin) => {
                        Some(self.create_user(bind.app, &bind.user, &bind.user_name, sessions, now))
                    }
                };
                (key, answer)
            }
        };
        match (key, answer) {
            (Some(key), BindAnswer::Bound(bound)) => {
                let registered = known.is_none();
                let welcome = self.welcome(key, bind, &bound, secret, registered, limits, now)?;
                self.announce(key, conn, bound, welcome, now, out)
            }
            (_, BindAnswer::Refused(refuse)) => {
                out.push(Effect::Refused { conn, refuse: Box::new(refuse) });
                Ok(())
            }
            (None, BindAnswer::Bound(_)) => unreachable!("a bound user was found or created"),
        }
    }

    #[allow(clippy::too_many_arguments, reason = "a Welcome has this many parts")]
    fn welcome(
        &mut self,
        key: UserKey,
        bind: &Bind,
        bound: &Bound,
        secret: SessionSecret,
        registered: bool,
        limits: Limits,
        now: WallTime,
    ) -> Result<Welcome, Failure> {
        if !bind.user_name.is_empty() && self.user(key)?.name != bind.user_name {
            self.rename_user(key, &bind.user_name)?;
        }
        let sync = self.sync_page(key, bind.cursor, bind.window)?;
        let outbox_acks = self.outbox_acks(key, &bind.outbox_heads)?;
        Ok(Welcome {
            session: bound.session,
            secret: bound.new_secret.then_some(secret),
            epoch: bound.epoch,
            binding: bound.binding,
            server_time: now,
            credential_expires_in_ms: left(bound.credential_expires, now),
            head: sync.head,
            sync,
            outbox_acks,
            devices: self.user(key)?.sessions.devices(now),
            limits,
            registered,
        })
    }

    /// The losers first: at no moment does anybody see more sessions than the policy allows.
    fn announce(
        &mut self,
        key: UserKey,
        conn: ConnId,
        bound: Bound,
        welcome: Welcome,
        now: WallTime,
        out: &mut Effects,
    ) -> Result<(), Failure> {
        if let Some(conn) = bound.superseded {
            out.push(Effect::Superseded { conn });
        }
        if !bound.displaced.is_empty() {
            out.displaced(self.user(key)?, bound.displaced);
        }
        out.push(Effect::Bound { conn, user: key, welcome: Box::new(welcome) });
        if bound.devices_changed {
            self.tell_devices(key, now, out)?;
        }
        Ok(())
    }

    fn outbox_acks(&self, user: UserKey, heads: &[ClientMsgId]) -> Result<Vec<OutboxAck>, Failure> {
        let mut acks = Vec::new();
        for client_id in heads.iter().take(limits::IN_FLIGHT) {
            if let Some(sent) = self.sent(user, *client_id)? {
                acks.push(OutboxAck { client_id: *client_id, seq: sent.seq, time: sent.time });
            }
        }
        Ok(acks)
    }

    fn fresh(&mut self) -> (Fresh, SessionSecret) {
        let mut drawn = zeroize::Zeroizing::new([0; 48]);
        (self.run.random)(&mut *drawn);
        let (id, secret) = drawn.split_at(16);
        let secret = SessionSecret::new(secret.try_into().expect("32 of 48 bytes"));
        let session = SessionId(id.try_into().expect("16 of 48 bytes"));
        (Fresh { session, secret_hash: SecretHash::of(&secret) }, secret)
    }

    /// A connection is gone (S-1.6).
    pub(super) fn detach(
        &mut self,
        user: UserKey,
        conn: ConnId,
        now: WallTime,
    ) -> Result<(), Failure> {
        let Some(found) = self.user_of_living_app(user)? else { return Ok(()) };
        if found.sessions.detach(conn, now) {
            self.journal_sessions(user);
        }
        Ok(())
    }

    /// Ends a session without signing in (S-9.2). What never was is ended too: a job that asks for
    /// it must come to its end.
    pub(super) fn end_session(
        &mut self,
        end: &EndSession,
        now: WallTime,
        out: &mut Effects,
    ) -> Result<(), Failure> {
        if let Ok(key) = self.known_user(end.app, &end.user)? {
            let answer = self.user(key)?.sessions.end(end.session, end.secret_hash, now);
            if answer != EndAnswer::Nothing {
                self.journal_sessions(key);
            }
            if let EndAnswer::Ended { conn } = answer {
                if let Some(conn) = conn {
                    out.push(Effect::LoggedOut { conn });
                }
                self.tell_devices(key, now, out)?;
            }
        }
        out.push(Effect::Ended { conn: end.conn, session: end.session });
        Ok(())
    }

    pub(super) fn log_out(
        &mut self,
        from: &Origin,
        now: WallTime,
        out: &mut Effects,
    ) -> Result<Answer, Failure> {
        if self.user(from.user)?.sessions.log_out(from.session, from.conn, now) {
            self.journal_sessions(from.user);
            self.tell_devices(from.user, now, out)?;
        }
        Ok(Ok(Response::Done))
    }

    pub(super) fn kick_devices(
        &mut self,
        from: &Origin,
        sessions: &[SessionId],
        now: WallTime,
        out: &mut Effects,
    ) -> Result<Answer, Failure> {
        let targets = Targets::Listed(sessions);
        let losers = self.user(from.user)?.sessions.kick(
            targets,
            Some(from.session),
            KickReason::OwnDevice,
            "",
            now,
        );
        if losers.is_empty() {
            return Ok(Err(Code::SESSION_NOT_FOUND.into()));
        }
        self.journal_sessions(from.user);
        out.displaced(self.user(from.user)?, losers);
        self.tell_devices(from.user, now, out)?;
        Ok(Ok(Response::Done))
    }

    pub(super) fn renew(
        &mut self,
        from: &Origin,
        verdict: Verdict,
        now: WallTime,
    ) -> Result<Answer, Failure> {
        let renewed = self.user(from.user)?.sessions.renew(from.session, from.conn, verdict, now);
        if let Err(error) = renewed {
            return Ok(Err(error));
        }
        self.journal_sessions(from.user);
        Ok(Ok(Response::Renewed { credential_expires_in_ms: left(verdict.expires, now) }))
    }

    /// What an operator does to a user; how many sessions it ended (S-7.8).
    ///
    /// # Errors
    /// `account_deleted`: nothing can be done to what is gone.
    pub(super) fn govern(
        &mut self,
        user: UserKey,
        act: &Act,
        now: WallTime,
        out: &mut Effects,
    ) -> Result<Result<usize, Error>, Failure> {
        let sessions = &mut self.user(user)?.sessions;
        if sessions.standing == Standing::Deleted && !matches!(act, Act::Delete { .. }) {
            return Ok(Err(Code::ACCOUNT_DELETED.into()));
        }
        let losers = match act {
            Act::Kick { sessions: chosen, text, credentials } => {
                if *credentials == Credentials::Revoke {
                    sessions.revoke_credentials(now);
                }
                let targets = match chosen {
                    Chosen::All => Targets::All,
                    Chosen::Listed(listed) => Targets::Listed(listed),
                    Chosen::AllBut(spared) => Targets::AllBut(spared),
                };
                sessions.kick(targets, None, KickReason::Server, text, now)
            }
            Act::Ban { until, text } => sessions.ban(*until, text, now),
            Act::Delete { text } => {
                let losers = sessions.delete(text, now);
                self.erase_later(user, now)?;
                losers
            }
            Act::Unban => {
                sessions.unban();
                Vec::new()
            }
            Act::RevokeCredentials => {
                sessions.revoke_credentials(now);
                Vec::new()
            }
            Act::SetStaticToken(hash) => {
                sessions.set_static_token(*hash, now);
                Vec::new()
            }
            Act::ClearStaticToken => {
                sessions.static_token = None;
                Vec::new()
            }
        };
        self.journal_sessions(user);
        let ended = losers.len();
        if ended > 0 {
            out.displaced(self.user(user)?, losers);
            self.tell_devices(user, now, out)?;
        }
        Ok(Ok(ended))
    }

    /// Tells the account's connected devices who is signed in (S-7.7).
    pub(super) fn tell_devices(
        &mut self,
        key: UserKey,
        now: WallTime,
        out: &mut Effects,
    ) -> Result<(), Failure> {
        let Some(user) = self.user_of_living_app(key)? else { return Ok(()) };
        if user.is_connected() {
            let devices = user.sessions.devices(now);
            out.push(Effect::Devices { user: key, devices });
        }
        Ok(())
    }
}

/// What the registry is asked, with the verdict on a static token if one was shown.
fn ask_of<'a>(bind: &'a Bind, sessions: &UserSessions) -> Cow<'a, BindAsk> {
    match bind.static_token {
        None => Cow::Borrowed(&bind.ask),
        Some(shown) => {
            let credential = sessions.judge_static_token(shown).map(Some);
            Cow::Owned(BindAsk { credential, ..bind.ask.clone() })
        }
    }
}

fn refusal(conn: ConnId, code: Code) -> Effect {
    let refuse = Refuse { error: code.into(), terminal: true, kick: None, holders: Vec::new() };
    Effect::Refused { conn, refuse: Box::new(refuse) }
}

/// Milliseconds left until then.
fn left(expires: Option<WallTime>, now: WallTime) -> Option<u64> {
    expires.map(|expires| expires.0.saturating_sub(now.0))
}
