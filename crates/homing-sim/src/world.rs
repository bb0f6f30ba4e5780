//! One small world: some users with their devices, one server, and everything that can go wrong.

mod app;
mod device;
mod disk;
mod network;
mod queue;
mod scene;
mod server;
pub mod story;
mod token;
pub(crate) mod walk;
mod weather;
mod writer;

use bytes::Bytes;
use homing_core::client::status::SessionStatus;
use homing_core::client::{Command, Hint, Input};
use homing_proto::codec;
use homing_proto::device::Device as About;
use homing_proto::frame::ServerFrame;
use homing_proto::{Code, Error};

use self::device::{Device, Power};
use self::disk::{Fate, Lane};
use self::network::{LinkId, Network};
use self::queue::{Due, Fault, Queue};
use self::scene::Scene;
use self::server::Server;
use self::writer::Operator;
use crate::fact::{DeviceAtRest, DeviceNo, Fact};
use crate::rng::Rng;
use crate::watch::Watch;
use crate::{OfflineChecks, Options, Report, Sabotage};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct World {
    seed: u64,
    options: Options,
    rng: Rng,
    now: u64,
    queue: Queue,
    scene: Scene,
    devices: Vec<Device>,
    network: Network,
    server: Server,
    /// Bans to be lifted once the server is up.
    pending_unban: Vec<Operator>,
    watch: Watch,
    events: u64,
    /// Writes that devices finished.
    writes: u64,
    /// One of them is a process's last.
    kill: Option<KillAt>,
}

/// A write of a device at which its process ends.
#[derive(Clone, Copy, Debug)]
pub struct KillAt {
    /// Counted over the whole world, from 0.
    pub write: u64,
    /// What is there of it afterwards; nobody was told.
    pub fate: Fate,
}

/// What a device or the server touches of the world.
struct Around<'a> {
    now: u64,
    rng: &'a mut Rng,
    network: &'a mut Network,
    queue: &'a mut Queue,
    watch: &'a mut Watch,
}

impl World {
    pub(crate) fn new(seed: u64, options: &Options) -> Self {
        let mut rng = Rng::new(seed);
        let scene = Scene::draw(&mut rng);
        Self::of(scene, seed, rng, options)
    }

    fn of(scene: Scene, seed: u64, mut rng: Rng, options: &Options) -> Self {
        let devices = scene.devices(options, &mut rng);
        let server = Server::new(
            scene.policy.clone(),
            options.sabotage,
            scene.commit_ms,
            scene.server_wall_base,
        );
        Self {
            seed,
            options: options.clone(),
            rng,
            now: 0,
            queue: Queue::default(),
            scene,
            devices,
            network: Network::default(),
            server,
            pending_unban: Vec::new(),
            watch: Watch::new(options),
            events: 0,
            writes: 0,
            kill: None,
        }
    }

    /// From the first call to the last check.
    pub(crate) fn run(mut self) -> Report {
        self.begin();
        while let Some((at, due)) = self.queue.pop() {
            self.now = at;
            self.watch.now = at;
            self.events += 1;
            if matches!(due, Due::End) || self.watch.is_hopeless() {
                break;
            }
            self.happen(due);
        }
        self.end();
        self.watch.report(self.seed, self.events)
    }

    fn begin(&mut self) {
        self.see_world();
        for index in 0..self.devices.len() {
            self.with_device(index, Device::start);
            let at = self.rng.below(self.scene.act_gap_ms);
            self.queue.push(at, Due::Act(DeviceNo(index)));
        }
        let first = self.rng.below(self.scene.fault_gap_ms);
        self.queue.push(first, Due::Weather);
        self.queue.push(self.scene.chaos_ms, Due::Calm);
        self.queue.push(self.scene.chaos_ms + PROBE_MS, Due::Probe);
        self.queue.push(self.scene.chaos_ms + QUIET_MS, Due::End);
    }

    fn see_world(&mut self) {
        let abouts: Vec<About> = self.devices.iter().map(|d| d.about.clone()).collect();
        self.watch.see(&Fact::World {
            devices: &abouts,
            policy: self.server.book.policy(),
            window: self.scene.window.conversations as usize,
        });
    }

