//! The one question of a Hello, decided: resumed, signed in anew, or refused (W-3, S-5, S-7).

use homing_proto::code::{Code, Error};
use homing_proto::device::{Device, KickReason, KickRecord};
use homing_proto::frame::{Binding, Intent, Refuse};
use homing_proto::id::{DeviceId, LoginId, SessionId};
use homing_proto::limits;
use homing_proto::time::WallTime;

use super::session::since;
use super::{
    ConnId, Loser, Place, SecretHash, Secrets, Session, Standing, Suspicion, UserSessions,
    kick_code,
};
use crate::policy::{self, Admission, Held, Newcomer, Policy};

/// What a Hello asks for, after its credential was verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BindAsk {
    /// The device.
    pub device: Device,
    /// What may be done when nothing can be resumed.
    pub intent: Intent,
    /// The session to go on with.
    pub resume: Option<ResumeAsk>,
    /// The explicit login that this is an attempt of.
    pub login_id: Option<LoginId>,
    /// The Hello's counter.
    pub counter: u64,
    /// What the verifier said of the credential: `Ok(None)` when none was shown.
    pub credential: Result<Option<Verdict>, Error>,
    /// The connection that asks.
    pub conn: ConnId,
}

/// What an app has settled about its users' sessions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules<'a> {
    /// Which of a user's devices may be signed in together.
    pub policy: &'a Policy,
    /// A session ends by itself after this long without a connection (S-1.6).
    pub session_age_ms: u64,
}

impl<'a> Rules<'a> {
    /// This policy, and everything else as it is by default.
    pub const fn of(policy: &'a Policy) -> Self {
        Self { policy, session_age_ms: limits::SESSION_AGE_MS }
    }
}

/// The session to go on with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ResumeAsk {
    /// Which.
    pub session: SessionId,
    /// Of the secret that was shown.
    pub secret_hash: SecretHash,
    /// The epoch its login was given.
    pub epoch: u64,
}

/// A credential that is genuine: the right user, the right app, a known key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// When it was issued. Where the format counts seconds, the start of the second: a credential
    /// made in the second of a revocation is dead.
    pub issued: WallTime,
    /// When it runs out; `None`: never.
    pub expires: Option<WallTime>,
}

/// The names for a session that may have to be made, drawn by the caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fresh {
    /// Its id.
    pub session: SessionId,
    /// Of its secret.
    pub secret_hash: SecretHash,
}

/// The decision on a Hello.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BindAnswer {
    /// The connection has a session.
    Bound(Bound),
    /// It has none.
    Refused(Refuse),
}

/// What a connection was given, and what it changed for others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bound {
    /// The session.
    pub session: SessionId,
    /// How it came to be.
    pub binding: Binding,
    /// The session has the fresh secret, which the device must be told.
    pub new_secret: bool,
    /// The epoch of its login.
    pub epoch: u64,
    /// When its credential runs out; `None`: never.
    pub credential_expires: Option<WallTime>,
    /// The device's own older connection, to be closed without a kick (S-7.3).
    pub superseded: Option<ConnId>,
    /// Who lost a place, first victim first.
    pub displaced: Vec<Loser>,
    /// The list of devices is another one than before.
    pub devices_changed: bool,
}

impl UserSessions {
    /// Decides on a Hello and, unless it is refused, puts its session on the connection.
    ///
    /// - A living session that is asked for with its secret is resumed, whatever the intent: no
    ///   policy, no new epoch (S-7.3). A credential shown with it replaces the session's expiry.
    ///   A credential that is not accepted spoils the user's own act, but not an automatic resume
    ///   of a session whose earlier credential still holds.
    /// - A session that was ended is refused for good with its kick record, again and again until
    ///   that is acknowledged (S-7.4, S-7.6), unless the user signs in anew by an own act.
    /// - A further attempt of an explicit login whose answer was lost is that login, not another one
    ///   (S-3.2): it gets the living session under a new secret, or is told that it was displaced.
    /// - Otherwise a credential signs in anew, as the intent allows (S-5.3, S-7.5). The device's own
    ///   earlier session makes room without a kick (S-7.3).
    ///
    /// Whether the user is banned or deleted is told only to whom a secret or a credential proves.
    ///
    /// A refusal may change the value too: a counter was used up, something aged out.
    pub fn bind(
        &mut self,
        ask: &BindAsk,
        fresh: Fresh,
        rules: Rules<'_>,
        now: WallTime,
    ) -> BindAnswer {
        let before = self.sessions.len();
        self.sweep(rules.session_age_ms, now);
        let aged_out = self.sessions.len() != before;
        match self.decide(ask, fresh, rules.policy, now) {
            Ok(mut bound) => {
                bound.devices_changed |= aged_out;
                BindAnswer::Bound(bound)
            }
            Err(refuse) => BindAnswer::Refused(*refuse),
        }
    }

