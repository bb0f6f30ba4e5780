//! Who is signed in, clause by clause: what the tests of `client.rs` leave open.

use homing_core::client::status::{
    Action, Cause, CredentialStatus, LinkStatus, SessionStatus, Trust, Why,
};
use homing_core::client::{Command, Event, Hint, Input, LocalData, Output, Reply};
use homing_proto::device::{KickReason, KickRecord};
use homing_proto::frame::{ClientFrame, Close, Intent, Refuse, ServerFrame, Welcome};
use homing_proto::id::SessionId;
use homing_proto::time::WallTime;
use homing_proto::{Code, Error};

use crate::client_desk::{Desk, Disk, kicked, resumed, send, token, user, welcome};

/// S-9.2, I17: a logout made without a network is delivered when there is a server, be it after days
/// and restarts; until then nothing signs in, and the server's address is not run down.
#[test]
fn a_logout_made_offline_is_delivered_days_and_restarts_later() {
    let mut desk = Desk::signed_in("alice");
    desk.put(Input::Hint(Hint::NetworkDown));
    desk.call(Command::Logout(LocalData::Keep));
    let mut account = desk.stored_account();
    for _ in 0..4 {
        let mut later = Desk::with(account);
        let start = later.now.time;
        let mut attempts = 0;
        later.put(Input::Timeout);
        while later.now.time.since(start) < 86_400_000 {
            let made = later.attempts().len();
            assert!(later.hellos().is_empty());
            later.out.clear();
            if made > 0 {
                attempts += made;
                let attempt = later.attempt();
                later.put(Input::Lost(attempt, Error::new(Code::NETWORK)));
            } else {
                later.wait();
            }
        }
        assert!((100..2_000).contains(&attempts), "{attempts} attempts in a day");
        assert_eq!(*later.session(), SessionStatus::SignedOut { why: Why::Logout });
        account = later.client.account().clone();
    }
    let mut last = Desk::with(account);
    last.put(Input::Timeout);
    last.connect();
    assert!(matches!(last.frames()[..], [ClientFrame::EndSession(_)]));
    last.receive(ServerFrame::Ended(SessionId([1; 16])));
    assert!(last.stored_account().jobs.is_empty());
    let resume = last.call(Command::ResumeLast);
    assert_eq!(last.result(resume).unwrap().unwrap_err().code, Code::NEEDS_EXPLICIT_LOGIN);
}

/// S-2.1: every change has a higher number, a cause, and what the app should do.
#[test]
fn every_picture_has_a_number_a_cause_and_an_advice() {
    let mut desk = Desk::new();
    assert_eq!(desk.client.status().cause, Cause::Start);
    assert_eq!(desk.client.status().action(), Action::ShowLogin);
    desk.login("alice");
    assert_eq!(desk.client.status().cause, Cause::Call);
    desk.welcome(1, 0);
    let attempt = desk.attempt();
    desk.put(Input::Lost(attempt, Error::new(Code::NETWORK)));
    assert_eq!(desk.client.status().cause, Cause::Network);
    assert!(matches!(desk.client.status().action(), Action::WaitUntil(_)));
    desk.wait();
    assert_eq!(desk.client.status().cause, Cause::Timer);
    desk.connect();
    desk.receive(refuse(Code::VERSION_TOO_OLD, true));
    assert_eq!(desk.client.status().action(), Action::UpdateApp);
    let numbers: Vec<u64> = desk
        .out
        .iter()
        .filter_map(|output| match output {
            Output::Status(status) => Some(status.seq),
            _ => None,
        })
        .collect();
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{numbers:?}");
}

/// S-2.3: the states of the link on the way there and back.
#[test]
fn the_link_goes_through_its_states_in_order() {
    let mut desk = Desk::new();
    let state = |desk: &Desk| desk.client.status().link.clone();
    assert_eq!(state(&desk), LinkStatus::Idle);
    desk.login("alice");
    assert_eq!(state(&desk), LinkStatus::Connecting { attempt: 1 });
    desk.connect();
    assert_eq!(state(&desk), LinkStatus::Handshaking);
    desk.receive(ServerFrame::Welcome(Box::new(welcome(1, 0))));
    assert!(matches!(state(&desk), LinkStatus::Connected { .. }));
    let attempt = desk.attempt();
    desk.put(Input::Lost(attempt, Error::new(Code::TIMEOUT)));
    let LinkStatus::Waiting { attempt, cause, .. } = state(&desk) else { panic!() };
    assert_eq!((attempt, cause.code), (2, Code::TIMEOUT));
    desk.put(Input::Hint(Hint::NetworkDown));
    assert_eq!(state(&desk), LinkStatus::NoNetwork);
    desk.call(Command::Suspend);
    assert_eq!(state(&desk), LinkStatus::Paused);
}

