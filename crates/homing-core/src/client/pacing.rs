//! When the next connection attempt may come (S-6.2, S-6.3, I16).

use std::collections::VecDeque;
use std::fmt::Debug;

use homing_proto::code::Code;
use homing_proto::limits::{
    ATTEMPT_SPACING_MS, ATTEMPT_WINDOW_MS, ATTEMPTS_PER_WINDOW, BACKOFF_BASE_MS,
    BACKOFF_CAP_BACKGROUND_MS,
};
use homing_proto::time::Time;

use super::Scene;
use super::rng::Rng;

/// The app's own rule for the wait after a failed attempt or a lost link (S-6.2).
///
/// It replaces the drawn back-off and nothing else: attempts keep their distance and their ceiling
/// (I16), a wait is at most five minutes, and what the server says of coming back holds.
pub trait DelayPolicy: Debug + Send + Sync {
    /// The wait in milliseconds; `None` for the client's own back-off. Asked once for each failure;
    /// must not block.
    fn delay_ms(&self, failure: Failure) -> Option<u64>;
}

/// What a [`DelayPolicy`] is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Failures in a row since a link last lived long enough, this one included.
    pub number: u32,
    /// What ended the attempt or the link.
    pub code: Code,
    /// Whether the app is seen.
    pub scene: Scene,
}

/// Full-jitter back-off under a hard ceiling on attempts.
///
/// The back-off answers "how long to wait after this failure"; the ceiling holds whatever brings
/// an attempt about: back-off, hints, or the user's own calls.
#[derive(Clone, Debug, Default)]
pub(super) struct Pacing {
    /// The latest attempts, oldest first; at most [`ATTEMPTS_PER_WINDOW`].
    attempts: VecDeque<Time>,
    /// Attempts that failed since the last proven life.
    failures: u32,
    /// All clients of the lost server together come back over this span (S-6.7).
    window_ms: Option<u64>,
}

impl Pacing {
    /// The first moment from `wish` on at which an attempt is allowed.
    pub(super) fn allowed(&self, wish: Time) -> Time {
        let mut at = wish;
        if let Some(last) = self.attempts.back() {
            at = at.max(*last + ATTEMPT_SPACING_MS);
        }
        if self.attempts.len() >= ATTEMPTS_PER_WINDOW {
            // One past the window, so that no 60 s hold more than the ceiling, ends included.
            at = at.max(self.attempts[0] + ATTEMPT_WINDOW_MS + 1);
        }
        at
    }

    pub(super) fn began(&mut self, now: Time) {
        if self.attempts.len() >= ATTEMPTS_PER_WINDOW {
            self.attempts.pop_front();
        }
        self.attempts.push_back(now);
    }

    /// The wait after a failed attempt or a lost link, drawn from 0 to the doubled span.
    pub(super) fn back_off(&mut self, rng: &mut Rng, cap_ms: u64) -> u64 {
        let doubled = BACKOFF_BASE_MS.checked_shl(self.failures).unwrap_or(u64::MAX);
        self.failures = (self.failures + 1).min(MAX_DOUBLINGS);
        rng.up_to(doubled.min(cap_ms))
    }

    /// The wait after the server was lost and wants its clients back spread over a window.
    pub(super) fn spread(&mut self, rng: &mut Rng, window_ms: u64) -> u64 {
        let window_ms = window_ms.min(BACKOFF_CAP_BACKGROUND_MS);
        self.window_ms = Some(window_ms);
        rng.up_to(window_ms)
    }

    /// The wait after an attempt on the way back that failed: the window and up to a tenth more. Who
    /// came at a random moment then comes at one again, after those who have not come yet, and all
    /// of them together come as often as the window says, however long the server is away.
    pub(super) fn again(&self, rng: &mut Rng, back_off_ms: u64) -> u64 {
        let Some(window_ms) = self.window_ms else { return back_off_ms };
        back_off_ms.max(window_ms + rng.up_to(window_ms / 10))
    }

    /// The server is back.
    pub(super) const fn arrived(&mut self) {
        self.window_ms = None;
    }

    /// A link lived long enough: the next failure is the first again.
    pub(super) const fn proven(&mut self) {
        self.failures = 0;
    }

    /// The number of the coming attempt since the last proven life, from 1.
    pub(super) const fn attempt(&self) -> u32 {
        self.failures + 1
    }
}

/// Far beyond every cap, and short of a shift that would overflow.
const MAX_DOUBLINGS: u32 = 32;
