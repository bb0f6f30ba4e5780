//! Measures the store alone: durable sends, binds and page reads, each asker waiting for its answer; and
//! what others notice while an app with all of that is erased.
//!
//! `cargo run --release -p homing-server --example store_bench [-- DIR]`; prints one line of JSON a
//! measurement. Times are wall-clock on whatever shares the machine.
#![allow(clippy::print_stdout, reason = "a measurement prints")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use homing_core::policy::{Policy, Preset};
use homing_core::server::registry::{BindAsk, ConnId, Verdict};
use homing_proto::Error;
use homing_proto::device::{Device, DeviceInfo, KickRecord, Platform};
use homing_proto::frame::{Intent, Refuse, Response, Welcome, Window};
use homing_proto::id::{AppId, ClientMsgId, ConversationId, Cursor, DeviceId, SessionId, UserId};
use homing_proto::message::{Content, LogEntry};
use homing_proto::time::WallTime;
use homing_server::apps::NewApp;
use homing_server::store::{Ask, Bind, Command, Deliver, Options, Origin, Store, UserKey};

/// Answers go straight into the next command: closed loops without threads of their own.
struct Loops {
    store: OnceLock<Arc<Store>>,
    origins: Mutex<Vec<Option<Origin>>>,
    kind: Mutex<Kind>,
    left: AtomicU64,
    done: AtomicU64,
    /// Per conn: when its command was submitted.
    started: Vec<AtomicU64>,
    latencies: Mutex<Vec<u32>>,
    zero: Instant,
    finished: std::sync::mpsc::SyncSender<()>,
    total: AtomicU64,
    incarnation: AtomicU64,
    app: Mutex<AppId>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    SendRing,
    SendRandom(u64),
    Bind { users: u64 },
    Page,
    Idle,
}

impl Loops {
    fn next(&self, slot: u32) {
        if self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
            .is_err()
        {
            return;
        }
        let n = self.total.fetch_add(1, Ordering::Relaxed);
        self.started[slot as usize].store(self.zero.elapsed().as_nanos() as u64, Ordering::Relaxed);
        let store = self.store.get().expect("set before the first command");
        let kind = *self.kind.lock().expect("not poisoned");
        let command = match kind {
            Kind::Idle => return,
            Kind::Bind { users } => self.bind(slot, n % users),
            Kind::SendRing => self.request(slot, send(n, u64::from(slot ^ 1))),
            Kind::SendRandom(peers) => {
                let to = u64::from(slot) * peers + mix(n) % peers;
                self.request(slot, send(n, to % 100_000))
            }
            Kind::Page => self.request(
                slot,
                Ask::SyncFrom {
                    cursor: Some(Cursor { log_epoch: store.log_epoch(), offset: mix(n) % 50 }),
                    window: Window { conversations: 20, per_conversation: 1 },
                },
            ),
        };
        store.submit(command).expect("the queue is longer than the loops");
    }

    fn request(&self, slot: u32, ask: Ask) -> Command {
        let from = self.origins.lock().expect("not poisoned")[slot as usize].expect("bound");
        Command::Request { from, id: slot, ask }
    }

    fn bind(&self, slot: u32, user: u64) -> Command {
        let n = self.zero.elapsed().as_nanos() as u64;
        Command::Bind(Box::new(Bind {
            app: *self.app.lock().expect("not poisoned"),
            user: user_id(user),
            user_name: String::new(),
            ask: BindAsk {
                device: Device {
                    id: DeviceId((u128::from(user) << 64 | 1).to_be_bytes()),
                    platform: Platform::Android,
                    os: "Android 16".to_owned(),
                    tag: String::new(),
                    custom_type: 0,
                },
                intent: Intent::Explicit,
                resume: None,
                login_id: None,
                counter: n,
                credential: Ok(Some(Verdict { issued: WallTime(1), expires: None })),
                conn: ConnId {
                    incarnation: self.incarnation.load(Ordering::Relaxed) as u32,
                    number: slot,
                },
            },
            static_token: None,
            cursor: None,
            outbox_heads: Vec::new(),
            window: Window { conversations: 20, per_conversation: 1 },
        }))
    }

