//! One WebSocket connection: bytes in, the session machine, bytes out.
//!
//! A hand-written future, so that its size is what its fields are, and with nothing on the heap at
//! rest: it reads into a buffer of the thread's, writes from another one, and keeps only what the
//! socket did not take. What is left of a connection that waits is this struct, its [`Conn`] and the
//! runtime's own part (B-1).

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use homing_core::server::registry::ConnId;
use homing_core::server::session::{Connection, Input, Output};
use homing_proto::frame::{Binding, Hello, Intent, Refuse, Request, ServerFrame};
use homing_proto::id::{AppId, DeviceId, SessionId, UserId};
use homing_proto::time::{Time, WallTime};
use homing_proto::{Code, Error, codec, limits};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::ask::{Look, Proof};
use super::conn::{Conn, Mail, Order};
use super::third_party::Question;
use super::wheel::Tick;
use super::{Gateway, Open, Stage, Stranger, ask, pace, third_party};
use crate::store::{Ask, Command, Origin};
use crate::ws::frame::{close, pong, put_header};
use crate::ws::{CloseCode, Decoder, Message, Opcode, Role, Violation};

/// A connection after its upgrade.
pub(super) struct Task<S> {
    io: S,
    open: Open,
    conn: Arc<Conn>,
    decoder: Decoder,
    machine: Connection,
    /// What the socket did not take yet.
    unsent: Option<Box<Unsent>>,
    /// Until a session is bound.
    guest: Option<Box<Guest>>,
    /// From the Hello on.
    who: Option<Who>,
    wakes_at: Tick,
    /// The reconnect window that the client was told last.
    told_ms: u32,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Open,
    /// The last frame is given; the rest of what comes in is thrown away, so that the system does
    /// not reset the connection before the peer has read that frame.
    Closing {
        until: Time,
        is_shut: bool,
    },
}

struct Unsent {
    bytes: Vec<u8>,
    sent: usize,
}

/// What is known of a connection without a session.
struct Guest {
    stranger: Stranger,
    attempt: Option<Attempt>,
}

/// A Hello that waits for its answer, for the log.
struct Attempt {
    device: DeviceId,
    intent: Intent,
}

#[derive(Clone)]
struct Who {
    app: AppId,
    user: UserId,
    session: SessionId,
}

/// The buffers of a thread.
struct Scratch {
    read: Box<[u8]>,
    work: Work,
}

/// What one turn of a task needs.
struct Work {
    now: Time,
    out: Vec<u8>,
    outputs: Vec<Output>,
    close_code: Option<CloseCode>,
}

enum Turn {
    Wait,
    Over,
}

