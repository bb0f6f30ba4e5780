//! A timer of the kernel's on the clock that runs during sleep: one file of the process, one system
//! call whenever what comes next changes, and nothing while it waits.

use std::io;
use std::os::fd::OwnedFd;

use homing_proto::time::Time;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::NAP_MS;

/// See the module.
#[derive(Debug)]
pub(super) struct Timer {
    fd: AsyncFd<OwnedFd>,
    /// When it rings.
    set: Option<Time>,
}

impl Timer {
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        Self::over(timerfd_create(TimerfdClockId::Boottime, flags)?)
    }

    #[allow(deprecated, reason = "its successor is unsafe for types other than an owned file")]
    fn over(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self { fd: AsyncFd::with_interest(fd, Interest::READABLE)?, set: None })
    }

    /// Rings at `due`, at once if the clock has passed it; or before, where that is far away.
    /// Dropping the future leaves the timer set, which the next call takes over.
    pub(super) async fn ring(&mut self, now: Time, due: Time) -> io::Result<()> {
        self.set(next(self.set, now, due))?;
        loop {
            let mut ready = self.fd.readable().await?;
            let mut times = [0; size_of::<u64>()];
            // `Err`: it was set anew after it had rung, and has not rung again.
            if let Ok(read) = ready.try_io(|fd| Ok(rustix::io::read(fd, &mut times)?)) {
                self.set = None;
                return read.map(drop);
            }
        }
    }

    /// Costs nothing if it is set so already.
    fn set(&mut self, at: Time) -> io::Result<()> {
        if self.set != Some(at) {
            timerfd_settime(&self.fd, TimerfdTimerFlags::ABSTIME, &moment(at))?;
            self.set = Some(at);
        }
        Ok(())
    }
}

/// When to ring. On the way to something far away it rings every [`NAP_MS`], whatever else happens
/// meanwhile.
fn next(set: Option<Time>, now: Time, due: Time) -> Time {
    let nap = now + NAP_MS;
    if due <= nap {
        return due;
    }
    set.filter(|set| (now..=nap).contains(set)).unwrap_or(nap)
}

fn moment(at: Time) -> Itimerspec {
    // All zeros would be none.
    let ms = at.0.max(1);
    let tv_sec = i64::try_from(ms / 1_000).unwrap_or(i64::MAX);
    let tv_nsec = (ms % 1_000 * 1_000_000).try_into().expect("less than a second");
    Itimerspec {
        it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
        it_value: Timespec { tv_sec, tv_nsec },
    }
}

#[cfg(test)]
impl Timer {
    /// One that cannot be set.
    pub(super) fn broken() -> Self {
        let (end, _) = std::os::unix::net::UnixStream::pair().unwrap();
        Self::over(end.into()).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use rustix::time::timerfd_gettime;

    use super::*;
    use crate::clock::{Clock, ClockShift};

    fn clock() -> Time {
        Clock::new(ClockShift::default()).now().time
    }

    impl Timer {
        /// How long until it rings; 0 when it is not set, or has rung.
        fn left_ms(&self) -> i64 {
            let left = timerfd_gettime(&self.fd).unwrap().it_value;
            left.tv_sec * 1_000 + left.tv_nsec / 1_000_000
        }
    }

    /// S-6.4: deadlines use a clock that runs during sleep, and so does what waits for them.
    #[tokio::test]
    async fn it_rings_when_the_clock_that_runs_during_sleep_shows_the_moment_and_not_before() {
        let mut timer = Timer::new().unwrap();
        for _ in 0..3 {
            let due = clock() + 20;
            timer.ring(clock(), due).await.unwrap();
            assert!((due..due + 5_000).contains(&clock()), "{:?} for {due:?}", clock());
        }
    }

    /// S-6.3, S-6.4: what came due during a sleep rings at the wake. The kernel judges a moment by the
    /// clock that ran on, so one that has passed need not be waited for.
    #[tokio::test]
    async fn a_moment_that_has_passed_rings_at_once() {
        let mut timer = Timer::new().unwrap();
        let now = clock();
        timer.ring(now, Time(now.0 - 1_000)).await.unwrap();
        timer.ring(Time(0), Time(0)).await.unwrap();
    }

    #[tokio::test]
    async fn what_comes_next_takes_the_place_of_what_came_next_before() {
        let mut timer = Timer::new().unwrap();
        let now = clock();
        assert!(timer.ring(now, now + 25_000).now_or_never().is_none());
        assert!((20_000..=25_000).contains(&timer.left_ms()), "{}", timer.left_ms());
        timer.ring(now, now + 10).await.unwrap();
        // It has rung, and before anybody asks something else comes next.
        timer.set(now + 11).unwrap();
        drop(timer.fd.readable().await.unwrap());
        assert!(timer.ring(now, now + 25_000).now_or_never().is_none());
        assert!(timer.left_ms() > 20_000, "{}", timer.left_ms());
    }

    #[tokio::test]
    async fn the_same_moment_again_is_no_system_call() {
        let mut timer = Timer::new().unwrap();
        let now = clock();
        assert!(timer.ring(now, now + 25_000).now_or_never().is_none());
        let none = Timespec { tv_sec: 0, tv_nsec: 0 };
        let never = Itimerspec { it_interval: none, it_value: none };
        timerfd_settime(&timer.fd, TimerfdTimerFlags::ABSTIME, &never).unwrap();
        assert!(timer.ring(now + 1, now + 25_000).now_or_never().is_none());
        assert_eq!(timer.left_ms(), 0, "the kernel was asked again");
    }

    #[test]
    fn a_long_wait_is_cut_into_naps_and_a_short_one_is_not() {
        let (now, far) = (Time(1_000), Time(10 * NAP_MS));
        assert_eq!(next(None, now, Time(1_001)), Time(1_001));
        assert_eq!(next(Some(Time(1_000)), now, now + NAP_MS), now + NAP_MS);
        let nap = next(None, now, far);
        assert_eq!(nap, now + NAP_MS);
        // What happens meanwhile does not put the nap off.
        assert_eq!(next(Some(nap), now + 20_000, far), nap);
        assert_eq!(next(Some(nap), nap + 1, far), nap + 1 + NAP_MS);
        assert_eq!(next(Some(far), now, far + 1), nap);
    }
}
