//! What a waiting connection costs: the server's memory with few and with many users signed in.
//!
//! `cargo run --release -p homing-server --example idle -- [COUNT] [--tls] [--uncached]`
//!
//! The server runs in a process of its own, with jemalloc as in the program. COUNT connections
//! (10 000) sign in as as many users; the figure is what the resident memory grew from the first
//! thousand to all, per connection: after a rest, and again after each connection carried one
//! frame of 60 KB.
//!
//! A rush of logins leaves free pages behind that jemalloc gives back by itself only with
//! `_RJEM_MALLOC_CONF=background_thread:true,dirty_decay_ms:2000,muzzy_decay_ms:0`.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement by hand")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use homing_proto::device::{Device, Platform};
use homing_proto::frame::{ClientFrame, Credential, Hello, Intent, ServerFrame, Window};
use homing_proto::id::{AppId, DeviceId, UserId};
use homing_proto::time::WallTime;
use homing_proto::{codec, limits};
use homing_server::config::{Config, TlsFiles};
use homing_server::dev;
use homing_server::server::Server;
use homing_server::ws::{Decoder, Message, Opcode, Role, client};
use homing_token::{Format, Grant, Key, mint};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == "serve") {
        return serve(&args);
    }
    let count = args.iter().find_map(|arg| arg.parse().ok()).unwrap_or(10_000);
    measure(count, &args);
}

fn serve(args: &[String]) {
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::new(dir.path().join("data"));
    config.listen.set_port(0);
    if has("--uncached") {
        // Without what the store keeps of users in use: the connections alone.
        config.cached = 16;
    }
    if has("--tls") {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let files = TlsFiles { cert: dir.path().join("cert.pem"), key: dir.path().join("key.pem") };
        std::fs::write(&files.cert, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        config.tls = Some(files);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let running = Server::start(config).await.unwrap();
        let demo = dev::provision(&running).await.unwrap();
        println!("{}", demo.to_json(&running));
        // Until the parent closes our standard input.
        let _ = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0])).await;
        running.shutdown().await;
    });
}

fn measure(count: usize, args: &[String]) {
    let tls = args.iter().any(|arg| arg == "--tls");
    let mut server = Command::new(std::env::current_exe().unwrap());
    server.arg("serve").args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut server = server.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let world = World::read(&line, tls);

    let mut clients = Vec::with_capacity(count);
    let first = 1_000.min(count / 2);
    let started = Instant::now();
    while clients.len() < first {
        clients.push(world.login(clients.len()));
    }
    let before = rest_and_read(&server);
    let resumed = Instant::now();
    clients.extend(world.login_together(first..count));
    let took = resumed.elapsed();
    let after = rest_and_read(&server);
    let slope = |from: u64, to: u64| (to as f64 - from as f64) * 1024.0 / (count - first) as f64;
    println!("connections        {first} -> {count} ({})", if tls { "TLS 1.3" } else { "plain" });
    println!("resident           {before} KiB -> {after} KiB");
    println!("per connection     {:.0} B", slope(before, after));
    let per_s = (count - first) as f64 / took.as_secs_f64();
    println!("logins             {per_s:.0} per s over {LOGINS_AT_ONCE} threads, clients included");
    for client in &mut clients {
        client.send_large();
    }
    let burst = rest_and_read(&server);
    println!("after 60 KB each   {burst} KiB, {:.0} B per connection", slope(before, burst));
    println!("in all             {:.0} s", started.elapsed().as_secs_f64());
    drop(clients);
    drop(server.stdin.take());
    server.wait().unwrap();
}

