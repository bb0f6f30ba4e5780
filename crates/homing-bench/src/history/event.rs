//! What was asked and what was answered, as one client saw it: the lines of a history.

use std::collections::BTreeMap;

use homing_proto::Code;
use homing_proto::device::{DeviceInfo, KickReason, KickRecord, Platform};
use homing_proto::frame::{Binding, Intent};
use homing_proto::id::{DeviceId, SessionId};
use homing_proto::time::WallTime;

/// A connection of the run. Each says Hello once at most.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Conn(pub(crate) u32);

/// A session secret by its number: a history holds no secrets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Secret(pub(crate) u32);

/// One explicit login, however often it was tried.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Login(pub(crate) u32);

/// One Hello: the session that it makes carries it in its device's tag, so that it is known even if
/// nobody heard the answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Mark(pub(crate) u32);

/// One operation with what came of it, or one notice that nobody asked for.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Event {
    pub(crate) conn: Conn,
    /// Of the frames that came in on the connection, the one with the answer, from 0.
    pub(crate) frame: Option<u32>,
    /// Nanoseconds from the start of the run. For a notice: when the frame before it was asked for,
    /// because it cannot be older than that.
    pub(crate) asked: u64,
    /// When the answer was read; `None`: nobody waited for it, and it was perhaps done.
    pub(crate) answered: Option<u64>,
    pub(crate) what: What,
}

/// See [`Event`].
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum What {
    /// A login, an automatic login or a resume.
    Hello(Hello, Option<HelloAnswer>),
    /// The list of the account's sessions.
    List(SessionId, Option<Result<Vec<SessionId>, Code>>),
    /// The end of other sessions of the account.
    Kick(SessionId, Vec<SessionId>, Option<Result<(), Code>>),
    /// The end of the connection's session.
    Logout(SessionId, Option<Result<(), Code>>),
    /// The end of a session over a connection that has none.
    End(SessionId, Secret),
    /// The server told the list.
    Devices(Vec<SessionId>),
    /// The server's last frame.
    Closed(SessionId, Fate),
}

/// What a Hello asked for.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Hello {
    pub(crate) mark: Mark,
    pub(crate) device: DeviceId,
    pub(crate) platform: Platform,
    pub(crate) custom_type: u32,
    pub(crate) intent: Intent,
    pub(crate) resume: Option<Resume>,
    pub(crate) login: Option<Login>,
    pub(crate) counter: u64,
    pub(crate) credential: Credential,
}

/// Whether a good credential was shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Credential {
    Shown,
    Withheld,
}

/// The session to go on with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Resume {
    pub(crate) session: SessionId,
    pub(crate) secret: Secret,
    pub(crate) epoch: u64,
}

/// What a Hello was answered.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum HelloAnswer {
    Welcome {
        session: SessionId,
        secret: Option<Secret>,
        epoch: u64,
        binding: Binding,
        devices: Vec<SessionId>,
    },
    Refuse {
        code: Code,
        kick: Option<Kick>,
        holders: Vec<SessionId>,
    },
}

/// What a kick record says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Kick {
    pub(crate) session: SessionId,
    pub(crate) reason: KickReason,
    pub(crate) by: Option<SessionId>,
}

/// Why the server ended a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Fate {
    /// The session is on a newer connection, or its device has another one.
    Superseded,
    /// The session lost its place.
    Kicked(Kick),
    /// The session was ended over another connection.
    LoggedOut,
}

/// What the server said of a session, whoever heard it. It never changes.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Fact {
    pub(crate) device: DeviceId,
    pub(crate) platform: Platform,
    pub(crate) custom_type: u32,
    pub(crate) mark: Option<Mark>,
    pub(crate) login_time: WallTime,
}

/// What was heard of all sessions.
#[derive(Clone, Default, Debug)]
pub(crate) struct Facts {
    pub(crate) sessions: BTreeMap<SessionId, Fact>,
    /// What contradicts itself.
    pub(crate) contradictions: Vec<String>,
}

/// One user's part of a history.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) user: String,
    pub(crate) events: Vec<Event>,
    pub(crate) facts: Facts,
    /// When clients let go of connections that the server had not ended.
    pub(crate) dropped: BTreeMap<Conn, u64>,
}

impl Facts {
    /// Takes note of a list and gives the names in it.
    pub(crate) fn heard_list(&mut self, devices: &[DeviceInfo]) -> Vec<SessionId> {
        devices.iter().map(|info| self.heard(info)).collect()
    }

    /// Takes note of a kick record.
    pub(crate) fn heard_kick(&mut self, record: &KickRecord) -> Kick {
        let by = record.by.as_ref().map(|info| self.heard(info));
        Kick { session: record.session, reason: record.reason, by }
    }

    fn heard(&mut self, info: &DeviceInfo) -> SessionId {
        let fact = Fact {
            device: info.device.id,
            platform: info.device.platform,
            custom_type: info.device.custom_type,
            mark: Mark::of_tag(&info.device.tag),
            login_time: info.login_time,
        };
        if !info.online {
            let text = format!("{} counts as offline within seconds", info.session);
            self.contradictions.push(text);
        }
        self.add(info.session, fact);
        info.session
    }

    pub(crate) fn add(&mut self, session: SessionId, fact: Fact) {
        match self.sessions.get(&session) {
            Some(known) if *known != fact => {
                self.contradictions.push(format!("{session} is {known:?} and {fact:?}"));
            }
            Some(_) => {}
            None => {
                self.sessions.insert(session, fact);
            }
        }
    }
}

impl Mark {
    /// As a device's tag.
    pub(crate) fn tag(self) -> String {
        format!("m{}", self.0)
    }

    fn of_tag(tag: &str) -> Option<Self> {
        tag.strip_prefix('m')?.parse().ok().map(Self)
    }
}

impl Event {
    /// The living sessions, as it told them.
    pub(crate) fn list(&self) -> &[SessionId] {
        match &self.what {
            What::Hello(_, Some(HelloAnswer::Welcome { devices, .. })) => devices,
            What::List(_, Some(Ok(list))) | What::Devices(list) => list,
            _ => &[],
        }
    }

    /// Whether a client asked for it.
    pub(crate) const fn is_operation(&self) -> bool {
        !matches!(self.what, What::Devices(_) | What::Closed(..))
    }
}
