//! Whoever sees every fact: the oracles, the trace, and the count of sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use homing_core::client::{Command, Status};
use homing_proto::frame::{ClientFrame, Intent, ServerFrame};

use crate::fact::{DeviceNo, Fact};
use crate::oracle::{self, Oracle};
use crate::secrets::secret_in;
use crate::truth::Truth;
use crate::{OfflineChecks, Options, Report, Tracing, Violation};

/// See the module.
#[derive(Clone)]
pub(crate) struct Watch {
    /// The world's time, in milliseconds.
    pub(crate) now: u64,
    truth: Truth,
    oracles: Vec<Box<dyn Oracle>>,
    found: Vec<Violation>,
    trace: Trace,
    sessions: u64,
    /// What stories count.
    pub(crate) tally: Option<Tally>,
}

/// See [`Watch::tally`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Explicit logins that the server granted.
    pub(crate) logins: u64,
    /// Returns that it granted.
    pub(crate) returns: u64,
    /// Sessions that lost their place to another.
    pub(crate) displaced: u64,
    /// When attempts began.
    pub(crate) dials: Vec<(u64, DeviceNo)>,
    /// When Hellos went out.
    pub(crate) hellos: Vec<(u64, DeviceNo)>,
}

impl Tally {
    fn see(&mut self, now: u64, fact: &Fact<'_>) {
        match fact {
            Fact::Bound(bound) => {
                let returns = bound.intent == Intent::Automatic;
                *(if returns { &mut self.returns } else { &mut self.logins }) += 1;
                self.displaced += bound.displaced.len() as u64;
            }
            Fact::Dialed(no, _) => self.dials.push((now, *no)),
            Fact::Sent(no, _, ClientFrame::Hello(_)) => self.hellos.push((now, *no)),
            _ => {}
        }
    }
}

/// What an oracle writes its findings into.
pub struct Findings<'a> {
    now: u64,
    oracle: &'static str,
    found: &'a mut Vec<Violation>,
}

impl Findings<'_> {
    /// The invariant does not hold.
    pub fn report(&mut self, what: impl Into<String>) {
        if self.found.len() < MOST_FINDINGS {
            let violation = Violation { at_ms: self.now, oracle: self.oracle, what: what.into() };
            self.found.push(violation);
        }
    }
}

impl Watch {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            now: 0,
            truth: Truth::default(),
            // Worlds that are only compared with one another are judged by that alone (I19).
            oracles: match options.tracing {
                Tracing::OnlineDigest => Vec::new(),
                _ => oracle::all(),
            },
            found: Vec::new(),
            trace: Trace::new(options.tracing, options.offline_checks),
            sessions: 0,
            tally: None,
        }
    }

    pub(crate) fn see(&mut self, fact: &Fact<'_>) {
        self.trace.see(self.now, fact);
        if let Some(form) = self.trace.secret.take() {
            let what = format!("a secret stands in a text, as {form}");
            self.found.push(Violation { at_ms: self.now, oracle: I25, what });
        }
        if matches!(fact, Fact::Bound(_)) {
            self.sessions += 1;
        }
        if let Some(tally) = &mut self.tally {
            tally.see(self.now, fact);
        }
        for oracle in &mut self.oracles {
            let before = self.found.len();
            let mut findings =
                Findings { now: self.now, oracle: oracle.name(), found: &mut self.found };
            oracle.see(self.now, fact, &self.truth, &mut findings);
            for violation in &self.found[before..] {
                self.trace.line(&format!("{violation}"));
            }
        }
        self.truth.see(self.now, fact);
    }

    /// Whether every text is to be searched.
    pub(crate) fn wants_texts(&self) -> bool {
        self.trace.tracing == Tracing::Secrets
    }

    /// Searches a text that no fact has.
    pub(crate) fn search(&mut self, of: &str, text: &str) {
        if let Some(form) = secret_in(text) {
            let what = format!("a secret stands in what {of} prints, as {form}");
            self.found.push(Violation { at_ms: self.now, oracle: I25, what });
        }
    }

    /// What was found so far.
    pub(crate) fn found(&self) -> &[Violation] {
        &self.found
    }

    /// There is nothing more to learn from this world.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.found.len() >= MOST_FINDINGS
    }

    pub(crate) fn report(self, seed: u64, events: u64) -> Report {
        Report {
            seed,
            sessions: self.sessions,
            events,
            digest: self.trace.digest,
            trace: self.trace.lines,
            violations: self.found,
        }
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("now", &self.now).finish_non_exhaustive()
    }
}

