//! What was deleted leaves nothing in any table, whatever happens meanwhile, and others keep theirs (D-7).

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};

use homing_core::policy::Preset;
use homing_core::server::registry::{SecretHash, Standing};
use homing_proto::Code;
use homing_proto::frame::{Intent, Response, SyncBody};
use homing_proto::id::{AppId, ConversationId};
use homing_proto::message::{Content, ContentView, Message};
use homing_server::apps::{DeletedApp, Erased, NewApp};
use homing_server::store::{Act, Ask, Command, EndSession, Origin, UserView};
use rusqlite::Connection;

use super::desk::{Desk, News, block_on, client_id, resume, send, user_id};

/// A word that stands in everything that is to be erased, and nowhere else.
const MARK: &str = "doomed";

#[test]
fn of_a_deleted_app_nothing_is_left_in_any_table_and_another_app_keeps_all() {
    let dir = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(dir.path());
    let (doomed, spared) = (desk.app(Preset::Multi), desk.app(Preset::Multi));
    let ours = furnish(&mut desk, spared, "kept");
    let theirs = furnish(&mut desk, doomed, MARK);
    // One of its users is erased already, with what he said to himself.
    govern(&desk, doomed, "bob", Act::Delete { text: MARK.to_owned() });
    await_user(&desk, doomed, "bob");
    let deleted = block_on(desk.store.delete_app(doomed)).unwrap();
    assert_eq!((deleted.done, deleted.erased), (None, Erased::default()));
    desk.wait(|news| match news {
        News::AppDeleted(app) if app == doomed => Ok(()),
        other => Err(other),
    });
    // From here on it is as if it had never been.
    assert!(desk.store.app(doomed).is_none());
    let refused = desk.ask(theirs[0], send("carol", 9)).unwrap_err();
    assert_eq!(refused.code, Code::ACCOUNT_DELETED);
    let hello = desk.hello(doomed, "alice", 1, Intent::Explicit);
    assert_eq!(desk.bind(hello).unwrap_err().error.code, Code::UNKNOWN_APP);
    for origin in &theirs {
        desk.store.detach(origin.user, origin.conn);
    }
    let looked = block_on(desk.store.look_up(doomed, vec![user_id("alice")]));
    assert_eq!(looked.unwrap_err().code, Code::UNKNOWN_APP);

    let erased = erased(&desk, doomed).erased;
    // alice, bob and carol; two with oneself, and each with each.
    assert_eq!(erased, Erased { users: 3, conversations: 5, messages: 15 });
    assert_eq!(
        block_on(desk.store.delete_app(doomed)).unwrap().erased,
        erased,
        "again is no error"
    );
    check_kept(&mut desk, &ours);
    drop(desk);
    assert_eq!(traces_of_app(dir.path(), doomed), Vec::<String>::new());
    assert_eq!(tables_with(dir.path(), MARK), Vec::<String>::new());

    // Neither id nor numbers are given out again, also after an open.
    let mut desk = Desk::open(dir.path());
    let again = NewApp { id: Some(doomed), ..NewApp::named("again") };
    assert_eq!(block_on(desk.store.create_app(again)).unwrap_err().code, Code::INVALID_ARGUMENT);
    assert_eq!(desk.app(Preset::Multi).get(), spared.get() + 1);
    let newcomer = desk.sign_in(spared, "dave", 9);
    assert!(theirs.iter().all(|origin| origin.user < newcomer.user));
    assert_eq!(erased_before(&desk, doomed), Some(erased));
    let unknown = block_on(desk.store.delete_app(AppId::new(99).unwrap())).unwrap_err();
    assert_eq!(unknown.code, Code::UNKNOWN_APP);
}

