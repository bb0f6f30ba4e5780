//! What every store must do, and what the one on disk must survive.

mod crash;
pub(crate) mod damage;
mod suite;

use std::path::Path;

use bytes::Bytes;
use homing::store::memory::MemoryShelf;
use homing::store::sqlite::SqliteShelf;
use homing::store::{Opening, Read, Shelf, Write};
use homing::{
    AppId, ClientMsgId, Content, ConversationId, Message, PendingMessage, UserId, WallTime,
};
use homing_core::client::{Missing, Row};
use homing_proto::message::{LogEntry, ReadMark};
use tempfile::TempDir;

/// A backend under test: it can be closed and opened again.
pub(crate) enum Backend {
    Memory(MemoryShelf),
    Sqlite(TempDir),
}

impl Backend {
    pub(crate) fn all() -> Vec<Self> {
        vec![Self::Memory(MemoryShelf::default()), Self::sqlite()]
    }

    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(TempDir::new().unwrap())
    }

    pub(crate) fn try_open(&mut self, user: &UserId, missing: Missing) -> Opening {
        match self {
            Self::Memory(shelf) => shelf.open(user, missing).unwrap(),
            Self::Sqlite(dir) => shelf(dir.path()).open(user, missing).unwrap(),
        }
    }

    pub(crate) fn open(&mut self) -> Open {
        self.try_open(&alice(), Missing::Create).into()
    }

    pub(crate) fn wipe(&mut self, user: &UserId) {
        match self {
            Self::Memory(shelf) => shelf.wipe(user).unwrap(),
            Self::Sqlite(dir) => shelf(dir.path()).wipe(user).unwrap(),
        }
    }
}

pub(crate) struct Open {
    pub(crate) opened: homing_core::client::Opened,
    pub(crate) writer: Box<dyn Write>,
    pub(crate) reader: Box<dyn Read>,
}

impl From<Opening> for Open {
    fn from(opening: Opening) -> Self {
        let writer = opening.store.expect("it is made if it is missing");
        let reader = writer.reader().unwrap();
        Self { opened: opening.opened, writer, reader }
    }
}

/// Alice's store in this directory.
pub(crate) fn open_sqlite(dir: &Path) -> Open {
    shelf(dir).open(&alice(), Missing::Create).unwrap().into()
}

pub(crate) fn shelf(dir: &Path) -> SqliteShelf {
    SqliteShelf::new(dir, AppId::new(1).unwrap()).unwrap()
}

pub(crate) fn alice() -> UserId {
    UserId::parse("alice").unwrap()
}

pub(crate) fn with(peer: &str) -> ConversationId {
    ConversationId::Direct(UserId::parse(peer).unwrap())
}

pub(crate) fn client_id(number: u64) -> ClientMsgId {
    ClientMsgId((u128::from(number) + 1).to_be_bytes())
}

/// Message `seq` of the conversation with `peer`. What it says tells which one it is.
pub(crate) fn message(peer: &str, seq: u64, from: &str) -> Message {
    Message {
        conversation: with(peer),
        seq,
        from: UserId::parse(from).unwrap(),
        client_id: client_id(seq),
        time: WallTime(seq.saturating_mul(1_000)),
        content: Content::text(format!("{peer} {seq}")),
    }
}

pub(crate) fn entry(message: Message, own_count: u64) -> Row {
    entry_after(message, own_count, ReadMark::default())
}

/// The owner had read that far when the message was placed.
pub(crate) fn entry_after(message: Message, own_count: u64, read: ReadMark) -> Row {
    Row::Entry(LogEntry::Message { message, own_count, read })
}

pub(crate) fn pending(number: u64, peer: &str) -> PendingMessage {
    PendingMessage {
        client_id: client_id(number),
        conversation: with(peer),
        content: Content(Bytes::from(format!("waiting {number}"))),
        queued_at: WallTime(number),
    }
}
