//! Signing in, talking, being displaced, coming back.

use homing_core::policy::Preset;
use homing_proto::device::{KickReason, Platform};
use homing_proto::frame::{
    Binding, ClientFrame, Credential, EndSession, Intent, Request, Response, ServerFrame,
};
use homing_proto::id::{AppId, SessionId};
use homing_proto::message::Content;
use homing_proto::secret::Token;
use homing_proto::{Code, Error};
use homing_server::apps::AppChange;

use super::world::{World, resume};

#[tokio::test]
async fn a_login_is_welcomed_with_a_session_of_its_own() {
    let world = World::new().await;
    let (_client, welcome) = world.login("alice", 1, Platform::Ios).await;
    assert_eq!(welcome.binding, Binding::Fresh);
    assert_eq!(welcome.epoch, 1);
    assert!(welcome.secret.is_some());
    assert_eq!(welcome.devices.len(), 1);
    assert!(welcome.credential_expires_in_ms.is_some_and(|ms| ms > 3_500_000));
    assert_eq!(world.metric("homing_logins_total{result=\"ok\"}").await, Some(1));
    assert_eq!(world.metric("homing_sessions_bound").await, Some(1));
    assert_eq!(world.metric("homing_users_online").await, Some(1));
}

#[tokio::test]
async fn a_message_reaches_the_other_user_and_its_own_devices() {
    let world = World::new().await;
    let (mut alice, _) = world.login("alice", 1, Platform::Ios).await;
    let (mut desk, _) = world.login("alice", 2, Platform::Linux).await;
    let (mut bob, welcome) = world.login("bob", 3, Platform::Android).await;
    assert_eq!(welcome.head, 0);
    let sent = alice.write_to("bob", "hello").await;
    assert!(matches!(sent, Ok(Response::Sent { seq: 1, .. })));
    assert_eq!(bob.pushed().await, (1, Content::text("hello")));
    assert_eq!(desk.pushed().await, (1, Content::text("hello")));
    bob.write_to("alice", "hello yourself").await.unwrap();
    assert_eq!(desk.pushed().await, (2, Content::text("hello yourself")));
    assert_eq!(world.metric("homing_sends_total").await, Some(2));
    // Each of these was durable before it was answered (V-7).
    assert!(world.metric("homing_store_commit_seconds_count").await.unwrap() >= 4);
    assert_eq!(world.metric("homing_store_queue").await, Some(0));
}

#[tokio::test]
async fn pushes_continue_where_the_welcome_ends() {
    let world = World::new().await;
    let (mut alice, _) = world.login("alice", 1, Platform::Ios).await;
    for number in 0..5 {
        alice.write_to("bob", &number.to_string()).await.unwrap();
    }
    let (mut bob, welcome) = world.login("bob", 3, Platform::Android).await;
    assert_eq!(welcome.head, 5);
    alice.write_to("bob", "next").await.unwrap();
    assert_eq!(bob.pushed().await, (6, Content::text("next")));
}

#[tokio::test]
async fn a_displaced_device_is_told_by_whom() {
    let world = World::new().await;
    let dual = AppChange::Policy(Preset::Dual.policy());
    world.running.store().change_app(world.demo.app, dual).await.unwrap();
    let (mut old, before) = world.login("alice", 1, Platform::Ios).await;
    let (_new, after) = world.login("alice", 2, Platform::Android).await;
    assert!(after.epoch > before.epoch);
    let close = old.closed().await;
    assert_eq!((close.error.code, close.terminal, close.resume_ok), (Code::KICKED, true, false));
    let record = close.kick.expect("a record");
    assert_eq!((record.session, record.reason), (before.session, KickReason::Policy));
    assert_eq!(record.by.expect("the winner").device.platform, Platform::Android);
    assert_eq!(world.metric("homing_kicks_total").await, Some(1));
    assert_eq!(world.metric("homing_sessions_bound").await, Some(1));

    let back = resume(world.hello("alice", 1, Platform::Ios), &before, 2);
    let refuse = world.refused(back).await;
    assert_eq!((refuse.error.code, refuse.terminal), (Code::KICKED, true));
    assert!(refuse.kick.is_some());
}

