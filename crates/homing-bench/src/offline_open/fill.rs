//! A store as full as after years of use, written by the SDK's own store.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use homing::store::Shelf as _;
use homing::store::sqlite::SqliteShelf;
use homing::{AppId, ClientMsgId, Content, ConversationId, Message, UserId, WallTime};
use homing_core::client::{Missing, Row};
use homing_proto::id::Cursor;
use homing_proto::message::{LogEntry, ReadMark};

use super::USER;
use crate::{Failure, crowd};

/// Puts the messages into the conversations, as many into each.
///
/// # Errors
/// What the store says.
pub(super) fn fill(dir: &Path, app: u32, conversations: u64, messages: u64) -> Result<(), Failure> {
    let mut shelf = SqliteShelf::new(dir, AppId::new(app)?)?;
    let opening = shelf.open(&crowd::user(USER), Missing::Create)?;
    let mut store = opening.store.ok_or("the store was not made")?;
    let each = messages / conversations;
    let began = SystemTime::now().duration_since(UNIX_EPOCH)? - YEARS;
    let spacing_ms = YEARS.as_millis() as u64 / messages;
    let mut rows = Vec::new();
    for peer in 0..conversations {
        let user = UserId::parse(&format!("peer-{peer:07}"))?;
        rows.extend((1..=each).map(|seq| {
            // Message by message through all conversations, as if all went on side by side.
            let turn = (seq - 1) * conversations + peer;
            let time = WallTime(began.as_millis() as u64 + turn * spacing_ms);
            entry(&user, seq, turn, time)
        }));
        if rows.len() >= ROWS || peer + 1 == conversations {
            store.write(&rows)?;
            rows.clear();
        }
    }
    store.write(&[Row::Cursor(Cursor { log_epoch: 1, offset: messages })])?;
    Ok(())
}

fn entry(peer: &UserId, seq: u64, turn: u64, time: WallTime) -> Row {
    let message = Message {
        conversation: ConversationId::Direct(peer.clone()),
        seq,
        from: peer.clone(),
        client_id: ClientMsgId(u128::from(turn).to_be_bytes()),
        time,
        content: Content::text("what people write ".repeat(6)),
    };
    Row::Entry(LogEntry::Message { message, own_count: 0, read: ReadMark::default() })
}

/// How long the conversations have gone on.
const YEARS: Duration = Duration::from_secs(3 * 365 * 24 * 60 * 60);
/// Rows in one transaction.
const ROWS: usize = 10_000;
