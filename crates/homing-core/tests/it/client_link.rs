//! Losing a link and coming back: pace, hints, the server's window, hello counters (S-6).

use std::sync::{Arc, Mutex};

use homing_core::client::status::{LinkStatus, SessionStatus, SyncStatus};
use homing_core::client::{
    Command, DelayPolicy, Depth, Event, Failure, Hint, Input, LoginOptions, Opened, Output, Reply,
    Scene,
};
use homing_proto::frame::{ClientFrame, Refuse, ServerFrame};
use homing_proto::time::Time;
use homing_proto::{Code, Error};

use crate::client_desk::{Desk, Disk, entry, resumed, send, token, user, welcome};

/// S-6.7: a server that goes without a word takes everybody with it; they come back spread over the
/// window that it advertised (here 3 s).
#[test]
fn the_return_after_a_server_that_vanished_is_spread_over_its_window() {
    let waits: Vec<u64> = (0..40).map(|seed| wait_after(seed, Code::NETWORK)).collect();
    assert!(waits.iter().all(|wait| *wait <= 3_000), "{waits:?}");
    let thirds = [0, 1_000, 2_000]
        .map(|from| waits.iter().filter(|wait| (from..from + 1_000).contains(*wait)).count());
    assert!(thirds.iter().all(|third| *third >= 5), "not spread evenly: {thirds:?}");
    // The device's own network is nobody else's: no reason to wait for others.
    for code in [Code::OFFLINE, Code::LIVENESS] {
        let waits: Vec<u64> = (0..40).map(|seed| wait_after(seed, code)).collect();
        assert!(waits.iter().all(|wait| *wait <= 500), "{code}: {waits:?}");
    }
}

/// How long a desk waits after its link ended so.
fn wait_after(seed: u64, code: Code) -> u64 {
    let mut desk = Desk::seeded(seed);
    desk.login("alice");
    desk.welcome(1, 0);
    // Attempts keep their distance (S-6.3); that is not what is asked here.
    desk.pass(600);
    let attempt = desk.attempt();
    desk.put(Input::Lost(attempt, Error::new(code)));
    let LinkStatus::Waiting { until, cause, .. } = &desk.client.status().link else { panic!() };
    assert_ne!(cause.code, Code::OFFLINE, "what the app sees is `network`");
    until.since(desk.now.time)
}

/// S-6.2: the app's own delays, under the ceiling and behind the server's word.
#[test]
fn an_app_may_supply_its_own_delays_within_the_ceiling() {
    #[derive(Debug, Default)]
    struct Always(u64, Mutex<Vec<Failure>>);
    impl DelayPolicy for Always {
        fn delay_ms(&self, failure: Failure) -> Option<u64> {
            self.1.lock().unwrap().push(failure);
            Some(self.0)
        }
    }
    let policy = Arc::new(Always(7_000, Mutex::default()));
    let mut desk = Desk::with_delays(policy.clone());
    desk.login("alice");
    desk.welcome(1, 0);
    desk.put(Input::Hint(Hint::Background));
    for number in 1..=3 {
        if number > 1 {
            desk.wait();
        }
        let attempt = desk.attempt();
        desk.put(Input::Lost(attempt, Error::new(Code::TIMEOUT)));
        let LinkStatus::Waiting { until, .. } = desk.client.status().link else { panic!() };
        assert_eq!(until.since(desk.now.time), 7_000);
        let told = policy.1.lock().unwrap().pop().unwrap();
        assert_eq!(told, Failure { number, code: Code::TIMEOUT, scene: Scene::Background });
    }
    // A policy that never waits meets the ceiling of I16.
    let mut desk = Desk::with_delays(Arc::new(Always(0, Mutex::default())));
    desk.login("alice");
    desk.welcome(1, 0);
    let mut times = Vec::new();
    for _ in 0..100 {
        let attempt = desk.attempt();
        desk.put(Input::Lost(attempt, Error::new(Code::TIMEOUT)));
        desk.wait();
        times.push(desk.now.time);
    }
    for window in times.windows(13) {
        assert!(window[12].since(window[0]) > 60_000);
    }
    // And what the server says holds.
    let attempt = desk.attempt();
    desk.put(Input::Lost(attempt, Error::new(Code::SERVER_BUSY).retry_after(90_000)));
    let LinkStatus::Waiting { until, .. } = desk.client.status().link else { panic!() };
    assert!(until.since(desk.now.time) >= 90_000);
}

