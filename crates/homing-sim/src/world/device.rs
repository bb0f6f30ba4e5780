//! A device: its clocks, its disk, and the process with the client in it.
//!
//! This is the driver of the simulated SDK: it carries out what the client machine wants, in order,
//! and answers as disk and network see fit.

use std::collections::VecDeque;

use homing_core::client::status::LinkStatus;
use homing_core::client::{
    AskId, Client, Command, CommandId, Config, CredentialSource, Input, Output,
};
use homing_proto::codec;
use homing_proto::device::{Device as About, Platform};
use homing_proto::frame::ClientFrame;
use homing_proto::time::{Now, Time, WallTime};

use super::Around;
use super::app::App;
use super::disk::{Disk, Fate, Job, Lane};
use super::network::Route;
use super::queue::Due;
use super::scene::TRUE_BASE_MS;
use crate::Sabotage;
use crate::fact::{DeviceNo, Fact};

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) no: DeviceNo,
    pub(super) about: About,
    pub(super) config: Config,
    /// The monotonic clock at the world's zero; a reboot changes it.
    pub(super) time_base: u64,
    /// The wall clock at the world's zero.
    pub(super) wall_base: i64,
    pub(super) disk: Disk,
    pub(super) route: Route,
    pub(super) process: Option<Process>,
    /// Counts processes.
    pub(super) run: u32,
    pub(super) asleep: bool,
    /// What arrived while it slept.
    pub(super) held: Vec<Due>,
    pub(super) app: App,
    /// The last the client heard of the network is that there is none.
    pub(super) told_down: bool,
    sabotage: Option<Sabotage>,
}

/// A run of the app.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) client: Client,
    pub(super) timer: Option<u64>,
    /// The question that the app's provider is busy with.
    asked: Option<AskId>,
}

impl Device {
    pub(super) fn new(no: DeviceNo, config: Config, app: App, sabotage: Option<Sabotage>) -> Self {
        Self {
            no,
            about: config.device.clone(),
            config,
            time_base: 0,
            wall_base: 0,
            disk: Disk::new(sabotage),
            route: Route { up: true, base_ms: 1, jitter_ms: 1 },
            process: None,
            run: 0,
            asleep: false,
            held: Vec::new(),
            app,
            told_down: false,
            sabotage,
        }
    }

    /// Takes off what tells it from others: platform, tag, the zero of its clocks.
    pub(super) fn make_plain(&mut self) {
        self.about.platform = Platform::Android;
        self.about.tag.clear();
        self.config.device = self.about.clone();
        self.config.credentials = CredentialSource::Calls;
        (self.time_base, self.wall_base) = (0, TRUE_BASE_MS as i64);
    }

    pub(super) const fn now(&self, now: u64) -> Now {
        Now {
            time: Time(self.time_base + now),
            wall: WallTime(now.saturating_add_signed(self.wall_base)),
        }
    }

    /// The app starts.
    pub(super) fn start(&mut self, around: &mut Around<'_>) {
        self.run += 1;
        let config = Config { seed: around.rng.next(), ..self.config.clone() };
        around.watch.see(&Fact::Started(self.no, &self.disk.account));
        let mut account = self.disk.account.clone();
        if self.sabotage == Some(Sabotage::RefusedAgain) {
            account.refused.clear();
        }
        let client = Client::new(config, account);
        self.process = Some(Process { client, timer: None, asked: None });
        self.app.started();
        self.told_down = false;
        self.settle(around);
    }

    /// The app is gone without a word; with the power gone, nobody tells the server either.
    pub(super) fn kill(&mut self, power: Power, around: &mut Around<'_>) {
        let mut draw = || match around.rng.below(100) {
            0..45 => Fate::Lost,
            45..90 => Fate::Kept,
            _ => Fate::Torn,
        };
        let fates = [draw(), draw()];
        self.kill_at(power, |lane| fates[lane as usize], around);
    }

