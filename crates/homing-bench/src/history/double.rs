//! A server without sockets or a disk around the registry's own `bind`, to prove the checker with:
//! once it decides as it should, with the user's row held; once on a copy of the row that may be
//! out of date when it is written back, which is what a database without a row lock would do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use homing_core::policy::Policy;
use homing_core::server::registry::{
    BindAnswer, BindAsk, Bound, ConnId, EndAnswer, Fresh, Loser, ResumeAsk, Rules, SecretHash,
    Targets, UserSessions, Verdict, kick_code,
};
use homing_proto::Code;
use homing_proto::device::KickReason;
use homing_proto::frame::{
    ClientFrame, Close, EndSession, Hello, Limits, Request, Response, ServerFrame, SyncBody,
    SyncPage, Welcome,
};
use homing_proto::id::{SessionId, UserId};
use homing_proto::secret::SessionSecret;
use homing_proto::time::WallTime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::link::Lost;

/// How a Hello is decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Admission {
    /// Read, decision and write in one.
    Atomic,
    /// Others may write between the read and the write, and are overwritten.
    OnACopy,
}

/// See the module.
pub(crate) struct Double {
    admission: Admission,
    policy: Policy,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    users: HashMap<UserId, UserSessions>,
    conns: HashMap<u32, Peer>,
    last_conn: u32,
}

struct Peer {
    inbox: UnboundedSender<ServerFrame>,
    bound: Option<(UserId, SessionId)>,
}

/// A client's end of a connection.
pub(crate) struct End {
    double: Arc<Double>,
    number: u32,
    inbox: UnboundedReceiver<ServerFrame>,
}

impl Double {
    pub(crate) fn new(policy: Policy, admission: Admission) -> Self {
        Self { admission, policy, inner: Mutex::default() }
    }

    pub(crate) fn connect(self: &Arc<Self>) -> End {
        let (sender, inbox) = unbounded_channel();
        let mut inner = self.lock();
        inner.last_conn += 1;
        let number = inner.last_conn;
        inner.conns.insert(number, Peer { inbox: sender, bound: None });
        End { double: Arc::clone(self), number, inbox }
    }

