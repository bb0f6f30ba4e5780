//! Why a store does not open, and what a failed commit means.

use homing_proto::{Code, Error};
use rusqlite::ErrorCode;

/// Why a data directory cannot be served. Nothing was deleted or changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another store of this one, has the directory.
    #[error("the data directory {0} is in use by another process")]
    InUse(String),
    /// The database is not one, or is damaged.
    #[error(
        "{file} is damaged ({why}); it was left as it is. Restore it from a backup, or move the \
         whole data directory away to start with an empty one"
    )]
    Corrupt {
        /// The file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// The directory or a file in it cannot be written.
    #[error("{0} cannot be written; the server needs to write to its data directory")]
    ReadOnly(String),
    /// No space is left for even an empty store.
    #[error("the disk is full; {0} cannot be opened")]
    Full(String),
    /// A newer version of the server wrote it.
    #[error("the database has version {found}; this server reads up to {known}: use a newer one")]
    TooNew {
        /// The version in the file.
        found: u32,
        /// The newest version that this code knows.
        known: u32,
    },
    /// The secrets in the database were sealed with another key.
    #[error("{0}; put back the master.key that belongs to this homing.db")]
    MasterKey(&'static str),
    /// Anything else, in the words of the system.
    #[error("{what}: {why}")]
    Io {
        /// What was tried.
        what: String,
        /// What came of it.
        why: String,
    },
}

impl OpenError {
    /// The code of the one table (S-10).
    pub const fn code(&self) -> Code {
        match self {
            Self::InUse(_) => Code::STORE_IN_USE,
            Self::Corrupt { .. } => Code::STORE_CORRUPT,
            Self::ReadOnly(_) | Self::Full(_) => Code::STORE_FULL,
            Self::TooNew { .. } | Self::MasterKey(_) | Self::Io { .. } => Code::STORE_OPEN_FAILED,
        }
    }

    pub(super) fn io(what: impl Into<String>, error: &std::io::Error) -> Self {
        let what = what.into();
        match error.kind() {
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly(what)
            }
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full(what),
            _ => Self::Io { what, why: error.to_string() },
        }
    }

    pub(super) fn sqlite(file: &str, error: &Failure) -> Self {
        let file = file.to_owned();
        match error {
            Failure::Damaged(why) => Self::Corrupt { file, why: (*why).to_owned() },
            Failure::Sqlite(error) => match error.sqlite_error_code() {
                Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                    Self::Corrupt { file, why: error.to_string() }
                }
                Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly(file),
                Some(ErrorCode::DiskFull) => Self::Full(file),
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse(file),
                _ => Self::Io { what: file, why: error.to_string() },
            },
        }
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        Self::new(error.code()).with_text(error.to_string())
    }
}

/// Why the running store could not read or write.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("a stored value cannot be read: {0}")]
    Damaged(&'static str),
}

impl Failure {
    /// Space or permission is missing: the same commands may succeed later.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Damaged(_) => false,
            Self::Sqlite(error) => matches!(
                error.sqlite_error_code(),
                Some(
                    ErrorCode::DiskFull
                        | ErrorCode::SystemIoFailure
                        | ErrorCode::ReadOnly
                        | ErrorCode::CannotOpen
                        | ErrorCode::DatabaseBusy
                        | ErrorCode::DatabaseLocked
                )
            ),
        }
    }

    /// The disk may have lost what it was told to keep: after a failed fsync nothing that follows
    /// can be promised, because the kernel forgets which pages were dirty.
    pub(super) fn is_fatal(&self) -> bool {
        match self {
            Self::Damaged(_) => false,
            Self::Sqlite(error) => error.sqlite_error().is_some_and(|error| {
                matches!(
                    error.extended_code,
                    rusqlite::ffi::SQLITE_IOERR_FSYNC | rusqlite::ffi::SQLITE_IOERR_DIR_FSYNC
                )
            }),
        }
    }

    /// What the asker is told.
    pub(super) fn answer(&self) -> Error {
        if self.is_passing() {
            Error::new(Code::SERVER_BUSY)
                .with_text("the server cannot write to its disk at the moment")
                .retry_after(BUSY_RETRY_MS)
        } else {
            Code::SERVER_INTERNAL.into()
        }
    }
}

/// What a caller is told when the queue is full; about ten group commits.
pub(super) const BUSY_RETRY_MS: u32 = 1_000;
