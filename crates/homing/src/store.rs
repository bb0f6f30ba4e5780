//! An account's local data: what a backend must do, the same for all of them (D-5).
//!
//! A store belongs to one user of one app. [`Write`] is its one writer, owned by one thread;
//! [`Read`] answers the app's questions on another, from the last committed state, without waiting
//! for the writer. The backends are [`sqlite`] and [`memory`]; one conformance suite runs on both.
//!
//! # What a row does
//!
//! [`Row`]s come from the client machine and mean the same in every backend:
//!
//! | row | effect |
//! |---|---|
//! | `Entry(Message)` | the message is put at (conversation, seq); `head` and `own_count` of the conversation move with it; an own message leaves the outbox |
//! | `Entry(Read)` | the read cursor moves forward, never back |
//! | `Entry(Unknown)` | nothing |
//! | `Window` | each conversation's counts and messages, never backwards; what else is stored stays |
//! | `Messages` | each message, unless one is there |
//! | `Cursor` | how far the user's log is stored |
//! | `Queue` | a message goes to the end of the outbox |
//! | `Accepted` | a message leaves the outbox and stands among the messages, as the user's own; the counts stay, since the log's entry brings them |
//! | `Refused` | a message leaves the outbox |
//!
//! Unread is computed from the counts when it is asked for, never counted up (I20).

pub mod memory;
pub mod sqlite;

use homing_core::client::{Missing, Opened, Pending, Row};
use homing_proto::Error;
use homing_proto::id::{ConversationId, UserId};
use homing_proto::message::{Message, unread};
use homing_proto::time::WallTime;

/// Where the stores of one app's users lie.
pub trait Shelf: Send {
    /// Opens a user's store. Cost does not depend on how much is stored (I13).
    ///
    /// A damaged store is set aside and a fresh one opened in its place, with whatever of the outbox
    /// can be read; [`Opened::reset`] says so (I9).
    ///
    /// # Errors
    /// `store_full` when the disk is full or read-only, `store_open_failed` for anything else that
    /// keeps even a fresh store from opening.
    fn open(&mut self, user: &UserId, missing: Missing) -> Result<Opening, Error>;

    /// Deletes a user's data for good. The store must be closed.
    ///
    /// # Errors
    /// `store_full` or `store_open_failed` when files cannot be removed.
    fn wipe(&mut self, user: &UserId) -> Result<(), Error>;
}

/// What [`Shelf::open`] gives.
pub struct Opening {
    /// For the client machine.
    pub opened: Opened,
    /// The store; `None` when there is none and none was to be made.
    pub store: Option<Box<dyn Write>>,
}

/// The one writer of a store. Dropping it closes the store.
pub trait Write: Send {
    /// Stores the rows in one transaction: after the return they are durable, all of them, and
    /// after an error none of them is there.
    ///
    /// # Errors
    /// `store_full`: the disk is full or read-only; later writes may go through.
    /// `store_corrupt`: the store is damaged; opening it again sets it aside.
    fn write(&mut self, rows: &[Row]) -> Result<(), Error>;

    /// Stores several batches in one transaction, which costs one flush of the disk instead of
    /// many. All or none.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    fn write_all(&mut self, batches: &[&[Row]]) -> Result<(), Error>;

    /// A new reader on this store.
    ///
    /// # Errors
    /// As [`Shelf::open`].
    fn reader(&self) -> Result<Box<dyn Read>, Error>;
}

/// Answers questions from the last committed state. Every answer comes from one state.
pub trait Read: Send {
    /// Conversations by the time of their last message, newest first, after `after`.
    ///
    /// # Errors
    /// `store_corrupt` or `store_open_failed`.
    fn conversations(
        &mut self,
        after: Option<&PageEnd>,
        limit: u32,
    ) -> Result<Vec<ConversationView>, Error>;

    /// One conversation; `None` when it is not known here or has no message.
    ///
    /// # Errors
    /// `store_corrupt` or `store_open_failed`.
    fn conversation(&mut self, id: &ConversationId) -> Result<Option<ConversationView>, Error>;

    /// The last `limit` messages below `before` (0: from the newest), ascending.
    ///
    /// # Errors
    /// `store_corrupt` or `store_open_failed`.
    fn history(
        &mut self,
        conversation: &ConversationId,
        before: u64,
        limit: u32,
    ) -> Result<History, Error>;

    /// Messages that wait to be sent, oldest first.
    ///
    /// # Errors
    /// `store_corrupt` or `store_open_failed`.
    fn outbox(&mut self) -> Result<Vec<Pending>, Error>;
}

/// A conversation as a list shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConversationView {
    /// The conversation.
    pub id: ConversationId,
    /// The seq of its last message, 1 or more.
    pub head: u64,
    /// Messages up to `head` that the user wrote.
    pub own_count: u64,
    /// The user has read up to here.
    pub read_seq: u64,
    /// Messages up to `read_seq` that the user wrote.
    pub read_own_count: u64,
    /// When its last message was taken by the server; lists are ordered by it.
    pub time: WallTime,
    /// Its last message, if it is stored here.
    pub last: Option<Message>,
}

impl ConversationView {
    /// Messages of others that the user has not read (I20).
    pub const fn unread(&self) -> u64 {
        unread(self.head, self.own_count, self.read_seq, self.read_own_count)
    }

    /// Where the page that ends with this conversation ends.
    pub fn page_end(&self) -> PageEnd {
        PageEnd { time: self.time, id: self.id.clone() }
    }
}

/// Where a page of conversations ended; the next one begins after it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PageEnd {
    time: WallTime,
    id: ConversationId,
}

/// A piece of a conversation's history.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct History {
    /// Ascending.
    pub messages: Vec<Message>,
    /// What is known to be missing from the piece that was asked for.
    pub gap: Gap,
}

/// Whether a piece of history is whole (D-3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Gap {
    /// Nothing is missing.
    #[default]
    None,
    /// The server may have messages in this piece that are not stored here.
    Missing,
}

/// Whether `messages` is all there can be of the last `limit` messages below `before`.
fn gap(messages: &[Message], head: Option<u64>, before: u64, limit: u32) -> Gap {
    let Some(head) = head else {
        // An unknown conversation: only the server can say.
        return Gap::Missing;
    };
    let newest_stored = messages.last().map_or(0, |message| message.seq);
    let top = if before == 0 { head.max(newest_stored) } else { before - 1 };
    let expected = top.min(u64::from(limit));
    let lowest = (top - expected).saturating_add(1);
    let whole = messages.len() as u64 == expected
        && messages.first().is_none_or(|message| message.seq == lowest);
    if whole { Gap::None } else { Gap::Missing }
}
