//! Running the program: once to its end, as a server, as a driven client.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// The program with these arguments, and nothing of the tester's environment that it listens to.
pub(crate) fn homing<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_homing"));
    command.args(arguments);
    let heard = ["URL", "ADMIN_TOKEN", "KEY", "TOKEN", "TOKEN_COMMAND", "STATIC_TOKEN"];
    command.env_remove("RUST_LOG");
    for name in heard.map(|name| format!("HOMING_{name}")) {
        command.env_remove(name);
    }
    command.env("HOMING_LOG", "warn");
    command
}

/// Runs it to its end.
pub(crate) fn run<const N: usize>(arguments: [&str; N]) -> Output {
    homing(arguments).stdin(Stdio::null()).output().unwrap()
}

/// Runs it to its end with this stdin.
pub(crate) fn run_with(mut command: Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // Beside the reading: a program that answers as it goes would wait for its reader.
    let writing = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    output
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// It failed with exit code 1, and told what, why and what to do.
pub(crate) fn assert_failed(output: &Output, why: &str) {
    let told = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains(why), "{told}");
    for part in ["error: ", "  why: ", "  do:  "] {
        assert!(told.contains(part), "{told}");
    }
}

/// A process with lines on its stdout.
pub(crate) struct Lines {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    pub(crate) seen: Vec<String>,
}

impl Lines {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let stdin = child.stdin.take();
        Self { child, stdin, lines, seen: Vec::new() }
    }

    pub(crate) fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        writeln!(stdin, "{line}").unwrap();
        stdin.flush().unwrap();
    }

    /// The next line, `None` at the end.
    pub(crate) fn next(&mut self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                self.seen.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                panic!("no line came; so far:\n{}", self.seen.join("\n"))
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn end_stdin(&mut self) {
        self.stdin = None;
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            // The end of its stdout is the sign; what is left is to be collected.
            match self.lines.recv_timeout(Duration::from_millis(100)) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => return self.child.wait().unwrap(),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        panic!("it did not end; so far:\n{}", self.seen.join("\n"));
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// `homing serve --dev`, ready.
pub(crate) struct Server {
    pub(crate) process: Lines,
    pub(crate) ready: Value,
}

impl Server {
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_on(data, 0)
    }

    /// With a log as verbose as can be.
    pub(crate) fn start_logging(data: &Path, log: std::fs::File) -> Self {
        let data = data.to_str().unwrap();
        let mut command = homing(["serve", "--dev", "--data", data, "--listen", "127.0.0.1:0"]);
        command.env("HOMING_LOG", "trace").stderr(log);
        Self::ready(command)
    }

    pub(crate) fn start_on(data: &Path, port: u16) -> Self {
        let data = data.to_str().unwrap();
        let listen = format!("127.0.0.1:{port}");
        let mut command = homing(["serve", "--dev", "--data", data, "--listen", &listen]);
        command.stderr(Stdio::null());
        Self::ready(command)
    }

    fn ready(command: Command) -> Self {
        let mut process = Lines::start(command);
        let line = process.next().expect("the line of a server that is ready");
        Self { process, ready: serde_json::from_str(&line).unwrap() }
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.ready[name].as_str().unwrap()
    }

    pub(crate) fn url(&self) -> &str {
        self.text("url")
    }

    pub(crate) fn port(&self) -> u16 {
        self.url().rsplit(':').next().unwrap().parse().unwrap()
    }

    pub(crate) fn token(&self, user: &str) -> String {
        self.ready["users"][user].as_str().unwrap().to_owned()
    }

    /// A credential that lasts so many seconds. Those of one second differ by `number`.
    pub(crate) fn mint(&self, user: &str, ttl_s: u32, number: u64) -> String {
        let app_id = self.ready["app_id"].to_string();
        let (ttl, userbuf) = (ttl_s.to_string(), format!("{number:04}"));
        let key = ["--app-id", app_id.as_str(), "--key", self.text("key")];
        let mut command = homing(["token", "mint", "--format", "usersig"]);
        command.args(key).args(["--user", user, "--ttl", &ttl, "--userbuf", &userbuf]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output).trim().to_owned()
    }

    /// SIGTERM; gives its exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        self.process.signal(Signal::TERM);
        self.process.wait().code()
    }

    /// `homing app …` on this server.
    pub(crate) fn app<const N: usize>(&self, arguments: [&str; N]) -> Output {
        self.operate("app", arguments)
    }

    /// A command for operators on this server.
    pub(crate) fn operate<const N: usize>(&self, command: &str, arguments: [&str; N]) -> Output {
        let mut command = homing([command, "--url", self.url()]);
        command.args(arguments).env("HOMING_ADMIN_TOKEN", self.text("admin_token"));
        command.stdin(Stdio::null()).output().unwrap()
    }
}

