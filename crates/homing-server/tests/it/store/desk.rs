//! A gateway's place in front of a store: submits commands and collects what is delivered.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};

use homing_core::policy::{Policy, Preset};
use homing_core::server::registry::{BindAsk, ConnId, ResumeAsk, SecretHash, Verdict};
use homing_proto::Error;
use homing_proto::device::{Device, DeviceInfo, KickRecord, Platform};
use homing_proto::frame::{Intent, Refuse, Response, Welcome, Window};
use homing_proto::id::{AppId, ClientMsgId, ConversationId, Cursor, DeviceId, SessionId, UserId};
use homing_proto::message::{Content, LogEntry};
use homing_proto::time::WallTime;
use homing_server::apps::{NewApp, Registration};
use homing_server::store::{
    Ask, Bind, Command, Deliver, EndSession, OpenError, Options, Origin, Store, UserKey,
};

/// Something that the store delivered.
#[derive(Debug)]
pub(super) enum News {
    Bound(ConnId, UserKey, Box<Welcome>),
    Refused(Box<Refuse>),
    Ended(Result<(), Error>),
    Answer(u32, Result<Response, Error>),
    Entry(UserKey, u64, Box<LogEntry>),
    Displaced(ConnId, Box<KickRecord>),
    Superseded(ConnId),
    LoggedOut(ConnId),
    AppDeleted(AppId),
    Devices(UserKey, Vec<DeviceInfo>),
}

pub(super) struct Desk {
    pub(super) store: Store,
    news: Receiver<News>,
    /// What came before the answer that was waited for.
    pub(super) seen: Vec<News>,
    next: AtomicU32,
}

impl Desk {
    pub(super) fn open(dir: &Path) -> Self {
        Self::open_with(dir, Options { clock, ..Options::default() }).expect("it opens")
    }

    pub(super) fn open_with(dir: &Path, options: Options) -> Result<Self, OpenError> {
        let (sender, news) = mpsc::channel();
        let store = Store::open(dir, options, Arc::new(Collect(Mutex::new(sender))))?;
        Ok(Self { store, news, seen: Vec::new(), next: AtomicU32::new(1) })
    }

    /// An app with that preset.
    pub(super) fn app(&self, preset: Preset) -> AppId {
        let mut new = NewApp::named("test");
        new.policy = Policy::preset(preset);
        block_on(self.store.create_app(new)).expect("created").id
    }

    pub(super) fn closed_app(&self) -> AppId {
        let mut new = NewApp::named("closed");
        new.registration = Registration::Beforehand;
        block_on(self.store.create_app(new)).expect("created").id
    }

    pub(super) fn conn(&self) -> ConnId {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        ConnId { incarnation: self.store.incarnation(), number }
    }

    /// A login with a good credential.
    pub(super) fn hello(&self, app: AppId, user: &str, device: u8, intent: Intent) -> Bind {
        let conn = self.conn();
        Bind {
            static_token: None,
            app,
            user: user_id(user),
            user_name: String::new(),
            ask: BindAsk {
                device: Device {
                    id: DeviceId([device; 16]),
                    platform: if device.is_multiple_of(2) {
                        Platform::Ios
                    } else {
                        Platform::Android
                    },
                    os: "test".to_owned(),
                    tag: String::new(),
                    custom_type: 0,
                },
                intent,
                resume: None,
                login_id: None,
                counter: u64::from(conn.incarnation) << 32 | u64::from(conn.number),
                credential: Ok(Some(Verdict { issued: clock(), expires: None })),
                conn,
            },
            cursor: None,
            outbox_heads: Vec::new(),
            window: WINDOW,
        }
    }

    pub(super) fn bind(&mut self, bind: Bind) -> Result<(Origin, Box<Welcome>), Box<Refuse>> {
        self.store.submit(Command::Bind(Box::new(bind))).expect("taken");
        self.wait(|news| match news {
            News::Bound(conn, user, welcome) => {
                Ok(Ok((Origin { user, session: welcome.session, conn }, welcome)))
            }
            News::Refused(refuse) => Ok(Err(refuse)),
            other => Err(other),
        })
    }

