//! The way from handles to the driver: in the order in which calls were made, and bounded.
//!
//! A call is in the queue as soon as it is made, so that no two of them can change places on the way;
//! a caller waits for its answer only. Were it to wait for room, whoever is polled first would go
//! first. What waits here waits in the caller's hands as well, so the bound is a wide one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use homing_core::client::{Command, Generation, Hint, Reply};
use homing_proto::{Code, Error};
use tokio::sync::{mpsc, oneshot};

use crate::board::Move;

/// A call of a handle.
#[derive(Debug)]
pub(crate) enum Call {
    /// For the client machine.
    Command(Box<Command>, oneshot::Sender<Result<Reply, Error>>, Option<Move>),
    /// The device tells something.
    Hint(Hint),
    /// Answered once no store is being opened, so that a read after a login finds the store that
    /// this login opens (S-3.7).
    Settle(oneshot::Sender<()>),
    /// A read found this local store damaged.
    Damaged(Generation),
}

/// The handles' end. Clones lead to the same queue.
#[derive(Clone, Debug)]
pub(crate) struct Calls {
    queue: mpsc::UnboundedSender<Call>,
    waiting: Arc<AtomicUsize>,
}

/// The driver's end.
#[derive(Debug)]
pub(crate) struct CallsIn {
    queue: mpsc::UnboundedReceiver<Call>,
    waiting: Arc<AtomicUsize>,
}

impl Calls {
    pub(crate) fn channel() -> (Self, CallsIn) {
        let (queue, queue_in) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        (Self { queue, waiting: waiting.clone() }, CallsIn { queue: queue_in, waiting })
    }

    /// Puts a call behind all that were made before it.
    ///
    /// # Errors
    /// `not_initialized` when the client is closed, `rate_limited` when [`CALLS`] wait already.
    pub(crate) fn put(&self, call: Call) -> Result<(), Error> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= CALLS {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Error::new(Code::RATE_LIMITED).with_text("too many calls wait for answers"));
        }
        self.queue.send(call).map_err(|_| Code::NOT_INITIALIZED.into())
    }
}

impl CallsIn {
    /// The next call; `None` when the last handle is gone.
    pub(crate) async fn next(&mut self) -> Option<Call> {
        let call = self.queue.recv().await?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(call)
    }

    /// Takes no more calls and drops those that wait: their callers find the client closed.
    pub(crate) fn close(&mut self) {
        self.queue.close();
        while self.queue.try_recv().is_ok() {}
    }
}

/// Calls that may wait for the driver: more messages than an outbox takes, so that an app that queues
/// a full one at once meets `outbox_full` and not this.
const CALLS: usize = 16 * 1024;