    fn decide(
        &mut self,
        ask: &BindAsk,
        fresh: Fresh,
        policy: &Policy,
        now: WallTime,
    ) -> Result<Bound, Box<Refuse>> {
        let verdict = ask.credential.clone().and_then(|shown| {
            shown.map(|verdict| self.check_credential(verdict, now).map(|()| verdict)).transpose()
        });
        let claim = self.claim(ask);
        self.check_standing(&claim, &verdict)?;
        match claim {
            Claim::Living(at) => return self.resume(at, ask, verdict, fresh, now),
            Claim::Ended(kick) if ask.intent == Intent::Automatic || verdict == Ok(None) => {
                return Err(refuse_ended(kick));
            }
            Claim::Ended(_) | Claim::Nothing => {}
        }
        let verdict = match (verdict, ask.resume) {
            (Ok(Some(verdict)), _) => verdict,
            (Ok(None), Some(_)) => return Err(refusal(Code::SESSION_UNKNOWN, true)),
            (Ok(None), None) => return Err(refusal(Code::CREDENTIAL_REQUIRED, false)),
            (Err(error), _) => return Err(refusal(error, false)),
        };
        match self.attempt_before(ask) {
            Claim::Living(at) => self.repeat(at, ask, verdict, fresh, now),
            Claim::Ended(kick) => Err(refuse_ended(kick)),
            Claim::Nothing => self.sign_in(ask, verdict, fresh, policy, now),
        }
    }

    /// What the asker has shown a right to.
    fn claim(&self, ask: &BindAsk) -> Claim {
        let Some(asked) = ask.resume else { return Claim::Nothing };
        let living = |session: &Session| {
            session.id == asked.session
                && session.epoch == asked.epoch
                && session.device.id == ask.device.id
                && session.secrets.hold(asked.secret_hash)
        };
        if let Some(at) = self.sessions.iter().position(living) {
            return Claim::Living(at);
        }
        let mut ended = self.ended.iter();
        ended
            .find(|e| e.session == asked.session && e.secrets.hold(asked.secret_hash))
            .map_or(Claim::Nothing, |ended| Claim::Ended(ended.kick.clone()))
    }

    /// What an earlier attempt of the same explicit login brought about.
    fn attempt_before(&self, ask: &BindAsk) -> Claim {
        if ask.login_id.is_none() || ask.intent == Intent::Automatic {
            return Claim::Nothing;
        }
        let living = |session: &Session| {
            session.login_id == ask.login_id && session.device.id == ask.device.id
        };
        if let Some(at) = self.sessions.iter().position(living) {
            return Claim::Living(at);
        }
        let ended = self.ended.iter().find(|ended| ended.login_id == ask.login_id);
        ended.map_or(Claim::Nothing, |ended| Claim::Ended(ended.kick.clone()))
    }

    fn check_standing(
        &self,
        claim: &Claim,
        verdict: &Result<Option<Verdict>, Error>,
    ) -> Result<(), Box<Refuse>> {
        let error = match &self.standing {
            Standing::Good => return Ok(()),
            Standing::Banned { until, text } if text.is_empty() => {
                Error::new(Code::USER_BANNED).until(*until)
            }
            Standing::Banned { until, text } => {
                Error::new(Code::USER_BANNED).until(*until).with_text(text.as_str())
            }
            Standing::Deleted => Code::ACCOUNT_DELETED.into(),
        };
        let kick = match (claim, verdict) {
            (Claim::Nothing, Err(_) | Ok(None)) => return Ok(()),
            (Claim::Ended(kick), _) => kick.clone(),
            (Claim::Living(_) | Claim::Nothing, _) => None,
        };
        Err(Box::new(Refuse { kick, ..*refusal(error, true) }))
    }

