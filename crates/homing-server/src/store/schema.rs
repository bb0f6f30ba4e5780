//! The tables, and how older files become newer ones.

use rusqlite::Connection;

use super::error::{Failure, OpenError};

/// Each step takes the schema from its index to the next version; `user_version` counts the steps
/// that a file has seen. A step that was released is never edited: another is added.
const STEPS: &[&str] = &[V1, V2, V3];

/// Whole numbers are SQLite's signed 64 bits; every count here stays far below 2^63.
const V1: &str = "
-- log_epoch, incarnation, seal_check
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE app (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    created INTEGER NOT NULL,
    settings BLOB NOT NULL, -- record::AppSettings
    keys BLOB NOT NULL      -- record::KeyRing, sealed with master.key
);

-- Everything decided about one user's sessions is the one value `sessions`.
CREATE TABLE user (
    key INTEGER PRIMARY KEY,
    app INTEGER NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    created INTEGER NOT NULL,
    head INTEGER NOT NULL,  -- the last offset of the user's log
    sessions BLOB NOT NULL, -- record::Sessions
    UNIQUE (app, id)
);

-- Direct conversations: low and high are the members' keys in the order of their ids; both the
-- same in a conversation with oneself.
CREATE TABLE conversation (
    key INTEGER PRIMARY KEY,
    low INTEGER NOT NULL,
    high INTEGER NOT NULL,
    head INTEGER NOT NULL,
    low_count INTEGER NOT NULL,     -- messages that low wrote
    low_read INTEGER NOT NULL,
    low_read_own INTEGER NOT NULL,
    high_read INTEGER NOT NULL,
    high_read_own INTEGER NOT NULL,
    low_recent INTEGER NOT NULL,    -- offset of its last message in low's log
    high_recent INTEGER NOT NULL,
    UNIQUE (low, high)
);

-- A user's conversations, the latest first.
CREATE TABLE member (
    user INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    recent INTEGER NOT NULL,
    PRIMARY KEY (user, conversation)
) WITHOUT ROWID;
CREATE INDEX member_recent ON member (user, recent);

CREATE TABLE message (
    conversation INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    low_count INTEGER NOT NULL, -- messages up to and with this one that low wrote
    from_high INTEGER NOT NULL, -- 1: high wrote it
    client_id BLOB NOT NULL,
    time INTEGER NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (conversation, seq)
) WITHOUT ROWID;

-- A user's log: what stands at an offset, as a reference. kind 1: a message, 2: a read cursor.
CREATE TABLE entry (
    user INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (user, offset)
) WITHOUT ROWID;

-- Idempotency keys of the last 30 days.
CREATE TABLE sent (
    user INTEGER NOT NULL,
    client_id BLOB NOT NULL,
    conversation INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    time INTEGER NOT NULL,
    PRIMARY KEY (user, client_id)
) WITHOUT ROWID;

-- What happened and is not yet in the tables above.
CREATE TABLE journal (
    seq INTEGER PRIMARY KEY,
    record BLOB NOT NULL -- record::Record
);
";

/// A message's entry says how far its owner had read when it was placed; 0: nothing, or written
/// before that was kept, which takes nothing back from a device (it keeps the farthest mark).
const V2: &str = "
ALTER TABLE entry ADD COLUMN read_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE entry ADD COLUMN read_own INTEGER NOT NULL DEFAULT 0;
";

/// What operators deleted. An app's row stays, so that its id is not given out again; a user's goes
/// when nothing is left to erase, for then the user's own row says that it was deleted.
const V3: &str = "
CREATE TABLE deletion (
    app INTEGER NOT NULL,
    user INTEGER NOT NULL,          -- 0: the app itself
    asked INTEGER NOT NULL,
    done INTEGER NOT NULL,          -- 0: something is left to erase
    users INTEGER NOT NULL,         -- erased so far, and so on
    conversations INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    PRIMARY KEY (app, user)
) WITHOUT ROWID;
";

/// The version that this code writes.
pub(super) fn newest() -> u32 {
    u32::try_from(STEPS.len()).expect("a handful of steps")
}

/// The version of the file.
pub(super) fn version(db: &Connection) -> Result<u32, Failure> {
    Ok(db.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Brings the file to the newest version, each step in one transaction.
pub(super) fn migrate(db: &mut Connection, file: &str) -> Result<(), OpenError> {
    let failed = |error: rusqlite::Error| OpenError::sqlite(file, &error.into());
    let found = version(db).map_err(|error| OpenError::sqlite(file, &error))?;
    if found > newest() {
        return Err(OpenError::TooNew { found, known: newest() });
    }
    for (done, step) in (1..).zip(STEPS).skip(found as usize) {
        let transaction = db.transaction().map_err(failed)?;
        transaction.execute_batch(step).map_err(failed)?;
        transaction.pragma_update(None, "user_version", done).map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_the_first_version_says_that_nothing_was_read() {
        let mut db = Connection::open_in_memory().unwrap();
        db.execute_batch(V1).unwrap();
        db.pragma_update(None, "user_version", 1).unwrap();
        db.execute("INSERT INTO entry VALUES (1, 1, 1, 1, 7)", []).unwrap();
        migrate(&mut db, "test").unwrap();
        assert_eq!(version(&db).unwrap(), newest());
        let read = "SELECT seq, read_seq, read_own FROM entry";
        let row: (i64, i64, i64) =
            db.query_row(read, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        assert_eq!(row, (7, 0, 0));
    }
}
