//! What the writer decides about sessions: binds, ends, kicks, renewals.

use homing_core::server::registry::{
    BindAnswer, BindAsk, Bound, ConnId, EndAnswer, Fresh, Loser, ResumeAsk, Rules, SecretHash,
    Targets, UserSessions, Verdict,
};
use homing_core::server::session::Input;
use homing_proto::device::KickReason;
use homing_proto::frame::{
    Binding, EndSession, Hello, Intent, Limits, OutboxAck, Request, Response, ServerFrame, Welcome,
};
use homing_proto::id::{ClientMsgId, SessionId, UserId};
use homing_proto::secret::SessionSecret;
use homing_proto::time::WallTime;
use homing_proto::{Code, Error, limits};

use super::{Book, Desk, Effect, Operator, UserRow, online};
use crate::Sabotage;
use crate::fact::{self, Ending, Fact};
use crate::secrets::SECRET_MARK;
use crate::world::network::LinkId;
use crate::world::token;

impl Book {
    pub(super) fn bind(
        &mut self,
        link: LinkId,
        conn: ConnId,
        mut hello: Hello,
        desk: &mut Desk<'_>,
    ) {
        let told = hello.intent;
        let verified = hello.credential.as_ref().map(|c| token::verify(c, &hello.user, desk.now));
        let mut credential = verified.transpose();
        if self.sabotage == Some(Sabotage::ResumeDisplaces) {
            self.make_explicit(&mut hello, &mut credential, desk.now);
        }
        let registered = !self.users.contains_key(&hello.user);
        let row = self.users.entry(hello.user.clone()).or_default();
        if registered {
            row.log_epoch = desk.rng.next() | 1;
        }
        let secret = SessionSecret::new(marked(desk.rng.bytes()));
        let fresh =
            Fresh { session: SessionId(desk.rng.bytes()), secret_hash: SecretHash::of(&secret) };
        let before: Vec<SessionId> = row.sessions.sessions.iter().map(|s| s.id).collect();
        let ask = ask(&hello, credential, conn);
        let present = (self.sabotage == Some(Sabotage::StaleAdmission)).then(|| {
            let read = self.stale.entry(hello.user.clone());
            let read = read.or_insert_with(|| (desk.now, row.sessions.clone()));
            if desk.now.0 - read.0.0 > STALE_MS {
                *read = (desk.now, row.sessions.clone());
            }
            std::mem::replace(&mut row.sessions, read.1.clone())
        });
        let answer = row.sessions.bind(&ask, fresh, Rules::of(&self.policy), desk.now);
        if let Some(present) = present {
            keep_newcomers(&mut row.sessions, present);
        }
        let bound = match answer {
            BindAnswer::Refused(refuse) => {
                if registered {
                    self.users.remove(&hello.user);
                } else {
                    gone(&hello.user, &before, &row.sessions, &[], Ending::Aged, desk);
                }
                desk.effects.push(Effect::Link(link, Input::Refused(Box::new(refuse))));
                return;
            }
            BindAnswer::Bound(bound) => bound,
        };
        let displaced: Vec<_> = bound.displaced.iter().map(|loser| loser.record.session).collect();
        let replaced =
            if bound.binding == Binding::Resumed { Ending::Aged } else { Ending::Replaced };
        gone(&hello.user, &before, &row.sessions, &displaced, replaced, desk);
        desk.watch.see(&Fact::Bound(&fact::Bound {
            user: hello.user.clone(),
            device: hello.device.clone(),
            intent: told,
            login_id: hello.login_id,
            binding: bound.binding,
            session: bound.session,
            epoch: bound.epoch,
            displaced,
        }));
        if bound.devices_changed {
            announce(row, Some(conn), desk);
        }
        if let Some(older) = bound.superseded {
            desk.effects.push(Effect::Conn(older, Input::Superseded));
        }
        tell_losers(bound.displaced.clone(), desk);
        let secret = bound.new_secret.then_some(secret);
        let welcome = Box::new(self.welcome(&hello, &bound, secret, registered, desk.now));
        desk.effects.push(Effect::Bound(link, hello.user, bound.session, welcome));
    }