/// The server's resident memory in KiB, once it had time to give back what it does not need.
fn rest_and_read(server: &Child) -> u64 {
    std::thread::sleep(Duration::from_secs(15));
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Threads that sign in, each waiting for its answer.
const LOGINS_AT_ONCE: usize = 64;

struct World {
    addr: SocketAddr,
    app: AppId,
    key: Key,
    now: WallTime,
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl World {
    fn read(line: &str, tls: bool) -> Self {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let url = line["url"].as_str().unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Self {
            addr: url.split("//").nth(1).unwrap().parse().unwrap(),
            app: AppId::new(u32::try_from(line["app_id"].as_u64().unwrap()).unwrap()).unwrap(),
            key: Key::new(line["key"].as_str().unwrap()).unwrap(),
            now: WallTime(u64::try_from(now.as_millis()).unwrap()),
            tls: tls.then(trusting),
        }
    }

    fn login_together(&self, numbers: Range<usize>) -> Vec<Client> {
        let next = AtomicUsize::new(numbers.start);
        let log_in_some = || {
            let numbers_left = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
            let mine = numbers_left.take_while(|number| *number < numbers.end);
            mine.map(|number| self.login(number)).collect::<Vec<_>>()
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..LOGINS_AT_ONCE).map(|_| scope.spawn(log_in_some)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        })
    }

    fn login(&self, number: usize) -> Client {
        let tcp = TcpStream::connect(self.addr).unwrap();
        let io = match &self.tls {
            None => Io::Plain(tcp),
            Some(config) => {
                let name = "localhost".try_into().unwrap();
                let tls = rustls::ClientConnection::new(Arc::clone(config), name).unwrap();
                Io::Tls(Box::new(rustls::StreamOwned::new(tls, tcp)))
            }
        };
        let mut client = Client { io };
        let user = UserId::parse(&format!("user-{number:06}")).unwrap();
        let grant =
            Grant { app: self.app, user: &user, issued_at: self.now, ttl_s: 86_400, userbuf: None };
        let token = mint(Format::Usersig, &self.key, &grant).unwrap();
        let mut device = [0; 16];
        device[..8].copy_from_slice(&(number as u64 + 1).to_le_bytes());
        client.login(Hello {
            proto: limits::PROTO,
            sdk: "idle/1".to_owned(),
            app: self.app,
            user,
            device: Device {
                id: DeviceId(device),
                platform: Platform::Android,
                os: "Android 16".to_owned(),
                tag: String::new(),
                custom_type: 0,
            },
            intent: Intent::Explicit,
            credential: Some(Credential { format: "usersig".to_owned(), token }),
            resume: None,
            counter: 1,
            cursor: None,
            outbox_heads: Vec::new(),
            window: Window { conversations: 20, per_conversation: 20 },
            user_name: String::new(),
            login_extension: bytes::Bytes::new(),
            caps: 0,
            login_id: None,
        });
        client
    }
}

struct Client {
    io: Io,
}

enum Io {
    Plain(TcpStream),
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>),
}

impl Client {
    fn login(&mut self, hello: Hello) {
        let nonce = [7; 16];
        let mut bytes = client::upgrade_request("localhost", "/v1/connect", &nonce);
        let frame = codec::encode_client(&ClientFrame::Hello(Box::new(hello)));
        client::put_frame(&mut bytes, Opcode::Binary, &frame, [1, 2, 3, 4]);
        self.write(&bytes);
        let mut answer = Vec::new();
        let len = loop {
            self.read(&mut answer);
            if let Some(len) = client::read_upgrade_response(&answer, &nonce).unwrap() {
                break len;
            }
        };
        answer.drain(..len);
        let mut decoder = Decoder::new(Role::Client);
        loop {
            let mut input = &mut answer[..];
            while let Some(message) = decoder.decode(&mut input, limits::FRAME_MAX).unwrap() {
                let Message::Binary(bytes) = message else { continue };
                let frame = codec::decode_server(bytes.into_owned().into()).unwrap();
                assert!(matches!(frame, ServerFrame::Welcome(_)), "{frame:?}");
                return;
            }
            answer.clear();
            self.read(&mut answer);
        }
    }

    /// A field that nobody knows yet, of 60 KB.
    fn send_large(&mut self) {
        let mut frame = vec![0xfa, 0x3f, 0xe0, 0xd4, 0x03];
        frame.resize(5 + 60_000, 7);
        let mut bytes = Vec::new();
        client::put_frame(&mut bytes, Opcode::Binary, &frame, [1, 2, 3, 4]);
        self.write(&bytes);
    }

    fn write(&mut self, bytes: &[u8]) {
        match &mut self.io {
            Io::Plain(io) => io.write_all(bytes).unwrap(),
            Io::Tls(io) => io.write_all(bytes).and_then(|()| io.flush()).unwrap(),
        }
    }

    fn read(&mut self, into: &mut Vec<u8>) {
        let mut buffer = [0; 4_096];
        let len = match &mut self.io {
            Io::Plain(io) => io.read(&mut buffer).unwrap(),
            Io::Tls(io) => io.read(&mut buffer).unwrap(),
        };
        assert!(len > 0, "the server closed");
        into.extend_from_slice(&buffer[..len]);
    }
}

/// A client that believes any certificate: it measures, it says nothing worth hiding.
fn trusting() -> Arc<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trust(provider)))
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

#[derive(Debug)]
struct Trust(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
