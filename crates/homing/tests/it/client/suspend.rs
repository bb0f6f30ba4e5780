//! Letting go of everything and coming back (S-9.4).

use homing::status::LinkStatus;
use homing::{Client, Code, Content, LocalData};
use tempfile::TempDir;

use super::server::{FakeServer, with_bob};
use super::{config, soon, token};

#[tokio::test]
async fn a_suspended_client_lets_go_and_goes_on_where_it_was() {
    let server = FakeServer::start().await;
    let dir = TempDir::new().unwrap();
    let client = Client::open(config(&server).data_dir(dir.path())).await.unwrap();
    let login = client.login("alice", token()).start();
    let (mut peer, _) = server.welcome().await;
    soon(login).await.unwrap();

    soon(client.suspend()).await.unwrap();
    soon(peer.gone()).await;
    assert!(matches!(client.status().now().link, LinkStatus::Paused));
    assert_eq!(client.conversations(20).await.unwrap_err().code, Code::NOT_READY);
    assert_eq!(client.devices().await.unwrap_err().code, Code::NOT_READY);

    soon(client.resume()).await.unwrap();
    let (_peer, hello) = server.welcome().await;
    assert!(hello.resume.is_some());
    soon(client.status().wait_for(|status| status.is_connected())).await.unwrap();
    client.conversations(20).await.unwrap();
}

#[tokio::test]
async fn what_another_process_did_meanwhile_is_known_after_the_resume() {
    let server = FakeServer::start().await;
    let dir = TempDir::new().unwrap();
    let open = || Client::open(config(&server).data_dir(dir.path()));
    let client = open().await.unwrap();
    let login = client.login("alice", token()).start();
    let (_peer, first) = server.welcome().await;
    soon(login).await.unwrap();
    soon(client.suspend()).await.unwrap();

    // Another one uses the session and leaves a message behind.
    let other = open().await.unwrap();
    other.resume_last().await.unwrap();
    let (peer, second) = server.welcome().await;
    soon(other.status().wait_for(|status| status.is_connected())).await.unwrap();
    drop(peer);
    other.send(&with_bob(), Content::text("from the other one")).await.unwrap();
    soon(other.close()).await;

    let seq = client.status().now().seq;
    soon(client.resume()).await.unwrap();
    let (_peer, third) = server.welcome().await;
    assert!(third.resume.is_some(), "the session goes on");
    assert!(first.counter < second.counter && second.counter < third.counter);
    assert_eq!(third.outbox_heads.len(), 1, "the other one's message waits here");
    let status = soon(client.status().wait_for(|s| s.is_connected())).await.unwrap();
    assert!(status.seq > seq, "the status goes on counting");
    soon(client.suspend()).await.unwrap();

    // And another one signs out.
    let other = open().await.unwrap();
    other.resume_last().await.unwrap();
    soon(other.logout(LocalData::Keep)).await.unwrap();
    soon(other.close()).await;
    soon(client.resume()).await.unwrap();
    assert_eq!(client.status().now().user(), None, "it signs nobody in again");
    assert_eq!(client.resume_last().await.unwrap_err().code, Code::NEEDS_EXPLICIT_LOGIN);
}
