//! The client machine: session, link and sync as one value (S-2.5).
//!
//! Whatever happens goes in through [`Client::handle`], with both clocks as arguments; what is to be
//! done comes out in order. After every input the machine brings the rest of itself in line with
//! what is now true (`Client::advance`): it dials if a link is wanted, says Hello when all that
//! Hello needs is there, writes what can be written, sends what can be sent. No input handler has
//! to think of those.
//!
//! Where to read on: [`io`] for what goes in and out, [`status`] for what an app sees, `session` for
//! who is signed in, `connection` for the way to the server, `delivery` for messages and sync.

pub mod account;
pub mod io;
pub mod status;

mod asking;
mod checks;
mod connection;
mod delivery;
mod jobs;
mod link;
mod outbox;
mod pacing;
mod reconnect;
mod requests;
mod rng;
mod session;
mod store;
mod sync;

pub use account::Account;
pub use checks::REFUSED_BEFORE;
pub use io::*;
pub use pacing::{DelayPolicy, Failure};
pub use status::Status;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use homing_proto::device::{Device, DeviceInfo};
use homing_proto::frame::{OutboxAck, SyncPage, Window};
use homing_proto::id::{AppId, ClientMsgId, ConversationId};
use homing_proto::limits::{LOGIN_TIMEOUT_MS, RETRY_MS};
use homing_proto::message::LogEntry;
use homing_proto::time::{Now, Time};
use homing_proto::{Code, Error};

use self::asking::Asking;
use self::jobs::DurableJobs;
use self::link::Link;
use self::outbox::Outbox;
use self::pacing::Pacing;
use self::requests::Requests;
use self::rng::Rng;
use self::session::Session;
use self::status::{Cause, LinkStatus, SessionStatus, SyncStatus, Why};
use self::store::Store;
use self::sync::Sync;

/// What a client is told once.
#[derive(Clone, Debug)]
pub struct Config {
    /// The app.
    pub app: AppId,
    /// The device.
    pub device: Device,
    /// The SDK's name and version, at most 64 bytes.
    pub sdk: String,
    /// The size of a fresh window.
    pub window: Window,
    /// Where another credential comes from when the present one does not serve (S-8.4).
    pub credentials: CredentialSource,
    /// The app's own waits between attempts, if it has a rule for them (S-6.2).
    pub delay_policy: Option<Arc<dyn DelayPolicy>>,
    /// Offline login is refused when the last online login is older (S-4.2), in milliseconds.
    pub max_offline_age_ms: Option<u64>,
    /// Feeds jitter and message ids. Two clients never share one.
    pub seed: u64,
}

/// Who brings another credential (S-8.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CredentialSource {
    /// The app, by [`Command::Renew`], when it is told that one is needed.
    #[default]
    Calls,
    /// The app's provider, which is asked by [`Output::AskCredential`]. Calls work too.
    Provider,
}

/// The client machine. See the module.
#[derive(Clone, Debug)]
pub struct Client {
    config: Config,
    account: Account,
    rng: Rng,
    session: Session,
    link: Link,
    pacing: Pacing,
    store: Store,
    sync: Sync,
    outbox: Outbox,
    requests: Requests,
    asking: Asking,
    /// A credential came while Hello was on its way: it is shown as soon as there is a link.
    renewal_owed: bool,
    /// Hellos in a row that were refused for their counter.
    replays: u32,
    /// What Welcome brought and the store has not been handed yet.
    welcome_page: Option<(SyncPage, Vec<OutboxAck>)>,
    /// What follows when a write is durable.
    writes: BTreeMap<BatchId, Write>,
    /// The ends of sessions that are on the disk: only these are told the server.
    durable_jobs: DurableJobs,
    /// Explicit logins that reached the network, oldest first (S-3.5).
    logins: VecDeque<Time>,
    /// The account's sessions, as last told.
    devices: Vec<DeviceInfo>,
    network: Network,
    scene: Scene,
    suspended: Option<Suspended>,
    /// The account record could not be stored; it is tried again here.
    unsaved: Option<Time>,
    /// Messages whose rows could not be taken out of the outbox; it is tried again here.
    unremoved: Vec<(Time, Leave)>,
    /// Stores whose closing the shell has not confirmed: until then they hold locks (I12).
    closing: BTreeSet<Generation>,
    last_attempt: u64,
    last_generation: u64,
    last_batch: u64,
    status: Status,
}

/// Whether the device says that it has a network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Network {
    Up,
    Down,
}

