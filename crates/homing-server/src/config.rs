//! How a server runs.

mod file;

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use homing_proto::secret::Token;

use crate::clock::Clock;
use crate::gateway::Bounds;

/// How a server runs. [`Config::new`] gives the safe defaults.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data directory; made when it is not there.
    pub data: PathBuf,
    /// Where to listen. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// Certificate and key; `None`: plaintext.
    pub tls: Option<TlsFiles>,
    /// Whether plaintext may leave the machine.
    pub plaintext: Plaintext,
    /// What the admin API asks for. `None`: what `admin.token` in the data directory holds, which
    /// is drawn when it is not there.
    pub admin_token: Option<Token>,
    /// Bounds on what comes from outside.
    pub bounds: Bounds,
    /// Clients that lose the server spread their return over this at least (S-6.7).
    pub reconnect_window: Duration,
    /// So many of them come back in a second at most: with more connections than the window holds
    /// at this rate, it is longer (S-6.7).
    pub return_rate: NonZeroU32,
    /// How long a stopping server waits for its connections to end.
    pub drain: Duration,
    /// Users, and as many conversations, kept in the store's memory besides those in work.
    pub cached: usize,
    /// Authorities that an app's own server may have its certificate from, in a PEM file, besides those
    /// that browsers trust.
    pub webhook_ca: Option<PathBuf>,
    /// The clocks.
    pub clock: Clock,
}

/// A certificate chain and its key, in PEM files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub cert: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// Where a server without a certificate may listen (W-1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Plaintext {
    /// On loopback only.
    #[default]
    Loopback,
    /// Anywhere: something in front of it does TLS, or the network is trusted.
    Anywhere,
}

impl Config {
    /// A server on `127.0.0.1:7700` with plaintext, that data directory, and defaults otherwise.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7700)),
            tls: None,
            plaintext: Plaintext::default(),
            admin_token: None,
            bounds: Bounds::default(),
            reconnect_window: Duration::from_secs(1),
            return_rate: RETURN_RATE,
            drain: Duration::from_secs(10),
            cached: 1_024,
            webhook_ca: None,
            clock: Clock::system(),
        }
    }
}

/// What half a core does beside its other work: a login over TLS costs some 200 µs.
const RETURN_RATE: NonZeroU32 = NonZeroU32::new(2_000).expect("it is not zero");
/// The data directory where none is given.
pub const DATA: &str = "homing-data";
/// Where in the data directory the admin token lies, readable by its owner alone.
pub const ADMIN_TOKEN_FILE: &str = "admin.token";