enum Read {
    Bytes,
    Nothing,
    End,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Task<S> {
    /// A connection whose upgrade is accepted: `answer` goes out first, `early` came in behind the
    /// request.
    pub(super) fn new(
        io: S,
        open: Open,
        stranger: Stranger,
        accepted: Time,
        answer: Vec<u8>,
        early: &mut [u8],
    ) -> Self {
        let gateway = open.gateway();
        let conn = gateway.hub.enter();
        // The hub may have told everybody just before this one entered.
        match *gateway.stage.borrow() {
            Stage::Serving => {}
            Stage::Draining => conn.put(Mail::Input(gateway.drain_input())),
            Stage::Ending => conn.kill(),
        }
        let mut task = Self {
            io,
            open,
            conn,
            decoder: Decoder::new(Role::Server),
            machine: Connection::new(accepted),
            unsent: Some(Box::new(Unsent { bytes: answer, sent: 0 })),
            guest: Some(Box::new(Guest { stranger, attempt: None })),
            who: None,
            wakes_at: Tick::default(),
            told_ms: 0,
            phase: Phase::Open,
        };
        if !early.is_empty() {
            SCRATCH.with_borrow_mut(|scratch| {
                scratch.work.begin(task.gateway().clock.now());
                task.receive(early, &mut scratch.work);
                task.hold_back(&mut scratch.work);
            });
        }
        task
    }

    fn run(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Poll<()> {
        let now = self.gateway().clock.now();
        scratch.work.begin(now);
        match self.conn.listen(cx.waker()) {
            Order::GoOn => {}
            Order::CutOff => self.handle(Input::SlowReader, &mut scratch.work),
            Order::Die => return Poll::Ready(()),
        }
        if matches!(self.phase, Phase::Closing { until, .. } if until <= now) {
            return Poll::Ready(());
        }
        self.hold_back(&mut scratch.work);
        let mut turn = self.turn(cx, scratch);
        // After the reading: a server that was held up finds its clients' bytes first, and does not
        // take them for dead.
        if self.phase == Phase::Open && self.machine.next_timeout().is_some_and(|at| at <= now) {
            self.handle(Input::Timeout, &mut scratch.work);
            self.hold_back(&mut scratch.work);
            turn = turn.and_then(|turn| match turn {
                Turn::Wait => self.turn(cx, scratch),
                Turn::Over => Ok(Turn::Over),
            });
        }
        match turn {
            Ok(Turn::Wait) => {
                self.arm(now);
                Poll::Pending
            }
            // A transport that fails is a lost link, and nothing more (I1).
            Ok(Turn::Over) | Err(_) => Poll::Ready(()),
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> io::Result<Turn> {
        for _ in 0..ROUNDS {
            // Who does not read is not read from: else the answers would pile up.
            if !self.flush(cx)? {
                return Ok(Turn::Wait);
            }
            let is_mail_left = self.take_mail(&mut scratch.work);
            let read = self.read(cx, scratch)?;
            self.write(cx, &mut scratch.work)?;
            if matches!(read, Read::End) {
                return Ok(Turn::Over);
            }
            if self.unsent.is_some() || is_mail_left || matches!(read, Read::Bytes) {
                continue;
            }
            if !self.flush(cx)? {
                return Ok(Turn::Wait);
            }
            return self.shut(cx).map(|()| Turn::Wait);
        }
        cx.waker().wake_by_ref();
        Ok(Turn::Wait)
    }

    /// Puts mail to work until there is enough to write; whether some is left.
    fn take_mail(&mut self, work: &mut Work) -> bool {
        while self.phase == Phase::Open {
            if work.out.len() >= WRITE_BYTES {
                return true;
            }
            match self.conn.take() {
                Some(Mail::Frame(frame)) => work.out.extend_from_slice(&frame),
                Some(Mail::Input(input)) => self.handle(input, work),
                Some(Mail::AppDeleted(at)) => self.app_deleted(at, work),
                None => return false,
            }
        }
        false
    }

    fn read(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> io::Result<Read> {
        let mut buffer = ReadBuf::new(&mut scratch.read);
        match Pin::new(&mut self.io).poll_read(cx, &mut buffer) {
            Poll::Pending => return Ok(Read::Nothing),
            Poll::Ready(result) => result?,
        }
        let bytes = buffer.filled_mut();
        if bytes.is_empty() {
            return Ok(Read::End);
        }
        self.receive(bytes, &mut scratch.work);
        Ok(Read::Bytes)
    }

    /// Writes what the turn has made; the rest is kept.
    fn write(&mut self, cx: &mut Context<'_>, work: &mut Work) -> io::Result<()> {
        let mut sent = 0;
        while sent < work.out.len() {
            match Pin::new(&mut self.io).poll_write(cx, &work.out[sent..]) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(n)) => sent += n,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    let bytes = work.out[sent..].to_vec();
                    self.unsent = Some(Box::new(Unsent { bytes, sent: 0 }));
                    break;
                }
            }
        }
        work.out.clear();
        Ok(())
    }

    /// Whether nothing is left to be written.
    fn flush(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        while let Some(unsent) = &mut self.unsent {
            let rest = &unsent.bytes[unsent.sent..];
            if rest.is_empty() {
                self.unsent = None;
                break;
            }
            match Pin::new(&mut self.io).poll_write(cx, rest)? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(n) => unsent.sent += n,
                Poll::Pending => return Ok(false),
            }
        }
        Ok(Pin::new(&mut self.io).poll_flush(cx)?.is_ready())
    }

    /// Puts what the turn has made behind what is still unsent.
    fn hold_back(&mut self, work: &mut Work) {
        if let Some(unsent) = &mut self.unsent {
            unsent.bytes.append(&mut work.out);
        }
    }

    /// Says that nothing more will come, once all is written.
    fn shut(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if let Phase::Closing { is_shut: is_shut @ false, .. } = &mut self.phase {
            *is_shut = Pin::new(&mut self.io).poll_shutdown(cx)?.is_ready();
        }
        Ok(())
    }

    /// Takes a place in the wheel if the one it has is not right.
    fn arm(&mut self, now: Time) {
        let at = match self.phase {
            Phase::Open => self.machine.next_timeout().expect("an open machine has a timeout"),
            Phase::Closing { until, .. } => until,
        };
        if self.wakes_at <= Tick::of(now) || Tick::after(at) < self.wakes_at {
            self.wakes_at = self.gateway().wheel.arm(self.conn.number, at);
        }
    }
}

impl<S> Task<S> {
    fn receive(&mut self, bytes: &mut [u8], work: &mut Work) {
        self.handle(Input::Heard, work);
        let mut input = bytes;
        while self.phase == Phase::Open {
            match self.decoder.decode(&mut input, self.machine.max_frame()) {
                Ok(Some(message)) => self.message(message, work),
                Ok(None) => return,
                Err(violation) => self.broken(violation, work),
            }
        }
    }

