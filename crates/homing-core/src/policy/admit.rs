//! Who gets in and who goes (S-7.2).

use std::cmp::Ordering;

use homing_proto::device::Platform;
use homing_proto::frame::Intent;
use homing_proto::id::SessionId;
use homing_proto::limits;
use homing_proto::time::WallTime;

use super::{CustomRule, Group, Mix, PlatformSet, Policy};

/// A living session, as far as a policy looks at it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    /// The session.
    pub session: SessionId,
    /// What its device runs on.
    pub platform: Platform,
    /// The app's own client type; 0 when it has none.
    pub custom_type: u32,
    /// The epoch of its login.
    pub epoch: u64,
    /// When it logged in.
    pub login_time: WallTime,
    /// How long it has been without a connection, in milliseconds; `None` while it has one.
    pub away_ms: Option<u64>,
}

/// The session that wants in, as far as a policy looks at it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Newcomer {
    /// What its device runs on.
    pub platform: Platform,
    /// The app's own client type; 0 when it has none.
    pub custom_type: u32,
}

/// The decision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Admission {
    /// It gets in.
    Accept {
        /// Who loses a place, first victim first.
        displaced: Vec<SessionId>,
    },
    /// It stays out, and nothing changes.
    Refuse {
        /// Who holds the places it would need, in the order of `held`.
        holders: Vec<SessionId>,
    },
}

/// Decides about one newcomer (S-7.2).
///
/// [`Intent::Explicit`] always gets in; displaced is the least set that makes the whole policy
/// hold, and of several least sets the one that takes its victims first in this order: away for 60 s
/// or more, longest first; then by lowest epoch, earliest login. The other intents get in only when
/// nobody would be displaced (S-7.4, S-7.5).
///
/// `held` may break the policy, as it does after the policy changed (S-7.9). It must not hold the
/// newcomer's own device, whose session it takes over (S-7.3).
///
/// The cost is bounded by about 30 passes over `held`, and is one pass unless the policy changed.
pub fn admit(policy: &Policy, held: &[Held], newcomer: &Newcomer, intent: Intent) -> Admission {
    let displaced = least_displaced(policy, held, newcomer);
    if displaced.is_empty() || intent == Intent::Explicit {
        return Admission::Accept { displaced };
    }
    let holders = holders(policy, held, newcomer);
    // The newcomer's own places are free and the policy is broken elsewhere: name those.
    Admission::Refuse { holders: if holders.is_empty() { displaced } else { holders } }
}

/// The least set whose absence makes the policy hold with the newcomer in it, first victim first.
///
/// Once it is settled which platform each exclusion group keeps, what may stay together is a matter
/// of nested caps only (a laminar matroid): keeping one after the other, the last victim first and
/// whenever there is still room, keeps as many as possible and gives up the first victims. The
/// newcomer settles its own group. Another group has more than one platform only after a change of
/// policy; then every way to settle it is tried: groups do not overlap, so ten platforms allow at
/// most 3 * 3 * 3 ways.
fn least_displaced(policy: &Policy, held: &[Held], newcomer: &Newcomer) -> Vec<SessionId> {
    let mut in_order: Vec<&Held> = held.iter().collect();
    in_order.sort_by(|a, b| victims_first(a, b));
    let place = Place::of(policy, newcomer.platform, newcomer.custom_type);
    let places: Vec<Place> =
        in_order.iter().map(|held| Place::of(policy, held.platform, held.custom_type)).collect();
    ways_to_settle(policy, &places, place)
        .into_iter()
        .map(|platforms| spill(policy, &places, place, platforms))
        .min_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)))
        .expect("there is one way at least")
        .into_iter()
        .map(|victim| in_order[victim].session)
        .collect()
}

/// The platforms that may hold sessions, for each way to choose one per exclusion group.
fn ways_to_settle(policy: &Policy, held: &[Place], newcomer: Place) -> Vec<PlatformSet> {
    let live: PlatformSet = held.iter().filter_map(|place| place.platform()).collect();
    let mut ways = vec![PlatformSet::ALL];
    for group in policy.groups().iter().filter(|group| group.mix == Mix::OnePlatform) {
        let candidates: PlatformSet = match newcomer.platform() {
            Some(platform) if group.platforms.contains(platform) => PlatformSet::of(&[platform]),
            _ => live.iter().filter(|platform| group.platforms.contains(*platform)).collect(),
        };
        let settled = |way: PlatformSet| {
            let rest = way.without(group.platforms);
            candidates.iter().map(move |platform| rest.union(PlatformSet::of(&[platform])))
        };
        if candidates != PlatformSet::EMPTY {
            ways = ways.into_iter().flat_map(settled).collect();
        }
    }
    ways
}

