//! Frames as binary WebSocket messages, over TLS or, to this machine, without (W-1).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _, future};
use homing_proto::limits::{CONNECT_TIMEOUT_MS, FRAME_MAX};
use homing_proto::{Code, Error};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::endpoint::{Endpoint, Tls};
use super::tls::{TlsRoots, connector};
use super::{Link, Transport};

/// The SDK's own transport.
///
/// With several servers it tries them in turn and stays with the one that answered last.
pub struct WebSocket {
    shared: Arc<Shared>,
}

struct Shared {
    endpoints: Vec<Endpoint>,
    tls: Option<TlsConnector>,
    /// Which endpoint comes next.
    next: AtomicUsize,
}

impl WebSocket {
    pub(crate) fn new(endpoints: Vec<Endpoint>, roots: &TlsRoots) -> Result<Self, Error> {
        if endpoints.is_empty() {
            return Err(Error::new(Code::INVALID_ARGUMENT).with_text("no server was given"));
        }
        let wants_tls = endpoints.iter().any(|endpoint| endpoint.tls == Tls::On);
        let tls = if wants_tls { Some(connector(roots)?) } else { None };
        Ok(Self { shared: Arc::new(Shared { endpoints, tls, next: AtomicUsize::new(0) }) })
    }
}

impl Transport for WebSocket {
    fn connect(&self) -> BoxFuture<'static, Result<Link, Error>> {
        let shared = self.shared.clone();
        async move {
            let at = shared.next.load(Ordering::Relaxed) % shared.endpoints.len();
            let endpoint = &shared.endpoints[at];
            let limit = Duration::from_millis(CONNECT_TIMEOUT_MS);
            let result = match timeout(limit, connect(endpoint, shared.tls.as_ref())).await {
                Ok(result) => result,
                Err(_) => Err(Error::new(Code::TIMEOUT).with_text("the server did not answer")),
            };
            if result.is_err() {
                shared.next.store(at + 1, Ordering::Relaxed);
            }
            result
        }
        .boxed()
    }
}

async fn connect(endpoint: &Endpoint, tls: Option<&TlsConnector>) -> Result<Link, Error> {
    let stream = super::dial::dial(&endpoint.host, endpoint.port).await.map_err(lost)?;
    match (endpoint.tls, tls) {
        (Tls::On, Some(tls)) => {
            let name = ServerName::try_from(endpoint.host.clone()).map_err(lost)?;
            let stream = tls.connect(name, stream).await.map_err(lost)?;
            upgrade(endpoint, stream).await
        }
        (Tls::On, None) | (Tls::Off, _) => upgrade(endpoint, stream).await,
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
    let (outgoing, incoming) = socket.split();
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
        error => lost(error),
    }
}

fn lost(why: impl std::fmt::Display) -> Error {
    Error::new(Code::NETWORK).with_text(why.to_string())
}

/// The wire's name among WebSocket sub-protocols (W-1).
const SUB_PROTOCOL: &str = "homing.1";
/// The library's own 128 KiB would be most of what an idle client weighs (B-9).
const BUFFER_BYTES: usize = 8 * 1024;
