//! A server in a directory of its own, and clients for it.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use homing_proto::device::{Device, Platform};
use homing_proto::frame::{
    ClientFrame, Close, Credential, Hello, Intent, Refuse, Request, Response, Resume, ServerFrame,
    Welcome, Window,
};
use homing_proto::id::{ClientMsgId, ConversationId, Cursor, DeviceId, UserId};
use homing_proto::message::{Content, LogEntry};
use homing_proto::secret::Token;
use homing_proto::time::WallTime;
use homing_proto::{Error, codec, limits};
use homing_server::clock::Clock;
use homing_server::config::Config;
use homing_server::dev::{self, Demo};
use homing_server::server::{Running, Server};
use homing_token::{Format, Grant, mint};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request as UpgradeRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

pub(super) struct World {
    pub(super) running: Running,
    pub(super) demo: Demo,
    pub(super) clock: Clock,
    pub(super) dir: TempDir,
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::in_dir(tempfile::tempdir().unwrap(), change).await
    }

    pub(super) async fn in_dir(dir: TempDir, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(dir.path());
        config.listen.set_port(0);
        change(&mut config);
        let clock = config.clock.clone();
        let running = Server::start(config).await.unwrap();
        let demo = dev::provision(&running).await.unwrap();
        Self { running, demo, clock, dir }
    }

    /// With an admin token that [`World::admin`] shows.
    pub(super) async fn administered() -> Self {
        Self::with(|config| config.admin_token = Some(Token::new(ADMIN))).await
    }

    /// One request to the admin API; status and answer.
    pub(super) async fn admin(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, answer) = self.http(method, path, Some(ADMIN), &body).await;
        (status, serde_json::from_str(&answer).expect("the API answers with JSON"))
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.running.local_addr()
    }

    pub(super) fn token(&self, user: &str) -> Token {
        let known = self.demo.users.iter().find(|(id, _)| id.as_str() == user);
        known.unwrap().1.clone()
    }

    /// A token for that user that was issued so many seconds ago and lives so long.
    pub(super) fn mint(&self, user: &str, age_s: u64, ttl_s: u64) -> Token {
        let mut issued_at = self.running.wall();
        issued_at.0 -= age_s * 1_000;
        self.mint_at(user, issued_at, ttl_s)
    }

    /// A token for that user that was issued at that moment.
    pub(super) fn mint_at(&self, user: &str, issued_at: WallTime, ttl_s: u64) -> Token {
        let user = &UserId::parse(user).unwrap();
        let grant = Grant { app: self.demo.app, user, issued_at, ttl_s, userbuf: None };
        mint(Format::Usersig, &self.demo.key, &grant).unwrap()
    }

    /// The Hello of an explicit login.
    pub(super) fn hello(&self, user: &str, device: u8, platform: Platform) -> Hello {
        let token = self.mint(user, 0, 3_600);
        Hello {
            proto: limits::PROTO,
            sdk: "test/1".to_owned(),
            app: self.demo.app,
            user: UserId::parse(user).unwrap(),
            device: Device {
                id: DeviceId([device; 16]),
                platform,
                os: "Test OS".to_owned(),
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
        }
    }

    pub(super) async fn connect(&self) -> Client {
        Client::connect(self.addr()).await
    }

    /// Signs in; the welcome comes with it.
    pub(super) async fn login(
        &self,
        user: &str,
        device: u8,
        platform: Platform,
    ) -> (Client, Welcome) {
        self.login_with(self.hello(user, device, platform)).await
    }

    pub(super) async fn login_with(&self, hello: Hello) -> (Client, Welcome) {
        let mut client = self.connect().await;
        let welcome = client.greet(hello).await.unwrap();
        (client, welcome)
    }

    pub(super) async fn refused(&self, hello: Hello) -> Refuse {
        self.connect().await.greet(hello).await.unwrap_err()
    }

    pub(super) async fn metric(&self, line: &str) -> Option<u64> {
        let (_, page) = self.http("GET", "/metrics", None, "").await;
        let found = page.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(' '));
        found.map(|value| value.parse().unwrap())
    }

    /// One request with the admin token given; status and body.
    pub(super) async fn http(
        &self,
        method: &str,
        path: &str,
        admin: Option<&str>,
        body: &str,
    ) -> (u16, String) {
        let (head, body) = self.http_whole(method, path, admin, body).await;
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body)
    }

    pub(super) async fn http_whole(
        &self,
        method: &str,
        path: &str,
        admin: Option<&str>,
        body: &str,
    ) -> (String, String) {
        let admin = admin.map(|token| format!("Authorization: Bearer {token}\r\n"));
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{}Content-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            admin.unwrap_or_default(),
            body.len()
        );
        let answer = raw(self.addr(), request.as_bytes()).await;
        let (head, body) = answer.split_once("\r\n\r\n").expect("a whole answer");
        (head.to_owned(), body.to_owned())
    }
}

/// The admin token of tests that need to know it.
pub(super) const ADMIN: &str = "an admin token for tests";