    fn answered(&self, slot: u32) {
        let now = self.zero.elapsed().as_nanos() as u64;
        let began = self.started[slot as usize].load(Ordering::Relaxed);
        self.latencies.lock().expect("not poisoned").push(((now - began) / 1000) as u32);
        if self.done.fetch_sub(1, Ordering::Relaxed) == 1 {
            let _ = self.finished.try_send(());
        }
        self.next(slot);
    }
}

impl Deliver for Loops {
    fn bound(&self, conn: ConnId, user: UserKey, welcome: Box<Welcome>) {
        let origin = Origin { user, session: welcome.session, conn };
        self.origins.lock().expect("not poisoned")[conn.number as usize] = Some(origin);
        self.answered(conn.number);
    }
    fn refused(&self, _: ConnId, refuse: Box<Refuse>) {
        panic!("{refuse:?}");
    }
    fn ended(&self, _: ConnId, _: SessionId, _: Result<(), Error>) {}
    fn answer(&self, conn: ConnId, _: u32, body: Result<Response, Error>) {
        std::hint::black_box(body.expect("taken"));
        self.answered(conn.number);
    }
    fn entry(&self, _: UserKey, _: u64, entry: &LogEntry) {
        std::hint::black_box(homing_proto::codec::encode_entry(entry));
    }
    fn displaced(&self, _: ConnId, _: Box<KickRecord>, _: Option<WallTime>) {}
    fn superseded(&self, _: ConnId) {}
    fn logged_out(&self, _: ConnId) {}
    fn app_deleted(&self, _: AppId, _: WallTime) {}
    fn devices(&self, _: UserKey, _: &[DeviceInfo]) {}
}