    /// The app is gone at this moment; `fate` says what became of what a lane was writing.
    pub(super) fn kill_at(
        &mut self,
        power: Power,
        fate: impl FnMut(Lane) -> Fate,
        around: &mut Around<'_>,
    ) {
        if self.process.take().is_none() {
            return;
        }
        around.watch.see(&Fact::Killed(self.no));
        self.disk.crash(self.no, fate, around.watch);
        let noticed = power == Power::Stays;
        around.network.device_gone(around.now, self.no, noticed, around.rng, around.queue);
        self.held.clear();
        if !noticed {
            // A reboot: the clock begins anew.
            self.time_base = around.rng.below(100_000);
        }
    }

    /// The app calls.
    pub(super) fn call(&mut self, command: Command, around: &mut Around<'_>) {
        if self.process.is_none() || self.asleep {
            return;
        }
        let id = CommandId(self.app.next_command());
        around.watch.see(&Fact::Called(self.no, id, &command));
        self.feed(Input::Command(id, command), around);
    }

    /// The app's provider of credentials answers.
    pub(super) fn provides(
        &mut self,
        run: u32,
        ask: AskId,
        wall: WallTime,
        around: &mut Around<'_>,
    ) {
        let Some(process) = self.process.as_mut().filter(|_| run == self.run) else { return };
        if process.asked.take_if(|open| *open == ask).is_none() {
            return;
        }
        let answer = self.app.provides(wall, around.rng);
        around.watch.see(&Fact::Provided(self.no, ask, &answer));
        self.feed(Input::CredentialAnswered(ask, answer), around);
    }

    /// The client's wake-up.
    pub(super) fn timer(&mut self, at: u64, around: &mut Around<'_>) {
        let Some(process) = &mut self.process else { return };
        if process.timer == Some(at) {
            process.timer = None;
            self.feed(Input::Timeout, around);
        }
    }

    /// Whether this run of the process is the present one.
    pub(super) const fn is_running(&self, run: u32) -> bool {
        self.run == run && self.process.is_some()
    }

    /// The first job of a lane is through.
    pub(super) fn disk_done(&mut self, lane: Lane, around: &mut Around<'_>) {
        let answer = self.disk.finish(self.no, lane, around.watch);
        if self.disk.is_busy(lane) {
            self.schedule(lane, around);
        }
        let early = self.sabotage == Some(Sabotage::SendBeforeDurable);
        match answer {
            // It was answered when it was asked.
            Some(Input::Persisted(_) | Input::PersistFailed(..)) if early => {}
            Some(input) => self.feed(input, around),
            None => {}
        }
    }

    /// Hands the client an input and does what comes out, and what comes of that.
    pub(super) fn feed(&mut self, input: Input, around: &mut Around<'_>) {
        let mut inputs = VecDeque::from([input]);
        let mut out = Vec::new();
        while let Some(input) = inputs.pop_front() {
            let now = self.now(around.now);
            let Some(process) = &mut self.process else { return };
            process.client.handle(now, input, &mut out);
            for output in out.drain(..) {
                self.perform(output, &mut inputs, around);
            }
        }
        self.settle(around);
    }

