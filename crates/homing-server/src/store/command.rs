//! What can be asked of a store. This, and [`Deliver`](super::Deliver) for the answers, is the whole
//! boundary: another backend takes the same values.

use homing_core::policy::{Newcomer, Policy};
use homing_core::server::registry::{BindAsk, ConnId, SecretHash, Standing, Verdict};
use homing_proto::Error;
use homing_proto::device::DeviceInfo;
use homing_proto::frame::{Intent, Window};
use homing_proto::id::{AppId, ClientMsgId, ConversationId, Cursor, SessionId, UserId};
use homing_proto::message::Content;
use homing_proto::time::WallTime;
use tokio::sync::oneshot;

use super::UserKey;
use crate::apps::{App, AppChange, DeletedApp, NewApp};

/// Something that a connection asks.
#[derive(Debug)]
pub enum Command {
    /// Decide on a Hello. Answer: `bound` or `refused`.
    Bind(Box<Bind>),
    /// End a session without signing in. Answer: `ended`.
    EndSession(Box<EndSession>),
    /// Carry out a request. Answer: `answer`.
    Request {
        /// Who asks; nothing is done unless the session is still on that connection.
        from: Origin,
        /// The request's id, handed back with the answer.
        id: u32,
        /// What is asked.
        ask: Ask,
    },
}

/// The connection that asks, and for whom: the fence in front of every write (V-2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    /// The user.
    pub user: UserKey,
    /// The session that was bound.
    pub session: SessionId,
    /// The connection it was bound to.
    pub conn: ConnId,
}

/// A Hello after its credential was verified.
#[derive(Clone, Debug)]
pub struct Bind {
    /// The app.
    pub app: AppId,
    /// Who signs in.
    pub user: UserId,
    /// The user's name; empty keeps the one set last (S-1.2).
    pub user_name: String,
    /// What the registry is asked.
    pub ask: BindAsk,
    /// The static token that was shown in place of a credential that could be verified before (S-8.1):
    /// only the store knows the user's.
    pub static_token: Option<SecretHash>,
    /// What the device holds of the user's log.
    pub cursor: Option<Cursor>,
    /// Messages sent on an earlier link and not answered.
    pub outbox_heads: Vec<ClientMsgId>,
    /// How much to send when the cursor is of no use.
    pub window: Window,
}

/// A session to be ended, and the right to.
#[derive(Clone, Debug)]
pub struct EndSession {
    /// The app.
    pub app: AppId,
    /// The session's user.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// Of its secret.
    pub secret_hash: SecretHash,
    /// Where the answer goes.
    pub conn: ConnId,
}

/// A request (W-4).
#[derive(Clone, Debug)]
pub enum Ask {
    /// Put a message into a conversation.
    Send {
        /// Where.
        conversation: ConversationId,
        /// The idempotency key.
        client_id: ClientMsgId,
        /// What.
        content: Content,
    },
    /// Move the read cursor forward.
    MarkRead {
        /// Where.
        conversation: ConversationId,
        /// Read up to here.
        seq: u64,
    },
    /// The next page of the log.
    SyncFrom {
        /// What the device holds; `None` asks for a window.
        cursor: Option<Cursor>,
        /// How much to send when the cursor is of no use.
        window: Window,
    },
    /// Messages below `before` (0: the newest).
    History {
        /// Where.
        conversation: ConversationId,
        /// Exclusive upper end.
        before: u64,
        /// At most this many.
        limit: u32,
    },
    /// The account's sessions.
    ListDevices,
    /// End own sessions.
    KickDevices(Vec<SessionId>),
    /// Who is online.
    Presence(Vec<UserId>),
    /// Take a new credential, which was verified.
    Renew(Verdict),
    /// Take a static token, if it is the user's.
    RenewStatic(SecretHash),
    /// End this session.
    Logout,
}

/// Where the answer to an operator's command goes.
pub(super) type Reply<T> = Option<oneshot::Sender<Result<T, Error>>>;

