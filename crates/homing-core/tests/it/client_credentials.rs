//! Expiry, renewal and the provider of credentials (S-8.3 … S-8.5), in virtual time.

use homing_core::client::status::{CredentialStatus, LinkStatus, SessionStatus, Why};
use homing_core::client::{
    AskId, AskReason, Command, CredentialAnswer, CredentialAsk, Event, Hint, Input, Output, Reply,
};
use homing_proto::frame::{ClientFrame, Close, Credential, Refuse, Request, Response, ServerFrame};
use homing_proto::{Code, Error};

use crate::client_desk::{Desk, Disk, resumed, token, user, welcome};

/// S-8.4: told why, once, and the connection stays.
#[test]
fn a_credential_that_runs_out_is_asked_for_once_and_renewed_in_place() {
    let mut desk = with_provider();
    desk.receive(ServerFrame::CredentialExpiring { seconds: 30 });
    assert_eq!(asks(&desk), [(AskId(1), AskReason::Expiring { seconds: 30 })]);
    assert_eq!(desk.events(), [Event::CredentialExpiring { seconds: 30 }]);
    desk.receive(ServerFrame::CredentialExpiring { seconds: 20 });
    assert_eq!(asks(&desk).len(), 1, "single flight");
    answer(&mut desk, 1, given("fresh"));
    let (id, Request::Renew(shown)) = desk.requests().remove(0) else { panic!("no renewal") };
    assert_eq!(shown, token("fresh"));
    desk.receive(renewed(id, 3_600_000));
    assert_eq!(credential(&desk), CredentialStatus::Valid);
    assert_eq!(desk.stored_account().last.unwrap().credential, Some(token("fresh")));
    assert!(desk.attempts().is_empty() && desk.client.status().is_connected());
    desk.pass(20_000);
    desk.put(Input::Timeout);
    assert_eq!(asks(&desk).len(), 1);
}

/// S-8.4: awaited before the attempt; S-8.5: no attempt before there is another one.
#[test]
fn a_refused_credential_is_replaced_by_the_provider_before_the_next_attempt() {
    for (code, reason) in [
        (Code::CREDENTIAL_EXPIRED, AskReason::Expired),
        (Code::CREDENTIAL_REVOKED, AskReason::Refused(Code::CREDENTIAL_REVOKED.into())),
    ] {
        let mut desk = with_provider();
        desk.receive(closed(code));
        assert_eq!(asks(&desk), [(AskId(1), reason)]);
        assert_eq!(needed(&desk), 1);
        desk.pass(29_000);
        desk.put(Input::Timeout);
        assert!(desk.attempts().is_empty());
        answer(&mut desk, 1, given("fresh"));
        desk.connect();
        assert_eq!(desk.hellos()[0].credential, Some(token("fresh")));
        desk.receive(ServerFrame::Welcome(Box::new(resumed(1, 0))));
        assert!(desk.client.status().is_connected());
        assert_eq!((needed(&desk), asks(&desk).len()), (1, 1));
    }
}

/// S-8.5: exactly one event; whoever has given another one meanwhile needs not be asked for one.
#[test]
fn a_credential_given_while_the_refusal_is_being_stored_is_not_asked_for() {
    let mut desk = Desk::new();
    desk.login("alice");
    desk.connect();
    desk.receive(ServerFrame::Welcome(Box::new(welcome(1, 0))));
    desk.disk = Disk::Stuck;
    desk.out.clear();
    desk.receive(closed(Code::CREDENTIAL_EXPIRED));
    let batches = |desk: &Desk| {
        let each = desk.out.iter().filter_map(|output| match output {
            Output::PersistAccount(batch, _) => Some(*batch),
            _ => None,
        });
        each.collect::<Vec<_>>()
    };
    let stored = batches(&desk);
    desk.call(Command::Renew(token("fresh")));
    for batch in stored {
        desk.put(Input::Persisted(batch));
    }
    assert_eq!((needed(&desk), credential(&desk)), (0, CredentialStatus::Valid));
    desk.disk = Disk::Quick;
    for batch in batches(&desk) {
        desk.put(Input::Persisted(batch));
    }
    desk.connect();
    desk.receive(ServerFrame::Refuse(Box::new(Refuse {
        error: Code::CREDENTIAL_EXPIRED.into(),
        terminal: false,
        kick: None,
        holders: Vec::new(),
    })));
    assert_eq!(needed(&desk), 1);
}

