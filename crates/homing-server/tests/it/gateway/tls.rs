//! The same port over TLS 1.3, with rustls' buffered client as the other end.

use std::path::Path;
use std::sync::Arc;

use homing_proto::device::Platform;
use homing_proto::limits;
use homing_proto::message::Content;
use homing_server::config::Config;
use homing_server::config::TlsFiles;
use homing_server::server::{Server, StartError};
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::world::{Client, World, message_to, soon};

struct Secure {
    world: World,
    connector: TlsConnector,
}

impl Secure {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (files, cert) = certificate(dir.path());
        let world = World::in_dir(dir, |config| config.tls = Some(files)).await;
        Self { world, connector: connector(cert, &rustls::version::TLS13) }
    }

    async fn tls(&self) -> TlsStream<TcpStream> {
        let tcp = TcpStream::connect(self.world.addr()).await.unwrap();
        let name = "localhost".try_into().unwrap();
        soon(self.connector.connect(name, tcp)).await.unwrap()
    }

    async fn login(&self, user: &str, device: u8) -> Client<TlsStream<TcpStream>> {
        let mut client = Client::over(self.tls().await).await;
        client.greet(self.world.hello(user, device, Platform::Ios)).await.unwrap();
        client
    }
}

#[tokio::test]
async fn users_talk_over_tls() {
    let secure = Secure::new().await;
    let mut alice = secure.login("alice", 1).await;
    let mut bob = secure.login("bob", 2).await;
    alice.write_to("bob", "hello").await.unwrap();
    assert_eq!(bob.pushed().await, (1, Content::text("hello")));
    assert!(secure.world.running.url().starts_with("https://"));
}

#[tokio::test]
async fn frames_larger_than_a_record_pass_both_ways() {
    let secure = Secure::new().await;
    let mut alice = secure.login("alice", 1).await;
    let text = "x".repeat(12_000);
    for number in 0..100 {
        alice.request(message_to("alice", &text, number)).await.unwrap();
    }
    let mut unknown = vec![0xfa, 0x3f, 0xa0, 0x8d, 0x06];
    unknown.resize(5 + 100_000, 7);
    alice.send_bytes(unknown.into()).await;
    let conversation = homing_proto::id::ConversationId::parse("user/alice").unwrap();
    let history = homing_proto::frame::Request::History { conversation, before: 0, limit: 40 };
    let answer = alice.request(history).await.unwrap();
    let homing_proto::frame::Response::History(messages) = answer else { panic!("{answer:?}") };
    assert_eq!(messages.len(), 40);
}

#[tokio::test]
async fn the_api_answers_over_tls_and_says_goodbye() {
    let secure = Secure::new().await;
    let mut tls = secure.tls().await;
    tls.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    // An end without close_notify would be an error here.
    soon(tls.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_second_connection_resumes_the_tls_session() {
    let secure = Secure::new().await;
    let first = secure.login("alice", 1).await;
    drop(first);
    let second = secure.tls().await;
    let (_, connection) = second.get_ref();
    assert_eq!(connection.handshake_kind(), Some(rustls::HandshakeKind::Resumed));
}

#[tokio::test]
async fn plain_http_and_tls_1_2_are_turned_down() {
    let secure = Secure::new().await;
    let addr = secure.world.addr();
    let answer = raw_bytes(addr, b"GET /healthz HTTP/1.1\r\n\r\n").await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    let cert = std::fs::read(secure.world.dir.path().join("cert.der")).unwrap();
    let old = connector(cert.into(), &rustls::version::TLS12);
    let tcp = TcpStream::connect(addr).await.unwrap();
    assert!(soon(old.connect("localhost".try_into().unwrap(), tcp)).await.is_err());
    secure.login("alice", 1).await;
}

#[tokio::test]
async fn a_handshake_that_does_not_go_on_is_cut_off() {
    let secure = Secure::new().await;
    let mut slow = TcpStream::connect(secure.world.addr()).await.unwrap();
    slow.write_all(&[0x16, 0x03, 0x01]).await.unwrap();
    let _later = secure.tls().await;
    secure.world.clock.advance(limits::HELLO_TIMEOUT_MS);
    let mut rest = Vec::new();
    soon(slow.read_to_end(&mut rest)).await.unwrap();
}

#[tokio::test]
async fn unusable_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (good, _) = certificate(dir.path());
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let missing = dir.path().join("missing.pem");
    let cases = [
        TlsFiles { cert: missing.clone(), key: good.key.clone() },
        TlsFiles { cert: empty.clone(), key: good.key.clone() },
        TlsFiles { cert: good.cert.clone(), key: empty },
        TlsFiles { cert: good.cert.clone(), key: missing },
    ];
    for files in cases {
        let mut config = Config::new(dir.path());
        config.listen.set_port(0);
        config.tls = Some(files.clone());
        let refused = Server::start(config).await.unwrap_err();
        assert!(matches!(refused, StartError::Tls(_)), "{files:?}: {refused}");
    }
}

async fn raw_bytes(addr: std::net::SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    tcp.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let _ = soon(tcp.read_to_end(&mut answer)).await;
    answer
}

fn certificate(dir: &Path) -> (TlsFiles, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = TlsFiles { cert: dir.join("cert.pem"), key: dir.join("key.pem") };
    std::fs::write(&files.cert, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    std::fs::write(dir.join("cert.der"), made.cert.der()).unwrap();
    (files, made.cert.der().clone())
}

fn connector(
    cert: CertificateDer<'static>,
    version: &'static rustls::SupportedProtocolVersion,
) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(cert).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config).into()
}
