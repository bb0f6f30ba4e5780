//! The tables, and how files of earlier versions become files of this one.

use homing_proto::id::{AppId, UserId};
use homing_proto::{Code, Error};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use super::damage::Fault;

/// Brings a file to the present schema and makes sure that it belongs to this user.
pub(super) fn prepare(connection: &mut Connection, app: AppId, user: &UserId) -> Result<(), Fault> {
    migrate(connection)?;
    let owner = connection
        .query_row("SELECT app, user FROM meta", (), |row| {
            Ok((row.get::<_, u32>(0)?, row.get::<_, String>(1)?))
        })
        .optional()?;
    match owner {
        None => {
            connection.execute(
                "INSERT INTO meta (app, user) VALUES (?1, ?2)",
                (app.get(), user.as_str()),
            )?;
            Ok(())
        }
        Some((owner_app, owner)) if owner_app == app.get() && owner == user.as_str() => Ok(()),
        // A file that was copied or renamed: nothing of one account is seen under another (I8).
        Some(_) => Err(Fault::damaged("the file belongs to another account")),
    }
}

/// Each step is one transaction that also moves the version: after a crash it is done or it is not.
fn migrate(connection: &mut Connection) -> Result<(), Fault> {
    let mut version: usize = connection
        .query_row("PRAGMA user_version", (), |row| row.get::<_, i64>(0))
        .map(|v| usize::try_from(v).unwrap_or(usize::MAX))?;
    if version > MIGRATIONS.len() {
        let text = "the local store was made by a newer version of the app";
        return Err(Fault::Other(Error::new(Code::STORE_OPEN_FAILED).with_text(text)));
    }
    while let Some(step) = MIGRATIONS.get(version) {
        version += 1;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", int_version(version))?;
        transaction.commit()?;
    }
    Ok(())
}

fn int_version(version: usize) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

/// Forward only; a step that was released is never changed.
const MIGRATIONS: &[&str] = &["
CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1) DEFAULT 1,
    app INTEGER NOT NULL,
    user TEXT NOT NULL,
    -- How far the user's log is stored.
    log_epoch INTEGER,
    log_offset INTEGER
) STRICT;

CREATE TABLE conversation (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    head INTEGER NOT NULL DEFAULT 0,
    own_count INTEGER NOT NULL DEFAULT 0,
    read_seq INTEGER NOT NULL DEFAULT 0,
    read_own_count INTEGER NOT NULL DEFAULT 0,
    -- The last message's time, negated, so that one ascending key orders the list.
    age INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The first screen is a walk along this index.
CREATE INDEX conversation_by_age ON conversation (age, id) WHERE head > 0;

CREATE TABLE message (
    conversation INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    sender TEXT NOT NULL,
    client_id BLOB NOT NULL,
    time INTEGER NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (conversation, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
    position INTEGER PRIMARY KEY,
    client_id BLOB NOT NULL UNIQUE,
    conversation TEXT NOT NULL,
    content BLOB NOT NULL,
    queued_at INTEGER NOT NULL
) STRICT;
"];
