//! What the client machine does with what happens to it, clause by clause.

use homing_core::client::status::{Action, CredentialStatus, LinkStatus, SyncStatus, Trust, Why};
use homing_core::client::{
    Command, Event, Hint, Input, LocalData, LoginOptions, Opened, Output, Reply,
    status::SessionStatus,
};
use homing_proto::frame::{ClientFrame, Close, Intent, Refuse, Response, ServerFrame};
use homing_proto::id::SessionId;
use homing_proto::time::WallTime;
use homing_proto::{Code, Error};

use crate::client_desk::{Desk, Disk, Stores, entry, kicked, resumed, send, token, user, welcome};

/// S-6.6: one question, one answer; S-2.2.
#[test]
fn an_explicit_login_asks_once_and_is_verified_when_all_is_durable() {
    let mut desk = Desk::new();
    let call = desk.login("alice");
    assert!(matches!(desk.session(), SessionStatus::SigningIn { .. }));
    desk.connect();
    let hello = desk.hellos().remove(0);
    assert_eq!((hello.intent, hello.counter, hello.resume), (Intent::Explicit, 1, None));
    desk.disk = Disk::Stuck;
    desk.receive(ServerFrame::Welcome(Box::new(welcome(1, 0))));
    assert_eq!(desk.result(call), None, "nothing is durable yet");
    let batches: Vec<_> = desk
        .out
        .iter()
        .filter_map(|output| match output {
            Output::PersistAccount(batch, _) | Output::PersistRows(batch, ..) => Some(*batch),
            _ => None,
        })
        .collect();
    for batch in batches {
        desk.put(Input::Persisted(batch));
    }
    assert_eq!(desk.result(call), Some(Ok(Reply::LoggedIn { already: false, registered: false })));
    assert!(matches!(desk.session(), SessionStatus::SignedIn { trust: Trust::Verified, .. }));
    assert_eq!(desk.client.status().sync, SyncStatus::Live);
    assert_eq!(desk.hellos().len(), 1);
}

/// S-6.6.
#[test]
fn hello_waits_until_its_counter_is_durable() {
    let mut desk = Desk::new();
    desk.disk = Disk::Stuck;
    desk.login("alice");
    desk.connect();
    assert!(desk.hellos().is_empty());
    let stored = desk.out.iter().find_map(|output| match output {
        Output::PersistAccount(batch, account) => Some((*batch, account.counter)),
        _ => None,
    });
    let (batch, counter) = stored.expect("the counter is stored");
    desk.put(Input::Persisted(batch));
    assert_eq!(desk.hellos()[0].counter, counter);
}

/// S-3.4.
#[test]
fn a_second_login_of_the_same_account_joins_or_succeeds_at_once() {
    let mut desk = Desk::new();
    let first = desk.login("alice");
    let second = desk.login("alice");
    desk.welcome(1, 0);
    assert!(desk.result(first).unwrap().is_ok());
    assert!(desk.result(second).unwrap().is_ok());
    let third = desk.login("alice");
    assert_eq!(desk.result(third), Some(Ok(Reply::LoggedIn { already: true, registered: false })));
    assert_eq!(desk.hellos().len(), 1);
}

/// S-3.6, S-3.1: at most three dials.
#[test]
fn a_login_that_nobody_answers_fails_with_timeout_and_stays_out() {
    let mut desk = Desk::new();
    let call = desk.login("alice");
    while desk.result(call).is_none() {
        desk.wait();
    }
    assert_eq!(desk.result(call).unwrap().unwrap_err().code, Code::TIMEOUT);
    assert!(desk.attempts().len() <= 3);
    assert!(matches!(desk.session(), SessionStatus::SignedOut { why: Why::LoginFailed(_) }));
    assert_eq!(desk.client.next_timeout(), None, "an explicit login is the user's act");
}

/// S-3.6.
#[test]
fn a_login_that_is_turned_away_by_the_network_fails_with_network() {
    let mut desk = Desk::new();
    let call = desk.login("alice");
    while desk.result(call).is_none() {
        if matches!(desk.client.status().link, LinkStatus::Connecting { .. }) {
            let attempt = desk.attempt();
            desk.put(Input::Lost(attempt, Error::new(Code::NETWORK)));
        } else {
            desk.wait();
        }
    }
    assert_eq!(desk.result(call).unwrap().unwrap_err().code, Code::NETWORK);
    assert_eq!(desk.attempts().len(), 3);
}

