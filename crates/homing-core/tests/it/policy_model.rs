//! The plainest statement of S-7.1 and S-7.2: count everything, try every subset.

use homing_core::policy::{CustomRule, Held, Mix, Newcomer, Policy};
use homing_proto::device::Platform;
use homing_proto::id::SessionId;

/// What a session runs on, and its custom type.
pub(crate) type Seat = (Platform, u32);

/// Whether these may live together.
pub(crate) fn holds(policy: &Policy, seats: &[Seat]) -> bool {
    let own_place = |seat: &Seat| seat.1 != 0 && policy.custom() != CustomRule::Ignore;
    let on_platforms: Vec<Platform> =
        seats.iter().filter(|seat| !own_place(seat)).map(|seat| seat.0).collect();
    let by_type: Vec<u32> =
        seats.iter().filter(|seat| own_place(seat)).map(|seat| seat.1).collect();

    let total = seats.len() <= policy.total_cap() as usize;
    let platforms = Platform::ALL.into_iter().all(|platform| {
        let count = on_platforms.iter().filter(|p| **p == platform).count();
        count <= policy.platform_caps().of(platform) as usize
    });
    let groups = policy.groups().iter().all(|group| {
        let mut inside: Vec<Platform> = on_platforms.clone();
        inside.retain(|platform| group.platforms.contains(*platform));
        let one = inside.iter().all(|platform| *platform == inside[0]);
        inside.len() <= group.cap as usize && (one || group.mix == Mix::AnyPlatforms)
    });
    let types = by_type.iter().all(|kind| match policy.custom() {
        CustomRule::Ignore => true,
        CustomRule::OwnPlaces(cap) => {
            by_type.iter().filter(|other| *other == kind).count() <= cap as usize
        }
    });
    total && platforms && groups && types
}

/// The least set to displace, first victims first: by trying every subset.
pub(crate) fn least_displaced(
    policy: &Policy,
    held: &[Held],
    newcomer: &Newcomer,
) -> Vec<SessionId> {
    let mut line: Vec<Held> = held.to_vec();
    line.sort_by_key(|held| {
        let long_gone = held.away_ms.filter(|ms| *ms >= 60_000);
        let rank = long_gone.map_or((1, 0), |ms| (0, u64::MAX - ms));
        (rank, held.epoch, held.login_time, held.session)
    });
    let mut best: Option<Vec<usize>> = None;
    for gone in 0..1_u32 << line.len() {
        let is_gone = |index: usize| gone >> index & 1 == 1;
        let mut seats: Vec<Seat> = vec![(newcomer.platform, newcomer.custom_type)];
        let stays = line.iter().enumerate().filter(|(index, _)| !is_gone(*index));
        seats.extend(stays.map(|(_, held)| (held.platform, held.custom_type)));
        if !holds(policy, &seats) {
            continue;
        }
        let victims: Vec<usize> = (0..line.len()).filter(|index| is_gone(*index)).collect();
        let better =
            best.as_ref().is_none_or(|best| (victims.len(), &victims) < (best.len(), best));
        if better {
            best = Some(victims);
        }
    }
    best.expect("the newcomer alone always fits").iter().map(|index| line[*index].session).collect()
}
