//! Rows into tables, all of a transaction or nothing.

use homing_core::client::{Pending, Row};
use homing_proto::id::{ClientMsgId, ConversationId, UserId};
use homing_proto::message::{Conversation, LogEntry, Message, ReadMark};
use homing_proto::time::WallTime;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};

use super::damage::Fault;
use super::{cursor_out, int, read};

pub(super) fn write_all(
    connection: &mut Connection,
    user: &UserId,
    batches: &[&[Row]],
) -> Result<(), Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let tables = Tables { transaction: &transaction, user };
    for row in batches.iter().copied().flatten() {
        tables.apply(row)?;
    }
    Ok(transaction.commit()?)
}

/// The tables within one transaction.
struct Tables<'a> {
    transaction: &'a Transaction<'a>,
    user: &'a UserId,
}

type Written<T = ()> = Result<T, Fault>;

impl Tables<'_> {
    fn apply(&self, row: &Row) -> Written {
        match row {
            Row::Entry(LogEntry::Message { message, own_count, read }) => {
                self.entry(message, *own_count, *read)
            }
            Row::Entry(LogEntry::Read { conversation, seq, own_count }) => {
                let key = self.conversation(conversation)?;
                self.read_cursor(key, *seq, *own_count)
            }
            Row::Entry(LogEntry::Unknown) => Ok(()),
            Row::Window(window) => window.iter().try_for_each(|fresh| self.window(fresh)),
            Row::Messages(messages) => messages.iter().try_for_each(|message| {
                let key = self.conversation(&message.conversation)?;
                self.keep_message(key, message)?;
                self.refresh(key)
            }),
            Row::Cursor(cursor) => {
                self.run("UPDATE meta SET log_epoch = ?1, log_offset = ?2", cursor_out(*cursor))
            }
            Row::Queue(pending) => self.queue(pending),
            Row::Accepted { client_id, seq, time } => self.accepted(*client_id, *seq, *time),
            Row::Refused { client_id } => self.leave(*client_id),
        }
    }

    fn entry(&self, message: &Message, own_count: u64, read: ReadMark) -> Written {
        self.leave_if_own(message)?;
        let key = self.conversation(&message.conversation)?;
        self.put_message(key, message)?;
        self.grow(key, message.seq, own_count)?;
        self.read_cursor(key, read.seq, read.own_count)
    }

    fn window(&self, fresh: &Conversation) -> Written {
        let key = self.conversation(&fresh.id)?;
        for message in &fresh.messages {
            self.leave_if_own(message)?;
            self.put_message(key, message)?;
        }
        self.grow(key, fresh.head, fresh.own_count)?;
        self.read_cursor(key, fresh.read_seq, fresh.read_own_count)
    }

    fn queue(&self, pending: &Pending) -> Written {
        self.run(
            "INSERT OR REPLACE INTO outbox (client_id, conversation, content, queued_at)
             VALUES (?1, ?2, ?3, ?4)",
            (
                pending.client_id.0,
                pending.conversation.to_string(),
                pending.content.0.as_ref(),
                int(pending.queued_at.0),
            ),
        )
    }

    fn accepted(&self, client_id: ClientMsgId, seq: u64, time: WallTime) -> Written {
        let Some(Pending { conversation, content, .. }) =
            read::pending(self.transaction, client_id)?
        else {
            return Ok(());
        };
        self.leave(client_id)?;
        let key = self.conversation(&conversation)?;
        let from = self.user.clone();
        self.keep_message(key, &Message { conversation, seq, from, client_id, time, content })?;
        self.refresh(key)
    }

    /// An own message in the log is no longer waiting.
    fn leave_if_own(&self, message: &Message) -> Written {
        if message.from == *self.user { self.leave(message.client_id) } else { Ok(()) }
    }

    fn leave(&self, client_id: ClientMsgId) -> Written {
        self.run("DELETE FROM outbox WHERE client_id = ?1", [client_id.0])
    }

    /// The conversation's key, made at first mention.
    fn conversation(&self, id: &ConversationId) -> Written<i64> {
        let id = id.to_string();
        let mut select =
            self.transaction.prepare_cached("SELECT key FROM conversation WHERE id = ?1")?;
        if let Some(key) = select.query_row([&id], |row| row.get(0)).optional()? {
            return Ok(key);
        }
        self.run("INSERT INTO conversation (id) VALUES (?1)", [&id])?;
        Ok(self.transaction.last_insert_rowid())
    }

    fn put_message(&self, key: i64, message: &Message) -> Written {
        self.run(
            "INSERT INTO message (conversation, seq, sender, client_id, time, content)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO UPDATE SET sender = excluded.sender, client_id = excluded.client_id,
                 time = excluded.time, content = excluded.content",
            message_out(key, message),
        )
    }

    /// Puts the message unless one is there.
    fn keep_message(&self, key: i64, message: &Message) -> Written {
        self.run(
            "INSERT INTO message (conversation, seq, sender, client_id, time, content)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
            message_out(key, message),
        )
    }

    /// The head moves forward, and its count of own messages with it.
    fn grow(&self, key: i64, head: u64, own_count: u64) -> Written {
        self.run(
            "UPDATE conversation SET head = ?2, own_count = ?3 WHERE key = ?1 AND head <= ?2",
            (key, int(head), int(own_count)),
        )?;
        self.refresh(key)
    }

    fn read_cursor(&self, key: i64, seq: u64, own_count: u64) -> Written {
        self.run(
            "UPDATE conversation SET read_seq = ?2, read_own_count = ?3
             WHERE key = ?1 AND read_seq <= ?2",
            (key, int(seq), int(own_count)),
        )
    }

    /// The list is ordered by the last message's time, once that message is stored.
    fn refresh(&self, key: i64) -> Written {
        self.run(
            "UPDATE conversation SET age = -message.time FROM message
             WHERE key = ?1 AND message.conversation = key AND message.seq = head
                 AND age <> -message.time",
            [key],
        )
    }

    fn run(&self, sql: &str, params: impl rusqlite::Params) -> Written {
        self.transaction.prepare_cached(sql)?.execute(params)?;
        Ok(())
    }
}

type MessageRow<'a> = (i64, i64, &'a str, [u8; 16], i64, &'a [u8]);

fn message_out(key: i64, message: &Message) -> MessageRow<'_> {
    (
        key,
        int(message.seq),
        message.from.as_str(),
        message.client_id.0,
        int(message.time.0),
        message.content.0.as_ref(),
    )
}