    fn happen(&mut self, due: Due) {
        if let Some(no) = self.destined_for(&due)
            && self.devices[no.0].asleep
        {
            self.devices[no.0].held.push(due);
            return;
        }
        match due {
            Due::Timer(no, at) => self.with_device(no.0, |device, around| device.timer(at, around)),
            Due::Disk(no, run, lane) => self.write_ends(no, run, lane),
            Due::LateEvent(no, run, event) => {
                if self.devices[no.0].run == run && self.devices[no.0].process.is_some() {
                    self.watch.see(&Fact::Event(no, &event));
                }
            }
            Due::Hint(no, hint) => self.tell(no, hint),
            Due::Act(no) => self.act(no),
            Due::FreshCredential(no) => {
                let wall = self.server.wall(self.now);
                let device = &mut self.devices[no.0];
                if let Some(command) = device.app.renewal(wall, &mut self.rng) {
                    self.call(no, command);
                }
            }
            Due::Provides(no, run, ask) => {
                let wall = self.server.wall(self.now);
                self.with_device(no.0, |device, around| device.provides(run, ask, wall, around));
            }
            Due::Opens(_) | Due::Down(..) | Due::ClientLost(_) => self.link_down(due),
            Due::Arrives(_) | Due::Up(..) | Due::ServerLost(_) => self.link_up(due),
            Due::ServerTimer(link, at) => {
                self.with_server(|server, around| server.timer(link, at, around));
            }
            Due::Commit(run) => self.with_server(|server, around| server.commit(run, around)),
            Due::ServerStarts => {
                self.weather("the server starts");
                self.with_server(Server::start);
                for unban in std::mem::take(&mut self.pending_unban) {
                    self.with_server(|server, around| server.operate(unban, around));
                }
            }
            Due::ServerStops(run) => {
                if self.server.is_draining() && self.server.incarnation == run {
                    self.server_stops();
                }
            }
            Due::Weather => {
                if !self.is_calm() {
                    self.fault();
                    let next = self.now + self.rng.between(50, 2 * self.scene.fault_gap_ms);
                    self.queue.push(next, Due::Weather);
                }
            }
            Due::Clears(fault) => self.clear(fault),
            Due::Calm => self.calm(),
            Due::Probe => self.probe(),
            Due::End => {}
        }
    }

    fn write_ends(&mut self, no: DeviceNo, run: u32, lane: Lane) {
        if !self.devices[no.0].is_running(run) {
            return;
        }
        self.writes += 1;
        match self.kill {
            Some(KillAt { write, fate }) if write + 1 == self.writes => {
                self.with_device(no.0, |device, around| {
                    device.kill_at(
                        Power::Stays,
                        |of| if of == lane { fate } else { Fate::Lost },
                        around,
                    );
                });
                self.queue.push(self.now + RESTART_MS, Due::Clears(Fault::Dead(no)));
            }
            _ => self.with_device(no.0, |device, around| device.disk_done(lane, around)),
        }
    }

    /// The device that must be awake for this.
    fn destined_for(&self, due: &Due) -> Option<DeviceNo> {
        match due {
            Due::Timer(no, _)
            | Due::Disk(no, ..)
            | Due::LateEvent(no, ..)
            | Due::Hint(no, _)
            | Due::Provides(no, ..)
            | Due::FreshCredential(no) => Some(*no),
            Due::Opens(link) | Due::Down(link, _) | Due::ClientLost(link) => {
                self.network.client_end(*link).map(|link| link.device)
            }
            _ => None,
        }
    }

