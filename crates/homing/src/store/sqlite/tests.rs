//! Damage to a SQLite store, and what is saved from it.

use std::collections::BTreeMap;

use homing_core::client::Pending;
use homing_proto::id::{ClientMsgId, ConversationId};
use homing_proto::message::Content;
use homing_proto::time::WallTime;
use tempfile::TempDir;

use super::*;

fn alice() -> UserId {
    UserId::parse("alice").unwrap()
}

fn queue(number: u8) -> Row {
    Row::Queue(Pending {
        client_id: ClientMsgId([number; 16]),
        conversation: ConversationId::Direct(UserId::parse("bob").unwrap()),
        content: Content(vec![number; 4000].into()),
        queued_at: WallTime(1),
    })
}

fn open(dir: &TempDir) -> SqliteStore {
    let app = AppId::new(1).unwrap();
    let shelf = SqliteShelf::new(dir.path(), app).unwrap();
    let name = file_name(app, &alice());
    shelf.dir.touch(&name).unwrap();
    let (connection, _) = shelf.open_file(&name, &alice()).unwrap();
    SqliteStore { connection, user: alice(), damaged: Arc::default() }
}

#[test]
fn a_full_disk_is_told_loses_nothing_and_writing_goes_on_when_there_is_room() {
    let dir = TempDir::new().unwrap();
    let mut store = open(&dir);
    store.write(&[queue(1)]).unwrap();
    let pages: i64 = store.connection.query_row("PRAGMA page_count", (), |row| row.get(0)).unwrap();
    store.connection.pragma_update(None, "max_page_count", pages + 1).unwrap();

    let rows: Vec<Row> = (2..20).map(queue).collect();
    assert_eq!(store.write(&rows).unwrap_err().code, Code::STORE_FULL);
    let mut reader = store.reader().unwrap();
    assert_eq!(reader.outbox().unwrap().len(), 1, "nothing of the failed batch is there");

    store.connection.pragma_update(None, "max_page_count", i64::from(u32::MAX - 1)).unwrap();
    store.write(&rows).unwrap();
    assert_eq!(reader.outbox().unwrap().len(), 19);
}

#[test]
fn every_commit_is_flushed_and_readers_do_not_wait_for_writers() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let pragma = |name: &str| {
        let sql = format!("PRAGMA {name}");
        store.connection.query_row(&sql, (), |row| row.get::<_, rusqlite::types::Value>(0)).unwrap()
    };
    assert_eq!(pragma("journal_mode"), "wal".to_owned().into());
    assert_eq!(pragma("synchronous"), 2.into(), "FULL");
    let mut reader = store.reader().unwrap();
    store.connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(reader.outbox().unwrap().is_empty());
}

#[test]
fn the_first_screen_and_history_walk_an_index_whatever_the_size() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let plan = |sql: &str| {
        let mut explain = store.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps: Vec<String> =
            explain.query_map((), |row| row.get(3)).unwrap().map(Result::unwrap).collect();
        steps.join("; ")
    };
    let list = plan(
        "SELECT c.id FROM conversation c
         LEFT JOIN message m ON m.conversation = c.key AND m.seq = c.head
         WHERE c.head > 0 AND (c.age, c.id) > (1, '') ORDER BY c.age, c.id LIMIT 20",
    );
    assert!(list.contains("conversation_by_age") && !list.contains("TEMP"), "{list}");
    let page = plan("SELECT seq FROM message WHERE conversation = 1 AND seq < 9 ORDER BY seq DESC");
    assert!(page.contains("USING PRIMARY KEY") && !page.contains("TEMP"), "{page}");
}

/// What the released schema looks like. A change here is a new migration, never another text.
#[test]
fn the_schema_is_the_one_that_was_released() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let mut select =
        store.connection.prepare("SELECT name, type FROM sqlite_schema WHERE sql <> ''").unwrap();
    let found: BTreeMap<String, String> = select
        .query_map((), |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(names, ["conversation", "conversation_by_age", "message", "meta", "outbox"]);
    let version: i64 =
        store.connection.query_row("PRAGMA user_version", (), |row| row.get(0)).unwrap();
    assert_eq!(version, 1);
}
