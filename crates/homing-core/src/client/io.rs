//! What goes into the client machine and what comes out (S-2.5).

use bytes::Bytes;
use homing_proto::Error;
use homing_proto::device::{DeviceInfo, KickRecord};
use homing_proto::frame::{ClientFrame, Credential, ServerFrame};
use homing_proto::id::{ClientMsgId, ConversationId, Cursor, SessionId, UserId};
use homing_proto::message::{Content, Conversation, LogEntry, Message};
use homing_proto::time::WallTime;

use super::account::Account;
use super::status::Status;

/// One try to reach the server. Every input from a socket carries it, so that what arrives late is
/// known for what it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Attempt(pub u64);

/// One opening of an account's store. Everything about local data carries it, so that nothing of an
/// earlier account is taken for the present one's (I8).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Generation(pub u64);

/// One write that the shell confirms.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BatchId(pub u64);

/// One call of the app, named by the shell; each gets exactly one [`Output::Complete`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CommandId(pub u64);

/// One question to the app's provider of credentials (S-8.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AskId(pub u64);

/// Everything that can happen to a client.
#[derive(Clone, Debug)]
pub enum Input {
    /// The app calls.
    Command(CommandId, Command),
    /// The connection is there and can carry frames.
    Opened(Attempt),
    /// A frame came.
    Received(Attempt, ServerFrame),
    /// The connection could not be made, or is gone. `error` is `network` when the other end or
    /// something on the way ended it, `offline` when this device's own network is gone, `timeout`, or
    /// what was wrong with the bytes.
    Lost(Attempt, Error),
    /// The write is durable.
    Persisted(BatchId),
    /// The write failed and left no trace.
    PersistFailed(BatchId, Error),
    /// Answers [`Output::OpenStore`].
    StoreOpened(Generation, Opened),
    /// Answers [`Output::OpenStore`]: not even a fresh store can be opened (I9).
    StoreFailed(Generation, Error),
    /// Answers [`Output::CloseStore`]: no lock is held any more.
    StoreClosed(Generation),
    /// A read found this store damaged. A write says so by its [`Input::PersistFailed`].
    StoreDamaged(Generation),
    /// Answers [`Output::AskCredential`]; one that was withdrawn changes nothing.
    CredentialAnswered(AskId, CredentialAnswer),
    /// The device tells something (S-6.3).
    Hint(Hint),
    /// The moment of [`Client::next_timeout`](super::Client::next_timeout) has come.
    Timeout,
}

/// What an opened store holds that the machine must know.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Opened {
    /// There was no store, and none was to be made: reads give nothing.
    pub absent: bool,
    /// How far the user's log is stored.
    pub cursor: Option<Cursor>,
    /// Messages that wait, oldest first.
    pub outbox: Vec<Pending>,
    /// The old file was damaged and set aside; this one is new (I9).
    pub reset: Option<Error>,
}

/// A message that waits to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pending {
    /// Its name and idempotency key.
    pub client_id: ClientMsgId,
    /// Where it goes.
    pub conversation: ConversationId,
    /// What it says.
    pub content: Content,
    /// When it was queued, by the device's clock.
    pub queued_at: WallTime,
}

