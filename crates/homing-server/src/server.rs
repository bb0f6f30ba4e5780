//! A server, assembled: store, gateway, API and timer on one port.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use homing_proto::Error;
use homing_proto::code::Code;
use homing_proto::secret::Token;
use homing_proto::time::WallTime;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;

use crate::admin_token;
use crate::api;
use crate::config::{Config, Plaintext};
use crate::gateway::accept::Acceptor;
use crate::gateway::tls::{self, TlsError};
use crate::gateway::{Gateway, Hub, Pace};
use crate::metrics::Metrics;
use crate::store::{OpenError, Options, Store};
use crate::webhook::Webhooks;

/// The way to start one.
#[derive(Debug)]
pub struct Server;

/// A server that runs, until [`Running::shutdown`] or the end of its runtime.
pub struct Running {
    local_addr: SocketAddr,
    is_tls: bool,
    admin_token: Token,
    gateway: Arc<Gateway>,
    accepting: JoinHandle<()>,
    timing: JoinHandle<()>,
    patience: Duration,
}

/// How a server ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Drained {
    /// Connections that did not end in time and were dropped. Their sessions go on, as after any
    /// lost link.
    pub dropped: usize,
}

impl Server {
    /// Starts a server on the runtime that this is called on. It serves when this returns.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left running.
    pub async fn start(config: Config) -> Result<Running, StartError> {
        if config.tls.is_none()
            && !config.listen.ip().is_loopback()
            && config.plaintext == Plaintext::Loopback
        {
            return Err(StartError::PlaintextRefused(config.listen));
        }
        let tls =
            config.tls.as_ref().map(|files| tls::load(&files.cert, &files.key)).transpose()?;
        let webhooks =
            Webhooks::new(config.webhook_ca.as_deref()).map_err(StartError::WebhookCa)?;
        let hub = Arc::new(Hub::new(Arc::new(Metrics::new())));
        let least_ms = u32::try_from(config.reconnect_window.as_millis()).unwrap_or(u32::MAX);
        let pace = Pace { least_ms, per_s: config.return_rate };
        let options = Options { cached: config.cached, ..Options::default() };
        let limits = options.limits;
        let (store, admin_token) = open(&config, Arc::clone(&hub), options).await?;
        let listener = listen(config.listen)
            .map_err(|error| StartError::Listen { at: config.listen, error })?;
        let local_addr = listener
            .local_addr()
            .map_err(|error| StartError::Listen { at: config.listen, error })?;
        let gateway = Gateway::new(store, hub, webhooks, config.clock, config.bounds, limits, pace);
        let gateway = Arc::new(gateway);
        let is_tls = tls.is_some();
        let api = api::router(Arc::clone(&gateway), &admin_token);
        let acceptor = Acceptor { gateway: Arc::clone(&gateway), api, tls };
        Ok(Running {
            local_addr,
            is_tls,
            admin_token,
            accepting: tokio::spawn(acceptor.run(listener)),
            timing: tokio::spawn(Arc::clone(&gateway).keep_time()),
            gateway,
            patience: config.drain,
        })
    }
}

impl Running {
    /// Where it listens.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Its address for a browser or the API, such as `http://127.0.0.1:7700`.
    pub fn url(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.local_addr)
    }

    /// What the admin API asks for. A secret.
    pub const fn admin_token(&self) -> &Token {
        &self.admin_token
    }

    /// The time by its wall clock.
    pub fn wall(&self) -> WallTime {
        self.gateway.clock.wall()
    }

    /// Its store.
    pub fn store(&self) -> &Store {
        &self.gateway.store
    }

    /// Stops: takes nobody in, sends everybody away with a window to come back in (S-6.7), waits for
    /// what is to be durable, closes the store. Takes no longer than [`Config::drain`] and what the
    /// disk needs.
    pub async fn shutdown(self) -> Drained {
        let dropped = self.gateway.drain(self.patience).await;
        let _ = self.accepting.await;
        let _ = self.timing.await;
        // The last owner: every connection and every task is gone.
        let gateway = self.gateway;
        let _ = tokio::task::spawn_blocking(move || drop(gateway)).await;
        Drained { dropped }
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("local_addr", &self.local_addr).finish_non_exhaustive()
    }
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be served.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The address cannot be listened on.
    #[error("cannot listen on {at}: {error}")]
    Listen {
        /// The address.
        at: SocketAddr,
        /// The system's reason.
        error: io::Error,
    },
    /// Certificate or key are of no use.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The file of authorities for webhooks is of no use.
    #[error("webhook_ca: {0}")]
    WebhookCa(TlsError),
    /// Passwords and messages would leave the machine unencrypted (W-1).
    #[error(
        "{0} is not loopback and there is no certificate: give one, listen on 127.0.0.1, or allow \
         plaintext if something in front of the server does TLS"
    )]
    PlaintextRefused(SocketAddr),
    /// The file with the admin token cannot be read or written.
    #[error("the admin token: {0}")]
    AdminToken(io::Error),
}

impl StartError {
    /// The code of the one table (S-10).
    pub fn code(&self) -> Code {
        match self {
            Self::Store(error) => error.code(),
            Self::Listen { .. } => Code::NETWORK,
            Self::Tls(_) | Self::WebhookCa(_) | Self::PlaintextRefused(_) => Code::INVALID_ARGUMENT,
            Self::AdminToken(_) => Code::STORE_OPEN_FAILED,
        }
    }
}

impl From<StartError> for Error {
    fn from(error: StartError) -> Self {
        Self::new(error.code()).with_text(error.to_string())
    }
}

async fn open(
    config: &Config,
    hub: Arc<Hub>,
    options: Options,
) -> Result<(Store, Token), StartError> {
    let (data, given) = (config.data.clone(), config.admin_token.clone());
    let opening = tokio::task::spawn_blocking(move || {
        let store = Store::open(&data, options, hub)?;
        // After the store: it holds the lock of the directory.
        let token = match given {
            Some(token) => token,
            None => admin_token::read_or_create(&data).map_err(StartError::AdminToken)?,
        };
        Ok((store, token))
    });
    opening.await.expect("opening a store does not panic")
}

fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = if at.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A server that was killed leaves sockets behind that would keep the port for a minute.
    socket.set_reuseaddr(true)?;
    socket.bind(at)?;
    socket.listen(BACKLOG)
}

/// All clients of a node that come back at once wait here, as far as the system lets them.
const BACKLOG: u32 = 16_384;
