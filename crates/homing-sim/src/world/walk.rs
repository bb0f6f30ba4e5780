//! The same world driven by hand: two devices of one user, where whoever walks it chooses what
//! happens next.
//!
//! What lies on the devices and in the server happens at once: disks write, connections open, the
//! writer commits. What goes from one to the other waits until it is delivered. Time passes only to
//! the next wake-up of anybody, when that is chosen.
//!
//! Every write of a device and every commit of the server that an act brings about is also a place
//! where the process may end: before it is durable, or after it and before anybody is told.

pub(crate) mod key;

use std::fmt;

use homing_core::client::status::{CredentialStatus, LinkStatus, SessionStatus, SyncStatus, Trust};
use homing_core::client::{Command, Force, LocalData, LoginOptions};
use homing_core::policy::{CustomRule, PlatformCaps, Policy};
use homing_proto::frame::Credential;
use homing_proto::id::{ClientMsgId, ConversationId, UserId};
use homing_proto::message::Content;
use homing_proto::time::WallTime;

use super::World;
use super::device::{Device, Power};
use super::disk::{Fate, Lane};
use super::network::{Cut, LinkId, Notice};
use super::queue::Due;
use super::scene::Scene;
use super::server::{Batch, Server};
use super::token::{self, Flaw};
use super::writer::Operator;
use crate::fact::{DeviceNo, Fact};
use crate::rng::Rng;
use crate::{Options, Violation};

/// A world at rest, and what is on its way in it.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    pub(crate) world: World,
    /// On its way from one end of a connection to the other; in order on each.
    pending: Vec<Due>,
}

/// What may be chosen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Act {
    /// An explicit login that displaces.
    Login(DeviceNo),
    /// An explicit login that does not.
    LoginPolitely(DeviceNo),
    /// An explicit login with a credential that the server refuses.
    LoginForged(DeviceNo),
    /// Automatic login.
    ResumeLast(DeviceNo),
    Logout(DeviceNo),
    /// A message to somebody else, always the same one.
    Send(DeviceNo),
    /// Ends the other device's session.
    Kick(DeviceNo),
    /// The device's connections are gone; both ends will notice.
    Cut(DeviceNo),
    /// The process ends.
    Crash(DeviceNo),
    /// It starts again.
    Start(DeviceNo),
    /// The next bytes on a connection arrive at the server.
    Up(LinkId),
    /// The next bytes on a connection arrive at the client.
    Down(LinkId),
    /// The next wake-up of whoever has one.
    Timer,
    /// The server goes and comes back.
    ServerRestart,
    /// An operator ends all sessions.
    KickAll,
}

/// Where the process that an act concerns ends in the middle of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Interrupt {
    /// The device, at this one of its writes.
    Device(u8, Batch),
    /// The server, at its commit.
    Server(Batch),
}

/// An act, and what becomes of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Step {
    pub(crate) act: Act,
    pub(crate) interrupt: Option<Interrupt>,
}

/// How many places for an interrupt an act had.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Places {
    writes: u8,
    commits: u8,
}

/// Which acts are among the choices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Alphabet {
    /// What decides who stays: forced logins, returns, cuts, deliveries, wake-ups.
    Core,
    /// Everything about sessions, with processes that end at any write.
    Sessions,
    /// Fewer ways to sign in and out, and messages, with processes that end at any write.
    Messages,
}

impl Walk {
    pub(crate) fn new(options: &Options, limit: u32) -> Self {
        let policy = Policy::new(Vec::new(), PlatformCaps::all(10), limit, CustomRule::Ignore)
            .expect("a limit of 1 to 20");
        let mut world = World::of(Scene::two_devices(policy), 0, Rng::new(0), options);
        world.devices.iter_mut().for_each(Device::make_plain);
        world.server.book.add_user(peer());
        world.see_world();
        let mut walk = Self { world, pending: Vec::new() };
        for no in 0..walk.world.devices.len() {
            walk.world.with_device(no, Device::start);
        }
        walk.settle(None);
        walk
    }

