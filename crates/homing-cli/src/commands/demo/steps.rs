//! The steps of the tour, in order.

use std::time::Instant;

use homing::status::{CredentialStatus, LinkStatus, SessionStatus, Why};
use homing::{Code, Content, Depth, Error, Event, Fact, KickReason, LocalData, Platform};

use super::cast::{Device, Stage, conversation};
use super::{Step, Tour};
use crate::failure::Failure;

/// Plays everything.
pub(super) async fn all(tour: &mut Tour<'_>, stage: &Stage<'_>) -> Result<(), Failure> {
    let open = async |name: &str, platform| {
        stage.device(name, platform).await.map_err(|why| {
            Failure::new(format!("cannot open the device {name}"), why, "homing doctor")
        })
    };
    let phone = open("alice-iphone", Platform::Ios).await?;
    let tablet = open("alice-android", Platform::Android).await?;
    let bob = open("bob-laptop", Platform::Linux).await?;
    let carol = open("carol-web", Platform::Web).await?;
    tour.step("alice and bob sign in", sign_in(stage, &phone, &bob)).await?;
    tour.step("They write to each other", messages(&phone, &bob)).await?;
    tour.step("alice signs in on a second phone", displace(stage, &phone, &tablet)).await?;
    tour.step("The first phone stays out", stays_out(&phone, &tablet)).await?;
    tour.step("alice signs in on the first one again", back(stage, &phone, &tablet)).await?;
    tour.step("bob's network is cut and comes back", cut(&phone, &bob)).await?;
    tour.step("The server is stopped", async { offline(stage, &phone).await }).await?;
    let phone = open("alice-iphone", Platform::Ios).await?;
    tour.step("alice signs in offline, reads, and writes", write_offline(&phone)).await?;
    tour.step("The server is back", return_of_the_server(stage, &phone, &bob)).await?;
    tour.step("carol's token runs out; she renews in time", renew(stage, &carol)).await?;
    tour.step("carol's token runs out; nobody renews", expire(stage, &carol)).await?;
    tour.step("alice signs out", sign_out(stage, &phone, &bob)).await?;
    for device in [phone, tablet, bob, carol] {
        device.client.close().await;
    }
    Ok(())
}

async fn sign_in(stage: &Stage<'_>, phone: &Device, bob: &Device) -> Step {
    login(stage, phone, "alice").await?;
    login(stage, bob, "bob").await?;
    for (device, user) in [(phone, "alice"), (bob, "bob")] {
        let status = device.connected().await?;
        check(status.user().is_some_and(|u| u.as_str() == user), "another user is signed in")?;
    }
    Ok("with tokens as the app's own server makes them; both are connected and up to date".into())
}

async fn messages(phone: &Device, bob: &Device) -> Step {
    let (at_bob, at_alice) = (bob.mark(), phone.mark());
    phone.say("bob", "hello bob").await?;
    let first = bob.message(at_bob, "hello bob").await;
    let alice = conversation("alice")?;
    let unread = async || match bob.client.conversation(&alice).await {
        Ok(view) => Ok(view.map_or(0, |view| view.unread())),
        Err(error) => Err(error.to_string()),
    };
    check(unread().await? == 1, "bob's list does not show one unread message")?;
    bob.client.mark_read(&alice, first.seq).await.map_err(|error| error.to_string())?;
    bob.event(at_bob, |event| matches!(event, Event::Read { .. }).then_some(())).await;
    check(unread().await? == 0, "the message is still unread after it was read")?;
    bob.say("alice", "hello alice").await?;
    let second = phone.message(at_alice, "hello alice").await;
    check(second.seq == first.seq + 1, "the second message is not the one after the first")?;
    Ok("bob had one unread message, read it, and answered; the order is the same on both".into())
}

async fn displace(stage: &Stage<'_>, phone: &Device, tablet: &Device) -> Step {
    let mark = phone.mark();
    login(stage, tablet, "alice").await?;
    tablet.connected().await?;
    let record = phone.event(mark, kick_record).await;
    check(record.reason == KickReason::Policy, "the record does not say that it was the policy")?;
    let by = record.by.ok_or("the record does not say which device it was")?;
    check(
        by.device.tag == "alice-android" && by.device.platform == Platform::Android,
        "the record names another device",
    )?;
    signed_out(phone, |why| matches!(why, Why::Kicked(_))).await?;
    Ok("the app allows one phone: the iphone was told that alice-android (android) took its place"
        .into())
}

