//! The store without its thread, against a plain model: whatever is merged, reopened or rolled back
//! in between, readers see the same.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use homing_core::policy::{Policy, Preset};
use homing_core::server::registry::{BindAsk, ConnId, Verdict};
use homing_proto::device::{Device, Platform};
use homing_proto::frame::{Intent, Limits, Response, SyncBody, Window};
use homing_proto::id::{AppId, ClientMsgId, ConversationId, Cursor, DeviceId, UserId};
use homing_proto::message::{Content, LogEntry, ReadMark};
use homing_proto::time::WallTime;
use homing_proto::{Code, Error};
use proptest::prelude::*;

use super::command::{Act, Admin, Ask, Bind, NewUser, Origin, UserPage};
use super::effect::{Effect, Effects};
use super::merge::{Merge, Progress};
use super::state::State;
use super::sweep::Sweep;
use super::{Options, open};
use crate::apps::NewApp;

#[derive(Clone, Debug)]
enum Step {
    Send {
        from: usize,
        to: usize,
        id: u8,
    },
    Read {
        by: usize,
        with: usize,
        seq: u64,
    },
    /// An operator deletes that user.
    Delete {
        user: usize,
    },
    Merge {
        slices: usize,
    },
    Erase {
        slices: usize,
    },
    Reopen,
    /// The commit of this step fails.
    Fail(Box<Self>),
}

const USERS: usize = 4;
/// Of whom so many may be deleted.
const DELETED: usize = 3;

