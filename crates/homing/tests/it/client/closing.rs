//! The end of a client (S-9.4).

use std::time::{Duration, Instant};

use homing::{Client, Code, Content, LocalData};
use homing_proto::frame::{ClientFrame, Request, Response, ServerFrame};
use tempfile::TempDir;

use super::server::{FakeServer, with_bob};
use super::{client, config, soon, token};

/// S-9.4, S-2.6.
#[tokio::test]
async fn after_close_every_call_gives_a_typed_error_and_every_stream_ends() {
    let server = FakeServer::start().await;
    let client = client(&server).await;
    let (mut events, mut journal, mut status) =
        (client.events(), client.journal(), client.status());
    let login = client.login("alice", token()).start();
    let (mut peer, _) = server.welcome().await;
    soon(login).await.unwrap();

    soon(client.close()).await;
    soon(client.close()).await;
    soon(peer.gone()).await;
    let codes = [
        client.login("alice", token()).await.unwrap_err().code,
        client.login_offline("alice", None).await.unwrap_err().code,
        client.resume_last().await.unwrap_err().code,
        client.renew(token()).await.unwrap_err().code,
        client.logout(LocalData::Keep).await.unwrap_err().code,
        client.send(&with_bob(), Content::text("hi")).await.unwrap_err().code,
        client.conversations(1).await.unwrap_err().code,
        client.history(&with_bob(), 0, 1).await.unwrap_err().code,
        client.devices().await.unwrap_err().code,
        client.suspend().await.unwrap_err().code,
        client.resume().await.unwrap_err().code,
        client.hint(homing::Hint::Tap).await.unwrap_err().code,
    ];
    assert_eq!(codes, [Code::NOT_INITIALIZED; 12]);
    soon(async { while events.next().await.is_some() {} }).await;
    soon(async { while journal.next().await.is_some() {} }).await;
    soon(async { while status.changed().await.is_some() {} }).await;
}

#[tokio::test]
async fn a_call_that_is_under_way_ends_when_the_client_closes() {
    let server = FakeServer::start().await;
    let client = client(&server).await;
    let login = client.login("alice", token()).start();
    let mut peer = server.accept().await;
    peer.hello().await;
    soon(client.close()).await;
    assert_eq!(soon(login).await.unwrap_err().code, Code::NOT_INITIALIZED);
}

/// S-9.2, S-9.4.
#[tokio::test]
async fn closing_lets_a_sign_out_reach_the_server_but_does_not_wait_for_one_that_is_silent() {
    for answers in [true, false] {
        let server = FakeServer::start().await;
        let dir = TempDir::new().unwrap();
        let client = Client::open(config(&server).data_dir(dir.path())).await.unwrap();
        let login = client.login("alice", token()).start();
        let (mut peer, _) = server.welcome().await;
        soon(login).await.unwrap();
        soon(client.logout(LocalData::Keep)).await.unwrap();
        let began = Instant::now();
        let play = async {
            let told = peer.frame().await.unwrap();
            match told {
                ClientFrame::EndSession(end) if answers => {
                    peer.say(&ServerFrame::Ended(end.session)).await;
                }
                ClientFrame::Request { id, body: Request::Logout } if answers => {
                    peer.answer(id, Response::Done).await;
                }
                _ => {}
            }
            peer.gone().await;
        };
        tokio::join!(client.close(), play);
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());

        // Whether the server still has to be told is what the next run goes by.
        let client = Client::open(config(&server).data_dir(dir.path())).await.unwrap();
        if answers {
            let login = client.login("alice", token()).start();
            let mut peer = server.accept().await;
            let first = peer.frame().await;
            assert!(matches!(first, Some(ClientFrame::Hello(_))), "it was told already: {first:?}");
            drop(login);
            client.close().await;
        } else {
            let mut peer = server.accept().await;
            assert_eq!(peer.end_session().await.session, super::server::SESSION);
            client.close().await;
        }
    }
}
