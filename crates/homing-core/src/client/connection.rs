//! The way to the server: dialing, Hello and its answers (S-6).

use homing_proto::device::{Device, KickReason, KickRecord};
use homing_proto::frame::{
    Binding, ClientFrame, Close, EndSession, Hello, Intent, Refuse, Resume, ServerFrame, Welcome,
};
use homing_proto::id::SessionId;
use homing_proto::limits::PROTO;
use homing_proto::time::{Time, WallTime};
use homing_proto::{Code, Error};

use super::account::LastLogin;
use super::link::{Counter, Link, Opening, Pulse, Rows, Settling, Wire};
use super::session::{Granted, Session, why};
use super::status::{CredentialStatus, Why};
use super::{Attempt, BatchId, Client, Event, Network, Output, Turn, Write};

/// What a new link would be for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// To sign in.
    Session,
    /// To deliver the ends of old sessions.
    Errand,
}

/// Whether the server calls a verdict the end of the session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    Terminal,
    Passing,
}

impl Ending {
    const fn of(terminal: bool) -> Self {
        if terminal { Self::Terminal } else { Self::Passing }
    }
}

impl Client {
    /// Dials, says Hello, or lets go, as the rest of the machine now needs it.
    pub(super) fn advance_link(&mut self, turn: &mut Turn<'_>) {
        if self.network == Network::Down || self.suspended.is_some() {
            if !matches!(self.link, Link::Waiting { .. }) {
                return;
            }
            self.link = Link::Idle;
        }
        let purpose = self.purpose();
        match &self.link {
            Link::Idle => {
                if purpose.is_some() && self.network == Network::Up && self.suspended.is_none() {
                    let until = self.pacing.allowed(turn.now.time);
                    self.link = Link::Waiting { until, cause: None };
                    self.dial_when_due(turn);
                }
            }
            Link::Waiting { .. } if purpose.is_none() => self.link = Link::Idle,
            Link::Waiting { .. } => self.dial_when_due(turn),
            Link::Opening(_) => self.greet_when_ready(turn),
            Link::Errand { .. } if purpose == Some(Purpose::Session) => {
                // A session begins on a connection of its own; what is undelivered goes with it.
                self.drop_link(turn, &Code::SUPERSEDED.into());
                self.advance_link(turn);
            }
            Link::Handshaking { .. }
            | Link::Settling(_)
            | Link::Connected(_)
            | Link::Errand { .. } => {}
        }
    }

    /// Stores what Welcome brought, and is connected once that is durable.
    pub(super) fn advance_settling(&mut self, turn: &mut Turn<'_>) {
        let Link::Settling(settling) = &self.link else { return };
        if settling.rows == Rows::Waiting && self.store.open().is_some() {
            let rows = self.write_log(turn).map_or(Rows::Done, Rows::Saving);
            if let Link::Settling(settling) = &mut self.link {
                settling.rows = rows;
            }
        }
        let settled =
            matches!(&self.link, Link::Settling(Settling { account: None, rows: Rows::Done, .. }));
        if !settled {
            return;
        }
        if let Link::Settling(settling) = std::mem::replace(&mut self.link, Link::Idle) {
            self.link = Link::Connected(settling.wire);
            self.pacing.arrived();
            self.verified(turn, settling.expires);
            if let Some(seconds) = settling.expiring_s {
                self.credential_expiring(turn, seconds);
            }
            self.settle_log(turn);
        }
    }

    pub(super) fn opened(&mut self, attempt: Attempt) {
        if let Link::Opening(opening) = &mut self.link
            && opening.attempt == attempt
        {
            opening.opened = true;
        }
    }

