//! One device that does as it pleases, and writes down what it asked and what it was told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use homing_proto::Code;
use homing_proto::device::Platform;
use homing_proto::frame::{self, ClientFrame, EndSession, Intent, Request, Response, ServerFrame};
use homing_proto::id::{AppId, DeviceId, LoginId, SessionId, UserId};
use homing_proto::secret::{SessionSecret, Token};

use super::double::{Double, End};
use super::event::{
    Conn, Credential, Event, Facts, Fate, Hello, HelloAnswer, Login, Mark, Resume, Secret, What,
};
use crate::crowd;
use crate::link::{Link, Lost, Target, source};

/// Where clients connect to.
#[derive(Clone)]
pub(crate) enum Subject {
    Server(Target),
    Double(Arc<Double>),
}

/// The numbers and the clock that all clients of a run share.
pub(crate) struct Shared {
    pub(crate) subject: Subject,
    pub(crate) app: AppId,
    began: Instant,
    last: AtomicU32,
}

/// What one client has written down.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) events: Vec<Event>,
    pub(crate) facts: Facts,
    pub(crate) dropped: Vec<(Conn, u64)>,
}

/// A client, with at most one session and one connection at rest.
pub(crate) struct Client {
    shared: Arc<Shared>,
    pub(crate) user: UserId,
    token: Token,
    worker: usize,
    pub(crate) device: Install,
    pub(crate) held: Option<Held>,
    pub(crate) line: Option<Line>,
    pub(crate) notes: Notes,
    /// The last list it was told.
    pub(crate) list: Vec<SessionId>,
}

/// A device, as the server knows it.
pub(crate) struct Install {
    id: DeviceId,
    pub(crate) platform: Platform,
    pub(crate) custom_type: u32,
    pub(crate) counter: u64,
}

/// A session that the client believes it has.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) session: SessionId,
    secret: SessionSecret,
    mark: Secret,
    epoch: u64,
}

/// What a Hello is to be.
pub(crate) struct Plan {
    pub(crate) intent: Intent,
    pub(crate) login: Option<Login>,
    pub(crate) resume: With,
    pub(crate) credential: Credential,
    pub(crate) wait: Wait,
}

/// Whether the held session is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum With {
    Nothing,
    Session,
}

/// Whether the client stays for the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wait {
    ForAnswer,
    /// It lets go as soon as its question is on the wire.
    No,
}

/// What a Hello was answered, in short.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Told {
    Yes,
    No(Code),
    /// Nobody waited.
    Nothing,
}

/// A connection.
pub(crate) struct Line {
    wire: Wire,
    conn: Conn,
    session: SessionId,
    frames: u32,
    /// When the frame that came last was asked for.
    since: u64,
    requests: u32,
}

#[allow(clippy::large_enum_variant, reason = "there are 64 of them")]
enum Wire {
    Link(Link),
    End(End),
}

impl Shared {
    pub(crate) fn new(subject: Subject, app: AppId) -> Self {
        Self { subject, app, began: Instant::now(), last: AtomicU32::new(0) }
    }