/// Who does not fit, as ascending indices into `held`, when only these platforms may hold sessions.
/// `held` begins with the first victim.
fn spill(policy: &Policy, held: &[Place], newcomer: Place, platforms: PlatformSet) -> Vec<usize> {
    let mut taken = Taken::none(policy);
    // Every cap is 1 or more.
    taken.take(newcomer);
    let mut victims: Vec<usize> = Vec::new();
    for (index, place) in held.iter().enumerate().rev() {
        let settled = place.platform().is_none_or(|platform| platforms.contains(platform));
        if !(settled && taken.take(*place)) {
            victims.push(index);
        }
    }
    victims.reverse();
    victims
}

/// Who stands in the newcomer's way: all that share its place or group while that is full, else all
/// while the total is full. (Whoever leaves the narrower one frees the total as well.)
fn holders(policy: &Policy, held: &[Held], newcomer: &Newcomer) -> Vec<SessionId> {
    let own = Place::of(policy, newcomer.platform, newcomer.custom_type);
    let places: Vec<(SessionId, Place)> = held
        .iter()
        .map(|held| (held.session, Place::of(policy, held.platform, held.custom_type)))
        .collect();
    let who = |shares: &dyn Fn(Place) -> bool| -> Vec<SessionId> {
        places.iter().filter(|(_, place)| shares(*place)).map(|(session, _)| *session).collect()
    };
    let same_place = who(&|place| place == own);
    let place_full = same_place.len() >= own.cap(policy) as usize;
    if let Some(index) = own.group() {
        let group = policy.groups()[index];
        let same_group = who(&|place| place.group() == own.group());
        if same_group.len() >= group.cap as usize || (group.mix == Mix::OnePlatform && place_full) {
            return same_group;
        }
        if group.mix == Mix::OnePlatform && same_group.len() > same_place.len() {
            return who(&|place| place.group() == own.group() && place != own);
        }
    }
    if place_full { same_place } else { who(&|_| held.len() >= policy.total_cap() as usize) }
}

/// The order in which sessions lose their places (S-7.2). Total: ids differ.
fn victims_first(a: &Held, b: &Held) -> Ordering {
    let away = |held: &Held| held.away_ms.filter(|away_ms| *away_ms >= limits::LINGER_MS);
    // A longer absence is greater than a shorter one and than none.
    away(b)
        .cmp(&away(a))
        .then(a.epoch.cmp(&b.epoch))
        .then(a.login_time.cmp(&b.login_time))
        .then(a.session.cmp(&b.session))
}

/// What a session takes up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Platform { platform: Platform, group: Option<usize> },
    Custom(u32),
}

impl Place {
    fn of(policy: &Policy, platform: Platform, custom_type: u32) -> Self {
        if custom_type != 0 && matches!(policy.custom(), CustomRule::OwnPlaces(_)) {
            return Self::Custom(custom_type);
        }
        let in_group = |group: &Group| group.platforms.contains(platform);
        Self::Platform { platform, group: policy.groups().iter().position(in_group) }
    }

    const fn platform(self) -> Option<Platform> {
        match self {
            Self::Platform { platform, .. } => Some(platform),
            Self::Custom(_) => None,
        }
    }

    const fn group(self) -> Option<usize> {
        match self {
            Self::Platform { group, .. } => group,
            Self::Custom(_) => None,
        }
    }

    const fn cap(self, policy: &Policy) -> u32 {
        match (self, policy.custom()) {
            (Self::Platform { platform, .. }, _) => policy.platform_caps().of(platform),
            (Self::Custom(_), CustomRule::OwnPlaces(cap)) => cap,
            (Self::Custom(_), CustomRule::Ignore) => 0,
        }
    }
}

/// The places that are taken so far.
struct Taken<'a> {
    policy: &'a Policy,
    places: Vec<Place>,
}

impl<'a> Taken<'a> {
    const fn none(policy: &'a Policy) -> Self {
        Self { policy, places: Vec::new() }
    }

    /// Takes a place if there is one left.
    fn take(&mut self, place: Place) -> bool {
        let count = |shares: &dyn Fn(&Place) -> bool| {
            u32::try_from(self.places.iter().filter(|taken| shares(taken)).count())
                .unwrap_or(u32::MAX)
        };
        let group = place.group().map(|index| &self.policy.groups()[index]);
        let fits = count(&|_| true) < self.policy.total_cap()
            && count(&|taken| *taken == place) < place.cap(self.policy)
            && group.is_none_or(|group| count(&|taken| taken.group() == place.group()) < group.cap);
        if fits {
            self.places.push(place);
        }
        fits
    }
}