/// S-8.5.
#[test]
fn a_refused_credential_is_never_presented_again() {
    let mut desk = Desk::new();
    let call = desk.login("alice");
    desk.connect();
    desk.receive(refuse(Code::CREDENTIAL_EXPIRED));
    assert_eq!(desk.result(call).unwrap().unwrap_err().code, Code::CREDENTIAL_EXPIRED);
    for _ in 0..10 {
        let again = desk.login("alice");
        assert_eq!(desk.result(again).unwrap().unwrap_err().code, Code::CREDENTIAL_EXPIRED);
    }
    assert_eq!(desk.hellos().len(), 1);
    assert!(matches!(
        desk.session(),
        SessionStatus::SignedOut { why: Why::LoginFailed(error) }
            if error.code == Code::CREDENTIAL_EXPIRED
    ));
    let mut after_restart = Desk::with(desk.stored_account());
    let again = after_restart.login("alice");
    assert!(after_restart.result(again).unwrap().is_err());
    assert!(after_restart.attempts().is_empty());
}

/// S-3.5.
#[test]
fn more_than_five_logins_in_ten_seconds_are_too_frequent() {
    let mut desk = Desk::new();
    let mut refused = None;
    for n in 0..7 {
        let options = LoginOptions { timeout_ms: 1_000, ..LoginOptions::default() };
        let call = desk.call(Command::Login {
            user: user("alice"),
            credential: token(&n.to_string()),
            options,
        });
        while desk.result(call).is_none() {
            desk.wait();
        }
        let error = desk.result(call).unwrap().unwrap_err();
        if error.code == Code::TOO_FREQUENT {
            refused = Some((n, error));
            break;
        }
    }
    let (n, error) = refused.expect("the sixth is refused");
    assert_eq!(n, 5);
    assert!(error.retry_after_ms.is_some());
    assert!(desk.attempts().len() <= 5);
}

/// S-6.1, S-6.6.
#[test]
fn a_lost_link_comes_back_by_a_resume_without_login() {
    let mut desk = Desk::signed_in("alice");
    let attempt = desk.attempt();
    desk.put(Input::Lost(attempt, Error::new(Code::NETWORK)));
    assert!(matches!(desk.client.status().link, LinkStatus::Waiting { .. }));
    desk.connect();
    let hello = desk.hellos().remove(0);
    assert_eq!(hello.intent, Intent::Automatic);
    assert_eq!(hello.resume.unwrap().session, SessionId([1; 16]));
    assert_eq!((hello.counter, hello.login_id), (2, None));
    desk.receive(ServerFrame::Welcome(Box::new(resumed(1, 0))));
    assert!(desk.client.status().is_connected());
}

/// S-6.2, S-6.1.
#[test]
fn attempts_never_exceed_twelve_a_minute_and_never_end() {
    let mut desk = Desk::signed_in("alice");
    let attempt = desk.attempt();
    desk.put(Input::Lost(attempt, Error::new(Code::NETWORK)));
    let mut times = Vec::new();
    for step in 0..400 {
        if step % 3 == 0 {
            desk.put(Input::Hint(Hint::Tap));
        }
        let before = desk.attempts().len();
        desk.wait();
        if desk.attempts().len() > before {
            times.push(desk.now.time);
            let attempt = desk.attempt();
            desk.put(Input::Lost(attempt, Error::new(Code::NETWORK)));
        }
    }
    assert!(times.len() > 100);
    for window in times.windows(13) {
        assert!(window[12].since(window[0]) > 60_000, "13 attempts in {window:?}");
    }
}

/// S-5.2, S-7.6.
#[test]
fn a_kick_is_stored_before_it_is_announced_and_honoured_after_restart() {
    let mut desk = Desk::signed_in("alice");
    desk.disk = Disk::Stuck;
    desk.receive(kicked(SessionId([1; 16])));
    assert!(desk.events().is_empty());
    assert!(matches!(desk.session(), SessionStatus::SignedIn { .. }));
    let parked = desk.call(Command::ResumeLast);
    let batch = desk
        .out
        .iter()
        .find_map(|output| match output {
            Output::PersistAccount(batch, _) => Some(*batch),
            _ => None,
        })
        .unwrap();
    desk.disk = Disk::Quick;
    desk.put(Input::Persisted(batch));
    assert!(matches!(desk.events()[0], Event::Kicked(_)));
    assert!(matches!(desk.session(), SessionStatus::SignedOut { why: Why::Kicked(_) }));
    assert_eq!(desk.client.status().action(), Action::ShowKicked);
    assert_eq!(desk.result(parked).unwrap().unwrap_err().code, Code::NEEDS_EXPLICIT_LOGIN);
    assert!(desk.hellos().is_empty());
    let mut after = Desk::with(desk.stored_account());
    let resume = after.call(Command::ResumeLast);
    assert_eq!(after.result(resume).unwrap().unwrap_err().code, Code::NEEDS_EXPLICIT_LOGIN);
    let offline = after.call(Command::LoginOffline { user: user("alice"), credential: None });
    assert_eq!(after.result(offline).unwrap().unwrap_err().code, Code::NEEDS_EXPLICIT_LOGIN);
}

