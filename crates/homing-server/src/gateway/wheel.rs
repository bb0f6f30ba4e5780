//! One timer for all connections: numbers of connections in slots of 128 ms.
//!
//! A timer of the runtime costs a hundred bytes for each connection; a number in a slot costs four.
//! A connection is in one slot at least while it lives. When the slot's time has come it is woken,
//! looks at the clock itself, and takes its next place. To be woken early or twice does no harm.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use homing_proto::time::Time;

/// A slot's number, counted from the start of the server. A `u32` lasts for 17 years.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Tick(u32);

impl Tick {
    /// The slot that a moment lies in.
    pub(super) fn of(time: Time) -> Self {
        Self(u32::try_from(time.0 / TICK_MS).unwrap_or(u32::MAX))
    }

    /// The first slot that begins when the moment is over.
    pub(super) fn after(time: Time) -> Self {
        Self(Self::of(time).0.saturating_add(1))
    }
}

/// The slots of the next minute.
pub(super) struct Wheel {
    slots: Box<[Mutex<Vec<u32>>]>,
    /// The last slot that was emptied, or is being emptied.
    done: AtomicU32,
}

impl Wheel {
    pub(super) fn new(now: Time) -> Self {
        Self {
            slots: (0..SLOTS).map(|_| Mutex::default()).collect(),
            done: AtomicU32::new(Tick::of(now).0),
        }
    }

    /// Has a connection woken when `at` has come, or in a minute if that is sooner. Returns the slot.
    pub(super) fn arm(&self, number: u32, at: Time) -> Tick {
        let Tick(wanted) = Tick::after(at);
        loop {
            let done = self.done.load(Ordering::SeqCst);
            let tick = wanted.clamp(done + 1, done + SLOTS - 1);
            let mut slot = self.slot(tick);
            // Whoever empties a slot marks it as done before it takes the lock.
            if self.done.load(Ordering::SeqCst) < tick {
                slot.push(number);
                return Tick(tick);
            }
        }
    }

    /// The connections whose time has come.
    pub(super) fn due(&self, now: Time) -> Vec<u32> {
        let now = Tick::of(now).0;
        let first = self.done.load(Ordering::SeqCst) + 1;
        let mut due = Vec::new();
        // After a leap of the clock every slot is due once.
        for tick in first.max(now.saturating_sub(SLOTS - 1))..=now {
            self.done.store(tick, Ordering::SeqCst);
            due.append(&mut std::mem::take(&mut *self.slot(tick)));
        }
        due
    }

    fn slot(&self, tick: u32) -> std::sync::MutexGuard<'_, Vec<u32>> {
        let slot = &self.slots[(tick % SLOTS) as usize];
        slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A slot's span. What hangs on it is counted in seconds.
pub(super) const TICK_MS: u64 = 128;
/// More than a minute: no deadline of a live connection lies further away.
const SLOTS: u32 = 512;

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time(1_000);

    #[test]
    fn a_connection_is_woken_once_and_never_before_its_time() {
        let wheel = Wheel::new(START);
        for at in (1_000..20_000).step_by(77) {
            wheel.arm(u32::try_from(at).unwrap(), Time(at));
        }
        let mut woken = 0;
        for now in (1_000..21_000).step_by(33) {
            for number in wheel.due(Time(now)) {
                assert!(u64::from(number) <= now, "{number} at {now}");
                assert!(now - u64::from(number) < 2 * TICK_MS + 33, "{number} at {now}");
                woken += 1;
            }
        }
        assert_eq!(woken, (1_000..20_000).step_by(77).count());
    }

    #[test]
    fn what_is_armed_for_the_past_is_due_next() {
        let wheel = Wheel::new(START);
        wheel.due(Time(5_000));
        wheel.arm(7, Time(0));
        assert!(wheel.due(Time(5_000)).is_empty());
        assert_eq!(wheel.due(Time(5_000 + TICK_MS)), [7]);
    }

    #[test]
    fn what_lies_far_away_is_woken_within_a_minute_and_a_leap_wakes_all() {
        let wheel = Wheel::new(START);
        wheel.arm(1, Time(10_000_000));
        assert_eq!(wheel.due(Time(70_000)), [1]);
        wheel.arm(2, Time(90_000));
        wheel.arm(3, Time(120_000));
        let mut all = wheel.due(Time(10_000_000));
        all.sort_unstable();
        assert_eq!(all, [2, 3]);
    }
}