    const fn is_double(&self) -> bool {
        matches!(self.subject, Subject::Double(_))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// A number that nobody else of the run gets.
    fn number(&self) -> u32 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Client {
    pub(crate) fn new(shared: Arc<Shared>, user: UserId, token: Token, worker: usize) -> Self {
        let device =
            Install { id: DeviceId([0; 16]), platform: Platform::Web, custom_type: 0, counter: 0 };
        Self {
            shared,
            user,
            token,
            worker,
            device,
            held: None,
            line: None,
            notes: Notes::default(),
            list: Vec::new(),
        }
    }

    /// Goes on as another device, without a session.
    pub(crate) fn become_new_device(&mut self, platform: Platform, custom_type: u32) {
        self.drop_line();
        self.held = None;
        let mut id = [0x80; 16];
        id[12..].copy_from_slice(&self.shared.number().to_be_bytes());
        self.device = Install { id: DeviceId(id), platform, custom_type, counter: 0 };
    }

    /// The name of a login that is about to be made.
    pub(crate) fn new_login(&self) -> Login {
        Login(self.shared.number())
    }

    /// Says Hello on a new connection. An older one of this client hears then that it was replaced.
    ///
    /// # Errors
    /// When the server says what it must not, or is not there.
    pub(crate) async fn hello(&mut self, plan: &Plan) -> Result<Told, Lost> {
        let held = self.held.clone().filter(|_| plan.resume == With::Session);
        let hello = Hello {
            mark: Mark(self.shared.number()),
            device: self.device.id,
            platform: self.device.platform,
            custom_type: self.device.custom_type,
            intent: plan.intent,
            resume: held.as_ref().map(|held| Resume {
                session: held.session,
                secret: held.mark,
                epoch: held.epoch,
            }),
            login: plan.login,
            counter: self.device.counter,
            credential: plan.credential,
        };
        let asked_frame = self.frame_of(&hello, held.as_ref());
        let mut line = self.connect().await?;
        let asked = self.shared.now();
        line.since = asked;
        line.put(&asked_frame);
        if plan.wait == Wait::No {
            line.flush().await?;
            self.notes.dropped.push((line.conn, self.shared.now()));
            self.note(line.conn, None, asked, None, What::Hello(hello, None));
            return Ok(Told::Nothing);
        }
        let answer = line.next().await?;
        let answered = Some(self.shared.now());
        let (answer, told, granted) = match answer {
            ServerFrame::Welcome(welcome) => {
                let devices = self.notes.facts.heard_list(&welcome.devices);
                self.list.clone_from(&devices);
                line.session = welcome.session;
                let secret =
                    welcome.secret.clone().map(|secret| (secret, Secret(self.shared.number())));
                let answer = HelloAnswer::Welcome {
                    session: welcome.session,
                    secret: secret.as_ref().map(|(_, mark)| *mark),
                    epoch: welcome.epoch,
                    binding: welcome.binding,
                    devices,
                };
                let held = match secret {
                    None => held,
                    Some((secret, mark)) => {
                        let (session, epoch) = (welcome.session, welcome.epoch);
                        Some(Held { session, secret, mark, epoch })
                    }
                };
                (answer, Told::Yes, held)
            }
            ServerFrame::Refuse(refuse) => {
                let kick = refuse.kick.as_ref().map(|kick| self.notes.facts.heard_kick(kick));
                let holders = self.notes.facts.heard_list(&refuse.holders);
                let answer = HelloAnswer::Refuse { code: refuse.error.code, kick, holders };
                (answer, Told::No(refuse.error.code), None)
            }
            other => return Err(Lost::Broken(format!("no answer to a hello: {other:?}"))),
        };
        self.note(line.conn, Some(0), asked, answered, What::Hello(hello, Some(answer)));
        if granted.is_some() {
            let older = self.line.replace(line);
            self.held = granted;
            if let Some(older) = older {
                self.hear_the_end(older).await?;
            }
        }
        Ok(told)
    }

    /// Asks for the list of the account's sessions.
    ///
    /// # Errors
    /// See [`hello`](Self::hello).
    pub(crate) async fn ask_list(&mut self, wait: Wait) -> Result<(), Lost> {
        let Some(asked) = self.request(Request::ListDevices, wait).await? else { return Ok(()) };
        let list = asked.reply.clone().map(|reply| match reply? {
            Response::Devices(devices) => Ok(self.notes.facts.heard_list(&devices)),
            _ => Err(Code::PROTOCOL_ERROR),
        });
        if let Some(Ok(list)) = &list {
            self.list.clone_from(list);
        }
        let what = What::List(asked.session, list);
        self.note(asked.conn, asked.frame, asked.asked, asked.answered, what);
        Ok(())
    }

    /// Ends other sessions.
    ///
    /// # Errors
    /// See [`hello`](Self::hello).
    pub(crate) async fn kick(&mut self, targets: Vec<SessionId>, wait: Wait) -> Result<(), Lost> {
        let body = Request::KickDevices(targets.clone());
        let Some(asked) = self.request(body, wait).await? else { return Ok(()) };
        let what = What::Kick(asked.session, targets, asked.done());
        self.note(asked.conn, asked.frame, asked.asked, asked.answered, what);
        Ok(())
    }

    /// Ends the own session.
    ///
    /// # Errors
    /// See [`hello`](Self::hello).
    pub(crate) async fn log_out(&mut self, wait: Wait) -> Result<(), Lost> {
        let Some(asked) = self.request(Request::Logout, wait).await? else { return Ok(()) };
        let done = asked.done();
        if done == Some(Ok(())) {
            self.held = None;
            self.line = None;
        }
        let what = What::Logout(asked.session, done);
        self.note(asked.conn, asked.frame, asked.asked, asked.answered, what);
        Ok(())
    }

    /// Ends the held session over a connection that has none, or says that its end was heard.
    ///
    /// # Errors
    /// See [`hello`](Self::hello).
    pub(crate) async fn end(&mut self) -> Result<(), Lost> {
        let Some(held) = self.held.take() else { return Ok(()) };
        let mut line = self.connect().await?;
        let asked = self.shared.now();
        line.put(&ClientFrame::EndSession(EndSession {
            app: self.shared.app,
            user: self.user.clone(),
            session: held.session,
            secret: held.secret.clone(),
        }));
        match line.next().await? {
            ServerFrame::Ended(session) if session == held.session => {}
            other => return Err(Lost::Broken(format!("no answer to an end: {other:?}"))),
        }
        let at = Some(self.shared.now());
        self.note(line.conn, Some(0), asked, at, What::End(held.session, held.mark));
        if let Some(line) = self.line.take() {
            self.hear_the_end(line).await?;
        }
        Ok(())
    }

    /// Lets go of the connection without a word.
    pub(crate) fn drop_line(&mut self) {
        if let Some(line) = self.line.take() {
            self.notes.dropped.push((line.conn, self.shared.now()));
        }
    }

    /// Asks on the connection and writes down what comes before the answer. `None` when there is no
    /// connection; no reply when it ended first, or nobody waited.
    async fn request(&mut self, body: Request, wait: Wait) -> Result<Option<Asked>, Lost> {
        let Some(mut line) = self.line.take() else { return Ok(None) };
        line.requests += 1;
        let id = line.requests;
        let mut asked = Asked {
            conn: line.conn,
            session: line.session,
            frame: None,
            asked: self.shared.now(),
            answered: None,
            reply: None,
        };
        line.put(&ClientFrame::Request { id, body });
        if wait == Wait::No {
            line.flush().await?;
            self.notes.dropped.push((line.conn, self.shared.now()));
            return Ok(Some(asked));
        }
        loop {
            let frame = line.next().await?;
            let now = self.shared.now();
            match frame {
                ServerFrame::Response { id: of, body } if of == id => {
                    asked.frame = Some(line.frames);
                    asked.answered = Some(now);
                    asked.reply = Some(body.map_err(|error| error.code));
                    line.frames += 1;
                    line.since = asked.asked;
                    self.line = Some(line);
                    return Ok(Some(asked));
                }
                other => {
                    if self.notice(&mut line, other, now)? == After::End {
                        return Ok(Some(asked));
                    }
                }
            }
        }
    }

    /// Reads on until the server's last frame, which must come.
    async fn hear_the_end(&mut self, mut line: Line) -> Result<(), Lost> {
        loop {
            let frame = match line.next().await {
                // A double that decides on stale copies forgets whom it owes an end: the client
                // lets go, and the checker judges what was told.
                Err(Lost::Broken(why)) if why == SILENCE && self.shared.is_double() => {
                    self.notes.dropped.push((line.conn, self.shared.now()));
                    return Ok(());
                }
                other => other?,
            };
            let now = self.shared.now();
            if self.notice(&mut line, frame, now)? == After::End {
                return Ok(());
            }
        }
    }

    /// Writes down what nobody asked for.
    fn notice(&mut self, line: &mut Line, frame: ServerFrame, now: u64) -> Result<After, Lost> {
        let (what, after) = match frame {
            ServerFrame::Devices(devices) => {
                let list = self.notes.facts.heard_list(&devices);
                self.list.clone_from(&list);
                (What::Devices(list), After::More)
            }
            ServerFrame::Close(close) => {
                let fate = match (close.kick, close.error.code) {
                    (Some(kick), _) => Fate::Kicked(self.notes.facts.heard_kick(&kick)),
                    (None, Code::CONNECTION_SUPERSEDED) => Fate::Superseded,
                    (None, Code::SESSION_ENDED) => Fate::LoggedOut,
                    (None, code) => return Err(Lost::Said(code)),
                };
                (What::Closed(line.session, fate), After::End)
            }
            ServerFrame::Push { .. } | ServerFrame::CredentialExpiring { .. } => {
                return Ok(After::More);
            }
            other => return Err(Lost::Broken(format!("nobody asked for {other:?}"))),
        };
        self.note(line.conn, Some(line.frames), line.since, Some(now), what);
        line.frames += 1;
        Ok(after)
    }

    fn note(
        &mut self,
        conn: Conn,
        frame: Option<u32>,
        asked: u64,
        answered: Option<u64>,
        what: What,
    ) {
        self.notes.events.push(Event { conn, frame, asked, answered, what });
    }

    fn frame_of(&self, hello: &Hello, held: Option<&Held>) -> ClientFrame {
        let mut frame = crowd::hello(self.shared.app, self.user.clone(), self.token.clone());
        frame.device.id = hello.device;
        frame.device.platform = hello.platform;
        frame.device.custom_type = hello.custom_type;
        frame.device.tag = hello.mark.tag();
        frame.intent = hello.intent;
        if hello.credential == Credential::Withheld {
            frame.credential = None;
        }
        frame.resume = held.map(|held| frame::Resume {
            session: held.session,
            secret: held.secret.clone(),
            epoch: held.epoch,
        });
        frame.counter = hello.counter;
        frame.login_id = hello.login.map(|login| LoginId(u128::from(login.0).to_be_bytes()));
        ClientFrame::Hello(Box::new(frame))
    }

    async fn connect(&self) -> Result<Line, Lost> {
        let wire = match &self.shared.subject {
            Subject::Server(target) => {
                Wire::Link(Link::connect(target, source(self.worker)).await?)
            }
            Subject::Double(double) => Wire::End(double.connect()),
        };
        let (conn, session) = (Conn(self.shared.number()), SessionId([0; 16]));
        Ok(Line { wire, conn, session, frames: 1, since: 0, requests: 0 })
    }
}

/// What became of a request.
struct Asked {
    conn: Conn,
    session: SessionId,
    frame: Option<u32>,
    asked: u64,
    answered: Option<u64>,
    reply: Option<Result<Response, Code>>,
}

impl Asked {
    fn done(&self) -> Option<Result<(), Code>> {
        self.reply.as_ref().map(|reply| match reply {
            Ok(Response::Done) => Ok(()),
            Ok(_) => Err(Code::PROTOCOL_ERROR),
            Err(code) => Err(*code),
        })
    }
}

/// Whether a connection goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    More,
    End,
}

impl Line {
    fn put(&mut self, frame: &ClientFrame) {
        match &mut self.wire {
            Wire::Link(link) => link.put(frame),
            Wire::End(end) => end.put(frame),
        }
    }

    async fn flush(&mut self) -> Result<(), Lost> {
        match &mut self.wire {
            Wire::Link(link) => link.flush().await,
            Wire::End(_) => Ok(()),
        }
    }

    /// The next frame. Who asks, or whose place was taken, is told something: silence is a fault.
    async fn next(&mut self) -> Result<ServerFrame, Lost> {
        let frame = async {
            match &mut self.wire {
                Wire::Link(link) => link.next_or_last().await,
                Wire::End(end) => end.next().await,
            }
        };
        let told = tokio::time::timeout(PATIENCE, frame).await;
        told.unwrap_or_else(|_| Err(Lost::Broken(SILENCE.to_owned())))
    }
}

/// How long a device waits to be told something: far more than a server under load needs.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a device says that was told nothing.
const SILENCE: &str = "the server owed a frame and nothing came";
