//! What the driver shows and handles see: the status, the logs, the readable store, the phase.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

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
        }
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
