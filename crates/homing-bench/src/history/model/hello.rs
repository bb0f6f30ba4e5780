//! What a Hello may lead to: resumed, signed in anew, or refused.

use super::*;

impl State {
    pub(super) fn hello(
        &self,
        world: &World<'_>,
        number: usize,
        event: &Event,
        hello: &Hello,
        answer: Option<&HelloAnswer>,
    ) -> Vec<Self> {
        let mut nexts = Vec::new();
        if let Some(resume) = hello.resume {
            let is_it = |live: &Live| {
                live.id == resume.session
                    && live.secret == Some(resume.secret)
                    && live.epoch == resume.epoch
                    && live.device == hello.device
            };
            if let Some(at) = self.live.iter().position(is_it) {
                return self.resume(world, event, at, hello, answer);
            }
            let is_it =
                |ended: &Ended| ended.id == resume.session && ended.secret == Some(resume.secret);
            let cannot_sign_in =
                hello.intent == Intent::Automatic || hello.credential == Credential::Withheld;
            if cannot_sign_in && self.tells(answer, is_it, &mut nexts) == Memory::Sure {
                return nexts;
            }
            if hello.credential == Credential::Withheld {
                let right = refused_with(answer, Code::SESSION_UNKNOWN, None);
                nexts.extend(self.unchanged_if(right));
                return nexts;
            }
        }
        if let Some(login) = hello.login.filter(|_| hello.intent != Intent::Automatic) {
            let tried = |live: &Live| live.login == Some(login) && live.device == hello.device;
            if let Some(at) = self.live.iter().position(tried) {
                nexts.extend(self.repeat(world, event, at, hello, answer));
                return nexts;
            }
            let tried = |ended: &Ended| ended.login == Some(login);
            if self.tells(answer, tried, &mut nexts) == Memory::Sure {
                return nexts;
            }
        }
        nexts.extend(self.sign_in(world, number, event, hello, answer));
        nexts
    }

    /// If a session that is meant has ended and is remembered, the asker is told how.
    fn tells(
        &self,
        answer: Option<&HelloAnswer>,
        is_it: impl Fn(&Ended) -> bool,
        nexts: &mut Vec<Self>,
    ) -> Memory {
        let Some(at) = self.ended.iter().position(is_it) else { return Memory::None };
        let ended = &self.ended[at];
        let code = match ended.kick.map(|kick| kick.reason) {
            None => Code::SESSION_ENDED,
            Some(KickReason::DeviceConflict) => Code::DEVICE_CONFLICT,
            Some(_) => Code::KICKED,
        };
        nexts.extend(self.unchanged_if(refused_with(answer, code, ended.kick)));
        let count = |all: &[Ended], plain: bool| {
            all.iter().filter(|ended| ended.kick.is_none() == plain).count()
        };
        // Records push out each other, and what has none, however young it is.
        let later = &self.ended[at + 1..];
        let is_old = match ended.kick {
            Some(_) => count(later, false) >= SURE,
            None => count(later, true) >= SURE_PLAINLY || count(&self.ended, false) >= SURE,
        };
        if is_old { Memory::Perhaps } else { Memory::Sure }
    }

    /// The same session goes on: no policy, no epoch, nobody displaced (S-7.3, S-7.4).
    fn resume(
        &self,
        world: &World<'_>,
        event: &Event,
        at: usize,
        hello: &Hello,
        answer: Option<&HelloAnswer>,
    ) -> Vec<Self> {
        let mut next = self.clone();
        let session = &mut next.live[at];
        if hello.counter <= session.counter {
            session.replayed = true;
            let right = refused_with(answer, Code::HELLO_REPLAYED, None);
            return if right { vec![next] } else { Vec::new() };
        }
        session.counter = hello.counter;
        let older = session.conn;
        // Whether the server still sees the older connection matters to suspicion only.
        let is_open =
            if session.replayed && world.may_be_gone(older, event) { 0..=1 } else { 1..=1 };
        let mut nexts = Vec::new();
        for takes_over in is_open.map(|is_open| is_open == 1) {
            let mut next = next.clone();
            let session = &mut next.live[at];
            if takes_over && session.replayed && session.swapped {
                nexts.extend(next.conflict(world, event, at, answer));
                continue;
            }
            session.swapped |= takes_over && session.replayed;
            session.replayed = false;
            session.conn = event.conn;
            if next.note(world, older, Fate::Superseded)
                && next.welcomes(answer, at, Binding::Resumed)
            {
                nexts.push(next);
            }
        }
        nexts
    }