    fn link_down(&mut self, due: Due) {
        let (Due::Opens(id) | Due::Down(id, _) | Due::ClientLost(id)) = due else { return };
        if let Due::Down(_, bytes) = &due {
            self.late_frame(id, bytes);
        }
        let arrives = match due {
            // A loss is noticed by the device itself.
            Due::ClientLost(_) => self.network.client_end(id),
            _ => self.network.arrives_down(id),
        };
        let Some(link) = arrives else { return };
        let (no, run, attempt) = (link.device, link.run, link.attempt);
        if self.devices[no.0].run != run {
            return;
        }
        let input = match due {
            Due::Opens(_) => Input::Opened(attempt),
            Due::Down(_, bytes) => match codec::decode_server(bytes) {
                Ok(mut frame) => {
                    if self.options.sabotage == Some(Sabotage::NoSpread)
                        && let ServerFrame::Close(close) = &mut frame
                    {
                        close.retry_window_ms = None;
                    }
                    self.watch.see(&Fact::Heard(no, attempt, &frame));
                    if self.scene.repeats && self.rng.percent(REPEATS_PERCENT) {
                        let again = Input::Received(attempt, frame.clone());
                        self.with_device(no.0, |device, around| device.feed(again, around));
                    }
                    Input::Received(attempt, frame)
                }
                Err(error) => Input::Lost(attempt, error),
            },
            _ => {
                self.network.close_client(self.now, id, &mut self.rng, &mut self.queue);
                Input::Lost(attempt, Error::new(Code::NETWORK))
            }
        };
        self.with_device(no.0, |device, around| device.feed(input, around));
    }

    /// A frame that was on its way when the client let go reaches it all the same, now and then: the
    /// machine must know it by its attempt for what it is.
    fn late_frame(&mut self, id: LinkId, bytes: &Bytes) {
        let Some(link) = self.network.let_go(id) else { return };
        let (no, run, attempt) = (link.device, link.run, link.attempt);
        if self.devices[no.0].is_running(run)
            && self.rng.percent(50)
            && let Ok(frame) = codec::decode_server(bytes.clone())
        {
            let late = Input::Received(attempt, frame);
            self.with_device(no.0, |device, around| device.feed(late, around));
        }
    }

    fn link_up(&mut self, due: Due) {
        let incarnation = self.server.incarnation;
        match due {
            Due::Arrives(link) => self.with_server(|server, around| server.arrives(link, around)),
            Due::Up(link, bytes) if self.network.arrives_up(link, incarnation) => {
                if self.scene.repeats && self.rng.percent(REPEATS_PERCENT) {
                    let again = bytes.clone();
                    self.with_server(|server, around| server.receive(link, again, around));
                }
                self.with_server(|server, around| server.receive(link, bytes, around));
            }
            Due::ServerLost(link) if self.network.has_server_end(link, incarnation) => {
                self.with_server(|server, around| server.lost(link, around));
            }
            _ => {}
        }
    }

    fn act(&mut self, no: DeviceNo) {
        if self.is_calm() {
            return;
        }
        let next = self.now + self.rng.between(1, 2 * self.scene.act_gap_ms);
        self.queue.push(next, Due::Act(no));
        let wall = self.server.wall(self.now);
        let bursts = if self.rng.percent(15) { self.rng.between(2, 6) } else { 1 };
        for _ in 0..bursts {
            let device = &mut self.devices[no.0];
            if device.process.is_none() || device.asleep {
                return;
            }
            let mut command = device.app.next_act(wall, &mut self.rng);
            match self.options.offline_checks {
                OfflineChecks::AsDrawn => {}
                OfflineChecks::NothingExpires => forget_expiry(&mut command),
                OfflineChecks::NotMade => replace_offline_login(&mut command),
            }
            self.call(no, command);
        }
    }

    fn call(&mut self, no: DeviceNo, command: Command) {
        self.with_device(no.0, |device, around| device.call(command, around));
    }

    fn tell(&mut self, no: DeviceNo, hint: Hint) {
        if hint == Hint::NetworkDown && self.is_calm() {
            return;
        }
        let device = &mut self.devices[no.0];
        match hint {
            Hint::NetworkDown => device.told_down = true,
            Hint::NetworkUp => device.told_down = false,
            _ => {}
        }
        self.watch.see(&Fact::Hinted(no, hint));
        self.with_device(no.0, |device, around| device.feed(Input::Hint(hint), around));
    }

    fn wake(&mut self, no: DeviceNo) {
        let device = &mut self.devices[no.0];
        if !std::mem::take(&mut device.asleep) {
            return;
        }
        self.watch.see(&Fact::Woke(no));
        if self.rng.percent(50) {
            self.tell(no, Hint::Wake);
        }
        for due in std::mem::take(&mut self.devices[no.0].held) {
            self.happen(due);
        }
    }