/// S-3.3: that a login created its user is told; an unknown user whom nobody may create is refused.
#[test]
fn a_login_says_whether_it_created_the_user() {
    let mut desk = Desk::new();
    let call = desk.login("alice");
    desk.connect();
    let created = Welcome { registered: true, ..welcome(1, 0) };
    desk.receive(ServerFrame::Welcome(Box::new(created)));
    assert_eq!(desk.result(call), Some(Ok(Reply::LoggedIn { already: false, registered: true })));
    let mut desk = Desk::new();
    let call = desk.login("nobody");
    desk.connect();
    desk.receive(refuse(Code::USER_NOT_FOUND, true));
    assert_eq!(desk.result(call).unwrap().unwrap_err().code, Code::USER_NOT_FOUND);
}

/// S-3.4: another credential of the same account is a renewal, on the link that is there.
#[test]
fn a_login_of_the_same_account_with_another_credential_renews() {
    let mut desk = Desk::signed_in("alice");
    let options = homing_core::client::LoginOptions::default();
    let login = Command::Login { user: user("alice"), credential: token("fresh"), options };
    let call = desk.call(login);
    let (id, _) = desk.requests().remove(0);
    let renewed = homing_proto::frame::Response::Renewed { credential_expires_in_ms: None };
    desk.receive(ServerFrame::Response { id, body: Ok(renewed) });
    assert_eq!(desk.result(call), Some(Ok(Reply::LoggedIn { already: true, registered: false })));
    assert!(desk.attempts().is_empty());
}

/// S-3.7: what was readable stays so when that login fails for want of a network, until the next login,
/// and a guessed user reads nothing.
#[test]
fn local_data_stays_readable_when_the_login_fails_for_the_network() {
    let account = Desk::signed_in("alice").client.account().clone();
    let mut desk = Desk::with(account);
    let call = desk.login("alice");
    while desk.result(call).is_none() {
        desk.wait();
    }
    assert!(desk.result(call).unwrap().is_err());
    assert!(desk.client.status().readable);
    desk.login("mallory");
    assert!(!desk.client.status().readable);
}

/// S-3.8: without a link questions fail with `offline`, messages wait; signed out both are refused.
#[test]
fn without_a_link_questions_are_offline_and_messages_wait() {
    let mut desk = Desk::signed_in("alice");
    desk.put(Input::Hint(Hint::NetworkDown));
    let question = desk.call(Command::Devices);
    assert_eq!(desk.result(question).unwrap().unwrap_err().code, Code::OFFLINE);
    let message = desk.call(send("bob", "hi"));
    assert!(matches!(desk.result(message), Some(Ok(Reply::Queued(_)))));
    desk.call(Command::Logout(LocalData::Keep));
    for command in [Command::Devices, send("bob", "hi")] {
        let call = desk.call(command);
        assert_eq!(desk.result(call).unwrap().unwrap_err().code, Code::NOT_LOGGED_IN);
    }
}

/// S-4.4: what the server says when it is reached at last ends an offline login, and its data closes.
#[test]
fn an_offline_login_ends_with_the_servers_verdict_and_its_data_closes() {
    let account = Desk::signed_in("alice").client.account().clone();
    let kick = KickRecord {
        session: SessionId([1; 16]),
        reason: KickReason::Policy,
        by: None,
        text: String::new(),
        time: WallTime(1),
    };
    for (code, kick) in [
        (Code::KICKED, Some(kick)),
        (Code::USER_BANNED, None),
        (Code::ACCOUNT_DELETED, None),
        (Code::VERSION_TOO_OLD, None),
        (Code::SESSION_ENDED, None),
    ] {
        let mut desk = Desk::with(account.clone());
        desk.call(Command::LoginOffline { user: user("alice"), credential: None });
        assert!(desk.client.status().readable);
        desk.connect();
        let ServerFrame::Refuse(refuse) = refuse(code, true) else { panic!() };
        let refuse = Refuse { kick, ..*refuse };
        desk.receive(ServerFrame::Refuse(Box::new(refuse)));
        assert_eq!(desk.client.status().user(), None, "{code}");
        assert!(!desk.client.status().readable);
        let resume = desk.call(Command::ResumeLast);
        assert_eq!(desk.result(resume).unwrap().unwrap_err().code, Code::NEEDS_EXPLICIT_LOGIN);
    }
}