    /// The sabotage: every return counts as a login of its own.
    fn make_explicit(
        &self,
        hello: &mut Hello,
        credential: &mut Result<Option<Verdict>, Error>,
        now: WallTime,
    ) {
        if hello.intent != Intent::Automatic {
            return;
        }
        hello.intent = Intent::Explicit;
        if let Some(resume) = hello.resume.take() {
            let row = self.users.get(&hello.user);
            let living =
                row.and_then(|row| row.sessions.sessions.iter().find(|s| s.id == resume.session));
            let expires = living.and_then(|session| session.credential_expires);
            *credential = Ok(Some(Verdict { issued: now, expires }));
        }
    }

    fn welcome(
        &self,
        hello: &Hello,
        bound: &Bound,
        secret: Option<SessionSecret>,
        registered: bool,
        now: WallTime,
    ) -> Welcome {
        let left = |expires: WallTime| expires.0.saturating_sub(now.0);
        Welcome {
            session: bound.session,
            secret,
            epoch: bound.epoch,
            binding: bound.binding,
            server_time: now,
            credential_expires_in_ms: bound.credential_expires.map(left),
            head: self.head(&hello.user),
            sync: self.page(&hello.user, hello.cursor, hello.window),
            outbox_acks: self.outbox_acks(&hello.user, &hello.outbox_heads),
            devices: self.users[&hello.user].sessions.devices(now),
            limits: Limits {
                ping_ms: limits::PING_MS as u32,
                liveness_ms: limits::LIVENESS_MS as u32,
                max_frame: limits::FRAME_MAX as u32,
                reconnect_window_ms: self.window_ms,
            },
            registered,
        }
    }

    fn outbox_acks(&self, user: &UserId, heads: &[ClientMsgId]) -> Vec<OutboxAck> {
        let known = |id: &ClientMsgId| {
            let (seq, time) = *self.sent.get(&(user.clone(), *id))?;
            Some(OutboxAck { client_id: *id, seq, time })
        };
        heads.iter().filter_map(known).collect()
    }

    pub(super) fn end(&mut self, link: LinkId, end: &EndSession, desk: &mut Desk<'_>) {
        if let Some(row) = self.users.get_mut(&end.user) {
            let secret = SecretHash::of(&end.secret);
            if let EndAnswer::Ended { conn } = row.sessions.end(end.session, secret, desk.now) {
                let (user, session) = (&end.user, end.session);
                desk.watch.see(&Fact::Ended { user, session, how: Ending::Logout });
                if let Some(conn) = conn {
                    desk.effects.push(Effect::Conn(conn, Input::LoggedOut));
                }
                announce(row, None, desk);
            }
        }
        desk.effects.push(Effect::Link(link, Input::SessionEnded(end.session)));
    }

    pub(super) fn detach(&mut self, conn: ConnId, user: &UserId, desk: &mut Desk<'_>) {
        let Some(row) = self.users.get_mut(user) else { return };
        let session = online(&row.sessions).find(|(at, _)| *at == conn).map(|(_, s)| s);
        if row.sessions.detach(conn, desk.now)
            && let Some(session) = session
        {
            desk.watch.see(&Fact::Detached { user, session });
        }
    }

    pub(super) fn operate(&mut self, operator: Operator, desk: &mut Desk<'_>) {
        let (Operator::KickAll { user, .. } | Operator::Ban(user) | Operator::Unban(user)) =
            &operator;
        let Some(row) = self.users.get_mut(user) else { return };
        let losers = match &operator {
            Operator::KickAll { revoke, .. } => {
                if *revoke {
                    row.sessions.revoke_credentials(desk.now);
                }
                row.sessions.kick(Targets::All, None, KickReason::Server, "operator", desk.now)
            }
            Operator::Ban(_) => row.sessions.ban(None, "banned", desk.now),
            Operator::Unban(_) => {
                row.sessions.unban();
                Vec::new()
            }
        };
        kicked(user, losers, desk);
    }