    fn hello(&self, number: u32, hello: Hello) {
        let secret = SessionSecret::new(random());
        let fresh = Fresh { session: SessionId(random()), secret_hash: SecretHash::of(&secret) };
        let user = hello.user.clone();
        let ask = ask(hello, conn(number));
        let mut inner = self.lock();
        let now = wall();
        let mut sessions = inner.users.get(&user).cloned().unwrap_or_default();
        let answer = sessions.bind(&ask, fresh, Rules::of(&self.policy), now);
        if self.admission == Admission::OnACopy {
            drop(inner);
            std::thread::sleep(RACE);
            inner = self.lock();
        }
        match answer {
            BindAnswer::Bound(bound) => {
                let welcome = welcome(&bound, secret, &mut sessions, now);
                inner.users.insert(user.clone(), sessions);
                inner.bound(number, &user, bound, welcome, now);
            }
            BindAnswer::Refused(refuse) => {
                inner.users.insert(user, sessions);
                inner.say(number, ServerFrame::Refuse(Box::new(refuse)));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn bound(&mut self, number: u32, user: &UserId, bound: Bound, welcome: Welcome, now: WallTime) {
        if let Some(older) = bound.superseded {
            self.close(older.number, close(Code::CONNECTION_SUPERSEDED));
        }
        self.displaced(bound.displaced);
        if let Some(peer) = self.conns.get_mut(&number) {
            peer.bound = Some((user.clone(), bound.session));
        }
        self.say(number, ServerFrame::Welcome(Box::new(welcome)));
        if bound.devices_changed {
            self.tell_devices(user, now);
        }
    }

    fn request(&mut self, number: u32, id: u32, body: Request) {
        let now = wall();
        let Some((user, session)) = self.conns.get(&number).and_then(|peer| peer.bound.clone())
        else {
            return;
        };
        let Some(sessions) = self.users.get_mut(&user) else { return };
        let mut changed = true;
        let body = if !sessions.is_current(session, conn(number)) {
            changed = false;
            Err(Code::CONNECTION_SUPERSEDED.into())
        } else {
            match body {
                Request::KickDevices(targets) => {
                    let (targets, by) = (Targets::Listed(&targets), Some(session));
                    let losers = sessions.kick(targets, by, KickReason::OwnDevice, "", now);
                    changed = !losers.is_empty();
                    self.displaced(losers);
                    if changed { Ok(Response::Done) } else { Err(Code::SESSION_NOT_FOUND.into()) }
                }
                Request::Logout => {
                    sessions.log_out(session, conn(number), now);
                    Ok(Response::Done)
                }
                _ => {
                    changed = false;
                    Ok(Response::Devices(sessions.devices(now)))
                }
            }
        };
        if changed {
            self.tell_devices(&user, now);
        }
        self.say(number, ServerFrame::Response { id, body });
    }

    fn end(&mut self, number: u32, end: &EndSession) {
        let now = wall();
        if let Some(sessions) = self.users.get_mut(&end.user)
            && let EndAnswer::Ended { conn } =
                sessions.end(end.session, SecretHash::of(&end.secret), now)
        {
            if let Some(conn) = conn {
                self.close(conn.number, close(Code::SESSION_ENDED));
            }
            self.tell_devices(&end.user, now);
        }
        self.say(number, ServerFrame::Ended(end.session));
    }

    fn displaced(&mut self, losers: Vec<Loser>) {
        for Loser { conn, record, .. } in losers {
            if let Some(conn) = conn {
                let code = kick_code(record.reason);
                self.close(conn.number, Close { kick: Some(record), ..close(code) });
            }
        }
    }

    fn tell_devices(&mut self, user: &UserId, now: WallTime) {
        let Some(sessions) = self.users.get(user) else { return };
        let devices = sessions.devices(now);
        let of_user = |peer: &&Peer| peer.bound.as_ref().is_some_and(|(of, _)| of == user);
        for peer in self.conns.values().filter(of_user) {
            let _ = peer.inbox.send(ServerFrame::Devices(devices.clone()));
        }
    }

    fn close(&mut self, number: u32, close: Close) {
        self.say(number, ServerFrame::Close(Box::new(close)));
        self.conns.remove(&number);
    }

    fn say(&self, number: u32, frame: ServerFrame) {
        if let Some(peer) = self.conns.get(&number) {
            let _ = peer.inbox.send(frame);
        }
    }
}

impl End {
    pub(crate) fn put(&self, frame: &ClientFrame) {
        match frame.clone() {
            ClientFrame::Hello(hello) => self.double.hello(self.number, *hello),
            ClientFrame::Request { id, body } => {
                self.double.lock().request(self.number, id, body);
            }
            ClientFrame::EndSession(end) => self.double.lock().end(self.number, &end),
            ClientFrame::Ack(_)
            | ClientFrame::Ping { .. }
            | ClientFrame::Pong { .. }
            | ClientFrame::Unknown => {}
        }
    }

    pub(crate) async fn next(&mut self) -> Result<ServerFrame, Lost> {
        let ended = || Lost::Io(std::io::ErrorKind::UnexpectedEof.into());
        self.inbox.recv().await.ok_or_else(ended)
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut inner = self.double.lock();
        let Some(peer) = inner.conns.remove(&self.number) else { return };
        if let Some((user, _)) = peer.bound
            && let Some(sessions) = inner.users.get_mut(&user)
        {
            sessions.detach(conn(self.number), wall());
        }
    }
}

fn ask(hello: Hello, conn: ConnId) -> BindAsk {
    BindAsk {
        device: hello.device,
        intent: hello.intent,
        resume: hello.resume.map(|resume| ResumeAsk {
            session: resume.session,
            secret_hash: SecretHash::of(&resume.secret),
            epoch: resume.epoch,
        }),
        login_id: hello.login_id,
        counter: hello.counter,
        // Whoever brings one is believed: what is looked for are races.
        credential: Ok(hello.credential.map(|_| Verdict { issued: WallTime(0), expires: None })),
        conn,
    }
}

fn welcome(
    bound: &Bound,
    secret: SessionSecret,
    sessions: &mut UserSessions,
    now: WallTime,
) -> Welcome {
    let body = SyncBody::Entries { first_offset: 1, entries: Vec::new() };
    Welcome {
        session: bound.session,
        secret: bound.new_secret.then_some(secret),
        epoch: bound.epoch,
        binding: bound.binding,
        server_time: now,
        credential_expires_in_ms: None,
        head: 0,
        sync: SyncPage { log_epoch: 1, head: 0, body },
        outbox_acks: Vec::new(),
        devices: sessions.devices(now),
        limits: Limits { ping_ms: 1, liveness_ms: 1, max_frame: 1, reconnect_window_ms: 1 },
        registered: false,
    }
}

fn close(code: Code) -> Close {
    Close {
        error: code.into(),
        terminal: false,
        retry_window_ms: None,
        resume_ok: false,
        kick: None,
    }
}

const fn conn(number: u32) -> ConnId {
    ConnId { incarnation: 1, number }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    bytes
}

fn wall() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Between a copy and its writing back: what a slow disk would take.
const RACE: Duration = Duration::from_micros(200);
