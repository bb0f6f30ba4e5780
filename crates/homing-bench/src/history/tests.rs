//! The checker on histories made by hand, on a double with and without a fault, and on a server
//! (S-7.11).

use homing_proto::device::KickReason;
use homing_proto::frame::{Binding, Intent};
use homing_proto::id::{DeviceId, SessionId};
use homing_proto::time::WallTime;

use super::event::{Conn, Credential, Event, Fact, Fate, Hello, Kick, Login, Mark, Secret};
use super::*;

#[test]
fn ten_thousand_operations_of_64_devices_on_a_server_are_linearizable() {
    let tally = play(&arguments(Against::Server, 10_000, 64)).unwrap();
    assert_legal(&tally);
    assert!(tally.operations >= 10_000);
}

#[test]
fn admission_on_a_copy_is_found_and_the_same_decisions_one_at_a_time_are_not() {
    assert_legal(&play(&arguments(Against::Atomic, 2_000, 8)).unwrap());
    let tally = play(&arguments(Against::OnACopy, 2_000, 8)).unwrap();
    assert!(!tally.illegal.is_empty(), "{} operations", tally.operations);
}

#[test]
fn two_logins_at_once_are_legal_when_one_displaced_the_other() {
    let mut history = two_logins();
    history.told(1, Fate::Kicked(kicked(1, 2)), 40);
    assert!(history.is_legal());
}

#[test]
fn the_loser_of_two_logins_cannot_be_the_later_one() {
    let mut history = two_logins();
    history.told(2, Fate::Kicked(kicked(2, 1)), 40);
    assert!(!history.is_legal());
}

#[test]
fn what_was_displaced_is_in_no_list_that_was_asked_for_later() {
    let mut history = two_logins();
    history.list(2, (30, 35), &[2]);
    assert!(history.is_legal());
    history.list(2, (36, 39), &[1, 2]);
    assert!(!history.is_legal());
}

#[test]
fn who_was_displaced_is_answered_no_more() {
    let mut history = two_logins();
    // Asked for while the winner signed in: it may have come before.
    history.list(1, (12, 25), &[1]);
    assert!(history.is_legal());
    history.list(1, (26, 30), &[1]);
    assert!(!history.is_legal());
}

#[test]
fn no_epoch_is_minted_twice_and_none_is_left_out() {
    for epoch in [1, 3] {
        let mut history = Made::default();
        history.login(1, (10, 20), 1, &[1]);
        history.login(2, (30, 40), epoch, &[2]);
        assert!(!history.is_legal(), "{epoch}");
    }
}

#[test]
fn a_login_that_nobody_waited_for_explains_a_gap_if_it_was_asked_for_before() {
    for (asked, is_legal) in [(25, true), (45, false)] {
        let mut history = Made::default();
        history.login(1, (10, 20), 1, &[1]);
        history.unheard_login(3, asked);
        history.login(2, (30, 40), 3, &[2]);
        assert_eq!(history.is_legal(), is_legal, "asked at {asked}");
    }
}

#[test]
fn notices_come_in_the_order_of_commits() {
    let mut history = two_logins();
    history.devices(2, &[1], 45);
    history.devices(2, &[2], 46);
    assert!(!history.is_legal(), "it was told of its own place, and then of another's");
}

#[test]
fn a_history_that_lasts_too_long_is_not_judged() {
    let mut history = Made::default();
    history.login(1, (10, 20), 1, &[1]);
    history.list(1, (70_000_000_000, 70_000_000_001), &[1]);
    assert!(matches!(history.verdict(), Verdict::Undecided(..)));
}

fn arguments(against: Against, ops: u64, threads: u16) -> Arguments {
    Arguments { ops, threads, seed: 7, against }
}

fn assert_legal(tally: &Tally) {
    if let Some(text) = tally.illegal.iter().chain(&tally.undecided).next() {
        panic!("{text}");
    }
}

/// Two devices sign in at the same time where one may; the second one came later.
fn two_logins() -> Made {
    let mut history = Made::default();
    history.login(1, (10, 21), 1, &[1]);
    history.login(2, (11, 22), 2, &[2]);
    history
}

/// A history of devices that are one session each: session, device, connection and login of a
/// device have its number.
#[derive(Default)]
struct Made {
    events: Vec<Event>,
    frames: BTreeMap<u32, u32>,
}

impl Made {
    fn login(&mut self, device: u8, (asked, answered): (u64, u64), epoch: u64, list: &[u8]) {
        let answer = HelloAnswer::Welcome {
            session: session(device),
            secret: Some(Secret(device.into())),
            epoch,
            binding: Binding::Fresh,
            devices: sessions(list),
        };
        self.add(device, asked, Some(answered), What::Hello(hello(device), Some(answer)));
    }

    fn unheard_login(&mut self, device: u8, asked: u64) {
        self.add(device, asked, None, What::Hello(hello(device), None));
    }

    fn list(&mut self, device: u8, (asked, answered): (u64, u64), list: &[u8]) {
        let what = What::List(session(device), Some(Ok(sessions(list))));
        self.add(device, asked, Some(answered), what);
    }

    fn devices(&mut self, device: u8, list: &[u8], heard: u64) {
        self.add(device, 11, Some(heard), What::Devices(sessions(list)));
    }

    fn told(&mut self, device: u8, fate: Fate, heard: u64) {
        self.add(device, 11, Some(heard), What::Closed(session(device), fate));
    }

    fn add(&mut self, device: u8, asked: u64, answered: Option<u64>, what: What) {
        let conn = Conn(device.into());
        let next = self.frames.entry(conn.0).or_default();
        let frame = answered.map(|_| *next);
        *next += u32::from(answered.is_some());
        self.events.push(Event { conn, frame, asked, answered, what });
    }

    fn verdict(&self) -> Verdict {
        let mut facts = event::Facts::default();
        for number in 1..=2 {
            facts.add(
                session(number),
                Fact {
                    device: DeviceId([number; 16]),
                    platform: Platform::Linux,
                    custom_type: 0,
                    mark: Some(Mark(number.into())),
                    login_time: WallTime(number.into()),
                },
            );
        }
        let mut events = self.events.clone();
        events.sort_by_key(|event| event.asked);
        let dropped = BTreeMap::new();
        let history = History { user: "made".to_owned(), events, facts, dropped };
        search::judge(&Policy::preset(Preset::Single), &history)
    }

    fn is_legal(&self) -> bool {
        match self.verdict() {
            Verdict::Linearizable => true,
            Verdict::Illegal(_) => false,
            other => panic!("{other:?}"),
        }
    }
}

fn hello(device: u8) -> Hello {
    Hello {
        mark: Mark(device.into()),
        device: DeviceId([device; 16]),
        platform: Platform::Linux,
        custom_type: 0,
        intent: Intent::Explicit,
        resume: None,
        login: Some(Login(device.into())),
        counter: 1,
        credential: Credential::Shown,
    }
}

fn kicked(loser: u8, winner: u8) -> Kick {
    Kick { session: session(loser), reason: KickReason::Policy, by: Some(session(winner)) }
}

fn session(number: u8) -> SessionId {
    SessionId([number; 16])
}

fn sessions(numbers: &[u8]) -> Vec<SessionId> {
    numbers.iter().map(|number| session(*number)).collect()
}
