//! The gateway: sockets in, session machines, the store's answers out (V-1).
//!
//! # The way of a connection
//! [`accept`] takes a socket and reads one request head, over TLS if the server has a certificate
//! ([`tls`]). `/v1/connect` becomes a [`task::Task`]: a small future that owns the socket, the
//! WebSocket decoder and the pure session machine of `homing-core`. Everything else is served by
//! [`crate::api`]. Credentials are verified on the way to the store ([`ask`]), or an app's own server
//! is asked about them meanwhile ([`third_party`]).
//!
//! # The way back
//! The store's writer calls the [`hub::Hub`] after each commit, in commit order. The hub finds the
//! connections of a user and puts what is to be said into their mailboxes ([`conn::Conn`]), bounded
//! in bytes: who does not read is cut off and loses nothing, for the log has it (W-7).
//!
//! # What a waiting connection costs
//! One task under 512 bytes, one mailbox, a place in two maps, and four bytes in the timer
//! ([`wheel::Wheel`]). Read and write buffers are a thread's, not a connection's; there are no
//! channels and no timers of the runtime (B-1).
//!
//! # Several nodes
//! On one node every socket that has lost its session is told by the writer itself, so nothing has
//! to be reconciled with the registry (V-2).

mod ask;
mod conn;
mod guard;
mod hub;
mod pace;
mod task;
mod third_party;
mod throttle;
mod wheel;

pub(crate) mod accept;
pub(crate) mod rewind;
pub(crate) mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use homing_core::server::registry::ConnId;
use homing_core::server::session::Input;
use homing_proto::Error;
use homing_proto::frame::Limits;
use homing_proto::id::{AppId, UserId};
use homing_proto::time::Time;
use tokio::sync::{Notify, watch};

use self::conn::Conn;
use self::guard::Guard;
use self::wheel::Wheel;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::webhook::Webhooks;

pub use self::guard::{Bounds, Loopback};
pub(crate) use self::hub::Hub;
pub(crate) use self::pace::Pace;
pub use self::throttle::Rate;
pub use self::tls::TlsError;

/// What all connections of a server share.
pub(crate) struct Gateway {
    pub(crate) store: Store,
    pub(crate) hub: Arc<Hub>,
    pub(crate) clock: Clock,
    pub(crate) metrics: Arc<Metrics>,
    wheel: Wheel,
    guard: Guard,
    third_party: third_party::Desk,
    open: AtomicUsize,
    all_closed: Notify,
    stage: watch::Sender<Stage>,
    limits: Limits,
    pace: Pace,
}

/// How far the server is on its way to its end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Stage {
    /// It serves.
    Serving,
    /// It takes nobody in and sends everybody away (S-6.7).
    Draining,
    /// Whoever is still there is dropped.
    Ending,
}

impl Gateway {
    pub(crate) fn new(
        store: Store,
        hub: Arc<Hub>,
        webhooks: Webhooks,
        clock: Clock,
        bounds: Bounds,
        limits: Limits,
        pace: Pace,
    ) -> Self {
        let metrics = Arc::clone(hub.metrics());
        Self {
            store,
            hub,
            wheel: Wheel::new(clock.now()),
            clock,
            third_party: third_party::Desk::new(webhooks, Arc::clone(&metrics), bounds.third_party),
            metrics,
            guard: Guard::new(bounds),
            open: AtomicUsize::new(0),
            all_closed: Notify::new(),
            stage: watch::Sender::new(Stage::Serving),
            limits,
            pace,
        }
    }

    /// What is told of times and sizes now: the window follows the number of connections.
    fn limits(&self) -> Limits {
        let reconnect_window_ms = self.pace.window_ms(self.open.load(Ordering::Relaxed));
        Limits { reconnect_window_ms, ..self.limits }
    }

    /// Turns the timer until the server ends.
    pub(crate) async fn keep_time(self: Arc<Self>) {
        let mut stage = self.stage.subscribe();
        loop {
            let now = self.clock.now();
            for number in self.wheel.due(now) {
                self.hub.wake(number);
            }
            self.detach_orphans();
            tokio::select! {
                () = self.clock.reach(now + wheel::TICK_MS) => {}
                _ = stage.wait_for(|stage| *stage == Stage::Ending) => return,
            }
        }
    }

    /// Sends everybody away and returns when all are gone, or when `patience` is over and the rest
    /// was dropped. How many were dropped.
    pub(crate) async fn drain(&self, patience: Duration) -> usize {
        self.stage.send_replace(Stage::Draining);
        // One window for all, as long as all are there.
        let drain = self.drain_input();
        self.hub.tell_all(&drain);
        let _ = tokio::time::timeout(patience, self.none_open()).await;
        let dropped = self.open.load(Ordering::SeqCst);
        self.stage.send_replace(Stage::Ending);
        self.hub.kill_all();
        self.none_open().await;
        self.third_party.closed().await;
        self.detach_orphans();
        dropped
    }

    /// Where the server is on its way to its end.
    pub(crate) fn stage(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    fn drain_input(&self) -> Input {
        Input::Drain { window_ms: self.limits().reconnect_window_ms }
    }

    async fn none_open(&self) {
        loop {
            let closed = self.all_closed.notified();
            if self.open.load(Ordering::SeqCst) == 0 {
                return;
            }
            closed.await;
        }
    }

    fn detach_orphans(&self) {
        for (user, conn) in self.hub.take_orphans() {
            self.store.detach(user, conn);
        }
    }

    fn conn_id(&self, conn: &Conn) -> ConnId {
        ConnId { incarnation: self.store.incarnation(), number: conn.number }
    }
}

/// One open socket, counted until it is dropped.
pub(crate) struct Open(Arc<Gateway>);

impl Open {
    /// One more, unless there are as many as may be.
    fn new(gateway: &Arc<Gateway>) -> Option<Self> {
        let before = gateway.open.fetch_add(1, Ordering::SeqCst);
        gateway.metrics.connections.add(1);
        let open = Self(Arc::clone(gateway));
        (before < gateway.guard.connections()).then_some(open)
    }

    const fn gateway(&self) -> &Arc<Gateway> {
        &self.0
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.metrics.connections.add(-1);
        if self.0.open.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.all_closed.notify_waiters();
        }
    }
}

/// A connection without a session, counted with its address until it is dropped.
struct Stranger {
    gateway: Arc<Gateway>,
    origin: guard::Origin,
}

impl Stranger {
    fn admit(&self, is_login: bool, who: (AppId, &UserId), now: Time) -> Result<(), Error> {
        self.gateway.guard.admit(self.origin, is_login, who, now)
    }

    fn note_refused(&self, now: Time) {
        self.gateway.guard.note_refused(self.origin, now);
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.gateway.guard.leave(self.origin);
    }
}