/// A call of the app.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Explicit login (S-3). Completes with [`Reply::LoggedIn`].
    Login {
        /// Who.
        user: UserId,
        /// The proof.
        credential: Credential,
        /// How.
        options: LoginOptions,
    },
    /// Offline login (S-4). Completes with [`Reply::LoggedIn`].
    LoginOffline {
        /// Who.
        user: UserId,
        /// A newer credential, with its expiry if the shell can read it.
        credential: Option<(Credential, Option<WallTime>)>,
    },
    /// Automatic login (S-5). Completes with [`Reply::LoggedIn`].
    ResumeLast,
    /// In-band renewal (S-8.4). Completes with [`Reply::Done`].
    Renew(Credential),
    /// Sign out (S-9.2). Completes with [`Reply::Done`].
    Logout(LocalData),
    /// Queue a message (D-4). Completes with [`Reply::Queued`] once it is durable.
    Send {
        /// Where.
        conversation: ConversationId,
        /// What.
        content: Content,
        /// The app's own idempotency key; `None` draws one.
        client_id: Option<ClientMsgId>,
    },
    /// Move the read cursor. Completes with [`Reply::Done`].
    MarkRead {
        /// Where.
        conversation: ConversationId,
        /// Up to here.
        seq: u64,
    },
    /// Ask the server for older messages and store them. Completes with [`Reply::Messages`].
    FetchHistory {
        /// Where.
        conversation: ConversationId,
        /// Exclusive upper end; 0 for the newest.
        before: u64,
        /// At most this many.
        limit: u32,
    },
    /// The account's sessions. Completes with [`Reply::Devices`].
    Devices,
    /// End own sessions (S-7.7). Completes with [`Reply::Done`].
    KickDevices(Vec<SessionId>),
    /// Who is online. Completes with [`Reply::Presence`].
    Presence(Vec<UserId>),
    /// Release everything that is locked (S-9.4, I12). Completes with [`Reply::Done`].
    Suspend,
    /// Go on after a suspend. Completes with [`Reply::Done`].
    Resume,
}

/// How an explicit login goes (S-3.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoginOptions {
    /// The user's name; empty keeps the one set last.
    pub user_name: String,
    /// What to do when other devices hold all places.
    pub force: Force,
    /// A mark on this device, at most 32 bytes, in place of the configured one.
    pub tag: Option<String>,
    /// The app's own client type, in place of the configured one.
    pub custom_type: Option<u32>,
    /// Handed to third-party authentication.
    pub extension: Bytes,
    /// The time limit in milliseconds.
    pub timeout_ms: u64,
    /// When the call completes.
    pub depth: Depth,
}

impl Default for LoginOptions {
    fn default() -> Self {
        Self {
            user_name: String::new(),
            force: Force::Displace,
            tag: None,
            custom_type: None,
            extension: Bytes::new(),
            timeout_ms: homing_proto::limits::LOGIN_TIMEOUT_MS,
            depth: Depth::Verified,
        }
    }
}

/// What an explicit login does when other devices hold all places (S-7.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Force {
    /// Displaces as the policy says.
    Displace,
    /// Is refused with `device_limit`.
    Refuse,
}

/// When a login call completes (S-3.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Depth {
    /// Local data can be read, if the account is the last one here; else as `Verified`.
    Local,
    /// The server accepted.
    Verified,
    /// The first screen is what the server has.
    FirstScreen,
    /// Nothing is missing.
    Live,
}

/// What happens to local data at logout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LocalData {
    /// It stays for the same user's next login.
    Keep,
    /// It is deleted, the outbox with it.
    Wipe,
}

/// What a call gives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// It is done.
    Done,
    /// Signed in.
    LoggedIn {
        /// The account was signed in before the call (S-3.4).
        already: bool,
        /// The login created the user (S-3.3).
        registered: bool,
    },
    /// The message is durable in the outbox.
    Queued(ClientMsgId),
    /// Messages, ascending.
    Messages(Vec<Message>),
    /// The account's sessions.
    Devices(Vec<DeviceInfo>),
    /// Who is online.
    Presence(Vec<(UserId, bool)>),
}

/// What the device tells (S-6.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hint {
    /// There is a network, or another one.
    NetworkUp,
    /// There is none.
    NetworkDown,
    /// The device slept.
    Wake,
    /// The app is seen.
    Foreground,
    /// The app is not seen.
    Background,
    /// The user wants it now.
    Tap,
}

/// What is asked of the app's provider of credentials (S-8.4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CredentialAsk {
    /// For whom.
    pub user: UserId,
    /// Why.
    pub reason: AskReason,
}

/// Why a credential is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AskReason {
    /// The present one runs out; the connection stays meanwhile.
    Expiring {
        /// Left, in seconds.
        seconds: u32,
    },
    /// The present one has run out: nothing is tried until there is another one.
    Expired,
    /// The server refused the one that was given last, or it was refused before.
    Refused(Error),
}

