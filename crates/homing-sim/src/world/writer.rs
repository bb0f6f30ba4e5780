//! The server's store and the decisions of its one writer: a batch is decided when it is durable,
//! so that a crash before that leaves no trace of it.

mod messages;
mod sessions;

use std::collections::BTreeMap;

use homing_core::policy::Policy;
use homing_core::server::log::{Direct, Pair, Placed, Side};
use homing_core::server::registry::{ConnId, UserSessions};
use homing_core::server::session::Input;
use homing_proto::frame::{EndSession, Hello, Request, Response, ServerFrame, Welcome};
use homing_proto::id::{ClientMsgId, SessionId, UserId};
use homing_proto::message::{Content, LogEntry};
use homing_proto::time::WallTime;
use homing_proto::{Code, Error};

use super::network::LinkId;
use crate::Sabotage;
use crate::fact::Fact;
use crate::rng::Rng;
use crate::watch::Watch;

/// Something the writer is to decide and make durable.
#[derive(Clone, Debug)]
pub(super) enum Write {
    Bind(LinkId, ConnId, Box<Hello>),
    End(LinkId, Box<EndSession>),
    Request { link: LinkId, conn: ConnId, user: UserId, session: SessionId, id: u32, body: Request },
    Detach(ConnId, UserId),
    Operator(Operator),
}

/// An operator's act.
#[derive(Clone, Debug)]
pub(super) enum Operator {
    KickAll { user: UserId, revoke: bool },
    Ban(UserId),
    Unban(UserId),
}

/// What follows from a durable decision, in the order of the decisions.
#[derive(Clone, Debug)]
pub(super) enum Effect {
    /// The connection that asked has a session; tell its machine.
    Bound(LinkId, UserId, SessionId, Box<Welcome>),
    /// Tell the machine of the link that asked.
    Link(LinkId, Input),
    /// Tell the machine of a connection.
    Conn(ConnId, Input),
    /// Send past the machine.
    Push(ConnId, ServerFrame),
}

/// Everything the server keeps.
#[derive(Clone, Debug)]
pub(super) struct Book {
    policy: Policy,
    sabotage: Option<Sabotage>,
    users: BTreeMap<UserId, UserRow>,
    pairs: BTreeMap<Pair, PairRow>,
    sent: BTreeMap<(UserId, ClientMsgId), (u64, WallTime)>,
    /// What a sabotaged admission decides on, and when it was read.
    stale: BTreeMap<UserId, (WallTime, UserSessions)>,
    /// What a Welcome says of the window for a return, in milliseconds (S-6.7).
    pub(super) window_ms: u32,
}

#[derive(Clone, Debug, Default)]
struct UserRow {
    sessions: UserSessions,
    log_epoch: u64,
    log: Vec<LogEntry>,
}

#[derive(Clone, Debug, Default)]
struct PairRow {
    state: Direct,
    messages: Vec<Row>,
}

#[derive(Clone, Debug)]
struct Row {
    from: Side,
    client_id: ClientMsgId,
    time: WallTime,
    content: Content,
    placed: Placed,
}

/// What a decision needs besides the store.
pub(super) struct Desk<'a> {
    pub(super) now: WallTime,
    pub(super) rng: &'a mut Rng,
    pub(super) watch: &'a mut Watch,
    pub(super) effects: &'a mut Vec<Effect>,
}

impl Book {
    pub(super) const fn new(policy: Policy, sabotage: Option<Sabotage>) -> Self {
        Self {
            policy,
            sabotage,
            users: BTreeMap::new(),
            pairs: BTreeMap::new(),
            sent: BTreeMap::new(),
            stale: BTreeMap::new(),
            window_ms: WINDOW_MS,
        }
    }

    pub(super) const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Makes a user that nobody has signed in as.
    pub(super) fn add_user(&mut self, user: UserId) {
        self.users.insert(user, UserRow { log_epoch: 1, ..UserRow::default() });
    }