/// S-6.2: five minutes at most in the background, twenty seconds in the foreground.
#[test]
fn waits_grow_to_their_cap_which_is_longer_in_the_background() {
    let longest = |scene| {
        let mut desk = Desk::new();
        desk.login("alice");
        desk.connect();
        let lasting =
            homing_proto::frame::Welcome { credential_expires_in_ms: None, ..welcome(1, 0) };
        desk.receive(ServerFrame::Welcome(Box::new(lasting)));
        desk.put(Input::Hint(scene));
        let mut longest = 0;
        for _ in 0..120 {
            let attempt = desk.attempt();
            desk.put(Input::Lost(attempt, Error::new(Code::TIMEOUT)));
            let LinkStatus::Waiting { until, .. } = desk.client.status().link else { panic!() };
            longest = longest.max(until.since(desk.now.time));
            desk.wait();
        }
        longest
    };
    // The ceiling on attempts may add to a short wait, never to a long one.
    let (seen, unseen) = (longest(Hint::Foreground), longest(Hint::Background));
    assert!((15_000..=60_001).contains(&seen), "{seen}");
    assert!((200_000..=300_000).contains(&unseen), "{unseen}");
}

/// S-6.4: after a change of network or a wake a living link must answer afresh, and dies if it does
/// not.
#[test]
fn a_wake_or_a_change_of_network_probes_a_living_link_afresh() {
    for hint in [Hint::Wake, Hint::NetworkUp] {
        let mut desk = Desk::signed_in("alice");
        desk.put(Input::Hint(hint));
        let [ClientFrame::Ping { nonce: first }] = desk.frames()[..] else { panic!() };
        desk.pass(3_000);
        desk.put(Input::Hint(hint));
        let [_, ClientFrame::Ping { nonce }] = desk.frames()[..] else { panic!("not asked again") };
        assert_ne!(first, nonce);
        // The answer to the first question says nothing about now, but a byte is a byte.
        desk.pass(1_000);
        desk.receive(ServerFrame::Pong { nonce, head: 0 });
        desk.put(Input::Timeout);
        assert!(desk.client.status().is_connected());
        desk.put(Input::Hint(hint));
        desk.pass(5_000);
        desk.put(Input::Timeout);
        assert!(!desk.client.status().is_connected(), "silence after a question is death");
    }
}

/// S-6.4: the clock of deadlines runs during sleep.
#[test]
fn a_link_that_was_slept_through_is_dead_at_once() {
    let mut desk = Desk::signed_in("alice");
    desk.pass(600_000);
    desk.put(Input::Hint(Hint::Wake));
    desk.put(Input::Timeout);
    assert!(!desk.client.status().is_connected());
    assert!(matches!(desk.session(), SessionStatus::SignedIn { .. }));
}

/// S-6.3: an attempt on a way that is no more does not hold up the next one.
#[test]
fn an_attempt_under_way_begins_anew_when_the_network_changes() {
    let mut desk = Desk::signed_in("alice");
    let attempt = desk.attempt();
    desk.put(Input::Lost(attempt, Error::new(Code::TIMEOUT)));
    desk.wait();
    let stale = desk.attempt();
    desk.put(Input::Hint(Hint::NetworkUp));
    assert_eq!(desk.attempt(), stale, "it has only just begun");
    desk.pass(2_000);
    desk.put(Input::Hint(Hint::NetworkUp));
    assert!(desk.out.contains(&Output::Close(stale)));
    assert_ne!(desk.attempt(), stale);
    // Also of an explicit login, which keeps its three dials (S-3.1).
    let mut desk = Desk::new();
    desk.login("alice");
    for _ in 0..5 {
        desk.pass(2_000);
        desk.put(Input::Hint(Hint::NetworkUp));
    }
    assert!(matches!(desk.session(), SessionStatus::SigningIn { .. }));
    desk.welcome(1, 0);
    assert!(desk.client.status().is_connected());
}