/// Whether the app is seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scene {
    /// It is.
    Foreground,
    /// It is not.
    Background,
}

/// The app suspended the client (S-9.4).
#[derive(Clone, PartialEq, Eq, Debug)]
enum Suspended {
    /// These calls wait for the store to be closed.
    Closing(Vec<CommandId>),
    /// Nothing is locked.
    Quiet,
}

/// What follows when a write is durable.
#[derive(Clone, Debug)]
enum Write {
    /// Nothing but what other state waits for.
    Account,
    /// The calls complete.
    Calls(Vec<CommandId>),
    /// The credential's refusal is stored; the app is told.
    CredentialRefused(Error),
    /// The verdict is stored; the session ends.
    Ended,
    /// Entries of the log are stored; the app is told.
    Log(Generation, Vec<LogEntry>),
    /// A message is in the outbox.
    Queued(Generation, ConversationId, ClientMsgId),
    /// A message has left the outbox.
    Left(Generation, Leave),
    /// Fetched messages are stored.
    Fetched(Generation, CommandId, Vec<homing_proto::message::Message>),
}

/// A message that leaves the outbox for good.
#[derive(Clone, Debug)]
struct Leave {
    conversation: ConversationId,
    client_id: ClientMsgId,
    state: SendState,
    row: Row,
    /// The app knows.
    told: bool,
}

impl Leave {
    /// What the app is told, once.
    fn tell(&mut self, turn: &mut Turn<'_>) {
        if !std::mem::replace(&mut self.told, true) {
            turn.event(Event::SendState {
                client_id: self.client_id,
                conversation: self.conversation.clone(),
                state: self.state,
            });
        }
    }
}

impl Write {
    /// The store it goes to; `None` for the account record.
    const fn generation(&self) -> Option<Generation> {
        match self {
            Self::Account | Self::Calls(_) | Self::CredentialRefused(_) | Self::Ended => None,
            Self::Log(generation, _)
            | Self::Queued(generation, ..)
            | Self::Left(generation, ..)
            | Self::Fetched(generation, ..) => Some(*generation),
        }
    }
}

/// One call of [`Client::handle`]: the clocks, and where outputs go.
struct Turn<'a> {
    now: Now,
    out: &'a mut Vec<Output>,
}

impl Turn<'_> {
    fn put(&mut self, output: Output) {
        self.out.push(output);
    }

    fn event(&mut self, event: Event) {
        self.out.push(Output::Event(event));
    }

    fn complete(&mut self, command: CommandId, result: Result<Reply, Error>) {
        self.out.push(Output::Complete(command, result));
    }

    fn complete_all(&mut self, commands: Vec<CommandId>, result: &Result<Reply, Error>) {
        for command in commands {
            self.complete(command, result.clone());
        }
    }
}

impl Client {
    /// A client that nobody is signed in to, with what was kept from earlier runs.
    pub fn new(config: Config, account: Account) -> Self {
        let why = account.last.as_ref().and_then(|last| last.ended.clone()).unwrap_or(Why::Never);
        let rng = Rng::new(config.seed);
        let durable_jobs = DurableJobs::new(&account.jobs);
        let status = Status {
            seq: 1,
            session: SessionStatus::SignedOut { why: why.clone() },
            link: LinkStatus::Idle,
            sync: SyncStatus::Idle,
            first_screen: false,
            readable: false,
            cause: Cause::Start,
        };
        Self {
            config,
            account,
            rng,
            session: Session::SignedOut(why),
            link: Link::Idle,
            pacing: Pacing::default(),
            store: Store::default(),
            sync: Sync::default(),
            outbox: Outbox::default(),
            requests: Requests::default(),
            asking: Asking::default(),
            renewal_owed: false,
            replays: 0,
            welcome_page: None,
            writes: BTreeMap::new(),
            durable_jobs,
            logins: VecDeque::new(),
            devices: Vec::new(),
            network: Network::Up,
            scene: Scene::Foreground,
            suspended: None,
            unsaved: None,
            unremoved: Vec::new(),
            closing: BTreeSet::new(),
            last_attempt: 0,
            last_generation: 0,
            last_batch: 0,
            status,
        }
    }