/// S-4.4, I1: a deleted app is the end of a session that the server names. A server that never had the
/// app may be the wrong one, and ends nothing.
#[test]
fn a_deleted_app_ends_the_session_that_its_record_names_and_no_other() {
    let told = |session: u8, reason: Option<KickReason>| {
        let mut desk = Desk::signed_in("alice");
        let attempt = desk.attempt();
        desk.put(Input::Lost(attempt, Error::new(Code::NETWORK)));
        desk.connect();
        let ServerFrame::Refuse(refuse) = refuse(Code::UNKNOWN_APP, true) else { panic!() };
        let kick = reason.map(|reason| KickRecord {
            session: SessionId([session; 16]),
            reason,
            by: None,
            text: String::new(),
            time: WallTime(1),
        });
        desk.receive(ServerFrame::Refuse(Box::new(Refuse { kick, ..*refuse })));
        desk
    };
    let mut desk = told(1, Some(KickReason::AccountDeleted));
    assert_eq!(*desk.session(), SessionStatus::SignedOut { why: Why::AccountDeleted });
    let resume = desk.call(Command::ResumeLast);
    assert_eq!(desk.result(resume).unwrap().unwrap_err().code, Code::NEEDS_EXPLICIT_LOGIN);
    for (session, reason) in
        [(1, None), (2, Some(KickReason::AccountDeleted)), (1, Some(KickReason::Policy))]
    {
        let desk = told(session, reason);
        assert!(matches!(desk.session(), SessionStatus::SignedIn { .. }), "{reason:?}");
        assert!(matches!(desk.client.status().link, LinkStatus::Waiting { .. }));
    }
}

/// S-5.1: the app gives nothing, nobody is displaced, and it is never given up.
#[test]
fn an_automatic_login_never_displaces_and_never_gives_up() {
    let mut account = Desk::signed_in("alice").client.account().clone();
    // The server's patience with the credential is not what this is about (S-8.6).
    account.last.as_mut().unwrap().credential_expires = None;
    let mut desk = Desk::with(account);
    let call = desk.call(Command::ResumeLast);
    assert!(desk.result(call).unwrap().is_ok());
    for _ in 0..50 {
        let attempt = desk.connect();
        desk.put(Input::Lost(attempt, Error::new(Code::NETWORK)));
    }
    assert!(desk.hellos().iter().all(|hello| hello.intent == Intent::Automatic));
    assert_eq!(desk.hellos().len(), 50);
    desk.connect();
    desk.receive(ServerFrame::Welcome(Box::new(resumed(1, 0))));
    assert!(matches!(desk.session(), SessionStatus::SignedIn { trust: Trust::Verified, .. }));
}

/// S-5.3: a session that the server no longer knows is signed in anew with the stored credential,
/// without displacing; where there is no room it is out.
#[test]
fn a_session_that_aged_out_comes_back_only_where_there_is_room() {
    let mut desk = Desk::signed_in("alice");
    let attempt = desk.attempt();
    desk.put(Input::Lost(attempt, Error::new(Code::NETWORK)));
    desk.connect();
    let hello = desk.hellos().remove(0);
    assert_eq!((hello.intent, hello.credential), (Intent::Automatic, Some(token("alice"))));
    let anew =
        Welcome { binding: homing_proto::frame::Binding::FreshSessionUnknown, ..welcome(2, 0) };
    desk.receive(ServerFrame::Welcome(Box::new(anew)));
    assert!(desk.client.status().is_connected());
    assert_eq!(desk.stored_account().last.unwrap().session.unwrap().session, SessionId([2; 16]));
    let mut desk = Desk::signed_in("alice");
    let attempt = desk.attempt();
    desk.put(Input::Lost(attempt, Error::new(Code::NETWORK)));
    desk.connect();
    desk.receive(refuse(Code::DEVICE_LIMIT, true));
    assert!(matches!(desk.session(), SessionStatus::SignedOut { why: Why::LoginFailed(_) }));
}

