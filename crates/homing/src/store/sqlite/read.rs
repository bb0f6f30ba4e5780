//! Tables into answers. What cannot be an honest row is damage.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use homing_core::client::Pending;
use homing_proto::Error;
use homing_proto::id::{ClientMsgId, ConversationId, Cursor, UserId};
use homing_proto::limits::CONTENT_BYTES;
use homing_proto::message::{Content, Message};
use homing_proto::time::WallTime;
use rusqlite::{Connection, OptionalExtension as _, Row as SqlRow};

use super::super::{ConversationView, History, PageEnd, Read, gap};
use super::damage::Fault;
use super::{cursor_in, int, note_damage, uint};

/// A connection of its own: reads never wait for the writer.
pub(super) struct SqliteReader {
    pub(super) connection: Connection,
    pub(super) damaged: Arc<AtomicBool>,
}

impl SqliteReader {
    fn read<T>(&self, question: impl FnOnce(&Connection) -> Found<T>) -> Result<T, Error> {
        // One transaction, so that an answer of several statements shows one state.
        let ask = || {
            let transaction = self.connection.unchecked_transaction()?;
            let answer = question(&transaction)?;
            transaction.commit()?;
            Ok(answer)
        };
        ask()
            .map_err(|fault: Fault| fault.into_error("read the local store"))
            .inspect_err(|error| note_damage(&self.damaged, error))
    }
}

impl Read for SqliteReader {
    fn conversations(
        &mut self,
        after: Option<&PageEnd>,
        limit: u32,
    ) -> Result<Vec<ConversationView>, Error> {
        self.read(|connection| conversations(connection, after, limit))
    }

    fn conversation(&mut self, id: &ConversationId) -> Result<Option<ConversationView>, Error> {
        self.read(|connection| {
            let sql = format!("{VIEW} WHERE c.id = ?1 AND c.head > 0");
            let mut select = connection.prepare_cached(&sql)?;
            let mut rows = select.query([id.to_string()])?;
            rows.next()?.map(view_in).transpose()
        })
    }

    fn history(
        &mut self,
        conversation: &ConversationId,
        before: u64,
        limit: u32,
    ) -> Result<History, Error> {
        self.read(|connection| history(connection, conversation, before, limit))
    }

    fn outbox(&mut self) -> Result<Vec<Pending>, Error> {
        self.read(outbox)
    }
}

type Found<T> = Result<T, Fault>;

pub(super) fn conversations(
    connection: &Connection,
    after: Option<&PageEnd>,
    limit: u32,
) -> Found<Vec<ConversationView>> {
    let (age, id) =
        after.map_or((i64::MIN, String::new()), |end| (-int(end.time.0), end.id.to_string()));
    let sql = format!(
        "{VIEW} WHERE c.head > 0 AND (c.age, c.id) > (?1, ?2) ORDER BY c.age, c.id LIMIT ?3"
    );
    let mut select = connection.prepare_cached(&sql)?;
    let mut rows = select.query((age, id, limit))?;
    let mut views = Vec::new();
    while let Some(row) = rows.next()? {
        views.push(view_in(row)?);
    }
    Ok(views)
}

/// Messages that wait, oldest first.
pub(super) fn outbox(connection: &Connection) -> Found<Vec<Pending>> {
    let mut select = connection.prepare_cached(
        "SELECT client_id, conversation, content, queued_at FROM outbox ORDER BY position",
    )?;
    let mut rows = select.query(())?;
    let mut waiting = Vec::new();
    while let Some(row) = rows.next()? {
        waiting.push(pending_in(row)?);
    }
    Ok(waiting)
}

pub(super) fn pending(connection: &Connection, id: ClientMsgId) -> Found<Option<Pending>> {
    let mut select = connection.prepare_cached(
        "SELECT client_id, conversation, content, queued_at FROM outbox WHERE client_id = ?1",
    )?;
    let mut rows = select.query([id.0])?;
    rows.next()?.map(pending_in).transpose()
}