    /// Takes in one thing that happened and appends what is to be done, in order.
    ///
    /// Total: any input in any state is legal; what is late or unknown changes nothing (I14).
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Vec<Output>) {
        let cause = cause(&input);
        let turn = &mut Turn { now, out };
        match input {
            Input::Command(id, command) => self.command(turn, id, command),
            Input::Opened(attempt) => self.opened(attempt),
            Input::Received(attempt, frame) => self.received(turn, attempt, frame),
            Input::Lost(attempt, error) => self.link_lost(turn, attempt, error),
            Input::Persisted(batch) => self.persisted(turn, batch),
            Input::PersistFailed(batch, error) => self.persist_failed(turn, batch, error),
            Input::StoreOpened(generation, opened) => self.store_opened(turn, generation, opened),
            Input::StoreFailed(generation, error) => self.store_failed(turn, generation, error),
            Input::StoreClosed(generation) => self.store_closed(turn, generation),
            Input::StoreDamaged(generation) => {
                self.store_damaged(turn, generation, &Code::STORE_CORRUPT.into());
            }
            Input::CredentialAnswered(id, answer) => self.credential_answered(turn, id, answer),
            Input::Hint(hint) => self.hint(turn, hint),
            Input::Timeout => self.timeout(turn),
        }
        self.advance(turn);
        self.publish(turn, cause);
    }

    /// When [`Input::Timeout`] is due, if ever. Ask again after every `handle`.
    ///
    /// In every state in which the client has something to strive for there is one (I3).
    pub fn next_timeout(&self) -> Option<Time> {
        [
            self.link_due(),
            self.link.next_timeout(self.requests.oldest()),
            self.sync.next_timeout(),
            self.outbox.next_timeout().filter(|_| self.is_connected()),
            self.session.next_timeout(),
            self.requests.next_timeout(),
            self.store.next_timeout(),
            self.asking_due(),
            self.unsaved,
            self.unremoved.iter().map(|(at, _)| *at).min(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The present picture.
    pub const fn status(&self) -> &Status {
        &self.status
    }

    /// The account record as it stands; what is durable of it is the shell's knowledge.
    pub const fn account(&self) -> &Account {
        &self.account
    }

    fn command(&mut self, turn: &mut Turn<'_>, id: CommandId, command: Command) {
        if let Session::Ending(ending) = &mut self.session {
            // The verdict is on its way to the disk; the call finds the state after it.
            ending.parked.push((id, command));
            return;
        }
        if self.suspended.is_some() && !matches!(command, Command::Suspend | Command::Resume) {
            let error = Error::new(Code::NOT_READY).with_text("the client is suspended");
            turn.complete(id, Err(error));
            return;
        }
        match command {
            Command::Login { user, credential, options } => {
                self.login(turn, id, user, credential, options);
            }
            Command::LoginOffline { user, credential } => {
                self.login_offline(turn, id, &user, credential);
            }
            Command::ResumeLast => self.resume_last(turn, id),
            Command::Renew(credential) => {
                let deadline = turn.now.time + LOGIN_TIMEOUT_MS;
                self.renew(turn, id, credential, Reply::Done, deadline);
            }
            Command::Logout(data) => self.logout(turn, id, data),
            Command::Send { conversation, content, client_id } => {
                self.send(turn, id, conversation, content, client_id);
            }
            Command::MarkRead { conversation, seq } => {
                self.ask_mark_read(turn, id, conversation, seq);
            }
            Command::FetchHistory { conversation, before, limit } => {
                self.ask_history(turn, id, conversation, before, limit);
            }
            Command::Devices => self.ask_devices(turn, id),
            Command::KickDevices(sessions) => self.ask_kick(turn, id, sessions),
            Command::Presence(users) => self.ask_presence(turn, id, users),
            Command::Suspend => self.suspend(turn, id),
            Command::Resume => self.resume(turn, id),
        }
    }

    /// Brings everything in line with what is now true. Changes nothing when nothing is due.
    fn advance(&mut self, turn: &mut Turn<'_>) {
        self.advance_store(turn);
        self.advance_link(turn);
        self.advance_settling(turn);
        self.advance_log(turn);
        self.advance_outbox(turn);
        self.advance_callers(turn);
        self.advance_asking(turn);
    }

    fn timeout(&mut self, turn: &mut Turn<'_>) {
        self.link_timeout(turn);
        self.session_timeout(turn);
        self.asking_timeout(turn);
        if let Some(error) = self.sync.give_up(turn.now.time) {
            turn.event(Event::SyncFailed(error));
        }
        self.outbox.wake(turn.now.time);
        self.store.wake(turn.now.time);
        if self.unsaved.is_some_and(|at| turn.now.time >= at) {
            self.persist_account(turn, Write::Account);
        }
        let now = turn.now.time;
        let due: Vec<_> = self.unremoved.extract_if(.., |(at, _)| now >= *at).collect();
        for (_, leave) in due {
            self.leave(turn, leave);
        }
    }

    fn hint(&mut self, turn: &mut Turn<'_>, hint: Hint) {
        match hint {
            Hint::NetworkDown => {
                self.network = Network::Down;
                if self.link.attempt().is_some() {
                    let error = Error::new(Code::NETWORK).with_text("the network went away");
                    self.lost(turn, error, None);
                }
            }
            Hint::NetworkUp => {
                self.network = Network::Up;
                self.doubt(turn);
            }
            Hint::Foreground => {
                self.scene = Scene::Foreground;
                self.hurry(turn);
            }
            Hint::Background => self.scene = Scene::Background,
            Hint::Wake => self.doubt(turn),
            Hint::Tap => self.hurry(turn),
        }
    }

    fn suspend(&mut self, turn: &mut Turn<'_>, id: CommandId) {
        match &mut self.suspended {
            Some(Suspended::Closing(calls)) => calls.push(id),
            Some(Suspended::Quiet) => turn.complete(id, Ok(Reply::Done)),
            None => {
                let error = Error::new(Code::SUPERSEDED).with_text("the client was suspended");
                self.asking.withdraw(turn);
                self.drop_link(turn, &error);
                self.close_store(turn, LocalData::Keep, &error);
                self.opening_ends(turn, &error);
                self.suspended = Some(Suspended::Closing(vec![id]));
                self.quiet_when_closed(turn);
            }
        }
    }

    /// A suspend is over when no store holds a lock any more.
    fn quiet_when_closed(&mut self, turn: &mut Turn<'_>) {
        if let Some(Suspended::Closing(calls)) = &mut self.suspended
            && self.closing.is_empty()
        {
            let calls = std::mem::take(calls);
            self.suspended = Some(Suspended::Quiet);
            turn.complete_all(calls, &Ok(Reply::Done));
        }
    }

    fn resume(&mut self, turn: &mut Turn<'_>, id: CommandId) {
        if let Some(Suspended::Closing(calls)) = self.suspended.take() {
            turn.complete_all(calls, &Err(Code::SUPERSEDED.into()));
        }
        turn.complete(id, Ok(Reply::Done));
    }

    fn persisted(&mut self, turn: &mut Turn<'_>, batch: BatchId) {
        self.link_persisted(batch);
        self.jobs_persisted(turn, batch);
        let Some(write) = self.writes.remove(&batch) else { return };
        match write {
            Write::Account => {}
            Write::Calls(calls) => turn.complete_all(calls, &Ok(Reply::Done)),
            Write::CredentialRefused(error) => self.credential_needed(turn, error),
            Write::Ended => self.announce_end(turn),
            Write::Log(_, entries) => self.log_written(turn, batch, entries),
            Write::Queued(_, conversation, id) => {
                let calls = self.outbox.saved(&conversation, id);
                turn.event(Event::SendState {
                    client_id: id,
                    conversation,
                    state: SendState::Queued,
                });
                turn.complete_all(calls, &Ok(Reply::Queued(id)));
            }
            Write::Left(_, mut leave) => {
                if matches!(leave.state, SendState::Refused(_)) {
                    self.outbox.done(&leave.conversation, leave.client_id);
                }
                leave.tell(turn);
            }
            Write::Fetched(_, call, messages) => {
                turn.complete(call, Ok(Reply::Messages(messages)));
            }
        }
    }

    fn persist_failed(&mut self, turn: &mut Turn<'_>, batch: BatchId, error: Error) {
        let generation = self.writes.get(&batch).and_then(Write::generation);
        let damage = generation.filter(|_| error.code == Code::STORE_CORRUPT);
        if damage.is_none() {
            self.link_persist_failed(turn, batch, &error);
        }
        self.durable_jobs.failed(batch);
        let Some(write) = self.writes.remove(&batch) else { return };
        if generation.is_none() {
            self.unsaved = Some(turn.now.time + RETRY_MS);
        }
        self.write_failed(turn, batch, write, error.clone());
        if let Some(generation) = damage {
            self.store_damaged(turn, generation, &error);
        }
    }

    fn write_failed(&mut self, turn: &mut Turn<'_>, batch: BatchId, write: Write, error: Error) {
        match write {
            Write::Account => {}
            Write::Calls(calls) => turn.complete_all(calls, &Err(error)),
            // The app must know at once, though a crash before the next write would forget it.
            Write::CredentialRefused(refusal) => self.credential_needed(turn, refusal),
            Write::Ended => self.announce_end(turn),
            Write::Log(..) => {
                if self.sync.write_failed(turn.now.time, batch, error.clone()) {
                    turn.event(Event::SyncFailed(error));
                }
            }
            Write::Queued(_, conversation, id) => {
                let calls = self.outbox.save_failed(&conversation, id);
                turn.complete_all(calls, &Err(error));
            }
            Write::Left(_, mut leave) => {
                // The server has an accepted message for good. A refused one would be offered again
                // after a restart: the app is told when that cannot happen any more.
                if matches!(leave.state, SendState::Accepted { .. }) {
                    leave.tell(turn);
                }
                self.unremoved.push((turn.now.time + RETRY_MS, leave));
            }
            // They were fetched all the same; only the next reader has to fetch them again.
            Write::Fetched(_, call, messages) => {
                turn.complete(call, Ok(Reply::Messages(messages)));
            }
        }
    }

    fn persist_account(&mut self, turn: &mut Turn<'_>, write: Write) -> BatchId {
        let batch = self.next_batch();
        turn.put(Output::PersistAccount(batch, Box::new(self.account.clone())));
        self.durable_jobs.saving(batch, &self.account.jobs);
        // Whatever could not be stored before is in this record too.
        self.unsaved = None;
        self.writes.insert(batch, write);
        batch
    }

    const fn next_batch(&mut self) -> BatchId {
        self.last_batch += 1;
        BatchId(self.last_batch)
    }

    const fn is_connected(&self) -> bool {
        matches!(self.link, Link::Connected(_))
    }

    fn publish(&mut self, turn: &mut Turn<'_>, cause: Cause) {
        let session = match &self.session {
            // Not announced before it is durable (S-5.2).
            Session::Ending(_) => self.status.session.clone(),
            Session::SignedIn(account) if !account.is_announced() => self.status.session.clone(),
            Session::SignedOut(why) => SessionStatus::SignedOut { why: why.clone() },
            Session::SigningIn(login) => SessionStatus::SigningIn { user: login.user.clone() },
            Session::SignedIn(account) => SessionStatus::SignedIn {
                user: account.user.clone(),
                trust: account.trust,
                credential: account.credential.clone(),
            },
        };
        let status = Status {
            seq: self.status.seq,
            session,
            link: self.link_status(),
            sync: self.sync.status(),
            first_screen: self.sync.first_screen,
            readable: self.store.is_readable(),
            cause: self.status.cause.clone(),
        };
        if status != self.status {
            self.status = Status { seq: self.status.seq + 1, cause, ..status };
            turn.put(Output::Status(self.status.clone()));
        }
    }

    fn link_status(&self) -> LinkStatus {
        if self.suspended.is_some() {
            return LinkStatus::Paused;
        }
        let strives = match &self.session {
            Session::SignedOut(_) | Session::Ending(_) => false,
            Session::SigningIn(_) => true,
            Session::SignedIn(account) => account.wants_link(),
        };
        if !strives {
            return LinkStatus::Idle;
        }
        if self.network == Network::Down {
            return LinkStatus::NoNetwork;
        }
        match &self.link {
            Link::Idle => LinkStatus::Idle,
            Link::Waiting { until, cause: Some(cause) } => LinkStatus::Waiting {
                until: *until,
                attempt: self.pacing.attempt(),
                cause: cause.clone(),
            },
            Link::Waiting { cause: None, .. } | Link::Opening(_) | Link::Errand { .. } => {
                LinkStatus::Connecting { attempt: self.pacing.attempt() }
            }
            Link::Handshaking { .. } | Link::Settling(_) => LinkStatus::Handshaking,
            Link::Connected(wire) => LinkStatus::Connected {
                since: wire.since,
                rtt_ms: Some(u32::try_from(wire.rtt_ms).unwrap_or(u32::MAX)),
            },
        }
    }
}

const fn cause(input: &Input) -> Cause {
    match input {
        Input::Command(..) | Input::CredentialAnswered(..) => Cause::Call,
        Input::Opened(_) | Input::Lost(..) | Input::Hint(_) => Cause::Network,
        Input::Received(..) => Cause::Server,
        Input::Persisted(_)
        | Input::PersistFailed(..)
        | Input::StoreOpened(..)
        | Input::StoreFailed(..)
        | Input::StoreClosed(_)
        | Input::StoreDamaged(_) => Cause::Store,
        Input::Timeout => Cause::Timer,
    }
}
