//! One user's store on a device, in memory, with the meaning that rows have (D-5).

use std::collections::BTreeMap;

use homing_core::client::{Pending, Row};
use homing_proto::id::{ConversationId, Cursor, UserId};
use homing_proto::message::{Conversation, LogEntry, Message, ReadMark, unread};

/// What a device keeps of one user.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Store {
    /// How far the user's log is stored.
    pub cursor: Option<Cursor>,
    /// Messages that wait, oldest first.
    pub outbox: Vec<Pending>,
    /// Conversations.
    pub conversations: BTreeMap<ConversationId, Thread>,
}

/// What a device keeps of one conversation.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Thread {
    /// The last message's seq.
    pub head: u64,
    /// Own messages up to `head`.
    pub own_count: u64,
    /// Read up to here.
    pub read_seq: u64,
    /// Own messages up to `read_seq`.
    pub read_own_count: u64,
    /// Messages by seq.
    pub messages: BTreeMap<u64, Message>,
}

impl Thread {
    /// Computed, never counted (I20).
    pub const fn unread(&self) -> u64 {
        unread(self.head, self.own_count, self.read_seq, self.read_own_count)
    }

    /// The farthest mark counts.
    const fn read_up_to(&mut self, mark: ReadMark) {
        if mark.seq >= self.read_seq {
            self.read_seq = mark.seq;
            self.read_own_count = mark.own_count;
        }
    }
}

impl Store {
    /// One transaction.
    pub fn apply(&mut self, user: &UserId, rows: &[Row]) {
        for row in rows {
            self.apply_row(user, row);
        }
    }

    fn apply_row(&mut self, user: &UserId, row: &Row) {
        match row {
            Row::Entry(entry) => self.apply_entry(user, entry),
            Row::Window(conversations) => {
                for conversation in conversations {
                    self.apply_window(conversation);
                }
            }
            Row::Messages(messages) => {
                for message in messages {
                    let thread = self.conversations.entry(message.conversation.clone());
                    let messages = &mut thread.or_default().messages;
                    messages.entry(message.seq).or_insert_with(|| message.clone());
                }
            }
            Row::Cursor(cursor) => self.cursor = Some(*cursor),
            Row::Queue(pending) => self.outbox.push(pending.clone()),
            Row::Accepted { client_id, seq, time } => {
                let Some(at) = self.outbox.iter().position(|p| p.client_id == *client_id) else {
                    return;
                };
                let pending = self.outbox.remove(at);
                let message = Message {
                    conversation: pending.conversation.clone(),
                    seq: *seq,
                    from: user.clone(),
                    client_id: *client_id,
                    time: *time,
                    content: pending.content,
                };
                let thread = self.conversations.entry(pending.conversation).or_default();
                thread.messages.entry(*seq).or_insert(message);
            }
            Row::Refused { client_id } => self.outbox.retain(|p| p.client_id != *client_id),
        }
    }

    fn apply_entry(&mut self, user: &UserId, entry: &LogEntry) {
        match entry {
            LogEntry::Message { message, own_count, read } => {
                let thread = self.conversations.entry(message.conversation.clone()).or_default();
                thread.messages.insert(message.seq, message.clone());
                if message.seq >= thread.head {
                    thread.head = message.seq;
                    thread.own_count = *own_count;
                }
                thread.read_up_to(*read);
                if message.from == *user {
                    self.outbox.retain(|p| p.client_id != message.client_id);
                }
            }
            LogEntry::Read { conversation, seq, own_count } => {
                let thread = self.conversations.entry(conversation.clone()).or_default();
                thread.read_up_to(ReadMark { seq: *seq, own_count: *own_count });
            }
            LogEntry::Unknown => {}
        }
    }

    fn apply_window(&mut self, window: &Conversation) {
        let thread = self.conversations.entry(window.id.clone()).or_default();
        if window.head >= thread.head {
            thread.head = window.head;
            thread.own_count = window.own_count;
        }
        thread.read_up_to(ReadMark { seq: window.read_seq, own_count: window.read_own_count });
        for message in &window.messages {
            thread.messages.insert(message.seq, message.clone());
        }
    }
}