/// I11, I16.
#[test]
fn a_provider_that_gives_the_same_refused_credential_is_not_asked_in_a_loop() {
    let mut desk = with_provider();
    desk.receive(closed(Code::CREDENTIAL_EXPIRED));
    let start = desk.now.time;
    let mut times = Vec::new();
    while desk.now.time.since(start) < 3_600_000 {
        let asked = asks(&desk).len();
        if asked > times.len() {
            times.push(desk.now.time);
            answer(&mut desk, asked as u64, given("alice"));
        } else {
            desk.wait();
        }
    }
    assert!(desk.attempts().is_empty(), "it was never presented again");
    assert!(times.len() > 10, "it is not given up");
    assert!(times.len() < 60, "{} questions in an hour", times.len());
    for window in times.windows(13) {
        assert!(window[12].since(window[0]) > 60_000);
    }
    assert_eq!(needed(&desk), 1);
}

/// I11: what the server refused in a renewal is told to the provider and not shown again.
#[test]
fn a_renewal_that_is_refused_keeps_the_link_and_the_provider_is_told_why() {
    let mut desk = with_provider();
    desk.receive(ServerFrame::CredentialExpiring { seconds: 30 });
    answer(&mut desk, 1, given("bad"));
    let (id, _) = desk.requests().remove(0);
    let refusal = Error::new(Code::CREDENTIAL_BAD_SIGNATURE);
    desk.receive(ServerFrame::Response { id, body: Err(refusal.clone()) });
    assert!(desk.client.status().is_connected());
    while asks(&desk).len() < 2 {
        desk.wait();
    }
    assert_eq!(asks(&desk)[1].1, AskReason::Refused(refusal));
    answer(&mut desk, 2, given("bad"));
    assert_eq!(desk.requests().len(), 1);
}

#[test]
fn a_provider_that_has_none_now_is_asked_later_and_not_before_it_said() {
    let mut desk = with_provider();
    desk.receive(closed(Code::CREDENTIAL_EXPIRED));
    answer(&mut desk, 1, CredentialAnswer::NotNow { retry_after_ms: Some(40_000) });
    let start = desk.now.time;
    while asks(&desk).len() < 2 {
        desk.wait();
    }
    assert_eq!(desk.now.time.since(start), 40_000);
    // One that never answers is given up, and asked again.
    while asks(&desk).len() < 3 {
        desk.wait();
    }
    assert!(desk.now.time.since(start) >= 70_000);
    assert!(desk.out.contains(&Output::ForgetAsk(AskId(2))));
    answer(&mut desk, 2, given("late"));
    assert!(desk.attempts().is_empty(), "nobody waits for it any more");
}

#[test]
fn a_provider_that_needs_the_user_is_left_alone_until_the_app_brings_one() {
    let mut desk = with_provider();
    desk.receive(closed(Code::CREDENTIAL_EXPIRED));
    answer(&mut desk, 1, CredentialAnswer::NeedsUser);
    for hint in [Hint::Tap, Hint::NetworkUp, Hint::Wake] {
        desk.pass(1_000_000);
        desk.put(Input::Hint(hint));
    }
    assert_eq!((asks(&desk).len(), desk.client.next_timeout()), (1, None));
    let renew = desk.call(Command::Renew(token("fresh")));
    assert_eq!(desk.result(renew), Some(Ok(Reply::Done)));
    desk.connect();
    assert_eq!(desk.hellos()[0].credential, Some(token("fresh")));
}

#[test]
fn a_provider_whose_user_is_signed_out_ends_the_session_like_a_logout() {
    let mut desk = with_provider();
    desk.receive(ServerFrame::CredentialExpiring { seconds: 30 });
    answer(&mut desk, 1, CredentialAnswer::SignedOut);
    assert_eq!(*desk.session(), SessionStatus::SignedOut { why: Why::Logout });
    assert!(matches!(desk.frames()[..], [ClientFrame::EndSession(_)]), "{:?}", desk.frames());
    let resume = desk.call(Command::ResumeLast);
    assert_eq!(desk.result(resume).unwrap().unwrap_err().code, Code::NEEDS_EXPLICIT_LOGIN);
}

/// S-8.4: cancelled by logout and switch; a suspended client asks nothing (I12).
#[test]
fn a_question_is_withdrawn_by_logout_switch_and_suspend() {
    let suspend = Command::Suspend;
    let logout = Command::Logout(homing_core::client::LocalData::Keep);
    let switch = Command::Login {
        user: user("carol"),
        credential: token("carol"),
        options: homing_core::client::LoginOptions::default(),
    };
    for command in [suspend, logout, switch] {
        let mut desk = with_provider();
        desk.receive(ServerFrame::CredentialExpiring { seconds: 30 });
        desk.call(command);
        assert!(desk.out.contains(&Output::ForgetAsk(AskId(1))));
        let stored = desk.client.account().clone();
        answer(&mut desk, 1, given("late"));
        assert_eq!(*desk.client.account(), stored);
    }
}

