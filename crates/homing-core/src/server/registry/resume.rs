//! Going on with a session that lives: after a lost link, after a lost answer, and when two machines
//! claim to be its device.

use homing_proto::code::{Code, Error};
use homing_proto::device::KickReason;
use homing_proto::frame::{Binding, Intent, Refuse};
use homing_proto::limits;
use homing_proto::time::WallTime;

use super::UserSessions;
use super::bind::{BindAsk, Bound, Fresh, Verdict, refusal};
use super::session::{Place, Secrets, Session, Suspicion, since};

impl UserSessions {
    /// Goes on with a living session (S-6.6): no policy, no new epoch (S-7.3).
    pub(super) fn resume(
        &mut self,
        at: usize,
        ask: &BindAsk,
        verdict: Result<Option<Verdict>, Error>,
        fresh: Fresh,
        now: WallTime,
    ) -> Result<Bound, Box<Refuse>> {
        let session = &mut self.sessions[at];
        if ask.counter <= session.counter {
            session.suspicion.replayed = Some(now);
            return Err(refusal(Code::HELLO_REPLAYED, false));
        }
        session.counter = ask.counter;
        if let Some(asked) = ask.resume {
            session.secrets.seen(asked.secret_hash);
        }
        let expired =
            |session: &Session| session.credential_expires.is_some_and(|expires| expires <= now);
        match verdict {
            Ok(Some(verdict)) => session.credential_expires = verdict.expires,
            Err(error) if ask.intent != Intent::Automatic || expired(session) => {
                return Err(refusal(error, false));
            }
            Ok(None) | Err(_) => {}
        }
        if expired(session) {
            return Err(refusal(Code::CREDENTIAL_EXPIRED, false));
        }
        let older = session.conn().filter(|conn| *conn != ask.conn);
        if older.is_some() && session.suspicion.is_second_swap(now) {
            return Ok(self.end_older_life(at, ask, fresh, now));
        }
        session.suspicion.resumed(older.is_some(), now);
        let devices_changed = !session.is_online(now);
        session.place = Place::Online(ask.conn);
        Ok(Bound {
            session: session.id,
            binding: Binding::Resumed,
            new_secret: false,
            epoch: session.epoch,
            credential_expires: session.credential_expires,
            superseded: older,
            displaced: Vec::new(),
            devices_changed,
        })
    }

    /// Answers an explicit login again: the same session, under a secret that can be told. The one
    /// of the first answer stays valid, for that answer may have been stored (I2).
    pub(super) fn repeat(
        &mut self,
        at: usize,
        ask: &BindAsk,
        verdict: Verdict,
        fresh: Fresh,
        now: WallTime,
    ) -> Result<Bound, Box<Refuse>> {
        let session = &mut self.sessions[at];
        if ask.counter <= session.counter {
            // An earlier attempt, overtaken by a later one.
            return Err(refusal(Code::HELLO_REPLAYED, false));
        }
        let superseded = session.conn().filter(|conn| *conn != ask.conn);
        let devices_changed = !session.is_online(now);
        session.counter = ask.counter;
        session.secrets.replace(fresh.secret_hash);
        session.credential_expires = verdict.expires;
        session.place = Place::Online(ask.conn);
        Ok(Bound {
            session: session.id,
            binding: Binding::Fresh,
            new_secret: true,
            epoch: session.epoch,
            credential_expires: verdict.expires,
            superseded,
            displaced: Vec::new(),
            devices_changed,
        })
    }

    /// Parts two machines that use one session (S-7.10): the one that asks goes on under a fresh
    /// name and secret, the other one holds what is over.
    fn end_older_life(&mut self, at: usize, ask: &BindAsk, fresh: Fresh, now: WallTime) -> Bound {
        let session = Session {
            id: fresh.session,
            secrets: Secrets::new(fresh.secret_hash),
            place: Place::Online(ask.conn),
            // The login was answered long ago; a copy that asks again is told of the conflict.
            login_id: None,
            suspicion: Suspicion::default(),
            ..self.sessions[at].clone()
        };
        let older = self.sessions[at].id;
        let by = Some(session.info(now));
        let displaced = self.displace(older, by, KickReason::DeviceConflict, "", now);
        let bound = Bound {
            session: session.id,
            binding: Binding::FreshSessionUnknown,
            new_secret: true,
            epoch: session.epoch,
            credential_expires: session.credential_expires,
            superseded: None,
            displaced: displaced.into_iter().collect(),
            devices_changed: true,
        };
        self.sessions.insert(at, session);
        bound
    }
}

impl Suspicion {
    /// Whether a resume that takes over a living connection would be the second swap within 60 s.
    fn is_second_swap(self, now: WallTime) -> bool {
        is_recent(self.replayed, now) && is_recent(self.swapped, now)
    }

    /// Takes note of a resume that was granted.
    fn resumed(&mut self, took_over: bool, now: WallTime) {
        if took_over && is_recent(self.replayed, now) {
            self.swapped = Some(now);
        }
        self.replayed = None;
    }
}

fn is_recent(moment: Option<WallTime>, now: WallTime) -> bool {
    moment.is_some_and(|then| since(then, now) < limits::DEVICE_SWAP_MS)
}
