//! What is seen of a world: the stream that the oracles judge and that a trace prints.
//!
//! A fact says what happened at one of the edges – between app and client, client and socket,
//! client and disk, at the server's commit – never what a machine thinks inside.

use std::fmt;

use homing_core::client::{
    Account, AskId, Attempt, Command, CommandId, CredentialAnswer, CredentialAsk, Event, Hint,
    Reply, Row, Status,
};
use homing_proto::Error;
use homing_proto::device::Device;
use homing_proto::frame::{Binding, ClientFrame, Intent, ServerFrame};
use homing_proto::id::{ClientMsgId, ConversationId, Cursor, LoginId, SessionId, UserId};
use homing_proto::message::{LogEntry, Message};
use homing_proto::time::{Now, Time};

use crate::store::Store;

/// A device of the world, by its place in the list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceNo(pub usize);

impl fmt::Debug for DeviceNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "d{}", self.0)
    }
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Fact<'a> {
    /// The world stands.
    World {
        /// The devices, by number.
        devices: &'a [Device],
        /// The app's policy.
        policy: &'a homing_core::policy::Policy,
        /// How many conversations the devices ask for in a window.
        window: usize,
    },
    /// A process began on the device, with what its disk holds.
    Started(DeviceNo, &'a Account),
    /// The process is gone, without a word.
    Killed(DeviceNo),
    /// The device fell asleep.
    Slept(DeviceNo),
    /// The device woke up.
    Woke(DeviceNo),
    /// The app called.
    Called(DeviceNo, CommandId, &'a Command),
    /// The call is over.
    Completed(DeviceNo, CommandId, &'a Result<Reply, Error>),
    /// The app saw a new status.
    Status(DeviceNo, &'a Status),
    /// The app saw an event.
    Event(DeviceNo, &'a Event),
    /// The client asked the app's provider of credentials.
    Asked(DeviceNo, AskId, &'a CredentialAsk),
    /// The question was withdrawn.
    Withdrawn(DeviceNo, AskId),
    /// The provider answered a question that is open.
    Provided(DeviceNo, AskId, &'a CredentialAnswer),
    /// The app's reads go there now.
    Readable(DeviceNo, Option<&'a UserId>),
    /// The device told its client something.
    Hinted(DeviceNo, Hint),
    /// The client began an attempt.
    Dialed(DeviceNo, Attempt),
    /// The client handed a frame to the network.
    Sent(DeviceNo, Attempt, &'a ClientFrame),
    /// A frame reached the client.
    Heard(DeviceNo, Attempt, &'a ServerFrame),
    /// The client took in something and is at rest again.
    Handled {
        /// Which.
        device: DeviceNo,
        /// Its clocks.
        now: Now,
        /// Its present picture.
        status: &'a Status,
        /// Its wake-up.
        armed: Option<Time>,
        /// Writes, openings and closings that it was not answered yet.
        storage: usize,
    },
    /// The account record is durable.
    AccountStored(DeviceNo, &'a Account),
    /// A write failed and left no trace.
    WriteFailed(DeviceNo),
    /// A batch of rows is durable.
    RowsStored(DeviceNo, &'a UserId, &'a [Row]),
    /// A store was opened or closed; this many are open now.
    StoresOpen(DeviceNo, usize),
    /// Another process has the device's data directory, or has let go of it.
    HeldByOther(DeviceNo, bool),
    /// A store was damaged and set aside; these messages were salvaged.
    StoreReset(DeviceNo, &'a UserId),
    /// A store came from elsewhere, with a cursor that the server never gave out.
    CursorForged(DeviceNo, &'a UserId, Cursor),
    /// A store was deleted at the client's wish.
    StoreWiped(DeviceNo, &'a UserId),
    /// The server committed a login or a resume.
    Bound(&'a Bound),
    /// The server committed the end of a session.
    Ended {
        /// Whose.
        user: &'a UserId,
        /// Which.
        session: SessionId,
        /// How.
        how: Ending,
    },
    /// The server committed that a session has no connection any more.
    Detached {
        /// Whose.
        user: &'a UserId,
        /// Which.
        session: SessionId,
    },
    /// The server committed a message to its conversation, seen from its sender.
    Stored(&'a Message),
    /// The server committed an entry of a user's log.
    Appended(&'a UserId, Cursor, &'a LogEntry),
    /// Something in the world that concerns no single call: a fault, its end, an operator's act.
    Weather(&'a str),
    /// Faults are over; from here on everything must come right.
    Calm,
    /// The end.
    Rest {
        /// How each device stands.
        devices: &'a [DeviceAtRest],
        /// The server's living sessions, and whether each is on a connection.
        sessions: &'a [(UserId, SessionId, bool)],
    },
}

/// A committed login or resume.
#[derive(Clone, Debug)]
pub struct Bound {
    /// Whose.
    pub user: UserId,
    /// On what.
    pub device: Device,
    /// What the Hello allowed the server to do.
    pub intent: Intent,
    /// The explicit login that the Hello was an attempt of.
    pub login_id: Option<LoginId>,
    /// How the session came to be.
    pub binding: Binding,
    /// The session.
    pub session: SessionId,
    /// Its epoch.
    pub epoch: u64,
    /// Who lost a place by it.
    pub displaced: Vec<SessionId>,
}

/// How a session ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// Its own device signed out.
    Logout,
    /// An own device, an operator, a ban.
    Kick,
    /// The same device logged in anew.
    Replaced,
    /// Nobody was there for too long.
    Aged,
}

/// How a device stands at the end.
#[derive(Clone, Debug)]
pub struct DeviceAtRest {
    /// Which.
    pub device: DeviceNo,
    /// The picture its app sees.
    pub status: Status,
    /// What its disk holds of accounts.
    pub account: Account,
    /// What its disk holds of the signed-in user.
    pub store: Option<Store>,
    /// The messages it holds that no server has, of all users.
    pub outbox: Vec<(UserId, ConversationId, ClientMsgId)>,
}
