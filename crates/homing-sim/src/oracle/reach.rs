//! How far a device's store reaches: what it was told of a user's conversations.
//!
//! A window holds the latest conversations, as many as its device asked for. What it leaves out the
//! device does not know, or knows as it was, until a message of it comes.

use std::collections::BTreeMap;

use homing_core::client::Row;
use homing_proto::id::ConversationId;
use homing_proto::message::LogEntry;

/// What one store was told.
#[derive(Clone, Debug, Default)]
pub(super) struct Reach {
    /// The last window had no room for every conversation.
    is_cut: bool,
    /// The conversations that were told, each with the first message that came with it.
    floors: BTreeMap<ConversationId, u64>,
}

impl Reach {
    /// Rows were stored; a window holds up to `room` conversations.
    pub(super) fn stored(&mut self, rows: &[Row], room: usize) {
        for row in rows {
            match row {
                Row::Window(window) => {
                    self.is_cut = window.len() >= room;
                    self.floors = window
                        .iter()
                        .map(|told| {
                            let first = told.messages.first().map(|message| message.seq);
                            (told.id.clone(), first.unwrap_or(told.head + 1))
                        })
                        .collect();
                }
                Row::Entry(LogEntry::Message { message, .. }) if self.is_cut => {
                    self.floors.entry(message.conversation.clone()).or_insert(message.seq);
                }
                _ => {}
            }
        }
    }

    /// From which message on the store holds the conversation; `None`: it was never told of it.
    pub(super) fn floor(&self, conversation: &ConversationId) -> Option<u64> {
        let floor = self.floors.get(conversation).copied();
        floor.or_else(|| (!self.is_cut).then_some(1))
    }
}