/// S-6.7: between the two numbers of the server, a moment that differs from client to client.
#[test]
fn a_retry_after_is_honoured_and_spread() {
    let mut desk = Desk::signed_in("alice");
    desk.receive(ServerFrame::Close(Box::new(Close {
        error: Error::new(Code::SERVER_BUSY).retry_after(40_000),
        terminal: false,
        retry_window_ms: None,
        resume_ok: true,
        kick: None,
    })));
    desk.put(Input::Hint(Hint::Background));
    let LinkStatus::Waiting { until, .. } = desk.client.status().link else { panic!() };
    assert!((40_000..=50_000).contains(&until.since(desk.now.time)));
}

/// S-8.3: the warning is a state and an event.
#[test]
fn a_credential_that_runs_out_shows_in_status_and_event() {
    let mut desk = Desk::signed_in("alice");
    desk.receive(ServerFrame::CredentialExpiring { seconds: 30 });
    let SessionStatus::SignedIn { credential, .. } = desk.session() else { panic!() };
    assert_eq!(*credential, CredentialStatus::Expiring { at: desk.now.time + 30_000 });
    assert_eq!(desk.events(), [Event::CredentialExpiring { seconds: 30 }]);
    assert_eq!(desk.client.status().action(), Action::AskForCredential);
}

/// S-9.2: with `wipe` the data goes too, also when nothing of it is open.
#[test]
fn a_logout_may_take_the_local_data_with_it() {
    let wiped = |desk: &Desk| {
        let closings = desk
            .out
            .iter()
            .filter(|output| matches!(output, Output::CloseStore(_, LocalData::Wipe)));
        closings.count()
    };
    let mut desk = Desk::signed_in("alice");
    desk.call(Command::Logout(LocalData::Wipe));
    assert_eq!(wiped(&desk), 1);
    let mut desk = Desk::with(Desk::signed_in("alice").client.account().clone());
    desk.call(Command::Logout(LocalData::Wipe));
    assert_eq!(wiped(&desk), 1);
}

/// S-9.2, I5: an end is told the server when it is on the disk. A device that told it and forgot it
/// would come back as a new session after a crash, since the server had nothing left to say.
#[test]
fn an_end_that_the_disk_refuses_is_told_when_there_is_room() {
    type Act = fn(&mut Desk);
    let acts: [(&str, Act); 3] = [
        ("a logout", |desk| {
            desk.call(Command::Logout(LocalData::Keep));
        }),
        ("a switch", |desk| {
            desk.login("carol");
        }),
        ("a kick", |desk| desk.receive(kicked(SessionId([1; 16])))),
    ];
    for (what, act) in acts {
        let mut desk = Desk::signed_in("alice");
        let session = desk.client.account().last.clone().unwrap().session.unwrap().session;
        desk.disk = Disk::Full;
        desk.out.clear();
        act(&mut desk);
        go_on(&mut desk);
        assert!(!ends(&desk.frames(), session), "{what} is told and may be forgotten");
        desk.disk = Disk::Quick;
        go_on(&mut desk);
        assert!(ends(&desk.frames(), session), "{what} is never told");
    }
}

/// S-9.2: on the link that is there an end waits for the disk only.
#[test]
fn a_logout_on_a_link_goes_out_when_it_is_durable() {
    let mut desk = Desk::signed_in("alice");
    let session = desk.client.account().last.clone().unwrap().session.unwrap().session;
    desk.disk = Disk::Stuck;
    desk.out.clear();
    desk.call(Command::Logout(LocalData::Keep));
    assert!(desk.frames().is_empty());
    let batch = desk.account_write().0;
    desk.put(Input::Persisted(batch));
    assert!(ends(&desk.frames(), session));
    assert!(desk.attempts().is_empty(), "the link that was there serves");
}

/// Some minutes in which connections come about when they are asked for.
fn go_on(desk: &mut Desk) {
    for _ in 0..20 {
        if desk.is_dialing() {
            desk.connect();
        } else if desk.client.next_timeout().is_some() {
            desk.wait();
        }
    }
}

fn ends(frames: &[ClientFrame], session: SessionId) -> bool {
    frames
        .iter()
        .any(|frame| matches!(frame, ClientFrame::EndSession(end) if end.session == session))
}

fn refuse(code: Code, terminal: bool) -> ServerFrame {
    ServerFrame::Refuse(Box::new(Refuse {
        error: code.into(),
        terminal,
        kick: None,
        holders: Vec::new(),
    }))
}