#[tokio::test]
async fn a_lost_link_is_resumed_with_what_was_missed() {
    let world = World::new().await;
    let (client, first) = world.login("alice", 1, Platform::Ios).await;
    drop(client);
    let (mut bob, _) = world.login("bob", 3, Platform::Android).await;
    bob.write_to("alice", "are you there?").await.unwrap();
    let back = resume(world.hello("alice", 1, Platform::Ios), &first, 2);
    let (mut alice, again) = world.login_with(back).await;
    assert_eq!((again.binding, again.session), (Binding::Resumed, first.session));
    assert!(again.secret.is_none());
    assert_eq!(again.head, 1);
    bob.write_to("alice", "good").await.unwrap();
    assert_eq!(alice.pushed().await, (2, Content::text("good")));
    assert_eq!(world.metric("homing_resumes_total").await, Some(1));
}

#[tokio::test]
async fn a_newer_connection_of_the_device_takes_the_session_over() {
    let world = World::new().await;
    let (mut old, first) = world.login("alice", 1, Platform::Ios).await;
    let back = resume(world.hello("alice", 1, Platform::Ios), &first, 2);
    let (mut new, _) = world.login_with(back).await;
    let close = old.closed().await;
    assert_eq!(close.error.code, Code::CONNECTION_SUPERSEDED);
    assert!(close.resume_ok && !close.terminal && close.kick.is_none());
    new.ping().await;
    assert_eq!(world.metric("homing_sessions_bound").await, Some(1));
}

#[tokio::test]
async fn a_logout_is_answered_and_then_the_connection_ends() {
    let world = World::new().await;
    let (mut alice, first) = world.login("alice", 1, Platform::Ios).await;
    assert_eq!(alice.request(Request::Logout).await, Ok(Response::Done));
    assert_eq!(alice.next().await, None);
    let refuse = world.refused(resume(world.hello("alice", 1, Platform::Ios), &first, 2)).await;
    assert_eq!(refuse.error.code, Code::SESSION_ENDED);
}

#[tokio::test]
async fn a_session_is_ended_without_a_hello() {
    let world = World::new().await;
    let (mut alice, welcome) = world.login("alice", 1, Platform::Ios).await;
    let hello = world.hello("alice", 1, Platform::Ios);
    let end = EndSession {
        app: hello.app,
        user: hello.user,
        session: welcome.session,
        secret: welcome.secret.unwrap(),
    };
    let mut other = world.connect().await;
    other.send(&ClientFrame::EndSession(end)).await;
    assert_eq!(other.recv().await, ServerFrame::Ended(welcome.session));
    assert_eq!(alice.closed().await.error.code, Code::SESSION_ENDED);
}

#[tokio::test]
async fn a_device_ends_another_of_the_same_account() {
    let world = World::new().await;
    let (mut phone, phone_welcome) = world.login("alice", 1, Platform::Ios).await;
    let (mut desk, _) = world.login("alice", 2, Platform::Linux).await;
    let kick = Request::KickDevices(vec![phone_welcome.session]);
    assert_eq!(desk.request(kick).await, Ok(Response::Done));
    let record = phone.closed().await.kick.expect("a record");
    assert_eq!(record.reason, KickReason::OwnDevice);
}

/// S-7.7, P-8.3: what is gone does not keep the rest from being ended, and alone it is told.
#[tokio::test]
async fn sessions_that_are_gone_are_passed_over_unless_nothing_is_left_to_end() {
    let world = World::new().await;
    let (mut phone, phone_welcome) = world.login("alice", 1, Platform::Ios).await;
    let (mut desk, desk_welcome) = world.login("alice", 2, Platform::Linux).await;
    let (_, bobs) = world.login("bob", 3, Platform::Ios).await;
    let (unknown, own) = (SessionId([9; 16]), desk_welcome.session);
    let nothing = Err(Error::from(Code::SESSION_NOT_FOUND));
    for gone in [vec![], vec![unknown], vec![own], vec![unknown, own, bobs.session]] {
        assert_eq!(desk.request(Request::KickDevices(gone)).await, nothing);
    }
    phone.ping().await;
    let some = vec![unknown, phone_welcome.session, own];
    assert_eq!(desk.request(Request::KickDevices(some.clone())).await, Ok(Response::Done));
    phone.closed().await;
    // Asked again, because the answer was lost.
    assert_eq!(desk.request(Request::KickDevices(some)).await, nothing);
    desk.ping().await;
}

