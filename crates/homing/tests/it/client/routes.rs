//! Several ways to one server (S-6.5).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use homing::{Client, Config};
use tokio::net::TcpListener;

use super::server::FakeServer;
use super::{soon, token};

/// S-6.5: a server that takes connections and says nothing does not hold up one that answers; the way
/// that worked is the first one next time, and the silent one is left alone.
#[tokio::test]
async fn a_silent_server_is_passed_over_and_then_left_alone() {
    let (silent, taken) = silent().await;
    let server = FakeServer::start().await;
    let config = Config::new(1, &silent).unwrap().or_server(&server.url);
    let client = Client::open(config).await.unwrap();
    let login = client.login("alice", token()).start();
    let (peer, _) = server.welcome().await;
    soon(login).await.unwrap();
    assert_eq!(taken.load(Ordering::Relaxed), 1, "it was tried first");
    drop(peer);
    let (_peer, hello) = server.welcome().await;
    assert!(hello.resume.is_some());
    soon(client.status().wait_for(|status| status.is_connected())).await.unwrap();
    assert_eq!(taken.load(Ordering::Relaxed), 1, "and not again");
}

/// S-6.5: one that refuses costs nothing at all.
#[tokio::test]
async fn a_server_that_refuses_gives_way_within_one_attempt() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", gone.local_addr().unwrap());
    drop(gone);
    let server = FakeServer::start().await;
    let config = Config::new(1, &url).unwrap().or_server(&server.url);
    let client = Client::open(config).await.unwrap();
    let login = client.login("alice", token()).start();
    let (_peer, hello) = server.welcome().await;
    assert_eq!(hello.counter, 1, "no attempt was spent on the other one");
    soon(login).await.unwrap();
}

/// Takes connections, counts them, and never says a word.
async fn silent() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = taken.clone();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::Relaxed);
            held.push(stream);
        }
    });
    (url, taken)
}
