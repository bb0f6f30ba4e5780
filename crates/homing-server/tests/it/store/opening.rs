//! Opening a data directory: what is refused, and that nothing is touched by a refusal.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use homing_core::policy::Preset;
use homing_proto::Code;
use homing_server::apps::{AppChange, NewApp};
use homing_server::store::{OpenError, Options};
use homing_token::Key;
use rusqlite::Connection;

use super::desk::{Desk, block_on, clock};

#[test]
fn a_database_of_zeros_is_refused_and_left_as_it_is() {
    for content in [vec![0_u8; 8192], Vec::new(), b"not a database at all".to_vec()] {
        let dir = made();
        let database = dir.path().join("homing.db");
        fs::write(&database, &content).unwrap();
        let error = open(dir.path()).unwrap_err();
        assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
        assert_eq!(error.code(), Code::STORE_CORRUPT);
        assert!(error.to_string().contains("homing.db"), "{error}");
        assert_eq!(fs::read(&database).unwrap(), content);
    }
}

#[test]
fn a_page_of_zeros_in_the_middle_is_found_by_who_reads_it_and_not_repaired() {
    let dir = made();
    let database = dir.path().join("homing.db");
    let mut bytes = fs::read(&database).unwrap();
    bytes[4096..12288].fill(0);
    fs::write(&database, &bytes).unwrap();
    let error = open(dir.path()).unwrap_err();
    assert_eq!(error.code(), Code::STORE_CORRUPT, "{error}");
    assert!(dir.path().join("homing.db").exists());
}

#[test]
fn another_programs_database_is_refused() {
    let dir = made();
    let database = dir.path().join("homing.db");
    fs::remove_file(&database).unwrap();
    Connection::open(&database).unwrap().execute_batch("CREATE TABLE theirs (a)").unwrap();
    assert!(matches!(open(dir.path()).unwrap_err(), OpenError::Corrupt { .. }));
}

#[test]
fn a_database_of_a_newer_version_is_refused() {
    let dir = made();
    let db = Connection::open(dir.path().join("homing.db")).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    let error = open(dir.path()).unwrap_err();
    assert!(matches!(error, OpenError::TooNew { found: 99, .. }), "{error}");
}

#[test]
fn a_second_open_is_refused_until_the_first_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::open(dir.path());
    let error = open(dir.path()).unwrap_err();
    assert!(matches!(error, OpenError::InUse(_)), "{error}");
    assert_eq!(error.code(), Code::STORE_IN_USE);
    drop(desk);
    open(dir.path()).unwrap();
}

#[test]
fn a_directory_that_cannot_be_made_is_a_typed_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    assert!(open(&file.join("data")).is_err());
    // The kernel's own file system takes no directories, not even from root.
    assert!(open(Path::new("/sys/homing-test")).is_err());
}

#[test]
fn every_file_is_readable_by_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let desk = Desk::open(&data);
    desk.app(Preset::Multi);
    assert_eq!(mode(&data), 0o700);
    for entry in fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn keys_of_apps_are_sealed_and_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::open(dir.path());
    let secret = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";
    let mut new = NewApp::named("sealed");
    new.key = Some((homing_token::Format::Usersig, Key::new(secret).unwrap()));
    let app = block_on(desk.store.create_app(new)).unwrap();
    let second = AppChange::AddKey {
        format: homing_token::Format::Usersig,
        key: Key::new("another-secret").unwrap(),
    };
    block_on(desk.store.change_app(app.id, second)).unwrap();
    assert!(!format!("{:?}", desk.store.apps()).contains(secret));
    drop(desk);
    for entry in fs::read_dir(dir.path()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
    let desk = Desk::open(dir.path());
    let app = desk.store.app(app.id).expect("it is there");
    let secrets: Vec<_> = app.keys.iter().map(|key| key.key.expose().to_vec()).collect();
    assert_eq!(secrets, [secret.as_bytes().to_vec(), b"another-secret".to_vec()]);
}

#[test]
fn without_its_master_key_or_with_another_one_a_database_is_refused() {
    let dir = made();
    let key = dir.path().join("master.key");
    let bytes = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    assert!(matches!(open(dir.path()).unwrap_err(), OpenError::MasterKey(_)));
    assert!(!key.exists(), "no other key is made for a database that has one");
    fs::write(&key, [7; 32]).unwrap();
    assert!(matches!(open(dir.path()).unwrap_err(), OpenError::MasterKey(_)));
    fs::write(&key, &bytes[..31]).unwrap();
    assert!(matches!(open(dir.path()).unwrap_err(), OpenError::MasterKey(_)));
    fs::write(&key, bytes).unwrap();
    open(dir.path()).unwrap();
}

#[test]
fn a_creation_that_was_interrupted_is_begun_again() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("homing.db.new"), vec![0; 5000]).unwrap();
    fs::write(dir.path().join("master.key.new"), [0; 7]).unwrap();
    open(dir.path()).unwrap();
}

#[test]
fn each_open_is_another_incarnation_of_the_same_log() {
    let dir = tempfile::tempdir().unwrap();
    let first = Desk::open(dir.path());
    let (incarnation, log_epoch) = (first.store.incarnation(), first.store.log_epoch());
    drop(first);
    let second = Desk::open(dir.path());
    assert_eq!(second.store.incarnation(), incarnation + 1);
    assert_eq!(second.store.log_epoch(), log_epoch);
    let elsewhere = tempfile::tempdir().unwrap();
    assert_ne!(Desk::open(elsewhere.path()).store.log_epoch(), log_epoch);
}

fn made() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    drop(Desk::open(dir.path()));
    dir
}

fn open(dir: &Path) -> Result<(), OpenError> {
    Desk::open_with(dir, Options { clock, ..Options::default() }).map(drop)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