    pub(super) fn received(&mut self, turn: &mut Turn<'_>, attempt: Attempt, frame: ServerFrame) {
        if self.link.attempt() != Some(attempt) {
            return;
        }
        if let Some(wire) = self.link.wire() {
            wire.heard = turn.now.time;
        }
        match frame {
            ServerFrame::Welcome(welcome) => self.welcomed(turn, *welcome),
            ServerFrame::Refuse(refuse) => self.refused(turn, *refuse),
            ServerFrame::Ended(session) => self.job_done(turn, session),
            ServerFrame::Close(close) => self.closed_by_server(turn, *close),
            ServerFrame::Ping { nonce, head } => {
                if self.link.wire().is_some() {
                    turn.put(Output::Transmit(attempt, ClientFrame::Pong { nonce }));
                    self.sync.told_head(head);
                }
            }
            ServerFrame::Pong { nonce, head } => {
                if let Some(wire) = self.link.wire() {
                    wire.answered(turn.now.time, nonce);
                    self.sync.told_head(head);
                }
            }
            ServerFrame::Response { id, body } => self.response(turn, id, body),
            ServerFrame::Push { offset, entry } => {
                if self.link.wire().is_some() {
                    self.sync.push(offset, entry);
                }
            }
            ServerFrame::CredentialExpiring { seconds } => {
                if let Link::Settling(settling) = &mut self.link {
                    settling.expiring_s = Some(seconds);
                } else if self.link.wire().is_some() {
                    // Not on an errand: the credential that the session lacks is not there again.
                    self.credential_expiring(turn, seconds);
                }
            }
            ServerFrame::Devices(devices) => {
                // On an errand the session is over, and nothing of it is told any more (S-9.2).
                if self.link.wire().is_some() {
                    self.devices_changed(turn, devices);
                }
            }
            ServerFrame::Limits(limits) => {
                if let Some(wire) = self.link.wire() {
                    wire.told(limits);
                }
            }
            ServerFrame::Unknown => {}
        }
    }

    pub(super) fn link_timeout(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now.time;
        if self.link.next_timeout(self.requests.oldest()).is_none_or(|at| now < at) {
            return;
        }
        let oldest = self.requests.oldest();
        match &mut self.link {
            Link::Idle | Link::Waiting { .. } => {}
            Link::Opening(_) | Link::Handshaking { .. } | Link::Errand { .. } => {
                let error = Error::new(Code::TIMEOUT).with_text("the server did not answer");
                self.lost(turn, error, None);
            }
            Link::Settling(Settling { wire, .. }) | Link::Connected(wire) => {
                match wire.pulse(now, oldest) {
                    Pulse::Fine => {}
                    Pulse::Probe => {
                        let nonce = wire.probe(now);
                        let attempt = wire.attempt;
                        turn.put(Output::Transmit(attempt, ClientFrame::Ping { nonce }));
                    }
                    Pulse::Dead => self.lost(turn, Code::LIVENESS.into(), None),
                }
            }
        }
    }

    /// The connection on which the server answered.
    pub(super) const fn live_attempt(&self) -> Option<Attempt> {
        match &self.link {
            Link::Connected(wire) => Some(wire.attempt),
            _ => None,
        }
    }

    /// The ends of sessions go out on a connection that is there already: what is on the disk at
    /// once, the rest when it is.
    pub(super) fn run_errand(&mut self, turn: &mut Turn<'_>, attempt: Attempt) {
        self.transmit_jobs(turn, attempt);
        self.link = Link::Errand { attempt, since: turn.now.time };
    }

    pub(super) fn link_persisted(&mut self, batch: BatchId) {
        match &mut self.link {
            Link::Opening(opening) if opening.counter == Counter::Saving(batch) => {
                opening.counter = Counter::Durable;
            }
            Link::Settling(settling) => {
                if settling.account == Some(batch) {
                    settling.account = None;
                }
                if settling.rows == Rows::Saving(batch) {
                    settling.rows = Rows::Done;
                }
            }
            _ => {}
        }
    }

    pub(super) fn link_persist_failed(
        &mut self,
        turn: &mut Turn<'_>,
        batch: BatchId,
        error: &Error,
    ) {
        let is_login = matches!(self.session, Session::SigningIn(_));
        match &mut self.link {
            Link::Opening(opening) if opening.counter == Counter::Saving(batch) => {
                // Hello is never said with a counter that a crash could forget (S-6.6).
                if is_login {
                    self.login_failed(turn, error);
                } else {
                    self.lost(turn, error.clone(), None);
                }
            }
            Link::Settling(settling)
                if settling.account == Some(batch) || settling.rows == Rows::Saving(batch) =>
            {
                if is_login {
                    self.login_failed(turn, error);
                    return;
                }
                // The session serves all the same; the record is stored with its next change, and
                // sync tries again by itself.
                if settling.account == Some(batch) {
                    settling.account = None;
                } else {
                    settling.rows = Rows::Done;
                }
            }
            _ => {}
        }
    }

    /// Due at once when a link is wanted and none is being made: so it is right after a start with
    /// jobs left over from an earlier run (I3).
    pub(super) fn link_due(&self) -> Option<Time> {
        let wanted = matches!(self.link, Link::Idle)
            && self.network == Network::Up
            && self.suspended.is_none()
            && self.purpose().is_some();
        wanted.then_some(Time(0))
    }