    /// The second swap within 60 s: two machines use one device's data (S-7.10).
    fn conflict(
        mut self,
        world: &World<'_>,
        event: &Event,
        at: usize,
        answer: Option<&HelloAnswer>,
    ) -> Option<Self> {
        let Some(HelloAnswer::Welcome { session, secret, .. }) = answer else { return None };
        let older = self.live[at].clone();
        let kick =
            Kick { session: older.id, reason: KickReason::DeviceConflict, by: Some(*session) };
        if !self.remove(world, older.id, End::Kicked(kick)) {
            return None;
        }
        let newer = Live {
            id: *session,
            secret: *secret,
            conn: event.conn,
            login: None,
            replayed: false,
            swapped: false,
            ..older
        };
        self.live.push(newer);
        let at = self.live.len() - 1;
        self.welcomes(answer, at, Binding::FreshSessionUnknown).then_some(self)
    }

    /// A further attempt of a login that was granted already (S-3.2).
    fn repeat(
        &self,
        world: &World<'_>,
        event: &Event,
        at: usize,
        hello: &Hello,
        answer: Option<&HelloAnswer>,
    ) -> Vec<Self> {
        if hello.counter <= self.live[at].counter {
            return self.unchanged_if(refused_with(answer, Code::HELLO_REPLAYED, None));
        }
        let mut next = self.clone();
        let session = &mut next.live[at];
        let older = std::mem::replace(&mut session.conn, event.conn);
        session.counter = hello.counter;
        session.secret = secret_of(answer);
        let right =
            next.note(world, older, Fate::Superseded) && next.welcomes(answer, at, Binding::Fresh);
        if right { vec![next] } else { Vec::new() }
    }

    /// A new session, as the policy allows (S-5.3, S-7.2, S-7.5).
    fn sign_in(
        &self,
        world: &World<'_>,
        number: usize,
        event: &Event,
        hello: &Hello,
        answer: Option<&HelloAnswer>,
    ) -> Vec<Self> {
        let own = self.live.iter().position(|live| live.device == hello.device);
        if own.is_some_and(|own| hello.counter <= self.live[own].counter) {
            return self.unchanged_if(refused_with(answer, Code::HELLO_REPLAYED, None));
        }
        let epoch = self.epoch + u64::from(hello.intent != Intent::Automatic);
        let others = self.live.iter().filter(|live| live.device != hello.device);
        let held: Vec<Counted> = others.map(|live| world.counted(live)).collect();
        self.names(world, number, hello, answer)
            .into_iter()
            .filter_map(|id| {
                let newcomer = Live {
                    id,
                    device: hello.device,
                    platform: hello.platform,
                    custom_type: hello.custom_type,
                    epoch,
                    login: hello.login,
                    counter: hello.counter,
                    secret: secret_of(answer),
                    conn: event.conn,
                    replayed: false,
                    swapped: false,
                };
                let counted = world.counted(&newcomer);
                let victims = least_displaced(world.policy, &held, counted);
                if !victims.is_empty() && hello.intent != Intent::Explicit {
                    return refused_full(world.policy, &held, counted, hello, answer)
                        .then(|| self.clone());
                }
                let time = world.facts.sessions.get(&newcomer.id).map(|fact| fact.login_time);
                if world.is_clock_steady && time.is_some_and(|time| time < self.clock) {
                    return None;
                }
                let mut next = self.clone();
                next.epoch = epoch;
                next.clock = self.clock.max(time.unwrap_or_default());
                let heard = world.displaced.get(&newcomer.id).into_iter().flatten();
                let mut right = heard.copied().all(|loser| victims.contains(&loser));
                if let Some(own) = own {
                    let id = next.live[own].id;
                    right &= next.remove(world, id, End::Replaced);
                }
                for session in victims {
                    let reason = KickReason::Policy;
                    let kick = Kick { session, reason, by: Some(newcomer.id) };
                    right &= next.remove(world, session, End::Kicked(kick));
                }
                if !right {
                    return None;
                }
                next.live.push(newcomer);
                let binding = match hello.resume {
                    None => Binding::Fresh,
                    Some(_) => Binding::FreshSessionUnknown,
                };
                let at = next.live.len() - 1;
                next.welcomes(answer, at, binding).then_some(next)
            })
            .collect()
    }