fn main() {
    let dir: PathBuf = std::env::args()
        .nth(1)
        .map_or_else(|| std::env::temp_dir().join("homing-bench"), Into::into);
    let (finished, wait) = std::sync::mpsc::sync_channel(1);
    let loops = Arc::new(Loops {
        store: OnceLock::new(),
        origins: Mutex::new(vec![None; SLOTS as usize]),
        kind: Mutex::new(Kind::Idle),
        left: AtomicU64::new(0),
        done: AtomicU64::new(0),
        started: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
        latencies: Mutex::new(Vec::new()),
        zero: Instant::now(),
        finished,
        total: AtomicU64::new(0),
        incarnation: AtomicU64::new(0),
        app: Mutex::new(AppId::new(1).expect("not zero")),
    });
    let opening = Instant::now();
    let store = Store::open(&dir, Options::default(), Arc::clone(&loops) as Arc<dyn Deliver>);
    let store = Arc::new(store.expect("the directory can be opened"));
    println!(r#"{{"what":"open","ms":{:.1}}}"#, opening.elapsed().as_secs_f64() * 1e3);
    loops.incarnation.store(u64::from(store.incarnation()), Ordering::Relaxed);
    assert!(loops.store.set(Arc::clone(&store)).is_ok());
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut app = NewApp::named("bench");
    app.policy = Policy::preset(Preset::Multi);
    if store.apps().is_empty() {
        runtime.block_on(store.create_app(app)).expect("an app");
    }
    let run_with = |what: &str, kind: Kind, count: u64, askers: u32| {
        measure(&loops, &wait, what, kind, count, askers);
    };
    let run = |what: &str, kind: Kind, count: u64| run_with(what, kind, count, SLOTS as u32);
    run("bind new users", Kind::Bind { users: 100_000 }, 100_000);
    run("bind known users", Kind::Bind { users: 100_000 }, 100_000);
    run("bind few users", Kind::Bind { users: 256 }, 100_000);
    // One after the other, so that slot n is user n.
    loops.total.store(0, Ordering::Relaxed);
    run("bind the senders", Kind::Bind { users: SLOTS }, SLOTS);
    run("send in pairs", Kind::SendRing, 300_000);
    run("send in 2 048 conversations", Kind::SendRandom(8), 300_000);
    run("send in 25 600 conversations", Kind::SendRandom(100), 300_000);
    std::thread::sleep(Duration::from_secs(5));
    run("page of 500", Kind::Page, 20_000);
    let size = std::fs::metadata(dir.join("homing.db")).map_or(0, |file| file.len());
    println!(r#"{{"what":"size","mb":{:.0},"rss_mb":{}}}"#, size as f64 / 1e6, rss_mb());
    // Another app, beside which the first one is erased.
    let other = runtime.block_on(store.create_app(NewApp::named("other"))).expect("an app").id;
    let first = std::mem::replace(&mut *loops.app.lock().expect("not poisoned"), other);
    loops.total.store(0, Ordering::Relaxed);
    run("bind the senders of another app", Kind::Bind { users: SLOTS }, SLOTS);
    run("send in pairs", Kind::SendRing, 100_000);
    run_with("send one by one", Kind::SendRing, 2_000, 2);
    let began = Instant::now();
    runtime.block_on(store.delete_app(first)).expect("deleted");
    println!(r#"{{"what":"delete","ms":{:.1}}}"#, began.elapsed().as_secs_f64() * 1e3);
    run("send in pairs beside an erasing", Kind::SendRing, 100_000);
    run_with("send one by one beside an erasing", Kind::SendRing, 2_000, 2);
    let mut deleted = store.watch_deleted_apps();
    let done = deleted.wait_for(|apps| apps[&first].done.is_some());
    let erased = runtime.block_on(done).expect("the store is open")[&first].erased;
    let took = began.elapsed().as_secs_f64();
    println!(
        r#"{{"what":"erased","users":{},"messages":{},"s":{took:.1}}}"#,
        erased.users, erased.messages
    );
}

fn measure(
    loops: &Arc<Loops>,
    wait: &std::sync::mpsc::Receiver<()>,
    what: &str,
    kind: Kind,
    count: u64,
    askers: u32,
) {
    *loops.kind.lock().expect("not poisoned") = kind;
    loops.left.store(count, Ordering::Relaxed);
    loops.done.store(count, Ordering::Relaxed);
    loops.latencies.lock().expect("not poisoned").clear();
    let cpu = cpu_ms();
    let began = Instant::now();
    for slot in 0..askers {
        loops.next(slot);
    }
    wait.recv().expect("the store is open");
    let took = began.elapsed().as_secs_f64();
    let mut latencies = std::mem::take(&mut *loops.latencies.lock().expect("not poisoned"));
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    println!(
        r#"{{"what":"{what}","count":{count},"per_s":{:.0},"p50_us":{},"p99_us":{},"max_us":{},"cpu_us_each":{:.1}}}"#,
        count as f64 / took,
        at(0.5),
        at(0.99),
        at(1.0),
        (cpu_ms() - cpu) as f64 * 1e3 / count as f64
    );
}

fn send(n: u64, to: u64) -> Ask {
    Ask::Send {
        conversation: ConversationId::Direct(user_id(to)),
        client_id: ClientMsgId((u128::from(mix(n)) << 64 | u128::from(n)).to_be_bytes()),
        content: Content(Bytes::from(vec![b'x'; 120])),
    }
}

fn user_id(number: u64) -> UserId {
    UserId::parse(&format!("user-{number}")).expect("a legal id")
}

fn mix(n: u64) -> u64 {
    let n = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (n ^ (n >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20
}

fn cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    (ticks(11) + ticks(12)) * 10
}

fn rss_mb() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split_whitespace().nth(1).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0) * 4096
        / 1_000_000
}

const SLOTS: u64 = 256;