async fn stays_out(phone: &Device, tablet: &Device) -> Step {
    let mark = tablet.mark();
    let resumed = phone.client.resume_last().await;
    refused(resumed.map(|_| ()), Code::NEEDS_EXPLICIT_LOGIN, "automatic login")?;
    let offline = phone.client.login_offline("alice", None).await;
    refused(offline.map(|_| ()), Code::NEEDS_EXPLICIT_LOGIN, "offline login")?;
    check(tablet.stayed_signed_in(mark), "the other phone was disturbed")?;
    check(tablet.client.status().now().is_connected(), "the other phone is not connected")?;
    Ok("automatic and offline login are refused there: two devices never push each other out in turn"
        .into())
}

async fn back(stage: &Stage<'_>, phone: &Device, tablet: &Device) -> Step {
    let mark = tablet.mark();
    login(stage, phone, "alice").await?;
    phone.connected().await?;
    let record = tablet.event(mark, kick_record).await;
    let tag = record.by.map(|by| by.device.tag);
    check(tag.as_deref() == Some("alice-iphone"), "the record names another device")?;
    let devices = phone.client.devices().await.map_err(|error| error.to_string())?;
    check(devices.len() == 1, "more devices are signed in than the app allows")?;
    Ok("what a person does counts: now the android phone was displaced, and told by whom".into())
}

async fn cut(phone: &Device, bob: &Device) -> Step {
    let mark = bob.mark();
    bob.network.cut();
    bob.status(|status| !status.is_connected()).await?;
    phone.say("bob", "are you there?").await?;
    phone.say("bob", "never mind").await?;
    bob.network.restore();
    let restored = Instant::now();
    bob.connected().await?;
    let ms = restored.elapsed().as_millis();
    bob.message(mark, "are you there?").await;
    bob.message(mark, "never mind").await;
    for words in ["are you there?", "never mind"] {
        check(bob.copies("alice", words).await? == 1, "a message is there twice")?;
    }
    check(bob.stayed_signed_in(mark), "bob had to sign in again")?;
    Ok(format!("connected again {ms} ms later, by itself; both messages of meanwhile came once"))
}

async fn offline(stage: &Stage<'_>, phone: &Device) -> Step {
    // The old process of the app ends; what it keeps stays.
    phone.client.close().await;
    let took = stage.server.stop().await?;
    Ok(format!("SIGTERM: it sent its clients away and exited with 0 in {} ms", took.as_millis()))
}

async fn write_offline(phone: &Device) -> Step {
    let began = Instant::now();
    let other = phone.client.login_offline("bob", None).await;
    refused(other.map(|_| ()), Code::OFFLINE_NOT_LAST_USER, "offline login as somebody else")?;
    let login = Instant::now();
    phone.client.login_offline("alice", None).await.map_err(|error| error.to_string())?;
    let login_ms = login.elapsed().as_micros() as f64 / 1000.0;
    let list = phone.client.conversations(20).await.map_err(|error| error.to_string())?;
    check(list.len() == 1, "the conversation with bob is not in the list")?;
    check(phone.copies("bob", "hello alice").await? == 1, "the history is not there")?;
    phone.say("bob", "written on the train").await?;
    let waiting = phone.client.outbox().await.map_err(|error| error.to_string())?;
    check(waiting.len() == 1, "the message does not wait in the outbox")?;
    let ms = began.elapsed().as_millis();
    Ok(format!(
        "signed in from local data in {login_ms:.1} ms (all of it {ms} ms); one message waits"
    ))
}

async fn return_of_the_server(stage: &Stage<'_>, phone: &Device, bob: &Device) -> Step {
    let (at_alice, at_bob) = (phone.mark(), bob.mark());
    let ready = stage.server.start_again(stage.port()?).await?;
    phone.connected().await?;
    bob.message(at_bob, "written on the train").await;
    phone
        .event(at_alice, |event| {
            matches!(event, Event::SendState { state: homing::SendState::Accepted { .. }, .. })
                .then_some(())
        })
        .await;
    bob.connected().await?;
    check(bob.copies("alice", "written on the train").await? == 1, "it is at bob's twice")?;
    check(phone.copies("bob", "written on the train").await? == 1, "it is at alice's twice")?;
    check(phone.stayed_signed_in(at_alice), "alice had to sign in again")?;
    let (pid, ms) = (stage.server.pid(), ready.took.as_millis());
    Ok(format!(
        "process {pid}, ready in {ms} ms; both came back by themselves, the message came once"
    ))
}

async fn renew(stage: &Stage<'_>, carol: &Device) -> Step {
    let mark = carol.mark();
    let short = stage.credential("carol", SHORT_S)?;
    let login = carol.client.login("carol", short).depth(Depth::Live).await;
    login.map_err(|error| error.to_string())?;
    let seconds = carol
        .event(mark, |event| match event {
            Event::CredentialExpiring { seconds } => Some(*seconds),
            _ => None,
        })
        .await;
    let long = stage.credential("carol", DAY_S)?;
    carol.client.renew(long).await.map_err(|error| error.to_string())?;
    carol.status(|status| credential(&status.session) == Some(&CredentialStatus::Valid)).await?;
    let lost = carol.since(mark).iter().any(|fact| {
        matches!(fact, Fact::Status(status) if matches!(status.link, LinkStatus::Waiting { .. }))
    });
    check(!lost, "the connection was lost on the way")?;
    Ok(format!(
        "warned with {seconds} s left; the new token was taken without losing the connection"
    ))
}

