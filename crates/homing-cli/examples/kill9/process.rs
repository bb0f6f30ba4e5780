//! The processes of a round.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// `homing serve --dev` on one data directory and, once started, one port.
pub(crate) struct Server {
    child: Child,
    data: PathBuf,
    port: u16,
    pub(crate) url: String,
    ready: Value,
}

impl Server {
    pub(crate) fn start(program: &Path, data: &Path) -> Result<Self, String> {
        let (child, ready) = spawn(program, data, 0)?;
        let url = ready["url"].as_str().ok_or("the server's line has no url")?.to_owned();
        let port = url.rsplit(':').next().and_then(|port| port.parse().ok());
        let port = port.ok_or("the server's url has no port")?;
        Ok(Self { child, data: data.to_owned(), port, url, ready })
    }

    /// SIGKILL, and a new one on what the old one left behind.
    pub(crate) fn kill_and_start_again(&mut self, program: &Path) -> Result<(), String> {
        self.child.kill().map_err(|error| format!("the server cannot be killed: {error}"))?;
        self.child.wait().map_err(|error| error.to_string())?;
        (self.child, _) = spawn(program, &self.data, self.port)?;
        Ok(())
    }

    /// A token for that user, made with the demo app's key.
    pub(crate) fn token(&self, program: &Path, user: &str) -> Result<String, String> {
        let output = Command::new(program)
            .args(["token", "mint", "--format", "usersig", "--user", user, "--app-id"])
            .arg(self.ready["app_id"].to_string())
            .env("HOMING_KEY", self.ready["key"].as_str().unwrap_or_default())
            .output()
            .map_err(|error| error.to_string())?;
        let token = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        if output.status.success() { Ok(token) } else { Err(format!("no token for {user}")) }
    }

    /// SIGTERM; it must end with 0.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.ok_or("the server has no id")?, Signal::TERM)
            .map_err(|error| error.to_string())?;
        let status = self.child.wait().map_err(|error| error.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}")) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(program: &Path, data: &Path, port: u16) -> Result<(Child, Value), String> {
    let mut child = Command::new(program)
        .args(["serve", "--dev", "--listen", &format!("127.0.0.1:{port}"), "--data"])
        .arg(data)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log(&data.with_extension("log"))?)
        .spawn()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let stdout = child.stdout.take().ok_or("the server's stdout is missing")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
    let ready = serde_json::from_str(&line)
        .map_err(|error| format!("the server did not start again ({error}); see its log"))?;
    Ok((child, ready))
}

pub(crate) fn log(path: &Path) -> Result<File, String> {
    let file = File::options().create(true).append(true).open(path);
    file.map_err(|error| format!("{}: {error}", path.display()))
}