    pub(super) fn sign_in(&mut self, app: AppId, user: &str, device: u8) -> Origin {
        let hello = self.hello(app, user, device, Intent::Explicit);
        self.bind(hello).expect("accepted").0
    }

    pub(super) fn ask(&mut self, from: Origin, ask: Ask) -> Result<Response, Error> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.store.submit(Command::Request { from, id, ask })?;
        self.wait(|news| match news {
            News::Answer(answered, body) if answered == id => Ok(body),
            other => Err(other),
        })
    }

    pub(super) fn send(&mut self, from: Origin, to: &str, id: u64) -> Result<u64, Error> {
        match self.ask(from, send(to, id))? {
            Response::Sent { seq, .. } => Ok(seq),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn end(&mut self, end: EndSession) -> Result<(), Error> {
        self.store.submit(Command::EndSession(Box::new(end))).expect("taken");
        self.wait(|news| match news {
            News::Ended(result) => Ok(result),
            other => Err(other),
        })
    }

    /// Waits for news that `pick` takes; keeps the others in `seen`.
    pub(super) fn wait<T>(&mut self, mut pick: impl FnMut(News) -> Result<T, News>) -> T {
        loop {
            match pick(self.news.recv().expect("the store is open")) {
                Ok(found) => return found,
                Err(other) => self.seen.push(other),
            }
        }
    }
}

pub(super) fn send(to: &str, id: u64) -> Ask {
    Ask::Send {
        conversation: ConversationId::Direct(user_id(to)),
        client_id: client_id(id),
        content: Content::text(format!("message {id}")),
    }
}

pub(super) fn client_id(id: u64) -> ClientMsgId {
    ClientMsgId(u128::from(id).to_be_bytes())
}

pub(super) fn sync_from(store: &Store, offset: u64) -> Ask {
    let cursor = Some(Cursor { log_epoch: store.log_epoch(), offset });
    Ask::SyncFrom { cursor, window: WINDOW }
}

pub(super) fn resume(mut hello: Bind, welcome: &Welcome) -> Bind {
    let secret = welcome.secret.as_ref().expect("a new session");
    hello.ask.resume = Some(ResumeAsk {
        session: welcome.session,
        secret_hash: SecretHash::of(secret),
        epoch: welcome.epoch,
    });
    hello.ask.credential = Ok(None);
    hello
}

pub(super) fn user_id(user: &str) -> UserId {
    UserId::parse(user).expect("a legal id")
}

pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// Stands still: what passes with time is tested where time is an argument.
pub(super) fn clock() -> WallTime {
    WallTime(1_700_000_000_000)
}

pub(super) const WINDOW: Window = Window { conversations: 20, per_conversation: 5 };

struct Collect(Mutex<Sender<News>>);

impl Collect {
    fn tell(&self, news: News) {
        // A test that is over does not listen any more.
        let _ = self.0.lock().expect("not poisoned").send(news);
    }
}

impl Deliver for Collect {
    fn bound(&self, conn: ConnId, user: UserKey, welcome: Box<Welcome>) {
        self.tell(News::Bound(conn, user, welcome));
    }

    fn refused(&self, _: ConnId, refuse: Box<Refuse>) {
        self.tell(News::Refused(refuse));
    }

    fn ended(&self, _: ConnId, _: SessionId, result: Result<(), Error>) {
        self.tell(News::Ended(result));
    }

    fn answer(&self, _: ConnId, id: u32, body: Result<Response, Error>) {
        self.tell(News::Answer(id, body));
    }

    fn entry(&self, user: UserKey, offset: u64, entry: &LogEntry) {
        self.tell(News::Entry(user, offset, Box::new(entry.clone())));
    }

    fn displaced(&self, conn: ConnId, record: Box<KickRecord>, _: Option<WallTime>) {
        self.tell(News::Displaced(conn, record));
    }

    fn superseded(&self, conn: ConnId) {
        self.tell(News::Superseded(conn));
    }

    fn logged_out(&self, conn: ConnId) {
        self.tell(News::LoggedOut(conn));
    }

    fn app_deleted(&self, app: AppId, _: WallTime) {
        self.tell(News::AppDeleted(app));
    }

    fn devices(&self, user: UserKey, devices: &[DeviceInfo]) {
        self.tell(News::Devices(user, devices.to_vec()));
    }
}