#[test]
fn a_deleted_user_leaves_to_others_what_they_received_and_takes_the_rest_along() {
    let dir = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(dir.path());
    let app = desk.app(Preset::Multi);
    let hello = desk.hello(app, "alice", 8, Intent::Explicit);
    let (_, welcome) = desk.bind(hello).unwrap();
    let origins = furnish(&mut desk, app, MARK);
    govern(&desk, app, "alice", Act::SetStaticToken(SecretHash([5; 32])));
    govern(&desk, app, "alice", Act::Delete { text: "bye".to_owned() });
    await_user(&desk, app, "alice");

    // Nobody can write to who is gone, and what was written stays where it was.
    let refused = desk.ask(origins[1], send("alice", 99)).unwrap_err();
    assert_eq!(refused.code, Code::PEER_NOT_FOUND);
    assert_eq!(desk.send(origins[1], "alice", 14), Ok(2), "what was sent before is known as such");
    assert_eq!(history(&mut desk, origins[1], "alice"), ["doomed 0", "doomed 1", "doomed 2"]);
    let window = Ask::SyncFrom { cursor: None, window: super::desk::WINDOW };
    let Ok(Response::Sync(page)) = desk.ask(origins[1], window) else { panic!("no page") };
    let SyncBody::TooLong(conversations) = page.body else { panic!("entries") };
    assert_eq!(conversations.len(), 3, "alice, carol, oneself");
    let read = Ask::MarkRead { conversation: ConversationId::Direct(user_id("alice")), seq: 3 };
    assert_eq!(desk.ask(origins[1], read), Ok(Response::Done));

    // S-7.6: the verdict reaches a device that was away, until it says so.
    let back = desk.hello(app, "alice", 8, Intent::Automatic);
    let refuse = desk.bind(resume(back, &welcome)).unwrap_err();
    assert_eq!((refuse.error.code, refuse.terminal), (Code::ACCOUNT_DELETED, true));
    assert_eq!(refuse.kick.unwrap().text, "bye");
    let fresh = desk.hello(app, "alice", 10, Intent::Explicit);
    assert_eq!(desk.bind(fresh).unwrap_err().error.code, Code::ACCOUNT_DELETED);

    let key = origins[0].user.0;
    drop(desk);
    let own = ["user.key", "conversation.low", "conversation.high"];
    let left = traces_of_user(dir.path(), key);
    assert!(left.iter().all(|trace| own.contains(&trace.as_str())), "{left:?}");
    let db = database(dir.path());
    let with_oneself = "SELECT count(*) FROM conversation WHERE low = high AND low = ?1";
    assert_eq!(count(&db, with_oneself, key), 0);

    // When the last member of a conversation goes, it goes.
    let mut desk = Desk::open(dir.path());
    for user in ["bob", "carol"] {
        govern(&desk, app, user, Act::Delete { text: String::new() });
    }
    for user in ["bob", "carol"] {
        await_user(&desk, app, user);
    }
    let end = EndSession {
        app,
        user: user_id("alice"),
        session: welcome.session,
        secret_hash: SecretHash::of(welcome.secret.as_ref().unwrap()),
        conn: desk.conn(),
    };
    assert_eq!(desk.end(end), Ok(()));
    drop(desk);
    assert_eq!(tables_with(dir.path(), MARK), Vec::<String>::new());
    let db = database(dir.path());
    for table in ["conversation", "member", "message", "entry", "sent", "deletion"] {
        assert_eq!(
            count(&db, &format!("SELECT count(*) FROM {table} WHERE ?1 = ?1"), 0),
            0,
            "{table}"
        );
    }
    let kept = count(&db, "SELECT count(*) FROM user WHERE app = ?1", u64::from(app.get()));
    assert_eq!(kept, 3, "their ids stay taken");
}

#[test]
fn an_erasing_that_fails_holds_up_nobody_and_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(dir.path());
    let (doomed, spared) = (desk.app(Preset::Multi), desk.app(Preset::Multi));
    furnish(&mut desk, doomed, MARK);
    drop(desk);
    let obstacle = "CREATE TRIGGER obstacle BEFORE DELETE ON entry BEGIN \
        SELECT RAISE(ABORT, 'not now'); END";
    database(dir.path()).execute_batch(obstacle).unwrap();
    let mut desk = Desk::open(dir.path());
    assert_eq!(block_on(desk.store.delete_app(doomed)).unwrap().done, None);
    let ours = furnish(&mut desk, spared, "kept");
    check_kept(&mut desk, &ours);
    assert_eq!(erased_before(&desk, doomed), None);
    drop(desk);
    database(dir.path()).execute_batch("DROP TRIGGER obstacle").unwrap();
    let desk = Desk::open(dir.path());
    assert_eq!(erased(&desk, doomed).erased.users, 3);
    drop(desk);
    assert_eq!(tables_with(dir.path(), MARK), Vec::<String>::new());
}

/// Set for the child: the data directory that it serves until it is killed.
const DIR: &str = "HOMING_TEST_ERASE_DIR";
/// Messages in the app that is deleted: some ten slices.
const MESSAGES: u64 = 40_000;