    /// What may happen next, without interrupts.
    pub(crate) fn acts(&self, alphabet: Alphabet) -> Vec<Act> {
        let mut acts = Vec::new();
        for device in &self.world.devices {
            self.acts_of(device, alphabet, &mut acts);
        }
        for due in &self.pending {
            let act = match due {
                Due::Up(link, _) | Due::ServerLost(link) => Act::Up(*link),
                Due::Down(link, _) | Due::ClientLost(link) => Act::Down(*link),
                _ => continue,
            };
            if !acts.contains(&act) {
                acts.push(act);
            }
        }
        if self.next_timer().is_some() {
            acts.push(Act::Timer);
        }
        if alphabet != Alphabet::Core {
            acts.push(Act::ServerRestart);
        }
        if alphabet == Alphabet::Sessions && !self.world.server.book.sessions().is_empty() {
            acts.push(Act::KickAll);
        }
        acts
    }

    /// The interrupts that the act, done without one, had a place for.
    pub(crate) fn interrupts(places: Places, alphabet: Alphabet) -> Vec<Interrupt> {
        if alphabet == Alphabet::Core {
            return Vec::new();
        }
        let both = [Batch::Lost, Batch::Kept];
        let device = (0..places.writes).flat_map(move |at| both.map(|b| Interrupt::Device(at, b)));
        let server = (0..places.commits.min(1)).flat_map(move |_| both.map(Interrupt::Server));
        device.chain(server).collect()
    }

    pub(crate) fn take(&mut self, step: Step) -> Places {
        let Step { act, interrupt } = step;
        match act {
            Act::Login(no) => self.log_in(no, Force::Displace, Flaw::None),
            Act::LoginPolitely(no) => self.log_in(no, Force::Refuse, Flaw::None),
            Act::LoginForged(no) => self.log_in(no, Force::Displace, Flaw::Signature),
            Act::ResumeLast(no) => self.call(no, Command::ResumeLast),
            Act::Logout(no) => self.call(no, Command::Logout(LocalData::Keep)),
            Act::Send(no) => self.send(no),
            Act::Kick(no) => {
                let other = self.other_session(no).into_iter().collect();
                self.call(no, Command::KickDevices(other));
            }
            Act::Cut(no) => {
                let World { now, network, rng, queue, .. } = &mut self.world;
                network.cut(*now, Some(no), Cut::BothWays, Notice::Both, rng, queue);
            }
            Act::Crash(no) => self.crash(no, None),
            Act::Start(no) => {
                self.world.with_device(no.0, Device::start);
            }
            Act::Up(link) => self.deliver(link, Way::Up),
            Act::Down(link) => self.deliver(link, Way::Down),
            Act::Timer => self.timer(),
            Act::ServerRestart => self.restart_server(Batch::Lost),
            Act::KickAll => {
                let operator = Operator::KickAll { user: user(), revoke: false };
                self.world.with_server(|server, around| server.operate(operator, around));
            }
        }
        self.settle(interrupt)
    }

    /// No more faults and nobody acts: goes on until everybody is where it wants to be, and tells
    /// the oracles that this is rest. They say so if that never came.
    pub(crate) fn come_to_rest(&mut self) {
        self.world.watch.see(&Fact::Calm);
        let until = self.world.now + CALM_MS;
        while self.world.now < until {
            let dead = self.world.devices.iter().find(|device| device.process.is_none());
            if let Some(no) = dead.map(|device| device.no) {
                self.take(Act::Start(no).into());
                self.take(Act::ResumeLast(no).into());
            } else if let Some(due) = self.pending.first() {
                let act = match due {
                    Due::Up(link, _) | Due::ServerLost(link) => Act::Up(*link),
                    Due::Down(link, _) | Due::ClientLost(link) => Act::Down(*link),
                    other => unreachable!("{other:?} is not delivered"),
                };
                self.take(act.into());
            } else if self.world.devices.iter().all(is_at_rest) {
                break;
            } else {
                self.take(Act::Timer.into());
            }
        }
        self.world.end();
    }

