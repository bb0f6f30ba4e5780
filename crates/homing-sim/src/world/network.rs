//! Connections: bytes in order on each, no order among them, and every way to fail.

use std::collections::BTreeMap;

use bytes::Bytes;
use homing_core::client::Attempt;

use super::queue::{Due, Queue};
use crate::fact::DeviceNo;
use crate::rng::Rng;

/// A connection, or an attempt at one; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct LinkId(pub(super) u32);

/// A device's way to the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub(super) up: bool,
    /// The least that a byte takes one way, in milliseconds.
    pub(super) base_ms: u64,
    /// What it may take on top.
    pub(super) jitter_ms: u64,
}

/// Who notices that a connection is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Notice {
    Both,
    Client,
    Server,
    Nobody,
}

/// Which way bytes go no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cut {
    Up,
    Down,
    BothWays,
}

#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) device: DeviceNo,
    /// The run of the client's process.
    pub(super) run: u32,
    pub(super) attempt: Attempt,
    /// The run of the server.
    pub(super) incarnation: u32,
    route: Route,
    client_end: End,
    server_end: End,
}

/// One end: what it sends, and whether it is still there.
#[derive(Clone, Debug)]
struct End {
    open: bool,
    /// Nothing that it sends arrives any more.
    cut: bool,
    /// When the last thing it sent arrives.
    last: u64,
}

/// All connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Network {
    links: BTreeMap<LinkId, Link>,
    next: u32,
    /// Nobody reaches the server.
    pub(super) unreachable: bool,
}

impl Network {
    /// A client begins an attempt.
    pub(super) fn dial(
        &mut self,
        now: u64,
        (device, run, attempt): (DeviceNo, u32, Attempt),
        route: Route,
        rng: &mut Rng,
        queue: &mut Queue,
    ) {
        self.next += 1;
        let id = LinkId(self.next);
        let end = || End { open: false, cut: false, last: now };
        let mut link = Link {
            device,
            run,
            attempt,
            incarnation: 0,
            route,
            client_end: End { open: true, ..end() },
            server_end: end(),
        };
        if route.up && !self.unreachable {
            queue.push(link.send_up(now, rng), Due::Arrives(id));
        } else if rng.percent(50) {
            queue.push(now + rng.between(1, 2_000), Due::ClientLost(id));
        } else {
            // Nothing ever comes back.
            link.cut(Cut::BothWays);
        }
        self.links.insert(id, link);
    }

    /// The server takes it.
    pub(super) fn accept(
        &mut self,
        now: u64,
        id: LinkId,
        incarnation: u32,
        rng: &mut Rng,
        queue: &mut Queue,
    ) -> bool {
        let Some(link) = self.links.get_mut(&id) else { return false };
        if link.client_end.cut {
            return false;
        }
        link.incarnation = incarnation;
        link.server_end.open = true;
        if !link.server_end.cut {
            queue.push(link.send_down(now, rng), Due::Opens(id));
        }
        true
    }