/// What the provider says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CredentialAnswer {
    /// This one, with its expiry if the shell can read it.
    Given(Credential, Option<WallTime>),
    /// There is none at the moment; it is asked again later.
    NotNow {
        /// Not before this many milliseconds have passed.
        retry_after_ms: Option<u64>,
    },
    /// Only the user can help. It is not asked again before something new happens.
    NeedsUser,
    /// The user is signed out of the app: so the session ends too.
    SignedOut,
}

/// Everything a client wants done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Make a connection; answer with `Opened` or `Lost`.
    Open(Attempt),
    /// Send a frame.
    Transmit(Attempt, ClientFrame),
    /// Drop the connection; nothing of this attempt is heard any more.
    Close(Attempt),
    /// Store the account record durably, then answer.
    PersistAccount(BatchId, Box<Account>),
    /// Store these rows durably in one transaction, then answer. Batches of one generation are
    /// written in the order they were asked for.
    PersistRows(BatchId, Generation, Vec<Row>),
    /// Open the store of this user; answer with `StoreOpened` or `StoreFailed`.
    OpenStore {
        /// The name of this opening.
        generation: Generation,
        /// Whose.
        user: UserId,
        /// What if there is none.
        missing: Missing,
    },
    /// Close the store; answer with `StoreClosed`. Reads through it end here.
    CloseStore(Generation, LocalData),
    /// From here on the app's reads go to this store, or to none (S-3.7).
    Readable(Option<(Generation, UserId)>),
    /// Ask the app's provider; answer with `CredentialAnswered`. One question is open at a time.
    AskCredential(AskId, CredentialAsk),
    /// The answer is not wanted any more.
    ForgetAsk(AskId),
    /// The picture changed.
    Status(Status),
    /// Something happened that is not a state.
    Event(Event),
    /// A call is over.
    Complete(CommandId, Result<Reply, Error>),
}

/// What to do when there is no store to open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Missing {
    /// Make one.
    Create,
    /// Answer `absent`: nothing may be made for a user that nobody has verified.
    Leave,
}

/// One change to an account's store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Row {
    /// An entry of the user's log. An own message takes its place in the outbox.
    Entry(LogEntry),
    /// The state of these conversations, and their last messages; what else is stored stays.
    Window(Vec<Conversation>),
    /// Older messages.
    Messages(Vec<Message>),
    /// The log is stored up to here.
    Cursor(Cursor),
    /// A message that waits.
    Queue(Pending),
    /// The server took it: it leaves the outbox and stands among the messages.
    Accepted {
        /// Which.
        client_id: ClientMsgId,
        /// Its place.
        seq: u64,
        /// When the server took it.
        time: WallTime,
    },
    /// The server will never take it: it leaves the outbox.
    Refused {
        /// Which.
        client_id: ClientMsgId,
    },
}

/// Something that happened (S-2.1). Events about data come after the data is durable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A message of one of the account's conversations.
    Message(Message),
    /// An own message moved forward.
    SendState {
        /// Which.
        client_id: ClientMsgId,
        /// Where.
        conversation: ConversationId,
        /// To what.
        state: SendState,
    },
    /// The account's read cursor moved, on whatever device.
    Read {
        /// Where.
        conversation: ConversationId,
        /// Up to here.
        seq: u64,
    },
    /// A fresh window was stored: lists should be read again.
    WindowChanged,
    /// The session lost its place.
    Kicked(KickRecord),
    /// The account's sessions.
    DevicesChanged(Vec<DeviceInfo>),
    /// The credential runs out (S-8.3).
    CredentialExpiring {
        /// Left, in seconds.
        seconds: u32,
    },
    /// The credential no longer serves; once per credential (S-8.5).
    CredentialNeeded(Error),
    /// Data sync began.
    SyncStarted,
    /// Data sync ended well.
    SyncFinished,
    /// Data sync ended with an error, or with `superseded` when the link went away.
    SyncFailed(Error),
    /// The local store was damaged; it was set aside and is filled anew (I9).
    StoreReset(Error),
}

/// Where an own message is (D-4). It only moves forward.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum SendState {
    /// Durable on the device.
    Queued,
    /// The server has it, durably.
    Accepted {
        /// Its place.
        seq: u64,
    },
    /// The server will never take it.
    Refused(homing_proto::Code),
}
