//! The two clocks that every decision gets: one for deadlines, one that people read (S-6.4, S-8.6).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use homing_proto::time::{Now, Time, WallTime};

/// Reads both clocks. Clones share one [`ClockShift`].
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    shift: ClockShift,
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    origin: std::time::Instant,
}

impl Clock {
    pub(crate) fn new(shift: ClockShift) -> Self {
        Self {
            shift,
            #[cfg(not(any(target_os = "linux", target_os = "android")))]
            origin: std::time::Instant::now(),
        }
    }

    /// Both clocks, now.
    pub(crate) fn now(&self) -> Now {
        Now { time: self.deadlines(), wall: self.wall() }
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[allow(clippy::unused_self, reason = "the kernel has this clock; elsewhere it starts here")]
    fn deadlines(&self) -> Time {
        Time(read_ms(rustix::time::ClockId::Boottime))
    }

    /// Elsewhere std's monotonic clock has to do; apps tell of a wake by a hint.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn deadlines(&self) -> Time {
        Time(u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn wall(&self) -> WallTime {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ms = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
        WallTime(ms.saturating_add_signed(self.shift.0.load(Ordering::Relaxed)))
    }
}

/// Moves one client's wall clock, to show that a wrong one harms nobody (S-8.6, I19).
///
/// Only the clock that people read moves; deadlines run on another. Clones move the same clock.
///
/// ```
/// let shift = homing::ClockShift::default();
/// let config = homing::Config::new(1, "ws://127.0.0.1:7700")?.clock_shift(shift.clone());
/// shift.set_seconds(10 * 365 * 86_400); // ten years ahead
/// # Ok::<(), homing::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ClockShift(Arc<AtomicI64>);

impl ClockShift {
    /// From now on the wall clock shows this many seconds more than the device's, or less.
    pub fn set_seconds(&self, seconds: i64) {
        self.0.store(seconds.saturating_mul(1000), Ordering::Relaxed);
    }
}

/// Notices that the device slept: the clock that runs during sleep gains on the one that stands.
#[derive(Debug)]
pub(crate) struct SleepWatch {
    lead_ms: u64,
}

impl SleepWatch {
    pub(crate) fn new() -> Self {
        Self { lead_ms: lead_ms() }
    }

    /// The device slept since the last question.
    pub(crate) fn slept(&mut self) -> bool {
        let lead_ms = lead_ms();
        let slept = lead_ms > self.lead_ms + NAP_MS;
        self.lead_ms = lead_ms;
        slept
    }
}

/// Less than this is the two clocks being read one after the other.
const NAP_MS: u64 = 1_000;

#[cfg(any(target_os = "linux", target_os = "android"))]
fn lead_ms() -> u64 {
    let awake_ms = read_ms(rustix::time::ClockId::Monotonic);
    read_ms(rustix::time::ClockId::Boottime).saturating_sub(awake_ms)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn read_ms(clock: rustix::time::ClockId) -> u64 {
    let at = rustix::time::clock_gettime(clock);
    let seconds = u64::try_from(at.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(at.tv_nsec).unwrap_or_default();
    seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
const fn lead_ms() -> u64 {
    0
}
