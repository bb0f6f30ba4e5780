//! `admit` against a plain model, and the presets as their names say (S-7.1, S-7.2).

use homing_core::policy::{
    Admission, CustomRule, Group, Held, Mix, Newcomer, PlatformCaps, PlatformSet, Policy, Preset,
    admit,
};
use homing_proto::Code;
use homing_proto::device::Platform;
use homing_proto::frame::Intent;
use homing_proto::id::SessionId;
use homing_proto::time::WallTime;
use proptest::prelude::*;

use crate::policy_model::{Seat, holds, least_displaced};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn an_explicit_login_displaces_exactly_the_set_that_trying_every_subset_finds(
        policy in any_policy(),
        held in any_held(0..=8),
        newcomer in any_newcomer(),
    ) {
        let expected = Admission::Accept { displaced: least_displaced(&policy, &held, &newcomer) };
        prop_assert_eq!(admit(&policy, &held, &newcomer, Intent::Explicit), expected);
    }

    #[test]
    fn nobody_is_displaced_by_an_automatic_or_polite_login(
        policy in any_policy(),
        held in any_held(0..=8),
        newcomer in any_newcomer(),
        intent in prop_oneof![Just(Intent::Automatic), Just(Intent::ExplicitPolite)],
    ) {
        let mut seats: Vec<Seat> = held.iter().map(|h| (h.platform, h.custom_type)).collect();
        seats.push((newcomer.platform, newcomer.custom_type));
        match admit(&policy, &held, &newcomer, intent) {
            Admission::Accept { displaced } => {
                prop_assert!(displaced.is_empty());
                prop_assert!(holds(&policy, &seats));
            }
            Admission::Refuse { holders } => {
                prop_assert!(!holds(&policy, &seats));
                prop_assert!(!holders.is_empty());
                prop_assert!(holders.iter().all(|id| held.iter().any(|h| h.session == *id)));
            }
        }
    }

    #[test]
    fn with_many_sessions_the_policy_holds_afterwards_and_no_victim_could_have_stayed(
        policy in any_policy(),
        held in any_held(20..=40),
        newcomer in any_newcomer(),
    ) {
        let Admission::Accept { displaced } = admit(&policy, &held, &newcomer, Intent::Explicit)
        else {
            return Err(TestCaseError::fail("an explicit login was refused"));
        };
        let mut seats: Vec<Seat> = vec![(newcomer.platform, newcomer.custom_type)];
        let stay = held.iter().filter(|h| !displaced.contains(&h.session));
        seats.extend(stay.map(|h| (h.platform, h.custom_type)));
        prop_assert!(holds(&policy, &seats));
        for victim in held.iter().filter(|h| displaced.contains(&h.session)) {
            let mut more = seats.clone();
            more.push((victim.platform, victim.custom_type));
            prop_assert!(!holds(&policy, &more));
        }
    }

    #[test]
    fn the_order_in_which_sessions_are_listed_changes_nothing(
        policy in any_policy(),
        (held, shuffled) in any_held(0..=12)
            .prop_flat_map(|held| (Just(held.clone()), Just(held).prop_shuffle())),
        newcomer in any_newcomer(),
    ) {
        prop_assert_eq!(
            admit(&policy, &held, &newcomer, Intent::Explicit),
            admit(&policy, &shuffled, &newcomer, Intent::Explicit)
        );
    }
}

#[test]
fn each_preset_keeps_together_what_its_name_says() {
    use Platform::{Android, Harmony, Ios, Ipad, Linux, Macos, MiniProgram, Other, Web, Windows};
    // Everybody logs in once, in the schema's order; who is left at the end?
    let left = |preset: Preset| left_after(&Policy::preset(preset), &Platform::ALL);
    assert_eq!(left(Preset::Single), [Other]);
    assert_eq!(left(Preset::NimOne), [Other]);
    assert_eq!(left(Preset::ZimSingle), [Other]);
    assert_eq!(left(Preset::Dual), [MiniProgram, Other]);
    assert_eq!(left(Preset::Triple), [Harmony, MiniProgram, Other]);
    assert_eq!(
        left(Preset::Multi),
        [Android, Ios, Ipad, Harmony, Windows, Macos, Linux, MiniProgram, Other]
    );
    assert_eq!(left(Preset::NimDesktopMobile), [Harmony, Other]);
    assert_eq!(left(Preset::NimAll), Platform::ALL);
    assert_eq!(left(Preset::ZimDual), [Web, Other]);
    assert_eq!(left(Preset::ZimMulti), Platform::ALL);
}

#[test]
fn a_second_device_of_a_platform_takes_the_place_of_the_first_under_the_presets_of_one_each() {
    for preset in [Preset::Dual, Preset::Triple, Preset::Multi, Preset::ZimDual] {
        let phones = [Platform::Android, Platform::Web, Platform::Android];
        let left = left_after(&Policy::preset(preset), &phones);
        assert_eq!(left, [Platform::Web, Platform::Android], "{preset:?}");
    }
}

