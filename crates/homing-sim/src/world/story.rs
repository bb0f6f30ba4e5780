//! Worlds whose people and faults follow a script instead of the dice: what is asked about them is
//! a number or a yes, not whether something turns up.

mod kills;
mod ping_pong;
mod stampede;

pub use super::KillAt;
pub use super::disk::Fate;
pub use kills::{Kills, kill_at_every_write};
pub use ping_pong::{PingPong, ping_pong};
pub use stampede::{Loss, Stampede, stampede};

use homing_core::client::{Command, LoginOptions};
use homing_core::policy::{CustomRule, PlatformCaps, Policy};
use homing_proto::frame::Credential;
use homing_proto::id::UserId;
use homing_proto::time::WallTime;

use super::device::Device;
use super::scene::Scene;
use super::token::{self, Flaw};
use super::{QUIET_MS, World};
use crate::Options;
use crate::fact::DeviceNo;
use crate::rng::Rng;
use crate::watch::Tally;

impl World {
    /// Two devices of alice where `limit` sessions have room; the network takes a little, as drawn.
    fn two_devices(limit: u32, seed: u64, options: &Options) -> Self {
        let policy = Policy::new(Vec::new(), PlatformCaps::all(10), limit, CustomRule::Ignore)
            .expect("a limit of 1 to 20");
        let mut world = Self::of(Scene::two_devices(policy), seed, Rng::new(seed), options);
        world.devices.iter_mut().for_each(Device::make_plain);
        for device in &mut world.devices {
            (device.route.base_ms, device.route.jitter_ms) = (5, 20);
        }
        world.watch.tally = Some(Tally::default());
        world.see_world();
        for no in 0..world.devices.len() {
            world.with_device(no, Device::start);
        }
        world
    }

    /// Everything that is due until then happens.
    fn run_until(&mut self, until: u64) {
        while self.queue.next_at().is_some_and(|at| at <= until) {
            let Some((at, due)) = self.queue.pop() else { break };
            self.pass(at);
            self.events += 1;
            self.happen(due);
        }
        self.pass(until);
    }

    /// From here on nothing is in the way; the end comes when everybody must have come back.
    fn rest(&mut self) {
        self.scene.chaos_ms = self.now;
        self.calm();
        self.run_until(self.now + QUIET_MS);
        self.end();
    }

    pub(super) fn pass(&mut self, until: u64) {
        self.now = until;
        self.watch.now = until;
    }

    fn log_in(&mut self, no: usize, user: &UserId, flaw: Flaw) {
        let credential = self.credential(user, flaw);
        let options = LoginOptions::default();
        self.call(DeviceNo(no), Command::Login { user: user.clone(), credential, options });
    }

    fn credential(&mut self, user: &UserId, flaw: Flaw) -> Credential {
        let wall = self.server.wall(self.now);
        token::mint(user, wall, WallTime(0), self.rng.next(), flaw)
    }
}

fn user(name: &str) -> UserId {
    UserId::parse(name).expect("a legal user id")
}
