//! The way to the server: where an attempt stands, and whether a link still lives (S-2.3, S-6.4).

use homing_proto::Error;
use homing_proto::frame::Limits;
use homing_proto::limits::{
    CONNECT_TIMEOUT_MS, DEAD_AFTER_MS, LIVENESS_MS, PROBE_AFTER_MS, REQUEST_TIMEOUT_MS,
    WELCOME_TIMEOUT_MS,
};
use homing_proto::time::Time;

use super::io::{Attempt, BatchId};

/// Where the way to the server stands.
#[derive(Clone, Debug)]
pub(super) enum Link {
    /// None is there.
    Idle,
    /// The next attempt comes at `until`.
    Waiting { until: Time, cause: Option<Error> },
    /// A connection is being made, and with it all that Hello needs.
    Opening(Opening),
    /// Hello was sent.
    Handshaking { attempt: Attempt, since: Time },
    /// Welcome came; what it brought is being stored.
    Settling(Settling),
    /// The server answered and is heard.
    Connected(Wire),
    /// Nobody signs in here; the ends of old sessions are being delivered.
    Errand { attempt: Attempt, since: Time },
}

/// See [`Link::Opening`].
#[derive(Clone, Debug)]
pub(super) struct Opening {
    pub(super) attempt: Attempt,
    pub(super) since: Time,
    /// The connection can carry frames.
    pub(super) opened: bool,
    pub(super) counter: Counter,
}

/// Whether the hello counter of this attempt is durable (S-6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counter {
    /// None was drawn.
    None,
    /// It is being stored.
    Saving(BatchId),
    /// It is durable.
    Durable,
}

/// See [`Link::Settling`].
#[derive(Clone, Debug)]
pub(super) struct Settling {
    pub(super) wire: Wire,
    /// The account record that names the session, until it is durable.
    pub(super) account: Option<BatchId>,
    /// The first page's rows were handed to the store or need none.
    pub(super) rows: Rows,
    /// When the credential runs out; `None`: never.
    pub(super) expires: Option<Time>,
    /// The credential runs out in so many seconds, as the server already said.
    pub(super) expiring_s: Option<u32>,
}

/// The first page on its way to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// The store is not open yet.
    Waiting,
    /// They are being stored.
    Saving(BatchId),
    /// They are stored, or could not be and sync is stalled.
    Done,
}

/// A connection whose server answered.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    pub(super) attempt: Attempt,
    pub(super) since: Time,
    /// The last time anything came in.
    pub(super) heard: Time,
    /// The last measured round trip.
    pub(super) rtt_ms: u64,
    liveness_ms: u64,
    /// Over this the return is spread when the server goes without a word (S-6.7).
    pub(super) reconnect_window_ms: u32,
    /// A question nobody has answered yet: its nonce and when it was asked.
    probe: Option<(u32, Time)>,
    nonce: u32,
}

/// What a living link asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pulse {
    /// Nothing.
    Fine,
    /// Ask whether anybody is there.
    Probe,
    /// It is dead.
    Dead,
}

impl Wire {
    pub(super) fn new(attempt: Attempt, now: Time, asked: Time, limits: Limits) -> Self {
        Self {
            attempt,
            since: now,
            heard: now,
            rtt_ms: now.since(asked),
            liveness_ms: liveness(limits),
            reconnect_window_ms: limits.reconnect_window_ms,
            probe: None,
            nonce: 0,
        }
    }

    /// The server's times are others than Welcome said.
    pub(super) fn told(&mut self, limits: Limits) {
        self.liveness_ms = liveness(limits);
        self.reconnect_window_ms = limits.reconnect_window_ms;
    }

    /// Asks whether anybody is there; gives the nonce to send.
    pub(super) const fn probe(&mut self, now: Time) -> u32 {
        self.nonce = self.nonce.wrapping_add(1);
        self.probe = Some((self.nonce, now));
        self.nonce
    }

    pub(super) const fn is_probing(&self) -> bool {
        self.probe.is_some()
    }

    /// What was asked before says nothing about now: the next question begins afresh.
    pub(super) const fn forget_probe(&mut self) {
        self.probe = None;
    }

