//! Every SQL statement of the store, each as one method.

mod erasing;

use bytes::Bytes;
use homing_core::server::log::{Direct, Placed, ReadMark, Side};
use homing_proto::id::{AppId, ClientMsgId, UserId};
use homing_proto::time::WallTime;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::error::Failure;
use super::{ConversationKey, UserKey};

pub(super) use self::erasing::DeletionRow;

/// The one connection that writes.
pub(super) struct Tables {
    db: Connection,
}

/// A row of `user`.
pub(super) struct UserRow {
    pub(super) app: AppId,
    pub(super) id: UserId,
    pub(super) name: String,
    pub(super) created: WallTime,
    pub(super) head: u64,
    pub(super) sessions: Bytes,
}

/// A row of `conversation`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ConversationRow {
    pub(super) key: ConversationKey,
    pub(super) low: UserKey,
    pub(super) high: UserKey,
    pub(super) direct: Direct,
    /// Offset of its last message in the log of low and of high.
    pub(super) recent: [u64; 2],
}

/// A row of `message`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct MessageRow {
    pub(super) placed: Placed,
    pub(super) from: Side,
    pub(super) client_id: ClientMsgId,
    pub(super) time: WallTime,
    pub(super) content: Bytes,
}

/// A row of `entry` without its owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct EntryRow {
    pub(super) offset: u64,
    pub(super) kind: EntryKind,
    pub(super) conversation: ConversationKey,
    pub(super) seq: u64,
}

/// What an entry of a user's log refers to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum EntryKind {
    /// The message at that seq.
    Message {
        /// How far the owner had read when it was placed.
        read: ReadMark,
    },
    /// The owner's read cursor moved to that seq.
    Read,
}

/// A row of `sent` without its key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SentRow {
    pub(super) conversation: ConversationKey,
    pub(super) seq: u64,
    pub(super) time: WallTime,
}

/// A row of `app`.
pub(super) struct AppRow {
    pub(super) id: AppId,
    pub(super) name: String,
    pub(super) created: WallTime,
    pub(super) settings: Vec<u8>,
    pub(super) keys: Vec<u8>,
}

type Read<T> = Result<T, Failure>;
type Write = Result<(), Failure>;

impl Tables {
    pub(super) const fn new(db: Connection) -> Self {
        Self { db }
    }

    pub(super) fn begin(&self) -> Write {
        self.run("BEGIN", [])
    }

    pub(super) fn commit(&self) -> Write {
        self.run("COMMIT", [])
    }

    /// Ends whatever transaction is open; SQLite may have ended it already.
    pub(super) fn rollback(&self) {
        if !self.db.is_autocommit() {
            let _ = self.db.execute_batch("ROLLBACK");
        }
    }

    // ------------------------------------------------------------ meta