    /// The names that the new session may have: the one in the answer, else one that others heard,
    /// else one that nobody ever did.
    fn names(
        &self,
        world: &World<'_>,
        number: usize,
        hello: &Hello,
        answer: Option<&HelloAnswer>,
    ) -> Vec<SessionId> {
        let is_new = |id: &SessionId| {
            !self.live.iter().any(|live| live.id == *id)
                && !self.ended.iter().any(|ended| ended.id == *id)
        };
        if let Some(HelloAnswer::Welcome { session, .. }) = answer {
            return if is_new(session) { vec![*session] } else { Vec::new() };
        }
        let heard = world.by_mark.get(&hello.mark).into_iter();
        let heard = heard.chain(hello.login.and_then(|login| world.by_login.get(&login)));
        let mut names: Vec<SessionId> = heard.flatten().copied().filter(is_new).collect();
        names.sort_unstable();
        names.dedup();
        // An automatic session that nobody ever heard of displaced nobody and was never in the way: a
        // history without it is as good.
        if names.is_empty() && (answer.is_some() || hello.intent != Intent::Automatic) {
            let mut name = [0xff; 16];
            name[8..].copy_from_slice(&(number as u64).to_be_bytes());
            names.push(SessionId(name));
        }
        names
    }

    /// Whether this answer, if there was one, tells of that session and of all that live now.
    fn welcomes(&self, answer: Option<&HelloAnswer>, at: usize, expected: Binding) -> bool {
        let live = &self.live[at];
        match answer {
            None => true,
            Some(HelloAnswer::Refuse { .. }) => false,
            Some(HelloAnswer::Welcome { session, epoch, binding, devices, secret }) => {
                *session == live.id
                    && *epoch == live.epoch
                    && *binding == expected
                    && secret.is_some() == (expected != Binding::Resumed)
                    && self.lists(devices)
            }
        }
    }
}

/// There is no room, nobody may be displaced, and it is told who is there (S-7.5). Who wanted to go
/// on is told whom it lost its place to: the one that came last (S-5.3).
fn refused_full(
    policy: &Policy,
    held: &[Counted],
    newcomer: Counted,
    hello: &Hello,
    answer: Option<&HelloAnswer>,
) -> bool {
    let Some(HelloAnswer::Refuse { code, kick, holders }) = answer else {
        return answer.is_none();
    };
    let last = held
        .iter()
        .filter(|one| holders.contains(&one.id))
        .map(|one| (one.epoch, one.login_time))
        .max();
    let came_last = |id: SessionId| {
        held.iter().any(|one| one.id == id && Some((one.epoch, one.login_time)) == last)
    };
    let right_kick = match (hello.intent, hello.resume) {
        (Intent::Automatic, Some(asked)) => {
            *code == Code::KICKED
                && kick.is_some_and(|kick| {
                    kick.session == asked.session
                        && kick.reason == KickReason::Policy
                        && kick.by.is_some_and(came_last)
                })
        }
        _ => *code == Code::DEVICE_LIMIT && kick.is_none(),
    };
    right_kick
        && !holds(policy, &[held, &[newcomer]].concat())
        && are_holders(policy, held, newcomer, holders)
}

fn refused_with(answer: Option<&HelloAnswer>, expected: Code, record: Option<Kick>) -> bool {
    match answer {
        None => true,
        Some(HelloAnswer::Welcome { .. }) => false,
        Some(HelloAnswer::Refuse { code, kick, .. }) => *code == expected && *kick == record,
    }
}

fn secret_of(answer: Option<&HelloAnswer>) -> Option<Secret> {
    match answer {
        Some(HelloAnswer::Welcome { secret, .. }) => *secret,
        Some(HelloAnswer::Refuse { .. }) | None => None,
    }
}
