//! The server that is measured: a process of its own in a directory of its own.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use homing_proto::id::AppId;
use homing_token::Key;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::crowd::Crowd;
use crate::link::Target;
use crate::tls::Secure;
use crate::{Failure, process, report};

/// Which server.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub(crate) struct Arguments {
    /// The `homing` program to measure. Left out, it is built from this checkout.
    #[arg(long, value_name = "FILE", global = true)]
    homing: Option<PathBuf>,
    /// What the server writes to its log, which goes to a file: `info` is what it does unless told
    /// otherwise, one line for each login.
    #[arg(long, value_name = "LEVEL", default_value = "info", global = true)]
    log: String,
}

/// A running server; dropping it kills the process and removes the data.
pub(crate) struct Server {
    process: Process,
    program: Program,
    secure: Option<Secure>,
    ready: Ready,
    dir: TempDir,
}

/// How a server is started.
struct Program {
    program: PathBuf,
    log: String,
    listen: SocketAddr,
}

/// One run of it.
struct Process {
    child: Child,
    /// The server stops when it ends: also when this process is killed.
    _stdin: Option<ChildStdin>,
    /// Nothing more comes, but a closed pipe would be an error for the server.
    _stdout: BufReader<ChildStdout>,
    /// From the start of the process to its first line.
    started_in: Duration,
}

/// How a server is stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    /// It sends its clients away (S-6.7).
    Drain,
    /// It knows nothing of it.
    Kill,
}

/// The first line of `serve --dev`.
#[derive(Deserialize)]
struct Ready {
    url: String,
    app_id: u32,
    key: String,
}

/// Plain or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Transport {
    Plain,
    Tls,
}

/// What two looks at the processors tell.
#[derive(Serialize, Clone, Copy, PartialEq, Debug)]
pub(crate) struct Used {
    pub(crate) server_cpu_s: f64,
    pub(crate) client_cpu_s: f64,
    /// Waiting for a processor that something else had, all threads together.
    pub(crate) server_waited_s: f64,
    pub(crate) client_waited_s: f64,
}

impl Server {
    /// Builds the program if need be, starts it on a free port, waits until it serves.
    ///
    /// # Errors
    /// What cargo or the server said.
    pub(crate) fn start(arguments: &Arguments, transport: Transport) -> Result<Self, Failure> {
        let program = program(arguments)?;
        let listen = (Ipv4Addr::LOCALHOST, 0).into();
        let dir = tempfile::Builder::new().prefix("data-").tempdir_in(report::directory()?)?;
        let secure = match transport {
            Transport::Plain => None,
            Transport::Tls => Some(Secure::new(dir.path())?),
        };
        let log = arguments.log.clone();
        let program = Program { program, log, listen };
        let (process, ready) = program.start(dir.path(), secure.as_ref())?;
        let host = ready.url.rsplit('/').next().unwrap_or_default();
        let address = host.parse().map_err(|error| format!("{}: {error}", ready.url))?;
        eprintln!("bench: server {} serves on {address}", process.child.id());
        let program = Program { listen: address, ..program };
        Ok(Self { process, program, secure, ready, dir })
    }

    /// Ends the process and starts another one at once, on the same port and data.
    ///
    /// # Errors
    /// What the server said.
    pub(crate) fn restart(&mut self, stop: Stop) -> Result<(), Failure> {
        match stop {
            Stop::Kill => end(&mut self.process.child),
            Stop::Drain => {
                let pid = i32::try_from(self.pid())?;
                let pid = rustix::process::Pid::from_raw(pid).ok_or("no process")?;
                rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
                self.process.child.wait()?;
            }
        }
        let (process, _) = self.program.start(self.dir.path(), self.secure.as_ref())?;
        self.process = process;
        Ok(())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// The server's directory: on the same disk as its data.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn target(&self) -> Target {
        let tls = self.secure.as_ref().map(|secure| secure.connector.clone());
        Target { address: self.program.listen, tls }
    }

    /// Such as `ws://127.0.0.1:7700`.
    pub(crate) fn websocket_url(&self) -> String {
        self.ready.url.replacen("http", "ws", 1)
    }

