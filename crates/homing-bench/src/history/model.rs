//! What one user's sessions must do, as a sequential specification: clauses S-5.3 and S-7 written
//! down once more, over plain values, and without a line of the registry's own code.
//!
//! [`State::after`] gives the states that an event may lead to, if it was answered as it was: none
//! when the answer cannot be right here. More than one when the server is free: whether it has
//! noticed that a client let go.
//!
//! No history is longer than [`SPAN_MS`], so that nobody is away for 60 s.

mod hello;

use std::collections::{BTreeMap, BTreeSet};

use homing_core::policy::Policy;
use homing_proto::Code;
use homing_proto::device::{KickReason, Platform};
use homing_proto::frame::{Binding, Intent};
use homing_proto::id::{DeviceId, SessionId};
use homing_proto::limits;
use homing_proto::time::WallTime;

use super::event::{
    Conn, Credential, Event, Facts, Fate, Hello, HelloAnswer, History, Kick, Login, Mark, Secret,
    What,
};
use super::places::{Counted, are_holders, holds, least_displaced};

/// A history may take this long, so that absence and the memory of swaps need no clock.
pub(crate) const SPAN_MS: u64 = limits::LINGER_MS - 5_000;

/// A session that ended is remembered until so many others have (S-7.6). The server's bounds are
/// higher; what nobody heard of may have filled them without being known here.
const SURE: usize = limits::ENDED_SESSIONS / 2;
/// The same for one that ended without a record.
const SURE_PLAINLY: usize = limits::ENDED_PLAINLY / 2;

/// One user's sessions.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub(crate) struct State {
    epoch: u64,
    /// When the last session came in, by the server's clock, as far as that is known.
    clock: WallTime,
    live: Vec<Live>,
    /// Earliest end first.
    ended: Vec<Ended>,
    /// What connections are to hear last, of those that heard something.
    fates: Vec<(Conn, Fate)>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Live {
    id: SessionId,
    device: DeviceId,
    platform: Platform,
    custom_type: u32,
    epoch: u64,
    login: Option<Login>,
    counter: u64,
    /// `None`: the answer that carried it was never heard.
    secret: Option<Secret>,
    conn: Conn,
    /// A counter was used again; then its connection was taken over (S-7.10).
    replayed: bool,
    swapped: bool,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Ended {
    id: SessionId,
    secret: Option<Secret>,
    login: Option<Login>,
    kick: Option<Kick>,
}

/// What holds in every state of a history.
pub(crate) struct World<'a> {
    policy: &'a Policy,
    facts: &'a Facts,
    /// What was heard last on each connection.
    heard: BTreeMap<Conn, Fate>,
    /// Of sessions that were kicked, how, as whoever heard it.
    kicked: BTreeMap<SessionId, Kick>,
    /// Whom each session displaced when it came in, as far as it was heard.
    displaced: BTreeMap<SessionId, Vec<SessionId>>,
    dropped: &'a BTreeMap<Conn, u64>,
    /// Later logins have later times.
    is_clock_steady: bool,
    /// The login that each epoch was minted for, as far as an answer named it, and these logins.
    minted: BTreeMap<u64, Login>,
    known: BTreeSet<Login>,
    /// The sessions that each Hello made, as heard; more than one after a conflict.
    by_mark: BTreeMap<Mark, Vec<SessionId>>,
    /// The sessions of logins whose further attempt was told that they were kicked.
    by_login: BTreeMap<Login, Vec<SessionId>>,
}