    pub(super) fn meta(&self, name: &str) -> Read<Option<Vec<u8>>> {
        self.one("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0))
    }

    pub(super) fn put_meta(&self, name: &str, value: &[u8]) -> Write {
        self.run("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", params![name, value])
    }

    // ------------------------------------------------------------ apps

    pub(super) fn apps(&self) -> Read<Vec<AppRow>> {
        self.all("SELECT id, name, created, settings, keys FROM app", [], |row| {
            Ok(AppRow {
                id: app_id(row, 0)?,
                name: row.get(1)?,
                created: WallTime(u64_at(row, 2)?),
                settings: row.get(3)?,
                keys: row.get(4)?,
            })
        })
    }

    pub(super) fn put_app(&self, app: &AppRow) -> Write {
        self.run(
            "INSERT OR REPLACE INTO app VALUES (?1, ?2, ?3, ?4, ?5)",
            params![app.id.get(), app.name, signed(app.created.0), app.settings, app.keys],
        )
    }

    // ------------------------------------------------------------ users

    pub(super) fn user_key(&self, app: AppId, id: &UserId) -> Read<Option<UserKey>> {
        self.one(
            "SELECT key FROM user WHERE app = ?1 AND id = ?2",
            params![app.get(), id.as_str()],
            |row| Ok(UserKey(u64_at(row, 0)?)),
        )
    }

    pub(super) fn user(&self, key: UserKey) -> Read<Option<UserRow>> {
        self.one(
            "SELECT app, id, name, created, head, sessions FROM user WHERE key = ?1",
            [signed(key.0)],
            |row| {
                Ok(UserRow {
                    app: app_id(row, 0)?,
                    id: user_id(row, 1)?,
                    name: row.get(2)?,
                    created: WallTime(u64_at(row, 3)?),
                    head: u64_at(row, 4)?,
                    sessions: Bytes::from(row.get::<_, Vec<u8>>(5)?),
                })
            },
        )
    }

    pub(super) fn put_user(&self, key: UserKey, user: &UserRow) -> Write {
        self.run(
            "INSERT INTO user VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (key) DO UPDATE \
             SET name = excluded.name, head = excluded.head, sessions = excluded.sessions",
            params![
                signed(key.0),
                user.app.get(),
                user.id.as_str(),
                user.name,
                signed(user.created.0),
                signed(user.head),
                &user.sessions[..]
            ],
        )
    }

    pub(super) fn users_after(&self, key: UserKey, limit: u32) -> Read<Vec<UserKey>> {
        self.all(
            "SELECT key FROM user WHERE key > ?1 ORDER BY key LIMIT ?2",
            params![signed(key.0), limit],
            |row| Ok(UserKey(u64_at(row, 0)?)),
        )
    }

    /// Ids of an app's users that begin with `prefix` and come after `after`, in their order.
    pub(super) fn users_of(
        &self,
        app: AppId,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Read<Vec<UserId>> {
        // Every character of an id comes before DEL.
        let end = format!("{prefix}\u{7f}");
        self.all(
            "SELECT id FROM user WHERE app = ?1 AND id >= ?2 AND id > ?3 AND id < ?4 \
             ORDER BY id LIMIT ?5",
            params![app.get(), prefix, after, end, signed(limit as u64)],
            |row| user_id(row, 0),
        )
    }

    pub(super) fn last_user(&self) -> Read<u64> {
        self.max("SELECT max(key) FROM user")
    }

    // ------------------------------------------------------------ conversations

    pub(super) fn conversation(&self, key: ConversationKey) -> Read<Option<ConversationRow>> {
        self.one("SELECT * FROM conversation WHERE key = ?1", [signed(key.0)], conversation_row)
    }

    pub(super) fn conversation_of(
        &self,
        low: UserKey,
        high: UserKey,
    ) -> Read<Option<ConversationRow>> {
        self.one(
            "SELECT * FROM conversation WHERE low = ?1 AND high = ?2",
            [signed(low.0), signed(high.0)],
            conversation_row,
        )
    }

    pub(super) fn put_conversation(&self, row: &ConversationRow) -> Write {
        let Direct { head, low_count, low_read, high_read } = row.direct;
        self.run(
            "INSERT INTO conversation VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
             ON CONFLICT (key) DO UPDATE SET head = excluded.head, \
             low_count = excluded.low_count, low_read = excluded.low_read, \
             low_read_own = excluded.low_read_own, high_read = excluded.high_read, \
             high_read_own = excluded.high_read_own, low_recent = excluded.low_recent, \
             high_recent = excluded.high_recent",
            [
                row.key.0,
                row.low.0,
                row.high.0,
                head,
                low_count,
                low_read.seq,
                low_read.own_count,
                high_read.seq,
                high_read.own_count,
                row.recent[0],
                row.recent[1],
            ]
            .map(signed),
        )?;
        self.put_member(row.low, row.key, row.recent[0])?;
        if row.low == row.high {
            return Ok(());
        }
        self.put_member(row.high, row.key, row.recent[1])
    }

    /// Whose log has no message of it is no member: the first one is at offset 1.
    fn put_member(&self, user: UserKey, conversation: ConversationKey, recent: u64) -> Write {
        if recent == 0 {
            return Ok(());
        }
        self.run(
            "INSERT INTO member VALUES (?1, ?2, ?3) ON CONFLICT (user, conversation) \
             DO UPDATE SET recent = excluded.recent WHERE recent <> excluded.recent",
            [user.0, conversation.0, recent].map(signed),
        )
    }

    /// A user's conversations, the latest first, each with the offset of its last message.
    pub(super) fn recent(&self, user: UserKey, limit: usize) -> Read<Vec<(ConversationKey, u64)>> {
        self.all(
            "SELECT conversation, recent FROM member WHERE user = ?1 \
             ORDER BY recent DESC LIMIT ?2",
            [signed(user.0), signed(limit as u64)],
            |row| Ok((ConversationKey(u64_at(row, 0)?), u64_at(row, 1)?)),
        )
    }

    pub(super) fn last_conversation(&self) -> Read<u64> {
        self.max("SELECT max(key) FROM conversation")
    }

    // ------------------------------------------------------------ messages

    pub(super) fn message(
        &self,
        conversation: ConversationKey,
        seq: u64,
    ) -> Read<Option<MessageRow>> {
        self.one(
            "SELECT seq, low_count, from_high, client_id, time, content FROM message \
             WHERE conversation = ?1 AND seq = ?2",
            [signed(conversation.0), signed(seq)],
            message_row,
        )
    }

    /// The newest `limit` messages below `before`, the newest first.
    pub(super) fn messages_below(
        &self,
        conversation: ConversationKey,
        before: u64,
        limit: usize,
    ) -> Read<Vec<MessageRow>> {
        self.all(
            "SELECT seq, low_count, from_high, client_id, time, content FROM message \
             WHERE conversation = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3",
            [conversation.0, before, limit as u64].map(signed),
            message_row,
        )
    }

    pub(super) fn put_message(&self, conversation: ConversationKey, row: &MessageRow) -> Write {
        self.run(
            "INSERT OR REPLACE INTO message VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                signed(conversation.0),
                signed(row.placed.seq),
                signed(row.placed.low_count),
                row.from == Side::High,
                &row.client_id.0[..],
                signed(row.time.0),
                &row.content[..]
            ],
        )
    }

    // ------------------------------------------------------------ logs

    pub(super) fn entries(&self, user: UserKey, first: u64, last: u64) -> Read<Vec<EntryRow>> {
        self.all(
            "SELECT offset, kind, conversation, seq, read_seq, read_own FROM entry \
             WHERE user = ?1 AND offset BETWEEN ?2 AND ?3 ORDER BY offset",
            [user.0, first, last].map(signed),
            |row| {
                Ok(EntryRow {
                    offset: u64_at(row, 0)?,
                    kind: match row.get(1)? {
                        READ => EntryKind::Read,
                        _ => EntryKind::Message {
                            read: ReadMark { seq: u64_at(row, 4)?, own_count: u64_at(row, 5)? },
                        },
                    },
                    conversation: ConversationKey(u64_at(row, 2)?),
                    seq: u64_at(row, 3)?,
                })
            },
        )
    }

    pub(super) fn put_entry(&self, user: UserKey, row: &EntryRow) -> Write {
        let (kind, read) = match row.kind {
            EntryKind::Message { read } => (MESSAGE, read),
            EntryKind::Read => (READ, ReadMark::default()),
        };
        self.run(
            "INSERT OR REPLACE INTO entry VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                signed(user.0),
                signed(row.offset),
                kind,
                signed(row.conversation.0),
                signed(row.seq),
                signed(read.seq),
                signed(read.own_count)
            ],
        )
    }

