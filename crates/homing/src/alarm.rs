//! The alarm clock of a client's loop. It goes by the clock that runs during sleep (S-6.4).
//!
//! The runtime's timers stand still while the device sleeps: what came due meanwhile would ring that
//! much too late. Linux and Android have timers on the clock that goes on, which ring at the wake; one
//! of them serves a client. Elsewhere, and where a sandbox forbids it, the runtime's timer has to do.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod boot;

use std::time::Duration;

use homing_proto::time::Time;
use tokio::time::sleep;

/// Rings once for each wait.
#[derive(Debug)]
pub(crate) struct Alarm {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    timer: Option<boot::Timer>,
}

impl Alarm {
    /// Must be called on a runtime with time and IO.
    pub(crate) fn new() -> Self {
        Self {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            timer: boot::Timer::new().inspect_err(do_without).ok(),
        }
    }

    /// Waits until `due`, or a part of the way: whoever waits looks at the clock and waits again.
    /// Where nothing is due it never rings. Dropping the future leaves nothing behind.
    pub(crate) async fn ring(&mut self, now: Time, due: Option<Time>) {
        let Some(due) = due else { return std::future::pending().await };
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(timer) = &mut self.timer {
            match timer.ring(now, due).await {
                Ok(()) => return,
                Err(error) => do_without(&error),
            }
            self.timer = None;
        }
        sleep(Duration::from_millis(due.since(now).min(NAP_MS))).await;
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn do_without(error: &std::io::Error) {
    tracing::debug!(%error, "no timer on the clock that runs during sleep");
}

/// The longest wait: a sleep of the device is noticed when the loop turns (S-6.3), and one that nothing
/// came due in has to be noticed too.
const NAP_MS: u64 = 30_000;

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn without_a_timer_of_its_own_it_rings_by_the_runtimes() {
        let mut alarm = Alarm::new();
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            alarm.timer = None;
        }
        let began = Instant::now();
        alarm.ring(Time(5_000), Some(Time(5_020))).await;
        assert!(began.elapsed() >= Duration::from_millis(20), "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn it_never_rings_where_nothing_is_due() {
        assert_eq!(Alarm::new().ring(Time(0), None).now_or_never(), None);
    }

    /// As in a sandbox that lets a timer be made and not be set.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[tokio::test]
    async fn a_timer_that_fails_is_left_for_the_runtimes() {
        let mut alarm = Alarm { timer: Some(boot::Timer::broken()) };
        alarm.ring(Time(5_000), Some(Time(5_001))).await;
        assert!(alarm.timer.is_none());
    }
}