/// A row of `client_id, conversation, content, queued_at`.
pub(super) fn pending_in(row: &SqlRow<'_>) -> Found<Pending> {
    Ok(Pending {
        client_id: ClientMsgId(row.get(0)?),
        conversation: conversation_in(&row.get::<_, String>(1)?)?,
        content: content_in(row.get(2)?)?,
        queued_at: WallTime(uint(row.get(3)?)),
    })
}

pub(super) fn cursor(connection: &Connection) -> Found<Option<Cursor>> {
    let (log_epoch, offset) =
        connection.query_row("SELECT log_epoch, log_offset FROM meta", (), |row| {
            Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?))
        })?;
    Ok(log_epoch.zip(offset).map(|(log_epoch, offset)| cursor_in(log_epoch, offset)))
}

fn history(
    connection: &Connection,
    conversation: &ConversationId,
    before: u64,
    limit: u32,
) -> Found<History> {
    let mut select =
        connection.prepare_cached("SELECT key, head FROM conversation WHERE id = ?1")?;
    let known = select
        .query_row([conversation.to_string()], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        })
        .optional()?;
    let Some((key, head)) = known else {
        return Ok(History { messages: Vec::new(), gap: gap(&[], None, before, limit) });
    };
    let end = if before == 0 { i64::MAX } else { int(before) };
    let mut select = connection.prepare_cached(
        "SELECT seq, sender, client_id, time, content FROM message
         WHERE conversation = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3",
    )?;
    let mut rows = select.query((key, end, limit))?;
    let mut messages = Vec::new();
    while let Some(row) = rows.next()? {
        messages.push(message_in(row, 0, conversation.clone())?);
    }
    messages.reverse();
    let gap = gap(&messages, Some(uint(head)), before, limit);
    Ok(History { messages, gap })
}

/// A row of [`VIEW`].
fn view_in(row: &SqlRow<'_>) -> Found<ConversationView> {
    let id = conversation_in(&row.get::<_, String>(0)?)?;
    let last = match row.get::<_, Option<i64>>(6)? {
        Some(_) => Some(message_in(row, 6, id.clone())?),
        None => None,
    };
    Ok(ConversationView {
        id,
        head: uint(row.get(1)?),
        own_count: uint(row.get(2)?),
        read_seq: uint(row.get(3)?),
        read_own_count: uint(row.get(4)?),
        time: WallTime(uint(row.get::<_, i64>(5)?.saturating_neg())),
        last,
    })
}

/// Five columns from `at` on: `seq, sender, client_id, time, content`.
fn message_in(row: &SqlRow<'_>, at: usize, conversation: ConversationId) -> Found<Message> {
    let from = row.get_ref(at + 1)?.as_str().map_err(|_| Fault::damaged("a sender is no text"))?;
    Ok(Message {
        conversation,
        seq: uint(row.get(at)?),
        from: UserId::parse(from).map_err(|_| Fault::damaged("a sender is no user id"))?,
        client_id: ClientMsgId(row.get(at + 2)?),
        time: WallTime(uint(row.get(at + 3)?)),
        content: content_in(row.get(at + 4)?)?,
    })
}

fn conversation_in(id: &str) -> Found<ConversationId> {
    ConversationId::parse(id).map_err(|_| Fault::damaged("a conversation has no id"))
}

fn content_in(content: Vec<u8>) -> Found<Content> {
    if content.len() > CONTENT_BYTES {
        return Err(Fault::damaged("a message is too large"));
    }
    Ok(Content(Bytes::from(content)))
}

const VIEW: &str = "SELECT c.id, c.head, c.own_count, c.read_seq, c.read_own_count, c.age,
    m.seq, m.sender, m.client_id, m.time, m.content
    FROM conversation c LEFT JOIN message m ON m.conversation = c.key AND m.seq = c.head";
