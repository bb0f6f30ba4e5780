//! The server's shell: its connections, its one writer, its crashes and its drains.

use std::collections::BTreeMap;

use bytes::Bytes;
use homing_core::policy::Policy;
use homing_core::server::registry::ConnId;
use homing_core::server::session::{Connection, Input, Output};
use homing_proto::codec;
use homing_proto::frame::ServerFrame;
use homing_proto::id::{SessionId, UserId};
use homing_proto::time::{Time, WallTime};

use super::Around;
use super::network::LinkId;
use super::queue::Due;
use super::writer::{Book, Desk, Effect, Operator, Write};
use crate::Sabotage;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) book: Book,
    pub(super) up: bool,
    /// It takes nobody any more and is about to stop.
    draining: bool,
    pub(super) incarnation: u32,
    /// The most a commit takes, in milliseconds.
    commit_ms: u64,
    /// The server's wall clock at the world's zero.
    wall_base: u64,
    pub(super) conns: BTreeMap<LinkId, Conn>,
    queue: Vec<Write>,
    writing: Option<Vec<Write>>,
}

#[derive(Clone, Debug)]
pub(super) struct Conn {
    id: ConnId,
    pub(super) machine: Connection,
    bound: Option<(UserId, SessionId)>,
    pub(super) timer: Option<u64>,
}

impl Server {
    pub(super) const fn new(
        policy: Policy,
        sabotage: Option<Sabotage>,
        commit_ms: u64,
        wall_base: u64,
    ) -> Self {
        Self {
            book: Book::new(policy, sabotage),
            up: true,
            draining: false,
            incarnation: 1,
            commit_ms,
            wall_base,
            conns: BTreeMap::new(),
            queue: Vec::new(),
            writing: None,
        }
    }

    pub(super) const fn wall(&self, now: u64) -> WallTime {
        WallTime(self.wall_base + now)
    }

    /// An attempt arrives.
    pub(super) fn arrives(&mut self, link: LinkId, around: &mut Around<'_>) {
        let Around { now, rng, network, queue, .. } = around;
        if !self.up || self.draining {
            network.refuse(*now, link, rng, queue);
            return;
        }
        if network.accept(*now, link, self.incarnation, rng, queue) {
            let id = ConnId { incarnation: self.incarnation, number: link.0 };
            let machine = Connection::new(time(*now));
            self.conns.insert(link, Conn { id, machine, bound: None, timer: None });
            self.arm(link, around);
        }
    }

    /// Bytes arrive.
    pub(super) fn receive(&mut self, link: LinkId, bytes: Bytes, around: &mut Around<'_>) {
        let input = match codec::decode_client(bytes) {
            Ok(frame) => Input::Frame(frame),
            Err(error) => Input::BadFrame(error),
        };
        self.feed(link, input, around);
    }

    /// The transport says that the connection is gone.
    pub(super) fn lost(&mut self, link: LinkId, around: &mut Around<'_>) {
        self.drop_conn(link, around);
    }

    pub(super) fn timer(&mut self, link: LinkId, at: u64, around: &mut Around<'_>) {
        let Some(conn) = self.conns.get_mut(&link) else { return };
        if conn.timer == Some(at) {
            conn.timer = None;
            self.feed(link, Input::Timeout, around);
        }
    }

    /// The writer's batch is durable: decide it, then tell.
    pub(super) fn commit(&mut self, run: u32, around: &mut Around<'_>) {
        if run != self.incarnation {
            return;
        }
        let effects = self.decide(around);
        for effect in effects {
            self.carry_out(effect, around);
        }
        self.write_next(around);
    }

    pub(super) fn operate(&mut self, operator: Operator, around: &mut Around<'_>) {
        self.submit(Write::Operator(operator), around);
    }

    /// Everything in memory is gone. The batch that was being written is there or not, and nobody
    /// was told.
    pub(super) fn crash(&mut self, around: &mut Around<'_>) {
        let batch = if around.rng.percent(50) { Batch::Kept } else { Batch::Lost };
        self.crash_at(batch, around);
    }

    /// The same; it is known whether the batch is there.
    pub(super) fn crash_at(&mut self, batch: Batch, around: &mut Around<'_>) {
        if batch == Batch::Kept {
            self.decide(around);
        }
        self.writing = None;
        self.queue.clear();
        self.conns.clear();
        self.up = false;
        self.draining = false;
    }

    /// Closes every connection with a window for the return (S-6.7).
    pub(super) fn drain(&mut self, window_ms: u32, around: &mut Around<'_>) {
        self.draining = true;
        let links: Vec<_> = self.conns.keys().copied().collect();
        for link in links {
            self.feed(link, Input::Drain { window_ms }, around);
        }
    }

