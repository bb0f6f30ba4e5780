//! Conversations, user logs, and what a device is sent of them (D-1, D-2, D-3).
//!
//! The store holds a [`Direct`] per conversation and a log of [`LogEntry`] per user; what changes in
//! them is decided here.

use homing_proto::id::{ClientMsgId, ConversationId, Cursor, UserId};
use homing_proto::limits;
use homing_proto::message::{Content, LogEntry, Message};
use homing_proto::time::WallTime;

pub use homing_proto::message::ReadMark;

/// The two members of a direct conversation, in an order that does not depend on who asks.
///
/// They may be one and the same: a conversation with oneself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Pair {
    low: UserId,
    high: UserId,
}

/// One member of a [`Pair`]. In a conversation with oneself only `Low` exists.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Side {
    /// The user whose id sorts first.
    Low,
    /// The other.
    High,
}

impl Pair {
    /// The conversation of these two.
    pub fn of(one: UserId, other: UserId) -> Self {
        if one <= other { Self { low: one, high: other } } else { Self { low: other, high: one } }
    }

    /// The side a user is on; `None` for a stranger.
    pub fn side(&self, user: &UserId) -> Option<Side> {
        if *user == self.low {
            Some(Side::Low)
        } else if *user == self.high {
            Some(Side::High)
        } else {
            None
        }
    }

    /// The user on that side.
    pub const fn user(&self, side: Side) -> &UserId {
        match side {
            Side::Low => &self.low,
            Side::High => &self.high,
        }
    }

    /// Whether it is a conversation with oneself.
    pub fn is_self(&self) -> bool {
        self.low == self.high
    }

    /// The sides that exist: one in a conversation with oneself, else two.
    pub fn sides(&self) -> &'static [Side] {
        if self.is_self() { &[Side::Low] } else { &[Side::Low, Side::High] }
    }

    /// The conversation as the user on that side names it.
    pub fn conversation(&self, reader: Side) -> ConversationId {
        ConversationId::Direct(self.user(reader.other()).clone())
    }
}

impl Side {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Low => Self::High,
            Self::High => Self::Low,
        }
    }
}

/// The state of a direct conversation: one small row.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Direct {
    /// The seq of its last message; 0 when there is none.
    pub head: u64,
    /// Messages that the `Low` member wrote. The rest is the other's, if there is another.
    pub low_count: u64,
    /// How far the `Low` member has read.
    pub low_read: ReadMark,
    /// How far the `High` member has read.
    pub high_read: ReadMark,
}

/// A message's place in its conversation, as its row holds it beside the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Placed {
    /// 1, 2, 3, … without a gap.
    pub seq: u64,
    /// Messages up to and with this one that the `Low` member wrote.
    pub low_count: u64,
}

/// A message that was placed, before it is written for its readers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewMessage<'a> {
    /// Whose it is.
    pub from: Side,
    /// The sender's name for it.
    pub client_id: ClientMsgId,
    /// When the server took it.
    pub time: WallTime,
    /// What it says.
    pub content: &'a Content,
}

impl Direct {
    /// Gives the next message its place.
    pub const fn append(&mut self, from: Side) -> Placed {
        self.head += 1;
        if matches!(from, Side::Low) {
            self.low_count += 1;
        }
        Placed { seq: self.head, low_count: self.low_count }
    }

    /// Moves a member's read cursor forward to `up_to`, the place of the last message read; `None`
    /// when it is there already or beyond.
    ///
    /// The caller has cut what was asked for to [`Direct::head`] and looked the place up.
    pub fn mark_read(&mut self, reader: Side, up_to: Placed) -> Option<ReadMark> {
        let mark = match reader {
            Side::Low => &mut self.low_read,
            Side::High => &mut self.high_read,
        };
        if up_to.seq > self.head || up_to.seq <= mark.seq {
            return None;
        }
        *mark = ReadMark { seq: up_to.seq, own_count: up_to.own_count(reader) };
        Some(*mark)
    }

    /// A member is gone for good: what was only its own is forgotten (D-7).
    pub const fn leave(&mut self, member: Side) {
        match member {
            Side::Low => self.low_read = ReadMark { seq: 0, own_count: 0 },
            Side::High => self.high_read = ReadMark { seq: 0, own_count: 0 },
        }
    }

    /// The place of the last message.
    pub const fn last(&self) -> Placed {
        Placed { seq: self.head, low_count: self.low_count }
    }

    /// How far a member has read.
    pub const fn read(&self, reader: Side) -> ReadMark {
        match reader {
            Side::Low => self.low_read,
            Side::High => self.high_read,
        }
    }
}

impl Placed {
    /// Messages up to and with this one that this member wrote.
    pub const fn own_count(&self, member: Side) -> u64 {
        match member {
            Side::Low => self.low_count,
            Side::High => self.seq.saturating_sub(self.low_count),
        }
    }
}

/// The message as its reader sees it.
pub fn message(pair: &Pair, reader: Side, placed: Placed, new: NewMessage<'_>) -> Message {
    Message {
        conversation: pair.conversation(reader),
        seq: placed.seq,
        from: pair.user(new.from).clone(),
        client_id: new.client_id,
        time: new.time,
        content: new.content.clone(),
    }
}

/// What a message puts into a member's log; `read` is how far that member had read just then.
pub fn message_entry(
    pair: &Pair,
    owner: Side,
    placed: Placed,
    read: ReadMark,
    new: NewMessage<'_>,
) -> LogEntry {
    LogEntry::Message {
        message: message(pair, owner, placed, new),
        own_count: placed.own_count(owner),
        read,
    }
}

/// What a move of a member's read cursor puts into that member's log.
pub fn read_entry(pair: &Pair, owner: Side, mark: ReadMark) -> LogEntry {
    LogEntry::Read {
        conversation: pair.conversation(owner),
        seq: mark.seq,
        own_count: mark.own_count,
    }
}

/// Which log a user has, and what of it is still stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogExtent {
    /// Its identity.
    pub log_epoch: u64,
    /// The first offset that is stored; 1 as long as nothing was dropped.
    pub first: u64,
    /// The last offset that was given out; 0 when there is none.
    pub head: u64,
}

/// What a device gets for its cursor (D-3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Page {
    /// Entries from `first` to `last`, as many as [`PageBudget`] allows; none when `first > last`.
    Entries {
        /// The first offset the device lacks.
        first: u64,
        /// The last one to send.
        last: u64,
    },
    /// The cursor is of no use: a window.
    TooLong,
}

/// Decides what a device gets for its cursor.
///
/// A window for none, for a cursor of another log, for one that was never given out (I22), for
/// one whose next entry is no longer stored, and for one that is more than 5 000 entries behind.
pub const fn page(cursor: Option<Cursor>, log: LogExtent) -> Page {
    let Some(cursor) = cursor else { return Page::TooLong };
    let first = cursor.offset.saturating_add(1);
    if cursor.log_epoch != log.log_epoch
        || cursor.offset > log.head
        || first < log.first
        || log.head - cursor.offset > limits::SYNC_BEHIND
    {
        return Page::TooLong;
    }
    let most = cursor.offset + limits::SYNC_ENTRIES as u64;
    Page::Entries { first, last: if most < log.head { most } else { log.head } }
}

/// Counts the bytes of a page as it is filled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PageBudget {
    bytes: usize,
}

impl PageBudget {
    /// Whether an entry of so many encoded bytes still belongs to the page. The first always does.
    pub const fn take(&mut self, bytes: usize) -> bool {
        if self.bytes > 0 && self.bytes + bytes > limits::SYNC_BYTES {
            return false;
        }
        self.bytes += bytes;
        true
    }
}
