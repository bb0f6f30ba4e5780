//! Frames as binary WebSocket messages, over TLS or, to this machine, without (W-1).

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _, future};
use homing_proto::limits::{CONNECT_TIMEOUT_MS, FRAME_MAX};
use homing_proto::{Code, Error};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::endpoint::{Endpoint, Tls};
use super::names::resolve;
use super::quiet::Quiet;
use super::race::{Reached, race};
use super::routes::{Memory, Route};
use super::tls::{TlsRoots, connector};
use super::{Link, Transport};
use crate::clock::Clock;

/// The SDK's own transport.
///
/// Every address of every server is a way to it; they race (S-6.5).
pub struct WebSocket {
    shared: Arc<Shared>,
}

struct Shared {
    endpoints: Vec<Endpoint>,
    tls: Option<TlsConnector>,
    clock: Clock,
    memory: Mutex<Memory>,
}

impl WebSocket {
    pub(crate) fn new(
        endpoints: Vec<Endpoint>,
        roots: &TlsRoots,
        clock: Clock,
    ) -> Result<Self, Error> {
        if endpoints.is_empty() {
            return Err(Error::new(Code::INVALID_ARGUMENT).with_text("no server was given"));
        }
        let wants_tls = endpoints.iter().any(|endpoint| endpoint.tls == Tls::On);
        let tls = if wants_tls { Some(connector(roots)?) } else { None };
        let memory = Mutex::default();
        Ok(Self { shared: Arc::new(Shared { endpoints, tls, clock, memory }) })
    }
}

impl Transport for WebSocket {
    fn connect(&self) -> BoxFuture<'static, Result<Link, Error>> {
        let shared = self.shared.clone();
        async move { shared.connect().await }.boxed()
    }

    fn network_changed(&self) {
        self.shared.memory().network_changed();
    }
}

impl Shared {
    async fn connect(&self) -> Result<Link, Error> {
        let began = Instant::now();
        let limit = Duration::from_millis(CONNECT_TIMEOUT_MS);
        let found = timeout(limit, resolve(&self.endpoints)).await.map_err(|_| {
            Error::new(Code::TIMEOUT).with_text("the server's name could not be looked up in time")
        })?;
        let routes = self.memory().order(self.clock.now().time, &found);
        let left = limit.saturating_sub(began.elapsed());
        let outcome = race(routes, left, |route, reached| self.go(route, reached)).await;
        let now = self.clock.now().time;
        let mut memory = self.memory();
        for route in outcome.failed {
            memory.failed(now, route);
        }
        let (route, link) = outcome.result?;
        memory.worked(now, route);
        Ok(link)
    }

    /// One way, to its end.
    async fn go(&self, route: Route, reached: Reached) -> Result<Link, Error> {
        let endpoint = &self.endpoints[route.endpoint];
        let stream = TcpStream::connect(route.address).await.map_err(|error| no_way(&error))?;
        // Frames are small and each is wanted at once.
        stream.set_nodelay(true).map_err(lost)?;
        reached.tell();
        match (endpoint.tls, &self.tls) {
            (Tls::On, Some(tls)) => {
                let name = ServerName::try_from(endpoint.host.clone()).map_err(lost)?;
                let stream = tls.connect(name, stream).await.map_err(lost)?;
                upgrade(endpoint, stream).await
            }
            (Tls::On, None) | (Tls::Off, _) => upgrade(endpoint, stream).await,
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn upgrade<S>(endpoint: &Endpoint, stream: S) -> Result<Link, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut request = endpoint.uri.clone().into_client_request().map_err(lost)?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUB_PROTOCOL));
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_write_buffer_size(2 * FRAME_MAX)
        .max_message_size(Some(FRAME_MAX))
        .max_frame_size(Some(FRAME_MAX));
    // A server that does not choose the sub-protocol is refused in here.
    let (socket, _) =
        client_async_with_config(request, stream, Some(config)).await.map_err(|e| broken(&e))?;
    let (outgoing, incoming) = Quiet(socket).split();
    let outgoing = outgoing
        .sink_map_err(|error| broken(&error))
        .with(|frame: Bytes| future::ready(Ok(Message::Binary(frame))));
    let incoming = incoming.filter_map(|message| future::ready(frame(message))).boxed();
    Ok(Link { incoming, outgoing: Box::pin(outgoing) })
}

/// The frame in a message, if it carries one.
fn frame(message: Result<Message, WsError>) -> Option<Result<Bytes, Error>> {
    match message {
        Ok(Message::Binary(frame)) => Some(Ok(frame)),
        Ok(Message::Text(_)) => {
            Some(Err(Error::new(Code::PROTOCOL_ERROR).with_text("the server sent text")))
        }
        // The library answers pings and closes; frames say why a server closes.
        Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_)) => None,
        Err(WsError::ConnectionClosed | WsError::AlreadyClosed) => None,
        Err(error) => Some(Err(broken(&error))),
    }
}

fn broken(error: &WsError) -> Error {
    match error {
        WsError::Capacity(_) => Code::FRAME_TOO_LARGE.into(),
        WsError::Io(error) => no_way(error),
        error => lost(error),
    }
}

/// Whether it is this device that has no network, or the way to the server that is broken.
fn no_way(error: &io::Error) -> Error {
    let code = match error.kind() {
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => Code::OFFLINE,
        _ => Code::NETWORK,
    };
    Error::new(code).with_text(error.to_string())
}

fn lost(why: impl std::fmt::Display) -> Error {
    Error::new(Code::NETWORK).with_text(why.to_string())
}

/// The wire's name among WebSocket sub-protocols (W-1).
const SUB_PROTOCOL: &str = "homing.1";
/// The library's own 128 KiB would be most of what an idle client weighs (B-9).
const BUFFER_BYTES: usize = 8 * 1024;