    fn message(&mut self, message: Message<'_>, work: &mut Work) {
        match message {
            Message::Binary(payload) => {
                let bytes = Bytes::from(payload.into_owned());
                let input = codec::decode_client(bytes).map_or_else(Input::BadFrame, Input::Frame);
                self.handle(input, work);
            }
            Message::Ping(payload) => work.out.extend_from_slice(&pong(&payload)),
            Message::Pong(_) => {}
            Message::Close(code) => {
                work.close_code = Some(code.unwrap_or(CloseCode::NORMAL));
                self.close(work);
            }
        }
    }

    fn broken(&mut self, violation: Violation, work: &mut Work) {
        let code = match violation {
            Violation::TooBig => Code::FRAME_TOO_LARGE,
            _ => Code::PROTOCOL_ERROR,
        };
        work.close_code = Some(violation.close_code());
        let text = format!("WebSocket: {violation}");
        self.handle(Input::BadFrame(Error::new(code).with_text(text).into()), work);
    }

    fn handle(&mut self, mut input: Input, work: &mut Work) {
        match &mut input {
            Input::Bound(welcome) => {
                welcome.limits = self.gateway().limits();
                self.told_ms = welcome.limits.reconnect_window_ms;
                if let Some(who) = &mut self.who {
                    who.session = welcome.session;
                }
                if welcome.binding == Binding::Resumed {
                    self.gateway().metrics.resumes.add(1);
                }
                self.hello_answered(None, work.now);
                self.guest = None;
            }
            Input::Refused(refuse) => self.hello_answered(Some(&refuse.error), work.now),
            _ => {}
        }
        let mut outputs = std::mem::take(&mut work.outputs);
        self.machine.handle(work.now, self.conn.head(), input, &mut outputs);
        for output in outputs.drain(..) {
            self.perform(output, work);
        }
        work.outputs = outputs;
    }

    fn perform(&mut self, output: Output, work: &mut Work) {
        match output {
            Output::Transmit(frame) => self.transmit(&frame, work),
            Output::Bind(hello) => {
                if let Err(refuse) = self.bind(*hello, work.now) {
                    self.handle(Input::Refused(refuse), work);
                }
            }
            Output::EndSession(end) => {
                // What is not taken is not answered, and so asked again (P-7).
                let _ = self.gateway().store.submit(ask::end_session(*end, self.id()));
            }
            Output::Submit { id, body } => {
                if let Err(error) = self.submit(id, body) {
                    self.handle(Input::Answered { id, body: Err(error) }, work);
                }
            }
            // Nothing is kept of it: the device says in its next Hello what it has (W-4).
            Output::Ack(_) => {}
            Output::Close => self.close(work),
        }
    }