/// S-7.4.
#[test]
fn a_login_displaced_before_it_was_stored_does_not_displace_the_winner() {
    let mut desk = Desk::new();
    let call = desk.login("alice");
    desk.connect();
    desk.disk = Disk::Stuck;
    desk.receive(ServerFrame::Welcome(Box::new(welcome(1, 0))));
    desk.disk = Disk::Quick;
    desk.receive(kicked(SessionId([1; 16])));
    assert_eq!(desk.result(call).unwrap().unwrap_err().code, Code::KICKED);
    assert!(matches!(desk.session(), SessionStatus::SignedOut { why: Why::Kicked(_) }));
    assert_eq!(desk.hellos().len(), 1);
}

/// S-3.2.
#[test]
fn all_attempts_of_one_login_carry_one_name() {
    let mut desk = Desk::new();
    desk.login("alice");
    for _ in 0..2 {
        let attempt = desk.connect();
        desk.put(Input::Lost(attempt, Error::new(Code::NETWORK)));
    }
    let hellos = desk.hellos();
    assert_eq!(hellos.len(), 2);
    assert!(hellos[0].login_id.is_some());
    assert_eq!(hellos[0].login_id, hellos[1].login_id);
    assert!(hellos[0].counter < hellos[1].counter);
}

/// S-4.1.
#[test]
fn offline_login_answers_from_the_device_and_connects_by_itself() {
    let account = Desk::signed_in("alice").client.account().clone();
    let mut desk = Desk::with(account);
    let call = desk.call(Command::LoginOffline { user: user("alice"), credential: None });
    assert!(desk.result(call).unwrap().is_ok());
    assert!(matches!(desk.session(), SessionStatus::SignedIn { trust: Trust::Local, .. }));
    assert!(desk.client.status().readable);
    desk.connect();
    assert_eq!(desk.hellos()[0].intent, Intent::Automatic);
    desk.receive(ServerFrame::Welcome(Box::new(resumed(1, 0))));
    assert!(matches!(desk.session(), SessionStatus::SignedIn { trust: Trust::Verified, .. }));
}

/// S-4.2, S-9.3.
#[test]
fn offline_login_is_refused_for_each_reason_of_its_own() {
    let account = Desk::signed_in("alice").client.account().clone();
    let mut desk = Desk::with(account);
    let other = desk.call(Command::LoginOffline { user: user("bob"), credential: None });
    assert_eq!(desk.result(other).unwrap().unwrap_err().code, Code::OFFLINE_NOT_LAST_USER);
    let stale = (token("stale"), Some(WallTime(5)));
    let stale = desk.call(Command::LoginOffline { user: user("alice"), credential: Some(stale) });
    assert_eq!(desk.result(stale).unwrap().unwrap_err().code, Code::CREDENTIAL_EXPIRED);
    desk.pass(3_600_001);
    let late = desk.call(Command::LoginOffline { user: user("alice"), credential: None });
    assert_eq!(desk.result(late).unwrap().unwrap_err().code, Code::CREDENTIAL_EXPIRED);
    desk.call(Command::Logout(LocalData::Keep));
    let out = desk.call(Command::LoginOffline { user: user("alice"), credential: None });
    assert_eq!(desk.result(out).unwrap().unwrap_err().code, Code::NEEDS_EXPLICIT_LOGIN);
}

