//! Which account's store is open, and whether the app may read from it (S-3.7, I8, I9).

use homing_proto::id::UserId;
use homing_proto::limits::RETRY_MS;
use homing_proto::time::Time;
use homing_proto::{Code, Error};

use super::session::Session;
use super::{Client, Event, Generation, LocalData, Missing, Opened, Output, Turn, Write};

/// The one store that may be open at a time.
#[derive(Clone, Debug, Default)]
pub(super) enum Store {
    /// None.
    #[default]
    Closed,
    /// It is being opened.
    Opening { generation: Generation, user: UserId },
    /// It is open.
    Open { generation: Generation, user: UserId, reading: Reading },
    /// There was none, and none was to be made.
    Absent { user: UserId },
    /// Not even a fresh one can be opened.
    Failed { user: UserId, error: Error, retry_at: Time },
}

/// Whether the app may read from the open store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    Shut,
    Allowed,
}

impl Store {
    pub(super) const fn user(&self) -> Option<&UserId> {
        match self {
            Self::Closed => None,
            Self::Opening { user, .. }
            | Self::Open { user, .. }
            | Self::Absent { user }
            | Self::Failed { user, .. } => Some(user),
        }
    }

    /// The store that rows can be written to.
    pub(super) const fn open(&self) -> Option<Generation> {
        match self {
            Self::Open { generation, .. } => Some(*generation),
            Self::Closed | Self::Opening { .. } | Self::Absent { .. } | Self::Failed { .. } => None,
        }
    }

    /// Why rows cannot be written.
    pub(super) fn obstacle(&self) -> Error {
        match self {
            Self::Failed { error, .. } => error.clone(),
            Self::Closed | Self::Opening { .. } | Self::Open { .. } | Self::Absent { .. } => {
                Code::NOT_READY.into()
            }
        }
    }

    pub(super) const fn is_readable(&self) -> bool {
        matches!(self, Self::Open { reading: Reading::Allowed, .. })
    }

    pub(super) const fn is_opening(&self) -> bool {
        matches!(self, Self::Opening { .. })
    }

    /// A store that failed is tried again from here on.
    pub(super) fn wake(&mut self, now: Time) {
        if matches!(self, Self::Failed { retry_at, .. } if *retry_at <= now) {
            *self = Self::Closed;
        }
    }

    pub(super) const fn next_timeout(&self) -> Option<Time> {
        match self {
            Self::Failed { retry_at, .. } => Some(*retry_at),
            Self::Closed | Self::Opening { .. } | Self::Open { .. } | Self::Absent { .. } => None,
        }
    }
}

impl Client {
    /// Opens the store that the session needs, if it is not there yet.
    pub(super) fn advance_store(&mut self, turn: &mut Turn<'_>) {
        if self.suspended.is_some() {
            return;
        }
        let (user, missing) = match &self.session {
            Session::SignedOut(_) | Session::Ending(_) => return,
            Session::SigningIn(login) if login.granted.is_none() => {
                (login.user.clone(), Missing::Leave)
            }
            Session::SigningIn(login) => (login.user.clone(), Missing::Create),
            Session::SignedIn(account) => (account.user.clone(), Missing::Create),
        };
        let settled = match &self.store {
            Store::Closed => false,
            Store::Opening { .. } | Store::Open { .. } => true,
            Store::Absent { .. } => missing == Missing::Leave,
            Store::Failed { .. } => {
                // A login that the server granted is worth another try at once.
                !matches!(&self.session, Session::SigningIn(login) if login.wants_store_again())
            }
        };
        if settled {
            return;
        }
        if let Session::SigningIn(login) = &mut self.session
            && matches!(self.store, Store::Failed { .. })
        {
            login.store_tries += 1;
        }
        self.open_store(turn, user, missing);
    }

    pub(super) fn open_store(&mut self, turn: &mut Turn<'_>, user: UserId, missing: Missing) {
        self.last_generation += 1;
        let generation = Generation(self.last_generation);
        turn.put(Output::OpenStore { generation, user: user.clone(), missing });
        self.store = Store::Opening { generation, user };
    }

    pub(super) fn store_opened(
        &mut self,
        turn: &mut Turn<'_>,
        generation: Generation,
        opened: Opened,
    ) {
        let user = match &self.store {
            Store::Opening { generation: opening, user, .. } if *opening == generation => {
                user.clone()
            }
            _ => {
                // The store is not wanted any more, but that it was damaged is told all the same.
                if let Some(error) = opened.reset {
                    turn.event(Event::StoreReset(error));
                }
                return;
            }
        };
        if opened.absent {
            self.store = Store::Absent { user };
            return;
        }
        self.store = Store::Open { generation, user, reading: Reading::Shut };
        self.sync.opened(opened.cursor);
        self.outbox.opened(opened.outbox);
        if let Some(error) = opened.reset {
            turn.event(Event::StoreReset(error));
        }
        self.session_with_store();
        if self.session.may_read() {
            self.allow_reading(turn);
        }
    }

    pub(super) fn store_failed(
        &mut self,
        turn: &mut Turn<'_>,
        generation: Generation,
        error: Error,
    ) {
        let user = match &self.store {
            Store::Opening { generation: opening, user, .. } if *opening == generation => {
                user.clone()
            }
            _ => return,
        };
        let retry_at = turn.now.time + RETRY_MS;
        self.store = Store::Failed { user, error: error.clone(), retry_at };
        self.session_without_store(turn, error);
    }

    pub(super) fn store_closed(&mut self, turn: &mut Turn<'_>, generation: Generation) {
        self.closing.remove(&generation);
        self.quiet_when_closed(turn);
    }

    /// The open store is damaged: it is let go of and opened anew, which sets the file aside and
    /// starts a fresh one; a new link then fills that from the server (I9). The session goes on.
    pub(super) fn store_damaged(
        &mut self,
        turn: &mut Turn<'_>,
        generation: Generation,
        error: &Error,
    ) {
        if self.store.open() != Some(generation) {
            return;
        }
        // Half of what this link brought is gone with the file: the next Hello says what is left.
        self.drop_link(turn, error);
        self.close_store(turn, LocalData::Keep, error);
    }

    pub(super) fn allow_reading(&mut self, turn: &mut Turn<'_>) {
        if let Store::Open { generation, user, reading: reading @ Reading::Shut } = &mut self.store
        {
            *reading = Reading::Allowed;
            turn.put(Output::Readable(Some((*generation, user.clone()))));
        }
    }

    /// Ends everything that concerns the present store; its calls end with `error`.
    pub(super) fn close_store(&mut self, turn: &mut Turn<'_>, data: LocalData, error: &Error) {
        if self.store.is_readable() {
            turn.put(Output::Readable(None));
        }
        let generation = match std::mem::take(&mut self.store) {
            Store::Opening { generation, .. } | Store::Open { generation, .. } => Some(generation),
            Store::Closed | Store::Absent { .. } | Store::Failed { .. } => None,
        };
        self.sync.closed();
        self.unremoved.clear();
        turn.complete_all(self.outbox.closed(), &Err(error.clone()));
        let gone = std::mem::take(&mut self.writes);
        for (batch, write) in gone {
            match write {
                Write::Fetched(_, call, _) => turn.complete(call, Err(error.clone())),
                write if write.generation().is_none() => {
                    self.writes.insert(batch, write);
                }
                _ => {}
            }
        }
        if let Some(generation) = generation {
            self.closing.insert(generation);
            turn.put(Output::CloseStore(generation, data));
        }
    }
}