    fn transmit(&mut self, frame: &ServerFrame, work: &mut Work) {
        let error = match frame {
            ServerFrame::Close(close) => Some(&close.error),
            ServerFrame::Refuse(refuse) => Some(&refuse.error),
            _ => None,
        };
        if let Some(error) = error {
            // The range of the number says what an old client must do, here too (W-5).
            work.close_code.get_or_insert_with(|| CloseCode(4_000 + error.code.0.min(999)));
        }
        if let ServerFrame::Close(close) = frame {
            self.gateway().metrics.closes.count(Some(close.error.code));
        }
        put(frame, work);
        if let ServerFrame::Ping { .. } = frame {
            let limits = self.gateway().limits();
            if pace::is_news(self.told_ms, limits.reconnect_window_ms) {
                self.told_ms = limits.reconnect_window_ms;
                put(&ServerFrame::Limits(limits), work);
            }
        }
    }

    /// The account that is signed in here is gone with its app. Who has no session yet is refused by
    /// the store.
    fn app_deleted(&mut self, at: WallTime, work: &mut Work) {
        if let (None, Some(who)) = (&self.guest, &self.who) {
            self.gateway().metrics.kicks.add(1);
            let kick = Box::new(ask::app_deleted(who.session, at));
            self.handle(Input::Displaced { kick, until: None }, work);
        }
    }

    fn bind(&mut self, hello: Hello, now: Time) -> Result<(), Box<Refuse>> {
        let who = Who { app: hello.app, user: hello.user.clone(), session: SessionId([0; 16]) };
        let gateway = Arc::clone(self.gateway());
        let guest = self.guest.as_mut().expect("nobody is bound before the first hello");
        guest.attempt = Some(Attempt { device: hello.device.id, intent: hello.intent });
        let is_login = hello.resume.is_none() || hello.intent != Intent::Automatic;
        let admitted = guest.stranger.admit(is_login, (who.app, &who.user), now);
        let app = gateway.store.app(who.app);
        self.conn.enter_app(who.app);
        self.who = Some(who);
        admitted.map_err(ask::refuse)?;
        let Some(app) = app else {
            return Err(ask::no_app(&hello, &gateway.store.deleted_apps()));
        };
        let checked = app.minimum.check(hello.proto, &hello.sdk, hello.device.platform);
        checked.map_err(ask::refuse)?;
        let (desk, wall) = (&gateway.third_party, gateway.clock.wall());
        let submitted = match ask::look(hello.credential.as_ref(), &app, &hello.user, desk, wall) {
            Look::Known(proof) => gateway.store.submit(ask::bind(hello, proof, self.id())),
            Look::Asked(question) => {
                let question = question.on(&hello.device, &hello.sdk, &hello.login_extension);
                let (conn, id) = (Arc::clone(&self.conn), self.id());
                third_party::ask(&gateway, question, move |gateway, verdict| {
                    if conn.is_gone() {
                        return;
                    }
                    let bind = ask::bind(hello, verdict.map(Proof::Verdict), id);
                    if let Err(error) = gateway.store.submit(bind) {
                        conn.put(Mail::Input(Input::Refused(ask::refuse(error))));
                    }
                })
            }
        };
        submitted.map_err(ask::refuse)
    }

    fn submit(&self, id: u32, body: Request) -> Result<(), Error> {
        let gateway = self.gateway();
        let who = self.who.as_ref().expect("requests are taken after a hello only");
        let user = self.conn.user().ok_or(Code::CONNECTION_SUPERSEDED)?;
        if matches!(body, Request::Send { .. }) {
            gateway.metrics.sends.add(1);
        }
        let from = Origin { user, session: who.session, conn: self.id() };
        let ask = match body {
            Request::Renew(credential) => {
                let app = gateway.store.app(who.app).ok_or(Code::UNKNOWN_APP)?;
                let (desk, wall) = (&gateway.third_party, gateway.clock.wall());
                match ask::look(Some(&credential), &app, &who.user, desk, wall) {
                    Look::Known(proof) => ask::renew(proof)?,
                    Look::Asked(question) => return self.renew_later(*question, from, id),
                }
            }
            body => ask::request(body)?,
        };
        gateway.store.submit(Command::Request { from, id, ask })
    }