    pub(super) fn answered(&mut self, now: Time, nonce: u32) {
        if let Some((_, asked)) = self.probe.take_if(|(probe, _)| *probe == nonce) {
            self.rtt_ms = now.since(asked);
        }
    }

    /// How the link does, given when its oldest unanswered request was sent.
    pub(super) fn pulse(&self, now: Time, oldest: Option<Time>) -> Pulse {
        if now >= self.heard + self.liveness_ms || self.death(oldest).is_some_and(|at| now >= at) {
            return Pulse::Dead;
        }
        if oldest.is_some_and(|asked| now >= asked + REQUEST_TIMEOUT_MS) {
            return Pulse::Dead;
        }
        if self.probe_due(oldest).is_some_and(|at| now >= at) {
            return Pulse::Probe;
        }
        Pulse::Fine
    }

    pub(super) fn next_timeout(&self, oldest: Option<Time>) -> Time {
        [self.death(oldest), self.probe_due(oldest), oldest.map(|asked| asked + REQUEST_TIMEOUT_MS)]
            .into_iter()
            .flatten()
            .fold(self.heard + self.liveness_ms, Time::min)
    }

    fn probe_due(&self, oldest: Option<Time>) -> Option<Time> {
        let after = PROBE_AFTER_MS.max(3 * self.rtt_ms);
        oldest.filter(|_| self.probe.is_none()).map(|asked| asked.max(self.heard) + after)
    }

    /// Silence since the last byte, or since the oldest open question if that is later.
    fn death(&self, oldest: Option<Time>) -> Option<Time> {
        let doubt = match (self.probe, oldest) {
            (Some((_, probed)), Some(asked)) => probed.min(asked),
            (Some((_, probed)), None) => probed,
            (None, _) => return None,
        };
        Some(self.heard.max(doubt) + DEAD_AFTER_MS.max(4 * self.rtt_ms))
    }
}

impl Link {
    /// The attempt that inputs may speak of.
    pub(super) const fn attempt(&self) -> Option<Attempt> {
        match self {
            Self::Idle | Self::Waiting { .. } => None,
            Self::Opening(Opening { attempt, .. })
            | Self::Handshaking { attempt, .. }
            | Self::Errand { attempt, .. }
            | Self::Settling(Settling { wire: Wire { attempt, .. }, .. })
            | Self::Connected(Wire { attempt, .. }) => Some(*attempt),
        }
    }

    /// Since when a connection is being made or Hello is unanswered.
    pub(super) const fn attempt_since(&self) -> Option<Time> {
        match self {
            Self::Opening(Opening { since, .. })
            | Self::Handshaking { since, .. }
            | Self::Errand { since, .. } => Some(*since),
            Self::Idle | Self::Waiting { .. } | Self::Settling(_) | Self::Connected(_) => None,
        }
    }

    /// The connection, from Welcome on.
    pub(super) const fn wire(&mut self) -> Option<&mut Wire> {
        match self {
            Self::Settling(Settling { wire, .. }) | Self::Connected(wire) => Some(wire),
            Self::Idle
            | Self::Waiting { .. }
            | Self::Opening(_)
            | Self::Handshaking { .. }
            | Self::Errand { .. } => None,
        }
    }

    /// When the present state must have moved on, given the oldest unanswered request.
    pub(super) fn next_timeout(&self, oldest: Option<Time>) -> Option<Time> {
        match self {
            Self::Idle => None,
            Self::Waiting { until, .. } => Some(*until),
            Self::Opening(opening) => Some(opening.since + OPENING_MS),
            Self::Handshaking { since, .. } | Self::Errand { since, .. } => {
                Some(*since + WELCOME_TIMEOUT_MS)
            }
            Self::Settling(Settling { wire, .. }) | Self::Connected(wire) => {
                Some(wire.next_timeout(oldest))
            }
        }
    }
}

/// A server may ask for more patience, within reason; less only makes false alarms.
fn liveness(limits: Limits) -> u64 {
    u64::from(limits.liveness_ms).clamp(LIVENESS_MS, 4 * LIVENESS_MS)
}

/// An attempt may take this long until Hello can be sent: the connection, and a slow disk.
const OPENING_MS: u64 = CONNECT_TIMEOUT_MS + 2_000;
