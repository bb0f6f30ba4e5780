//! Stores as SQLite files: one per user, in WAL mode, flushed at every commit (D-5).
//!
//! Data, cursor and outbox lie in one file, so that one commit covers all three. Opening reads the
//! schema, one row and the outbox, whatever the size of the history (I13). A file that turns out to
//! be damaged, at opening or later, is set aside and its outbox carried over (I9).

mod damage;
mod read;
mod schema;
mod write;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use homing_core::client::{Missing, Opened, Row};
use homing_proto::id::{AppId, Cursor, UserId};
use homing_proto::{Code, Error};
use rusqlite::{Connection, OpenFlags};

use self::read::SqliteReader;
use super::{Opening, Read, Shelf, Write};
use crate::data_dir::DataDir;

/// The SQLite files of one app's users in one directory.
pub struct SqliteShelf {
    dir: DataDir,
    app: AppId,
    /// The file opened last, and whether it turned out to be damaged since.
    last: Option<(String, Arc<AtomicBool>)>,
}

impl SqliteShelf {
    /// The stores in this directory, which is made if it is missing.
    ///
    /// # Errors
    /// `store_full` or `store_open_failed` when it cannot be made.
    pub fn new(directory: &Path, app: AppId) -> Result<Self, Error> {
        Ok(Self::in_dir(DataDir::open(directory)?, app))
    }

    pub(crate) const fn in_dir(dir: DataDir, app: AppId) -> Self {
        Self { dir, app, last: None }
    }

    fn open_file(&self, name: &str, user: &UserId) -> Result<(Connection, Opened), Error> {
        let file = self.dir.file(name);
        let open = || -> Result<_, damage::Fault> {
            let mut connection = connect(&file)?;
            schema::prepare(&mut connection, self.app, user)?;
            let opened = Opened {
                cursor: read::cursor(&connection)?,
                outbox: read::outbox(&connection)?,
                ..Opened::default()
            };
            // What the app will ask first must be readable too.
            read::conversations(&connection, None, 1)?;
            Ok((connection, opened))
        };
        open().map_err(|fault| fault.into_error("open the local store"))
    }

    /// Sets the file aside and opens a fresh one with what can be read of the outbox.
    fn replace_file(
        &self,
        name: &str,
        user: &UserId,
        cause: &Error,
    ) -> Result<(Connection, Opened), Error> {
        let aside = self.dir.set_aside(name, SIDE_FILES)?;
        tracing::warn!(aside, %cause, "the local store was damaged and is set aside");
        let outbox = damage::salvage(&self.dir.file(&aside));
        self.dir.touch(name)?;
        let (mut connection, _) = self.open_file(name, user)?;
        let rows: Vec<Row> = outbox.iter().cloned().map(Row::Queue).collect();
        write::write_all(&mut connection, user, &[&rows])
            .map_err(|fault| fault.into_error("carry over the outbox"))?;
        let text = format!(
            "the local store was damaged; it is kept as {aside}, {} waiting messages were carried over",
            outbox.len()
        );
        let reset = Some(Error::new(Code::STORE_CORRUPT).with_text(text));
        Ok((connection, Opened { outbox, reset, ..Opened::default() }))
    }
}

impl Shelf for SqliteShelf {
    fn open(&mut self, user: &UserId, missing: Missing) -> Result<Opening, Error> {
        let name = file_name(self.app, user);
        if !self.dir.file(&name).exists() {
            if missing == Missing::Leave {
                let opened = Opened { absent: true, ..Opened::default() };
                return Ok(Opening { opened, store: None });
            }
            self.dir.touch(&name)?;
        }
        let known_damage = matches!(
            &self.last,
            Some((last, damaged)) if *last == name && damaged.load(Ordering::Relaxed)
        );
        let found = if known_damage {
            Err(Error::new(Code::STORE_CORRUPT).with_text("damage was found while it was in use"))
        } else {
            self.open_file(&name, user)
        };
        let (connection, opened) = match found {
            Err(cause) if cause.code == Code::STORE_CORRUPT => {
                self.replace_file(&name, user, &cause)?
            }
            found => found?,
        };
        let damaged = Arc::new(AtomicBool::new(false));
        self.last = Some((name, damaged.clone()));
        let store = SqliteStore { connection, user: user.clone(), damaged };
        Ok(Opening { opened, store: Some(Box::new(store)) })
    }

    fn wipe(&mut self, user: &UserId) -> Result<(), Error> {
        self.dir.wipe(&file_name(self.app, user), SIDE_FILES)
    }
}

/// An open file and its one writing connection.
struct SqliteStore {
    connection: Connection,
    user: UserId,
    damaged: Arc<AtomicBool>,
}

impl Write for SqliteStore {
    fn write(&mut self, rows: &[Row]) -> Result<(), Error> {
        self.write_all(&[rows])
    }

    fn write_all(&mut self, batches: &[&[Row]]) -> Result<(), Error> {
        if self.damaged.load(Ordering::Relaxed) {
            return Err(Code::STORE_CORRUPT.into());
        }
        write::write_all(&mut self.connection, &self.user, batches)
            .map_err(|fault| fault.into_error("write to the local store"))
            .inspect_err(|error| note_damage(&self.damaged, error))
    }

    fn reader(&self) -> Result<Box<dyn Read>, Error> {
        let open = || -> Result<Connection, damage::Fault> {
            let file = self.connection.path().unwrap_or_default();
            let connection = connect(Path::new(file))?;
            connection.pragma_update(None, "query_only", true)?;
            Ok(connection)
        };
        let connection = open().map_err(|fault| fault.into_error("open the local store"))?;
        Ok(Box::new(SqliteReader { connection, damaged: self.damaged.clone() }))
    }
}

/// Once damage was seen, every write fails until the store is opened anew.
fn note_damage(damaged: &AtomicBool, error: &Error) {
    if error.code == Code::STORE_CORRUPT {
        damaged.store(true, Ordering::Relaxed);
    }
}

fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "journal_size_limit", WAL_KEPT_BYTES)?;
    Ok(connection)
}

/// Safe on every file system: case does not matter and no user id holds a sign of its own.
fn file_name(app: AppId, user: &UserId) -> String {
    use std::fmt::Write as _;
    let mut name = format!("store-{app}-");
    for byte in user.as_str().bytes() {
        write!(name, "{byte:02x}").expect("writing to a string does not fail");
    }
    name + ".db"
}

/// SQLite numbers are signed. Counts and times of this size are nonsense; they stay the largest.
fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Back from [`int`].
fn uint(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// The cursor's two halves are names rather than counts: every bit is kept.
const fn cursor_out(cursor: Cursor) -> (i64, i64) {
    (cursor.log_epoch.cast_signed(), cursor.offset.cast_signed())
}

/// Back from [`cursor_out`].
const fn cursor_in(log_epoch: i64, offset: i64) -> Cursor {
    Cursor { log_epoch: log_epoch.cast_unsigned(), offset: offset.cast_unsigned() }
}

const SIDE_FILES: &[&str] = &["-wal", "-shm"];
/// Every statement of this module, prepared once per connection.
const STATEMENTS: usize = 32;
/// A log that a large sync grew is cut back to this.
const WAL_KEPT_BYTES: i64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests;
