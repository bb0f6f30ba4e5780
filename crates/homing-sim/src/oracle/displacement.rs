//! I5: only explicit logins displace; the survivors are exactly those that the policy names; who
//! was kicked makes no attempt by itself.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use homing_core::client::{Command, CommandId, Event};
use homing_core::policy::{Mix, Policy};
use homing_proto::device::Platform;
use homing_proto::frame::{Binding, ClientFrame, Intent};
use homing_proto::id::{DeviceId, LoginId, SessionId, UserId};
use homing_proto::limits::LINGER_MS;

use super::Oracle;
use crate::fact::{Bound, DeviceAtRest, DeviceNo, Fact};
use crate::truth::Truth;
use crate::watch::Findings;

#[derive(Clone, Debug, Default)]
pub(super) struct Displacement {
    policy: Option<Policy>,
    users: BTreeMap<UserId, Living>,
    /// The session that each explicit login brought.
    minted: BTreeMap<LoginId, SessionId>,
    kicked: BTreeSet<DeviceNo>,
    /// Explicit logins that have no answer yet.
    logins: BTreeSet<(DeviceNo, CommandId)>,
    /// Devices whose last write of the account record failed: they cannot know after a crash.
    forgetful: BTreeSet<DeviceNo>,
}

/// A user's living sessions, earliest login first.
#[derive(Clone, Debug, Default)]
struct Living {
    epoch: u64,
    sessions: Vec<Session>,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    id: SessionId,
    device: DeviceId,
    platform: Platform,
    epoch: u64,
    login_id: Option<LoginId>,
    away_since: Option<u64>,
}

impl Oracle for Displacement {
    fn name(&self) -> &'static str {
        "I5 displacement"
    }

    fn see(&mut self, now: u64, fact: &Fact<'_>, truth: &Truth, findings: &mut Findings<'_>) {
        match fact {
            Fact::World { policy, .. } => self.policy = Some((*policy).clone()),
            Fact::Bound(bound) => self.bound(now, bound, findings),
            Fact::Ended { user, session, .. } => {
                let living = self.users.entry((*user).clone()).or_default();
                living.sessions.retain(|living| living.id != *session);
            }
            Fact::Detached { user, session } => {
                let living = self.users.entry((*user).clone()).or_default();
                for living in living.sessions.iter_mut().filter(|s| s.id == *session) {
                    living.away_since = Some(now);
                }
            }
            // A login that was called for a moment before is an explicit one all the same.
            Fact::Event(no, Event::Kicked(_)) if !self.logins.iter().any(|(of, _)| of == no) => {
                self.kicked.insert(*no);
            }
            Fact::WriteFailed(no) => {
                self.forgetful.insert(*no);
            }
            Fact::AccountStored(no, _) => {
                self.forgetful.remove(no);
            }
            Fact::Started(no, _) if self.forgetful.contains(no) => {
                self.kicked.remove(no);
            }
            Fact::Called(no, id, Command::Login { .. }) => {
                self.kicked.remove(no);
                self.logins.insert((*no, *id));
            }
            Fact::Completed(no, id, _) => {
                self.logins.remove(&(*no, *id));
            }
            Fact::Killed(no) => self.logins.retain(|(of, _)| of != no),
            Fact::Sent(no, _, ClientFrame::Hello(_)) if self.kicked.contains(no) => {
                findings.report(format!("{no:?} was kicked and says Hello by itself"));
            }
            Fact::Rest { devices, sessions } if truth.is_calm() => {
                self.rest(devices, sessions, findings);
            }
            _ => {}
        }
    }
}

impl Displacement {
    fn bound(&mut self, now: u64, bound: &Bound, findings: &mut Findings<'_>) {
        let Some(policy) = &self.policy else { return };
        let living = self.users.entry(bound.user.clone()).or_default();
        let who = format!("{} on {}", bound.user, bound.device.tag);
        if bound.intent != Intent::Explicit && !bound.displaced.is_empty() {
            findings
                .report(format!("{who} came back by itself and displaced {:?}", bound.displaced));
        }
        if bound.binding == Binding::Resumed {
            let mine = living.sessions.iter_mut().find(|session| session.id == bound.session);
            match mine {
                Some(session) if session.epoch == bound.epoch => session.away_since = None,
                Some(_) => findings.report(format!("{who} resumed with another epoch")),
                None => findings.report(format!("{who} resumed a session that is over")),
            }
            return;
        }
        let again =
            |session: &&Session| session.id == bound.session && session.device == bound.device.id;
        if let Some(session) = living.sessions.iter().find(again) {
            // A further attempt of one explicit login, whose answer was lost, is no other login.
            let same = bound.login_id.is_some() && session.login_id == bound.login_id;
            if !same || session.epoch != bound.epoch || !bound.displaced.is_empty() {
                findings.report(format!("{who} got {} a second time", bound.session));
            }
            let session = living.sessions.iter_mut().find(|session| session.id == bound.session);
            session.expect("it was just found").away_since = None;
            return;
        }
        if let Some(login) = bound.login_id
            && self.minted.insert(login, bound.session).is_some()
        {
            findings.report(format!("{who} got a second session for one explicit login"));
        }
        // Its own session is taken over, not displaced (S-7.3).
        living.sessions.retain(|session| session.device != bound.device.id);
        let newcomer = Session {
            id: bound.session,
            device: bound.device.id,
            platform: bound.device.platform,
            epoch: bound.epoch,
            login_id: bound.login_id,
            away_since: None,
        };
        let is_automatic = bound.intent == Intent::Automatic;
        if is_automatic != (bound.epoch <= living.epoch) {
            findings.report(format!(
                "{who} came in as {:?} with epoch {} after {}",
                bound.intent, bound.epoch, living.epoch
            ));
        }
        if bound.intent == Intent::Explicit {
            let expected = least_displaced(policy, &living.sessions, newcomer, now);
            if expected != bound.displaced {
                findings.report(format!(
                    "{who} displaced {:?}, the policy names {expected:?}",
                    bound.displaced
                ));
            }
        }
        living.epoch = living.epoch.max(bound.epoch);
        living.sessions.retain(|session| !bound.displaced.contains(&session.id));
        living.sessions.push(newcomer);
        if !holds(policy, living.sessions.iter()) {
            findings.report(format!("{who} is in, and the policy does not hold"));
        }
    }