fn step() -> impl Strategy<Value = Step> {
    let user = || 0..USERS;
    let act = prop_oneof![
        6 => (user(), user(), 0..40_u8).prop_map(|(from, to, id)| Step::Send { from, to, id }),
        2 => (user(), user(), 0..12_u64).prop_map(|(by, with, seq)| Step::Read { by, with, seq }),
        1 => (0..DELETED).prop_map(|user| Step::Delete { user }),
    ];
    let act = act.boxed();
    prop_oneof![
        12 => act.clone(),
        3 => (1..6_usize).prop_map(|slices| Step::Merge { slices }),
        2 => (1..4_usize).prop_map(|slices| Step::Erase { slices }),
        1 => Just(Step::Reopen),
        1 => act.prop_map(|act| Step::Fail(Box::new(act))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn readers_see_the_model_whatever_is_merged_reopened_or_rolled_back(
        steps in proptest::collection::vec(step(), 1..120)
    ) {
        let dir = scratch();
        let mut bench = Bench::open(dir.path());
        for step in &steps {
            bench.step(dir.path(), step);
        }
        bench.compare();
        // And once more when everything is in the tables, and after an open that finds no journal.
        bench.settle();
        prop_assert_eq!(bench.state.journal.rows, 0);
        bench.compare();
        bench.compare_rows(dir.path());
        bench.reopen(dir.path());
        bench.compare();
    }
}

#[test]
fn a_crash_in_the_middle_of_a_merge_changes_nothing() {
    let dir = scratch();
    let mut bench = Bench::open(dir.path());
    for n in 0..40 {
        bench.step(dir.path(), &Step::Send { from: n % 3, to: (n + 1) % 4, id: n as u8 });
    }
    // One slice of the first merge, a reopen, and so on until none is left: each reopen starts over
    // with tables that are a little further than the journal.
    for slices in 1.. {
        bench.compare();
        let mut more = true;
        for _ in 0..slices {
            more = more && bench.merge_slice();
        }
        bench.reopen(dir.path());
        if !more {
            break;
        }
    }
    bench.compare();
}

#[test]
fn a_sweep_forgets_what_is_30_days_old_and_nothing_younger() {
    let dir = scratch();
    let mut bench = Bench::open(dir.path());
    bench.step(dir.path(), &Step::Send { from: 0, to: 1, id: 1 });
    bench.reopen(dir.path());
    while bench.merge_slice() {}
    let kept = |bench: &Bench| {
        let sent = bench.state.sent(bench.users[0].user, ClientMsgId([1; 16])).unwrap();
        let sessions = |user: &super::state::User| user.sessions.sessions.len();
        (sent.is_some(), bench.state.glance(bench.users[0].user, sessions).unwrap())
    };
    let day = |days: u64| WallTime(NOW.0 + days * 24 * 60 * 60 * 1000);
    // Its connection goes with the process, and nobody comes back.
    bench.state.detach(bench.users[0].user, bench.users[0].conn, NOW).unwrap();
    bench.sweep(day(29));
    assert_eq!(kept(&bench), (true, 1));
    bench.sweep(day(31));
    assert_eq!(kept(&bench), (false, 0));
    bench.state.reload().unwrap();
    assert_eq!(kept(&bench), (false, 0), "and that is durable");
}

/// D-7: an app is deleted whose users were deleted before: one is erased, one is half erased, one waits.
#[test]
fn an_app_takes_along_what_its_deleted_users_had_not_yet_lost() {
    let dir = scratch();
    let mut bench = Bench::open(dir.path());
    for n in 0..32 {
        bench.step(dir.path(), &Step::Send { from: n % 4, to: n / 4 % 4, id: n as u8 });
    }
    let mut out = Effects::default();
    bench.step(dir.path(), &Step::Delete { user: 0 });
    bench.settle();
    for user in [1, 2] {
        bench.step(dir.path(), &Step::Delete { user });
    }
    while bench.merge_slice() {}
    bench.step(dir.path(), &Step::Erase { slices: 2 });
    assert!(bench.state.is_being_erased(bench.users[1].user));
    let app = AppId::new(1).unwrap();
    bench.state.tables.begin().unwrap();
    bench.state.delete_app(app, NOW, &mut out).unwrap().unwrap();
    commit(&mut bench.state);
    while bench.merge_slice() {}
    // What passes with time meanwhile is not written down: the erasing does not wait for it, and an
    // open would look for whom it concerns.
    bench.step(dir.path(), &Step::Erase { slices: 1 });
    bench.sweep(WallTime(NOW.0 + 31 * 24 * 60 * 60 * 1000));
    bench.step(dir.path(), &Step::Erase { slices: 1_000 });
    assert!(bench.state.deletions.is_idle());
    bench.state = open_state(dir.path());
    assert_eq!(bench.state.deletions.apps[&app].erased.users, USERS as u64);
    let db = rusqlite::Connection::open(dir.path().join(open::DATABASE)).unwrap();
    for table in ["app", "user", "conversation", "member", "message", "entry", "sent", "journal"] {
        let sql = format!("SELECT count(*) FROM {table}");
        let left: i64 = db.query_row(&sql, [], |row| row.get(0)).unwrap();
        assert_eq!(left, 0, "{table}");
    }
}

/// D-7: where damage has taken rows away, the rest is erased all the same.
#[test]
fn a_conversation_whose_row_is_missing_is_erased_like_any_other() {
    let dir = scratch();
    let mut bench = Bench::open(dir.path());
    for n in 0..8 {
        bench.step(dir.path(), &Step::Send { from: n % 2, to: 1, id: n as u8 });
    }
    bench.settle();
    let db = rusqlite::Connection::open(dir.path().join(open::DATABASE)).unwrap();
    assert_eq!(db.execute("DELETE FROM conversation", []).unwrap(), 2);
    bench.state.reload().unwrap();
    for user in [0, 1] {
        let mut out = Effects::default();
        let act = Act::Delete { text: String::new() };
        bench.state.tables.begin().unwrap();
        bench.state.govern(bench.users[user].user, &act, NOW, &mut out).unwrap().unwrap();
        commit(&mut bench.state);
    }
    bench.settle();
    for table in ["member", "message", "entry", "sent", "deletion"] {
        let sql = format!("SELECT count(*) FROM {table}");
        let left: i64 = db.query_row(&sql, [], |row| row.get(0)).unwrap();
        assert_eq!(left, 0, "{table}");
    }
}

#[test]
fn users_are_listed_in_order_whatever_of_them_is_merged() {
    let dir = scratch();
    let mut bench = Bench::open(dir.path());
    let app = AppId::new(1).unwrap();
    let make = |bench: &mut Bench, ids: &[&str]| {
        let new = |id: &&str| NewUser { id: UserId::parse(id).unwrap(), name: String::new() };
        bench.state.tables.begin().unwrap();
        let users: Vec<_> = ids.iter().map(new).collect();
        bench.state.create_users(app, &users, NOW).unwrap().unwrap();
        commit(&mut bench.state);
    };
    let list = |bench: &mut Bench, after: Option<&str>, limit| {
        let after = after.map(|id| UserId::parse(id).unwrap());
        let page = UserPage { prefix: "x".to_owned(), after, limit };
        let views = bench.state.list_users(app, &page, NOW).unwrap().unwrap();
        views.iter().map(|view| view.id.to_string()).collect::<Vec<_>>()
    };
    make(&mut bench, &["x2", "x4"]);
    while bench.merge_slice() {}
    make(&mut bench, &["x1", "x3", "x5"]);
    loop {
        assert_eq!(list(&mut bench, None, 10), ["x1", "x2", "x3", "x4", "x5"]);
        assert_eq!(list(&mut bench, Some("x1"), 3), ["x2", "x3", "x4"]);
        if !bench.merge_slice() {
            break;
        }
    }
    bench.reopen(dir.path());
    assert_eq!(list(&mut bench, Some("x3"), 1), ["x4"]);
}

/// The state under test and the model it must equal.
struct Bench {
    state: State,
    merge: Option<Merge>,
    users: Vec<Origin>,
    model: Model,
}

#[derive(Clone, Default)]
struct Model {
    /// By pair, the lower user first: (sender, client id).
    conversations: BTreeMap<(usize, usize), Vec<(usize, ClientMsgId)>>,
    logs: Vec<Vec<Logged>>,
    read: HashMap<(usize, usize), u64>,
    sent: HashMap<(usize, ClientMsgId), u64>,
    deleted: [bool; USERS],
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Logged {
    Message { with: usize, seq: u64, own_count: u64, read: ReadMark },
    Read { with: usize, seq: u64, own_count: u64 },
}

impl Bench {
    fn open(dir: &Path) -> Self {
        let mut state = open_state(dir);
        let mut out = Effects::default();
        let mut new = NewApp::named("test");
        new.policy = Policy::preset(Preset::Multi);
        state.tables.begin().unwrap();
        state.admin(&mut Admin::CreateApp(new, None), NOW, &mut out).unwrap();
        let users = (0..USERS).map(|user| sign_in(&mut state, user)).collect();
        commit(&mut state);
        let model = Model { logs: vec![Vec::new(); USERS], ..Model::default() };
        Self { state, merge: None, users, model }
    }

    fn reopen(&mut self, dir: &Path) {
        self.merge = None;
        self.state = open_state(dir);
        self.state.tables.begin().unwrap();
        for user in self.living() {
            self.users[user] = sign_in(&mut self.state, user);
        }
        commit(&mut self.state);
    }

    fn living(&self) -> Vec<usize> {
        (0..USERS).filter(|user| !self.model.deleted[*user]).collect()
    }

    fn step(&mut self, dir: &Path, step: &Step) {
        match step {
            Step::Merge { slices } => {
                for _ in 0..*slices {
                    self.merge_slice();
                }
            }
            Step::Erase { slices } => {
                for _ in 0..*slices {
                    self.state.erase(Duration::ZERO, NOW).unwrap();
                }
            }
            Step::Reopen => self.reopen(dir),
            Step::Fail(step) => {
                let before = self.model.clone();
                self.state.tables.begin().unwrap();
                self.act(step);
                self.state.write_journal().unwrap();
                self.state.tables.rollback();
                self.state.reload().unwrap();
                self.merge = None;
                self.model = before;
            }
            act => {
                self.state.tables.begin().unwrap();
                self.act(act);
                commit(&mut self.state);
            }
        }
    }

    fn act(&mut self, step: &Step) {
        match *step {
            Step::Send { from: user, .. } | Step::Read { by: user, .. }
                if self.model.deleted[user] =>
            {
                let fenced = self.state.fence(&self.users[user]).unwrap();
                assert_eq!(fenced.unwrap_err().code, Code::ACCOUNT_DELETED);
            }
            Step::Send { from, to, id } => self.send(from, to, id),
            Step::Read { by, with, seq } => self.read(by, with, seq),
            Step::Delete { user } => self.delete(user),
            _ => unreachable!("only acts fail"),
        }
    }

    fn send(&mut self, from: usize, to: usize, id: u8) {
        let client_id = ClientMsgId([id; 16]);
        let ask = Ask::Send {
            conversation: ConversationId::Direct(user_id(to)),
            client_id,
            content: Content(Bytes::from(vec![id; 20])),
        };
        let is_new = !self.model.sent.contains_key(&(from, client_id));
        if is_new && self.model.deleted[to] {
            let refused = self.answer(from, &ask).unwrap_err();
            assert_eq!(refused.code, Code::PEER_NOT_FOUND);
            return;
        }
        let Response::Sent { seq, .. } = self.ask(from, &ask) else { panic!("not sent") };
        let model = &mut self.model;
        if let Some(known) = model.sent.get(&(from, client_id)) {
            assert_eq!(seq, *known, "an idempotency key names one message");
            return;
        }
        let messages = model.conversations.entry((from.min(to), from.max(to))).or_default();
        messages.push((from, client_id));
        assert_eq!(seq, messages.len() as u64, "seqs are dense");
        model.sent.insert((from, client_id), seq);
        let mut members = vec![(from, to)];
        if from != to {
            members.push((to, from));
        }
        for (owner, with) in members {
            let own_count = own(messages, owner, seq);
            let read = model.read.get(&(owner, with)).copied().unwrap_or(0);
            let read = ReadMark { seq: read, own_count: own(messages, owner, read) };
            model.logs[owner].push(Logged::Message { with, seq, own_count, read });
        }
    }

    fn delete(&mut self, user: usize) {
        let mut out = Effects::default();
        let act = Act::Delete { text: String::new() };
        let key = self.users[user].user;
        let ended = self.state.govern(key, &act, NOW, &mut out).unwrap().unwrap();
        assert_eq!(ended, usize::from(!self.model.deleted[user]));
        self.model.deleted[user] = true;
    }

    fn read(&mut self, by: usize, with: usize, seq: u64) {
        let ask = Ask::MarkRead { conversation: ConversationId::Direct(user_id(with)), seq };
        let pair = (by.min(with), by.max(with));
        let Some(messages) = self.model.conversations.get(&pair) else {
            let mut out = Effects::default();
            let from = self.users[by];
            let Ask::MarkRead { conversation, seq } = &ask else { unreachable!() };
            let answer = self.state.mark_read(&from, conversation, *seq, &mut out).unwrap();
            assert_eq!(answer.unwrap_err().code, Code::CONVERSATION_UNKNOWN);
            return;
        };
        let seq = seq.min(messages.len() as u64);
        let own_count = own(messages, by, seq);
        assert_eq!(self.ask(by, &ask), Response::Done);
        let mark = self.model.read.entry((by, with)).or_default();
        if seq > *mark {
            *mark = seq;
            self.model.logs[by].push(Logged::Read { with, seq, own_count });
        }
    }

    fn ask(&mut self, user: usize, ask: &Ask) -> Response {
        self.answer(user, ask).unwrap()
    }

    fn answer(&mut self, user: usize, ask: &Ask) -> Result<Response, Error> {
        let mut out = Effects::default();
        let from = self.users[user];
        self.state.fence(&from).unwrap().unwrap();
        super::writer::request(&mut self.state, &from, ask, NOW, &mut out).unwrap()
    }

    /// Until nothing is left to merge and to erase.
    fn settle(&mut self) {
        while !self.state.deletions.is_idle() || self.state.journal.rows > 0 {
            while self.merge_slice() {}
            self.state.erase(Duration::ZERO, NOW).unwrap();
        }
    }

    /// Whether there is more.
    fn merge_slice(&mut self) -> bool {
        if self.merge.is_none() {
            self.merge = Merge::begin(&self.state);
        }
        let Some(merge) = &mut self.merge else { return false };
        if merge.slice(&mut self.state, Duration::ZERO).unwrap() == Progress::Done {
            self.merge = None;
        }
        true
    }

    fn sweep(&mut self, now: WallTime) {
        self.state.tables.begin().unwrap();
        Sweep::new().step(&mut self.state, now).unwrap();
        commit(&mut self.state);
    }

    fn compare(&mut self) {
        for user in self.living() {
            self.compare_log(user);
            self.compare_window(user);
            for with in 0..USERS {
                self.compare_history(user, with);
            }
        }
    }

    fn compare_log(&mut self, user: usize) {
        let expected = self.model.logs[user].clone();
        for start in [0, expected.len() / 2, expected.len()] {
            let cursor = Cursor { log_epoch: self.state.run.log_epoch, offset: start as u64 };
            let ask = Ask::SyncFrom { cursor: Some(cursor), window: WINDOW };
            let Response::Sync(page) = self.ask(user, &ask) else { panic!("no page") };
            assert_eq!(page.head, expected.len() as u64);
            let SyncBody::Entries { first_offset, entries } = page.body else { panic!("window") };
            assert_eq!(first_offset, start as u64 + 1);
            let entries: Vec<_> = entries.iter().map(logged).collect();
            assert_eq!(entries, expected[start..]);
        }
    }

    fn compare_window(&mut self, user: usize) {
        let ask = Ask::SyncFrom { cursor: None, window: WINDOW };
        let Response::Sync(page) = self.ask(user, &ask) else { panic!("no page") };
        let SyncBody::TooLong(window) = page.body else { panic!("entries") };
        let mut latest: Vec<usize> = Vec::new();
        for logged in self.model.logs[user].iter().rev() {
            if let Logged::Message { with, .. } = logged
                && !latest.contains(with)
            {
                latest.push(*with);
            }
        }
        latest.truncate(WINDOW.conversations as usize);
        let ids: Vec<_> =
            latest.iter().map(|with| ConversationId::Direct(user_id(*with))).collect();
        assert_eq!(window.iter().map(|found| found.id.clone()).collect::<Vec<_>>(), ids);
        for (found, with) in window.iter().zip(latest) {
            let messages = &self.model.conversations[&(user.min(with), user.max(with))];
            let head = messages.len() as u64;
            let read = self.model.read.get(&(user, with)).copied().unwrap_or(0);
            assert_eq!((found.head, found.read_seq), (head, read));
            assert_eq!(found.own_count, own(messages, user, head));
            assert_eq!(found.read_own_count, own(messages, user, read));
            let seqs: Vec<_> = found.messages.iter().map(|message| message.seq).collect();
            let first = head.saturating_sub(u64::from(WINDOW.per_conversation)) + 1;
            assert_eq!(seqs, (first..=head).collect::<Vec<_>>());
        }
    }

    fn compare_history(&mut self, user: usize, with: usize) {
        let none = Vec::new();
        let pair = (user.min(with), user.max(with));
        let messages = self.model.conversations.get(&pair).unwrap_or(&none).clone();
        let conversation = ConversationId::Direct(user_id(with));
        for (before, limit) in [(0, 100), (5, 3)] {
            let ask = Ask::History { conversation: conversation.clone(), before, limit };
            let Response::History(found) = self.ask(user, &ask) else { panic!("no history") };
            let end = if before == 0 { messages.len() } else { messages.len().min(4) };
            let start = end.saturating_sub(limit as usize);
            let expected: Vec<_> = (start..end)
                .map(|at| (at as u64 + 1, user_id(messages[at].0), messages[at].1))
                .collect();
            let found: Vec<_> =
                found.into_iter().map(|m| (m.seq, m.from.clone(), m.client_id)).collect();
            assert_eq!(found, expected);
        }
    }
}

impl Bench {
    /// What the file holds of users who were deleted: their ids, and conversations that others keep.
    fn compare_rows(&self, dir: &Path) {
        let db = rusqlite::Connection::open(dir.join(open::DATABASE)).unwrap();
        let count = |sql: &str, key: u64| {
            db.query_row(sql, [key as i64], |row| row.get::<_, i64>(0)).unwrap()
        };
        for user in (0..USERS).filter(|user| self.model.deleted[*user]) {
            let key = self.users[user].user.0;
            for table in ["entry", "sent", "member", "deletion"] {
                assert_eq!(count(&format!("SELECT count(*) FROM {table} WHERE user = ?1"), key), 0);
            }
            let traces = "SELECT count(*) FROM user WHERE key = ?1 AND (name <> '' OR head <> 0)";
            assert_eq!(count(traces, key), 0);
            let own = "SELECT count(*) FROM conversation WHERE (low = ?1 AND \
                (low_read <> 0 OR low_read_own <> 0 OR low_recent <> 0)) OR (high = ?1 AND \
                (high_read <> 0 OR high_read_own <> 0 OR high_recent <> 0))";
            assert_eq!(count(own, key), 0);
            let kept = "SELECT count(*) FROM conversation WHERE low = ?1 OR high = ?1";
            let shared = |other: &usize| {
                let pair = (user.min(*other), user.max(*other));
                !self.model.deleted[*other] && self.model.conversations.contains_key(&pair)
            };
            assert_eq!(count(kept, key), (0..USERS).filter(shared).count() as i64);
        }
        let orphans = "SELECT count(*) FROM message WHERE ?1 = ?1 AND conversation NOT IN \
            (SELECT key FROM conversation)";
        assert_eq!(count(orphans, 0), 0);
    }
}

fn logged(entry: &LogEntry) -> Logged {
    match entry {
        LogEntry::Message { message, own_count, read } => Logged::Message {
            with: number(&message.conversation),
            seq: message.seq,
            own_count: *own_count,
            read: *read,
        },
        LogEntry::Read { conversation, seq, own_count } => {
            Logged::Read { with: number(conversation), seq: *seq, own_count: *own_count }
        }
        LogEntry::Unknown => panic!("an unknown entry"),
    }
}

fn own(messages: &[(usize, ClientMsgId)], user: usize, up_to: u64) -> u64 {
    messages[..up_to as usize].iter().filter(|(from, _)| *from == user).count() as u64
}

fn commit(state: &mut State) {
    state.write_journal().unwrap();
    state.tables.commit().unwrap();
    state.journal.committed();
}

fn sign_in(state: &mut State, user: usize) -> Origin {
    let mut out = Effects::default();
    let conn = ConnId { incarnation: state.run.incarnation, number: user as u32 };
    let bind = Bind {
        app: AppId::new(1).unwrap(),
        user: user_id(user),
        user_name: String::new(),
        ask: BindAsk {
            device: Device {
                id: DeviceId([user as u8; 16]),
                platform: Platform::Ios,
                os: String::new(),
                tag: String::new(),
                custom_type: 0,
            },
            intent: Intent::Explicit,
            resume: None,
            login_id: None,
            counter: u64::from(conn.incarnation),
            credential: Ok(Some(Verdict { issued: NOW, expires: None })),
            conn,
        },
        static_token: None,
        cursor: None,
        outbox_heads: Vec::new(),
        window: WINDOW,
    };
    let limits = Limits { ping_ms: 1, liveness_ms: 1, max_frame: 1, reconnect_window_ms: 1 };
    state.bind(&bind, limits, NOW, &mut out).unwrap();
    let origin = out.iter().find_map(|effect| match effect {
        Effect::Bound { conn, user, welcome } => {
            Some(Origin { user: *user, session: welcome.session, conn: *conn })
        }
        _ => None,
    });
    origin.expect("signed in")
}

fn open_state(dir: &Path) -> State {
    let mut drawn = 0_u8;
    let random = Box::new(move |bytes: &mut [u8]| {
        drawn = drawn.wrapping_add(1);
        bytes.fill(drawn);
    });
    let opened = open::open(dir, &Options::default(), random, NOW).unwrap();
    State::load(opened.tables, opened.run, 4).unwrap()
}

/// In memory where there is such a file system: nothing here needs the disk.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn user_id(user: usize) -> UserId {
    UserId::parse(&format!("user{user}")).unwrap()
}

fn number(conversation: &ConversationId) -> usize {
    let ConversationId::Direct(peer) = conversation;
    peer.as_str()["user".len()..].parse().unwrap()
}

const NOW: WallTime = WallTime(1_700_000_000_000);
const WINDOW: Window = Window { conversations: 3, per_conversation: 4 };