impl<'a> World<'a> {
    pub(crate) fn new(policy: &'a Policy, history: &'a History) -> Self {
        let heard = history.events.iter().filter_map(|event| match event.what {
            What::Closed(_, fate) => Some((event.conn, fate)),
            _ => None,
        });
        let kicked = history.events.iter().filter_map(|event| match &event.what {
            What::Closed(_, Fate::Kicked(kick)) => Some((kick.session, *kick)),
            // With holders it is no record that was kept: there was no room.
            What::Hello(_, Some(HelloAnswer::Refuse { kick: Some(kick), holders, .. }))
                if holders.is_empty() =>
            {
                Some((kick.session, *kick))
            }
            _ => None,
        });
        let kicked: BTreeMap<SessionId, Kick> = kicked.collect();
        let mut displaced: BTreeMap<SessionId, Vec<SessionId>> = BTreeMap::new();
        for kick in kicked.values().filter(|kick| kick.reason == KickReason::Policy) {
            displaced.entry(kick.by.unwrap_or(kick.session)).or_default().push(kick.session);
        }
        let minted = history.events.iter().filter_map(|event| match &event.what {
            What::Hello(hello, Some(HelloAnswer::Welcome { epoch, binding, .. }))
                if *binding == Binding::Fresh =>
            {
                hello.login.map(|login| (*epoch, login))
            }
            _ => None,
        });
        let minted: BTreeMap<u64, Login> = minted.collect();
        let mut by_mark: BTreeMap<Mark, Vec<SessionId>> = BTreeMap::new();
        for (id, fact) in &history.facts.sessions {
            if let Some(mark) = fact.mark {
                by_mark.entry(mark).or_default().push(*id);
            }
        }
        let mut by_login: BTreeMap<Login, Vec<SessionId>> = BTreeMap::new();
        for event in &history.events {
            if let What::Hello(hello, Some(HelloAnswer::Refuse { kick: Some(kick), .. })) =
                &event.what
                && let Some(login) = hello.login
                && hello.resume.is_none()
            {
                by_login.entry(login).or_default().push(kick.session);
            }
        }
        let came_in =
            |session: &SessionId| history.facts.sessions.get(session).map(|fact| fact.login_time);
        let mut answered: Vec<(u64, WallTime)> = history
            .events
            .iter()
            .filter_map(|event| match &event.what {
                What::Hello(_, Some(HelloAnswer::Welcome { session, epoch, .. })) => {
                    came_in(session).map(|time| (*epoch, time))
                }
                _ => None,
            })
            .filter(|(epoch, _)| minted.contains_key(epoch))
            .collect();
        answered.sort_unstable();
        Self {
            policy,
            is_clock_steady: answered.is_sorted_by_key(|(_, time)| *time),
            by_login,
            facts: &history.facts,
            heard: heard.collect(),
            kicked,
            displaced,
            dropped: &history.dropped,
            known: minted.values().copied().collect(),
            minted,
            by_mark,
        }
    }

    /// Whether the server may know that the client let go of a connection.
    fn may_be_gone(&self, conn: Conn, by: &Event) -> bool {
        let dropped = self.dropped.get(&conn);
        dropped.is_some_and(|at| by.answered.is_none_or(|answered| *at < answered))
    }

    fn counted(&self, live: &Live) -> Counted {
        let fact = self.facts.sessions.get(&live.id);
        Counted {
            id: live.id,
            platform: live.platform,
            custom_type: live.custom_type,
            epoch: live.epoch,
            login_time: fact.map_or(WallTime(0), |fact| fact.login_time),
        }
    }
}

impl State {
    /// The states that this event may lead to from here.
    pub(crate) fn after(&self, world: &World<'_>, number: usize, event: &Event) -> Vec<Self> {
        match &event.what {
            What::Hello(_, Some(HelloAnswer::Refuse { code, .. })) if is_busy(*code) => {
                vec![self.clone()]
            }
            What::Hello(hello, answer) => self.hello(world, number, event, hello, answer.as_ref()),
            What::List(session, answer) => match answer {
                Some(Ok(list)) if self.is_on(*session, event.conn) && self.lists(list) => {
                    vec![self.clone()]
                }
                Some(Err(code)) if self.fences(*session, event.conn, *code) => vec![self.clone()],
                _ => Vec::new(),
            },
            What::Kick(by, targets, answer) => self.kick(world, event, *by, targets, *answer),
            What::Logout(session, answer) => {
                if let Some(Err(code)) = answer {
                    return self.refused(*session, event.conn, *code);
                }
                if !self.is_on(*session, event.conn) {
                    return Vec::new();
                }
                let mut next = self.clone();
                next.remove(world, *session, End::LoggedOut).then_some(next).into_iter().collect()
            }
            What::End(session, secret) => self.end(world, *session, *secret).into_iter().collect(),
            What::Devices(list) => {
                if self.lists(list) {
                    vec![self.clone()]
                } else {
                    Vec::new()
                }
            }
            What::Closed(_, fate) => {
                let at = self.fates.iter().position(|known| *known == (event.conn, *fate));
                at.map_or_else(Vec::new, |at| {
                    let mut next = self.clone();
                    next.fates.remove(at);
                    vec![next]
                })
            }
        }
    }

