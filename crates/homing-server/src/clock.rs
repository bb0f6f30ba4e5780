//! The server's clocks: one for deadlines, one that people read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use homing_proto::time::{Time, WallTime};
use tokio::sync::Notify;

/// The clocks of one server. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    origin: Instant,
    ahead_ms: AtomicU64,
    moved: Notify,
}

impl Clock {
    /// The system's clocks.
    pub fn system() -> Self {
        Self(Arc::new(Inner {
            origin: Instant::now(),
            ahead_ms: AtomicU64::new(0),
            moved: Notify::new(),
        }))
    }

    /// Lets time pass at once on the clock that deadlines are on, so that a test need not wait for
    /// a timeout. The clock that people read stays.
    pub fn advance(&self, ms: u64) {
        self.0.ahead_ms.fetch_add(ms, Ordering::Relaxed);
        self.0.moved.notify_waiters();
    }

    /// The clock that deadlines are on. It begins at 1 s, so that a moment before the start can be
    /// named.
    pub fn now(&self) -> Time {
        let since = u64::try_from(self.0.origin.elapsed().as_millis()).unwrap_or(u64::MAX);
        Time(since + self.0.ahead_ms.load(Ordering::Relaxed) + 1_000)
    }

    /// The clock that people read, and that credentials are judged by (S-8.6).
    pub fn wall(&self) -> WallTime {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        WallTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// Returns when that time has come.
    pub(crate) async fn reach(&self, at: Time) {
        loop {
            let moved = self.0.moved.notified();
            let left_ms = at.since(self.now());
            if left_ms == 0 {
                return;
            }
            tokio::select! {
                () = moved => {}
                () = tokio::time::sleep(Duration::from_millis(left_ms)) => {}
            }
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}