    /// Drops entries below `first`, at most `limit`.
    pub(super) fn drop_entries(&self, user: UserKey, first: u64, limit: u64) -> Write {
        let oldest: Option<Option<i64>> =
            self.one("SELECT min(offset) FROM entry WHERE user = ?1", [signed(user.0)], |row| {
                row.get(0)
            })?;
        let Some(oldest) = oldest.flatten().map(unsigned) else { return Ok(()) };
        self.run(
            "DELETE FROM entry WHERE user = ?1 AND offset < ?2",
            [user.0, first.min(oldest + limit)].map(signed),
        )
    }

    pub(super) fn sent(&self, user: UserKey, client_id: ClientMsgId) -> Read<Option<SentRow>> {
        self.one(
            "SELECT conversation, seq, time FROM sent WHERE user = ?1 AND client_id = ?2",
            params![signed(user.0), &client_id.0[..]],
            |row| {
                Ok(SentRow {
                    conversation: ConversationKey(u64_at(row, 0)?),
                    seq: u64_at(row, 1)?,
                    time: WallTime(u64_at(row, 2)?),
                })
            },
        )
    }

    pub(super) fn put_sent(&self, user: UserKey, client_id: ClientMsgId, row: SentRow) -> Write {
        self.run(
            "INSERT OR REPLACE INTO sent VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                signed(user.0),
                &client_id.0[..],
                signed(row.conversation.0),
                signed(row.seq),
                signed(row.time.0)
            ],
        )
    }

    /// Looks at the next `limit` idempotency keys after `place` and forgets those from before
    /// `oldest`. Where to go on; `None` at the end.
    pub(super) fn sweep_sent(
        &self,
        place: (UserKey, ClientMsgId),
        limit: u32,
        oldest: WallTime,
    ) -> Read<Option<(UserKey, ClientMsgId)>> {
        let (user, client_id) = (signed(place.0.0), place.1.0);
        let last = self.one(
            "SELECT user, client_id FROM sent WHERE (user, client_id) > (?1, ?2) \
             ORDER BY user, client_id LIMIT 1 OFFSET ?3",
            params![user, &client_id[..], limit - 1],
            |row| {
                let id = ClientMsgId::from_slice(row.get_ref(1)?.as_blob()?);
                Ok((UserKey(u64_at(row, 0)?), id.ok_or_else(|| damaged(1, "a message id"))?))
            },
        )?;
        let (last_user, last_id) =
            last.map_or((i64::MAX, [u8::MAX; 16]), |(user, id)| (signed(user.0), id.0));
        self.run(
            "DELETE FROM sent WHERE (user, client_id) > (?1, ?2) \
             AND (user, client_id) <= (?3, ?4) AND time < ?5",
            params![user, &client_id[..], last_user, &last_id[..], signed(oldest.0)],
        )?;
        Ok(last)
    }

    // ------------------------------------------------------------ journal

    pub(super) fn append(&self, seq: u64, record: &[u8]) -> Write {
        self.run("INSERT INTO journal VALUES (?1, ?2)", params![signed(seq), record])
    }

    /// Calls `each` with every record, oldest first.
    pub(super) fn journal(&self, mut each: impl FnMut(u64, Bytes) -> Write) -> Write {
        let mut statement = self.db.prepare("SELECT seq, record FROM journal ORDER BY seq")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            each(u64_at(row, 0)?, Bytes::from(row.get::<_, Vec<u8>>(1)?))?;
        }
        Ok(())
    }

    pub(super) fn drop_journal(&self, up_to: u64) -> Write {
        self.run("DELETE FROM journal WHERE seq <= ?1", [signed(up_to)])
    }

    // ------------------------------------------------------------ plumbing

    fn run(&self, sql: &str, params: impl rusqlite::Params) -> Write {
        self.db.prepare_cached(sql)?.execute(params)?;
        Ok(())
    }

    fn one<T>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Read<Option<T>> {
        Ok(self.db.prepare_cached(sql)?.query_row(params, read).optional()?)
    }

    fn all<T>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Read<Vec<T>> {
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map(params, read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn max(&self, sql: &str) -> Read<u64> {
        Ok(self.one(sql, [], |row| row.get::<_, Option<i64>>(0))?.flatten().map_or(0, unsigned))
    }
}

const MESSAGE: i64 = 1;
const READ: i64 = 2;

/// SQLite's whole numbers are signed; no count here comes near 2^63, and a time that does is cut.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn u64_at(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(unsigned)
}

