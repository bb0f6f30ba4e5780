//! Two devices, room for one, and a network that never holds: who was there last stays (S-7.4).

use homing_core::client::Command;
use homing_proto::id::DeviceId;

use super::user;
use crate::fact::DeviceNo;
use crate::world::World;
use crate::world::device::{Device, Power};
use crate::world::network::{Cut, Notice};
use crate::world::token::Flaw;
use crate::{Options, Violation};

/// What the two did to each other.
#[derive(Clone, Debug)]
pub struct PingPong {
    /// How long it went on, in hours of the world.
    pub hours: u64,
    /// How often the network dropped everybody's connections.
    pub drops: u64,
    /// Explicit logins that the server granted.
    pub logins: u64,
    /// Returns that the server granted.
    pub returns: u64,
    /// Sessions that lost their place to another one.
    pub displaced: u64,
    /// How often the place went from one device to the other after the last explicit login.
    pub swaps: u64,
    /// Times the loser said Hello after it was told.
    pub hellos_of_loser: u64,
    /// Invariants that did not hold.
    pub violations: Vec<Violation>,
}

/// Both sign in by an explicit login, one after the other; then the network drops every 5 s, and
/// the app of each is started anew every ten minutes and asks for automatic login.
pub fn ping_pong(hours: u64, seed: u64, options: &Options) -> PingPong {
    let mut world = World::two_devices(1, seed, options);
    let alice = user("alice");
    world.log_in(0, &alice, Flaw::None);
    world.run_until(2_000);
    world.log_in(1, &alice, Flaw::None);
    world.run_until(DROP_MS);
    let told_at = world.now;
    let mut swaps = 0;
    let mut holder = world.holder();
    let drops = hours * 3_600_000 / DROP_MS;
    for drop in 1..=drops {
        world.cut(None, Cut::BothWays, Notice::Both);
        if drop % RESTART_DROPS == 0 {
            for no in 0..world.devices.len() {
                world.with_device(no, |device, around| device.kill(Power::Stays, around));
                world.with_device(no, Device::start);
                world.call(DeviceNo(no), Command::ResumeLast);
            }
        }
        world.run_until(world.now + DROP_MS);
        let now = world.holder();
        swaps += u64::from(now != holder);
        holder = now;
    }
    world.rest();
    let tally = world.watch.tally.take().unwrap_or_default();
    let hellos = tally.hellos.iter();
    let hellos_of_loser = hellos.filter(|(at, no)| *no == DeviceNo(0) && *at > told_at).count();
    PingPong {
        hours,
        drops,
        logins: tally.logins,
        returns: tally.returns,
        displaced: tally.displaced,
        swaps,
        hellos_of_loser: hellos_of_loser as u64,
        violations: world.watch.found().to_vec(),
    }
}

impl World {
    /// The devices that hold a place, of whatever user.
    fn holder(&self) -> Vec<DeviceId> {
        let sessions = self.server.book.user(&user("alice")).map(|user| user.sessions.iter());
        sessions.into_iter().flatten().map(|session| session.device.id).collect()
    }
}

/// The network holds this long.
const DROP_MS: u64 = 5_000;
/// Ten minutes.
const RESTART_DROPS: u64 = 120;
