//! The registry alone: binds that the store decides on and makes durable, asked for and answered in
//! this process.
//!
//! The answer to one bind asks for the next, on the store's own thread: so many loops as there are
//! slots, and nothing else that would take processor time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::time::{Duration, Instant};

use homing_core::server::registry::{BindAsk, ConnId, Verdict};
use homing_proto::Error;
use homing_proto::device::{DeviceInfo, KickRecord};
use homing_proto::frame::{Hello, Refuse, Response, Welcome};
use homing_proto::id::{AppId, SessionId};
use homing_proto::message::LogEntry;
use homing_proto::secret::Token;
use homing_proto::time::WallTime;
use homing_server::apps::NewApp;
use homing_server::store::{Bind, Command, Deliver, Options, Store, UserKey};
use homing_token::Key;
use serde_json::{Value, json};

use super::Users;
use crate::crowd::Crowd;
use crate::figures::{Spans, per_second};
use crate::{Failure, process, report};

/// What is to be measured.
pub(crate) struct Ask {
    pub(crate) users: Users,
    /// Known users.
    pub(crate) known: u32,
    /// Binds on their way at once.
    pub(crate) slots: u32,
    pub(crate) span: Duration,
}

/// The figures, and admissions per second.
///
/// # Errors
/// What the store said.
pub(crate) fn measure(ask: &Ask) -> Result<(Value, f64), Failure> {
    let dir = tempfile::Builder::new().prefix("data-").tempdir_in(report::directory()?)?;
    let (finished, wait) = mpsc::sync_channel(1);
    let mut loops = Loops {
        store: OnceLock::new(),
        crowd: OnceLock::new(),
        next: AtomicU64::new(0),
        running: AtomicU64::new(0),
        is_over: AtomicBool::new(false),
        rounds: Mutex::new(Rounds::of(ask.slots)),
        known: u64::from(ask.known),
        finished,
    };
    if ask.users == Users::New {
        loops.known = u64::MAX;
    }
    let loops = Arc::new(loops);
    let deliver = Arc::clone(&loops) as Arc<dyn Deliver>;
    let store = Arc::new(Store::open(dir.path(), Options::default(), deliver)?);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let app = runtime.block_on(store.create_app(NewApp::named("bench")))?;
    let crowd = Crowd::new(app.id, Key::new("unused: the credential counts as verified")?);
    let _ = loops.crowd.set((app.id, crowd));
    let _ = loops.store.set(Arc::downgrade(&store));
    if ask.users == Users::Known {
        eprintln!("bench: every user signs in once, to be known");
        loops.run(ask.slots, &wait, || loops.next.load(Ordering::Relaxed) >= loops.known);
    }
    eprintln!("bench: {} binds on their way for {:?}", ask.slots, ask.span);
    let (cpu, began) = (process::cpu(std::process::id())?, Instant::now());
    let spans = loops.run(ask.slots, &wait, || began.elapsed() >= ask.span);
    let took = began.elapsed();
    let cpu = process::cpu(std::process::id())?.saturating_sub(cpu);
    let (count, per_s) = (spans.len(), per_second(spans.len(), took));
    let figures = json!({
        "users": if ask.users == Users::New { "new" } else { "known" },
        "binds_at_once": ask.slots,
        "seconds": took.as_secs_f64(),
        "admissions": count,
        "admissions_per_s": per_s,
        "latency": spans.summary(),
        "cpu_us_per_admission": crate::figures::round(cpu.as_secs_f64() * 1e6 / count as f64, 1),
    });
    Ok((figures, per_s))
}

/// Answers turned into the next question.
struct Loops {
    store: OnceLock<std::sync::Weak<Store>>,
    crowd: OnceLock<(AppId, Crowd)>,
    next: AtomicU64,
    running: AtomicU64,
    is_over: AtomicBool,
    rounds: Mutex<Rounds>,
    /// After so many the users begin anew.
    known: u64,
    finished: mpsc::SyncSender<()>,
}

/// When each slot asked, and how long answers took.
struct Rounds {
    asked: Vec<Instant>,
    spans: Spans,
}

impl Rounds {
    fn of(slots: u32) -> Self {
        Self { asked: vec![Instant::now(); slots as usize], spans: Spans::default() }
    }
}

impl Loops {
    /// Lets all slots run until `is_enough`; gives what was measured.
    fn run(&self, slots: u32, wait: &mpsc::Receiver<()>, is_enough: impl Fn() -> bool) -> Spans {
        self.is_over.store(false, Ordering::SeqCst);
        self.running.store(u64::from(slots), Ordering::SeqCst);
        for slot in 0..slots {
            self.ask(slot);
        }
        while !is_enough() {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.is_over.store(true, Ordering::SeqCst);
        let _ = wait.recv();
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut rounds.spans)
    }

    fn ask(&self, slot: u32) {
        if self.is_over.load(Ordering::SeqCst) {
            if self.running.fetch_sub(1, Ordering::SeqCst) == 1 {
                let _ = self.finished.try_send(());
            }
            return;
        }
        let Some(store) = self.store.get().and_then(std::sync::Weak::upgrade) else { return };
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let conn = ConnId { incarnation: store.incarnation(), number: slot };
        let command = Command::Bind(Box::new(self.bind(turn, conn)));
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        rounds.asked[slot as usize] = Instant::now();
        drop(rounds);
        store.submit(command).expect("the queue is longer than the slots are many");
    }

    /// What the gateway makes of a Hello whose credential is good.
    fn bind(&self, turn: u64, conn: ConnId) -> Bind {
        let (app, crowd) = self.crowd.get().expect("set before the first question");
        let user = usize::try_from(turn % self.known).expect("a number of users fits");
        let Hello { user, user_name, device, intent, counter, cursor, window, login_id, .. } =
            crowd.hello(user, Token::new(""), turn + 1);
        Bind {
            static_token: None,
            app: *app,
            user,
            user_name,
            ask: BindAsk {
                device,
                intent,
                resume: None,
                login_id,
                counter,
                credential: Ok(Some(Verdict { issued: WallTime(1), expires: None })),
                conn,
            },
            cursor,
            outbox_heads: Vec::new(),
            window,
        }
    }
}

impl Deliver for Loops {
    fn bound(&self, conn: ConnId, _: UserKey, _: Box<Welcome>) {
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        let took = rounds.asked[conn.number as usize].elapsed();
        rounds.spans.add(took);
        drop(rounds);
        self.ask(conn.number);
    }

    fn refused(&self, _: ConnId, refuse: Box<Refuse>) {
        panic!("a good login was refused: {refuse:?}");
    }

    fn ended(&self, _: ConnId, _: SessionId, _: Result<(), Error>) {}
    fn answer(&self, _: ConnId, _: u32, _: Result<Response, Error>) {}
    fn entry(&self, _: UserKey, _: u64, _: &LogEntry) {}
    fn displaced(&self, _: ConnId, _: Box<KickRecord>, _: Option<WallTime>) {}
    fn superseded(&self, _: ConnId) {}
    fn logged_out(&self, _: ConnId) {}
    fn app_deleted(&self, _: AppId, _: WallTime) {}
    fn devices(&self, _: UserKey, _: &[DeviceInfo]) {}
}