    pub(super) fn purpose(&self) -> Option<Purpose> {
        match &self.session {
            Session::SigningIn(_) => Some(Purpose::Session),
            Session::SignedIn(account) if account.wants_link() => Some(Purpose::Session),
            Session::SignedIn(_) | Session::SignedOut(_) => {
                self.jobs().next().map(|_| Purpose::Errand)
            }
            Session::Ending(_) => None,
        }
    }

    fn dial_when_due(&mut self, turn: &mut Turn<'_>) {
        match self.link {
            Link::Waiting { until, .. } if turn.now.time >= until => {}
            _ => return,
        }
        if self.purpose() == Some(Purpose::Session) && self.credential_ran_out(turn) {
            return;
        }
        self.login_dials(turn.now.time);
        self.pacing.began(turn.now.time);
        self.last_attempt += 1;
        let attempt = Attempt(self.last_attempt);
        turn.put(Output::Open(attempt));
        let mut opening =
            Opening { attempt, since: turn.now.time, opened: false, counter: Counter::None };
        if self.purpose() == Some(Purpose::Session) {
            opening.counter = self.draw_counter(turn);
        }
        self.link = Link::Opening(opening);
    }

    /// The next hello counter, on its way to the disk while the connection is being made.
    ///
    /// A device that was set back to a backup is behind what the server saw, by nobody knows how
    /// much: each refusal makes the next step a larger one, so that a few attempts are enough.
    fn draw_counter(&mut self, turn: &mut Turn<'_>) -> Counter {
        let step = 1 << (REPLAY_STEP_BITS * self.replays).min(REPLAY_STEP_MOST);
        self.account.counter = self.account.counter.saturating_add(step);
        Counter::Saving(self.persist_account(turn, Write::Account))
    }

    /// Says what the link is for, once all that this needs is there.
    fn greet_when_ready(&mut self, turn: &mut Turn<'_>) {
        let Link::Opening(Opening { attempt, opened: true, counter, .. }) = self.link else {
            return;
        };
        match (self.purpose(), counter) {
            (None, _) => {
                self.drop_link(turn, &Code::SUPERSEDED.into());
            }
            (Some(Purpose::Errand), _) => self.run_errand(turn, attempt),
            (Some(Purpose::Session), Counter::None) => {
                let counter = self.draw_counter(turn);
                if let Link::Opening(opening) = &mut self.link {
                    opening.counter = counter;
                }
            }
            (Some(Purpose::Session), Counter::Saving(_)) => {}
            (Some(Purpose::Session), Counter::Durable) => {
                if self.store.is_opening() {
                    return;
                }
                self.transmit_jobs(turn, attempt);
                if let Some(hello) = self.hello() {
                    turn.put(Output::Transmit(attempt, ClientFrame::Hello(Box::new(hello))));
                    self.link = Link::Handshaking { attempt, since: turn.now.time };
                }
            }
        }
    }

    fn transmit_jobs(&self, turn: &mut Turn<'_>, attempt: Attempt) {
        for job in self.jobs() {
            turn.put(Output::Transmit(attempt, ClientFrame::EndSession(job.clone())));
        }
    }

    fn hello(&self) -> Option<Hello> {
        let (user, intent, credential, resume, name, extension, login_id) = match &self.session {
            Session::SigningIn(login) => (
                &login.user,
                login.intent(),
                Some(login.credential.clone()),
                None,
                login.options.user_name.clone(),
                login.options.extension.clone(),
                Some(login.id),
            ),
            Session::SignedIn(account) => {
                let last = self.account.last.as_ref()?;
                (
                    &account.user,
                    Intent::Automatic,
                    last.credential.clone(),
                    last.session.clone(),
                    String::new(),
                    bytes::Bytes::new(),
                    None,
                )
            }
            Session::SignedOut(_) | Session::Ending(_) => return None,
        };
        Some(Hello {
            proto: PROTO,
            sdk: self.config.sdk.clone(),
            app: self.config.app,
            user: user.clone(),
            device: self.device(),
            intent,
            credential,
            resume,
            counter: self.account.counter,
            cursor: self.sync.cursor(),
            outbox_heads: self.outbox.heads(),
            window: self.config.window,
            user_name: name,
            login_extension: extension,
            caps: 0,
            login_id,
        })
    }

    /// What the device says of itself: as configured, but for what the login gave (S-3.1).
    fn device(&self) -> Device {
        let mut device = self.config.device.clone();
        let last = self.account.last.as_ref();
        let (tag, custom_type) = match &self.session {
            Session::SigningIn(login) => (login.options.tag.clone(), login.options.custom_type),
            _ => (last.and_then(|last| last.tag.clone()), last.and_then(|last| last.custom_type)),
        };
        device.tag = tag.unwrap_or(device.tag);
        device.custom_type = custom_type.unwrap_or(device.custom_type);
        device
    }