/// S-6.6: a device set back to a backup is behind by nobody knows how much, and comes in all the
/// same, with a counter that only rises.
#[test]
fn a_counter_behind_the_servers_catches_up_in_a_few_attempts() {
    let mut desk = Desk::signed_in("alice");
    let seen = 1_000_000;
    let attempt = desk.attempt();
    desk.put(Input::Lost(attempt, Error::new(Code::NETWORK)));
    let mut counters = Vec::new();
    loop {
        desk.connect();
        let counter = desk.hellos().pop().unwrap().counter;
        counters.push(counter);
        if counter > seen {
            break;
        }
        desk.receive(ServerFrame::Refuse(Box::new(Refuse {
            error: Code::HELLO_REPLAYED.into(),
            terminal: false,
            kick: None,
            holders: Vec::new(),
        })));
    }
    assert!(counters.len() <= 5, "{counters:?}");
    assert!(counters.is_sorted());
    desk.receive(ServerFrame::Welcome(Box::new(resumed(1, 0))));
    let attempt = desk.attempt();
    desk.put(Input::Lost(attempt, Error::new(Code::NETWORK)));
    desk.connect();
    let next = desk.hellos().pop().unwrap().counter;
    assert_eq!(next, counters.last().unwrap() + 1, "and then by one again");
}

/// S-2.4, I7: a data sync that stands still because the disk does ends, and is begun again later.
#[test]
fn a_data_sync_that_stands_still_ends_within_its_deadline() {
    let mut desk = Desk::signed_in("alice");
    desk.disk = Disk::Stuck;
    let attempt = desk.attempt();
    desk.disk = Disk::Quick;
    desk.put(Input::Lost(attempt, Error::new(Code::NETWORK)));
    desk.connect();
    let mut behind = resumed(1, 0);
    (behind.head, behind.sync.head) = (2, 2);
    desk.receive(ServerFrame::Welcome(Box::new(behind)));
    assert!(matches!(desk.client.status().sync, SyncStatus::CatchingUp { .. }));
    let (id, _) = desk.requests().pop().expect("a page is asked for");
    desk.disk = Disk::Stuck;
    desk.receive(page(id, 2));
    let (batch, ..) = desk.rows().pop().unwrap();
    desk.out.clear();
    let start = desk.now.time;
    while !desk.events().iter().any(|event| matches!(event, Event::SyncFailed(_))) {
        desk.pass(10_000);
        alive(&mut desk);
        desk.put(Input::Timeout);
    }
    assert_eq!(desk.now.time.since(start), 30_000);
    assert!(matches!(desk.client.status().sync, SyncStatus::Stalled { .. }));
    desk.pass(10_000);
    alive(&mut desk);
    assert!(desk.client.next_timeout().is_some_and(|at| at > desk.now.time), "no hot loop");
    desk.disk = Disk::Quick;
    desk.put(Input::Persisted(batch));
    let (id, _) = desk.requests().pop().expect("it is begun again");
    desk.receive(page(id, 2));
    let ends: Vec<_> = desk.events();
    assert!(ends.contains(&Event::SyncStarted) && ends.contains(&Event::SyncFinished), "{ends:?}");
    assert_eq!(desk.client.status().sync, SyncStatus::Live);
}

fn page(id: u32, head: u64) -> ServerFrame {
    use homing_proto::frame::{Response, SyncBody, SyncPage};
    let entries = (1..=head).map(|seq| entry("bob", seq)).collect();
    let body = SyncBody::Entries { first_offset: 1, entries };
    ServerFrame::Response { id, body: Ok(Response::Sync(SyncPage { log_epoch: 9, head, body })) }
}

/// The server pings, so that the link stays.
fn alive(desk: &mut Desk) {
    desk.receive(ServerFrame::Ping { nonce: 1, head: 2 });
}