    fn sign_in(
        &mut self,
        ask: &BindAsk,
        verdict: Verdict,
        fresh: Fresh,
        policy: &Policy,
        now: WallTime,
    ) -> Result<Bound, Box<Refuse>> {
        let own = self.sessions.iter().find(|session| session.device.id == ask.device.id);
        if own.is_some_and(|own| own.overtook(ask.counter, now)) {
            return Err(refusal(Code::HELLO_REPLAYED, false));
        }
        let own = own.map(|session| session.id);
        let Device { id, platform, custom_type, .. } = ask.device;
        let newcomer = Newcomer { platform, custom_type };
        let victims = match self.would_admit(policy, &newcomer, Some(id), ask.intent, now) {
            Admission::Accept { displaced } => displaced,
            Admission::Refuse { holders } => return Err(self.refuse_full(ask, &holders, now)),
        };
        let superseded =
            own.and_then(|own| self.end_plainly(own, now)).and_then(|session| session.conn());
        if ask.intent != Intent::Automatic {
            self.epoch += 1;
        }
        let session = Session {
            id: fresh.session,
            device: ask.device.clone(),
            secrets: Secrets::new(fresh.secret_hash),
            epoch: self.epoch,
            counter: ask.counter,
            login_time: now,
            credential_expires: verdict.expires,
            place: Place::Online(ask.conn),
            login_id: ask.login_id,
            suspicion: Suspicion::default(),
        };
        let winner = session.info(now);
        let displace = |id| self.displace(id, Some(winner.clone()), KickReason::Policy, "", now);
        let displaced = victims.into_iter().filter_map(displace).collect();
        self.sessions.push(session);
        Ok(Bound {
            session: fresh.session,
            binding: match ask.resume {
                None => Binding::Fresh,
                Some(_) => Binding::FreshSessionUnknown,
            },
            new_secret: true,
            epoch: self.epoch,
            credential_expires: verdict.expires,
            superseded,
            displaced,
            devices_changed: true,
        })
    }

    /// What the policy says of a newcomer, without anything happening. `device` is the one it comes
    /// from, whose own session makes room by itself (S-7.3); `None`: one that is not signed in.
    pub fn would_admit(
        &self,
        policy: &Policy,
        newcomer: &Newcomer,
        device: Option<DeviceId>,
        intent: Intent,
        now: WallTime,
    ) -> Admission {
        let others = self.sessions.iter().filter(|session| Some(session.device.id) != device);
        let held: Vec<Held> = others.map(|session| session.held(now)).collect();
        policy::admit(policy, &held, newcomer, intent)
    }

    /// There is no room and nobody may be displaced (S-7.5). A device that wanted to go on is told
    /// that it lost its place to whoever came last (S-5.3).
    fn refuse_full(&self, ask: &BindAsk, holders: &[SessionId], now: WallTime) -> Box<Refuse> {
        let holders: Vec<&Session> =
            self.sessions.iter().filter(|session| holders.contains(&session.id)).collect();
        let infos = holders.iter().map(|session| session.info(now)).collect();
        let last = holders.iter().max_by_key(|session| (session.epoch, session.login_time));
        let kick = match (ask.intent, ask.resume, last) {
            (Intent::Automatic, Some(asked), Some(last)) => Some(KickRecord {
                session: asked.session,
                reason: KickReason::Policy,
                by: Some(last.info(now)),
                text: String::new(),
                time: last.login_time,
            }),
            _ => None,
        };
        let code = if kick.is_some() { Code::KICKED } else { Code::DEVICE_LIMIT };
        Box::new(Refuse { kick, holders: infos, ..*refusal(code, true) })
    }
}

/// What an asker has shown a right to, by a session's secret.
enum Claim {
    /// A living session: its index.
    Living(usize),
    /// One that ended.
    Ended(Option<KickRecord>),
    /// None that is known.
    Nothing,
}

impl Session {
    fn held(&self, now: WallTime) -> Held {
        Held {
            session: self.id,
            platform: self.device.platform,
            custom_type: self.device.custom_type,
            epoch: self.epoch,
            login_time: self.login_time,
            away_ms: self.away_ms(now),
        }
    }

    /// Whether this login was asked for after a Hello with that counter, which comes late: taking it
    /// would end the session that the device holds in favour of one it never hears of. A counter
    /// that is lower long after the login is no late Hello but a device set back to a backup.
    const fn overtook(&self, counter: u64, now: WallTime) -> bool {
        counter <= self.counter && since(self.login_time, now) < limits::DEVICE_SWAP_MS
    }
}

fn refuse_ended(kick: Option<KickRecord>) -> Box<Refuse> {
    let code = kick.as_ref().map_or(Code::SESSION_ENDED, |record| kick_code(record.reason));
    Box::new(Refuse { kick, ..*refusal(code, true) })
}

pub(super) fn refusal(error: impl Into<Error>, terminal: bool) -> Box<Refuse> {
    Box::new(Refuse { error: error.into(), terminal, kick: None, holders: Vec::new() })
}