/// S-8.5.
#[test]
fn an_expired_credential_is_told_once_and_nothing_is_tried_until_there_is_another() {
    let mut desk = Desk::signed_in("alice");
    let close = Close {
        error: Code::CREDENTIAL_EXPIRED.into(),
        terminal: false,
        retry_window_ms: None,
        resume_ok: true,
        kick: None,
    };
    desk.receive(ServerFrame::Close(Box::new(close)));
    let needed = |desk: &Desk| {
        desk.events().iter().filter(|event| matches!(event, Event::CredentialNeeded(_))).count()
    };
    assert_eq!(needed(&desk), 1);
    assert!(matches!(
        desk.session(),
        SessionStatus::SignedIn { credential: CredentialStatus::Needed { .. }, .. }
    ));
    assert!(desk.client.status().readable);
    for hint in [Hint::Tap, Hint::NetworkUp, Hint::Wake] {
        desk.pass(100_000);
        desk.put(Input::Hint(hint));
        desk.put(Input::Timeout);
    }
    assert!(desk.attempts().is_empty());
    assert_eq!(desk.client.next_timeout(), None);
    let same = desk.call(Command::Renew(token("alice")));
    assert_eq!(desk.result(same).unwrap().unwrap_err().code, Code::CREDENTIAL_EXPIRED);
    let call = desk.call(send("bob", "later"));
    assert!(matches!(desk.result(call), Some(Ok(Reply::Queued(_)))), "the outbox keeps filling");
    desk.call(Command::Renew(token("fresh")));
    desk.connect();
    assert_eq!(desk.hellos()[0].credential, Some(token("fresh")));
    desk.receive(ServerFrame::Welcome(Box::new(resumed(1, 0))));
    assert_eq!((desk.requests().len(), needed(&desk)), (1, 1));
}

/// S-8.4.
#[test]
fn renewal_keeps_the_connection() {
    let mut desk = Desk::signed_in("alice");
    let call = desk.call(Command::Renew(token("fresh")));
    let (id, _) = desk.requests().remove(0);
    let body = Ok(Response::Renewed { credential_expires_in_ms: Some(1_000_000) });
    desk.receive(ServerFrame::Response { id, body });
    assert_eq!(desk.result(call), Some(Ok(Reply::Done)));
    assert_eq!(desk.stored_account().last.unwrap().credential, Some(token("fresh")));
    assert!(desk.attempts().is_empty());
}

/// S-9.2.
#[test]
fn logout_takes_effect_at_once_and_its_end_is_delivered_without_signing_in() {
    let mut desk = Desk::signed_in("alice");
    let attempt = desk.attempt();
    desk.put(Input::Lost(attempt, Error::new(Code::NETWORK)));
    desk.put(Input::Hint(Hint::NetworkDown));
    let call = desk.call(Command::Logout(LocalData::Keep));
    assert_eq!(desk.result(call), Some(Ok(Reply::Done)));
    assert!(matches!(desk.session(), SessionStatus::SignedOut { why: Why::Logout }));
    let account = desk.stored_account();
    let last = account.last.clone().unwrap();
    assert!(last.session.is_none() && last.credential.is_none());
    assert_eq!(account.jobs.len(), 1);
    let mut later = Desk::with(account);
    later.put(Input::Hint(Hint::Foreground));
    later.connect();
    assert!(later.hellos().is_empty());
    assert!(matches!(later.frames()[..], [ClientFrame::EndSession(_)]));
    later.receive(ServerFrame::Ended(SessionId([1; 16])));
    assert!(later.stored_account().jobs.is_empty());
    assert_eq!(later.client.next_timeout(), None);
}

/// S-9.1.
#[test]
fn a_switch_is_atomic_and_nothing_of_the_old_account_follows() {
    let mut desk = Desk::signed_in("alice");
    let old = desk.attempt();
    desk.disk = Disk::Stuck;
    desk.receive(ServerFrame::Push { offset: 1, entry: entry("bob", 1) });
    let (late, ..) = desk.rows().remove(0);
    desk.disk = Disk::Quick;
    desk.out.clear();
    desk.login("carol");
    desk.put(Input::Persisted(late));
    desk.put(Input::Received(old, ServerFrame::Push { offset: 2, entry: entry("bob", 2) }));
    assert!(desk.events().is_empty());
    let sessions: Vec<_> = desk
        .out
        .iter()
        .filter_map(|output| match output {
            Output::Status(status) => Some(status.session.clone()),
            _ => None,
        })
        .collect();
    assert!(
        sessions.iter().all(|session| *session == SessionStatus::SigningIn { user: user("carol") })
    );
    desk.welcome(2, 0);
    assert!(desk.frames().iter().any(|frame| matches!(frame, ClientFrame::EndSession(_))));
    assert_eq!(desk.client.status().user(), Some(&user("carol")));
}