fn app_id(row: &Row<'_>, column: usize) -> rusqlite::Result<AppId> {
    AppId::new(row.get(column)?).map_err(|_| damaged(column, "an app id"))
}

fn user_id(row: &Row<'_>, column: usize) -> rusqlite::Result<UserId> {
    UserId::parse(row.get_ref(column)?.as_str()?).map_err(|_| damaged(column, "a user id"))
}

fn conversation_row(row: &Row<'_>) -> rusqlite::Result<ConversationRow> {
    Ok(ConversationRow {
        key: ConversationKey(u64_at(row, 0)?),
        low: UserKey(u64_at(row, 1)?),
        high: UserKey(u64_at(row, 2)?),
        direct: Direct {
            head: u64_at(row, 3)?,
            low_count: u64_at(row, 4)?,
            low_read: ReadMark { seq: u64_at(row, 5)?, own_count: u64_at(row, 6)? },
            high_read: ReadMark { seq: u64_at(row, 7)?, own_count: u64_at(row, 8)? },
        },
        recent: [u64_at(row, 9)?, u64_at(row, 10)?],
    })
}

fn message_row(row: &Row<'_>) -> rusqlite::Result<MessageRow> {
    Ok(MessageRow {
        placed: Placed { seq: u64_at(row, 0)?, low_count: u64_at(row, 1)? },
        from: if row.get(2)? { Side::High } else { Side::Low },
        client_id: ClientMsgId::from_slice(row.get_ref(3)?.as_blob()?)
            .ok_or_else(|| damaged(3, "a client message id"))?,
        time: WallTime(u64_at(row, 4)?),
        content: Bytes::from(row.get::<_, Vec<u8>>(5)?),
    })
}

fn damaged(column: usize, what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Blob, what.into())
}
