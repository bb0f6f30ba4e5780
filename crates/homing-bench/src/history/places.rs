//! The policy by counting: no cleverness, so that it can judge what is clever (S-7.1, S-7.2).

use homing_core::policy::{CustomRule, Mix, Policy};
use homing_proto::device::Platform;
use homing_proto::id::SessionId;
use homing_proto::time::WallTime;

/// A session as a policy counts it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Counted {
    pub(crate) id: SessionId,
    pub(crate) platform: Platform,
    pub(crate) custom_type: u32,
    pub(crate) epoch: u64,
    pub(crate) login_time: WallTime,
}

/// Whether these may all live together.
pub(crate) fn holds(policy: &Policy, all: &[Counted]) -> bool {
    let own_place = |one: &&Counted| {
        one.custom_type != 0 && matches!(policy.custom(), CustomRule::OwnPlaces(_))
    };
    let on_platforms: Vec<Platform> =
        all.iter().filter(|one| !own_place(one)).map(|one| one.platform).collect();
    let count =
        |of: &dyn Fn(Platform) -> bool| on_platforms.iter().filter(|p| of(**p)).count() as u32;
    let platforms = Platform::ALL
        .into_iter()
        .all(|platform| count(&|p| p == platform) <= policy.platform_caps().of(platform));
    let groups = policy.groups().iter().all(|group| {
        let inside = |platform: Platform| group.platforms.contains(platform);
        let mut kinds: Vec<Platform> =
            on_platforms.iter().copied().filter(|platform| inside(*platform)).collect();
        kinds.sort_unstable();
        kinds.dedup();
        count(&inside) <= group.cap && (group.mix == Mix::AnyPlatforms || kinds.len() <= 1)
    });
    let types = match policy.custom() {
        CustomRule::Ignore => true,
        CustomRule::OwnPlaces(cap) => all.iter().filter(own_place).all(|one| {
            let same = all.iter().filter(own_place).filter(|o| o.custom_type == one.custom_type);
            same.count() as u32 <= cap
        }),
    };
    platforms && groups && types && all.len() as u32 <= policy.total_cap()
}

/// The least set whose absence makes room for the newcomer, by trying all sets, the smaller first;
/// of one size the one that takes the earliest logins first. Nobody is away for long enough here to
/// go before others.
pub(crate) fn least_displaced(
    policy: &Policy,
    held: &[Counted],
    newcomer: Counted,
) -> Vec<SessionId> {
    let mut victims = held.to_vec();
    victims.sort_by_key(|one| (one.epoch, one.login_time, one.id));
    for size in 0..=victims.len() {
        let mut best: Option<u32> = None;
        for set in sets_of(size, victims.len()) {
            let mut rest: Vec<Counted> =
                (0..victims.len()).filter(|at| set >> at & 1 == 0).map(|at| victims[at]).collect();
            rest.push(newcomer);
            // The lower bits are the earlier victims: the set that holds them has its bits low.
            if holds(policy, &rest) && best.is_none_or(|best| takes_first(set, best)) {
                best = Some(set);
            }
        }
        if let Some(set) = best {
            return (0..victims.len())
                .filter(|at| set >> at & 1 == 1)
                .map(|at| victims[at].id)
                .collect();
        }
    }
    unreachable!("a policy has room for one")
}

/// Whether a refusal named holders (S-7.5): some of the living, without whom the newcomer would fit.
pub(crate) fn are_holders(
    policy: &Policy,
    held: &[Counted],
    newcomer: Counted,
    holders: &[SessionId],
) -> bool {
    let are_alive = holders.iter().all(|holder| held.iter().any(|one| one.id == *holder));
    let without: Vec<Counted> =
        held.iter().copied().filter(|one| !holders.contains(&one.id)).chain([newcomer]).collect();
    !holders.is_empty() && are_alive && holds(policy, &without)
}

/// All sets of so many out of so many, as bits.
fn sets_of(size: usize, of: usize) -> impl Iterator<Item = u32> {
    let first = (1_u32 << size) - 1;
    // The next larger number with as many bits.
    std::iter::successors(Some(first), |set| {
        let low = set & set.wrapping_neg();
        let ripple = set.checked_add(low)?;
        (low != 0).then(|| ripple | (((set ^ ripple) >> 2) / low))
    })
    .take_while(move |set| *set < 1 << of)
}

/// Of two sets of one size, whether the first holds the earlier one where they differ first.
const fn takes_first(set: u32, other: u32) -> bool {
    let differ = set ^ other;
    differ != 0 && set >> differ.trailing_zeros() & 1 == 1
}

#[cfg(test)]
mod tests {
    use homing_core::policy::Preset;

    use super::*;

    fn one(number: u8, platform: Platform) -> Counted {
        Counted {
            id: SessionId([number; 16]),
            platform,
            custom_type: 0,
            epoch: u64::from(number),
            login_time: WallTime(0),
        }
    }

    /// S-7.2: of the sets that are least, the one with the earliest logins.
    #[test]
    fn the_earliest_logins_go_and_no_more_than_must() {
        use Platform::{Android, Ios, Linux, Web, Windows};
        let policy = Policy::preset(Preset::Triple);
        let held = [one(1, Android), one(2, Windows), one(3, Web)];
        let displaced = |platform| least_displaced(&policy, &held, one(9, platform));
        assert_eq!(displaced(Ios), [SessionId([1; 16])]);
        assert_eq!(displaced(Linux), [SessionId([2; 16])]);
        let all = Policy::preset(Preset::NimAll);
        let ten: Vec<Counted> = (1..=10).map(|number| one(number, Linux)).collect();
        assert!(holds(&all, &ten));
        assert_eq!(least_displaced(&all, &ten, one(11, Web)), [SessionId([1; 16])]);
        assert_eq!(least_displaced(&all, &ten[..9], one(11, Web)), []);
    }

    #[test]
    fn sets_are_complete() {
        assert_eq!(sets_of(0, 3).collect::<Vec<_>>(), [0]);
        assert_eq!(sets_of(2, 3).collect::<Vec<_>>(), [0b011, 0b101, 0b110]);
        assert_eq!(sets_of(10, 20).count(), 184_756);
    }
}