/// S-9.1.
#[test]
fn a_switch_that_fails_does_not_bring_the_old_account_back() {
    let mut desk = Desk::signed_in("alice");
    let call = desk.login("carol");
    desk.connect();
    desk.receive(refuse(Code::USER_NOT_FOUND));
    assert_eq!(desk.result(call).unwrap().unwrap_err().code, Code::USER_NOT_FOUND);
    assert!(matches!(desk.session(), SessionStatus::SignedOut { .. }));
    let resume = desk.call(Command::ResumeLast);
    assert_eq!(desk.result(resume).unwrap().unwrap_err().code, Code::NEEDS_EXPLICIT_LOGIN);
}

/// S-6.4.
#[test]
fn a_silent_link_is_probed_and_taken_for_dead() {
    let mut desk = Desk::signed_in("alice");
    let start = desk.now.time;
    desk.wait();
    assert_eq!(desk.now.time.since(start), 30_000, "an idle link is dead after 30 s");
    assert!(!desk.client.status().is_connected());
    let mut desk = Desk::signed_in("alice");
    let start = desk.now.time;
    desk.call(send("bob", "anyone?"));
    while desk.client.status().is_connected() {
        desk.wait();
    }
    assert!(desk.frames().iter().any(|frame| matches!(frame, ClientFrame::Ping { .. })));
    assert_eq!(desk.now.time.since(start), 5_000, "with traffic it is dead after 5 s");
}

/// S-6.7.
#[test]
fn a_server_that_stops_is_returned_to_within_its_window() {
    let mut desk = Desk::signed_in("alice");
    let close = Close {
        error: Code::SERVER_STOPPING.into(),
        terminal: false,
        retry_window_ms: Some(60_000),
        resume_ok: true,
        kick: None,
    };
    desk.receive(ServerFrame::Close(Box::new(close)));
    let LinkStatus::Waiting { until, .. } = desk.client.status().link else { panic!() };
    assert!(until.since(desk.now.time) <= 60_000);
    assert!(matches!(desk.session(), SessionStatus::SignedIn { .. }));
}

/// S-6.3, S-2.3.
#[test]
fn without_network_nothing_is_tried_and_with_it_at_once() {
    let mut desk = Desk::signed_in("alice");
    desk.put(Input::Hint(Hint::NetworkDown));
    assert_eq!(desk.client.status().link, LinkStatus::NoNetwork);
    desk.pass(1_000_000);
    desk.put(Input::Timeout);
    assert!(desk.attempts().is_empty());
    desk.put(Input::Hint(Hint::NetworkUp));
    assert_eq!(desk.attempts().len(), 1);
}

/// S-9.4.
#[test]
fn suspend_closes_everything_and_resume_goes_on() {
    let mut desk = Desk::signed_in("alice");
    let call = desk.call(Command::Suspend);
    assert_eq!(desk.result(call), Some(Ok(Reply::Done)));
    assert_eq!(desk.client.status().link, LinkStatus::Paused);
    assert!(!desk.client.status().readable);
    let blocked = desk.call(send("bob", "no"));
    assert_eq!(desk.result(blocked).unwrap().unwrap_err().code, Code::NOT_READY);
    desk.call(Command::Resume);
    assert!(desk.client.status().readable);
    desk.connect();
    assert_eq!(desk.hellos().len(), 1);
}

/// S-3.7.
#[test]
fn unread_conversations_of_a_guessed_user_stay_shut_until_verified() {
    let account = Desk::signed_in("alice").client.account().clone();
    let mut desk = Desk::with(account);
    desk.login("mallory");
    assert!(!desk.client.status().readable);
    assert!(!desk.out.iter().any(|output| matches!(output, Output::Readable(Some(_)))));
    let mut desk = Desk::with(desk.client.account().clone());
    desk.login("alice");
    assert!(desk.client.status().readable, "the last account may be read at once (S-3.7)");
}

#[test]
fn on_an_errand_nothing_of_the_ended_session_is_told() {
    let mut desk = Desk::signed_in("alice");
    desk.call(Command::Logout(LocalData::Keep));
    desk.receive(ServerFrame::Devices(vec![homing_proto::device::DeviceInfo {
        session: SessionId([1; 16]),
        device: desk.device(),
        login_time: WallTime(1),
        online: true,
    }]));
    desk.receive(ServerFrame::Push { offset: 1, entry: entry("bob", 1) });
    assert!(desk.events().is_empty());
}