/// Sends bytes and reads until the server closes.
pub(super) async fn raw(addr: SocketAddr, bytes: &[u8]) -> String {
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    tcp.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    soon(tcp.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// The client's end of a connection.
pub(super) struct Client<S = TcpStream> {
    pub(super) ws: WebSocketStream<S>,
    next_id: u32,
}

impl Client {
    pub(super) async fn connect(addr: SocketAddr) -> Self {
        Self::over(TcpStream::connect(addr).await.unwrap()).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(super) async fn over(io: S) -> Self {
        let (ws, response) = soon(client_async(upgrade("homing.1"), io)).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "homing.1");
        Self { ws, next_id: 1 }
    }

    pub(super) async fn greet(&mut self, hello: Hello) -> Result<Welcome, Refuse> {
        self.send(&ClientFrame::Hello(Box::new(hello))).await;
        match self.recv().await {
            ServerFrame::Welcome(welcome) => Ok(*welcome),
            ServerFrame::Refuse(refuse) => Err(*refuse),
            other => panic!("neither welcome nor refuse: {other:?}"),
        }
    }

    pub(super) async fn send(&mut self, frame: &ClientFrame) {
        self.send_bytes(codec::encode_client(frame)).await;
    }

    pub(super) async fn send_bytes(&mut self, bytes: bytes::Bytes) {
        soon(self.ws.send(Message::Binary(bytes))).await.unwrap();
    }

    /// The next frame.
    pub(super) async fn recv(&mut self) -> ServerFrame {
        self.next().await.expect("the connection is open")
    }

    /// The next frame; `None` at the end of the connection.
    pub(super) async fn next(&mut self) -> Option<ServerFrame> {
        loop {
            match soon(self.ws.next()).await {
                Some(Ok(Message::Binary(bytes))) => {
                    return Some(codec::decode_server(bytes).unwrap());
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(other)) => panic!("not a binary message: {other:?}"),
            }
        }
    }

    /// The next frame that is no news of devices.
    pub(super) async fn recv_but_devices(&mut self) -> ServerFrame {
        loop {
            match self.recv().await {
                ServerFrame::Devices(_) => {}
                other => return other,
            }
        }
    }

    /// The last frame of the connection, which is a Close; what comes before it is passed over.
    pub(super) async fn closed(&mut self) -> Close {
        let mut last = None;
        while let Some(frame) = self.next().await {
            last = Some(frame);
        }
        match last {
            Some(ServerFrame::Close(close)) => *close,
            other => panic!("no close at the end: {other:?}"),
        }
    }

    pub(super) async fn request(&mut self, body: Request) -> Result<Response, Error> {
        let id = self.ask(body).await;
        loop {
            if let ServerFrame::Response { id: answered, body } = self.recv().await
                && answered == id
            {
                return body;
            }
        }
    }

    /// Asks without waiting for the answer.
    pub(super) async fn ask(&mut self, body: Request) -> u32 {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&ClientFrame::Request { id, body }).await;
        id
    }

    pub(super) async fn write_to(&mut self, peer: &str, text: &str) -> Result<Response, Error> {
        let body = message_to(peer, text, self.next_id);
        self.request(body).await
    }

    /// The next push of a message: its offset and text.
    pub(super) async fn pushed(&mut self) -> (u64, Content) {
        loop {
            if let ServerFrame::Push { offset, entry: LogEntry::Message { message, .. } } =
                self.recv().await
            {
                return (offset, message.content);
            }
        }
    }

    /// Asks whether anybody is there.
    pub(super) async fn ping(&mut self) {
        self.send(&ClientFrame::Ping { nonce: 77 }).await;
        assert!(matches!(self.recv_but_devices().await, ServerFrame::Pong { nonce: 77, .. }));
    }
}

pub(super) fn message_to(peer: &str, text: &str, number: u32) -> Request {
    let mut client_id = [0; 16];
    client_id[..4].copy_from_slice(&number.to_le_bytes());
    Request::Send {
        conversation: ConversationId::Direct(UserId::parse(peer).unwrap()),
        client_id: ClientMsgId(client_id),
        content: Content::text(text),
    }
}

/// The Hello that goes on with the session of a welcome.
pub(super) fn resume(mut hello: Hello, welcome: &Welcome, counter: u64) -> Hello {
    hello.intent = Intent::Automatic;
    hello.counter = counter;
    hello.cursor = Some(Cursor { log_epoch: welcome.sync.log_epoch, offset: welcome.head });
    hello.resume = Some(Resume {
        session: welcome.session,
        secret: welcome.secret.clone().expect("a new session has a secret"),
        epoch: welcome.epoch,
    });
    hello
}

pub(super) fn upgrade(sub_protocol: &str) -> UpgradeRequest {
    let mut request = "ws://localhost/v1/connect".into_client_request().unwrap();
    let value = sub_protocol.parse().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", value);
    request
}

/// A bound for what must come, so that a test that fails does so.
pub(super) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it comes soon")
}