/// `homing drive`, one device.
pub(crate) struct Drive {
    process: Lines,
    next_id: u64,
    pub(crate) seen: Vec<Value>,
}

impl Drive {
    pub(crate) fn start(url: &str, store: &Path, platform: &str) -> Self {
        Self::start_with(url, store, platform, &[])
    }

    /// With everything it writes in this file, as verbose as can be.
    pub(crate) fn start_logging(url: &str, store: &Path, platform: &str, log: &Path) -> Self {
        let mut command = Self::command(url, store, platform);
        let file = std::fs::File::create(log).unwrap();
        command.env("HOMING_LOG", "trace").stderr(file);
        Self { process: Lines::start(command), next_id: 1, seen: Vec::new() }
    }

    pub(crate) fn start_with(url: &str, store: &Path, platform: &str, more: &[&str]) -> Self {
        let mut command = Self::command(url, store, platform);
        command.args(more);
        Self { process: Lines::start(command), next_id: 1, seen: Vec::new() }
    }

    fn command(url: &str, store: &Path, platform: &str) -> Command {
        let store = store.to_str().unwrap();
        homing([
            "drive",
            "--server",
            url,
            "--app-id",
            "1",
            "--store",
            store,
            "--platform",
            platform,
            "--tag",
            platform,
        ])
    }

    /// Begins an operation; gives its id.
    pub(crate) fn begin(&mut self, name: &str, mut fields: Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        fields["id"] = id.into();
        fields["do"] = name.into();
        self.process.say(&fields.to_string());
        id
    }

    pub(crate) fn raw(&mut self, line: &str) {
        self.process.say(line);
    }

    /// The answer to an operation that was begun.
    pub(crate) fn answer(&mut self, id: u64) -> Result<Value, Value> {
        let line = self.find(0, |line| line["id"] == id);
        match line.get("ok") {
            Some(ok) => Ok(ok.clone()),
            None => Err(line["err"].clone()),
        }
    }

    pub(crate) fn ask(&mut self, name: &str, fields: Value) -> Result<Value, Value> {
        let id = self.begin(name, fields);
        self.answer(id)
    }

    /// The answer to an operation that succeeds.
    pub(crate) fn done(&mut self, name: &str, fields: Value) -> Value {
        self.ask(name, fields).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The name of the error of an operation that is refused.
    pub(crate) fn refused(&mut self, name: &str, fields: Value) -> String {
        let error = self.ask(name, fields).expect_err(name);
        error["name"].as_str().unwrap().to_owned()
    }

    pub(crate) fn login(&mut self, user: &str, token: &str) {
        self.done("login", json!({"user": user, "token": token, "depth": "live"}));
    }

    /// The first line from `mark` on that is as wanted, which may be there already.
    pub(crate) fn find(&mut self, mark: usize, wanted: impl Fn(&Value) -> bool) -> Value {
        let (began, mut at) = (Instant::now(), mark);
        loop {
            while at < self.seen.len() {
                if wanted(&self.seen[at]) {
                    return self.seen[at].clone();
                }
                at += 1;
            }
            assert!(began.elapsed() < 3 * PATIENCE, "it does not come: {:#?}", self.seen);
            let line = self.process.next().unwrap_or_else(|| panic!("it ended: {:#?}", self.seen));
            self.seen.push(serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}")));
        }
    }

    pub(crate) fn event(&mut self, mark: usize, name: &str) -> Value {
        self.find(mark, |line| line["event"] == name)
    }

    pub(crate) fn message(&mut self, mark: usize, text: &str) -> Value {
        self.find(mark, |line| line["event"] == "message" && line["text"] == text)
    }

    pub(crate) fn linked(&mut self, mark: usize, state: &str) -> Value {
        self.find(mark, |line| line["event"] == "status" && line["link"]["state"] == state)
    }

    pub(crate) fn mark(&self) -> usize {
        self.seen.len()
    }

    /// Texts of the conversation with that user, oldest first.
    pub(crate) fn texts(&mut self, with: &str) -> Vec<String> {
        let history = self.done("history", json!({"with": with, "limit": 100}));
        let messages = history["messages"].as_array().unwrap();
        messages.iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect()
    }

    /// Ends stdin; it must end with exit code 0.
    pub(crate) fn end(mut self) {
        self.process.end_stdin();
        assert_eq!(self.process.wait().code(), Some(0), "{:#?}", self.process.seen);
    }

    pub(crate) fn process(&mut self) -> &mut Lines {
        &mut self.process
    }
}

/// A port that takes connections and never says a word.
pub(crate) fn silent_port() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// Everything that a reader gives, as text.
pub(crate) fn read_all(mut reader: impl Read) -> String {
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text
}

/// No line takes a tenth of this.
const PATIENCE: Duration = Duration::from_secs(30);