/// I9: a store that turns out to be damaged in use is opened anew at once; the session goes on, and a
/// new link fills the fresh store.
#[test]
fn a_store_damaged_in_use_is_opened_anew_and_filled_by_the_next_link() {
    for by_read in [false, true] {
        let mut desk = Desk::signed_in("alice");
        let damage = Error::new(Code::STORE_CORRUPT);
        desk.disk = Disk::Stuck;
        let call = desk.call(send("bob", "hi"));
        let (batch, generation, _) = desk.rows().remove(0);
        desk.disk = Disk::Quick;
        desk.opened = Opened { reset: Some(damage.clone()), ..Opened::default() };
        if by_read {
            desk.put(Input::StoreDamaged(generation));
        } else {
            desk.put(Input::PersistFailed(batch, damage.clone()));
        }
        assert_eq!(desk.result(call).unwrap().unwrap_err().code, Code::STORE_CORRUPT);
        assert_eq!(desk.events(), [Event::StoreReset(damage.clone())]);
        assert!(desk.client.status().readable);
        assert!(matches!(desk.session(), SessionStatus::SignedIn { .. }));
        // What is said of the old one late changes nothing.
        desk.put(Input::StoreDamaged(generation));
        desk.put(Input::PersistFailed(batch, damage));
        assert_eq!(desk.events().len(), 1);
        desk.connect();
        assert_eq!(desk.hellos()[0].cursor, None, "the server sends a window");
        desk.receive(ServerFrame::Welcome(Box::new(welcome(1, 0))));
        assert_eq!(desk.client.status().sync, SyncStatus::Live);
        let call = desk.call(send("bob", "again"));
        assert!(matches!(desk.result(call), Some(Ok(Reply::Queued(_)))));
    }
}

/// S-3.1: what an explicit login says of the device goes with its Hello and every later one, also
/// after a restart.
#[test]
fn a_login_may_give_tag_and_client_type_of_its_own() {
    let mut desk = Desk::new();
    let options = LoginOptions {
        tag: Some("kiosk".to_owned()),
        custom_type: Some(7),
        depth: Depth::Live,
        ..LoginOptions::default()
    };
    let login = |options| Command::Login { user: user("alice"), credential: token("t"), options };
    desk.call(login(options));
    desk.welcome(1, 0);
    let mut later = Desk::with(desk.stored_account());
    later.call(Command::ResumeLast);
    later.connect();
    for hello in [desk.hellos().remove(0), later.hellos().remove(0)] {
        assert_eq!((hello.device.tag.as_str(), hello.device.custom_type), ("kiosk", 7));
    }
    let long = LoginOptions { tag: Some("x".repeat(33)), ..LoginOptions::default() };
    let call = Desk::new().call_for(login(long));
    assert_eq!(call.unwrap_err().code, Code::INVALID_ARGUMENT);
}

/// S-3.1: each depth completes when its own point is reached and not before.
#[test]
fn a_login_completes_at_the_depth_it_asked_for() {
    let known = Desk::signed_in("alice").client.account().clone();
    let mut desk = Desk::with(known);
    let login = |depth| Command::Login {
        user: user("alice"),
        credential: token("other"),
        options: LoginOptions { depth, ..LoginOptions::default() },
    };
    let [local, verified, screen, live] =
        [Depth::Local, Depth::Verified, Depth::FirstScreen, Depth::Live]
            .map(|d| desk.call(login(d)));
    assert!(desk.result(local).is_some_and(|result| result.is_ok()));
    assert_eq!(desk.result(verified), None);
    desk.connect();
    let mut behind = resumed(1, 0);
    behind.secret = welcome(1, 0).secret;
    behind.binding = welcome(1, 0).binding;
    (behind.head, behind.sync.head) = (2, 2);
    desk.receive(ServerFrame::Welcome(Box::new(behind)));
    assert!(desk.result(verified).is_some_and(|result| result.is_ok()));
    assert_eq!((desk.result(screen), desk.result(live)), (None, None));
    let (id, _) = desk.requests().pop().unwrap();
    desk.receive(page(id, 2));
    assert!(desk.result(screen).is_some_and(|result| result.is_ok()));
    assert!(desk.result(live).is_some_and(|result| result.is_ok()));
}

/// Nothing here depends on where a clock begins.
#[test]
fn a_clock_that_begins_at_zero_is_as_good_as_any() {
    let mut desk = Desk::new();
    desk.now.time = Time(0);
    desk.login("alice");
    desk.welcome(1, 0);
    assert!(desk.client.status().is_connected());
}