#[test]
fn a_kill_in_the_middle_of_erasing_is_gone_on_from() {
    let dir = tempfile::tempdir().unwrap();
    let (doomed, spared) = (AppId::new(1).unwrap(), AppId::new(2).unwrap());
    let mut kills = 0;
    // After the answer, after the first slice, after the second, and so on.
    for slices in 0.. {
        let mut child = start(dir.path());
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        // The test runner writes its own words in front of the first.
        let told = |line: &String| line.contains("erased ") || line.ends_with("done");
        let last = lines.filter(told).take(slices + 1).last().expect("the child talks");
        child.kill().unwrap();
        child.wait().unwrap();
        if last.ends_with("done") {
            break;
        }
        kills += 1;
    }
    assert!(kills > 3, "it was killed in the middle {kills} times");
    assert_eq!(traces_of_app(dir.path(), doomed), Vec::<String>::new());
    assert_eq!(tables_with(dir.path(), MARK), Vec::<String>::new());
    let mut desk = Desk::open(dir.path());
    let erased = erased_before(&desk, doomed).unwrap();
    assert_eq!((erased.users, erased.messages), (3, MESSAGES + 18), "each was counted once");
    let alice = desk.sign_in(spared, "alice", 1);
    assert_eq!(history(&mut desk, alice, "bob"), ["kept 0", "kept 1", "kept 2"]);
}

/// Not a test: the process that is killed. It does nothing unless the test above started it.
#[test]
#[ignore = "the child of the test above"]
fn erase_until_killed() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else { return };
    let mut desk = Desk::open(&dir);
    let app = AppId::new(1).unwrap();
    if !desk.store.deleted_apps().contains_key(&app) {
        fill(&mut desk);
    }
    let mut deleted = desk.store.watch_deleted_apps();
    block_on(desk.store.delete_app(app)).unwrap();
    let mut out = std::io::stdout().lock();
    loop {
        let now = deleted.borrow_and_update()[&app];
        match now.done {
            Some(_) => return writeln!(out, "done").unwrap(),
            None => writeln!(out, "erased {:?}", now.erased).unwrap(),
        }
        block_on(deleted.changed()).unwrap();
    }
}

fn fill(desk: &mut Desk) {
    let (doomed, spared) = (desk.app(Preset::Multi), desk.app(Preset::Multi));
    furnish(desk, spared, "kept");
    let from = furnish(desk, doomed, MARK)[0];
    for n in 0..MESSAGES {
        let ask = say("bob", 1_000 + n, MARK);
        desk.store.submit(Command::Request { from, id: n as u32, ask }).unwrap();
        // As many on their way as fit into the queue.
        if n >= 8_000 {
            answered(desk);
        }
    }
    (0..8_000).for_each(|_| answered(desk));
}

fn answered(desk: &mut Desk) {
    desk.wait(|news| match news {
        News::Answer(_, Ok(_)) => Ok(()),
        News::Answer(_, Err(error)) => panic!("{error}"),
        other => Err(other),
    });
}