    /// What should not have been.
    pub(crate) fn found(&self) -> &[Violation] {
        self.world.watch.found()
    }

    /// All that happened, if it was kept.
    pub(crate) fn into_trace(self) -> Vec<String> {
        self.world.watch.report(0, 0).trace
    }

    fn acts_of(&self, device: &Device, alphabet: Alphabet, acts: &mut Vec<Act>) {
        let no = device.no;
        let Some(process) = &device.process else {
            acts.push(Act::Start(no));
            return;
        };
        acts.extend([Act::Login(no), Act::ResumeLast(no), Act::Logout(no)]);
        if alphabet != Alphabet::Core {
            acts.push(Act::Crash(no));
        }
        let is_in = matches!(process.client.status().session, SessionStatus::SignedIn { .. });
        match alphabet {
            Alphabet::Core => {}
            Alphabet::Sessions => {
                acts.extend([Act::LoginPolitely(no), Act::LoginForged(no)]);
                if process.client.status().is_connected() && self.other_session(no).is_some() {
                    acts.push(Act::Kick(no));
                }
            }
            Alphabet::Messages => {
                if is_in {
                    acts.push(Act::Send(no));
                }
            }
        }
        let mut links = self.world.network.links();
        if links.any(|(_, link)| link.device == no && link.is_whole()) {
            acts.push(Act::Cut(no));
        }
    }

    fn log_in(&mut self, no: DeviceNo, force: Force, flaw: Flaw) {
        let credential = credential(no, flaw);
        let options = LoginOptions { force, ..LoginOptions::default() };
        self.call(no, Command::Login { user: user(), credential, options });
    }

    fn send(&mut self, no: DeviceNo) {
        let id = ClientMsgId([no.0 as u8 + 1; 16]);
        let content = Content::text(format!("content of {id}"));
        let conversation = ConversationId::Direct(peer());
        self.call(no, Command::Send { conversation, content, client_id: Some(id) });
    }

    fn call(&mut self, no: DeviceNo, command: Command) {
        self.world.with_device(no.0, |device, around| device.call(command, around));
    }

    fn next_timer(&self) -> Option<u64> {
        let devices = self.world.devices.iter().filter_map(|d| d.process.as_ref()?.timer);
        let conns = self.world.server.conns.values().filter_map(|conn| conn.timer);
        devices.chain(conns).min()
    }

    fn timer(&mut self) {
        let Some(at) = self.next_timer() else { return };
        self.world.pass(at);
        let due = |device: &&Device| device.process.as_ref().and_then(|p| p.timer) == Some(at);
        if let Some(no) = self.world.devices.iter().find(due).map(|device| device.no) {
            self.world.with_device(no.0, |device, around| device.timer(at, around));
            return;
        }
        let mut conns = self.world.server.conns.iter();
        let link = conns.find(|(_, conn)| conn.timer == Some(at)).map(|(link, _)| *link);
        let link = link.expect("somebody's wake-up is due");
        self.world.with_server(|server, around| server.timer(link, at, around));
    }

    fn crash(&mut self, no: DeviceNo, kept: Option<Lane>) {
        let fate = |lane| if kept == Some(lane) { Fate::Kept } else { Fate::Lost };
        self.world.with_device(no.0, |device, around| device.kill_at(Power::Stays, fate, around));
    }

    fn restart_server(&mut self, batch: Batch) {
        self.world.with_server(|server, around| server.crash_at(batch, around));
        let World { now, network, rng, queue, .. } = &mut self.world;
        network.server_gone(*now, true, rng, queue);
        self.world.with_server(Server::start);
    }

    fn deliver(&mut self, link: LinkId, way: Way) {
        let is_it = |due: &Due| match (due, way) {
            (Due::Up(of, _) | Due::ServerLost(of), Way::Up)
            | (Due::Down(of, _) | Due::ClientLost(of), Way::Down) => *of == link,
            _ => false,
        };
        if let Some(at) = self.pending.iter().position(is_it) {
            let due = self.pending.remove(at);
            self.world.happen(due);
        }
    }

