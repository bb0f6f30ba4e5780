//! The server's database: whole, ours, and readable by nobody else.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::Finding;

pub(super) fn look(dir: &Path) -> Vec<Finding> {
    let database = dir.join("homing.db");
    let Ok(metadata) = fs::metadata(&database) else { return Vec::new() };
    let mut findings = vec![match check(&database) {
        Ok(problems) if problems == ["ok"] => {
            let mib = metadata.len() as f64 / f64::from(1 << 20);
            Finding::ok("database", format!("{}, {mib:.1} MiB, whole", database.display()))
        }
        Ok(problems) => damaged(&database, &problems.join("; ")),
        Err(error) => damaged(&database, &error.to_string()),
    }];
    for name in ["homing.db", "master.key"] {
        findings.extend(secret(&dir.join(name)));
    }
    findings
}

/// Reads beside a running server; changes nothing.
fn check(database: &Path) -> rusqlite::Result<Vec<String>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let db = Connection::open_with_flags(uri(database), flags)?;
    let mut check = db.prepare("PRAGMA quick_check(5)")?;
    check.query_map([], |row| row.get(0))?.collect()
}

/// A database that nobody has open is read as it lies: otherwise SQLite would leave files beside it,
/// which a server under another user's name could not open.
fn uri(database: &Path) -> String {
    let path = database.display().to_string();
    let path = path.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let has_journal = database.with_extension("db-wal").exists();
    format!("file:{path}{}", if has_journal { "" } else { "?immutable=1" })
}

fn damaged(database: &Path, why: &str) -> Finding {
    Finding::fail(
        "database",
        format!("{} is damaged or cannot be read: {why}", database.display()),
        "stop the server, keep a copy of the directory, and restore it from a backup",
    )
}

fn secret(file: &Path) -> Option<Finding> {
    let mode = match fs::metadata(file) {
        Ok(metadata) => metadata.mode() & 0o777,
        Err(_) => {
            let seen = format!("{} is missing", file.display());
            let cure = "put it back from a backup; without it the keys of apps cannot be read";
            return Some(Finding::fail("secrets", seen, cure));
        }
    };
    (mode & 0o077 != 0).then(|| {
        let seen = format!("{} has mode {mode:03o}: others can read it", file.display());
        Finding::warn("secrets", seen, format!("chmod 600 {}", file.display()))
    })
}