    pub(crate) const fn app(&self) -> u32 {
        self.ready.app_id
    }

    pub(crate) const fn started_in(&self) -> Duration {
        self.process.started_in
    }

    /// # Errors
    /// When the server's first line held no legal app or key.
    pub(crate) fn crowd(&self) -> Result<Crowd, Failure> {
        Ok(Crowd::new(AppId::new(self.ready.app_id)?, Key::new(self.ready.key.as_str())?))
    }

    /// Processor time used so far, by the server and by this process.
    ///
    /// # Errors
    /// When the server has ended.
    pub(crate) fn used(&self) -> Result<Used, Failure> {
        let (server, client) = (self.pid(), std::process::id());
        Ok(Used {
            server_cpu_s: process::cpu(server)?.as_secs_f64(),
            client_cpu_s: process::cpu(client)?.as_secs_f64(),
            server_waited_s: process::waited(server)?.as_secs_f64(),
            client_waited_s: process::waited(client)?.as_secs_f64(),
        })
    }
}

impl Program {
    /// Waits until it serves.
    fn start(&self, dir: &Path, secure: Option<&Secure>) -> Result<(Process, Ready), Failure> {
        let log = dir.join("server.log");
        let mut command = Command::new(&self.program);
        command
            .args(["serve", "--dev", "--until-eof", "--listen"])
            .arg(self.listen.to_string())
            .arg("--data")
            .arg(dir.join("data"));
        if let Some(secure) = secure {
            command.arg("--tls-cert").arg(&secure.cert).arg("--tls-key").arg(&secure.key);
        }
        command
            .env("HOMING_LOG", &self.log)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?);
        let began = Instant::now();
        let mut child =
            command.spawn().map_err(|error| format!("{}: {error}", self.program.display()))?;
        let stdin = child.stdin.take();
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let started_in = began.elapsed();
        match serde_json::from_str(&line) {
            Ok(ready) => Ok((Process { child, _stdin: stdin, _stdout: stdout, started_in }, ready)),
            Err(error) => {
                end(&mut child);
                Err(format!("the server did not start: {error}\n{}", tail(&log)).into())
            }
        }
    }
}

impl Used {
    pub(crate) fn since(self, earlier: Self) -> Self {
        let round = |seconds: f64| crate::figures::round(seconds, 2);
        Self {
            server_cpu_s: round(self.server_cpu_s - earlier.server_cpu_s),
            client_cpu_s: round(self.client_cpu_s - earlier.client_cpu_s),
            server_waited_s: round(self.server_waited_s - earlier.server_waited_s),
            client_waited_s: round(self.client_waited_s - earlier.client_waited_s),
        }
    }

    /// Microseconds of the server's for each of `count` things.
    pub(crate) fn server_us_each(self, count: usize) -> f64 {
        crate::figures::round(self.server_cpu_s * 1e6 / count.max(1) as f64, 1)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.process.child);
    }
}

/// Ends that process and no other, and waits until it is gone.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// The program named, or the one beside this one, as the checkout has it.
fn program(arguments: &Arguments) -> Result<PathBuf, Failure> {
    if let Some(named) = &arguments.homing {
        return Ok(named.clone());
    }
    let here = std::env::current_exe()?;
    let release = here.parent().ok_or("this program lies in no directory")?;
    let beside = release.join(format!("homing{}", std::env::consts::EXE_SUFFIX));
    // Run by cargo, this program is as new as the checkout, and so must the server be.
    if std::env::var_os("CARGO").is_some() || !beside.exists() {
        eprintln!("bench: building the server (cargo build --release -p homing-cli)");
        build(release)?;
    }
    Ok(beside)
}

fn build(release: &Path) -> Result<(), Failure> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = release.parent().ok_or("this program lies in no target directory")?;
    let status = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--package", "homing-cli", "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(Stdio::null())
        .status()?;
    if status.success() { Ok(()) } else { Err("the server cannot be built".into()) }
}

/// The last lines of a log.
fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
