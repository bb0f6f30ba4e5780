//! A way to the server that takes time and can go silent: a proxy on loopback.
//!
//! Each direction is half a round trip late. The first bytes of a connection are one round trip
//! later still: so long a handshake of TCP would have taken, which loopback does at once.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// See the module.
pub(crate) struct Path {
    pub(crate) address: SocketAddr,
    state: watch::Sender<State>,
}

/// How the way is, and how often it has been broken: what was open then stays silent for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct State {
    is_open: bool,
    breaks: u32,
}

impl Path {
    /// Listens on a free port.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn open(to: SocketAddr, round_trip: Duration) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = watch::Sender::new(State { is_open: true, breaks: 0 });
        let watching = state.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, to, round_trip, watching.subscribe()));
            }
        });
        Ok(Self { address, state })
    }

    /// From here on nothing passes, and nobody is told: neither side sees its connection end.
    pub(crate) fn go_silent(&self) {
        self.state.send_modify(|state| {
            state.is_open = false;
            state.breaks += 1;
        });
    }

    /// New connections pass again.
    pub(crate) fn come_back(&self) {
        self.state.send_modify(|state| state.is_open = true);
    }
}

async fn carry(
    client: TcpStream,
    to: SocketAddr,
    round_trip: Duration,
    mut state: watch::Receiver<State>,
) {
    let born = *state.borrow();
    let server = if born.is_open { TcpStream::connect(to).await.ok() } else { None };
    if let Some(server) = server {
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let late = round_trip / 2;
        // The pumps borrow: when they are dropped, both sockets stay open, and nobody reads them.
        tokio::select! {
            () = pump(&mut from_client, &mut to_server, late, round_trip) => {}
            () = pump(&mut from_server, &mut to_client, late, Duration::ZERO) => {}
            () = broken(&mut state, born) => std::future::pending().await,
        }
    } else {
        // The handshake of TCP succeeds on loopback; then nothing comes.
        let _client = client;
        std::future::pending::<()>().await;
    }
}

/// Returns when the way was broken after that moment.
async fn broken(state: &mut watch::Receiver<State>, born: State) {
    let is_broken = |state: &State| state.breaks != born.breaks;
    if state.wait_for(is_broken).await.is_err() {
        // Nobody can break it any more.
        std::future::pending::<()>().await;
    }
}

/// Carries bytes, each so much later than they came, the first ones even later.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    late: Duration,
    first: Duration,
) {
    let mut waiting: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let mut buffer = vec![0; 16 * 1024];
    let mut extra = first;
    loop {
        let due = waiting.front().map(|(at, _)| *at);
        tokio::select! {
            read = from.read(&mut buffer) => match read {
                Ok(0) | Err(_) => return,
                Ok(n) => {
                    let at = Instant::now() + late + std::mem::take(&mut extra);
                    let at = waiting.back().map_or(at, |(last, _)| at.max(*last));
                    waiting.push_back((at, buffer[..n].to_vec()));
                }
            },
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                let (_, bytes) = waiting.pop_front().expect("it is due");
                if to.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        }
    }
}
