//! A data directory: locked, made when it is new, and never repaired by guessing.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::Read as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use homing_proto::time::WallTime;
use rusqlite::{Connection, OpenFlags};

use super::error::{Failure, OpenError};
use super::seal::{self, MasterKey};
use super::state::Run;
use super::tables::Tables;
use super::{Options, Random, schema};

/// The database.
pub(super) const DATABASE: &str = "homing.db";
/// Held locked while a process serves the directory.
const LOCK: &str = "homing.lock";

/// An opened directory. Whoever holds the file holds the lock.
pub(super) struct Opened {
    pub(super) tables: Tables,
    pub(super) run: Run,
    pub(super) lock: File,
}

/// Locks and opens the directory, making it and the database when they are not there.
pub(super) fn open(
    dir: &Path,
    options: &Options,
    mut random: Random,
    now: WallTime,
) -> Result<Opened, OpenError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| OpenError::io(dir.display().to_string(), &error))?;
    let lock = lock(dir)?;
    let path = dir.join(DATABASE);
    let file = path.display().to_string();
    if !path.try_exists().map_err(|error| OpenError::io(file.clone(), &error))? {
        create(dir, &path, &mut random)?;
    }
    check_header(&path, &file)?;
    let master = MasterKey::read(dir)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
        .map_err(|error| OpenError::io(file.clone(), &error))?;
    let mut db = connect(&path, options).map_err(|error| OpenError::sqlite(&file, &error))?;
    check_ours(&db, &file)?;
    schema::migrate(&mut db, &file)?;
    let tables = Tables::new(db);
    let (log_epoch, incarnation) = next_run(&tables, &master).map_err(|failure| match failure {
        Failure::Damaged(SEAL) => OpenError::MasterKey(SEAL),
        failure => OpenError::sqlite(&file, &failure),
    })?;
    let run = Run { log_epoch, incarnation, opened: now, master, random };
    Ok(Opened { tables, run, lock })
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join(LOCK);
    let failed = |error: &std::io::Error| OpenError::io(path.display().to_string(), error);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|error| failed(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(dir.display().to_string())),
        Err(TryLockError::Error(error)) => Err(failed(&error)),
    }
}

/// Makes a database under another name and renames it when it is whole, so that a `homing.db` that
/// is empty or has no tables is always damage and never a beginning.
fn create(dir: &Path, path: &Path, random: &mut Random) -> Result<(), OpenError> {
    let unfinished = dir.join("homing.db.new");
    let file = unfinished.display().to_string();
    let failed = |error: &std::io::Error| OpenError::io(file.clone(), error);
    let master = match MasterKey::read(dir) {
        Err(_) if !dir.join(seal::FILE).exists() => MasterKey::create(dir, random)?,
        read => read?,
    };
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)
        .map_err(|error| failed(&error))?;
    fill(&unfinished, &file, &master, random)?;
    File::open(&unfinished).and_then(|file| file.sync_all()).map_err(|error| failed(&error))?;
    fs::rename(&unfinished, path).map_err(|error| failed(&error))?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| failed(&error))
}

fn fill(path: &Path, file: &str, master: &MasterKey, random: &mut Random) -> Result<(), OpenError> {
    let failed = |failure: &Failure| OpenError::sqlite(file, failure);
    let sqlite = |error: rusqlite::Error| failed(&error.into());
    let mut db = Connection::open(path).map_err(sqlite)?;
    // The journal mode is a property of the file; a rollback journal until it is whole keeps all of
    // it in the one file that is renamed.
    db.pragma_update(None, "synchronous", "FULL").map_err(sqlite)?;
    db.pragma_update(None, "application_id", APPLICATION_ID).map_err(sqlite)?;
    schema::migrate(&mut db, file)?;
    let mut epoch = [0; 8];
    random(&mut epoch);
    // Below 2^63, so that every language and SQLite itself can hold it, and never 0.
    let epoch = (u64::from_le_bytes(epoch) >> 1).max(1);
    let tables = Tables::new(db);
    let seal_check = master.seal(SEAL_CHECK, SEAL_CHECK.as_bytes(), &mut **random);
    tables
        .put_meta("log_epoch", &epoch.to_le_bytes())
        .and_then(|()| tables.put_meta("incarnation", &0_u32.to_le_bytes()))
        .and_then(|()| tables.put_meta(SEAL_CHECK, &seal_check))
        .map_err(|failure| failed(&failure))
}

fn check_header(path: &Path, file: &str) -> Result<(), OpenError> {
    let mut header = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut header))
        .map_err(|error| OpenError::io(file, &error))?;
    if header == MAGIC {
        return Ok(());
    }
    let why = if header.is_empty() {
        "it is empty"
    } else if header.iter().all(|byte| *byte == 0) {
        "it is filled with zeros"
    } else {
        "it is not an SQLite database"
    };
    Err(OpenError::Corrupt { file: file.to_owned(), why: why.to_owned() })
}

fn connect(path: &Path, options: &Options) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    // Acknowledged means on the disk, also after a power cut (D-7).
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "cache_size", -CACHE_KIB)?;
    db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    if let Some(pages) = options.max_pages {
        db.pragma_update(None, "max_page_count", pages)?;
    }
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(db)
}

fn check_ours(db: &Connection, file: &str) -> Result<(), OpenError> {
    let failed = |error: rusqlite::Error| OpenError::sqlite(file, &error.into());
    let id: i32 =
        db.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(failed)?;
    if id == APPLICATION_ID {
        return Ok(());
    }
    let why = "it is an SQLite database, but not one of this server".to_owned();
    Err(OpenError::Corrupt { file: file.to_owned(), why })
}

/// Takes the next incarnation, which also shows that the file can be written.
fn next_run(tables: &Tables, master: &MasterKey) -> Result<(u64, u32), Failure> {
    let sealed = tables.meta(SEAL_CHECK)?.ok_or(Failure::Damaged("the seal is missing"))?;
    if master.open(SEAL_CHECK, &sealed).is_none() {
        return Err(Failure::Damaged(SEAL));
    }
    let log_epoch = tables
        .meta("log_epoch")?
        .and_then(|bytes| bytes.try_into().ok())
        .map(u64::from_le_bytes)
        .ok_or(Failure::Damaged("the log's identity is missing"))?;
    let incarnation = tables
        .meta("incarnation")?
        .and_then(|bytes| bytes.try_into().ok())
        .map(u32::from_le_bytes)
        .ok_or(Failure::Damaged("the incarnation is missing"))?
        .checked_add(1)
        .ok_or(Failure::Damaged("the incarnation is out of range"))?;
    tables.put_meta("incarnation", &incarnation.to_le_bytes())?;
    Ok((log_epoch, incarnation))
}

const MAGIC: &[u8] = b"SQLite format 3\0";
/// `Homg`, in the file's header: this database is one of ours.
const APPLICATION_ID: i32 = 0x486f_6d67;
const SEAL_CHECK: &str = "seal_check";
const SEAL: &str = "master.key is not the key that this database was sealed with";
/// Pages in memory: the hot part of the tables; what is not there is in the kernel's cache.
const CACHE_KIB: i32 = 32 * 1024;
/// Pages of the WAL before they are copied into the database, within a commit: some 8 MiB, measured
/// as 20 to 40 ms; each page is copied once however often it was written.
const CHECKPOINT_PAGES: u32 = 2_000;
/// More than there are statements.
const STATEMENTS: usize = 64;
