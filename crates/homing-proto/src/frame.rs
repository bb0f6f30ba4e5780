//! Everything client and server say to each other (W-3, W-4, W-5).

use bytes::Bytes;

use crate::code::Error;
use crate::device::{Device, DeviceInfo, KickRecord};
use crate::id::{AppId, ClientMsgId, ConversationId, Cursor, LoginId, SessionId, UserId};
use crate::message::{Content, Conversation, LogEntry, Message};
use crate::secret::{SessionSecret, Token};
use crate::time::WallTime;

/// What a client says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientFrame {
    /// The one question: login, automatic login and resume alike.
    Hello(Box<Hello>),
    /// Ends a session without signing anyone in (S-9.2); allowed before Hello.
    EndSession(EndSession),
    /// A question with one answer.
    Request {
        /// Chosen by the client; the answer carries it.
        id: u32,
        /// What is asked.
        body: Request,
    },
    /// Everything up to this cursor is durable on the device.
    Ack(Cursor),
    /// Is anybody there? (S-6.4)
    Ping {
        /// Comes back in the Pong.
        nonce: u32,
    },
    /// Answers the server's ping.
    Pong {
        /// From the ping.
        nonce: u32,
    },
    /// A frame this version does not know (W-6).
    Unknown,
}

/// The one question (W-3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hello {
    /// The protocol version the client speaks.
    pub proto: u32,
    /// The SDK's name and version, at most 64 bytes.
    pub sdk: String,
    /// The app.
    pub app: AppId,
    /// Who signs in.
    pub user: UserId,
    /// On what.
    pub device: Device,
    /// What the server may do when there is nothing to resume.
    pub intent: Intent,
    /// The proof of identity; absent when none may be shown (S-8.5).
    pub credential: Option<Credential>,
    /// The session to go on with.
    pub resume: Option<Resume>,
    /// Strictly increasing per device, durable before it is sent (S-6.6).
    pub counter: u64,
    /// What the device already holds of the user's log.
    pub cursor: Option<Cursor>,
    /// Messages sent on an earlier link and not answered.
    pub outbox_heads: Vec<ClientMsgId>,
    /// How much to send when the cursor is of no use.
    pub window: Window,
    /// The user's name; empty keeps the one set last (S-1.2).
    pub user_name: String,
    /// Handed to third-party authentication (S-3.1).
    pub login_extension: Bytes,
    /// Optional abilities as bits; none are defined yet.
    pub caps: u64,
    /// Names the explicit login that this is an attempt of.
    pub login_id: Option<LoginId>,
}

/// What may happen at the server when there is nothing to resume.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Intent {
    /// The user's own act: a new epoch, others may be displaced (S-3.2).
    Explicit,
    /// The user's own act, refused when the place is taken (S-7.5).
    ExplicitPolite,
    /// A new session only if there is room (S-5.3).
    Automatic,
}

/// A proof of identity: which form, and the token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credential {
    /// The format's name, such as `usersig` (S-8.1).
    pub format: String,
    /// The token.
    pub token: Token,
}

impl Credential {
    /// A UserSig (S-8.1).
    pub fn usersig(token: impl Into<String>) -> Self {
        Self { format: "usersig".to_owned(), token: Token::new(token) }
    }
}

/// A session to go on with, and the right to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resume {
    /// The session.
    pub session: SessionId,
    /// Its secret.
    pub secret: SessionSecret,
    /// The epoch its login was given.
    pub epoch: u64,
}

/// The size of a fresh window (D-3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// Conversations.
    pub conversations: u32,
    /// Messages of each.
    pub per_conversation: u32,
}

/// Ends a session for good; also says that its kick record arrived.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndSession {
    /// The app.
    pub app: AppId,
    /// The session's user.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// Its secret.
    pub secret: SessionSecret,
}

/// A question with one answer (W-4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Puts a message into a conversation. Answer: [`Response::Sent`].
    Send {
        /// Where.
        conversation: ConversationId,
        /// The idempotency key.
        client_id: ClientMsgId,
        /// What.
        content: Content,
    },
    /// Moves the read cursor forward. Answer: [`Response::Done`].
    MarkRead {
        /// Where.
        conversation: ConversationId,
        /// Read up to here.
        seq: u64,
    },
    /// The next page of the log. Answer: [`Response::Sync`].
    SyncFrom {
        /// What the device holds; `None` asks for a window.
        cursor: Option<Cursor>,
        /// How much to send when the cursor is of no use.
        window: Window,
    },
    /// Messages below `before` (0: the newest). Answer: [`Response::History`].
    History {
        /// Where.
        conversation: ConversationId,
        /// Exclusive upper end.
        before: u64,
        /// At most this many.
        limit: u32,
    },
    /// The account's sessions (S-7.7). Answer: [`Response::Devices`].
    ListDevices,
    /// Ends own sessions (S-7.7). Answer: [`Response::Done`].
    KickDevices(Vec<SessionId>),
    /// Who is online. Answer: [`Response::Presence`].
    Presence(Vec<UserId>),
    /// Changes the credential in place (S-8.4). Answer: [`Response::Renewed`].
    Renew(Credential),
    /// Ends this session (S-9.2). Answer: [`Response::Done`], then the server closes.
    Logout,
    /// A request this version does not know. Answer: a fault.
    Unknown,
}

