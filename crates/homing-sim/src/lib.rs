//! A seeded world that runs the real machines and checks the invariants (S-11).
//!
//! One seed is one small world: a few users with their devices, one server, a network and disks
//! that fail, people who do as they like. In it run the client machine, the server's connection
//! machine, its registry and its log rules, all unchanged, and every frame passes through the real
//! codec. The world's edges emit [facts](fact), and [oracles](oracle) judge them.
//!
//! Everything is drawn from the seed, so a seed that fails fails again: [`replay`] prints what
//! happened.
//!
//! Reading order: [`fact`], [`truth`], [`oracle`], then the world itself.

pub mod fact;

pub mod store;
pub mod truth;

pub mod oracle;

pub mod cli;
pub mod explore;
pub mod secrets;

pub use world::story;

mod rng;
mod watch;
mod world;

use std::fmt;

pub use watch::Findings;

use world::World;

/// How a world is run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// What is kept of the facts.
    pub tracing: Tracing,
    /// What is broken on purpose, to prove that an oracle sees it.
    pub sabotage: Option<Sabotage>,
    /// What every jump of a device's wall clock is multiplied by; 0: they stand still (I19).
    pub clock_jumps: i64,
    /// What stands against offline checks, the only ones where the wall clock counts (S-4.2).
    pub offline_checks: OfflineChecks,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tracing: Tracing::Off,
            sabotage: None,
            clock_jumps: 1,
            offline_checks: OfflineChecks::AsDrawn,
        }
    }
}

/// How much the offline checks of a credential's expiry come into play (S-4.2, I19).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OfflineChecks {
    /// As the seed has it.
    AsDrawn,
    /// No credential expires by itself, so no check looks at a clock.
    NothingExpires,
    /// Credentials expire, and nobody signs in offline.
    NotMade,
}

/// What is kept of the facts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tracing {
    /// Nothing.
    Off,
    /// A hash of all lines.
    Digest,
    /// A hash of the lines about what happens online: calls, frames, statuses, events. Such worlds
    /// are only compared with one another; no oracle judges them.
    OnlineDigest,
    /// Nothing, but a secret that stands in any text of the world is a violation (I25).
    Secrets,
    /// The lines.
    Lines,
}

/// Something broken on purpose, from outside the machines: what goes in or comes out is tampered
/// with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sabotage {
    /// Writes are confirmed before they are durable, so that things are sent that a crash undoes.
    SendBeforeDurable,
    /// The server forgets which messages it has.
    NoDedupe,
    /// The server says nothing of read marks where it tells of a message.
    NoReadMark,
    /// The server takes every return for a login of its own.
    ResumeDisplaces,
    /// Every wait of a client is over at once.
    NoPacing,
    /// Events reach the app a while after they were emitted, whatever happened since.
    LateEvents,
    /// Deadlines are on a clock that jumps with the wall clock.
    OneClock,
    /// The device's store keeps the cursor of some batches and loses their rows.
    CursorAlone,
    /// A started process knows nothing of the credentials that were refused.
    RefusedAgain,
    /// The disk confirms the record of a kick and does not have it.
    KickForgotten,
    /// Some pictures have the number of the one before.
    SeqReused,
    /// A logout leaves nothing behind that tells the server.
    LogoutForgetsJob,
    /// The window for the return is lost on its way to the client.
    NoSpread,
    /// Admission decides on what it read up to two seconds ago.
    StaleAdmission,
    /// Stores that are closed stay open.
    TwoStores,
    /// The device counts own messages up, when they are sent and when they come back.
    UnreadCountedUp,
    /// An opened store hands out its waiting messages the wrong way round.
    OutboxReordered,
}

impl Sabotage {
    /// Every one.
    pub const ALL: [Self; 17] = [
        Self::SendBeforeDurable,
        Self::NoDedupe,
        Self::NoReadMark,
        Self::ResumeDisplaces,
        Self::NoPacing,
        Self::LateEvents,
        Self::OneClock,
        Self::CursorAlone,
        Self::RefusedAgain,
        Self::KickForgotten,
        Self::SeqReused,
        Self::LogoutForgetsJob,
        Self::NoSpread,
        Self::StaleAdmission,
        Self::TwoStores,
        Self::UnreadCountedUp,
        Self::OutboxReordered,
    ];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SendBeforeDurable => "send-before-durable",
            Self::NoDedupe => "no-dedupe",
            Self::NoReadMark => "no-read-mark",
            Self::ResumeDisplaces => "resume-displaces",
            Self::NoPacing => "no-pacing",
            Self::LateEvents => "late-events",
            Self::OneClock => "one-clock",
            Self::CursorAlone => "cursor-alone",
            Self::RefusedAgain => "refused-again",
            Self::KickForgotten => "kick-forgotten",
            Self::SeqReused => "seq-reused",
            Self::LogoutForgetsJob => "logout-forgets-job",
            Self::NoSpread => "no-spread",
            Self::StaleAdmission => "stale-admission",
            Self::TwoStores => "two-stores",
            Self::UnreadCountedUp => "unread-counted-up",
            Self::OutboxReordered => "outbox-reordered",
        }
    }
}

/// What became of one world.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// Logins and resumes that the server granted.
    pub sessions: u64,
    /// Things that happened.
    pub events: u64,
    /// A hash of all facts, if they were traced.
    pub digest: u64,
    /// All facts, if they were kept.
    pub trace: Vec<String>,
    /// Invariants that did not hold, the first one first.
    pub violations: Vec<Violation>,
}

/// An invariant that did not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// When, in milliseconds of the world.
    pub at_ms: u64,
    /// Who saw it.
    pub oracle: &'static str,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (s, ms) = (self.at_ms / 1000, self.at_ms % 1000);
        write!(f, "{s:>6}.{ms:03} VIOLATION {}: {}", self.oracle, self.what)
    }
}

/// Runs the world of this seed.
///
/// A panic anywhere in it is a violation of I14, with the panic's text.
pub fn run(seed: u64, options: &Options) -> Report {
    let world = || World::new(seed, options).run();
    std::panic::catch_unwind(world).unwrap_or_else(|panic| {
        let what = format!("a machine panicked: {}", panic_text(panic.as_ref()));
        let violation = Violation { at_ms: 0, oracle: "I14 any call, any state", what };
        Report {
            seed,
            sessions: 0,
            events: 0,
            digest: 0,
            trace: Vec::new(),
            violations: vec![violation],
        }
    })
}

/// Runs the world of this seed and keeps every fact as a readable line.
pub fn replay(seed: u64) -> Report {
    run(seed, &Options { tracing: Tracing::Lines, ..Options::default() })
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a text")
}
