//! How frames get to the server and back: connections that carry whole frames as bytes.
//!
//! The SDK's own transport is [`WebSocket`]; tests, other platforms and tunnels supply theirs through
//! [`Config::transport`](crate::Config::transport). A transport knows nothing of sessions, waits or
//! retries: it connects once each time it is asked.

mod endpoint;
mod names;
mod quiet;
mod race;
mod routes;
mod switch;
mod tls;
mod websocket;

use std::pin::Pin;

use bytes::Bytes;
use futures_util::Sink;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use homing_proto::Error;

pub(crate) use endpoint::Endpoint;
pub use endpoint::Plaintext;
pub use switch::NetworkSwitch;
pub use tls::TlsRoots;
pub use websocket::WebSocket;

/// Makes connections to the server.
pub trait Transport: Send + Sync + 'static {
    /// Connects once, within [`CONNECT_TIMEOUT_MS`](homing_proto::limits::CONNECT_TIMEOUT_MS).
    /// Dropping the future gives the attempt up.
    ///
    /// # Errors
    /// `timeout` when nothing answered in time, `offline` when this device has no network, `network`
    /// for anything else in the way.
    fn connect(&self) -> BoxFuture<'static, Result<Link, Error>>;

    /// The network is another one: what failed on the last one may work here (S-6.3).
    fn network_changed(&self) {}
}

/// A connection that carries frames. Dropping it severs it.
pub struct Link {
    /// Frames from the server; ends when the server has gone.
    pub incoming: BoxStream<'static, Result<Bytes, Error>>,
    /// Frames to the server. Closing it says goodbye.
    pub outgoing: Pin<Box<dyn Sink<Bytes, Error = Error> + Send>>,
}