/// What is kept of the facts themselves.
#[derive(Clone, Debug)]
struct Trace {
    tracing: Tracing,
    lines: Vec<String>,
    digest: u64,
    buffer: String,
    /// What each device showed last, for the digest of what happens online.
    shown: BTreeMap<DeviceNo, String>,
    /// Devices that were signed in online: their next login may read local data at once.
    known: BTreeSet<DeviceNo>,
    offline_checks: OfflineChecks,
    /// A secret that stood in the last line, by its form.
    secret: Option<&'static str>,
    /// From here on the digest may rightly depend on a clock.
    is_over: bool,
}

impl Trace {
    const fn new(tracing: Tracing, offline_checks: OfflineChecks) -> Self {
        Self {
            tracing,
            lines: Vec::new(),
            digest: FNV_OFFSET,
            buffer: String::new(),
            shown: BTreeMap::new(),
            known: BTreeSet::new(),
            offline_checks,
            secret: None,
            is_over: false,
        }
    }

    fn see(&mut self, now: u64, fact: &Fact<'_>) {
        let wanted = match self.tracing {
            Tracing::Off => false,
            Tracing::Digest | Tracing::Secrets | Tracing::Lines => {
                !matches!(fact, Fact::Handled { .. } | Fact::World { .. })
            }
            Tracing::OnlineDigest => is_online(fact),
        };
        if !wanted {
            return;
        }
        if self.tracing == Tracing::OnlineDigest && self.reads_early(fact) {
            self.is_over = true;
        }
        if self.is_over {
            return;
        }
        self.buffer.clear();
        let (s, ms) = (now / 1000, now % 1000);
        match fact {
            // Whether local data can be read already is an offline check (S-3.7).
            Fact::Status(no, status) if self.tracing == Tracing::OnlineDigest => {
                let Status { session, link, sync, .. } = status;
                let shown = format!("{session:?} {link:?} {sync:?}");
                if self.shown.get(no) == Some(&shown) {
                    return;
                }
                write!(self.buffer, "{s:>6}.{ms:03} {no:?} {shown}").expect(TO_STRING);
                self.shown.insert(*no, shown);
            }
            _ => write!(self.buffer, "{s:>6}.{ms:03} {fact:?}").expect(TO_STRING),
        }
        let line = std::mem::take(&mut self.buffer);
        self.line(&line);
        self.buffer = line;
    }

    /// A login where an offline check decides whether local data opens before the server answers
    /// (S-3.7, S-4.2): the one use of a wall clock that is left when nobody signs in offline.
    fn reads_early(&mut self, fact: &Fact<'_>) -> bool {
        match fact {
            Fact::Heard(no, _, ServerFrame::Welcome(_)) => {
                self.known.insert(*no);
                false
            }
            Fact::Called(no, _, Command::Login { .. }) => {
                self.offline_checks == OfflineChecks::NotMade && self.known.contains(no)
            }
            _ => false,
        }
    }

    fn line(&mut self, line: &str) {
        if self.is_over {
            return;
        }
        if self.tracing == Tracing::Secrets {
            self.secret = secret_in(line);
            return;
        }
        for byte in line.bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
        }
        if self.tracing == Tracing::Lines {
            self.lines.push(line.to_owned());
        }
    }
}

/// Whether the fact is one of those that no clock of a device may change (I19).
const fn is_online(fact: &Fact<'_>) -> bool {
    matches!(
        fact,
        Fact::Called(..)
            | Fact::Completed(..)
            | Fact::Status(..)
            | Fact::Event(..)
            | Fact::Dialed(..)
            | Fact::Sent(..)
            | Fact::Heard(..)
            | Fact::Bound(..)
            | Fact::Ended { .. }
            | Fact::Appended(..)
    )
}

const I25: &str = "I25 secrets";
const TO_STRING: &str = "a string takes everything";
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;
/// One broken thing breaks many others; the first ones tell what it was.
const MOST_FINDINGS: usize = 20;