    fn rest(
        &self,
        devices: &[DeviceAtRest],
        sessions: &[(UserId, SessionId, bool)],
        findings: &mut Findings<'_>,
    ) {
        let alive: BTreeSet<_> = sessions.iter().map(|(_, session, _)| *session).collect();
        let expected: BTreeSet<_> =
            self.users.values().flat_map(|living| living.sessions.iter().map(|s| s.id)).collect();
        if alive != expected {
            findings.report(format!("alive are {alive:?}, the policy names {expected:?}"));
        }
        let held = |device: &DeviceAtRest| {
            let signed_in = device.status.is_connected() && device.status.user().is_some();
            let last = device.account.last.as_ref().filter(|_| signed_in)?;
            Some((device.device, last.session.as_ref()?.session))
        };
        let held: Vec<_> = devices.iter().filter_map(held).collect();
        for (no, session) in &held {
            if !sessions.iter().any(|(_, id, online)| id == session && *online) {
                findings.report(format!("{no:?} holds {session}, which is not online"));
            }
        }
        for (user, session, _) in sessions.iter().filter(|(.., online)| *online) {
            if !held.iter().any(|(_, held)| held == session) {
                findings.report(format!("{session} of {user} is online and no device holds it"));
            }
        }
    }
}

/// The least set whose end makes the policy hold, victims in their order: every set is tried, the
/// smaller first, and of one size the one that takes the first victims first (S-7.2).
fn least_displaced(
    policy: &Policy,
    held: &[Session],
    newcomer: Session,
    now: u64,
) -> Vec<SessionId> {
    let mut victims: Vec<&Session> = held.iter().collect();
    let rank = |session: &&Session| {
        let away_ms = session.away_since.map_or(0, |since| now - since);
        let gone = away_ms >= LINGER_MS;
        (Reverse(if gone { away_ms } else { 0 }), session.epoch)
    };
    // Stable: of equal epochs the earlier login goes first.
    victims.sort_by_key(rank);
    for size in 0..=victims.len() {
        let sets = (0_u32..1 << victims.len()).filter(|set| set.count_ones() as usize == size);
        let chosen = |set: u32| (0..victims.len()).filter(move |at| set & (1 << at) != 0);
        let works = |set: &u32| {
            let left = (0..victims.len()).filter(|at| set & (1 << at) == 0);
            holds(policy, left.map(|at| victims[at]).chain([&newcomer]))
        };
        let best = sets.filter(works).min_by_key(|set| chosen(*set).collect::<Vec<_>>());
        if let Some(set) = best {
            return chosen(set).map(|at| victims[at].id).collect();
        }
    }
    unreachable!("with everybody gone a valid policy holds")
}

fn holds<'a>(policy: &Policy, sessions: impl Iterator<Item = &'a Session>) -> bool {
    let platforms: Vec<Platform> = sessions.map(|session| session.platform).collect();
    let count = |wanted: &dyn Fn(Platform) -> bool| {
        platforms.iter().filter(|platform| wanted(**platform)).count() as u32
    };
    let platforms_hold = Platform::ALL
        .into_iter()
        .all(|platform| count(&|p| p == platform) <= policy.platform_caps().of(platform));
    let groups_hold = policy.groups().iter().all(|group| {
        let inside: BTreeSet<_> =
            platforms.iter().filter(|platform| group.platforms.contains(**platform)).collect();
        count(&|p| group.platforms.contains(p)) <= group.cap
            && (group.mix == Mix::AnyPlatforms || inside.len() <= 1)
    });
    platforms_hold && groups_hold && platforms.len() as u32 <= policy.total_cap()
}
