//! SIGTERM and SIGINT: the first asks for an orderly end, the second ends at once. SIGCONT: the program
//! was stopped and goes on.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Both signals, from now on.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes the signals over from the default, which is to die. Called inside a runtime.
    pub(crate) fn take() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The times at which the program goes on after it was stopped. Called inside a runtime.
    pub(crate) fn continued() -> io::Result<Signal> {
        signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