#[test]
fn the_eleventh_session_displaces_the_earliest_under_nim_all() {
    let policy = Policy::preset(Preset::NimAll);
    let held: Vec<Held> = (1..=10).map(|n| held(n, Platform::Android)).collect();
    assert_eq!(explicit(&policy, &held, Platform::Web), [id(1)]);
}

#[test]
fn zim_multi_has_ten_places_on_the_web_and_ten_elsewhere() {
    let policy = Policy::preset(Preset::ZimMulti);
    let mut all: Vec<Held> = (1..=10).map(|n| held(n, Platform::Web)).collect();
    all.extend((11..=20).map(|n| held(n, Platform::ALL[usize::from(n) % 7])));
    assert_eq!(explicit(&policy, &all, Platform::Web), [id(1)]);
    assert_eq!(explicit(&policy, &all, Platform::MiniProgram), [id(11)]);
}

#[test]
fn a_session_away_for_60_s_goes_before_one_that_logged_in_earlier() {
    let policy = policy(vec![], 10, 3);
    let away = |n, ms| Held { away_ms: Some(ms), ..held(n, Platform::Web) };
    let earliest = held(1, Platform::Web);
    let newcomer = Platform::Ios;
    assert_eq!(
        explicit(&policy, &[earliest, away(2, 60_000), away(3, 60_001)], newcomer),
        [id(3)],
        "the longest away first"
    );
    assert_eq!(
        explicit(&policy, &[earliest, away(2, 60_000), held(3, Platform::Web)], newcomer),
        [id(2)],
        "60 s are enough"
    );
    assert_eq!(
        explicit(&policy, &[earliest, away(2, 59_999), away(3, 59_998)], newcomer),
        [id(1)],
        "less than 60 s counts as being there"
    );
}

#[test]
fn a_narrower_policy_takes_effect_at_the_next_explicit_login() {
    let narrow = policy(vec![exclusive(&[Platform::Web, Platform::Linux], 10)], 10, 20);
    let held = [held(1, Platform::Web), held(2, Platform::Web), held(3, Platform::Linux)];
    // Two browsers are worth more than one desktop, whoever came first.
    assert_eq!(explicit(&narrow, &held, Platform::Ios), [id(3)]);
}

#[test]
fn custom_types_count_only_where_the_policy_says_so() {
    let chair = |n, kind| Held { custom_type: kind, ..held(n, Platform::Android) };
    let held = [chair(1, 7), chair(2, 8)];
    let newcomer = Newcomer { platform: Platform::Android, custom_type: 8 };
    let with = |custom| Policy::new(vec![], PlatformCaps::all(2), 10, custom).unwrap();
    let displaced = |policy: &Policy| match admit(policy, &held, &newcomer, Intent::Explicit) {
        Admission::Accept { displaced } => displaced,
        Admission::Refuse { .. } => panic!("refused"),
    };
    assert_eq!(displaced(&with(CustomRule::Ignore)), [id(1)]);
    assert_eq!(displaced(&with(CustomRule::OwnPlaces(1))), [id(2)]);
    assert_eq!(displaced(&with(CustomRule::OwnPlaces(2))), []);
}

#[test]
fn a_refusal_names_those_who_hold_the_places() {
    let triple = Policy::preset(Preset::Triple);
    let held = [held(1, Platform::Ipad), held(2, Platform::Web), held(3, Platform::Windows)];
    let refused = |policy: &Policy, platform| {
        let newcomer = Newcomer { platform, custom_type: 0 };
        match admit(policy, &held, &newcomer, Intent::ExplicitPolite) {
            Admission::Refuse { holders } => holders,
            Admission::Accept { .. } => panic!("there was no room"),
        }
    };
    assert_eq!(refused(&triple, Platform::Ios), [id(1)], "the other mobile device");
    assert_eq!(refused(&triple, Platform::Web), [id(2)], "the other browser");
    let three = policy(vec![], 10, 3);
    assert_eq!(refused(&three, Platform::Web), [id(1), id(2), id(3)], "everybody");
}

#[test]
fn a_policy_out_of_bounds_is_not_made() {
    let code = |made: Result<Policy, homing_proto::Error>| made.unwrap_err().code;
    let make = |groups, caps, total, custom| Policy::new(groups, caps, total, custom);
    let (one, ignore) = (PlatformCaps::all(1), CustomRule::Ignore);
    let web = || exclusive(&[Platform::Web], 1);
    for made in [
        make(vec![], one, 0, ignore),
        make(vec![], one, 21, ignore),
        make(vec![], one.with(Platform::Ios, 0), 5, ignore),
        make(vec![], one.with(Platform::Web, 11), 5, ignore),
        make(vec![exclusive(&[Platform::Web], 0)], one, 5, ignore),
        make(vec![exclusive(&[Platform::Web], 11)], one, 5, ignore),
        make(vec![exclusive(&[], 1)], one, 5, ignore),
        make(vec![web(), web()], one, 5, ignore),
        make(vec![], one, 5, CustomRule::OwnPlaces(0)),
        make(vec![], one, 5, CustomRule::OwnPlaces(11)),
    ] {
        assert_eq!(code(made), Code::INVALID_ARGUMENT);
    }
    assert!(make(vec![web()], PlatformCaps::all(10), 20, CustomRule::OwnPlaces(10)).is_ok());
}