/// Something that an operator or the server itself asks.
#[derive(Debug)]
pub(super) enum Admin {
    CreateApp(NewApp, Reply<App>),
    ChangeApp(AppId, AppChange, Reply<App>),
    DeleteApp(AppId, Reply<DeletedApp>),
    CreateUsers { app: AppId, users: Vec<NewUser>, reply: Reply<Vec<Made>> },
    RenameUser { app: AppId, user: UserId, name: String, reply: Reply<()> },
    Govern { app: AppId, user: UserId, act: Act, reply: Reply<usize> },
    Devices { app: AppId, user: UserId, reply: Reply<Vec<DeviceInfo>> },
    LookUp { app: AppId, users: Vec<UserId>, reply: Reply<Vec<Option<UserView>>> },
    TryPolicy { app: AppId, user: UserId, trial: Trial, reply: Reply<Outlook> },
    ListUsers { app: AppId, page: UserPage, reply: Reply<Vec<UserView>> },
}

/// What an operator does to a user (S-7.8).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Act {
    /// Ends sessions.
    Kick {
        /// Which.
        sessions: Chosen,
        /// Words for the user, at most 256 bytes.
        text: String,
        /// What becomes of the user's credentials.
        credentials: Credentials,
    },
    /// Bars the user and ends all sessions.
    Ban {
        /// When it ends by itself; `None`: when it is lifted.
        until: Option<WallTime>,
        /// Words for the user, at most 256 bytes.
        text: String,
    },
    /// Lifts a ban.
    Unban,
    /// Kills every credential issued before now.
    RevokeCredentials,
    /// Gives the user another static token, whose hash this is (S-8.1).
    SetStaticToken(SecretHash),
    /// Takes the user's static token away (S-8.1).
    ClearStaticToken,
    /// Deletes the account: ends all sessions, and erases what was the user's own (D-7).
    Delete {
        /// Words for the user, at most 256 bytes.
        text: String,
    },
}

/// What a kick does to the credentials of whoever is kicked (S-7.8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Credentials {
    /// They stay good: the user may sign in again with them.
    Keep,
    /// Every one issued before now is dead.
    Revoke,
}

/// Which of a user's sessions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Chosen {
    /// All.
    All,
    /// These.
    Listed(Vec<SessionId>),
    /// All but these.
    AllBut(Vec<SessionId>),
}

/// A user to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewUser {
    /// The id.
    pub id: UserId,
    /// The name, at most 256 bytes; may be empty.
    pub name: String,
}

/// What became of a [`NewUser`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Made {
    /// It is there now.
    Created,
    /// It was there; nothing was changed.
    Known,
    /// There was one, and it was deleted: an id is not given out twice.
    Deleted,
}

/// A user as an operator sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserView {
    /// The id.
    pub id: UserId,
    /// The name; may be empty.
    pub name: String,
    /// When it was made.
    pub created: WallTime,
    /// Whether it may sign in.
    pub standing: Standing,
    /// It was deleted, and not all that it had is erased yet.
    pub erasing: bool,
    /// Credentials issued before this moment are dead; 0: none was revoked.
    pub revoked_before: WallTime,
    /// Its sessions, earliest login first.
    pub devices: Vec<DeviceInfo>,
}

/// Some of an app's users, in the order of their ids.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UserPage {
    /// Those whose ids begin with this.
    pub prefix: String,
    /// Those whose ids come after this.
    pub after: Option<UserId>,
    /// At most this many.
    pub limit: usize,
}

/// A login that is only thought of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trial {
    /// The policy; `None`: the app's.
    pub policy: Option<Policy>,
    /// What would sign in, on a device that is not signed in.
    pub newcomer: Newcomer,
    /// How.
    pub intent: Intent,
}

/// What would come of a [`Trial`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outlook {
    /// It would get in, and these would lose their places, first victim first.
    Accepted(Vec<DeviceInfo>),
    /// It would be refused, and these hold the places.
    Refused(Vec<DeviceInfo>),
}

/// What lies in the writer's queue.
#[derive(Debug)]
pub(super) enum Queued {
    Command(Command),
    Detach { user: UserKey, conn: ConnId },
    Admin(Box<Admin>),
    Stop,
}