    /// Nobody listens.
    pub(super) fn refuse(&mut self, now: u64, id: LinkId, rng: &mut Rng, queue: &mut Queue) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if !link.server_end.cut {
            queue.push(link.send_down(now, rng), Due::ClientLost(id));
        }
    }

    pub(super) fn link_of(&self, device: DeviceNo, run: u32, attempt: Attempt) -> Option<LinkId> {
        let is_it = |link: &Link| {
            link.client_end.open && (link.device, link.run, link.attempt) == (device, run, attempt)
        };
        // It is nearly always the latest.
        self.links.iter().rev().find(|(_, link)| is_it(link)).map(|(id, _)| *id)
    }

    /// The link, if its client end is still there and this may still arrive.
    pub(super) fn arrives_down(&self, id: LinkId) -> Option<&Link> {
        self.links.get(&id).filter(|link| link.client_end.open && !link.server_end.cut)
    }

    /// The link, if its client has let go of it while bytes may still come down.
    pub(super) fn let_go(&self, id: LinkId) -> Option<&Link> {
        self.links.get(&id).filter(|link| !link.client_end.open && !link.server_end.cut)
    }

    /// Whether its server end is still there, in this run of the server, and this may still arrive.
    pub(super) fn arrives_up(&self, id: LinkId, incarnation: u32) -> bool {
        self.links.get(&id).is_some_and(|link| {
            link.server_end.open && link.incarnation == incarnation && !link.client_end.cut
        })
    }

    pub(super) fn client_end(&self, id: LinkId) -> Option<&Link> {
        self.links.get(&id).filter(|link| link.client_end.open)
    }

    pub(super) fn has_server_end(&self, id: LinkId, incarnation: u32) -> bool {
        self.links
            .get(&id)
            .is_some_and(|link| link.server_end.open && link.incarnation == incarnation)
    }

    pub(super) fn up(
        &mut self,
        now: u64,
        id: LinkId,
        bytes: Bytes,
        rng: &mut Rng,
        queue: &mut Queue,
    ) {
        if let Some(link) = self.links.get_mut(&id)
            && !link.client_end.cut
        {
            queue.push(link.send_up(now, rng), Due::Up(id, bytes));
        }
    }

    pub(super) fn down(
        &mut self,
        now: u64,
        id: LinkId,
        bytes: Bytes,
        rng: &mut Rng,
        queue: &mut Queue,
    ) {
        if let Some(link) = self.links.get_mut(&id)
            && link.server_end.open
            && !link.server_end.cut
        {
            queue.push(link.send_down(now, rng), Due::Down(id, bytes));
        }
    }

    /// The client lets go.
    pub(super) fn close_client(&mut self, now: u64, id: LinkId, rng: &mut Rng, queue: &mut Queue) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if std::mem::take(&mut link.client_end.open) && !link.client_end.cut {
            queue.push(link.send_up(now, rng), Due::ServerLost(id));
        }
        self.forget(id);
    }

    /// The server lets go.
    pub(super) fn close_server(&mut self, now: u64, id: LinkId, rng: &mut Rng, queue: &mut Queue) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if std::mem::take(&mut link.server_end.open) && !link.server_end.cut {
            queue.push(link.send_down(now, rng), Due::ClientLost(id));
        }
        self.forget(id);
    }

    /// Every connection that may still carry something, the earliest first.
    pub(super) fn links(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.links.iter().map(|(id, link)| (*id, link))
    }

    /// Cuts every connection of a device, or of all.
    pub(super) fn cut(
        &mut self,
        now: u64,
        device: Option<DeviceNo>,
        cut: Cut,
        notice: Notice,
        rng: &mut Rng,
        queue: &mut Queue,
    ) {
        for (id, link) in &mut self.links {
            if device.is_some_and(|device| device != link.device) {
                continue;
            }
            link.cut(cut);
            if matches!(notice, Notice::Both | Notice::Client) {
                queue.push(now + rng.below(3_000), Due::ClientLost(*id));
            }
            if matches!(notice, Notice::Both | Notice::Server) {
                queue.push(now + rng.below(10_000), Due::ServerLost(*id));
            }
        }
    }

    /// The server is gone; each client is told by its kernel, or by nobody.
    pub(super) fn server_gone(
        &mut self,
        now: u64,
        noticed: bool,
        rng: &mut Rng,
        queue: &mut Queue,
    ) {
        for (id, link) in &mut self.links {
            if std::mem::take(&mut link.server_end.open) && noticed && !link.server_end.cut {
                queue.push(link.send_down(now, rng), Due::ClientLost(*id));
            }
        }
    }

    /// The device is gone; the server is told by its kernel, or by nobody.
    pub(super) fn device_gone(
        &mut self,
        now: u64,
        device: DeviceNo,
        noticed: bool,
        rng: &mut Rng,
        queue: &mut Queue,
    ) {
        for (id, link) in &mut self.links {
            if link.device == device
                && std::mem::take(&mut link.client_end.open)
                && noticed
                && !link.client_end.cut
            {
                queue.push(link.send_up(now, rng), Due::ServerLost(*id));
            }
        }
    }

    /// The device's way is another one from here on.
    pub(super) fn reroute(&mut self, device: DeviceNo, route: Route) {
        for link in self.links.values_mut().filter(|link| link.device == device) {
            link.route = route;
        }
    }

    /// Both ends are gone and nothing of it matters any more.
    fn forget(&mut self, id: LinkId) {
        let gone =
            |link: &Link| !link.client_end.open && !link.server_end.open && link.incarnation > 0;
        if self.links.get(&id).is_some_and(gone) {
            self.links.remove(&id);
        }
    }
}

impl Link {
    /// Whether its client still holds it and bytes still go both ways.
    pub(super) const fn is_whole(&self) -> bool {
        self.client_end.open && !self.client_end.cut && !self.server_end.cut
    }

    /// What bounds what may still happen on it: each end open, each way cut.
    pub(super) const fn shape(&self) -> [bool; 4] {
        let (client, server) = (&self.client_end, &self.server_end);
        [client.open, client.cut, server.open, server.cut]
    }

    fn send_up(&mut self, now: u64, rng: &mut Rng) -> u64 {
        self.client_end.last = self.client_end.last.max(now + self.route.delay(rng));
        self.client_end.last
    }

    fn send_down(&mut self, now: u64, rng: &mut Rng) -> u64 {
        self.server_end.last = self.server_end.last.max(now + self.route.delay(rng));
        self.server_end.last
    }

    const fn cut(&mut self, cut: Cut) {
        if matches!(cut, Cut::Up | Cut::BothWays) {
            self.client_end.cut = true;
        }
        if matches!(cut, Cut::Down | Cut::BothWays) {
            self.server_end.cut = true;
        }
    }
}

impl Route {
    fn delay(self, rng: &mut Rng) -> u64 {
        // Now and then something is stuck behind something else for long.
        let spike = if rng.percent(2) { (self.jitter_ms * 10).min(3_000) } else { 0 };
        self.base_ms + rng.below(self.jitter_ms + 1) + spike
    }
}