    fn welcomed(&mut self, turn: &mut Turn<'_>, welcome: Welcome) {
        let Link::Handshaking { attempt, since } = self.link else { return };
        let resume = match self.granted_session(&welcome) {
            Ok(resume) => resume,
            Err(error) => return self.lost(turn, error, None),
        };
        let user = match &self.session {
            Session::SigningIn(login) => login.user.clone(),
            Session::SignedIn(account) => account.user.clone(),
            Session::SignedOut(_) | Session::Ending(_) => return,
        };
        let Device { tag, custom_type, .. } = self.device();
        let configured = &self.config.device;
        let tag = (tag != configured.tag).then_some(tag);
        let custom_type = (custom_type != configured.custom_type).then_some(custom_type);
        let credential = match &mut self.session {
            Session::SigningIn(login) => {
                login.granted = Some(Granted { registered: welcome.registered });
                Some(login.credential.clone())
            }
            _ => self.account.last.as_ref().and_then(|last| last.credential.clone()),
        };
        let before = self.account.last.take();
        self.account.last = Some(LastLogin {
            user,
            ended: None,
            session: Some(resume),
            credential,
            credential_expires: welcome
                .credential_expires_in_ms
                .map(|ms| WallTime(welcome.server_time.0.saturating_add(ms))),
            server_offset_ms: offset_ms(welcome.server_time, turn.now.wall),
            verified_at: turn.now.wall,
            tag,
            custom_type,
        });
        // Another account's living session must not be forgotten without its end.
        if let Some(before) = before
            && self.account.last.as_ref().is_some_and(|last| last.user != before.user)
            && let Some(Resume { session, secret, .. }) = before.session
        {
            let app = self.config.app;
            let end = EndSession { app, user: before.user, session, secret };
            self.account.add_job(end);
        }
        self.replays = 0;
        let account = self.persist_account(turn, Write::Account);
        let wire = Wire::new(attempt, turn.now.time, since, welcome.limits);
        self.link = Link::Settling(Settling {
            wire,
            account: Some(account),
            rows: Rows::Waiting,
            expires: welcome.credential_expires_in_ms.map(|ms| turn.now.time + ms),
            expiring_s: None,
        });
        self.welcome_page = Some((welcome.sync, welcome.outbox_acks));
        self.devices_changed(turn, welcome.devices);
    }

    /// The session that Welcome names, with the secret to resume it.
    fn granted_session(&self, welcome: &Welcome) -> Result<Resume, Error> {
        let kept = match (&self.session, &self.account.last) {
            (Session::SignedIn(account), Some(last)) if last.user == account.user => {
                last.session.as_ref()
            }
            _ => None,
        };
        let secret = match (&welcome.secret, welcome.binding, kept) {
            (Some(secret), _, _) => secret.clone(),
            (None, Binding::Resumed, Some(kept)) if kept.session == welcome.session => {
                kept.secret.clone()
            }
            _ => {
                return Err(
                    Error::new(Code::PROTOCOL_ERROR).with_text("a new session without a secret")
                );
            }
        };
        Ok(Resume { session: welcome.session, secret, epoch: welcome.epoch })
    }

    fn refused(&mut self, turn: &mut Turn<'_>, refuse: Refuse) {
        if !matches!(self.link, Link::Handshaking { .. }) {
            return;
        }
        let Refuse { error, terminal, kick, .. } = refuse;
        if error.code == Code::HELLO_REPLAYED {
            self.replays += 1;
        }
        match &self.session {
            Session::SigningIn(login) => {
                if is_passing(&error) {
                    return self.lost(turn, error, None);
                }
                if error.code.is_credential() {
                    let credential = login.credential.clone();
                    self.account.remember_refused(&credential, error.code);
                }
                self.end(turn, why(&error, kick.as_ref()), error);
            }
            Session::SignedIn(_) => self.verdict(turn, error, kick, None, Ending::of(terminal)),
            Session::SignedOut(_) | Session::Ending(_) => {}
        }
    }

    fn closed_by_server(&mut self, turn: &mut Turn<'_>, close: Close) {
        let Close { error, terminal, kick, retry_window_ms, .. } = close;
        match &self.link {
            // A login that was granted and displaced before it was stored has lost its place like
            // any other: asking again would displace the winner (I5).
            Link::Settling(_) | Link::Connected(_) => {
                self.verdict(turn, error, kick, retry_window_ms, Ending::of(terminal));
            }
            Link::Idle
            | Link::Waiting { .. }
            | Link::Opening(_)
            | Link::Handshaking { .. }
            | Link::Errand { .. } => self.lost(turn, error, retry_window_ms),
        }
    }