    /// A renewal with a credential that the app's own server is asked about.
    fn renew_later(&self, question: Question, from: Origin, id: u32) -> Result<(), Error> {
        let conn = Arc::clone(&self.conn);
        third_party::ask(self.gateway(), question, move |gateway, verdict| {
            let submitted = verdict.and_then(|verdict| {
                let ask = Ask::Renew(verdict);
                gateway.store.submit(Command::Request { from, id, ask })
            });
            if let Err(error) = submitted {
                conn.put(Mail::Input(Input::Answered { id, body: Err(error) }));
            }
        })
    }

    /// The end: the session goes off the connection at once, the socket when it is flushed.
    fn close(&mut self, work: &mut Work) {
        self.leave();
        let code = work.close_code.unwrap_or(CloseCode::NORMAL);
        work.out.extend_from_slice(&close(code, ""));
        self.phase = Phase::Closing { until: work.now + CLOSE_MS, is_shut: false };
    }

    fn leave(&mut self) {
        let gateway = self.open.gateway();
        if let Some(user) = gateway.hub.leave(&self.conn) {
            gateway.store.detach(user, self.id());
        }
    }

    fn hello_answered(&mut self, refused: Option<&Error>, now: Time) {
        let code = refused.map(|error| error.code);
        self.gateway().metrics.logins.count(code);
        let Some(guest) = &mut self.guest else { return };
        if code.is_some_and(Code::is_credential) {
            guest.stranger.note_refused(now);
        }
        let (Some(attempt), Some(who)) = (guest.attempt.take(), &self.who) else { return };
        tracing::info!(
            target: "homing::session",
            app = %who.app,
            user = %who.user,
            device = %attempt.device,
            intent = ?attempt.intent,
            result = code.map_or("ok", Code::name),
            "login",
        );
    }

    fn id(&self) -> ConnId {
        self.gateway().conn_id(&self.conn)
    }

    const fn gateway(&self) -> &Arc<Gateway> {
        self.open.gateway()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Task<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        SCRATCH.with_borrow_mut(|scratch| self.run(cx, scratch))
    }
}

impl<S> Drop for Task<S> {
    fn drop(&mut self) {
        self.leave();
        self.gateway().hub.remove(&self.conn);
    }
}

impl Work {
    fn begin(&mut self, now: Time) {
        self.now = now;
        self.close_code = None;
        self.out.clear();
        self.out.shrink_to(limits::FRAME_MAX);
        self.outputs.clear();
    }
}

fn put(frame: &ServerFrame, work: &mut Work) {
    let bytes = codec::encode_server(frame);
    put_header(&mut work.out, Opcode::Binary, bytes.len());
    work.out.extend_from_slice(&bytes);
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        read: vec![0; READ_BYTES].into_boxed_slice(),
        work: Work { now: Time(0), out: Vec::new(), outputs: Vec::new(), close_code: None },
    });
}

/// Read at once: a burst of small frames, or most of a large one.
const READ_BYTES: usize = 64 * 1024;
/// Written at once.
const WRITE_BYTES: usize = 64 * 1024;
/// Reads and writes before others have their turn.
const ROUNDS: usize = 8;
/// From the last frame to the end of the socket, whatever the peer does.
const CLOSE_MS: u64 = 3_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_at_rest_is_small() {
        let plain = size_of::<Task<tokio::net::TcpStream>>();
        let over_tls = size_of::<Task<crate::gateway::tls::TlsStream>>();
        println!("{plain} and {over_tls} bytes");
        assert!(plain < 256 && over_tls < 288, "{plain} and {over_tls}");
    }
}
