//! A crowd that loses its server at once comes back spread over the window it was told (S-6.7, I15).

use homing_core::client::status::SessionStatus;

use super::user;
use crate::rng::Rng;
use crate::watch::Tally;
use crate::world::World;
use crate::world::app::App;
use crate::world::device::Device;
use crate::world::scene::Scene;
use crate::world::server::Server;
use crate::world::token::Flaw;
use crate::{Options, Violation};

/// How the server goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loss {
    /// It drains: a last frame tells each client the window.
    Drain,
    /// It is gone without a word; each client knows the window from its Welcome.
    Crash,
}

/// How the crowd came back.
#[derive(Clone, Debug)]
pub struct Stampede {
    /// Clients.
    pub clients: usize,
    /// Over which they were told to spread, in milliseconds.
    pub window_ms: u32,
    /// Attempts in each second after the loss.
    pub per_second: Vec<u64>,
    /// The most attempts in any [`SPAN_PARTS`]th of the window, as a rate by the second.
    pub peak_per_s: f64,
    /// What the window means: all clients, evenly.
    pub advertised_per_s: f64,
    /// When the last one was connected again, in milliseconds after the loss.
    pub all_back_ms: Option<u64>,
    /// Invariants that did not hold, I15 among them.
    pub violations: Vec<Violation>,
}

/// Signs `clients` users in, each on a device of its own, and takes the server away.
pub fn stampede(
    clients: usize,
    window_ms: u32,
    loss: Loss,
    seed: u64,
    options: &Options,
) -> Stampede {
    let mut world = World::crowd(clients, seed, options);
    world.server.book.window_ms = window_ms;
    for no in 0..clients {
        world.run_until(no as u64 * LOGIN_MS);
        world.log_in(no, &name(no), Flaw::None);
    }
    world.run_until(world.now + PROVEN_MS);
    let lost_at = world.now;
    world.watch.tally = Some(Tally::default());
    if loss == Loss::Drain {
        world.with_server(|server, around| server.drain(window_ms, around));
        world.run_until(world.now + DRAIN_MS);
    }
    world.with_server(Server::crash);
    let World { now, network, rng, queue, .. } = &mut world;
    network.server_gone(*now, true, rng, queue);
    world.run_until(world.now + DRAIN_MS);
    world.with_server(Server::start);
    let mut all_back_ms = None;
    while world.now < lost_at + 3 * u64::from(window_ms) + 60_000 {
        world.run_until(world.now + 100);
        if all_back_ms.is_none() && world.devices.iter().all(is_back) {
            all_back_ms = Some(world.now - lost_at);
        }
    }
    world.rest();
    let tally = world.watch.tally.take().unwrap_or_default();
    let after: Vec<u64> = tally.dials.iter().map(|(at, _)| at - lost_at).collect();
    let advertised_per_s = clients as f64 * 1000.0 / f64::from(window_ms);
    let span_ms = u64::from(window_ms) / SPAN_PARTS;
    let peak_per_s = most_within(&after, span_ms) as f64 * 1000.0 / span_ms as f64;
    let mut violations = world.watch.found().to_vec();
    if peak_per_s > MOST_OF_ADVERTISED * advertised_per_s {
        let what = format!("{peak_per_s:.0} attempts/s after {advertised_per_s:.0}/s were told");
        violations.push(Violation { at_ms: lost_at, oracle: "I15 mass reconnect", what });
    }
    let seconds = after.iter().max().map_or(0, |last| last / 1000 + 1);
    let in_second = |s: u64| after.iter().filter(|at| *at / 1000 == s).count() as u64;
    let per_second = (0..seconds.min(MOST_SECONDS)).map(in_second).collect();
    Stampede {
        clients,
        window_ms,
        per_second,
        peak_per_s,
        advertised_per_s,
        all_back_ms,
        violations,
    }
}

impl World {
    fn crowd(clients: usize, seed: u64, options: &Options) -> Self {
        let mut world = Self::of(Scene::crowd(clients), seed, Rng::new(seed), options);
        for (no, device) in world.devices.iter_mut().enumerate() {
            device.make_plain();
            device.app = App::new(vec![name(no)], None);
        }
        world.see_world();
        for no in 0..clients {
            world.with_device(no, Device::start);
        }
        world
    }
}

/// The most of these moments within any span.
fn most_within(moments: &[u64], span_ms: u64) -> usize {
    let mut most = 0;
    let mut from = 0;
    for (to, at) in moments.iter().enumerate() {
        while at - moments[from] >= span_ms {
            from += 1;
        }
        most = most.max(to + 1 - from);
    }
    most
}

fn is_back(device: &Device) -> bool {
    device.process.as_ref().is_some_and(|process| {
        let status = process.client.status();
        matches!(status.session, SessionStatus::SignedIn { .. }) && status.is_connected()
    })
}

fn name(no: usize) -> homing_proto::id::UserId {
    user(&format!("u{no}"))
}

/// The rate is taken over this part of the window: of thousands of clients that each draw a moment,
/// a second holds some more than its share by chance.
const SPAN_PARTS: u64 = 4;
/// S-6.7.
const MOST_OF_ADVERTISED: f64 = 1.2;
/// Between two logins.
const LOGIN_MS: u64 = 20;
/// Until every link has proven itself.
const PROVEN_MS: u64 = 15_000;
/// From the last frame to the end of the server, and from there to its start.
const DRAIN_MS: u64 = 100;
const MOST_SECONDS: u64 = 120;
