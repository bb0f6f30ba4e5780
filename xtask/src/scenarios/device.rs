//! A device: a driver process on a data directory of its own, spoken to by JSON lines.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::lines::Lines;
use super::process;
use super::transcript::Transcript;

/// One device of a scenario.
pub(super) struct Device {
    pub(super) name: String,
    pub(super) lines: Lines,
    /// Lines before this one were expected already.
    pub(super) cursor: usize,
    command: Vec<String>,
    folder: PathBuf,
    store: PathBuf,
    running: Option<Running>,
    next_id: u64,
    transcript: Arc<Transcript>,
}

struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    reader: JoinHandle<()>,
}

impl Device {
    /// A device whose driver is started by these words; nothing runs yet. What the driver writes is
    /// kept in `folder`.
    pub(super) fn new(
        name: &str,
        command: Vec<String>,
        folder: &Path,
        store: PathBuf,
        lines: Lines,
        transcript: Arc<Transcript>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            lines,
            cursor: 0,
            command,
            folder: folder.to_owned(),
            store,
            running: None,
            next_id: 1,
            transcript,
        }
    }

    /// Where its data lies.
    pub(super) fn store(&self) -> &Path {
        &self.store
    }

    /// What its driver wrote: stdout, stderr.
    pub(super) fn outputs(&self) -> [PathBuf; 2] {
        ["out", "err"].map(|ending| self.folder.join(format!("{}.{ending}", self.name)))
    }

    pub(super) const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    pub(super) fn start(&mut self) -> Result<(), String> {
        if self.is_running() {
            return Err(format!("{} is running already", self.name));
        }
        let [out, err] = self.outputs();
        let append = |path: &Path| {
            let file = File::options().create(true).append(true).open(path);
            file.map_err(|error| format!("{}: {error}", path.display()))
        };
        let mut record = append(&out)?;
        let mut command = Command::new(&self.command[0]);
        command
            .args(&self.command[1..])
            .env("HOMING_LOG", LOG)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(append(&err)?);
        let mut child = command
            .spawn()
            .map_err(|error| format!("{}: {}: {error}", self.name, self.command[0]))?;
        self.transcript.put(&self.name, "== started");
        self.lines.begin();
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("the output was asked for");
        let (lines, transcript) = (self.lines.clone(), self.transcript.clone());
        let name = self.name.clone();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                transcript.put(&name, &format!("> {line}"));
                let _ = writeln!(record, "{line}");
                let unreadable = || json!({"event": UNREADABLE, "line": line.clone()});
                lines.put(serde_json::from_str(&line).unwrap_or_else(|_| unreadable()));
            }
            lines.end();
            transcript.put(&name, "== ended");
        });
        self.running = Some(Running { child, stdin, reader });
        Ok(())
    }

    /// Begins an operation, on a process that is started when none runs; gives its id.
    pub(super) fn begin(
        &mut self,
        operation: &str,
        arguments: Map<String, Value>,
    ) -> Result<u64, String> {
        if !self.is_running() {
            self.start()?;
        }
        let id = self.next_id;
        self.next_id += 1;
        let mut line = Map::from_iter([("id".to_owned(), id.into())]);
        line.insert("do".to_owned(), operation.into());
        line.extend(arguments);
        let line = Value::Object(line).to_string();
        self.transcript.put(&self.name, &format!("< {line}"));
        let stdin = self.running.as_mut().and_then(|running| running.stdin.as_mut());
        let mut stdin = stdin.ok_or_else(|| format!("{} takes no more lines", self.name))?;
        writeln!(&mut stdin, "{line}")
            .and_then(|()| stdin.flush())
            .map_err(|error| format!("{} does not read its stdin: {error}", self.name))?;
        Ok(id)
    }

    /// Its stdin ends; it must end by itself, well.
    pub(super) fn end(&mut self) -> Result<(), String> {
        let Some(mut running) = self.running.take() else {
            return Err(format!("{} does not run", self.name));
        };
        running.stdin = None;
        self.ended(running, 0)
    }

    /// It is started, and must end by itself because it cannot do its work.
    pub(super) fn fail(&mut self) -> Result<(), String> {
        self.start()?;
        let running = self.running.take().expect("it was started");
        self.ended(running, 1)
    }

    fn ended(&self, mut running: Running, code: i32) -> Result<(), String> {
        let status = process::wait(&mut running.child, PATIENCE)
            .map_err(|error| format!("{}: the driver {error}", self.name))?;
        // Its stdout is at its end.
        let _ = running.reader.join();
        if status.code() == Some(code) {
            return Ok(());
        }
        Err(format!("{}: the driver ended with {status}", self.name))
    }

    /// kill -9.
    pub(super) fn kill(&mut self) -> Result<(), String> {
        let Some(mut running) = self.running.take() else {
            return Err(format!("{} does not run", self.name));
        };
        self.transcript.put(&self.name, "== kill -9");
        // Both fail only when it has ended already.
        let _ = running.child.kill();
        let _ = running.child.wait();
        let _ = running.reader.join();
        Ok(())
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// The event that stands for a line that is no JSON.
pub(super) const UNREADABLE: &str = "scenario_unreadable_line";
/// Enough to show a secret that is logged.
const LOG: &str = "debug";
/// A driver lets its client finish for five seconds.
const PATIENCE: Duration = Duration::from_secs(15);
