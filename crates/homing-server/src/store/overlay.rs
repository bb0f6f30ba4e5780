//! What the journal holds and the tables do not yet: the unmerged tail, in memory.
//!
//! Messages and log entries never change once written, so an item may stand in a table and here at
//! the same time; the reader takes what it finds here first. Each queue is dense: message after
//! message of a conversation, offset after offset of a user's log.

use std::collections::{HashMap, VecDeque};

use homing_proto::id::ClientMsgId;

use super::tables::{EntryRow, MessageRow, SentRow};
use super::{ConversationKey, UserKey};

#[derive(Default)]
pub(super) struct Overlay {
    messages: HashMap<ConversationKey, VecDeque<MessageRow>>,
    entries: HashMap<UserKey, VecDeque<EntryRow>>,
    sent: HashMap<(UserKey, ClientMsgId), SentRow>,
}

impl Overlay {
    pub(super) fn push_message(&mut self, conversation: ConversationKey, row: MessageRow) {
        self.messages.entry(conversation).or_default().push_back(row);
    }

    pub(super) fn push_entry(&mut self, user: UserKey, row: EntryRow) {
        self.entries.entry(user).or_default().push_back(row);
    }

    pub(super) fn push_sent(&mut self, user: UserKey, client_id: ClientMsgId, row: SentRow) {
        self.sent.insert((user, client_id), row);
    }

    pub(super) fn message(&self, conversation: ConversationKey, seq: u64) -> Option<&MessageRow> {
        let tail = self.messages.get(&conversation)?;
        let first = tail.front()?.placed.seq;
        tail.get(usize::try_from(seq.checked_sub(first)?).ok()?)
    }

    /// The unmerged messages below `before`, the newest first.
    pub(super) fn messages_below(
        &self,
        conversation: ConversationKey,
        before: u64,
    ) -> impl Iterator<Item = &MessageRow> {
        let tail = self.messages.get(&conversation).map(VecDeque::iter).unwrap_or_default();
        tail.rev().skip_while(move |row| row.placed.seq >= before)
    }

    /// The unmerged entries from `first` on, and the offset of the first unmerged one of all.
    pub(super) fn entries_from(
        &self,
        user: UserKey,
        first: u64,
    ) -> (Option<u64>, impl Iterator<Item = &EntryRow>) {
        let tail = self.entries.get(&user).map(VecDeque::iter).unwrap_or_default();
        let start = tail.clone().next().map(|row| row.offset);
        let skip = usize::try_from(first.saturating_sub(start.unwrap_or(0))).unwrap_or(usize::MAX);
        (start, tail.skip(skip))
    }

    /// The user's conversations with unmerged messages or read marks, perhaps repeated.
    pub(super) fn touched(&self, user: UserKey) -> impl Iterator<Item = ConversationKey> {
        let tail = self.entries.get(&user).map(VecDeque::iter).unwrap_or_default();
        tail.map(|row| row.conversation)
    }

    pub(super) fn sent(&self, user: UserKey, client_id: ClientMsgId) -> Option<SentRow> {
        self.sent.get(&(user, client_id)).copied()
    }

    // What a merge works through: keys in the order of their tables.

    pub(super) fn message_keys(&self) -> Vec<(ConversationKey, u64)> {
        sorted(self.messages.iter().flat_map(|(conversation, tail)| {
            tail.iter().map(|row| (*conversation, row.placed.seq))
        }))
    }

    pub(super) fn entry_keys(&self) -> Vec<(UserKey, u64)> {
        sorted(
            self.entries.iter().flat_map(|(user, tail)| tail.iter().map(|row| (*user, row.offset))),
        )
    }

    pub(super) fn sent_keys(&self) -> Vec<(UserKey, ClientMsgId)> {
        sorted(self.sent.keys().copied())
    }

    pub(super) fn entry(&self, user: UserKey, offset: u64) -> Option<&EntryRow> {
        let tail = self.entries.get(&user)?;
        let first = tail.front()?.offset;
        tail.get(usize::try_from(offset.checked_sub(first)?).ok()?)
    }

    // Called when the tables hold the item durably; a queue is emptied from its front.

    pub(super) fn drop_message(&mut self, conversation: ConversationKey) {
        drop_front(&mut self.messages, conversation);
    }

    pub(super) fn drop_entry(&mut self, user: UserKey) {
        drop_front(&mut self.entries, user);
    }

    pub(super) fn drop_sent(&mut self, key: (UserKey, ClientMsgId)) {
        self.sent.remove(&key);
    }
}

fn drop_front<K: std::hash::Hash + Eq, V>(queues: &mut HashMap<K, VecDeque<V>>, key: K) {
    if let Some(queue) = queues.get_mut(&key) {
        queue.pop_front();
        if queue.is_empty() {
            queues.remove(&key);
        }
    }
}

fn sorted<T: Ord>(keys: impl Iterator<Item = T>) -> Vec<T> {
    let mut keys: Vec<T> = keys.collect();
    keys.sort_unstable();
    keys
}