/// What a server says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServerFrame {
    /// Hello was accepted.
    Welcome(Box<Welcome>),
    /// Hello was refused; the server closes.
    Refuse(Box<Refuse>),
    /// Answers EndSession: the session is over, or never was.
    Ended(SessionId),
    /// Answers a request.
    Response {
        /// From the request.
        id: u32,
        /// The answer.
        body: Result<Response, Error>,
    },
    /// A new entry of the user's log.
    Push {
        /// Its place.
        offset: u64,
        /// The entry.
        entry: LogEntry,
    },
    /// Proof of life, every 25 s, with the head of the user's log (S-6.4).
    Ping {
        /// Comes back in the Pong.
        nonce: u32,
        /// The head of the user's log.
        head: u64,
    },
    /// Answers the client's ping.
    Pong {
        /// From the ping.
        nonce: u32,
        /// The head of the user's log.
        head: u64,
    },
    /// The last frame on a connection (W-5).
    Close(Box<Close>),
    /// The credential runs out (S-8.3).
    CredentialExpiring {
        /// Left, in seconds.
        seconds: u32,
    },
    /// The account's sessions changed (S-7.7). State, not history: Welcome carries the same list.
    Devices(Vec<DeviceInfo>),
    /// The server's times and sizes are others than Welcome said (S-6.7).
    Limits(Limits),
    /// A frame this version does not know (W-6).
    Unknown,
}

/// Hello was accepted (W-3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Welcome {
    /// The session.
    pub session: SessionId,
    /// Its secret, when it is new.
    pub secret: Option<SessionSecret>,
    /// The epoch of its login.
    pub epoch: u64,
    /// How it came to be.
    pub binding: Binding,
    /// The server's wall clock.
    pub server_time: WallTime,
    /// Left of the credential, in milliseconds; `None`: does not expire.
    pub credential_expires_in_ms: Option<u64>,
    /// The head of the user's log; pushes begin right after it.
    pub head: u64,
    /// The first page.
    pub sync: SyncPage,
    /// Of `outbox_heads`, those that had arrived.
    pub outbox_acks: Vec<OutboxAck>,
    /// All sessions of the account, this one included.
    pub devices: Vec<DeviceInfo>,
    /// The server's times and sizes.
    pub limits: Limits,
    /// This login created the user (S-3.3).
    pub registered: bool,
}

/// How a session came to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Binding {
    /// New; no resume was asked for.
    Fresh,
    /// The one that was asked for.
    Resumed,
    /// New, because the server no longer knew the one that was asked for (S-5.3).
    FreshSessionUnknown,
}

/// A message that had already arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutboxAck {
    /// The sender's name for it.
    pub client_id: ClientMsgId,
    /// Its place.
    pub seq: u64,
    /// When the server took it.
    pub time: WallTime,
}

/// The server's times and sizes, in milliseconds and bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Between two pings.
    pub ping_ms: u32,
    /// Silence after which the link is dead.
    pub liveness_ms: u32,
    /// The largest frame the server takes.
    pub max_frame: u32,
    /// Clients that lose this server spread their return over this.
    pub reconnect_window_ms: u32,
}

/// A page of the user's log, or a fresh window (D-3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyncPage {
    /// The log's identity.
    pub log_epoch: u64,
    /// The log's head when the page was made.
    pub head: u64,
    /// Entries or a window.
    pub body: SyncBody,
}

/// See [`SyncPage`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SyncBody {
    /// Entries without a gap, the first at `first_offset`; empty: nothing is missing.
    Entries {
        /// The offset of the first entry.
        first_offset: u64,
        /// The entries.
        entries: Vec<LogEntry>,
    },
    /// The cursor was not usable; this is the state at `head`.
    TooLong(Vec<Conversation>),
}

/// Hello was refused (W-3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refuse {
    /// Why, and when to come back if that makes sense.
    pub error: Error,
    /// The session is over, or there is none: trying again by itself is of no use.
    pub terminal: bool,
    /// Who ended the session that was to be resumed.
    pub kick: Option<KickRecord>,
    /// Who holds the places (S-7.5).
    pub holders: Vec<DeviceInfo>,
}

/// An answer (W-4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Response {
    /// It is done.
    Done,
    /// The message is durable.
    Sent {
        /// Its place.
        seq: u64,
        /// When the server took it.
        time: WallTime,
    },
    /// A page of the log.
    Sync(SyncPage),
    /// Messages, ascending.
    History(Vec<Message>),
    /// The account's sessions.
    Devices(Vec<DeviceInfo>),
    /// Who is online, in the order of the question.
    Presence(Vec<(UserId, bool)>),
    /// The credential was changed.
    Renewed {
        /// Left of it, in milliseconds; `None`: does not expire.
        credential_expires_in_ms: Option<u64>,
    },
    /// An answer this version does not know.
    Unknown,
}

/// The last frame on a connection (W-5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Close {
    /// Why.
    pub error: Error,
    /// The session is over.
    pub terminal: bool,
    /// Come back at a random moment within this.
    pub retry_window_ms: Option<u32>,
    /// The session can be resumed.
    pub resume_ok: bool,
    /// Who ended the session.
    pub kick: Option<KickRecord>,
}
