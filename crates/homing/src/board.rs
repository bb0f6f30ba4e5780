//! What the driver shows and handles see: the status, the logs, the readable store, the phase.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use homing_core::client::Event;
use homing_core::client::account::Account;
use homing_core::client::status::Status;
use tokio::sync::watch;

use crate::keeper::Reading;
use crate::log::Log;

/// Written by the driver alone, read by every handle.
pub(crate) struct Board {
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) events: Log<Event>,
    pub(crate) journal: Log<Fact>,
    pub(crate) phase: watch::Sender<Phase>,
    /// The server's clock minus the device's, as the last login showed.
    pub(crate) server_offset_ms: AtomicI64,
    readable: Mutex<Option<Reading>>,
    /// Calls on their way that may change whose data is open.
    moves: AtomicUsize,
}

/// A call on its way that may change whose data is open. It has arrived when this is dropped.
pub(crate) struct Move(Arc<Board>);

impl Drop for Move {
    fn drop(&mut self) {
        self.0.moves.fetch_sub(1, Ordering::AcqRel);
    }
}

impl std::fmt::Debug for Move {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Move")
    }
}

/// An entry of the journal: statuses and events in the order in which they came about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fact {
    /// The picture changed.
    Status(Box<Status>),
    /// Something happened that is not a state.
    Event(Event),
}

/// The life of a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    Open,
    /// What was begun is being finished.
    Closing,
    /// Nothing is held any more.
    Closed,
}

impl Board {
    pub(crate) fn new(status: watch::Receiver<Status>, event_capacity: usize) -> Self {
        Self {
            status,
            events: Log::new(event_capacity),
            journal: Log::new(event_capacity),
            phase: watch::Sender::new(Phase::Open),
            server_offset_ms: AtomicI64::new(0),
            readable: Mutex::new(None),
            moves: AtomicUsize::new(0),
        }
    }

    /// From now on, until the driver has it, a read may not trust what is readable now.
    pub(crate) fn begin_move(self: &Arc<Self>) -> Move {
        self.moves.fetch_add(1, Ordering::AcqRel);
        Move(self.clone())
    }

    /// A call that may change whose data is open is on its way.
    pub(crate) fn is_moving(&self) -> bool {
        self.moves.load(Ordering::Acquire) > 0
    }

    /// Where the app's reads go, if anywhere (S-3.7).
    pub(crate) fn readable(&self) -> Option<Reading> {
        self.readable.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_readable(&self, reading: Option<Reading>) {
        *self.readable.lock().unwrap_or_else(PoisonError::into_inner) = reading;
    }

    /// What a login showed of the server's clock.
    pub(crate) fn note_clock(&self, account: &Account) {
        if let Some(last) = &account.last {
            self.server_offset_ms.store(last.server_offset_ms, Ordering::Relaxed);
        }
    }

    pub(crate) fn event(&self, event: Event) {
        self.journal.push(Fact::Event(event.clone()));
        self.events.push(event);
    }

    /// Closing begins, unless it has.
    pub(crate) fn begin_closing(&self) {
        self.phase.send_if_modified(|phase| {
            let begins = *phase == Phase::Open;
            if begins {
                *phase = Phase::Closing;
            }
            begins
        });
    }

    /// Nothing comes any more. Runs also when the driver ends in another way than it should.
    pub(crate) fn closed(&self) {
        self.set_readable(None);
        self.events.close();
        self.journal.close();
        self.phase.send_replace(Phase::Closed);
    }
}
