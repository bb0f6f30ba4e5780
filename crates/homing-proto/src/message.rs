//! Messages, conversations and the entries of a user's log (D-1, D-2).

use bytes::Bytes;

use crate::id::{ClientMsgId, ConversationId, UserId};
use crate::time::WallTime;

/// What a message says, in its encoded form.
///
/// It travels and is stored as the bytes its sender made, so that a kind this version does not know
/// survives unchanged (W-6). At most [`CONTENT_BYTES`](crate::limits::CONTENT_BYTES) bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Content(pub Bytes);

/// [`Content`] taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ContentView {
    /// Plain text.
    Text(String),
    /// The app's own kind and bytes.
    Custom {
        /// The app's name for the kind.
        kind: String,
        /// The bytes.
        data: Bytes,
    },
    /// A kind this version does not know.
    Unknown,
}

impl std::fmt::Debug for Content {
    /// Shows the size only: what people write does not belong in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Content({} bytes)", self.0.len())
    }
}

/// A message in its conversation's log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The conversation, as the reader sees it.
    pub conversation: ConversationId,
    /// Its place: 1, 2, 3, … without a gap.
    pub seq: u64,
    /// Who wrote it.
    pub from: UserId,
    /// The sender's name for it.
    pub client_id: ClientMsgId,
    /// When the server took it.
    pub time: WallTime,
    /// What it says.
    pub content: Content,
}

/// A conversation as a window shows it.
///
/// `unread` follows from the counts, it is never counted up (I20):
/// `(head - own_count) - (read_seq - read_own_count)`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Conversation {
    /// The conversation, as the reader sees it.
    pub id: ConversationId,
    /// The seq of its last message.
    pub head: u64,
    /// Messages up to `head` that the reader wrote.
    pub own_count: u64,
    /// The reader has read up to here.
    pub read_seq: u64,
    /// Messages up to `read_seq` that the reader wrote.
    pub read_own_count: u64,
    /// Its last messages, ascending.
    pub messages: Vec<Message>,
}

impl Conversation {
    /// Messages of others that the reader has not read.
    pub const fn unread(&self) -> u64 {
        unread(self.head, self.own_count, self.read_seq, self.read_own_count)
    }
}

/// Messages of others after the read cursor, from the four counts of [`Conversation`] (I20).
pub const fn unread(head: u64, own_count: u64, read_seq: u64, read_own_count: u64) -> u64 {
    head.saturating_sub(own_count).saturating_sub(read_seq.saturating_sub(read_own_count))
}

/// How far a member of a conversation has read (I20). It only moves forward.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReadMark {
    /// Up to this message; 0: nothing.
    pub seq: u64,
    /// Messages up to it that the member wrote.
    pub own_count: u64,
}

/// One entry of a user's log (D-2): everything that must reach all the user's devices.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogEntry {
    /// A message in one of the user's conversations, own ones included.
    Message {
        /// The message.
        message: Message,
        /// Messages up to and with this one that the log's owner wrote.
        own_count: u64,
        /// How far the owner had read when the message was placed, not past it. A device whose window left the
        /// conversation out learns of it by this entry alone; a reader takes the farthest mark it
        /// was told (I20).
        read: ReadMark,
    },
    /// The owner's read cursor moved, on whatever device.
    Read {
        /// The conversation.
        conversation: ConversationId,
        /// Read up to here.
        seq: u64,
        /// Messages up to `seq` that the owner wrote.
        own_count: u64,
    },
    /// A kind this version does not know; it still takes its place in the log.
    Unknown,
}