async fn expire(stage: &Stage<'_>, carol: &Device) -> Step {
    let mark = carol.mark();
    let short = stage.credential("carol", SHORT_S)?;
    carol.client.renew(short).await.map_err(|error| error.to_string())?;
    let why = carol
        .event(mark, |event| match event {
            Event::CredentialNeeded(why) => Some(why.clone()),
            _ => None,
        })
        .await;
    check(why.code == Code::CREDENTIAL_EXPIRED, "another reason than expiry is given")?;
    carol.status(|status| !status.is_connected()).await?;
    let needed = carol.status(|status| {
        matches!(credential(&status.session), Some(CredentialStatus::Needed { .. }))
    });
    needed.await?;
    carol.client.conversations(20).await.map_err(|error| error.to_string())?;
    let long = stage.credential("carol", DAY_S)?;
    carol.client.renew(long).await.map_err(|error| error.to_string())?;
    carol.connected().await?;
    let facts = carol.since(mark);
    let needed = |fact: &&Fact| matches!(fact, Fact::Event(Event::CredentialNeeded(_)));
    check(facts.iter().filter(needed).count() == 1, "it was told more than once")?;
    Ok("told once, and nothing was tried with the dead token; a new one, and she is back".into())
}

async fn sign_out(stage: &Stage<'_>, phone: &Device, bob: &Device) -> Step {
    let out = phone.client.logout(LocalData::Keep).await;
    out.map_err(|error| error.to_string())?;
    let mark = phone.mark();
    signed_out(phone, |why| matches!(why, Why::Logout)).await?;
    let again = phone.client.login_offline("alice", None).await;
    refused(again.map(|_| ()), Code::NEEDS_EXPLICIT_LOGIN, "offline login after signing out")?;
    let sent = bob.mark();
    bob.say("alice", "good night").await?;
    bob.event(sent, |event| match event {
        Event::SendState { state: homing::SendState::Accepted { .. }, .. } => Some(()),
        _ => None,
    })
    .await;
    let told = phone.since(mark).iter().any(|fact| matches!(fact, Fact::Event(Event::Message(_))));
    check(!told, "a message arrived after signing out")?;
    login(stage, phone, "alice").await?;
    phone.connected().await?;
    let history = phone.client.history(&conversation("bob")?, 0, 100).await;
    let messages = history.map_err(|error| error.to_string())?.messages;
    let whole = messages.iter().zip(1..).all(|(message, seq)| message.seq == seq);
    let last = messages.last().is_some_and(|last| last.content == Content::text("good night"));
    check(whole && last, "the conversation is not whole after signing in again")?;
    let count = messages.len();
    Ok(format!(
        "nothing arrived after it; signed in again, all {count} messages are there, in order"
    ))
}

async fn login(stage: &Stage<'_>, device: &Device, user: &str) -> Result<(), String> {
    let credential = stage.credential(user, DAY_S)?;
    let login = device.client.login(user, credential).depth(Depth::Live).await;
    login.map(|_| ()).map_err(|error| format!("{user} cannot sign in: {error}"))
}

async fn signed_out(device: &Device, wanted: impl Fn(&Why) -> bool) -> Result<(), String> {
    let out = device.status(|status| match &status.session {
        SessionStatus::SignedOut { why } => wanted(why),
        SessionStatus::SigningIn { .. } | SessionStatus::SignedIn { .. } => false,
    });
    out.await.map(|_| ())
}

fn kick_record(event: &Event) -> Option<homing::KickRecord> {
    match event {
        Event::Kicked(record) => Some(record.clone()),
        _ => None,
    }
}

const fn credential(session: &SessionStatus) -> Option<&CredentialStatus> {
    match session {
        SessionStatus::SignedIn { credential, .. } => Some(credential),
        SessionStatus::SignedOut { .. } | SessionStatus::SigningIn { .. } => None,
    }
}

fn check(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}

fn refused(result: Result<(), Error>, code: Code, what: &str) -> Result<(), String> {
    match result {
        Err(error) if error.code == code => Ok(()),
        Err(error) => Err(format!("{what} is refused with {error}, not with {code}")),
        Ok(()) => Err(format!("{what} succeeded and should have been refused with {code}")),
    }
}

/// Long enough to be used, short enough to wait for.
const SHORT_S: u64 = 2;
const DAY_S: u64 = 24 * 60 * 60;