    /// Everything that happens at once happens, as far as nothing interrupts it.
    fn settle(&mut self, interrupt: Option<Interrupt>) -> Places {
        let mut places = Places::default();
        while let Some((_, due)) = self.world.queue.pop() {
            match due {
                Due::Up(..) | Due::Down(..) | Due::ClientLost(_) | Due::ServerLost(_) => {
                    self.pending.push(due);
                }
                Due::Disk(no, run, lane) => {
                    if !self.world.devices[no.0].is_running(run) {
                        continue;
                    }
                    match interrupt {
                        Some(Interrupt::Device(at, batch)) if at == places.writes => {
                            self.crash(no, (batch == Batch::Kept).then_some(lane));
                        }
                        _ => self.world.happen(due),
                    }
                    places.writes += 1;
                }
                Due::Commit(run) => {
                    if run != self.world.server.incarnation {
                        continue;
                    }
                    match interrupt {
                        Some(Interrupt::Server(batch)) if places.commits == 0 => {
                            self.restart_server(batch);
                        }
                        _ => self.world.happen(due),
                    }
                    places.commits += 1;
                }
                Due::Arrives(_) | Due::Opens(_) => self.world.happen(due),
                // Wake-ups stand with whoever has them; nothing else happens by itself here.
                _ => {}
            }
        }
        let World { network, server, devices, .. } = &self.world;
        self.pending.retain(|due| match due {
            Due::Up(link, _) => network.arrives_up(*link, server.incarnation),
            Due::ServerLost(link) => network.has_server_end(*link, server.incarnation),
            Due::Down(link, _) => network
                .arrives_down(*link)
                .is_some_and(|link| devices[link.device.0].run == link.run),
            Due::ClientLost(link) => {
                network.client_end(*link).is_some_and(|link| devices[link.device.0].run == link.run)
            }
            _ => false,
        });
        places
    }

    /// The living session of the other device, if it has one.
    fn other_session(&self, no: DeviceNo) -> Option<homing_proto::id::SessionId> {
        let other = self.world.devices.iter().find(|device| device.no != no)?;
        let sessions = &self.world.server.book.user(&user())?.sessions;
        sessions.iter().find(|session| session.device.id == other.about.id).map(|s| s.id)
    }
}

impl From<Act> for Step {
    fn from(act: Act) -> Self {
        Self { act, interrupt: None }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.act)?;
        match self.interrupt {
            None => Ok(()),
            Some(interrupt) => write!(f, ", interrupted: {interrupt:?}"),
        }
    }
}

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Up,
    Down,
}

/// It is where it can stay: connected and live, or signed out with nothing left to tell the server.
fn is_at_rest(device: &Device) -> bool {
    let Some(process) = &device.process else { return false };
    let status = process.client.status();
    match &status.session {
        SessionStatus::SignedOut { .. } => device.disk.account.jobs.is_empty(),
        SessionStatus::SigningIn { .. } => false,
        SessionStatus::SignedIn { trust, credential, .. } => {
            !matches!(credential, CredentialStatus::Needed { .. })
                && *trust == Trust::Verified
                && matches!(status.link, LinkStatus::Connected { .. })
                && status.sync == SyncStatus::Live
        }
    }
}

fn user() -> UserId {
    UserId::parse("alice").expect("a legal user id")
}

fn peer() -> UserId {
    UserId::parse("bob").expect("a legal user id")
}

/// Always the same one; its format tells the two apart where nothing else may.
fn credential(no: DeviceNo, flaw: Flaw) -> Credential {
    let minted = token::mint(&user(), WallTime(0), WallTime(0), no.0 as u64, flaw);
    let format = if flaw == Flaw::None { minted.format } else { "forged".to_owned() };
    Credential { format, ..minted }
}

/// In which everything must come right when nothing is in the way: beyond the longest back-off.
const CALM_MS: u64 = 900_000;