#[test]
fn without_a_network_nothing_is_asked_and_with_it_at_once() {
    let mut desk = with_provider();
    desk.put(Input::Hint(Hint::NetworkDown));
    desk.pass(3_600_001);
    desk.put(Input::Hint(Hint::NetworkUp));
    assert!(desk.attempts().is_empty(), "it ran out meanwhile, by the server's own word (S-8.6)");
    assert_eq!(asks(&desk), [(AskId(1), AskReason::Expired)]);
    desk.put(Input::Hint(Hint::NetworkDown));
    answer(&mut desk, 1, CredentialAnswer::NotNow { retry_after_ms: None });
    desk.pass(1_000_000);
    desk.put(Input::Timeout);
    assert_eq!((asks(&desk).len(), desk.client.next_timeout()), (1, None));
    desk.put(Input::Hint(Hint::NetworkUp));
    assert_eq!(asks(&desk).len(), 2);
}

/// S-8.4: no message is delayed and no link is lost for it.
#[test]
fn a_credential_that_was_shown_when_the_link_broke_goes_with_the_next_hello() {
    let mut desk = with_provider();
    desk.receive(ServerFrame::CredentialExpiring { seconds: 30 });
    answer(&mut desk, 1, given("fresh"));
    desk.receive(closed(Code::CREDENTIAL_EXPIRED));
    assert_eq!(needed(&desk), 0, "there is another one already");
    desk.connect();
    assert_eq!(desk.hellos()[0].credential, Some(token("fresh")));
}

#[test]
fn a_credential_that_comes_while_hello_is_on_its_way_is_shown_right_after_it() {
    let mut desk = with_provider();
    let attempt = desk.attempt();
    desk.put(Input::Lost(attempt, Error::new(Code::NETWORK)));
    desk.connect();
    desk.call(Command::Renew(token("fresh")));
    assert_eq!(desk.hellos()[0].credential, Some(token("alice")));
    desk.receive(ServerFrame::Welcome(Box::new(resumed(1, 0))));
    let (id, Request::Renew(shown)) = desk.requests().remove(0) else { panic!("not shown") };
    assert_eq!(shown, token("fresh"));
    desk.receive(renewed(id, 3_600_000));
    assert_eq!(desk.requests().len(), 1);
}

/// S-8.5: given again while the server was about to refuse it, it is refused all the same.
#[test]
fn a_credential_that_is_refused_while_it_is_shown_again_is_not_kept() {
    let mut desk = with_provider();
    let attempt = desk.attempt();
    desk.put(Input::Lost(attempt, Error::new(Code::NETWORK)));
    desk.connect();
    desk.call(Command::Renew(token("alice")));
    desk.receive(ServerFrame::Welcome(Box::new(resumed(1, 0))));
    assert!(matches!(desk.requests()[..], [(_, Request::Renew(_))]));
    desk.out.clear();
    desk.receive(closed(Code::CREDENTIAL_EXPIRED));
    assert!(matches!(credential(&desk), CredentialStatus::Needed { .. }));
    assert!(!desk.is_dialing(), "it is shown once more");
}

/// S-8.4: one question at a time, also when what the app gave is refused while one is open.
#[test]
fn a_refusal_of_what_the_app_gave_does_not_ask_a_second_time() {
    let mut desk = with_provider();
    let attempt = desk.attempt();
    desk.put(Input::Lost(attempt, Error::new(Code::NETWORK)));
    desk.connect();
    desk.call(Command::Renew(token("garbage")));
    desk.receive(ServerFrame::Welcome(Box::new(resumed(1, 0))));
    let (id, _) = desk.requests().remove(0);
    desk.receive(ServerFrame::CredentialExpiring { seconds: 18 });
    assert_eq!(asks(&desk).len(), 1);
    let body = Err(Code::CREDENTIAL_MALFORMED.into());
    desk.receive(ServerFrame::Response { id, body });
    desk.pass(5_000);
    desk.put(Input::Timeout);
    assert_eq!(asks(&desk).len(), 1, "asked again before the first question was answered");
    answer(&mut desk, 1, given("fresh"));
    let Some((_, Request::Renew(shown))) = desk.requests().pop() else { panic!("not shown") };
    assert_eq!(shown, token("fresh"));
}