fn start(dir: &Path) -> Child {
    Process::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::erase::erase_until_killed", "--ignored", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Three users with names, tokens and sessions, and three messages from each to each, read marks too.
fn furnish(desk: &mut Desk, app: AppId, word: &str) -> Vec<Origin> {
    let names = ["alice", "bob", "carol"];
    let origins: Vec<_> = names
        .iter()
        .zip(1..)
        .map(|(user, device)| {
            let mut hello = desk.hello(app, user, device, Intent::Explicit);
            hello.user_name = format!("{word} {user}");
            hello.ask.device.tag = word.to_owned();
            desk.bind(hello).unwrap().0
        })
        .collect();
    let mut id = 10;
    for (from, name) in origins.iter().zip(names) {
        for to in names.iter().filter(|to| **to >= name) {
            for n in 0..3 {
                // The last of them is an answer.
                let answer = *to != name && n == 1;
                let (from, to) = if answer { (origins[at(to)], name) } else { (*from, *to) };
                let text = format!("{word} {n}");
                assert!(matches!(desk.ask(from, say(to, id, &text)), Ok(Response::Sent { .. })));
                id += 1;
            }
            let read = Ask::MarkRead { conversation: ConversationId::Direct(user_id(to)), seq: 2 };
            assert_eq!(desk.ask(*from, read), Ok(Response::Done));
        }
        govern(desk, app, name, Act::SetStaticToken(SecretHash([7; 32])));
    }
    origins
}

fn at(user: &str) -> usize {
    ["alice", "bob", "carol"].iter().position(|name| *name == user).unwrap()
}

fn say(to: &str, id: u64, text: &str) -> Ask {
    Ask::Send {
        conversation: ConversationId::Direct(user_id(to)),
        client_id: client_id(id),
        content: Content::text(text.to_owned()),
    }
}

fn govern(desk: &Desk, app: AppId, user: &str, act: Act) {
    block_on(desk.store.govern(app, user_id(user), act)).unwrap();
}

/// Waits until nothing of the app is left.
fn erased(desk: &Desk, app: AppId) -> DeletedApp {
    let mut deleted = desk.store.watch_deleted_apps();
    let done = deleted.wait_for(|apps| apps[&app].done.is_some());
    block_on(done).unwrap()[&app]
}

fn erased_before(desk: &Desk, app: AppId) -> Option<Erased> {
    let deleted = desk.store.deleted_apps()[&app];
    deleted.done.map(|_| deleted.erased)
}

/// Asks until nothing of the user is left: each answer is a commit, after which a slice may come.
fn await_user(desk: &Desk, app: AppId, user: &str) {
    let mut view: Option<UserView> = None;
    for _ in 0..10_000 {
        view = block_on(desk.store.look_up(app, vec![user_id(user)])).unwrap().remove(0);
        if !view.as_ref().unwrap().erasing {
            break;
        }
    }
    let view = view.unwrap();
    assert_eq!((view.standing, view.erasing, view.name.as_str()), (Standing::Deleted, false, ""));
    assert_eq!(view.devices, Vec::new());
}

fn history(desk: &mut Desk, reader: Origin, peer: &str) -> Vec<String> {
    let conversation = ConversationId::Direct(user_id(peer));
    let Ok(Response::History(page)) =
        desk.ask(reader, Ask::History { conversation, before: 0, limit: 100 })
    else {
        panic!("no history");
    };
    let text = |message: &Message| match message.content.view() {
        ContentView::Text(text) => text,
        other => panic!("{other:?}"),
    };
    page.iter().map(text).collect()
}

fn check_kept(desk: &mut Desk, origins: &[Origin]) {
    for (reader, peer) in [(0, "bob"), (1, "carol"), (2, "carol")] {
        let kept = history(desk, origins[reader], peer);
        assert_eq!(kept, ["kept 0", "kept 1", "kept 2"]);
    }
    assert!(matches!(desk.ask(origins[0], send("bob", 77)), Ok(Response::Sent { seq: 4, .. })));
}

fn database(dir: &Path) -> Connection {
    Connection::open(dir.join("homing.db")).unwrap()
}

fn count(db: &Connection, sql: &str, key: u64) -> i64 {
    db.query_row(sql, [key as i64], |row| row.get(0)).unwrap()
}

/// Every column of every table, asked of the database, so that no table can be forgotten here.
fn columns(db: &Connection) -> Vec<(String, String)> {
    let sql = "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c \
        WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'";
    let mut statement = db.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Where anything names the app, or what belonged to it. Its number in `deletion` stays, so that it is
/// not given out again.
fn traces_of_app(dir: &Path, app: AppId) -> Vec<String> {
    let db = database(dir);
    let is_left = |(table, column): &(String, String)| {
        let of = match (table.as_str(), column.as_str()) {
            ("deletion", "app") => "= ?1 AND (user <> 0 OR done = 0)",
            ("app", "id") | (_, "app") => "= ?1",
            ("deletion", "user") => return false,
            (_, "user" | "low" | "high") => "NOT IN (SELECT key FROM user) AND ?1",
            (_, "conversation") if table != "deletion" => {
                "NOT IN (SELECT key FROM conversation) AND ?1"
            }
            _ => return false,
        };
        let sql = format!("SELECT count(*) FROM {table} WHERE {column} {of}");
        count(&db, &sql, u64::from(app.get())) > 0
    };
    let left = columns(&db).into_iter().filter(is_left);
    left.map(|(table, column)| format!("{table}.{column}")).collect()
}

/// Where anything names the user.
fn traces_of_user(dir: &Path, key: u64) -> Vec<String> {
    let db = database(dir);
    let names_it = |(table, column): &(String, String)| {
        let names_users = matches!(
            (table.as_str(), column.as_str()),
            (_, "user" | "low" | "high") | ("user", "key")
        );
        let sql = format!("SELECT count(*) FROM {table} WHERE {column} = ?1");
        names_users && count(&db, &sql, key) > 0
    };
    let names = columns(&db).into_iter().filter(names_it);
    names.map(|(table, column)| format!("{table}.{column}")).collect()
}

/// Tables with that word in any column of any row.
fn tables_with(dir: &Path, word: &str) -> Vec<String> {
    let db = database(dir);
    let found = |(table, column): &(String, String)| {
        let sql = format!(
            "SELECT count(*) FROM {table} WHERE instr(CAST({column} AS BLOB), CAST(?1 AS BLOB))"
        );
        db.query_row(&sql, [word], |row| row.get::<_, i64>(0)).unwrap() > 0
    };
    let with_it = columns(&db).into_iter().filter(found);
    with_it.map(|(table, column)| format!("{table}.{column}")).collect()
}
