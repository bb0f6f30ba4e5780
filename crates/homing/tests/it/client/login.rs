//! Signing in: explicit, offline, automatic; refused; read while it runs.

use homing::status::{SessionStatus, Trust, Why};
use homing::{Client, Code, Depth, Error, Event, LocalData};
use homing_proto::frame::{Refuse, Request, Response, ServerFrame};
use tempfile::TempDir;

use super::server::{FakeServer, with_bob};
use super::{client, config, event, soon, token};
use crate::store::message;

#[tokio::test]
async fn a_login_ends_connected_with_one_question_and_one_answer() {
    let server = FakeServer::start().await;
    let client = client(&server).await;
    let login = client.login("alice", token()).depth(Depth::Live).start();
    let (_peer, hello) = server.welcome().await;
    assert_eq!(hello.user.as_str(), "alice");
    assert_eq!(hello.credential, Some(token()));
    assert!(!soon(login).await.unwrap().already);

    let status = client.status().now();
    assert!(status.is_connected());
    assert!(matches!(status.session, SessionStatus::SignedIn { trust: Trust::Verified, .. }));
    assert!(soon(client.login("alice", token())).await.unwrap().already);
    soon(client.close()).await;
}

#[tokio::test]
async fn a_refused_login_gives_the_servers_verdict_and_signs_nobody_in() {
    let server = FakeServer::start().await;
    let client = client(&server).await;
    let login = client.login("alice", token()).start();
    let mut peer = server.accept().await;
    peer.hello().await;
    let refuse = Refuse {
        error: Error::new(Code::CREDENTIAL_BAD_SIGNATURE),
        terminal: true,
        kick: None,
        holders: Vec::new(),
    };
    peer.say(&ServerFrame::Refuse(Box::new(refuse))).await;
    assert_eq!(soon(login).await.unwrap_err().code, Code::CREDENTIAL_BAD_SIGNATURE);
    let status = client.status().now();
    assert!(
        matches!(&status.session, SessionStatus::SignedOut { why: Why::LoginFailed(_) }),
        "{status:?}"
    );
}

/// S-1.2.
#[tokio::test]
async fn an_illegal_user_id_is_refused_without_traffic() {
    let server = FakeServer::start().await;
    let client = client(&server).await;
    for user in ["", "a/b", &"x".repeat(33)] {
        let error = soon(client.login(user, token())).await.unwrap_err();
        assert_eq!(error.code, Code::INVALID_USER_ID);
        let error = soon(client.login_offline(user, None)).await.unwrap_err();
        assert_eq!(error.code, Code::INVALID_USER_ID);
    }
}

#[tokio::test]
async fn a_server_of_another_protocol_is_no_server() {
    let server = FakeServer::start().await;
    let client = client(&server).await;
    let login =
        client.login("alice", token()).timeout(std::time::Duration::from_millis(700)).start();
    drop(server.accept_as("other.1").await);
    let error = soon(login).await.unwrap_err();
    assert!(matches!(error.code, Code::NETWORK | Code::TIMEOUT), "{error}");
}

/// I8, S-3.7: what an app reads behind a call is of the account that it named in it.
#[tokio::test]
async fn a_read_behind_another_accounts_login_or_a_logout_finds_nothing_of_the_account_before() {
    let dir = TempDir::new().unwrap();
    let server = FakeServer::start().await;
    let client = signed_in_with_one_message(&dir, &server).await;
    let login = client.login("carol", token()).start();
    assert_eq!(soon(client.conversations(20)).await.unwrap_err().code, Code::NOT_READY);
    drop(login);
    client.close().await;

    let dir = TempDir::new().unwrap();
    let client = signed_in_with_one_message(&dir, &server).await;
    let both = async { tokio::join!(client.logout(LocalData::Keep), client.conversations(20)) };
    let (out, read) = soon(both).await;
    out.unwrap();
    assert_eq!(read.unwrap_err().code, Code::NOT_READY);
}