#[test]
fn every_preset_is_found_by_its_name_and_triple_is_the_default() {
    for preset in Preset::ALL {
        assert_eq!(Preset::from_name(preset.name()), Some(preset));
    }
    assert_eq!(Preset::from_name("none"), None);
    assert_eq!(Policy::default(), Policy::preset(Preset::Triple));
}

/// The platforms still signed in after each logged in explicitly, in this order.
fn left_after(policy: &Policy, logins: &[Platform]) -> Vec<Platform> {
    let mut living: Vec<Held> = Vec::new();
    for (n, platform) in (1..).zip(logins) {
        let gone = explicit(policy, &living, *platform);
        living.retain(|held| !gone.contains(&held.session));
        living.push(held(n, *platform));
    }
    living.iter().map(|held| held.platform).collect()
}

fn explicit(policy: &Policy, held: &[Held], platform: Platform) -> Vec<SessionId> {
    match admit(policy, held, &Newcomer { platform, custom_type: 0 }, Intent::Explicit) {
        Admission::Accept { displaced } => displaced,
        Admission::Refuse { .. } => panic!("an explicit login was refused"),
    }
}

fn policy(groups: Vec<Group>, platform_cap: u32, total_cap: u32) -> Policy {
    Policy::new(groups, PlatformCaps::all(platform_cap), total_cap, CustomRule::Ignore).unwrap()
}

fn exclusive(platforms: &[Platform], cap: u32) -> Group {
    Group { platforms: PlatformSet::of(platforms), mix: Mix::OnePlatform, cap }
}

/// A connected session, the `n`th to log in.
fn held(n: u8, platform: Platform) -> Held {
    Held {
        session: id(n),
        platform,
        custom_type: 0,
        epoch: u64::from(n),
        login_time: WallTime(u64::from(n)),
        away_ms: None,
    }
}

const fn id(n: u8) -> SessionId {
    SessionId([n; 16])
}

pub(crate) fn any_policy() -> impl Strategy<Value = Policy> {
    prop_oneof![
        proptest::sample::select(Preset::ALL.to_vec()).prop_map(Policy::preset),
        any_custom_policy(),
    ]
}

fn any_custom_policy() -> impl Strategy<Value = Policy> {
    let mix = prop_oneof![Just(Mix::OnePlatform), Just(Mix::AnyPlatforms)];
    let custom =
        prop_oneof![Just(CustomRule::Ignore), (1..=3_u32).prop_map(CustomRule::OwnPlaces),];
    // Each platform draws its group; 0 is none.
    let membership = proptest::array::uniform10(0..=4_usize);
    let shapes = proptest::collection::vec((mix, 1..=4_u32), 4);
    let caps = proptest::array::uniform10(1..=4_u32);
    (membership, shapes, caps, 1..=8_u32, custom).prop_map(
        |(membership, shapes, caps, total, custom)| {
            let of_group = |number: usize| -> PlatformSet {
                let mine = Platform::ALL.into_iter().zip(membership);
                mine.filter(|(_, group)| *group == number).map(|(platform, _)| platform).collect()
            };
            let groups = (1..).zip(shapes).map(|(number, (mix, cap))| Group {
                platforms: of_group(number),
                mix,
                cap,
            });
            let groups = groups.filter(|group| group.platforms != PlatformSet::EMPTY).collect();
            let caps = Platform::ALL
                .into_iter()
                .zip(caps)
                .fold(PlatformCaps::all(1), |all, (platform, cap)| all.with(platform, cap));
            Policy::new(groups, caps, total, custom).unwrap()
        },
    )
}

fn any_held(count: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Vec<Held>> {
    let away = prop_oneof![Just(None), (0..=120_000_u64).prop_map(Some), Just(Some(90_000))];
    let one = (any_platform(), any_custom_type(), 0..=5_u64, 0..=3_u64, away);
    proptest::collection::vec(one, count).prop_map(|all| {
        let named = (1_u8..).zip(all);
        named
            .map(|(n, (platform, custom_type, epoch, login, away_ms))| Held {
                platform,
                custom_type,
                epoch,
                login_time: WallTime(login),
                away_ms,
                ..held(n, platform)
            })
            .collect()
    })
}

fn any_newcomer() -> impl Strategy<Value = Newcomer> {
    (any_platform(), any_custom_type())
        .prop_map(|(platform, custom_type)| Newcomer { platform, custom_type })
}

pub(crate) fn any_platform() -> impl Strategy<Value = Platform> {
    proptest::sample::select(Platform::ALL.to_vec())
}

fn any_custom_type() -> impl Strategy<Value = u32> {
    prop_oneof![3 => Just(0_u32), 1 => 1..=3_u32]
}