    fn restart(&mut self, no: DeviceNo) {
        if self.devices[no.0].process.is_some() {
            return;
        }
        self.with_device(no.0, Device::start);
        if self.options.offline_checks != OfflineChecks::NotMade
            && (self.is_calm() || self.rng.percent(70))
        {
            self.call(no, Command::ResumeLast);
        }
    }

    /// Faults end, and everybody behaves.
    fn calm(&mut self) {
        self.watch.see(&Fact::Calm);
        for device in &mut self.devices {
            device.app.calm = true;
        }
        self.clear_all();
        for index in 0..self.devices.len() {
            let no = DeviceNo(index);
            if self.devices[index].told_down {
                self.queue.push(self.now + 4_000, Due::Hint(no, Hint::NetworkUp));
            }
            if std::mem::take(&mut self.devices[index].app.suspended) {
                self.call(no, Command::Resume);
            }
            let at = self.now + self.rng.between(1_000, 20_000);
            self.queue.push(at, Due::FreshCredential(no));
        }
    }

    fn probe(&mut self) {
        for index in 0..self.devices.len() {
            let app = &mut self.devices[index].app;
            if app.is_signed_in() {
                let command = app.message(&mut self.rng);
                self.call(DeviceNo(index), command);
            }
        }
    }

    fn end(&mut self) {
        if self.watch.wants_texts() {
            self.search_machines();
        }
        let at_rest = |device: &Device| {
            let process = device.process.as_ref()?;
            let status = process.client.status().clone();
            let store = match &status.session {
                SessionStatus::SignedIn { user, .. } => device.disk.stores.get(user).cloned(),
                _ => None,
            };
            let of = |(user, store): (&homing_proto::id::UserId, &crate::store::Store)| {
                let each = store.outbox.iter();
                each.map(|p| (user.clone(), p.conversation.clone(), p.client_id))
                    .collect::<Vec<_>>()
            };
            Some(DeviceAtRest {
                device: device.no,
                status,
                account: device.disk.account.clone(),
                store,
                outbox: device.disk.stores.iter().flat_map(of).collect(),
            })
        };
        let devices: Vec<_> = self.devices.iter().filter_map(at_rest).collect();
        let sessions = self.server.book.sessions();
        self.watch.see(&Fact::Rest { devices: &devices, sessions: &sessions });
    }

    /// What machines, records and books print of themselves.
    fn search_machines(&mut self) {
        for device in &self.devices {
            self.watch.search("a device", &format!("{device:?} {device:#?}"));
        }
        self.watch.search("the server", &format!("{:?} {:#?}", self.server, self.server));
    }

    const fn is_calm(&self) -> bool {
        self.now >= self.scene.chaos_ms
    }

    fn with_device<F>(&mut self, index: usize, act: F)
    where
        F: FnOnce(&mut Device, &mut Around<'_>),
    {
        let mut around = Around {
            now: self.now,
            rng: &mut self.rng,
            network: &mut self.network,
            queue: &mut self.queue,
            watch: &mut self.watch,
        };
        act(&mut self.devices[index], &mut around);
    }

    fn with_server<F>(&mut self, act: F)
    where
        F: FnOnce(&mut Server, &mut Around<'_>),
    {
        let mut around = Around {
            now: self.now,
            rng: &mut self.rng,
            network: &mut self.network,
            queue: &mut self.queue,
            watch: &mut self.watch,
        };
        act(&mut self.server, &mut around);
    }
}

fn forget_expiry(command: &mut Command) {
    if let Command::LoginOffline { credential: Some((_, expires)), .. } = command {
        *expires = None;
    }
}

fn replace_offline_login(command: &mut Command) {
    if matches!(command, Command::LoginOffline { .. } | Command::ResumeLast) {
        *command = Command::Devices;
    }
}

/// How many frames of a hundred come twice where frames do.
const REPEATS_PERCENT: u64 = 3;
/// From the end of a process at a write to its next start.
const RESTART_MS: u64 = 700;
/// When, after the faults, everybody says something.
const PROBE_MS: u64 = 420_000;
/// From the end of the faults to the end of the world: longer than the longest wait of a client in
/// the background, twice.
const QUIET_MS: u64 = 720_000;