    /// Whether it makes a difference to others that an event was done which nobody waited for. Who
    /// did not wait for a resume or for a further attempt of a login goes on as another device or
    /// asks once more: that the session was on its connection meanwhile is seen by nobody.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        let ids = |state: &Self| state.live.iter().map(|live| live.id).collect::<Vec<_>>();
        self.epoch != other.epoch || ids(self) != ids(other)
    }

    /// How doubtful it is that an event was done here that nobody waited for, the least first: an
    /// answer tells of the session that it made; somebody heard of it at all; its login had another
    /// epoch when somebody heard of that.
    pub(crate) fn doubt(&self, world: &World<'_>, event: &Event, missing: &[SessionId]) -> u8 {
        let heard = |live: &Live| {
            world.facts.sessions.contains_key(&live.id) || world.kicked.contains_key(&live.id)
        };
        match &event.what {
            _ if missing.iter().any(|session| self.lives(*session)) => 0,
            What::Hello(Hello { login: Some(login), .. }, _) => {
                if world.known.contains(login) && !world.minted.contains_key(&self.epoch) {
                    3
                } else if self.live.last().is_some_and(heard) {
                    1
                } else {
                    2
                }
            }
            _ => 1,
        }
    }

    /// Whether a session lives.
    pub(crate) fn lives(&self, session: SessionId) -> bool {
        self.live.iter().any(|live| live.id == session)
    }

    /// A cheap look before [`after`](Self::after): epochs are minted in the order of commits, so a
    /// login that nobody waited for has no epoch that another one was told.
    pub(crate) fn may_come_next(&self, world: &World<'_>, event: &Event) -> bool {
        match &event.what {
            What::Hello(Hello { login: Some(login), .. }, None) => {
                world.minted.get(&(self.epoch + 1)).is_none_or(|minted| minted == login)
            }
            What::Hello(_, Some(HelloAnswer::Welcome { epoch, .. })) => *epoch <= self.epoch + 1,
            _ => true,
        }
    }

    fn kick(
        &self,
        world: &World<'_>,
        event: &Event,
        by: SessionId,
        targets: &[SessionId],
        answer: Option<Result<(), Code>>,
    ) -> Vec<Self> {
        if !self.is_on(by, event.conn) {
            return match answer {
                Some(Err(code)) => self.refused(by, event.conn, code),
                Some(Ok(())) | None => Vec::new(),
            };
        }
        let hit = |live: &&Live| live.id != by && targets.contains(&live.id);
        let losers: Vec<SessionId> = self.live.iter().filter(hit).map(|live| live.id).collect();
        match answer {
            Some(Err(Code::SESSION_NOT_FOUND)) => self.unchanged_if(losers.is_empty()),
            Some(Err(code)) => self.unchanged_if(is_busy(code)),
            Some(Ok(())) | None if losers.is_empty() => Vec::new(),
            Some(Ok(())) | None => {
                let mut next = self.clone();
                let right = losers.into_iter().all(|session| {
                    let kick = Kick { session, reason: KickReason::OwnDevice, by: Some(by) };
                    next.remove(world, session, End::Kicked(kick))
                });
                if right { vec![next] } else { Vec::new() }
            }
        }
    }

    /// Who holds the secret ends the session, or has heard that it was kicked (S-9.2, S-7.6).
    fn end(&self, world: &World<'_>, session: SessionId, secret: Secret) -> Option<Self> {
        let mut next = self.clone();
        let holds = |live: &Live| live.id == session && live.secret == Some(secret);
        if self.live.iter().any(holds) {
            return next.remove(world, session, End::Ended).then_some(next);
        }
        if let Some(ended) = next.ended.iter_mut().find(|ended| {
            ended.id == session && ended.secret == Some(secret) && ended.kick.is_some()
        }) {
            ended.kick = None;
            next.forget();
        }
        Some(next)
    }

    fn is_on(&self, session: SessionId, conn: Conn) -> bool {
        self.live.iter().any(|live| live.id == session && live.conn == conn)
    }

    /// A request of a session that is not on the connection any more (V-2).
    fn refused(&self, session: SessionId, conn: Conn, code: Code) -> Vec<Self> {
        self.unchanged_if(self.fences(session, conn, code))
    }

    fn fences(&self, session: SessionId, conn: Conn, code: Code) -> bool {
        is_busy(code)
            || (!self.is_on(session, conn)
                && matches!(code, Code::CONNECTION_SUPERSEDED | Code::KICKED | Code::SESSION_ENDED))
    }

    fn unchanged_if(&self, right: bool) -> Vec<Self> {
        if right { vec![self.clone()] } else { Vec::new() }
    }

    fn lists(&self, list: &[SessionId]) -> bool {
        list.len() == self.live.len() && self.live.iter().all(|live| list.contains(&live.id))
    }

    /// Ends a session; whether it may have ended like that, for all that was heard of it.
    fn remove(&mut self, world: &World<'_>, session: SessionId, end: End) -> bool {
        let Some(at) = self.live.iter().position(|live| live.id == session) else { return false };
        let Live { id, secret, login, conn, .. } = self.live.remove(at);
        let kick = match end {
            End::Kicked(kick) => Some(kick),
            End::Replaced | End::Ended | End::LoggedOut => None,
        };
        self.ended.push(Ended { id, secret, login, kick });
        self.forget();
        let as_heard = world.kicked.get(&id).is_none_or(|heard| Some(*heard) == kick);
        as_heard
            && match end {
                End::Kicked(kick) => self.note(world, conn, Fate::Kicked(kick)),
                End::Replaced => self.note(world, conn, Fate::Superseded),
                End::Ended => self.note(world, conn, Fate::LoggedOut),
                End::LoggedOut => !world.heard.contains_key(&conn),
            }
    }

    /// Drops what is too old to be remembered by anybody.
    fn forget(&mut self) {
        for (plain, most) in
            [(false, 2 * limits::ENDED_SESSIONS), (true, 2 * limits::ENDED_PLAINLY)]
        {
            let is_kind = |ended: &Ended| ended.kick.is_none() == plain;
            if self.ended.iter().filter(|ended| is_kind(ended)).count() > most {
                let at = self.ended.iter().position(is_kind).expect("they were counted");
                self.ended.remove(at);
            }
        }
    }

    /// What a connection is to hear last; `false` when it heard something else. Of what nobody heard
    /// nothing needs to be kept.
    fn note(&mut self, world: &World<'_>, conn: Conn, fate: Fate) -> bool {
        let Some(heard) = world.heard.get(&conn) else { return true };
        self.fates.push((conn, fate));
        *heard == fate
    }
}

/// Whether an ended session is remembered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Memory {
    Sure,
    Perhaps,
    None,
}

/// How a session ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Kicked(Kick),
    /// By its device's next login.
    Replaced,
    /// Over another connection.
    Ended,
    /// By its own request.
    LoggedOut,
}

/// The server did nothing.
const fn is_busy(code: Code) -> bool {
    matches!(code, Code::SERVER_BUSY | Code::SERVER_INTERNAL)
}
