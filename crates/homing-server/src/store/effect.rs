//! What is told to others, once the commit is durable.

use homing_core::server::registry::{ConnId, Loser};
use homing_proto::Error;
use homing_proto::device::{DeviceInfo, KickRecord};
use homing_proto::frame::{Refuse, Response, Welcome};
use homing_proto::id::{AppId, SessionId, UserId};
use homing_proto::message::LogEntry;
use homing_proto::time::WallTime;

use super::state::User;
use super::{Deliver, UserKey};
use crate::audit;

/// One thing to tell, in commit order.
pub(super) enum Effect {
    Bound {
        conn: ConnId,
        user: UserKey,
        welcome: Box<Welcome>,
    },
    Refused {
        conn: ConnId,
        refuse: Box<Refuse>,
    },
    Ended {
        conn: ConnId,
        session: SessionId,
    },
    Answer {
        conn: ConnId,
        id: u32,
        body: Result<Response, Error>,
    },
    Entry {
        user: UserKey,
        offset: u64,
        entry: LogEntry,
    },
    Displaced {
        app: AppId,
        user: UserId,
        /// `None`: the loser is away, and is told when it comes back.
        conn: Option<ConnId>,
        record: Box<KickRecord>,
        until: Option<WallTime>,
    },
    Superseded {
        conn: ConnId,
    },
    LoggedOut {
        conn: ConnId,
    },
    Devices {
        user: UserKey,
        devices: Vec<DeviceInfo>,
    },
    AppDeleted {
        app: AppId,
        at: WallTime,
    },
    /// Completes an operator's command.
    Reply(Box<dyn FnOnce() + Send>),
}

/// What the commands of a batch have to tell.
#[derive(Default)]
pub(super) struct Effects(Vec<Effect>);

impl Effects {
    pub(super) fn push(&mut self, effect: Effect) {
        self.0.push(effect);
    }

    pub(super) fn displaced(&mut self, whose: &User, losers: Vec<Loser>) {
        for Loser { conn, record, until } in losers {
            let (app, user, record) = (whose.app, whose.id.clone(), Box::new(record));
            self.push(Effect::Displaced { app, user, conn, record, until });
        }
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Effect> {
        self.0.iter()
    }

    /// The batch failed: nobody hears of it.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn deliver(&mut self, to: &dyn Deliver) {
        for effect in self.0.drain(..) {
            match effect {
                Effect::Bound { conn, user, welcome } => to.bound(conn, user, welcome),
                Effect::Refused { conn, refuse } => to.refused(conn, refuse),
                Effect::Ended { conn, session } => to.ended(conn, session, Ok(())),
                Effect::Answer { conn, id, body } => to.answer(conn, id, body),
                Effect::Entry { user, offset, entry } => to.entry(user, offset, &entry),
                Effect::Displaced { app, user, conn, record, until } => {
                    audit::lost(app, &user, &record);
                    if let Some(conn) = conn {
                        to.displaced(conn, record, until);
                    }
                }
                Effect::Superseded { conn } => to.superseded(conn),
                Effect::LoggedOut { conn } => to.logged_out(conn),
                Effect::Devices { user, devices } => to.devices(user, &devices),
                Effect::AppDeleted { app, at } => to.app_deleted(app, at),
                Effect::Reply(reply) => reply(),
            }
        }
    }
}
