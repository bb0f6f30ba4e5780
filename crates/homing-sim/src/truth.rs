//! The reference model: what is so, drawn from the facts alone, for oracles to compare with.

use std::collections::BTreeMap;

use homing_core::client::Status;
use homing_proto::device::Device;
use homing_proto::id::{ConversationId, Cursor, UserId};
use homing_proto::message::{LogEntry, Message};

use crate::fact::{DeviceNo, Fact};

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    users: BTreeMap<UserId, UserTruth>,
    devices: Vec<DeviceTruth>,
    window: usize,
    is_calm: bool,
}

/// A user as the server has committed it.
#[derive(Clone, Debug, Default)]
pub struct UserTruth {
    /// The log's identity.
    pub log_epoch: u64,
    /// The log; the first entry has offset 1.
    pub log: Vec<LogEntry>,
    /// The messages of each conversation as this user sees it; the first has seq 1.
    pub messages: BTreeMap<ConversationId, Vec<Message>>,
}

/// A device as one sees it from outside.
#[derive(Clone, Debug)]
pub struct DeviceTruth {
    /// What it is.
    pub about: Device,
    /// The picture its app saw last, in this run of its process.
    pub status: Option<Status>,
    /// Whose data its app reads.
    pub readable: Option<UserId>,
    /// It sleeps.
    pub is_asleep: bool,
}

/// The counts of a conversation at some point of a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// The last message's seq.
    pub head: u64,
    /// Own messages up to it.
    pub own_count: u64,
    /// Read up to here.
    pub read_seq: u64,
    /// Own messages up to `read_seq`.
    pub read_own_count: u64,
}

impl Truth {
    /// A user, if the server ever committed an entry for it.
    pub fn user(&self, user: &UserId) -> Option<&UserTruth> {
        self.users.get(user)
    }

    /// A device.
    pub fn device(&self, device: DeviceNo) -> &DeviceTruth {
        &self.devices[device.0]
    }

    /// All devices.
    pub fn devices(&self) -> &[DeviceTruth] {
        &self.devices
    }

    /// How many conversations the devices ask for in a window.
    pub const fn window(&self) -> usize {
        self.window
    }

    /// Faults are over.
    pub const fn is_calm(&self) -> bool {
        self.is_calm
    }

    pub(crate) fn see(&mut self, _now: u64, fact: &Fact<'_>) {
        match fact {
            Fact::World { devices, window, .. } => {
                self.window = *window;
                let each = |about: &Device| DeviceTruth {
                    about: about.clone(),
                    status: None,
                    readable: None,
                    is_asleep: false,
                };
                self.devices = devices.iter().map(each).collect();
            }
            Fact::Started(no, _) | Fact::Killed(no) => {
                let device = &mut self.devices[no.0];
                (device.status, device.readable, device.is_asleep) = (None, None, false);
            }
            Fact::Slept(no) => self.devices[no.0].is_asleep = true,
            Fact::Woke(no) => self.devices[no.0].is_asleep = false,
            Fact::Status(no, status) => self.devices[no.0].status = Some((*status).clone()),
            Fact::Readable(no, user) => self.devices[no.0].readable = user.cloned(),
            Fact::Appended(user, cursor, entry) => self.append(user, *cursor, entry),
            Fact::Calm => self.is_calm = true,
            _ => {}
        }
    }

    fn append(&mut self, user: &UserId, cursor: Cursor, entry: &LogEntry) {
        let truth = self.users.entry(user.clone()).or_default();
        truth.log_epoch = cursor.log_epoch;
        truth.log.push(entry.clone());
        if let LogEntry::Message { message, .. } = entry {
            truth.messages.entry(message.conversation.clone()).or_default().push(message.clone());
        }
    }
}

impl UserTruth {
    /// What the counts are after this many entries, told from the entries alone: messages and
    /// read marks are counted here, not taken over.
    pub fn counts(&self, user: &UserId, offset: u64) -> BTreeMap<ConversationId, Counts> {
        let mut all: BTreeMap<ConversationId, Counts> = BTreeMap::new();
        for entry in self.log.iter().take(offset as usize) {
            match entry {
                LogEntry::Message { message, .. } => {
                    let counts = all.entry(message.conversation.clone()).or_default();
                    counts.head += 1;
                    counts.own_count += u64::from(message.from == *user);
                }
                LogEntry::Read { conversation, seq, .. } => {
                    let counts = all.entry(conversation.clone()).or_default();
                    counts.read_seq = counts.read_seq.max(*seq);
                    let own = self.messages.get(conversation).map_or(0, |messages| {
                        let read = messages.iter().take(counts.read_seq as usize);
                        read.filter(|message| message.from == *user).count() as u64
                    });
                    counts.read_own_count = own;
                }
                LogEntry::Unknown => {}
            }
        }
        all
    }
}
