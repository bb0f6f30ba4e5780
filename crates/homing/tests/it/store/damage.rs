//! Damaged files: set aside, replaced, and robbed of their outbox (I9).

use std::fs;
use std::path::{Path, PathBuf};

use homing::store::Shelf as _;
use homing::{Code, UserId};
use homing_core::client::{Missing, Row};
use homing_proto::id::Cursor;
use tempfile::TempDir;

use super::{alice, entry, message, open_sqlite, pending, shelf, with};

const WAITING: u64 = 40;

/// A store with some history and an outbox, closed, so that all of it lies in one file.
fn filled(dir: &Path) -> PathBuf {
    let mut store = open_sqlite(dir);
    for peer in ["bob", "carol", "dave"] {
        let rows: Vec<Row> = (1..=200).map(|seq| entry(message(peer, seq, peer), 0)).collect();
        store.writer.write(&rows).unwrap();
    }
    let rows: Vec<Row> = (0..WAITING).map(|n| Row::Queue(pending(1_000 + n, "bob"))).collect();
    store.writer.write(&rows).unwrap();
    store.writer.write(&[Row::Cursor(Cursor { log_epoch: 1, offset: 600 })]).unwrap();
    drop(store);
    file_in(dir)
}

pub(crate) fn file_in(dir: &Path) -> PathBuf {
    let names: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "db"))
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");
    names[0].clone()
}

fn damaged_in(dir: &Path) -> usize {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    // Side files of a damaged one are named after it.
    names
        .filter(|name| {
            name.to_string_lossy().rsplit_once(".damaged-").is_some_and(|(_, n)| n.len() == 1)
        })
        .count()
}

/// Opens what is there, which must work, and checks that the store then does all that a store does.
fn opens_and_works(dir: &Path) -> homing_core::client::Opened {
    let mut store = open_sqlite(dir);
    let opened = store.opened.clone();
    if opened.reset.is_some() {
        assert_eq!(opened.cursor, None, "a fresh store holds nothing of the log");
        assert_eq!(damaged_in(dir), 1);
    }
    store.writer.write(&[entry(message("erin", 1, "erin"), 0)]).unwrap();
    assert_eq!(store.reader.conversation(&with("erin")).unwrap().unwrap().head, 1);
    assert_eq!(store.reader.outbox().unwrap(), opened.outbox);
    opened
}

#[test]
fn a_file_of_zeros_is_set_aside_and_the_store_works() {
    let dir = TempDir::new().unwrap();
    let file = filled(dir.path());
    let size = fs::metadata(&file).unwrap().len() as usize;
    fs::write(&file, vec![0; size]).unwrap();
    let opened = opens_and_works(dir.path());
    assert_eq!(opened.reset.unwrap().code, Code::STORE_CORRUPT);
}

#[test]
fn a_file_that_is_no_database_is_set_aside() {
    let dir = TempDir::new().unwrap();
    let file = filled(dir.path());
    fs::write(&file, "not a database ".repeat(1_000)).unwrap();
    assert!(opens_and_works(dir.path()).reset.is_some());
}

#[test]
fn a_database_of_something_else_is_set_aside() {
    let dir = TempDir::new().unwrap();
    let file = filled(dir.path());
    fs::remove_file(&file).unwrap();
    let other = rusqlite::Connection::open(&file).unwrap();
    other.execute_batch("CREATE TABLE outbox (x); PRAGMA user_version = 1").unwrap();
    drop(other);
    assert!(opens_and_works(dir.path()).reset.is_some());
}

#[test]
fn another_accounts_file_under_this_name_is_set_aside_unseen() {
    let dir = TempDir::new().unwrap();
    let alices = filled(dir.path());
    let bob = UserId::parse("bob").unwrap();
    let bobs = alices.with_file_name("store-1-626f62.db");
    fs::rename(&alices, &bobs).unwrap();
    let opening = shelf(dir.path()).open(&bob, Missing::Create).unwrap();
    assert!(opening.opened.reset.is_some());
    assert_eq!(opening.opened.cursor, None);
}