    fn credential_expiring(&mut self, turn: &mut Turn<'_>, seconds: u32) {
        if let Session::SignedIn(account) = &mut self.session {
            let at = turn.now.time + u64::from(seconds) * 1000;
            account.credential = CredentialStatus::Expiring { at };
            turn.event(Event::CredentialExpiring { seconds });
        }
    }

    /// What the server says of the session that is signed in. Only what names its end ends it
    /// (I1); everything else is a reason to come back later.
    fn verdict(
        &mut self,
        turn: &mut Turn<'_>,
        error: Error,
        kick: Option<KickRecord>,
        window_ms: Option<u32>,
        ending: Ending,
    ) {
        match error.code {
            // A number of a later version: its family and `terminal` say what to do (W-5).
            code if code.row().is_none() && (ending == Ending::Terminal || code.0 / 100 == 3) => {
                self.end(turn, why(&error, kick.as_ref()), error);
            }
            Code::KICKED
            | Code::DEVICE_CONFLICT
            | Code::DEVICE_LIMIT
            | Code::SESSION_ENDED
            | Code::USER_BANNED
            | Code::ACCOUNT_DELETED
            | Code::USER_NOT_FOUND
            | Code::VERSION_TOO_OLD => self.end(turn, why(&error, kick.as_ref()), error),
            // Without a record that names this session it is a server that never had the app, and
            // so perhaps the wrong one.
            Code::UNKNOWN_APP if self.is_deleted_by(kick.as_ref()) => {
                self.end(turn, Why::AccountDeleted, error);
            }
            Code::SESSION_UNKNOWN => self.credential_refused(turn, error),
            code if code.is_credential() => match &self.session {
                Session::SigningIn(login) => {
                    let credential = login.credential.clone();
                    self.account.remember_refused(&credential, code);
                    self.end(turn, Why::LoginFailed(error.clone()), error);
                }
                _ => self.credential_refused(turn, error),
            },
            _ => self.lost(turn, error, window_ms),
        }
    }

    /// Whether the record says of the session at hand that its account is gone (I1).
    fn is_deleted_by(&self, kick: Option<&KickRecord>) -> bool {
        let own = self.account.last.as_ref().and_then(|last| last.session.as_ref());
        kick.zip(own).is_some_and(|(kick, own)| {
            kick.reason == KickReason::AccountDeleted && kick.session == own.session
        })
    }

    /// The ends of sessions that the server may be told now.
    fn jobs(&self) -> impl Iterator<Item = &EndSession> {
        self.durable_jobs.of(&self.account.jobs)
    }

    /// An errand that waited for the disk goes on.
    pub(super) fn jobs_persisted(&mut self, turn: &mut Turn<'_>, batch: BatchId) {
        let jobs = self.durable_jobs.saved(batch, &self.account.jobs);
        if let Link::Errand { attempt, .. } = self.link {
            for job in jobs {
                turn.put(Output::Transmit(attempt, ClientFrame::EndSession(job)));
            }
        }
    }

    fn job_done(&mut self, turn: &mut Turn<'_>, session: SessionId) {
        let before = self.account.jobs.len();
        self.account.jobs.retain(|job| job.session != session);
        if self.account.jobs.len() != before {
            self.persist_account(turn, Write::Account);
        }
        if self.account.jobs.is_empty() && matches!(self.link, Link::Errand { .. }) {
            self.drop_link(turn, &Code::SUPERSEDED.into());
        }
    }
}

/// The step to the next hello counter grows by so many bits with each refusal of one, to 2 to the
/// power of `REPLAY_STEP_MOST`: four attempts pass a gap of 16 million, and no device ever says Hello
/// often enough to use up what is left.
const REPLAY_STEP_BITS: u32 = 8;
const REPLAY_STEP_MOST: u32 = 40;

/// The server cannot say yes now but may later, within one login's patience.
const fn is_passing(error: &Error) -> bool {
    matches!(
        error.code,
        Code::HELLO_REPLAYED
            | Code::SERVER_BUSY
            | Code::SERVER_INTERNAL
            | Code::SERVER_STOPPING
            | Code::RATE_LIMITED
            | Code::HELLO_TIMEOUT
    )
}

fn offset_ms(server: WallTime, device: WallTime) -> i64 {
    let span = i64::try_from(server.0.abs_diff(device.0)).unwrap_or(i64::MAX);
    if server >= device { span } else { -span }
}