/// Short-lived credentials are renewed again and again, and no faster than the ceiling (I16).
#[test]
fn credentials_that_are_warned_of_at_once_do_not_make_a_loop() {
    let mut desk = with_provider();
    let start = desk.now.time;
    let mut asked = 0;
    for _ in 0..200 {
        desk.receive(ServerFrame::CredentialExpiring { seconds: 5 });
        while asks(&desk).len() == asked {
            desk.wait();
            if !desk.client.status().is_connected() {
                desk.connect();
                desk.receive(ServerFrame::Welcome(Box::new(resumed(1, 0))));
                desk.receive(ServerFrame::CredentialExpiring { seconds: 5 });
            }
        }
        asked = asks(&desk).len();
        answer(&mut desk, asked as u64, given(&format!("fresh {asked}")));
        if let Some((id, Request::Renew(_))) = desk.requests().pop() {
            desk.receive(renewed(id, 5_000));
        }
    }
    let minutes = desk.now.time.since(start) / 60_000 + 1;
    assert!(asked as u64 <= 12 * minutes + 12, "{asked} questions in {minutes} minutes");
}

/// S-8.3, S-8.5: without a provider the app is told once and the link is not tried.
#[test]
fn a_credential_that_ran_out_without_a_link_is_told_once_and_not_shown() {
    let mut desk = Desk::signed_in("alice");
    desk.put(Input::Hint(Hint::NetworkDown));
    desk.pass(3_600_001);
    desk.put(Input::Hint(Hint::NetworkUp));
    assert!(desk.attempts().is_empty());
    assert_eq!(needed(&desk), 1);
    assert_eq!(desk.client.status().link, LinkStatus::Idle);
    assert!(desk.client.status().readable);
    desk.call(Command::Renew(token("fresh")));
    desk.connect();
    desk.receive(ServerFrame::Refuse(Box::new(Refuse {
        error: Code::CREDENTIAL_WRONG_USER.into(),
        terminal: false,
        kick: None,
        holders: Vec::new(),
    })));
    assert_eq!(needed(&desk), 2, "once per credential");
}

/// An errand for an earlier account needs no credential, and says nothing new of one that ran out.
#[test]
fn an_errand_while_a_credential_is_needed_tells_nothing_twice() {
    let mut desk = Desk::signed_in("bob");
    desk.call(Command::Logout(homing_core::client::LocalData::Keep));
    desk.login("alice");
    desk.welcome(2, 0);
    desk.out.clear();
    desk.receive(closed(Code::CREDENTIAL_EXPIRED));
    desk.pass(4_000_000);
    desk.put(Input::Timeout);
    desk.connect();
    assert!(matches!(desk.frames()[..], [ClientFrame::EndSession(_)]), "{:?}", desk.frames());
    assert_eq!(needed(&desk), 1);
}

/// A desk at which alice is signed in, with an app that has a provider.
fn with_provider() -> Desk {
    let mut desk = Desk::with_provider();
    desk.login("alice");
    desk.connect();
    desk.receive(ServerFrame::Welcome(Box::new(welcome(1, 0))));
    assert!(desk.client.status().is_connected());
    desk.out.clear();
    desk
}

fn asks(desk: &Desk) -> Vec<(AskId, AskReason)> {
    desk.out
        .iter()
        .filter_map(|output| match output {
            Output::AskCredential(id, CredentialAsk { user: asked, reason }) => {
                assert_eq!(*asked, user("alice"));
                Some((*id, reason.clone()))
            }
            _ => None,
        })
        .collect()
}

fn answer(desk: &mut Desk, id: u64, answer: CredentialAnswer) {
    desk.put(Input::CredentialAnswered(AskId(id), answer));
}

fn given(text: &str) -> CredentialAnswer {
    CredentialAnswer::Given(Credential::usersig(text), None)
}

fn credential(desk: &Desk) -> CredentialStatus {
    let SessionStatus::SignedIn { credential, .. } = desk.session() else { panic!("signed out") };
    credential.clone()
}

fn needed(desk: &Desk) -> usize {
    desk.events().iter().filter(|event| matches!(event, Event::CredentialNeeded(_))).count()
}

fn renewed(id: u32, ms: u64) -> ServerFrame {
    let body = Ok(Response::Renewed { credential_expires_in_ms: Some(ms) });
    ServerFrame::Response { id, body }
}

fn closed(code: Code) -> ServerFrame {
    ServerFrame::Close(Box::new(Close {
        error: code.into(),
        terminal: false,
        retry_window_ms: None,
        resume_ok: true,
        kick: None,
    }))
}
