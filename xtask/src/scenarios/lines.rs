//! What drivers said, in order, and waiting for more.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::Value;

/// The lines of all devices of a scenario.
#[derive(Default)]
pub(super) struct Hub {
    devices: Mutex<Vec<Spoken>>,
    changed: Condvar,
}

/// What one device said, over all its processes.
#[derive(Default)]
pub(super) struct Spoken {
    pub(super) lines: Vec<Value>,
    /// The first line of the process that runs now.
    pub(super) began: usize,
    /// That process has ended.
    ended: bool,
}

/// The lines of one device.
#[derive(Clone)]
pub(super) struct Lines {
    hub: Arc<Hub>,
    index: usize,
}

/// Why a wait was in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// It did not come in time.
    Late,
    /// The driver ended before.
    Ended,
}

impl Hub {
    /// Lines for one more device.
    pub(super) fn add(self: &Arc<Self>) -> Lines {
        let mut devices = self.devices();
        devices.push(Spoken::default());
        Lines { hub: self.clone(), index: devices.len() - 1 }
    }

    /// Looks at all devices whenever there is something new, until there is something to be seen.
    pub(super) fn wait<T>(
        &self,
        deadline: Instant,
        mut look: impl FnMut(&[Spoken]) -> Option<Result<T, Missing>>,
    ) -> Result<T, Missing> {
        let mut devices = self.devices();
        loop {
            if let Some(found) = look(&devices) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Missing::Late);
            }
            let woken = self.changed.wait_timeout(devices, left);
            devices = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn devices(&self) -> MutexGuard<'_, Vec<Spoken>> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spoken {
    /// The latest status that the process which runs now told.
    pub(super) fn status(&self) -> Option<&Value> {
        self.lines[self.began..].iter().rev().find(|line| line["event"] == "status")
    }
}

impl Lines {
    pub(super) fn put(&self, line: Value) {
        self.change(|spoken| spoken.lines.push(line));
    }

    /// A process begins to speak.
    pub(super) fn begin(&self) {
        self.change(|spoken| {
            spoken.began = spoken.lines.len();
            spoken.ended = false;
        });
    }

    /// Its process has ended.
    pub(super) fn end(&self) {
        self.change(|spoken| spoken.ended = true);
    }

    pub(super) fn len(&self) -> usize {
        self.look(|spoken| spoken.lines.len())
    }

    /// Looks at what there is.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Spoken) -> T) -> T {
        look(&self.hub.devices()[self.index])
    }

    /// Looks whenever there is more, until there is something to be seen.
    pub(super) fn wait<T>(
        &self,
        deadline: Instant,
        mut look: impl FnMut(&Spoken) -> Option<T>,
    ) -> Result<T, Missing> {
        self.hub.wait(deadline, |devices| {
            let spoken = &devices[self.index];
            let found = look(spoken).map(Ok);
            if spoken.ended { found.or(Some(Err(Missing::Ended))) } else { found }
        })
    }

    /// Where it stands among the devices that [`Hub::wait`] shows.
    pub(super) const fn index(&self) -> usize {
        self.index
    }

    fn change(&self, change: impl FnOnce(&mut Spoken)) {
        change(&mut self.hub.devices()[self.index]);
        self.hub.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_wait_ends_with_what_came_with_its_bound_or_with_the_driver() {
        let lines = Arc::new(Hub::default()).add();
        let soon = || Instant::now() + Duration::from_millis(50);
        let second = |spoken: &Spoken| spoken.lines.get(1).cloned();
        lines.put(json!(1));
        assert_eq!(lines.wait(soon(), second), Err(Missing::Late));
        let speaker = lines.clone();
        std::thread::spawn(move || speaker.put(json!(2)));
        let late = Instant::now() + Duration::from_secs(10);
        assert_eq!(lines.wait(late, second), Ok(json!(2)));
        lines.end();
        assert_eq!(lines.wait(late, second), Ok(json!(2)));
        assert_eq!(lines.wait(late, |spoken| spoken.lines.get(2).cloned()), Err(Missing::Ended));
    }

    #[test]
    fn the_status_is_that_of_the_process_that_runs_now() {
        let lines = Arc::new(Hub::default()).add();
        lines.put(json!({"event": "status", "seq": 1}));
        assert!(lines.look(|spoken| spoken.status().is_some()));
        lines.begin();
        assert!(lines.look(|spoken| spoken.status().is_none()));
    }
}
