//! What goes wrong with a file, and what can be saved from one that is broken (I9).

use std::collections::BTreeMap;
use std::path::Path;

use homing_core::client::Pending;
use homing_proto::limits::OUTBOX;
use homing_proto::{Code, Error};
use rusqlite::config::DbConfig;
use rusqlite::ffi;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::read;

/// Why something did not work.
#[derive(Debug)]
pub(super) enum Fault {
    /// What SQLite said.
    Sqlite(rusqlite::Error),
    /// What no honest file holds.
    Damaged(&'static str),
    /// Anything else.
    Other(Error),
}

impl Fault {
    pub(super) const fn damaged(what: &'static str) -> Self {
        Self::Damaged(what)
    }

    /// As an error of the table. `what` says what was being done.
    pub(super) fn into_error(self, what: &str) -> Error {
        match self {
            Self::Sqlite(error) => {
                Error::new(code(&error)).with_text(format!("cannot {what}: {error}"))
            }
            Self::Damaged(found) => {
                Error::new(Code::STORE_CORRUPT).with_text(format!("cannot {what}: {found}"))
            }
            Self::Other(error) => error,
        }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// What stands in the way decides what helps: room on the disk, a later try, or a fresh file.
fn code(error: &rusqlite::Error) -> Code {
    let Some(sqlite) = error.sqlite_error() else {
        // A column of the wrong type or a missing row: the statements are ours, so the file is not.
        return Code::STORE_CORRUPT;
    };
    match sqlite.code {
        ErrorCode::DiskFull | ErrorCode::ReadOnly | ErrorCode::PermissionDenied => Code::STORE_FULL,
        ErrorCode::SystemIoFailure => match sqlite.extended_code {
            // A full disk shows here when the index of the write-ahead log cannot grow.
            ffi::SQLITE_IOERR_SHMSIZE | ffi::SQLITE_IOERR_WRITE => Code::STORE_FULL,
            // The file ends in the middle of a page.
            ffi::SQLITE_IOERR_SHORT_READ => Code::STORE_CORRUPT,
            _ => Code::STORE_OPEN_FAILED,
        },
        ErrorCode::CannotOpen
        | ErrorCode::OutOfMemory
        | ErrorCode::OperationInterrupted
        | ErrorCode::OperationAborted
        | ErrorCode::FileLockingProtocolFailed
        | ErrorCode::NoLargeFileSupport => Code::STORE_OPEN_FAILED,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Code::STORE_IN_USE,
        // Broken pages, no database at all, or tables that are not ours.
        _ => Code::STORE_CORRUPT,
    }
}

/// Reads what can be read of a damaged file's outbox: from the front until something is broken,
/// then from the back. The file itself is left as it is.
pub(super) fn salvage(file: &Path) -> Vec<Pending> {
    let mut found = BTreeMap::new();
    for order in ["ASC", "DESC"] {
        if let Err(fault) = collect(file, order, &mut found) {
            let error = fault.into_error("salvage the outbox");
            tracing::debug!(%error, order, "the outbox cannot be read to its end");
        }
    }
    found.into_values().take(OUTBOX).collect()
}

fn collect(file: &Path, order: &str, found: &mut BTreeMap<i64, Pending>) -> Result<(), Fault> {
    let connection = Connection::open_with_flags(
        file,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let mut select = connection.prepare(&format!(
        "SELECT client_id, conversation, content, queued_at, position
         FROM outbox NOT INDEXED ORDER BY position {order}"
    ))?;
    let mut rows = select.query(())?;
    while let Some(row) = rows.next()? {
        // A row that makes no sense costs itself alone.
        if let (Ok(pending), Ok(position)) = (read::pending_in(row), row.get(4)) {
            found.insert(position, pending);
        }
    }
    Ok(())
}
