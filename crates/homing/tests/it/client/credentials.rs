//! The app's provider of credentials (S-8.4).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use homing::status::{CredentialStatus, LinkStatus, SessionStatus};
use homing::{AskReason, Client, Credential, CredentialAsk, LocalData, Provided, Status};
use homing_proto::frame::{Request, Response, ServerFrame};
use tokio::sync::{mpsc, oneshot};

use super::server::{FakeServer, Peer};
use super::{config, soon, token};

/// The test's end of a provider: what is asked comes here with a place for the answer.
type Questions = mpsc::UnboundedReceiver<(CredentialAsk, oneshot::Sender<Provided>)>;

#[tokio::test]
async fn a_provider_renews_on_the_link_that_is_there() {
    let (server, client, mut questions) = open().await;
    let mut peer = signed_in(&server, &client).await;
    peer.say(&ServerFrame::CredentialExpiring { seconds: 9 }).await;
    let (ask, answer) = soon(questions.recv()).await.unwrap();
    assert_eq!(ask.user.as_str(), "alice");
    assert!(matches!(ask.reason, AskReason::Expiring { seconds: 8..=9 }), "{ask:?}");
    let fresh = Credential::usersig("fresh");
    answer.send(Provided::Credential(fresh.clone())).unwrap();
    let (id, request) = peer.request().await;
    assert_eq!(request, Request::Renew(fresh));
    peer.answer(id, Response::Renewed { credential_expires_in_ms: Some(3_600_000) }).await;
    let status = soon(client.status().wait_for(is_valid)).await.unwrap();
    assert!(status.is_connected());
    assert!(questions.try_recv().is_err(), "it was asked once");
}

/// S-8.4: withdrawn by logout and by close.
#[tokio::test]
async fn a_question_nobody_needs_the_answer_of_is_dropped() {
    for closes in [false, true] {
        let (server, client, mut questions) = open().await;
        let mut peer = signed_in(&server, &client).await;
        peer.say(&ServerFrame::CredentialExpiring { seconds: 9 }).await;
        let (_, mut answer) = soon(questions.recv()).await.unwrap();
        if closes {
            soon(client.close()).await;
        } else {
            soon(client.logout(LocalData::Keep)).await.unwrap();
        }
        soon(answer.closed()).await;
    }
}

/// I14: whatever a provider does, the client goes on.
#[tokio::test]
async fn a_provider_that_panics_is_asked_again() {
    let asked = Arc::new(AtomicU32::new(0));
    let server = FakeServer::start().await;
    let counter = asked.clone();
    let provider = move |_: CredentialAsk| {
        let number = counter.fetch_add(1, Ordering::Relaxed);
        assert_ne!(number, 0, "a provider breaks off at once");
        async move {
            assert_ne!(number, 1, "a provider breaks off later");
            Provided::Credential(Credential::usersig("fresh"))
        }
    };
    let client = Client::open(config(&server).credential_provider(provider)).await.unwrap();
    let mut peer = signed_in(&server, &client).await;
    peer.say(&ServerFrame::CredentialExpiring { seconds: 9 }).await;
    let (_, request) = peer.request().await;
    assert_eq!(request, Request::Renew(Credential::usersig("fresh")));
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_provider_whose_user_is_signed_out_ends_the_session() {
    let (server, client, mut questions) = open().await;
    let mut peer = signed_in(&server, &client).await;
    peer.say(&ServerFrame::CredentialExpiring { seconds: 9 }).await;
    let (_, answer) = soon(questions.recv()).await.unwrap();
    answer.send(Provided::SignedOut).unwrap();
    peer.end_session().await;
    let out = soon(client.status().wait_for(|status| status.user().is_none())).await.unwrap();
    assert_eq!(out.link, LinkStatus::Idle);
}

async fn open() -> (FakeServer, Client, Questions) {
    let server = FakeServer::start().await;
    let (ask_out, questions) = mpsc::unbounded_channel();
    let provider = move |ask: CredentialAsk| {
        let (answer_out, answer) = oneshot::channel();
        ask_out.send((ask, answer_out)).unwrap();
        async move { answer.await.unwrap() }
    };
    let client = Client::open(config(&server).credential_provider(provider)).await.unwrap();
    (server, client, questions)
}

async fn signed_in(server: &FakeServer, client: &Client) -> Peer {
    let login = client.login("alice", token()).start();
    let (peer, _) = server.welcome().await;
    soon(login).await.unwrap();
    peer
}

fn is_valid(status: &Status) -> bool {
    matches!(status.session, SessionStatus::SignedIn { credential: CredentialStatus::Valid, .. })
}
