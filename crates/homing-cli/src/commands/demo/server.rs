//! The tour's server: this same program as a process of its own.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;

use crate::failure::Failure;

/// A running server. Its stdin is held open: when this process ends, however it ends, so does the
/// server.
pub(super) struct ServerProcess {
    process: watch::Sender<Process>,
    data: PathBuf,
}

struct Process {
    pid: u32,
    exit: Option<ExitStatus>,
    /// It was told to stop.
    is_stopping: bool,
    /// Kept open, not written to.
    _stdin: Option<ChildStdin>,
}

/// What it said when it was ready.
#[derive(Deserialize)]
pub(super) struct Ready {
    pub(super) url: String,
    pub(super) app_id: u32,
    pub(super) key: String,
    pub(super) users: BTreeMap<String, String>,
    #[serde(skip)]
    pub(super) took: Duration,
}

impl ServerProcess {
    /// Starts one and waits until it serves. Port 0 takes any free one.
    pub(super) async fn start(data: &Path, port: u16) -> Result<(Self, Ready), Failure> {
        let (child, ready) = spawn(data, port).await.map_err(|why| {
            let log = last_lines(&log_of(data));
            let cure = if log.is_empty() { "homing doctor".to_owned() } else { log };
            Failure::new("the tour's server does not start", why, cure)
        })?;
        let server = Self {
            process: watch::Sender::new(Process {
                pid: 0,
                exit: None,
                is_stopping: false,
                _stdin: None,
            }),
            data: data.to_owned(),
        };
        server.adopt(child);
        Ok((server, ready))
    }

    /// Starts it again, on the same data and port.
    pub(super) async fn start_again(&self, port: u16) -> Result<Ready, String> {
        let (child, ready) = spawn(&self.data, port).await?;
        self.adopt(child);
        Ok(ready)
    }

    fn adopt(&self, mut child: Child) {
        let pid = child.id().unwrap_or_default();
        let stdin = child.stdin.take();
        self.process.send_replace(Process { pid, exit: None, is_stopping: false, _stdin: stdin });
        let process = self.process.clone();
        tokio::spawn(async move {
            if let Ok(status) = child.wait().await {
                process.send_if_modified(|process| {
                    let is_ours = process.pid == pid;
                    if is_ours {
                        process.exit = Some(status);
                    }
                    is_ours
                });
            }
        });
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.borrow().pid
    }

    /// How it ended, if it ended without being told to.
    pub(super) fn died(&self) -> Option<String> {
        let process = self.process.borrow();
        process.exit.filter(|_| !process.is_stopping).map(|status| status.to_string())
    }

    /// Waits for it to end without being told to.
    pub(super) async fn dies(&self) -> String {
        let mut watch = self.process.subscribe();
        let dead = watch.wait_for(|process| process.exit.is_some() && !process.is_stopping).await;
        // The sender lives in `self`, so the wait cannot fail.
        dead.ok().and_then(|process| process.exit).map(|s| s.to_string()).unwrap_or_default()
    }

    /// Tells it to stop with SIGTERM and waits; it must end by itself with exit code 0.
    pub(super) async fn stop(&self) -> Result<Duration, String> {
        let began = Instant::now();
        self.process.send_modify(|process| process.is_stopping = true);
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or("it has no process id")?;
        kill_process(pid, Signal::TERM).map_err(|error| error.to_string())?;
        let mut watch = self.process.subscribe();
        let end = watch.wait_for(|process| process.exit.is_some());
        let status = match tokio::time::timeout(PATIENCE, end).await {
            Ok(process) => process.ok().and_then(|process| process.exit),
            Err(_) => return Err(format!("it did not end within {} s", PATIENCE.as_secs())),
        };
        match status {
            Some(status) if status.success() => Ok(began.elapsed()),
            Some(status) => Err(format!("it ended with {status}")),
            None => Err("it is not known how it ended".to_owned()),
        }
    }

    /// The end of its log.
    pub(super) fn last_log(&self) -> String {
        last_lines(&log_of(&self.data))
    }
}

async fn spawn(data: &Path, port: u16) -> Result<(Child, Ready), String> {
    let began = Instant::now();
    let program = std::env::current_exe().map_err(|error| format!("where am I? {error}"))?;
    let log = File::options().create(true).append(true).open(log_of(data));
    let mut child = Command::new(program)
        .args(["serve", "--dev", "--until-eof", "--listen"])
        .arg(format!("127.0.0.1:{port}"))
        .arg("--data")
        .arg(data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log.map_err(|error| error.to_string())?)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| error.to_string())?;
    let stdout = child.stdout.take().ok_or("its stdout is missing")?;
    let mut lines = BufReader::new(stdout).lines();
    let line = match tokio::time::timeout(PATIENCE, lines.next_line()).await {
        Ok(line) => line.map_err(|error| error.to_string())?,
        Err(_) => return Err(format!("it was not ready within {} s", PATIENCE.as_secs())),
    };
    let line = line.ok_or("it ended before it was ready")?;
    let ready: Ready = serde_json::from_str(&line)
        .map_err(|error| format!("its first line cannot be read: {error}"))?;
    Ok((child, Ready { took: began.elapsed(), ..ready }))
}

fn log_of(data: &Path) -> PathBuf {
    data.with_extension("log")
}

fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    let last = lines.len().saturating_sub(LOG_LINES);
    lines[last..].iter().map(|line| format!("       {line}")).collect::<Vec<_>>().join("\n")
}

const PATIENCE: Duration = Duration::from_secs(20);
const LOG_LINES: usize = 5;