    fn perform(&mut self, output: Output, inputs: &mut VecDeque<Input>, around: &mut Around<'_>) {
        let Around { now, rng, network, queue, watch } = around;
        match output {
            Output::Open(attempt) => {
                watch.see(&Fact::Dialed(self.no, attempt));
                network.dial(*now, (self.no, self.run, attempt), self.route, rng, queue);
            }
            Output::Transmit(_, ClientFrame::EndSession(_))
                if self.sabotage == Some(Sabotage::LogoutForgetsJob) => {}
            Output::Transmit(attempt, frame) => {
                watch.see(&Fact::Sent(self.no, attempt, &frame));
                if let Some(link) = network.link_of(self.no, self.run, attempt) {
                    network.up(*now, link, codec::encode_client(&frame), rng, queue);
                }
            }
            Output::Close(attempt) => {
                if let Some(link) = network.link_of(self.no, self.run, attempt) {
                    network.close_client(*now, link, rng, queue);
                }
            }
            Output::PersistAccount(batch, account) => {
                self.early(batch, inputs);
                self.job(Job::Account(batch, account), around);
            }
            Output::PersistRows(batch, generation, rows) => {
                self.early(batch, inputs);
                self.job(Job::Rows(batch, generation, rows), around);
            }
            Output::OpenStore { generation, user, missing } => {
                self.job(Job::Open { generation, user, missing }, around);
            }
            Output::CloseStore(generation, fate) => self.job(Job::Close(generation, fate), around),
            Output::Readable(store) => {
                watch.see(&Fact::Readable(self.no, store.as_ref().map(|(_, user)| user)));
            }
            Output::AskCredential(id, ask) => {
                watch.see(&Fact::Asked(self.no, id, &ask));
                let takes_ms = if self.app.calm { 2_000 } else { 45_000 };
                queue.push(*now + rng.between(1, takes_ms), Due::Provides(self.no, self.run, id));
                if let Some(process) = &mut self.process {
                    process.asked = Some(id);
                }
            }
            Output::ForgetAsk(id) => {
                watch.see(&Fact::Withdrawn(self.no, id));
                if let Some(process) = &mut self.process {
                    process.asked = None;
                }
            }
            Output::Status(mut status) => {
                if self.sabotage == Some(Sabotage::SeqReused) && status.seq.is_multiple_of(5) {
                    status.seq -= 1;
                }
                watch.see(&Fact::Status(self.no, &status));
                self.app.saw_status(&status);
            }
            Output::Event(event) => {
                if self.sabotage == Some(Sabotage::LateEvents) {
                    let late = Due::LateEvent(self.no, self.run, Box::new(event));
                    queue.push(*now + LATE_MS, late);
                } else {
                    watch.see(&Fact::Event(self.no, &event));
                    self.app.saw_event(&event, self.no, *now, rng, queue);
                }
            }
            Output::Complete(id, result) => {
                watch.see(&Fact::Completed(self.no, id, &result));
                self.app.saw_completion(&result, self.no, *now, rng, queue);
            }
        }
    }

    fn job(&mut self, job: Job, around: &mut Around<'_>) {
        let (lane, idle) = self.disk.push(job);
        if idle {
            self.schedule(lane, around);
        }
    }

    fn schedule(&mut self, lane: Lane, around: &mut Around<'_>) {
        let slow = match self.sabotage {
            Some(Sabotage::SendBeforeDurable) => EARLY_MS,
            _ => 0,
        };
        let at = around.now + around.rng.between(1, self.disk.latency_ms.max(slow));
        around.queue.push(at, Due::Disk(self.no, self.run, lane));
    }

    fn early(&self, batch: homing_core::client::BatchId, inputs: &mut VecDeque<Input>) {
        if self.sabotage == Some(Sabotage::SendBeforeDurable) {
            inputs.push_back(Input::Persisted(batch));
        }
    }

    /// The client is at rest: arm its wake-up.
    fn settle(&mut self, around: &mut Around<'_>) {
        let now = self.now(around.now);
        let Some(process) = &mut self.process else { return };
        let mut armed = process.client.next_timeout();
        around.watch.see(&Fact::Handled {
            device: self.no,
            now,
            status: process.client.status(),
            armed,
            storage: self.disk.pending(),
        });
        if self.sabotage == Some(Sabotage::NoPacing)
            && let LinkStatus::Waiting { until, .. } = process.client.status().link
            && until > now.time
        {
            // The clock runs ahead to the end of every wait.
            self.time_base += until.since(now.time);
            armed = Some(Time(self.time_base + around.now));
        }
        let due = armed.map(|at| at.0.saturating_sub(self.time_base).max(around.now));
        if process.timer != due {
            process.timer = due;
            if let Some(at) = due {
                around.queue.push(at, Due::Timer(self.no, at));
            }
        }
    }
}

/// Whether the device loses its power with the process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Power {
    Stays,
    Goes,
}

/// How long a tampered event takes to the app.
const LATE_MS: u64 = 1_500;
/// How long a write takes that was confirmed too early.
const EARLY_MS: u64 = 3_000;