#[tokio::test]
async fn a_bad_credential_is_refused_with_its_own_code_and_counted() {
    let world = World::new().await;
    let mut hello = world.hello("alice", 1, Platform::Ios);
    let cases = [
        (Token::new("garbage"), Code::CREDENTIAL_MALFORMED),
        (world.token("bob"), Code::CREDENTIAL_WRONG_USER),
        (world.mint("alice", 100, 50), Code::CREDENTIAL_EXPIRED),
    ];
    for (token, code) in cases {
        hello.credential = Some(Credential { format: "usersig".to_owned(), token });
        assert_eq!(world.refused(hello.clone()).await.error.code, code);
    }
    let name = "homing_logins_total{result=\"credential_expired\"}";
    assert_eq!(world.metric(name).await, Some(1));
    hello.credential = Some(Credential { format: "jwt".to_owned(), token: Token::new("a.b.c") });
    assert_eq!(world.refused(hello.clone()).await.error.code, Code::CREDENTIAL_TYPE_DISABLED);
    hello.credential = None;
    assert_eq!(world.refused(hello).await.error.code, Code::CREDENTIAL_REQUIRED);
}

#[tokio::test]
async fn an_unknown_app_is_refused_for_good() {
    let world = World::new().await;
    let mut hello = world.hello("alice", 1, Platform::Ios);
    hello.app = AppId::new(999).unwrap();
    let refuse = world.refused(hello).await;
    assert_eq!((refuse.error.code, refuse.terminal), (Code::UNKNOWN_APP, true));
}

#[tokio::test]
async fn an_expiring_credential_is_announced_and_ends_the_link_unless_renewed() {
    let world = World::new().await;
    let mut hello = world.hello("alice", 1, Platform::Ios);
    let short = |world: &World| Credential::usersig(world.mint("alice", 0, 60).expose());
    hello.credential = Some(short(&world));
    let (mut alice, _) = world.login_with(hello).await;
    world.clock.advance(40_000);
    let mut seen = [alice.recv_but_devices().await, alice.recv_but_devices().await];
    seen.sort_by_key(|frame| matches!(frame, ServerFrame::Ping { .. }));
    assert!(matches!(seen[0], ServerFrame::CredentialExpiring { seconds: 1..=20 }), "{seen:?}");
    assert!(matches!(seen[1], ServerFrame::Ping { .. }), "{seen:?}");

    let renewed = alice.request(Request::Renew(short(&world))).await;
    assert!(matches!(renewed, Ok(Response::Renewed { credential_expires_in_ms: Some(_) })));
    world.clock.advance(30_000);
    // The answer says that the server has heard it before the clock moves on.
    alice.send(&ClientFrame::Ping { nonce: 1 }).await;
    while !matches!(alice.recv().await, ServerFrame::Pong { nonce: 1, .. }) {}
    world.clock.advance(31_000);
    let close = alice.closed().await;
    assert_eq!(close.error.code, Code::CREDENTIAL_EXPIRED);
    assert!(close.resume_ok && !close.terminal);
}

#[tokio::test]
async fn renewal_with_a_credential_of_another_user_changes_nothing() {
    let world = World::new().await;
    let (mut alice, _) = world.login("alice", 1, Platform::Ios).await;
    let renewal = Request::Renew(Credential::usersig(world.token("bob").expose()));
    assert_eq!(alice.request(renewal).await.unwrap_err().code, Code::CREDENTIAL_WRONG_USER);
    alice.ping().await;
}

#[tokio::test]
async fn pings_carry_the_head_of_the_log() {
    let world = World::new().await;
    let (mut alice, _) = world.login("alice", 1, Platform::Ios).await;
    alice.write_to("alice", "to myself").await.unwrap();
    world.clock.advance(25_000);
    loop {
        if let ServerFrame::Ping { head, .. } = alice.recv().await {
            assert_eq!(head, 1);
            break;
        }
    }
}

#[tokio::test]
async fn a_silent_connection_is_taken_for_dead_and_its_session_stays() {
    let world = World::new().await;
    let (mut alice, first) = world.login("alice", 1, Platform::Ios).await;
    world.clock.advance(60_000);
    assert_eq!(alice.closed().await.error.code, Code::LIVENESS);
    let hello = resume(world.hello("alice", 1, Platform::Ios), &first, 2);
    assert_eq!(world.login_with(hello).await.1.binding, Binding::Resumed);
}

#[tokio::test]
async fn an_automatic_login_displaces_nobody() {
    let world = World::new().await;
    let (mut holder, _) = world.login("alice", 1, Platform::Ios).await;
    let mut hello = world.hello("alice", 2, Platform::Android);
    hello.intent = Intent::Automatic;
    let refuse = world.refused(hello).await;
    assert!(refuse.terminal);
    holder.ping().await;
}
