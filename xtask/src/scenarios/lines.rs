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