/// S-9.2.
#[test]
fn jobs_of_an_earlier_run_are_due_at_once() {
    let mut desk = Desk::signed_in("alice");
    desk.call(Command::Logout(LocalData::Keep));
    let mut later = Desk::with(desk.stored_account());
    assert!(later.client.next_timeout().is_some());
    later.put(Input::Timeout);
    assert_eq!(later.attempts().len(), 1);
}

/// S-3.4, S-3.1.
#[test]
fn a_joined_login_keeps_its_own_time_limit() {
    let mut desk = Desk::new();
    desk.login("alice");
    let options = LoginOptions { timeout_ms: 5_000, ..LoginOptions::default() };
    let login = Command::Login { user: user("alice"), credential: token("alice"), options };
    let start = desk.now.time;
    let joined = desk.call(login);
    while desk.result(joined).is_none() {
        desk.wait();
    }
    assert_eq!(desk.now.time.since(start), 5_000);
    assert!(matches!(desk.session(), SessionStatus::SigningIn { .. }));
}

#[test]
fn a_verdict_of_a_later_version_is_obeyed_by_its_family() {
    let mut desk = Desk::signed_in("alice");
    desk.receive(close(Code(399), false));
    assert!(matches!(desk.session(), SessionStatus::SignedOut { why: Why::LoginFailed(_) }));
    let mut desk = Desk::signed_in("alice");
    desk.receive(close(Code(299), false));
    assert_eq!(desk.client.status().action(), Action::AskForCredential);
    let mut desk = Desk::signed_in("alice");
    desk.receive(close(Code(699), false));
    assert!(matches!(desk.client.status().link, LinkStatus::Waiting { .. }));
    let mut desk = Desk::signed_in("alice");
    desk.receive(close(Code(699), true));
    assert!(matches!(desk.session(), SessionStatus::SignedOut { why: Why::LoginFailed(_) }));
}

/// S-5.2.
#[test]
fn a_verdict_that_a_full_disk_refused_is_stored_when_there_is_room() {
    let mut desk = Desk::signed_in("alice");
    desk.disk = Disk::Full;
    desk.receive(kicked(SessionId([1; 16])));
    assert!(matches!(desk.session(), SessionStatus::SignedOut { why: Why::Kicked(_) }));
    desk.put(Input::Hint(Hint::NetworkDown));
    desk.disk = Disk::Quick;
    desk.out.clear();
    desk.wait();
    assert!(matches!(desk.stored_account().last.unwrap().ended, Some(Why::Kicked(_))));
}

/// S-9.4.
#[test]
fn suspend_waits_for_every_store_to_be_closed() {
    let account = Desk::signed_in("alice").client.account().clone();
    let mut desk = Desk::with(account);
    desk.stores = Stores::Slow;
    desk.login("alice");
    let generation = desk.opening();
    desk.call(Command::Logout(LocalData::Keep));
    let call = desk.call(Command::Suspend);
    assert_eq!(desk.result(call), None);
    desk.put(Input::StoreOpened(generation, Opened::default()));
    assert_eq!(desk.result(call), None);
    desk.put(Input::StoreClosed(generation));
    assert_eq!(desk.result(call), Some(Ok(Reply::Done)));
}

/// S-4.1, S-9.4: a suspend does not leave a call behind that waits for a store nobody opens.
#[test]
fn a_suspend_ends_an_automatic_login_whose_store_is_still_opening() {
    let account = Desk::signed_in("alice").client.account().clone();
    let mut desk = Desk::with(account);
    desk.stores = Stores::Slow;
    let login = desk.call(Command::ResumeLast);
    assert_eq!(desk.result(login), None);
    desk.call(Command::Suspend);
    let error = desk.result(login).expect("it is over").unwrap_err();
    assert_eq!(error.code, Code::SUPERSEDED);
    desk.stores = Stores::Quick;
    desk.call(Command::Resume);
    let again = desk.call(Command::ResumeLast);
    assert!(desk.result(again).expect("it is over").is_ok());
}

fn close(code: Code, terminal: bool) -> ServerFrame {
    ServerFrame::Close(Box::new(Close {
        error: code.into(),
        terminal,
        retry_window_ms: None,
        resume_ok: false,
        kick: None,
    }))
}

fn refuse(code: Code) -> ServerFrame {
    ServerFrame::Refuse(Box::new(Refuse {
        error: code.into(),
        terminal: true,
        kick: None,
        holders: Vec::new(),
    }))
}
