//! From a socket to what speaks on it: a request head is read, then a connection or the API follows.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use homing_proto::limits;
use homing_proto::time::Time;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::rewind::Rewind;
use super::task::Task;
use super::tls::TlsStream;
use super::{Gateway, Open, Stage, Stranger};
use crate::ws::{Head, Refusal};

/// What a listener hands its sockets to.
#[derive(Clone)]
pub(crate) struct Acceptor {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) api: Router,
    /// `None`: plaintext.
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
}

impl Acceptor {
    /// Takes sockets until the server drains; the listener is closed then.
    pub(crate) async fn run(self, listener: TcpListener) {
        let mut stage = self.gateway.stage();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stage.wait_for(|stage| *stage != Stage::Serving) => return,
            };
            match accepted {
                Ok((tcp, peer)) => self.take_in(tcp, peer),
                // The peer was gone before we came to it.
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    // Out of files or memory: what waits stays in the backlog meanwhile.
                    tracing::warn!(target: "homing::gateway", %error, "cannot accept");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn take_in(&self, tcp: TcpStream, peer: SocketAddr) {
        let gateway = &self.gateway;
        let turn_away = || gateway.metrics.turned_away.add(1);
        let Some(open) = Open::new(gateway) else { return turn_away() };
        let Some(origin) = gateway.guard.enter(peer.ip()) else { return turn_away() };
        let stranger = Stranger { gateway: Arc::clone(gateway), origin };
        // Frames are written whole; waiting to fill a segment only delays them.
        let _ = tcp.set_nodelay(true);
        let greeting =
            Greeting { open, stranger, accepted: gateway.clock.now(), api: self.api.clone() };
        // Boxed: what a handshake needs is not to be part of the task's size afterwards.
        match self.tls.clone() {
            None => tokio::spawn(Box::pin(greeting.read(tcp))),
            Some(tls) => tokio::spawn(Box::pin(greeting.read_over_tls(tcp, tls))),
        };
    }
}

/// A connection before it is known what it wants.
struct Greeting {
    open: Open,
    stranger: Stranger,
    accepted: Time,
    api: Router,
}

impl Greeting {
    async fn read_over_tls(self, tcp: TcpStream, config: Arc<rustls::ServerConfig>) {
        let gateway = Arc::clone(self.open.gateway());
        let mut stage = gateway.stage();
        let handshake = tokio::select! {
            handshake = Box::pin(TlsStream::accept(tcp, config)) => handshake,
            () = gateway.clock.reach(self.accepted + limits::HELLO_TIMEOUT_MS) => return,
            _ = stage.wait_for(|stage| *stage != Stage::Serving) => return,
        };
        match handshake {
            Ok(io) => self.read(io).await,
            Err(error) => tracing::debug!(target: "homing::gateway", %error, "no TLS handshake"),
        }
    }

    async fn read<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, mut io: S) {
        let gateway = Arc::clone(self.open.gateway());
        let mut stage = gateway.stage();
        let mut bytes = Vec::new();
        let head = tokio::select! {
            head = read_head(&mut io, &mut bytes) => head,
            // Who sends a head bit by bit has as long as who sends a Hello (W-7).
            () = gateway.clock.reach(self.accepted + limits::HELLO_TIMEOUT_MS) => return,
            _ = stage.wait_for(|stage| *stage != Stage::Serving) => return,
        };
        match head {
            Ok(Wants::Connection { answer, len }) => {
                let Self { open, stranger, accepted, .. } = self;
                let task = Task::new(io, open, stranger, accepted, answer, &mut bytes[len..]);
                drop(tokio::spawn(task));
            }
            Ok(Wants::Api) => self.serve_api(Rewind::new(bytes, io)).await,
            Ok(Wants::Nothing) => {}
            Err(refusal) => say_last(io, &refusal.to_bytes()).await,
        }
    }

    /// Serves one request. The connection ends with it: on one that was kept a proxy might ask for
    /// `/v1/connect`, which is answered in [`read`](Self::read) alone.
    async fn serve_api<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, io: S) {
        let gateway = Arc::clone(self.open.gateway());
        let mut stage = gateway.stage();
        gateway.metrics.http_requests.add(1);
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HTTP_HEAD_TIME)
            .keep_alive(false)
            .max_buf_size(HTTP_BUFFER_BYTES)
            .serve_connection(TokioIo::new(io), TowerToHyperService::new(self.api));
        tokio::select! {
            result = tokio::time::timeout(HTTP_TIME, serving) => {
                if let Ok(Err(error)) = result {
                    tracing::debug!(target: "homing::gateway", %error, "an HTTP request failed");
                }
            }
            _ = stage.wait_for(|stage| *stage == Stage::Ending) => {}
        }
    }
}

/// What a request head asks for.
enum Wants {
    Connection {
        answer: Vec<u8>,
        len: usize,
    },
    Api,
    /// It ended before its request did.
    Nothing,
}

async fn read_head<S: AsyncRead + Unpin>(
    io: &mut S,
    bytes: &mut Vec<u8>,
) -> Result<Wants, Refusal> {
    loop {
        if let Some(head) = Head::parse(bytes)? {
            if head.path != CONNECT {
                return Ok(Wants::Api);
            }
            return Ok(Wants::Connection { answer: head.accept()?, len: head.len });
        }
        bytes.reserve(HEAD_BYTES);
        match io.read_buf(bytes).await {
            Ok(0) | Err(_) => return Ok(Wants::Nothing),
            Ok(_) => {}
        }
    }
}

/// Writes an answer and waits a moment for the peer to go, so that it is not reset away.
async fn say_last<S: AsyncRead + AsyncWrite + Unpin>(mut io: S, answer: &[u8]) {
    let saying = async {
        io.write_all(answer).await?;
        io.shutdown().await?;
        let mut rest = [0; 512];
        while io.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    // Whether it arrives is the peer's concern.
    let _ = tokio::time::timeout(LAST_TIME, Box::pin(saying)).await;
}

fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// The path of connections (W-1).
const CONNECT: &str = "/v1/connect";
/// Room for a usual request head; what is larger takes more rounds.
const HEAD_BYTES: usize = 1_024;
/// For the rest of a request head behind a first part; the whole has 10 s already.
const HTTP_HEAD_TIME: Duration = Duration::from_secs(10);
/// For one request and its answer, the slowest reader included.
const HTTP_TIME: Duration = Duration::from_secs(30);
/// The least that hyper takes; bodies are bounded by the API.
const HTTP_BUFFER_BYTES: usize = 16 * 1_024;
/// For the last words on a connection.
const LAST_TIME: Duration = Duration::from_secs(2);
/// Before accepting is tried again.
const PAUSE: Duration = Duration::from_millis(100);