    pub(super) fn session_request(
        &mut self,
        conn: ConnId,
        user: &UserId,
        session: SessionId,
        body: Request,
        desk: &mut Desk<'_>,
    ) -> Result<Response, Error> {
        let row = self.users.get_mut(user).expect("a bound user exists");
        match body {
            Request::KickDevices(listed) => {
                let targets = Targets::Listed(&listed);
                let reason = KickReason::OwnDevice;
                let losers = row.sessions.kick(targets, Some(session), reason, "", desk.now);
                if losers.is_empty() {
                    return Err(Code::SESSION_NOT_FOUND.into());
                }
                kicked(user, losers, desk);
                announce(row, None, desk);
                Ok(Response::Done)
            }
            Request::Renew(credential) => {
                let verdict = token::verify(&credential, user, desk.now)?;
                row.sessions.renew(session, conn, verdict, desk.now)?;
                let left = verdict.expires.map(|expires| expires.0.saturating_sub(desk.now.0));
                Ok(Response::Renewed { credential_expires_in_ms: left })
            }
            Request::Logout => {
                if row.sessions.log_out(session, conn, desk.now) {
                    desk.watch.see(&Fact::Ended { user, session, how: Ending::Logout });
                    announce(row, None, desk);
                }
                Ok(Response::Done)
            }
            _ => Ok(Response::Devices(row.sessions.devices(desk.now))),
        }
    }
}

fn ask(hello: &Hello, credential: Result<Option<Verdict>, Error>, conn: ConnId) -> BindAsk {
    BindAsk {
        device: hello.device.clone(),
        intent: hello.intent,
        resume: hello.resume.as_ref().map(|resume| ResumeAsk {
            session: resume.session,
            secret_hash: SecretHash::of(&resume.secret),
            epoch: resume.epoch,
        }),
        login_id: hello.login_id,
        counter: hello.counter,
        credential,
        conn,
    }
}

fn kicked(user: &UserId, losers: Vec<Loser>, desk: &mut Desk<'_>) {
    for loser in &losers {
        let session = loser.record.session;
        desk.watch.see(&Fact::Ended { user, session, how: Ending::Kick });
    }
    tell_losers(losers, desk);
}

fn tell_losers(losers: Vec<Loser>, desk: &mut Desk<'_>) {
    for loser in losers {
        if let Some(conn) = loser.conn {
            let (kick, until) = (Box::new(loser.record), loser.until);
            desk.effects.push(Effect::Conn(conn, Input::Displaced { kick, until }));
        }
    }
}

/// Tells the user's connections, but for one, who is signed in now.
fn announce(row: &UserRow, but: Option<ConnId>, desk: &mut Desk<'_>) {
    let devices = row.sessions.devices(desk.now);
    for (conn, _) in online(&row.sessions).filter(|(conn, _)| Some(*conn) != but) {
        desk.effects.push(Effect::Push(conn, ServerFrame::Devices(devices.clone())));
    }
}

/// Reports the sessions that a bind took away without displacing them.
fn gone(
    user: &UserId,
    before: &[SessionId],
    after: &UserSessions,
    displaced: &[SessionId],
    how: Ending,
    desk: &mut Desk<'_>,
) {
    for session in before {
        let lives = after.sessions.iter().any(|living| living.id == *session);
        if !lives && !displaced.contains(session) {
            desk.watch.see(&Fact::Ended { user, session: *session, how });
        }
    }
}

/// The sabotage: what was decided on an old reading is written over the present one; who signed in
/// since stays beside it.
fn keep_newcomers(decided: &mut UserSessions, present: UserSessions) {
    decided.epoch = decided.epoch.max(present.epoch);
    for session in present.sessions {
        if decided.sessions.iter().all(|other| other.device.id != session.device.id) {
            decided.sessions.push(session);
        }
    }
}

/// Every secret of a world begins like this, so that one that shows is found (I25).
fn marked(mut bytes: [u8; 32]) -> [u8; 32] {
    bytes[..SECRET_MARK.len()].copy_from_slice(SECRET_MARK.as_bytes());
    bytes
}

/// How old the reading of a sabotaged admission may be.
const STALE_MS: u64 = 2_000;
