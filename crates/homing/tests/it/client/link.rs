//! Losing the server and coming back.

use homing::status::Action;
use homing::status::LinkStatus;
use homing::{Client, Code, Error, Event, Hint, NetworkSwitch, Status, UserId};
use homing_proto::frame::{Intent, Refuse, ServerFrame};
use tokio_tungstenite::tungstenite::Message as WsMessage;

use super::server::FakeServer;
use super::{client, config, event, soon, token};

#[tokio::test]
async fn a_cut_network_severs_and_refuses_and_its_return_brings_a_resume_without_a_login() {
    let server = FakeServer::start().await;
    let network = NetworkSwitch::default();
    let client = Client::open(config(&server).network_switch(network.clone())).await.unwrap();
    let login = client.login("alice", token()).start();
    let (mut peer, first) = server.welcome().await;
    soon(login).await.unwrap();
    let mut status = client.status();

    network.cut();
    soon(peer.gone()).await;
    let lost = soon(status.wait_for(|status| !status.is_connected())).await.unwrap();
    assert!(lost.user().is_some(), "the account stays signed in");
    let is_refused = |status: &Status| matches!(&status.link, LinkStatus::Waiting { cause, .. } if cause.code == Code::NETWORK);
    soon(status.wait_for(is_refused)).await.unwrap();

    network.restore();
    client.hint(Hint::NetworkUp).await.unwrap();
    let (_peer, again) = server.welcome().await;
    assert!(again.resume.is_some());
    assert!(again.counter > first.counter, "{} after {}", again.counter, first.counter);
    soon(status.wait_for(|status| status.is_connected())).await.unwrap();
}

/// S-6.1, I1: a server without its apps, or a wrong address, names nobody's session. S-6.2: it is
/// asked within the bounds of any other loss.
#[tokio::test]
async fn a_server_that_does_not_know_the_app_signs_nobody_out_and_is_waited_for() {
    let server = FakeServer::start().await;
    let client = client(&server).await;
    let login = client.login("alice", token()).start();
    let (mut peer, first) = server.welcome().await;
    soon(login).await.unwrap();
    let mut status = client.status();
    drop(peer);
    let mut attempts = 0;
    for _ in 0..3 {
        peer = server.accept().await;
        let hello = peer.hello().await;
        assert_eq!(hello.intent, Intent::Automatic);
        peer.say(&unknown_app()).await;
        soon(peer.gone()).await;
        let is_next = |status: &Status| waits_for_app(status).is_some_and(|n| n > attempts);
        let waiting = soon(status.wait_for(is_next)).await.unwrap();
        attempts = waits_for_app(&waiting).unwrap();
        assert_eq!(waiting.user().map(UserId::as_str), Some("alice"));
        assert!(matches!(waiting.action(), Action::WaitUntil(_)), "{waiting:?}");
        assert!(waiting.readable, "local data stays open");
    }
    let (_peer, again) = server.welcome().await;
    assert!(again.resume.is_some() && again.counter > first.counter);
    soon(status.wait_for(|status| status.is_connected())).await.unwrap();

    // Whoever signs in is told.
    let other = Client::open(config(&server)).await.unwrap();
    let login = other.login("bob", token()).start();
    let mut peer = server.accept().await;
    peer.hello().await;
    peer.say(&unknown_app()).await;
    assert_eq!(soon(login).await.unwrap_err().code, Code::UNKNOWN_APP);
}

#[tokio::test]
async fn a_server_that_sends_no_frames_is_left_and_tried_again() {
    let server = FakeServer::start().await;
    let client = client(&server).await;
    let login = client.login("alice", token()).start();
    let (mut peer, _) = server.welcome().await;
    soon(login).await.unwrap();
    let garbage: [WsMessage; 2] =
        [WsMessage::Binary(vec![0xff; 40].into()), WsMessage::Text("hello".into())];
    for message in garbage {
        peer.say_raw(message).await;
        soon(peer.gone()).await;
        client.hint(Hint::Tap).await.unwrap();
        (peer, _) = server.welcome().await;
    }
    soon(client.status().wait_for(|status| status.is_connected())).await.unwrap();
}

#[tokio::test]
async fn without_a_network_nothing_is_tried_until_there_is_one() {
    let server = FakeServer::start().await;
    let client = client(&server).await;
    let mut events = client.events();
    let login = client.login("alice", token()).start();
    let (mut peer, _) = server.welcome().await;
    soon(login).await.unwrap();

    client.hint(Hint::NetworkDown).await.unwrap();
    soon(peer.gone()).await;
    let down = |status: &Status| matches!(status.link, LinkStatus::NoNetwork);
    soon(client.status().wait_for(down)).await.unwrap();
    client.hint(Hint::NetworkUp).await.unwrap();
    let (_peer, _) = server.welcome().await;
    event(&mut events, |event| matches!(event, Event::SyncFinished).then_some(())).await;
    soon(client.status().wait_for(|status| status.is_connected())).await.unwrap();
}

fn unknown_app() -> ServerFrame {
    let error = Error::new(Code::UNKNOWN_APP);
    ServerFrame::Refuse(Box::new(Refuse { error, terminal: true, kick: None, holders: Vec::new() }))
}

/// The number of the next attempt at a server that does not know the app.
fn waits_for_app(status: &Status) -> Option<u32> {
    match &status.link {
        LinkStatus::Waiting { attempt, cause, .. } if cause.code == Code::UNKNOWN_APP => {
            Some(*attempt)
        }
        _ => None,
    }
}
