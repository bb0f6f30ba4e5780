//! A desk to test a client machine at: it answers stores and disks at once unless told otherwise,
//! and keeps what came out.

use std::sync::Arc;

use homing_core::client::status::SessionStatus;
use homing_core::client::{
    Account, Attempt, BatchId, Client, Command, CommandId, Config, CredentialSource, DelayPolicy,
    Event, Generation, Input, LoginOptions, Opened, Output, Reply, Row,
};
use homing_proto::device::{Device, KickReason, KickRecord, Platform};
use homing_proto::frame::{
    Binding, ClientFrame, Close, Credential, Hello, Limits, Request, ServerFrame, SyncBody,
    SyncPage, Welcome, Window,
};
use homing_proto::id::{AppId, ClientMsgId, ConversationId, DeviceId, SessionId, UserId};
use homing_proto::message::{Content, LogEntry, Message, ReadMark};
use homing_proto::secret::SessionSecret;
use homing_proto::time::{Now, Time, WallTime};
use homing_proto::{Code, Error};

/// See the module.
pub(crate) struct Desk {
    pub(crate) client: Client,
    pub(crate) now: Now,
    /// Everything that came out since it was last taken.
    pub(crate) out: Vec<Output>,
    /// What a store that is opened holds.
    pub(crate) opened: Opened,
    pub(crate) disk: Disk,
    pub(crate) stores: Stores,
    device: Device,
    last_call: u64,
    last_attempt: Option<Attempt>,
    /// A connection was asked for and not granted yet.
    dialing: bool,
}

/// How the desk's disk behaves.
#[derive(PartialEq, Eq)]
pub(crate) enum Disk {
    /// Confirms every write at once.
    Quick,
    /// Confirms nothing.
    Stuck,
    /// Refuses every write.
    Full,
}