#[test]
fn every_truncation_gives_a_store_that_works() {
    for part in [1, 2, 3, 5, 9] {
        let dir = TempDir::new().unwrap();
        let file = filled(dir.path());
        let bytes = fs::read(&file).unwrap();
        fs::write(&file, &bytes[..bytes.len() * part / 10 + part]).unwrap();
        opens_and_works_in_the_end(dir.path());
    }
}

#[test]
fn whichever_page_is_broken_the_store_works_and_the_outbox_is_saved_if_it_can_be_read() {
    let dir = TempDir::new().unwrap();
    let file = filled(dir.path());
    let bytes = fs::read(&file).unwrap();
    let pages = bytes.len() / PAGE;
    assert!(pages > 10, "{pages}");
    let mut lost = Vec::new();
    for page in 0..pages {
        let dir = TempDir::new().unwrap();
        let mut bytes = bytes.clone();
        bytes[page * PAGE..(page + 1) * PAGE].fill(0);
        fs::write(dir.path().join(file.file_name().unwrap()), bytes).unwrap();
        let waiting = opens_and_works_in_the_end(dir.path());
        if waiting < WAITING as usize {
            lost.push((page, waiting));
        }
    }
    // The first page names all tables, and the outbox has pages of its own.
    assert!(lost.len() <= 4, "{lost:?}");
    assert!(lost.iter().any(|(page, _)| *page == 0), "{lost:?}");
}

/// Reads and writes everything, opening anew when damage shows, and gives how many messages wait.
fn opens_and_works_in_the_end(dir: &Path) -> usize {
    let mut shelf = shelf(dir);
    for _ in 0..2 {
        let opening = shelf.open(&alice(), Missing::Create).unwrap();
        let mut writer = opening.store.unwrap();
        let mut reader = writer.reader().unwrap();
        let mut use_it = || {
            for peer in ["bob", "carol", "dave"] {
                reader.history(&with(peer), 0, 100)?;
                for seq in [1, 201] {
                    writer.write(&[entry(message(peer, seq, peer), 0)])?;
                }
            }
            reader.conversations(None, 100)?;
            reader.outbox()
        };
        match use_it() {
            Ok(outbox) => return outbox.len(),
            Err(error) => {
                assert_eq!(error.code, Code::STORE_CORRUPT);
                let again = writer.write(&[]).unwrap_err();
                assert_eq!(again.code, Code::STORE_CORRUPT, "until it is opened anew");
            }
        }
    }
    panic!("a fresh store does not work");
}

const PAGE: usize = 4096;

#[test]
fn a_file_of_a_newer_version_is_left_alone() {
    let dir = TempDir::new().unwrap();
    let file = filled(dir.path());
    let other = rusqlite::Connection::open(&file).unwrap();
    other.execute_batch("PRAGMA user_version = 99").unwrap();
    drop(other);
    let Err(error) = shelf(dir.path()).open(&alice(), Missing::Create) else {
        panic!("it was opened")
    };
    assert_eq!(error.code, Code::STORE_OPEN_FAILED);
    assert_eq!(damaged_in(dir.path()), 0);
}

#[test]
fn only_a_few_damaged_files_are_kept_and_wiping_removes_them_too() {
    let dir = TempDir::new().unwrap();
    for _ in 0..6 {
        drop(open_sqlite(dir.path()));
        fs::write(file_in(dir.path()), [0; 8192]).unwrap();
    }
    drop(open_sqlite(dir.path()));
    assert_eq!(damaged_in(dir.path()), 3);
    shelf(dir.path()).wipe(&alice()).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_local_data() {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = TempDir::new().unwrap();
    let dir = parent.path().join("data");
    let mut store = open_sqlite(&dir);
    store.writer.write(&[Row::Queue(pending(1, "bob"))]).unwrap();
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    for entry in fs::read_dir(&dir).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
    }
}