    /// A user's sessions, if there is such a user.
    pub(super) fn user(&self, user: &UserId) -> Option<&UserSessions> {
        self.users.get(user).map(|row| &row.sessions)
    }

    /// A user's log.
    pub(super) fn log(&self, user: &UserId) -> &[LogEntry] {
        self.users.get(user).map_or(&[], |row| &row.log)
    }

    /// The head of a user's log.
    pub(super) fn head(&self, user: &UserId) -> u64 {
        self.users.get(user).map_or(0, |row| row.log.len() as u64)
    }

    /// The living sessions of all users, and whether each is online.
    pub(super) fn sessions(&self) -> Vec<(UserId, SessionId, bool)> {
        let of = |(user, row): (&UserId, &UserRow)| {
            let each = row.sessions.sessions.iter();
            each.map(|s| (user.clone(), s.id, s.conn().is_some())).collect::<Vec<_>>()
        };
        self.users.iter().flat_map(of).collect()
    }

    /// After a start of the server: nobody is connected.
    pub(super) fn recover(&mut self, incarnation: u32, now: WallTime, watch: &mut Watch) {
        for (user, row) in &mut self.users {
            let before: Vec<_> = online(&row.sessions).map(|(_, session)| session).collect();
            row.sessions.recover(incarnation, now);
            for session in before {
                watch.see(&Fact::Detached { user, session });
            }
        }
    }

    pub(super) fn decide(&mut self, write: Write, desk: &mut Desk<'_>) {
        match write {
            Write::Bind(link, conn, hello) => self.bind(link, conn, *hello, desk),
            Write::End(link, end) => self.end(link, &end, desk),
            Write::Request { link, conn, user, session, id, body } => {
                // The fence (V-2): a session that is over decides nothing. Its connection is told
                // so by what ended it.
                let row = self.users.get(&user).expect("a bound user exists");
                if row.sessions.is_current(session, conn) {
                    let body = self.request(conn, &user, session, body, desk);
                    desk.effects.push(Effect::Link(link, Input::Answered { id, body }));
                }
            }
            Write::Detach(conn, user) => self.detach(conn, &user, desk),
            Write::Operator(operator) => self.operate(operator, desk),
        }
    }

    fn request(
        &mut self,
        conn: ConnId,
        user: &UserId,
        session: SessionId,
        body: Request,
        desk: &mut Desk<'_>,
    ) -> Result<Response, Error> {
        match body {
            Request::Send { conversation, client_id, content } => {
                self.send(user, &conversation, client_id, content, desk)
            }
            Request::MarkRead { conversation, seq } => {
                self.mark_read(user, &conversation, seq, desk)
            }
            Request::SyncFrom { cursor, window } => {
                Ok(Response::Sync(self.page(user, cursor, window)))
            }
            Request::History { conversation, before, limit } => {
                Ok(Response::History(self.history(user, &conversation, before, limit)))
            }
            Request::Presence(users) => {
                let is_online = |asked: &UserId| {
                    self.users.get(asked).is_some_and(|row| {
                        row.sessions.devices(desk.now).iter().any(|device| device.online)
                    })
                };
                Ok(Response::Presence(
                    users
                        .into_iter()
                        .map(|u| {
                            let on = is_online(&u);
                            (u, on)
                        })
                        .collect(),
                ))
            }
            Request::ListDevices
            | Request::KickDevices(_)
            | Request::Renew(_)
            | Request::Logout => self.session_request(conn, user, session, body, desk),
            Request::Unknown => Err(Code::UNKNOWN_OPERATION.into()),
        }
    }
}

fn online(sessions: &UserSessions) -> impl Iterator<Item = (ConnId, SessionId)> + '_ {
    sessions.sessions.iter().filter_map(|session| Some((session.conn()?, session.id)))
}

/// The window of a server that nobody told another.
const WINDOW_MS: u32 = 2_000;
