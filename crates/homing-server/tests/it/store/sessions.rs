//! Admission, fences and ends of sessions through the whole store.

use std::collections::BTreeSet;

use homing_core::policy::Preset;
use homing_core::server::registry::SecretHash;
use homing_proto::Code;
use homing_proto::frame::{Binding, Intent, Response};
use homing_proto::secret::SessionSecret;
use homing_server::store::{Act, Ask, Chosen, Command, Credentials, EndSession};

use super::desk::{Desk, News, block_on, resume, send, user_id};

#[test]
fn a_login_displaces_and_the_loser_hears_it_before_the_winner() {
    let dir = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(dir.path());
    let app = desk.app(Preset::Single);
    let first = desk.sign_in(app, "alice", 1);
    desk.seen.clear();
    let second = desk.sign_in(app, "alice", 2);
    // What was seen came before the winner's Welcome.
    let told = |news: &News| {
        matches!(news, News::Displaced(conn, record)
            if *conn == first.conn && record.session == first.session)
    };
    assert!(desk.seen.iter().any(told), "{:?}", desk.seen);
    // The fence: whatever the loser still had in flight is not carried out.
    assert_eq!(desk.send(first, "alice", 1).unwrap_err().code, Code::KICKED);
    assert_eq!(desk.send(second, "alice", 1), Ok(1));
    let devices = desk.seen.iter().rev().find_map(|news| match news {
        News::Devices(user, devices) if *user == second.user => Some(devices.len()),
        _ => None,
    });
    assert_eq!(devices, Some(1));
    desk.store.detach(first.user, first.conn);
    assert_eq!(desk.send(second, "alice", 2), Ok(2), "a late detach takes nobody off");
}

#[test]
fn a_session_resumes_after_a_restart_and_its_older_connection_is_fenced_off() {
    let dir = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(dir.path());
    let app = desk.app(Preset::Triple);
    let hello = desk.hello(app, "alice", 1, Intent::Explicit);
    let (_, first) = desk.bind(hello).unwrap();
    assert!(first.registered);
    drop(desk);
    let mut desk = Desk::open(dir.path());
    let hello = resume(desk.hello(app, "alice", 1, Intent::Automatic), &first);
    let (older, welcome) = desk.bind(hello).unwrap();
    assert_eq!((welcome.binding, welcome.session), (Binding::Resumed, first.session));
    assert!(!welcome.registered && welcome.secret.is_none());
    let hello = resume(desk.hello(app, "alice", 1, Intent::Automatic), &first);
    let (newer, _) = desk.bind(hello).unwrap();
    assert!(desk.seen.iter().any(|news| matches!(news, News::Superseded(c) if *c == older.conn)));
    assert_eq!(desk.send(older, "alice", 1).unwrap_err().code, Code::CONNECTION_SUPERSEDED);
    assert_eq!(desk.send(newer, "alice", 1), Ok(1));
}

#[test]
fn logout_ends_the_session_on_its_connection_and_from_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(dir.path());
    let app = desk.app(Preset::Triple);
    let hello = desk.hello(app, "alice", 1, Intent::Explicit);
    let (first, welcome) = desk.bind(hello).unwrap();
    assert_eq!(desk.ask(first, Ask::Logout), Ok(Response::Done));
    assert_eq!(desk.send(first, "alice", 1).unwrap_err().code, Code::SESSION_ENDED);
    let hello = resume(desk.hello(app, "alice", 1, Intent::Automatic), &welcome);
    assert!(desk.bind(hello).unwrap_err().terminal);

    let hello = desk.hello(app, "alice", 1, Intent::Explicit);
    let (second, welcome) = desk.bind(hello).unwrap();
    let end = |desk: &Desk, secret_hash| EndSession {
        app,
        user: user_id("alice"),
        session: welcome.session,
        secret_hash,
        conn: desk.conn(),
    };
    let wrong = end(&desk, SecretHash::of(&SessionSecret::new([0; 32])));
    desk.end(wrong).unwrap();
    desk.send(second, "alice", 1).unwrap();
    let right = end(&desk, SecretHash::of(welcome.secret.as_ref().unwrap()));
    desk.end(right.clone()).unwrap();
    desk.end(right).unwrap();
    let told = |news: &News| matches!(news, News::LoggedOut(conn) if *conn == second.conn);
    assert_eq!(desk.seen.iter().filter(|news| told(news)).count(), 1);
    assert_eq!(desk.send(second, "alice", 2).unwrap_err().code, Code::SESSION_ENDED);
}

