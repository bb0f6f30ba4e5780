//! What a seed makes of a world before anything happens.

use homing_core::client::{Config, CredentialSource};
use homing_core::policy::{Policy, Preset};
use homing_proto::device::{Device as About, Platform};
use homing_proto::frame::Window;
use homing_proto::id::{AppId, DeviceId, UserId};
use homing_proto::limits;

use super::app::App;
use super::device::Device;
use super::network::Route;
use crate::fact::DeviceNo;
use crate::rng::Rng;
use crate::{OfflineChecks, Options};

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub(super) policy: Policy,
    pub(super) users: Vec<UserId>,
    /// Whose each device usually is.
    owners: Vec<usize>,
    /// How long faults and people go on.
    pub(super) chaos_ms: u64,
    /// Between two acts of one person, on average.
    pub(super) act_gap_ms: u64,
    /// Between two faults, on average.
    pub(super) fault_gap_ms: u64,
    pub(super) commit_ms: u64,
    pub(super) disk_ms: u64,
    pub(super) routes: Vec<(u64, u64)>,
    pub(super) server_wall_base: u64,
    ttl_ms: u64,
    /// Some frames come twice.
    pub(super) repeats: bool,
    pub(super) window: Window,
}

impl Scene {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let names = ["alice", "bob", "carol", "dave"];
        let count = rng.between(2, 4) as usize;
        let parse = |name: &&str| UserId::parse(name).expect("a legal user id");
        let users: Vec<_> = names[..count].iter().map(parse).collect();
        let devices = rng.between(2, 6) as usize;
        // The first users have most of the devices, or no policy would ever bite.
        let owner = |rng: &mut Rng| if rng.percent(50) { 0 } else { rng.index(count) };
        let owners: Vec<_> = (0..devices).map(|_| owner(rng)).collect();
        let base = *rng.pick(&[2, 20, 60, 200]);
        let routes = (0..devices).map(|_| (rng.between(1, base), rng.between(1, base))).collect();
        let longest_ms = *rng.pick(&[120_000, 600_000, 1_500_000]);
        Self {
            policy: Policy::preset(*rng.pick(&Preset::ALL)),
            users,
            owners,
            chaos_ms: rng.between(60_000, longest_ms),
            act_gap_ms: *rng.pick(&[4_000, 8_000, 20_000]),
            fault_gap_ms: *rng.pick(&[5_000, 15_000, 60_000]),
            commit_ms: *rng.pick(&[2, 10, 50]),
            disk_ms: *rng.pick(&[2, 10, 80]),
            routes,
            // A server clock is right within seconds, not more.
            server_wall_base: TRUE_BASE_MS + rng.below(4_000),
            ttl_ms: *rng.pick(&[60_000, 300_000, 86_400_000, 86_400_000]),
            repeats: rng.percent(20),
            window: draw_window(rng),
        }
    }

    /// One user with two devices of one kind, where nothing but what is chosen happens.
    pub(super) fn two_devices(policy: Policy) -> Self {
        Self {
            policy,
            users: vec![UserId::parse("alice").expect("a legal user id")],
            owners: vec![0, 0],
            chaos_ms: u64::MAX,
            act_gap_ms: 1,
            fault_gap_ms: 1,
            commit_ms: 1,
            disk_ms: 1,
            routes: vec![(1, 0), (1, 0)],
            server_wall_base: TRUE_BASE_MS,
            ttl_ms: 0,
            repeats: false,
            window: Window {
                conversations: limits::WINDOW_CONVERSATIONS,
                per_conversation: limits::WINDOW_MESSAGES,
            },
        }
    }

    /// So many devices, where nothing but what is chosen happens.
    pub(super) fn crowd(devices: usize) -> Self {
        Self {
            owners: vec![0; devices],
            routes: vec![(20, 40); devices],
            ..Self::two_devices(Policy::default())
        }
    }

    pub(super) fn devices(&self, options: &Options, rng: &mut Rng) -> Vec<Device> {
        (0..self.owners.len()).map(|index| self.device(index, options, rng)).collect()
    }

    fn device(&self, index: usize, options: &Options, rng: &mut Rng) -> Device {
        let about = About {
            id: DeviceId(rng.bytes()),
            platform: *rng.pick(&Platform::ALL),
            os: "sim".to_owned(),
            tag: format!("d{index}"),
            custom_type: 0,
        };
        let config = Config {
            app: AppId::new(1).expect("1 is an app id"),
            device: about,
            sdk: "homing-sim".to_owned(),
            window: self.window,
            credentials: *rng.pick(&[CredentialSource::Calls, CredentialSource::Provider]),
            delay_policy: None,
            max_offline_age_ms: None,
            seed: 0,
        };
        let mut users = self.users.clone();
        users.swap(0, self.owners[index]);
        let lasts = options.offline_checks == OfflineChecks::NothingExpires;
        let ttl_ms = (!lasts).then_some(self.ttl_ms);
        let mut device =
            Device::new(DeviceNo(index), config, App::new(users, ttl_ms), options.sabotage);
        let (base_ms, jitter_ms) = self.routes[index];
        device.route = Route { up: true, base_ms, jitter_ms };
        device.disk.latency_ms = self.disk_ms;
        device.time_base = rng.below(10_000_000);
        device.wall_base = TRUE_BASE_MS as i64 + rng.below(20_000) as i64 - 10_000;
        device
    }
}

/// Mostly room for everything, sometimes for few messages, sometimes for fewer conversations than
/// there are.
fn draw_window(rng: &mut Rng) -> Window {
    let full = Window {
        conversations: limits::WINDOW_CONVERSATIONS,
        per_conversation: limits::WINDOW_MESSAGES,
    };
    match rng.below(100) {
        0..25 => Window { per_conversation: 2, ..full },
        drawn @ 25..50 => Window { conversations: 1 + drawn as u32 % 3, ..full },
        _ => full,
    }
}

/// The world's zero: a day in 2025.
pub(super) const TRUE_BASE_MS: u64 = 1_750_000_000_000;