    pub(super) fn start(&mut self, around: &mut Around<'_>) {
        self.up = true;
        self.draining = false;
        self.incarnation += 1;
        self.book.recover(self.incarnation, self.wall(around.now), around.watch);
    }

    pub(super) const fn is_draining(&self) -> bool {
        self.draining
    }

    fn decide(&mut self, around: &mut Around<'_>) -> Vec<Effect> {
        let mut effects = Vec::new();
        let now = self.wall(around.now);
        for write in self.writing.take().unwrap_or_default() {
            let mut desk =
                Desk { now, rng: around.rng, watch: around.watch, effects: &mut effects };
            self.book.decide(write, &mut desk);
        }
        effects
    }

    fn carry_out(&mut self, effect: Effect, around: &mut Around<'_>) {
        match effect {
            Effect::Bound(link, user, session, welcome) => match self.conns.get_mut(&link) {
                Some(conn) => {
                    conn.bound = Some((user, session));
                    self.feed(link, Input::Bound(welcome), around);
                }
                // It went away while it was being bound.
                None => self.submit(
                    Write::Detach(ConnId { incarnation: self.incarnation, number: link.0 }, user),
                    around,
                ),
            },
            Effect::Link(link, input) => self.feed(link, input, around),
            Effect::Conn(conn, input) => {
                if conn.incarnation == self.incarnation {
                    self.feed(LinkId(conn.number), input, around);
                }
            }
            Effect::Push(conn, frame) => {
                let link = LinkId(conn.number);
                if conn.incarnation == self.incarnation
                    && self.conns.get(&link).is_some_and(|conn| !conn.machine.is_closed())
                {
                    transmit(link, &frame, around);
                }
            }
        }
    }

    fn feed(&mut self, link: LinkId, input: Input, around: &mut Around<'_>) {
        let Some(conn) = self.conns.get_mut(&link) else { return };
        let head = conn.bound.as_ref().map_or(0, |(user, _)| self.book.head(user));
        let mut out = Vec::new();
        conn.machine.handle(time(around.now), head, input, &mut out);
        let (id, bound) = (conn.id, conn.bound.clone());
        for output in out {
            match output {
                Output::Transmit(frame) => transmit(link, &frame, around),
                Output::Bind(hello) => self.submit(Write::Bind(link, id, hello), around),
                Output::EndSession(end) => self.submit(Write::End(link, end), around),
                Output::Submit { id: request, body } => {
                    let (user, session) = bound.clone().expect("requests come after a bind");
                    let conn = id;
                    let write = Write::Request { link, conn, user, session, id: request, body };
                    self.submit(write, around);
                }
                Output::Ack(_) => {}
                Output::Close => self.drop_conn(link, around),
            }
        }
        self.arm(link, around);
    }

    fn drop_conn(&mut self, link: LinkId, around: &mut Around<'_>) {
        let Around { now, rng, network, queue, .. } = around;
        network.close_server(*now, link, rng, queue);
        let Some(conn) = self.conns.remove(&link) else { return };
        if let Some((user, _)) = conn.bound {
            self.submit(Write::Detach(conn.id, user), around);
        }
    }

    fn submit(&mut self, write: Write, around: &mut Around<'_>) {
        self.queue.push(write);
        if self.writing.is_none() {
            self.write_next(around);
        }
    }

    /// Group commit: everything that waits goes into one batch.
    fn write_next(&mut self, around: &mut Around<'_>) {
        if self.queue.is_empty() {
            return;
        }
        self.writing = Some(std::mem::take(&mut self.queue));
        let at = around.now + around.rng.between(1, self.commit_ms);
        around.queue.push(at, Due::Commit(self.incarnation));
    }

    fn arm(&mut self, link: LinkId, around: &mut Around<'_>) {
        let Some(conn) = self.conns.get_mut(&link) else { return };
        let due = conn.machine.next_timeout().map(|at| at.0.max(around.now));
        if conn.timer != due {
            conn.timer = due;
            if let Some(at) = due {
                around.queue.push(at, Due::ServerTimer(link, at));
            }
        }
    }
}

/// What a crash makes of the batch that was being written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Batch {
    /// It is there, and nobody was told.
    Kept,
    /// There is no trace of it.
    Lost,
}

fn transmit(link: LinkId, frame: &ServerFrame, around: &mut Around<'_>) {
    let Around { now, rng, network, queue, .. } = around;
    network.down(*now, link, codec::encode_server(frame), rng, queue);
}

const fn time(now: u64) -> Time {
    Time(now)
}