/// S-3.7.
#[tokio::test]
async fn local_data_is_read_at_once_while_a_login_of_the_last_account_runs() {
    let dir = TempDir::new().unwrap();
    let server = FakeServer::start().await;
    let client = signed_in_with_one_message(&dir, &server).await;
    client.close().await;

    let client = Client::open(config(&server).data_dir(dir.path())).await.unwrap();
    let refused = client.conversations(20).await.unwrap_err();
    assert_eq!(refused.code, Code::NOT_READY, "nobody called a login");
    let login = client.login("alice", token()).start();
    assert_eq!(client.conversations(20).await.unwrap().len(), 1);
    let (_peer, _) = server.welcome().await;
    soon(login).await.unwrap();
    client.close().await;

    // A guessed user id opens nobody's data (S-3.7).
    let client = Client::open(config(&server).data_dir(dir.path())).await.unwrap();
    let login = client.login("mallory", token()).start();
    assert_eq!(client.conversations(20).await.unwrap_err().code, Code::NOT_READY);
    drop(login);
    client.close().await;
}

/// S-4.1, S-4.3, S-5.1.
#[tokio::test]
async fn offline_and_automatic_login_answer_without_a_server_and_connect_when_there_is_one() {
    let dir = TempDir::new().unwrap();
    let server = FakeServer::start().await;
    let client = signed_in_with_one_message(&dir, &server).await;
    client.close().await;

    let offline = || config(&server).data_dir(dir.path());
    let client = Client::open(offline()).await.unwrap();
    let other = client.login_offline("bob", None).await.unwrap_err();
    assert_eq!(other.code, Code::OFFLINE_NOT_LAST_USER);
    client.login_offline("alice", None).await.unwrap();
    let list = client.conversations(20).await.unwrap();
    assert_eq!(list[0].last.as_ref().unwrap().seq, 1);
    let history = client.history(&with_bob(), 0, 20).await.unwrap();
    assert_eq!(history.messages.len(), 1);
    let (_peer, hello) = server.welcome().await;
    assert!(hello.resume.is_some() && hello.cursor.is_some_and(|cursor| cursor.offset == 1));
    soon(client.status().wait_for(|status| status.is_connected())).await.unwrap();
    client.close().await;

    let client = Client::open(offline()).await.unwrap();
    client.resume_last().await.unwrap();
    assert_eq!(client.status().now().user().unwrap().as_str(), "alice");
    client.close().await;
}

/// S-9.3, S-9.2: wiped data is gone.
#[tokio::test]
async fn after_a_logout_nothing_signs_in_and_wiped_data_is_gone() {
    let dir = TempDir::new().unwrap();
    let server = FakeServer::start().await;
    let client = signed_in_with_one_message(&dir, &server).await;
    soon(client.logout(LocalData::Wipe)).await.unwrap();
    assert_eq!(client.conversations(20).await.unwrap_err().code, Code::NOT_READY);
    let again = client.login_offline("alice", None).await.unwrap_err();
    assert_eq!(again.code, Code::NEEDS_EXPLICIT_LOGIN);
    client.close().await;
    let names = std::fs::read_dir(dir.path()).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains("store")), "{names:?}");
    let account = std::fs::read(dir.path().join("account-1")).unwrap();
    let secret = b"a-token-nobody-may-see";
    assert!(!account.windows(secret.len()).any(|window| window == secret));
}

/// Alice, signed in on this directory, with a message of bob's in her store.
async fn signed_in_with_one_message(dir: &TempDir, server: &FakeServer) -> Client {
    let client = Client::open(config(server).data_dir(dir.path())).await.unwrap();
    let mut events = client.events();
    let login = client.login("alice", token()).start();
    let (mut peer, _) = server.welcome().await;
    soon(login).await.unwrap();
    peer.push(message("bob", 1, "bob")).await;
    event(&mut events, |event| matches!(event, Event::Message(_)).then_some(())).await;
    // It goes on answering, so that a sign-out is confirmed.
    tokio::spawn(async move {
        while let Some(frame) = peer.frame().await {
            if let homing_proto::frame::ClientFrame::Request { id, body: Request::Logout } = frame {
                peer.answer(id, Response::Done).await;
            }
        }
    });
    client
}
