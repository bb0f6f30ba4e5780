//! From the journal into the clustered tables, in bounded slices between commits.
//!
//! A merge takes what the overlay holds at its start, sorts it the way the tables are sorted, and
//! writes it slice by slice, each slice one transaction of a few milliseconds. Only when all of it
//! is in the tables are the journal's rows dropped. A crash in between replays all of them, which
//! puts into memory what is partly in the tables already and says the same.
//!
//! Sorting a long stretch before writing is the point: rows of one conversation or user land on the
//! same pages, where clustering every batch writes the same page over and over.

use std::time::{Duration, Instant};

use homing_proto::id::ClientMsgId;

use super::error::Failure;
use super::state::State;
use super::{ConversationKey, UserKey};

/// A merge under way. A failed commit reloads the memory and must drop it.
pub(super) struct Merge {
    /// The last journal row that it covers, and how much that is.
    up_to: u64,
    rows: u64,
    bytes: u64,
    items: Vec<Item>,
    /// Items before this are in the tables.
    done: usize,
    dropped: u64,
}

/// Users and conversations come first: whoever looks for a user's latest conversations takes the
/// unmerged ones from the overlay's entries, so these must be the last to go.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Item {
    User(UserKey),
    Conversation(ConversationKey),
    Message(ConversationKey, u64),
    Entry(UserKey, u64),
    Sent(UserKey, ClientMsgId),
}

/// How far a merge, or an erasing, has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Progress {
    More,
    Done,
}

impl Merge {
    /// Takes everything that is in the journal now; `None` when that is nothing.
    pub(super) fn begin(state: &State) -> Option<Self> {
        if state.journal.rows == 0 {
            return None;
        }
        let mut users: Vec<_> = state.users.pinned().collect();
        let mut conversations: Vec<_> = state.conversations.pinned().collect();
        users.sort_unstable();
        conversations.sort_unstable();
        let overlay = &state.overlay;
        let items = users
            .into_iter()
            .map(Item::User)
            .chain(conversations.into_iter().map(Item::Conversation))
            .chain(overlay.message_keys().into_iter().map(|(c, seq)| Item::Message(c, seq)))
            .chain(overlay.entry_keys().into_iter().map(|(u, offset)| Item::Entry(u, offset)))
            .chain(overlay.sent_keys().into_iter().map(|(u, id)| Item::Sent(u, id)))
            .collect();
        Some(Self {
            up_to: state.journal.next - 1,
            rows: state.journal.rows,
            bytes: state.journal.bytes,
            items,
            done: 0,
            dropped: state.journal.next - 1 - state.journal.rows,
        })
    }

    /// One transaction of about `length`. The caller rolls back when it fails.
    pub(super) fn slice(
        &mut self,
        state: &mut State,
        length: Duration,
    ) -> Result<Progress, Failure> {
        let until = Instant::now() + length;
        state.tables.begin()?;
        let mut done = self.done;
        let mut dropped = self.dropped;
        loop {
            if done < self.items.len() {
                let next = self.items.len().min(done + ITEMS);
                for item in &self.items[done..next] {
                    write(*item, state)?;
                }
                done = next;
            } else if dropped < self.up_to {
                dropped = self.up_to.min(dropped + JOURNAL_ROWS);
                state.tables.drop_journal(dropped)?;
            } else {
                break;
            }
            if Instant::now() >= until {
                break;
            }
        }
        state.tables.commit()?;
        for item in &self.items[self.done..done] {
            forget(*item, state);
        }
        (self.done, self.dropped) = (done, dropped);
        if dropped < self.up_to {
            return Ok(Progress::More);
        }
        state.journal.rows -= self.rows;
        state.journal.bytes -= self.bytes;
        Ok(Progress::Done)
    }
}

fn write(item: Item, state: &State) -> Result<(), Failure> {
    let tables = &state.tables;
    match item {
        Item::User(key) => {
            let user = state.users.peek(&key).expect("what is pinned stays in memory");
            tables.put_user(key, &user.row())
        }
        Item::Conversation(key) => {
            let conversation =
                state.conversations.peek(&key).expect("what is pinned stays in memory");
            tables.put_conversation(&conversation.row(key))
        }
        Item::Message(conversation, seq) => {
            let row = state.overlay.message(conversation, seq).expect("it is forgotten once");
            tables.put_message(conversation, row)
        }
        Item::Entry(user, offset) => {
            let row = state.overlay.entry(user, offset).expect("it is forgotten once");
            tables.put_entry(user, row)
        }
        Item::Sent(user, id) => {
            let row = state.overlay.sent(user, id).expect("it is forgotten once");
            tables.put_sent(user, id, row)
        }
    }
}

fn forget(item: Item, state: &mut State) {
    match item {
        Item::User(key) => state.unpin_user(key),
        Item::Conversation(key) => state.unpin_conversation(key),
        Item::Message(conversation, _) => state.overlay.drop_message(conversation),
        Item::Entry(user, _) => state.overlay.drop_entry(user),
        Item::Sent(user, id) => state.overlay.drop_sent((user, id)),
    }
}

/// Items between two looks at the clock: some 0.1 ms.
const ITEMS: usize = 32;
/// Journal rows dropped in one statement: some milliseconds.
const JOURNAL_ROWS: u64 = 4_096;
