//! Waiting for a process of ours, and the signals it gets.

use std::process::{Child, ExitStatus};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitIdOptions, kill_process, waitid};

/// Waits for its end.
///
/// # Errors
/// It did not end in time; it is killed then.
pub(super) fn wait(child: &mut Child, patience: Duration) -> Result<ExitStatus, String> {
    let pid = pid(child)?;
    let (sender, ended) = channel();
    std::thread::spawn(move || {
        // It stays there to be collected, by the one who owns it.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let _ = waitid(rustix::process::WaitId::Pid(pid), options);
        let _ = sender.send(());
    });
    if ended.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("did not end within {} s", patience.as_secs()));
    }
    child.wait().map_err(|error| error.to_string())
}

/// SIGTERM.
pub(super) fn terminate(child: &Child) -> Result<(), String> {
    kill_process(pid(child)?, Signal::TERM).map_err(|error| error.to_string())
}

fn pid(child: &Child) -> Result<Pid, String> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| "has no process id".to_owned())
}
