//! The scripted server: each test plays its part, frame by frame.

use futures_util::{SinkExt as _, StreamExt as _};
use homing::{ConversationId, Message, SessionId, UserId, WallTime};
use homing_proto::codec;
use homing_proto::frame::{
    Binding, ClientFrame, EndSession, Hello, Limits, Request, Response, ServerFrame, SyncBody,
    SyncPage, Welcome,
};
use homing_proto::message::{LogEntry, ReadMark};
use homing_proto::secret::SessionSecret;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message as WsMessage;
use tokio_tungstenite::tungstenite::handshake::server::{
    ErrorResponse, Request as Upgrade, Response as Answer,
};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::soon;

pub(crate) struct FakeServer {
    pub(crate) url: String,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
}

/// A connection, encrypted or not.
trait Carrier: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Carrier for T {}

impl FakeServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        Self { url, listener, tls: None }
    }

    /// As the host that this certificate names.
    pub(crate) async fn start_tls(host: &str, tls: TlsAcceptor) -> Self {
        let server = Self::start().await;
        let port = server.listener.local_addr().unwrap().port();
        Self { url: format!("wss://{host}:{port}"), tls: Some(tls), ..server }
    }

    /// Takes part in one handshake that the client breaks off.
    pub(crate) async fn refuse_tls(&self) {
        let (stream, _) = soon(self.listener.accept()).await.unwrap();
        let tls = self.tls.as_ref().expect("it was started with TLS");
        assert!(soon(tls.accept(stream)).await.is_err());
    }

    /// The next connection that gets as far as WebSocket.
    pub(crate) async fn accept(&self) -> Peer {
        self.accept_as("homing.1").await
    }

    /// As a server that speaks this sub-protocol.
    pub(crate) async fn accept_as(&self, sub_protocol: &'static str) -> Peer {
        let (stream, _) = soon(self.listener.accept()).await.unwrap();
        let stream: Box<dyn Carrier> = match &self.tls {
            Some(tls) => Box::new(soon(tls.accept(stream)).await.unwrap()),
            None => Box::new(stream),
        };
        #[allow(clippy::result_large_err, reason = "the library's own signature")]
        let answer = |upgrade: &Upgrade, mut answer: Answer| -> Result<Answer, ErrorResponse> {
            assert_eq!(upgrade.uri().path(), "/v1/connect");
            assert_eq!(upgrade.headers()["sec-websocket-protocol"], "homing.1");
            let chosen = HeaderValue::from_static(sub_protocol);
            answer.headers_mut().insert("sec-websocket-protocol", chosen);
            Ok(answer)
        };
        let socket = soon(accept_hdr_async(stream, answer)).await.unwrap();
        Peer { socket, offset: 0 }
    }

    /// Accepts a connection, hears its Hello and welcomes it to an empty account.
    pub(crate) async fn welcome(&self) -> (Peer, Hello) {
        let mut peer = self.accept().await;
        let hello = peer.hello().await;
        peer.say_welcome(&hello).await;
        (peer, hello)
    }
}

/// The server's end of one connection.
pub(crate) struct Peer {
    socket: WebSocketStream<Box<dyn Carrier>>,
    /// The last entry of the user's log that was sent.
    offset: u64,
}

impl Peer {
    pub(crate) async fn frame(&mut self) -> Option<ClientFrame> {
        loop {
            match soon(self.socket.next()).await? {
                Ok(WsMessage::Binary(bytes)) => return Some(codec::decode_client(bytes).unwrap()),
                Ok(WsMessage::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    pub(crate) async fn hello(&mut self) -> Hello {
        match self.frame().await {
            Some(ClientFrame::Hello(hello)) => *hello,
            other => panic!("no hello: {other:?}"),
        }
    }

    /// The next request; acknowledgements and pings are passed over.
    pub(crate) async fn request(&mut self) -> (u32, Request) {
        loop {
            match self.frame().await {
                Some(ClientFrame::Request { id, body }) => return (id, body),
                Some(ClientFrame::Ack(_) | ClientFrame::Ping { .. } | ClientFrame::Pong { .. }) => {
                }
                other => panic!("no request: {other:?}"),
            }
        }
    }

    pub(crate) async fn end_session(&mut self) -> EndSession {
        match self.frame().await {
            Some(ClientFrame::EndSession(end)) => end,
            other => panic!("no end of a session: {other:?}"),
        }
    }

    /// Waits until the client has gone.
    pub(crate) async fn gone(&mut self) {
        while self.frame().await.is_some() {}
    }

    pub(crate) async fn say(&mut self, frame: &ServerFrame) {
        self.socket.send(WsMessage::Binary(codec::encode_server(frame))).await.unwrap();
    }

    pub(crate) async fn say_raw(&mut self, message: WsMessage) {
        self.socket.send(message).await.unwrap();
    }

    pub(crate) async fn answer(&mut self, id: u32, response: Response) {
        self.say(&ServerFrame::Response { id, body: Ok(response) }).await;
    }

    /// A message of the user's log, as the next push.
    pub(crate) async fn push(&mut self, message: Message) {
        self.offset += 1;
        let entry = LogEntry::Message { message, own_count: 0, read: ReadMark::default() };
        self.say(&ServerFrame::Push { offset: self.offset, entry }).await;
    }

    pub(crate) async fn say_welcome(&mut self, hello: &Hello) {
        self.offset = hello.cursor.map_or(0, |cursor| cursor.offset);
        let body = match hello.cursor {
            Some(cursor) => {
                SyncBody::Entries { first_offset: cursor.offset + 1, entries: Vec::new() }
            }
            None => SyncBody::TooLong(Vec::new()),
        };
        let resumed = hello.resume.is_some();
        let welcome = Welcome {
            session: SESSION,
            secret: (!resumed).then(|| SessionSecret::new([9; 32])),
            epoch: 1,
            binding: if resumed { Binding::Resumed } else { Binding::Fresh },
            server_time: wall_now(),
            credential_expires_in_ms: Some(3_600_000),
            head: self.offset,
            sync: SyncPage { log_epoch: 7, head: self.offset, body },
            outbox_acks: Vec::new(),
            devices: Vec::new(),
            limits: Limits {
                ping_ms: 25_000,
                liveness_ms: 30_000,
                max_frame: 1024 * 1024,
                reconnect_window_ms: 1_000,
            },
            registered: false,
        };
        self.say(&ServerFrame::Welcome(Box::new(welcome))).await;
    }
}

pub(crate) const SESSION: SessionId = SessionId([5; 16]);

pub(crate) fn bob() -> UserId {
    UserId::parse("bob").unwrap()
}

pub(crate) fn with_bob() -> ConversationId {
    ConversationId::Direct(bob())
}

pub(crate) fn wall_now() -> WallTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    WallTime(since.as_millis().try_into().unwrap())
}
