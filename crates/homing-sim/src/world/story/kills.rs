//! A day of two devices in a minute, told once for every write of every device, with the process
//! ending there: before the write is durable, in the middle of it, and after it but before anybody is
//! told.

use homing_core::client::{Command, LocalData};
use homing_proto::id::ConversationId;

use super::user;
use crate::fact::DeviceNo;
use crate::world::disk::Fate;
use crate::world::network::{Cut, Notice};
use crate::world::token::Flaw;
use crate::world::writer::Operator;
use crate::world::{KillAt, World};
use crate::{Options, Violation};

/// What became of all the worlds.
#[derive(Clone, Debug)]
pub struct Kills {
    /// Writes of the story: places where a process can end.
    pub writes: u64,
    /// Worlds: the whole one, and three for each write.
    pub worlds: u64,
    /// What did not hold, with the write and what was there of it afterwards.
    pub violations: Vec<(Option<KillAt>, Violation)>,
}

/// Tells the story whole, and then with each ending.
pub fn kill_at_every_write(seed: u64, options: &Options) -> Kills {
    let whole = tell(seed, options, None);
    let writes = whole.writes;
    let mut violations: Vec<_> = whole.watch.found().iter().map(|v| (None, v.clone())).collect();
    let mut worlds = 1;
    for write in 0..writes {
        for fate in [Fate::Lost, Fate::Kept, Fate::Torn] {
            let kill = KillAt { write, fate };
            let world = tell(seed, options, Some(kill));
            worlds += 1;
            let found = world.watch.found().iter();
            violations.extend(found.map(|v| (Some(kill), v.clone())));
        }
    }
    Kills { writes, worlds, violations }
}

fn tell(seed: u64, options: &Options, kill: Option<KillAt>) -> World {
    let mut world = World::two_devices(1, seed, options);
    world.kill = kill;
    for (at, line) in SCRIPT {
        world.run_until(*at);
        world.follow(*line);
    }
    world.run_until(world.now + 5_000);
    world.rest();
    world
}

#[derive(Clone, Copy, Debug)]
enum Line {
    LogIn(usize, &'static str),
    LogInForged(usize),
    ResumeLast(usize),
    LoginOffline(usize),
    Send(usize),
    MarkRead(usize),
    Renew(usize),
    Suspend(usize),
    Resume(usize),
    Logout(usize, LocalData),
    Cut,
    KickAll,
    ServerRestarts,
}

impl World {
    fn follow(&mut self, line: Line) {
        let (alice, bob) = (user("alice"), user("bob"));
        let with_bob = ConversationId::Direct(bob);
        let (no, command) = match line {
            Line::LogIn(no, name) => return self.log_in(no, &user(name), Flaw::None),
            Line::LogInForged(no) => return self.log_in(no, &alice, Flaw::Signature),
            Line::ResumeLast(no) => (no, Command::ResumeLast),
            Line::LoginOffline(no) => (no, Command::LoginOffline { user: alice, credential: None }),
            Line::Send(no) => (no, self.devices[no].app.message_to(with_bob, &mut self.rng)),
            Line::MarkRead(no) => (no, Command::MarkRead { conversation: with_bob, seq: 2 }),
            Line::Renew(no) => (no, Command::Renew(self.credential(&alice, Flaw::None))),
            Line::Suspend(no) => (no, Command::Suspend),
            Line::Resume(no) => (no, Command::Resume),
            Line::Logout(no, data) => (no, Command::Logout(data)),
            Line::Cut => return self.cut(None, Cut::BothWays, Notice::Both),
            Line::KickAll => return self.operate(Operator::KickAll { user: alice, revoke: false }),
            Line::ServerRestarts => return self.server_stops(),
        };
        self.call(DeviceNo(no), command);
    }
}

/// When, in milliseconds, and what.
const SCRIPT: &[(u64, Line)] = &[
    (0, Line::LogIn(1, "bob")),
    (1_500, Line::LogIn(0, "alice")),
    (3_000, Line::Send(0)),
    (3_100, Line::Send(0)),
    (4_500, Line::LogIn(1, "alice")),
    (6_000, Line::Send(1)),
    (7_500, Line::ResumeLast(0)),
    (8_000, Line::LogIn(0, "alice")),
    (9_500, Line::Renew(0)),
    (11_000, Line::Suspend(0)),
    (12_000, Line::Resume(0)),
    (13_500, Line::Cut),
    (13_600, Line::Send(0)),
    (16_000, Line::MarkRead(0)),
    (17_500, Line::Logout(0, LocalData::Keep)),
    (19_000, Line::LogInForged(0)),
    (20_500, Line::LogIn(0, "bob")),
    (22_000, Line::LogIn(0, "alice")),
    (23_500, Line::ServerRestarts),
    (24_000, Line::Send(0)),
    (25_000, Line::LoginOffline(0)),
    (90_000, Line::KickAll),
    (91_500, Line::LogIn(1, "alice")),
    (93_000, Line::Cut),
    (93_100, Line::Logout(1, LocalData::Wipe)),
    (95_000, Line::LogIn(1, "alice")),
    (97_000, Line::Send(1)),
];