#[test]
fn unknown_apps_and_unregistered_users_are_refused_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(dir.path());
    let closed = desk.closed_app();
    let hello = desk.hello(closed, "alice", 1, Intent::Explicit);
    let refuse = desk.bind(hello).unwrap_err();
    assert_eq!((refuse.error.code, refuse.terminal), (Code::USER_NOT_FOUND, true));
    let exist = desk.store.look_up(closed, vec![user_id("alice")]);
    assert_eq!(block_on(exist), Ok(vec![None]), "a refusal registers nobody");
    let alice = user_id("alice");
    assert_eq!(block_on(desk.store.create_user(closed, alice.clone(), String::new())), Ok(true));
    assert_eq!(block_on(desk.store.create_user(closed, alice, String::new())), Ok(false));
    desk.sign_in(closed, "alice", 1);
    let elsewhere = homing_proto::id::AppId::new(999).unwrap();
    let hello = desk.hello(elsewhere, "alice", 1, Intent::Explicit);
    assert_eq!(desk.bind(hello).unwrap_err().error.code, Code::UNKNOWN_APP);
}

#[test]
fn an_operator_kicks_bans_and_unbans() {
    let dir = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(dir.path());
    let app = desk.app(Preset::Multi);
    let one = desk.sign_in(app, "alice", 1);
    let other = desk.sign_in(app, "alice", 2);
    let alice = || user_id("alice");
    let sessions = Chosen::AllBut(vec![other.session]);
    let kick = Act::Kick { sessions, text: "bye".into(), credentials: Credentials::Keep };
    assert_eq!(block_on(desk.store.govern(app, alice(), kick)), Ok(1));
    assert_eq!(desk.send(one, "alice", 1).unwrap_err().code, Code::KICKED);
    desk.send(other, "alice", 1).unwrap();
    let ban = Act::Ban { until: None, text: String::new() };
    assert_eq!(block_on(desk.store.govern(app, alice(), ban)), Ok(1));
    let hello = desk.hello(app, "alice", 1, Intent::Explicit);
    assert_eq!(desk.bind(hello).unwrap_err().error.code, Code::USER_BANNED);
    assert_eq!(block_on(desk.store.govern(app, alice(), Act::Unban)), Ok(0));
    desk.sign_in(app, "alice", 1);
    let nobody = desk.store.govern(app, user_id("nobody"), Act::Unban);
    assert_eq!(block_on(nobody).unwrap_err().code, Code::USER_NOT_FOUND);
}

#[test]
fn of_many_simultaneous_logins_never_more_live_than_the_policy_allows() {
    const THREADS: u8 = 8;
    const LOGINS: usize = 40;
    let dir = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(dir.path());
    let app = desk.app(Preset::Single);
    let hellos: Vec<Vec<_>> = (0..THREADS)
        .map(|device| {
            (0..LOGINS).map(|_| desk.hello(app, "alice", device, Intent::Explicit)).collect()
        })
        .collect();
    let store = &desk.store;
    std::thread::scope(|scope| {
        for hellos in hellos {
            scope.spawn(move || {
                for hello in hellos {
                    store.submit(Command::Bind(Box::new(hello))).expect("taken");
                }
            });
        }
    });
    // Commit order is delivery order: follow who lives through all of it.
    let mut living = BTreeSet::new();
    for _ in 0..usize::from(THREADS) * LOGINS {
        let (conn, session) = desk.wait(|news| match news {
            News::Bound(conn, _, welcome) => Ok((conn, welcome.session)),
            other => Err(other),
        });
        for news in desk.seen.drain(..) {
            match news {
                News::Displaced(conn, _) | News::Superseded(conn) => assert!(living.remove(&conn)),
                News::Devices(..) => {}
                other => panic!("{other:?}"),
            }
        }
        living.insert(conn);
        assert_eq!(living.len(), 1, "{session} made it too many");
    }
    let devices = block_on(desk.store.devices(app, user_id("alice"))).unwrap();
    assert_eq!(devices.len(), 1);
}

#[test]
fn a_full_queue_answers_busy_and_takes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let options = homing_server::store::Options {
        clock: super::desk::clock,
        queue: 0,
        ..homing_server::store::Options::default()
    };
    let mut setup = Desk::open(dir.path());
    let app = setup.app(Preset::Multi);
    let alice = setup.sign_in(app, "alice", 1);
    drop(setup);
    let desk = Desk::open_with(dir.path(), options).unwrap();
    let refused = desk.store.submit(Command::Request { from: alice, id: 1, ask: send("alice", 1) });
    let error = refused.unwrap_err();
    assert_eq!(error.code, Code::SERVER_BUSY);
    assert!(error.retry_after_ms.is_some());
}