/// How the desk's stores open.
#[derive(PartialEq, Eq)]
pub(crate) enum Stores {
    /// At once.
    Quick,
    /// When the test says so.
    Slow,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self::with(Account::default())
    }

    pub(crate) fn with(account: Account) -> Self {
        Self::opened(account, CredentialSource::Calls)
    }

    /// Of an app that has a provider of credentials (S-8.4).
    pub(crate) fn with_provider() -> Self {
        Self::opened(Account::default(), CredentialSource::Provider)
    }

    /// Whose draws differ from those of other seeds.
    pub(crate) fn seeded(seed: u64) -> Self {
        let mut desk = Self::new();
        desk.client = Client::new(Config { seed, ..config() }, Account::default());
        desk
    }

    /// Of an app that has its own delays (S-6.2).
    pub(crate) fn with_delays(policy: Arc<dyn DelayPolicy>) -> Self {
        let mut desk = Self::new();
        let config = Config { delay_policy: Some(policy), ..config() };
        desk.client = Client::new(config, Account::default());
        desk
    }

    fn opened(account: Account, credentials: CredentialSource) -> Self {
        let config = Config { credentials, ..config() };
        Self {
            device: config.device.clone(),
            client: Client::new(config, account),
            now: Now { time: Time(1_000_000), wall: WallTime(1_700_000_000_000) },
            out: Vec::new(),
            opened: Opened::default(),
            disk: Disk::Quick,
            stores: Stores::Quick,
            last_call: 0,
            last_attempt: None,
            dialing: false,
        }
    }

    /// Puts one input in, then serves stores and disk until nothing more comes of it.
    pub(crate) fn put(&mut self, input: Input) {
        if matches!(input, Input::Lost(..)) {
            self.dialing = false;
        }
        let mut inputs = vec![input];
        while !inputs.is_empty() {
            let input = inputs.remove(0);
            let mut out = Vec::new();
            self.client.handle(self.now, input, &mut out);
            for output in &out {
                match output {
                    Output::Open(attempt) => {
                        self.last_attempt = Some(*attempt);
                        self.dialing = true;
                    }
                    Output::Close(_) => self.dialing = false,
                    Output::OpenStore { .. } if self.stores == Stores::Slow => {}
                    Output::OpenStore { generation, .. } => {
                        inputs.push(Input::StoreOpened(*generation, self.opened.clone()));
                    }
                    Output::CloseStore(..) if self.stores == Stores::Slow => {}
                    Output::CloseStore(generation, _) => {
                        inputs.push(Input::StoreClosed(*generation));
                    }
                    Output::PersistAccount(batch, _) | Output::PersistRows(batch, ..) => {
                        match self.disk {
                            Disk::Quick => inputs.push(Input::Persisted(*batch)),
                            Disk::Stuck => {}
                            Disk::Full => {
                                let error = Error::new(Code::STORE_FULL);
                                inputs.push(Input::PersistFailed(*batch, error));
                            }
                        }
                    }
                    _ => {}
                }
            }
            self.out.extend(out);
        }
    }

    pub(crate) fn call(&mut self, command: Command) -> CommandId {
        self.last_call += 1;
        let id = CommandId(self.last_call);
        self.put(Input::Command(id, command));
        id
    }

    /// The result of a call that is answered at once.
    pub(crate) fn call_for(mut self, command: Command) -> Result<Reply, Error> {
        let id = self.call(command);
        self.result(id).expect("it is answered at once")
    }

    pub(crate) fn login(&mut self, name: &str) -> CommandId {
        let options = LoginOptions::default();
        self.call(Command::Login { user: user(name), credential: token(name), options })
    }

    pub(crate) fn pass(&mut self, ms: u64) {
        self.now.time = self.now.time + ms;
        self.now.wall = WallTime(self.now.wall.0 + ms);
    }

    /// Lets time run to the next timeout.
    pub(crate) fn wait(&mut self) {
        let at = self.client.next_timeout().expect("something is waited for");
        self.pass(at.since(self.now.time));
        self.put(Input::Timeout);
    }

    /// Whether a connection was asked for and neither granted nor lost.
    pub(crate) const fn is_dialing(&self) -> bool {
        self.dialing
    }

    /// The attempt that was asked for last, if any was.
    pub(crate) const fn last_attempt(&self) -> Option<Attempt> {
        self.last_attempt
    }

    /// The attempt that was asked for last.
    pub(crate) fn attempt(&self) -> Attempt {
        self.last_attempt.expect("a connection was asked for")
    }

    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        self.out
            .iter()
            .filter_map(|output| match output {
                Output::Open(attempt) => Some(*attempt),
                _ => None,
            })
            .collect()
    }

    /// Waits, if need be, until a connection is asked for, and grants it.
    pub(crate) fn connect(&mut self) -> Attempt {
        for _ in 0..20 {
            if self.dialing {
                break;
            }
            self.wait();
        }
        self.dialing = false;
        let attempt = self.attempt();
        self.put(Input::Opened(attempt));
        attempt
    }

    pub(crate) fn receive(&mut self, frame: ServerFrame) {
        let attempt = self.attempt();
        self.put(Input::Received(attempt, frame));
    }

    /// Connects and welcomes as a new session whose log is at `head`.
    pub(crate) fn welcome(&mut self, number: u8, head: u64) {
        self.connect();
        self.receive(ServerFrame::Welcome(Box::new(welcome(number, head))));
    }

    /// A desk at which that user is signed in and connected.
    pub(crate) fn signed_in(name: &str) -> Self {
        let mut desk = Self::new();
        desk.login(name);
        desk.welcome(1, 0);
        assert!(desk.client.status().is_connected(), "{:?}", desk.client.status());
        desk.out.clear();
        desk
    }

    pub(crate) fn hellos(&self) -> Vec<Hello> {
        self.frames()
            .into_iter()
            .filter_map(|frame| match frame {
                ClientFrame::Hello(hello) => Some(*hello),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn frames(&self) -> Vec<ClientFrame> {
        self.out
            .iter()
            .filter_map(|output| match output {
                Output::Transmit(_, frame) => Some(frame.clone()),
                _ => None,
            })
            .collect()
    }

    /// The requests that went out.
    pub(crate) fn requests(&self) -> Vec<(u32, Request)> {
        self.frames()
            .into_iter()
            .filter_map(|frame| match frame {
                ClientFrame::Request { id, body } => Some((id, body)),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.out
            .iter()
            .filter_map(|output| match output {
                Output::Event(event) => Some(event.clone()),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn result(&self, call: CommandId) -> Option<Result<Reply, Error>> {
        let mut results = self.out.iter().filter_map(|output| match output {
            Output::Complete(id, result) if *id == call => Some(result.clone()),
            _ => None,
        });
        let first = results.next();
        assert!(results.next().is_none(), "{call:?} completed twice");
        first
    }

    /// The store that was to be opened last.
    pub(crate) fn opening(&self) -> Generation {
        let mut openings = self.out.iter().filter_map(|output| match output {
            Output::OpenStore { generation, .. } => Some(*generation),
            _ => None,
        });
        openings.next_back().expect("a store was to be opened")
    }

    pub(crate) fn device(&self) -> Device {
        self.device.clone()
    }

    pub(crate) fn session(&self) -> &SessionStatus {
        &self.client.status().session
    }

    /// The rows that were to be written, with their batches.
    pub(crate) fn rows(&self) -> Vec<(BatchId, Generation, Vec<Row>)> {
        self.out
            .iter()
            .filter_map(|output| match output {
                Output::PersistRows(batch, generation, rows) => {
                    Some((*batch, *generation, rows.clone()))
                }
                _ => None,
            })
            .collect()
    }

    /// The account record that was to be written last.
    pub(crate) fn stored_account(&self) -> Account {
        self.account_write().1
    }

    /// As [`stored_account`](Self::stored_account), with its batch.
    pub(crate) fn account_write(&self) -> (BatchId, Account) {
        self.out
            .iter()
            .rev()
            .find_map(|output| match output {
                Output::PersistAccount(batch, account) => Some((*batch, (**account).clone())),
                _ => None,
            })
            .expect("an account record was written")
    }
}

fn config() -> Config {
    Config {
        app: AppId::new(1).unwrap(),
        device: Device {
            id: DeviceId([1; 16]),
            platform: Platform::Ios,
            os: String::new(),
            tag: String::new(),
            custom_type: 0,
        },
        sdk: "desk".to_owned(),
        window: Window { conversations: 20, per_conversation: 20 },
        credentials: CredentialSource::Calls,
        delay_policy: None,
        max_offline_age_ms: None,
        seed: 7,
    }
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

pub(crate) fn token(text: &str) -> Credential {
    Credential::usersig(text)
}

pub(crate) fn with(name: &str) -> ConversationId {
    ConversationId::Direct(user(name))
}

pub(crate) fn welcome(number: u8, head: u64) -> Welcome {
    Welcome {
        session: SessionId([number; 16]),
        secret: Some(SessionSecret::new([number; 32])),
        epoch: u64::from(number),
        binding: Binding::Fresh,
        server_time: WallTime(1_700_000_000_000),
        credential_expires_in_ms: Some(3_600_000),
        head,
        sync: SyncPage { log_epoch: 9, head, body: SyncBody::TooLong(Vec::new()) },
        outbox_acks: Vec::new(),
        devices: Vec::new(),
        limits: Limits {
            ping_ms: 25_000,
            liveness_ms: 30_000,
            max_frame: 1 << 20,
            reconnect_window_ms: 3_000,
        },
        registered: false,
    }
}

/// The Welcome of a resumed session, with nothing missed.
pub(crate) fn resumed(number: u8, head: u64) -> Welcome {
    Welcome {
        secret: None,
        binding: Binding::Resumed,
        sync: SyncPage {
            log_epoch: 9,
            head,
            body: SyncBody::Entries { first_offset: head + 1, entries: Vec::new() },
        },
        ..welcome(number, head)
    }
}

pub(crate) fn entry(from: &str, seq: u64) -> LogEntry {
    LogEntry::Message {
        message: Message {
            conversation: with(from),
            seq,
            from: user(from),
            client_id: ClientMsgId([u8::try_from(seq).unwrap(); 16]),
            time: WallTime(1),
            content: Content::text(format!("{from} {seq}")),
        },
        own_count: 0,
        read: ReadMark::default(),
    }
}

/// A message for that user.
pub(crate) fn send(to: &str, text: &str) -> Command {
    Command::Send { conversation: with(to), content: Content::text(text), client_id: None }
}

/// The end of a session by policy.
pub(crate) fn kicked(session: SessionId) -> ServerFrame {
    ServerFrame::Close(Box::new(Close {
        error: Code::KICKED.into(),
        terminal: true,
        retry_window_ms: None,
        resume_ok: false,
        kick: Some(KickRecord {
            session,
            reason: KickReason::Policy,
            by: None,
            text: String::new(),
            time: WallTime(1),
        }),
    }))
}
