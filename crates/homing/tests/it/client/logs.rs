//! What an app that listens to everything finds in its log.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use homing::{Client, Config, Content, Credential, Depth};
use homing_proto::frame::{Request, Response};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::server::{FakeServer, wall_now, with_bob};
use super::soon;

/// S-8.7, I25: the WebSocket library traces frames, and nothing of them arrives.
///
/// The server is on a thread of its own, for it speaks by the same library.
#[tokio::test]
async fn no_frame_reaches_the_log_of_an_app_that_asks_for_everything() {
    let (tell_url, url) = tokio::sync::oneshot::channel();
    let server = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = FakeServer::start().await;
            tell_url.send(server.url.clone()).unwrap();
            let (mut peer, hello) = server.welcome().await;
            let (id, request) = peer.request().await;
            assert!(matches!(request, Request::Send { .. }), "{request:?}");
            peer.answer(id, Response::Sent { seq: 1, time: wall_now() }).await;
            peer.gone().await;
            hello.credential.unwrap().token.expose().to_owned()
        })
    });
    let log = Log::default();
    let writer = log.clone();
    let listening = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish()
        .set_default();
    let config = Config::new(1, &soon(url).await.unwrap()).unwrap();
    let client = Client::open(config).await.unwrap();
    let token = Credential::usersig("a-token-nobody-may-see");
    soon(client.login("alice", token).depth(Depth::Live)).await.unwrap();
    soon(client.send(&with_bob(), Content::text("private words"))).await.unwrap();
    while !soon(client.outbox()).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    client.close().await;
    drop(listening);
    let shown = server.join().unwrap();

    let log = log.text();
    assert!(log.contains("homing::driver"), "it listens: {log}");
    assert!(log.contains("tungstenite"), "to the library too: {log}");
    for secret in [&*shown, "private words"] {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(!log.contains(secret) && !log.contains(&hex), "{secret}: {log}");
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
