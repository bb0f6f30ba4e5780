//! The server of a scenario: the real program, on a port and a data directory of its own.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::{Map, Value};
use ureq::Agent;
use ureq::http::Request;

use super::process;
use super::transcript::Transcript;

pub(super) struct Server {
    program: PathBuf,
    folder: PathBuf,
    port: u16,
    admin_token: String,
    agent: Agent,
    child: Option<Child>,
    transcript: Arc<Transcript>,
}

/// An answer of the admin API.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Server {
    /// Starts one with these settings.
    pub(super) fn start(
        program: &Path,
        folder: &Path,
        settings: &Map<String, Value>,
        transcript: Arc<Transcript>,
    ) -> Result<Self, String> {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build()
            .into();
        // TOML's scalars are JSON's.
        let toml: String =
            settings.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
        let config = folder.join("server.toml");
        fs::write(&config, toml).map_err(|error| format!("{}: {error}", config.display()))?;
        let mut server = Self {
            program: program.to_owned(),
            folder: folder.to_owned(),
            port: free_port()?,
            admin_token: String::new(),
            agent,
            child: None,
            transcript,
        };
        server.launch()?;
        Ok(server)
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    /// Starts it on the data and the port it has, and waits until it serves.
    pub(super) fn launch(&mut self) -> Result<(), String> {
        if self.child.is_some() {
            return Err("the server is running already".to_owned());
        }
        let log = File::options().create(true).append(true).open(self.log());
        let mut child = Command::new(&self.program)
            .args(["serve", "--dev", "--until-eof", "--listen"])
            .arg(format!("127.0.0.1:{}", self.port))
            .arg("--data")
            .arg(self.folder.join("server"))
            .arg("--config")
            .arg(self.folder.join("server.toml"))
            .env("HOMING_LOG", LOG)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.map_err(|error| format!("the server's log: {error}"))?)
            .spawn()
            .map_err(|error| format!("{}: {error}", self.program.display()))?;
        let stdout = child.stdout.take().expect("the output was asked for");
        self.child = Some(child);
        let (sender, line) = channel();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stdout).lines();
            let _ = sender.send(lines.next().and_then(Result::ok));
            // What it says later is read and left.
            lines.map_while(Result::ok).for_each(drop);
        });
        let line = line.recv_timeout(PATIENCE).ok().flatten();
        let Some(line) = line else {
            let _ = self.kill();
            return Err(format!("the server does not start; see {}", self.log().display()));
        };
        let ready: Value = serde_json::from_str(&line)
            .map_err(|error| format!("the server's first line cannot be read: {error}"))?;
        ready["admin_token"].as_str().unwrap_or_default().clone_into(&mut self.admin_token);
        self.transcript.hide("admin_token", &self.admin_token);
        self.transcript.put("server", "== serves");
        Ok(())
    }

    /// SIGTERM; does not wait.
    pub(super) fn drain(&mut self) -> Result<(), String> {
        let child = self.child.as_ref().ok_or("the server does not run")?;
        self.transcript.put("server", "== SIGTERM");
        process::terminate(child).map_err(|error| format!("the server {error}"))
    }

    /// SIGTERM, and it ends by itself, well.
    pub(super) fn stop(&mut self) -> Result<(), String> {
        self.drain()?;
        let mut child = self.child.take().ok_or("the server does not run")?;
        let status = process::wait(&mut child, PATIENCE)
            .map_err(|error| format!("the server {error} after SIGTERM"))?;
        self.transcript.put("server", "== ended");
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}")) }
    }

    /// kill -9.
    pub(super) fn kill(&mut self) -> Result<(), String> {
        let mut child = self.child.take().ok_or("the server does not run")?;
        self.transcript.put("server", "== kill -9");
        // Both fail only when it has ended already.
        let _ = child.kill();
        let _ = child.wait();
        Ok(())
    }

    /// Asks the admin API: `METHOD /path`.
    pub(super) fn ask(&self, question: &str, body: Option<&Value>) -> Result<Answer, String> {
        let (method, path) = question.split_once(' ').unwrap_or(("GET", question));
        let failed = |error: &dyn std::fmt::Display| format!("{question}: {error}");
        let text = body.map(Value::to_string).unwrap_or_default();
        self.transcript.put("admin", &format!("< {question} {text}"));
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url()))
            .header("authorization", format!("Bearer {}", self.admin_token));
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let request = request.body(text).map_err(|error| failed(&error))?;
        let mut response = self.agent.run(request).map_err(|error| failed(&error))?;
        let status = response.status().as_u16();
        let text = response.body_mut().read_to_string().map_err(|error| failed(&error))?;
        self.transcript.put("admin", &format!("> {status} {text}"));
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Answer { status, body })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// A port that nobody listens on, below those that the system gives to connections: it stays free
/// while the server is away.
fn free_port() -> Result<u16, String> {
    let offset = (std::process::id() % u32::from(PORTS)) as u16;
    for _ in 0..PORTS {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST_PORT + offset.wrapping_add(step) % PORTS;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err("no free port".to_owned())
}

static NEXT: AtomicU16 = AtomicU16::new(0);
const FIRST_PORT: u16 = 21_000;
const PORTS: u16 = 10_000;
/// Enough to show a secret that is logged.
const LOG: &str = "debug";
/// A start, a drain or an answer takes a hundredth of this.
const PATIENCE: Duration = Duration::from_secs(30);
