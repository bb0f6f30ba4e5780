//! One connection as the server sees it: hello, requests, timeouts, and the last frame.
//!
//! The shell feeds [`Connection::handle`] with everything that happens and does what comes out, in
//! order. Pushes and device lists do not pass through here: whoever writes the log hands them to the
//! connection in commit order, after [`Input::Bound`] (W-3).

use homing_proto::code::{Code, Error};
use homing_proto::codec::BadFrame;
use homing_proto::device::KickRecord;
use homing_proto::frame::{
    ClientFrame, Close, EndSession, Hello, Refuse, Request, Response, ServerFrame, Welcome,
};
use homing_proto::id::{Cursor, SessionId};
use homing_proto::limits;
use homing_proto::time::{Time, WallTime};

use super::registry::kick_code;

/// The session machine of one connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Connection {
    state: State,
    /// When the last bytes came in.
    heard: Time,
    /// EndSession frames taken so far.
    end_sessions: u8,
}

/// What happens to a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// A frame came in.
    Frame(ClientFrame),
    /// A frame came in that cannot be taken.
    BadFrame(BadFrame),
    /// Bytes came in that are no whole frame yet: proof of life.
    Heard,
    /// The Hello was accepted.
    Bound(Box<Welcome>),
    /// The Hello was refused.
    Refused(Box<Refuse>),
    /// An [`Output::EndSession`] is durable.
    SessionEnded(SessionId),
    /// An [`Output::Submit`] has its answer.
    Answered {
        /// From the request.
        id: u32,
        /// The answer.
        body: Result<Response, Error>,
    },
    /// The session lost its place (S-7.6).
    Displaced {
        /// To whom, why and when.
        kick: Box<KickRecord>,
        /// When what ended it is over by itself: the end of a ban.
        until: Option<WallTime>,
    },
    /// The session was ended by its own device, over another connection (S-9.2).
    LoggedOut,
    /// The session is on a newer connection of its device (S-7.3).
    Superseded,
    /// The server stops (S-6.7).
    Drain {
        /// Over this the clients spread their return, in milliseconds.
        window_ms: u32,
    },
    /// What waits to be read by the client has passed its bound (W-7).
    SlowReader,
    /// [`Connection::next_timeout`] has come.
    Timeout,
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Send a frame.
    Transmit(ServerFrame),
    /// Verify the credential and bind; comes back as [`Input::Bound`] or [`Input::Refused`].
    Bind(Box<Hello>),
    /// End a session; comes back as [`Input::SessionEnded`].
    EndSession(Box<EndSession>),
    /// Carry out a request; comes back as [`Input::Answered`].
    Submit {
        /// From the request.
        id: u32,
        /// What is asked.
        body: Request,
    },
    /// The device has the log up to here.
    Ack(Cursor),
    /// Send what waits, close the transport, and detach what is or will be bound to it. Comes once,
    /// last.
    Close,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum State {
    AwaitHello { deadline: Time },
    Binding,
    Live(Live),
    Closed,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Live {
    ping_at: Time,
    expiry: Expiry,
    logout: Option<u32>,
    in_flight: u8,
    /// Requests over a bound since the last one that was taken.
    excess: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Expiry {
    Never,
    At { at: Time, warned: bool },
}

impl Connection {
    /// A connection that was just accepted.
    pub fn new(now: Time) -> Self {
        Self {
            state: State::AwaitHello { deadline: now + limits::HELLO_TIMEOUT_MS },
            heard: now,
            end_sessions: 0,
        }
    }

    /// Takes one input. `head` is the head of the user's log, 0 while nobody is bound.
    ///
    /// Any input is legal at any time; after [`Output::Close`] all are ignored.
    pub fn handle(&mut self, now: Time, head: u64, input: Input, out: &mut Vec<Output>) {
        if self.is_closed() {
            return;
        }
        match input {
            Input::Frame(frame) => {
                self.heard = now;
                self.frame(head, frame, out);
            }
            Input::BadFrame(bad) => self.bad_frame(bad, out),
            Input::Heard => self.heard = now,
            Input::Bound(welcome) => self.bound(now, welcome, out),
            Input::Refused(refuse) => self.refused(refuse, out),
            Input::SessionEnded(session) => {
                out.push(Output::Transmit(ServerFrame::Ended(session)));
            }
            Input::Answered { id, body } => self.answered(now, id, body, out),
            Input::Displaced { kick, until } => {
                let error = Error::new(kick_code(kick.reason)).until(until);
                let over = for_good(error.code);
                self.close(Close { error, kick: Some(*kick), ..over }, out);
            }
            Input::LoggedOut => self.close(for_good(Code::SESSION_ENDED), out),
            Input::Superseded => self.close(for_now(Code::CONNECTION_SUPERSEDED), out),
            Input::Drain { window_ms } => {
                let retry_window_ms = Some(window_ms);
                self.close(Close { retry_window_ms, ..for_now(Code::SERVER_STOPPING) }, out);
            }
            Input::SlowReader => self.close(for_now(Code::SLOW_READER), out),
            Input::Timeout => self.timeout(now, head, out),
        }
    }

    /// When to call with [`Input::Timeout`] next; `None` once it is closed.
    pub fn next_timeout(&self) -> Option<Time> {
        match &self.state {
            State::AwaitHello { deadline } => Some(*deadline),
            State::Binding => Some(self.heard + limits::SERVER_LIVENESS_MS),
            State::Live(live) => {
                let dead_at = self.heard + limits::SERVER_LIVENESS_MS;
                let soonest = dead_at.min(live.ping_at);
                Some(live.expiry.next().map_or(soonest, |at| at.min(soonest)))
            }
            State::Closed => None,
        }
    }

    /// The largest frame to read, in bytes (W-7).
    pub const fn max_frame(&self) -> usize {
        match self.state {
            State::Live(_) => limits::FRAME_MAX,
            State::AwaitHello { .. } | State::Binding | State::Closed => limits::FRAME_MAX_UNBOUND,
        }
    }

    /// Whether [`Output::Close`] was given.
    pub const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    fn frame(&mut self, head: u64, frame: ClientFrame, out: &mut Vec<Output>) {
        match (frame, &mut self.state) {
            (ClientFrame::Hello(hello), State::AwaitHello { .. }) => self.hello(hello, out),
            (ClientFrame::Request { id, body }, State::Live(_)) => self.request(id, body, out),
            (ClientFrame::Ack(cursor), State::Live(_)) => out.push(Output::Ack(cursor)),
            (ClientFrame::EndSession(end), _) => self.end_session(end, out),
            (ClientFrame::Ping { nonce }, _) => {
                out.push(Output::Transmit(ServerFrame::Pong { nonce, head }));
            }
            (ClientFrame::Pong { .. } | ClientFrame::Unknown, _) => {}
            (ClientFrame::Hello(_), _) => self.out_of_order("a second hello", out),
            (ClientFrame::Request { .. } | ClientFrame::Ack(_), _) => {
                self.out_of_order(EARLY_REQUEST, out);
            }
        }
    }

    fn hello(&mut self, hello: Box<Hello>, out: &mut Vec<Output>) {
        if hello.proto < limits::PROTO_MIN {
            let text = format!("the lowest version taken is {}", limits::PROTO_MIN);
            self.refuse(Error::new(Code::VERSION_TOO_OLD).with_text(text), out);
            return;
        }
        self.state = State::Binding;
        out.push(Output::Bind(hello));
    }

    fn request(&mut self, id: u32, body: Request, out: &mut Vec<Output>) {
        let State::Live(live) = &mut self.state else { return };
        if body == Request::Unknown {
            out.push(fault(id, Code::UNKNOWN_OPERATION.into()));
            return;
        }
        if usize::from(live.in_flight) >= limits::IN_FLIGHT {
            let error = Error::new(Code::RATE_LIMITED).retry_after(limits::IN_FLIGHT_RETRY_MS);
            self.turn_down(id, error, out);
            return;
        }
        live.excess = 0;
        live.in_flight += 1;
        if body == Request::Logout {
            live.logout = Some(id);
        }
        out.push(Output::Submit { id, body });
    }

    /// A request over a bound gets a typed answer, and too many in a row a close (W-7).
    fn turn_down(&mut self, id: u32, error: Error, out: &mut Vec<Output>) {
        let State::Live(live) = &mut self.state else { return };
        live.excess += 1;
        if usize::from(live.excess) > limits::IN_FLIGHT_EXCESS {
            self.close(for_now(Code::RATE_LIMITED), out);
        } else {
            out.push(fault(id, error));
        }
    }

    fn end_session(&mut self, end: EndSession, out: &mut Vec<Output>) {
        if u32::from(self.end_sessions) >= limits::END_SESSIONS_PER_CONNECTION {
            self.close(for_now(Code::RATE_LIMITED), out);
            return;
        }
        self.end_sessions += 1;
        out.push(Output::EndSession(Box::new(end)));
    }

    fn bad_frame(&mut self, bad: BadFrame, out: &mut Vec<Output>) {
        let BadFrame { request, error } = bad;
        match (&self.state, request) {
            (State::Live(_), Some(id)) => self.turn_down(id, error, out),
            // What came instead of a hello is refused like one: one question, one answer (W-3).
            (State::AwaitHello { .. }, None) => self.refuse(error, out),
            (State::AwaitHello { .. } | State::Binding, Some(_)) => {
                self.out_of_order(EARLY_REQUEST, out);
            }
            (State::Binding | State::Live(_), None) => {
                self.close(Close { error, ..for_now(Code::PROTOCOL_ERROR) }, out);
            }
            (State::Closed, _) => {}
        }
    }

    fn bound(&mut self, now: Time, welcome: Box<Welcome>, out: &mut Vec<Output>) {
        if self.state != State::Binding {
            return;
        }
        let mut live = Live {
            ping_at: now + limits::PING_MS,
            expiry: Expiry::in_ms(now, welcome.credential_expires_in_ms),
            logout: None,
            in_flight: 0,
            excess: 0,
        };
        out.push(Output::Transmit(ServerFrame::Welcome(welcome)));
        live.expiry.warn(now, out);
        self.state = State::Live(live);
    }

    fn refused(&mut self, refuse: Box<Refuse>, out: &mut Vec<Output>) {
        if self.state == State::Binding {
            self.finish(ServerFrame::Refuse(refuse), out);
        }
    }

    fn answered(
        &mut self,
        now: Time,
        id: u32,
        body: Result<Response, Error>,
        out: &mut Vec<Output>,
    ) {
        let State::Live(live) = &mut self.state else { return };
        live.in_flight = live.in_flight.saturating_sub(1);
        if let Ok(Response::Renewed { credential_expires_in_ms }) = body {
            live.expiry = Expiry::in_ms(now, credential_expires_in_ms);
        }
        let logged_out = live.logout == Some(id) && body == Ok(Response::Done);
        let response = ServerFrame::Response { id, body };
        if logged_out {
            self.finish(response, out);
            return;
        }
        out.push(Output::Transmit(response));
        live.expiry.warn(now, out);
    }

    fn timeout(&mut self, now: Time, head: u64, out: &mut Vec<Output>) {
        let dead = now >= self.heard + limits::SERVER_LIVENESS_MS;
        match &mut self.state {
            State::AwaitHello { deadline } if now >= *deadline => {
                self.close(for_now(Code::HELLO_TIMEOUT), out);
            }
            State::Binding | State::Live(_) if dead => self.close(for_now(Code::LIVENESS), out),
            State::Live(live) if live.expiry.is_over(now) => {
                self.close(for_now(Code::CREDENTIAL_EXPIRED), out);
            }
            State::Live(live) => {
                live.expiry.warn(now, out);
                if now >= live.ping_at {
                    live.ping_at = now + limits::PING_MS;
                    // Any nonce serves: the answer is not matched, every byte is proof of life.
                    out.push(Output::Transmit(ServerFrame::Ping { nonce: 0, head }));
                }
            }
            State::AwaitHello { .. } | State::Binding | State::Closed => {}
        }
    }

    fn out_of_order(&mut self, what: &str, out: &mut Vec<Output>) {
        let error = Error::new(Code::PROTOCOL_ERROR).with_text(what);
        self.close(Close { error, ..for_now(Code::PROTOCOL_ERROR) }, out);
    }

    fn refuse(&mut self, error: Error, out: &mut Vec<Output>) {
        let refuse = Refuse { error, terminal: true, kick: None, holders: Vec::new() };
        self.finish(ServerFrame::Refuse(Box::new(refuse)), out);
    }

    fn close(&mut self, close: Close, out: &mut Vec<Output>) {
        self.finish(ServerFrame::Close(Box::new(close)), out);
    }

    fn finish(&mut self, last: ServerFrame, out: &mut Vec<Output>) {
        self.state = State::Closed;
        out.push(Output::Transmit(last));
        out.push(Output::Close);
    }
}

impl Expiry {
    fn in_ms(now: Time, left_ms: Option<u64>) -> Self {
        left_ms.map_or(Self::Never, |ms| Self::At { at: now + ms, warned: false })
    }

    fn next(self) -> Option<Time> {
        match self {
            Self::Never => None,
            Self::At { at, warned: true } => Some(at),
            Self::At { at, warned: false } => Some(at - limits::EXPIRY_WARNING_MS),
        }
    }

    fn is_over(self, now: Time) -> bool {
        matches!(self, Self::At { at, .. } if now >= at)
    }

    /// Warns once, when it is time to (S-8.3).
    fn warn(&mut self, now: Time, out: &mut Vec<Output>) {
        let Self::At { at, warned } = self else { return };
        if *warned || now < *at - limits::EXPIRY_WARNING_MS {
            return;
        }
        *warned = true;
        let seconds = u32::try_from(at.since(now).div_ceil(1000)).unwrap_or(u32::MAX);
        out.push(Output::Transmit(ServerFrame::CredentialExpiring { seconds }));
    }
}

const EARLY_REQUEST: &str = "a request before the welcome";

/// The last frame to a session that is over.
fn for_good(code: Code) -> Close {
    Close { terminal: true, resume_ok: false, ..for_now(code) }
}

/// The last frame on a connection whose session goes on, if it has one.
fn for_now(code: Code) -> Close {
    Close {
        error: code.into(),
        terminal: false,
        retry_window_ms: None,
        resume_ok: true,
        kick: None,
    }
}

fn fault(id: u32, error: Error) -> Output {
    Output::Transmit(ServerFrame::Response { id, body: Err(error) })
}
