//! One user: a `homing drive` that is started again whenever it was killed, and what it was told.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::chaos::Rng;
use crate::judge::{Seen, Side};
use crate::process::log;

/// A message to be sent.
#[derive(Clone)]
pub(crate) struct Planned {
    pub(crate) client_id: String,
    pub(crate) to: &'static str,
    pub(crate) text: String,
}

/// What everybody was told, together.
#[derive(Default)]
pub(crate) struct Ledger {
    state: Mutex<LedgerState>,
    moved: Condvar,
}

#[derive(Default)]
struct LedgerState {
    /// Durable on the device of the sender.
    queued: BTreeSet<String>,
    /// Durable on the server, at that seq.
    accepted: BTreeMap<String, u64>,
    resent: usize,
    /// Users who have everything on the server.
    done: BTreeSet<&'static str>,
    trouble: Option<String>,
}

/// Where a round takes place.
pub(crate) struct Scene {
    pub(crate) program: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) url: String,
    pub(crate) ledger: Arc<Ledger>,
}

/// One user's thread and what reaches into it.
pub(crate) struct User {
    name: &'static str,
    shared: Arc<Shared>,
    thread: JoinHandle<Result<Side, String>>,
}

struct Shared {
    process: Mutex<Option<(Child, Arc<Mutex<ChildStdin>>)>>,
    phase: Mutex<Phase>,
    moved: Condvar,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    SigningIn,
    Ready,
    Sending,
    Finishing,
    Failed,
}

/// What a user has to do, in order.
pub(crate) fn plan(
    name: &'static str,
    others: Vec<&'static str>,
    sends: usize,
    rng: &mut Rng,
) -> Vec<Planned> {
    let planned = |i: usize| Planned {
        client_id: format!("{:016x}{:016x}", rng.next(), rng.next()),
        to: others[rng.below(others.len() as u64) as usize],
        text: format!("{name} {i}"),
    };
    (0..sends).map(planned).collect()
}

impl Ledger {
    pub(crate) fn accepted(&self) -> usize {
        self.state().accepted.len()
    }

    /// Users who have everything on the server.
    pub(crate) fn done(&self) -> usize {
        self.state().done.len()
    }

    pub(crate) fn resent(&self) -> usize {
        self.state().resent
    }

    /// The seq that the server told for a message.
    pub(crate) fn seq(&self, client_id: &str) -> Option<u64> {
        self.state().accepted.get(client_id).copied()
    }

    /// All that anybody was told to be safe.
    pub(crate) fn acknowledged(&self) -> BTreeSet<String> {
        let state = self.state();
        state.queued.iter().chain(state.accepted.keys()).cloned().collect()
    }

    pub(crate) fn trouble(&self) -> Result<(), String> {
        self.state().trouble.clone().map_or(Ok(()), Err)
    }

    /// Waits until something moved, or that long.
    pub(crate) fn wait(&self, limit: Duration) {
        let _ = self.moved.wait_timeout(self.state(), limit);
    }

    fn accept(&self, client_id: &str, seq: u64) {
        let mut state = self.state();
        let before = state.accepted.insert(client_id.to_owned(), seq);
        if let Some(before) = before.filter(|before| *before != seq) {
            state.trouble = Some(format!("{client_id} was accepted as {before} and as {seq}"));
        }
        self.moved.notify_all();
    }

    fn all_accepted(&self, user: &'static str) {
        self.state().done.insert(user);
        self.moved.notify_all();
    }

    fn report(&self, trouble: String) {
        self.state().trouble.get_or_insert(trouble);
        self.moved.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, LedgerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl User {
    pub(crate) fn start(
        scene: &Scene,
        name: &'static str,
        token: String,
        plan: Vec<Planned>,
        expected: BTreeMap<&'static str, u64>,
    ) -> Self {
        let Scene { program, folder, url, ledger } = scene;
        let shared = Arc::new(Shared {
            process: Mutex::new(None),
            phase: Mutex::new(Phase::SigningIn),
            moved: Condvar::new(),
        });
        let mut life = Life {
            program: program.clone(),
            store: folder.join(name),
            url: url.clone(),
            name,
            token,
            plan,
            expected,
            safe: 0,
            handed: 0,
            shared: Arc::clone(&shared),
            ledger: Arc::clone(ledger),
        };
        let thread = std::thread::spawn(move || {
            let result = life.live();
            if let Err(why) = &result {
                life.ledger.report(format!("{}: {why}", life.name));
                life.shared.enter(Phase::Failed);
            }
            result
        });
        Self { name, shared, thread }
    }

    pub(crate) fn wait_for_login(&self) -> Result<(), String> {
        match self.shared.wait(Phase::Ready) {
            Phase::Failed => Err(format!("{} cannot sign in", self.name)),
            _ => Ok(()),
        }
    }

    pub(crate) fn begin(&self) {
        self.shared.enter(Phase::Sending);
    }

    /// SIGKILL. The thread notices and starts it again.
    pub(crate) fn kill(&self) {
        if let Some((child, _)) = &mut *self.shared.process() {
            // It may be on its way up again already.
            let _ = child.kill();
        }
    }

    pub(crate) fn network_is_up(&self) {
        let stdin = self.shared.process().as_ref().map(|(_, stdin)| Arc::clone(stdin));
        if let Some(stdin) = stdin {
            // A process that was killed just now does not need it.
            let _ = say(&stdin, &json!({"id": "hint", "do": "network", "up": true}));
        }
    }

    /// Ends the user and gives what its device has.
    pub(crate) fn finish(self) -> Result<Side, String> {
        self.shared.enter(Phase::Finishing);
        // The thread sits in a read; an answer brings it back.
        self.network_is_up();
        self.thread.join().map_err(|_| format!("{}: its thread panicked", self.name))?
    }
}

impl Shared {
    fn process(&self) -> MutexGuard<'_, Option<(Child, Arc<Mutex<ChildStdin>>)>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
        self.moved.notify_all();
    }

    fn wait(&self, phase: Phase) -> Phase {
        let guard = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        let reached = self.moved.wait_while(guard, |now| *now < phase);
        *reached.unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a user's thread owns.
struct Life {
    program: PathBuf,
    store: PathBuf,
    url: String,
    name: &'static str,
    token: String,
    plan: Vec<Planned>,
    /// How many messages there will be with each of the others.
    expected: BTreeMap<&'static str, u64>,
    /// Everything of the plan before this was told to be queued.
    safe: usize,
    /// Everything of it before this was handed over once.
    handed: usize,
    shared: Arc<Shared>,
    ledger: Arc<Ledger>,
}

/// One run of the process.
struct Run<'a> {
    life: &'a mut Life,
    stdin: Arc<Mutex<ChildStdin>>,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    /// The next of the plan to be sent.
    next: usize,
    /// How many more may be handed over before the outbox is asked again.
    room: usize,
    /// Something moved since the outbox was asked.
    is_new: bool,
    heard: BTreeSet<(String, u64)>,
}

impl Life {
    fn live(&mut self) -> Result<Side, String> {
        let mut is_first = true;
        loop {
            let mut run = self.spawn()?;
            let end = run.go(is_first);
            let life = run.life;
            let gone = life.shared.process().take();
            if let Some((mut child, _)) = gone {
                let _ = child.kill();
                let _ = child.wait();
            }
            match end? {
                Some(side) => return Ok(side),
                // It was killed.
                None => is_first = false,
            }
        }
    }

    fn spawn(&mut self) -> Result<Run<'_>, String> {
        let mut child = Command::new(&self.program)
            .args(["drive", "--app-id", "1", "--server", &self.url, "--store"])
            .arg(&self.store)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log(&self.store.with_extension("log"))?)
            .spawn()
            .map_err(|error| error.to_string())?;
        let stdout = child.stdout.take().ok_or("stdout is missing")?;
        let stdin = Arc::new(Mutex::new(child.stdin.take().ok_or("stdin is missing")?));
        *self.shared.process() = Some((child, Arc::clone(&stdin)));
        let next = self.safe;
        let lines = BufReader::new(stdout).lines();
        Ok(Run { life: self, stdin, lines, next, room: 0, is_new: true, heard: BTreeSet::new() })
    }
}

impl Run<'_> {
    /// Until it is killed (`None`) or everything is done.
    fn go(&mut self, is_first: bool) -> Result<Option<Side>, String> {
        let sign_in = if is_first {
            json!({"id": "in", "do": "login", "user": self.life.name, "token": self.life.token})
        } else {
            json!({"id": "in", "do": "resume_last"})
        };
        match self.ask(&sign_in)? {
            None => return Ok(None),
            Some(answer) if answer.get("ok").is_some() => {}
            Some(answer) => return Err(format!("signing in was refused: {}", answer["err"])),
        }
        if is_first {
            self.life.shared.enter(Phase::Ready);
            self.life.shared.wait(Phase::Sending);
        }
        while self.life.shared.phase() != Phase::Finishing {
            if !self.go_on()? {
                return Ok(None);
            }
        }
        self.collect().map(Some)
    }

    /// Hands over more where there is room, then takes a line; `false` when it was killed.
    ///
    /// What was accepted in an earlier run is not told again: the outbox says what is left.
    fn go_on(&mut self) -> Result<bool, String> {
        let is_answered = self.next == self.life.safe;
        let is_all = self.next == self.life.plan.len();
        if self.is_new && is_answered && (self.room == 0 || is_all) {
            self.is_new = false;
            let ask = json!({"id": "outbox", "do": "outbox"});
            let Some(answer) = self.ask(&ask)? else { return Ok(false) };
            let waiting = answer["ok"]["messages"].as_array().map_or(0, Vec::len);
            if waiting == 0 && is_all {
                self.life.ledger.all_accepted(self.life.name);
            }
            self.room = WINDOW.saturating_sub(waiting);
            self.fill();
            if self.is_new {
                return Ok(true);
            }
        }
        let Some(line) = self.line()? else { return Ok(false) };
        self.hear(&line)?;
        Ok(true)
    }

    /// Hands over as many messages as there is room for.
    fn fill(&mut self) {
        while self.room > 0 && self.next < self.life.plan.len() {
            let Planned { client_id, to, text } = &self.life.plan[self.next];
            let line = json!({"id": self.next, "do": "send", "to": to, "text": text,
                "client_id": client_id});
            if say(&self.stdin, &line).is_err() {
                // It was killed; the next read tells.
                return;
            }
            if self.next < self.life.handed {
                self.life.ledger.state().resent += 1;
            }
            self.room -= 1;
            self.next += 1;
            self.life.handed = self.life.handed.max(self.next);
        }
    }

    fn hear(&mut self, line: &Value) -> Result<(), String> {
        if let Some(number) = line["id"].as_u64() {
            if let Some(error) = line.get("err") {
                return Err(format!("a send was refused: {error}"));
            }
            // Answers to sends come in the order of the sends.
            let number = usize::try_from(number).map_err(|error| error.to_string())?;
            let client_id = self.life.plan[number].client_id.clone();
            self.life.ledger.state().queued.insert(client_id);
            self.life.safe = self.life.safe.max(number + 1);
            self.is_new = true;
        }
        match line["event"].as_str() {
            Some("send_state") if line["state"] == "Accepted" => {
                let id = line["client_id"].as_str().unwrap_or_default().replace('-', "");
                self.life.ledger.accept(&id, line["seq"].as_u64().unwrap_or_default());
                self.is_new = true;
            }
            Some("send_state") if line["state"] == "Refused" => {
                return Err(format!("the server refused a message: {line}"));
            }
            Some("message") => {
                let seq = line["seq"].as_u64().unwrap_or_default();
                let conversation = line["conversation"].as_str().unwrap_or_default().to_owned();
                if !self.heard.insert((conversation, seq)) {
                    return Err(format!("the same message was told twice in one run: {line}"));
                }
            }
            Some("kicked" | "store_reset" | "lagged") => return Err(format!("unexpected: {line}")),
            _ => {}
        }
        if line["session"]["state"] == "SignedOut" && line["session"]["why"] != "Never" {
            return Err(format!("it was signed out: {line}"));
        }
        Ok(())
    }

    /// Everything that the device has, once nothing is missing.
    fn collect(&mut self) -> Result<Side, String> {
        let mut side = Side { user: self.life.name, conversations: BTreeMap::new() };
        for (other, expected) in self.life.expected.clone() {
            let began = Instant::now();
            // What was written last may be on its way; whether it comes is what is to be judged.
            while self.head(other)? < expected && began.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(20));
            }
            let mut messages = Vec::new();
            let mut before = 0;
            loop {
                let ask = json!({"id": "history", "do": "history", "with": other,
                    "before": before, "limit": PAGE});
                let answer = self.ask(&ask)?.ok_or("it ended while it was asked")?;
                let page = answer["ok"]["messages"].as_array().cloned().unwrap_or_default();
                let Some(first) = page.first() else { break };
                before = first["seq"].as_u64().unwrap_or_default();
                let page: Vec<Seen> = page.iter().map(Seen::of).collect();
                messages.splice(0..0, page);
                if before <= 1 {
                    break;
                }
            }
            side.conversations.insert(other, messages);
        }
        Ok(side)
    }

    fn head(&mut self, other: &str) -> Result<u64, String> {
        let ask = json!({"id": "conversation", "do": "conversation", "with": other});
        let answer = self.ask(&ask)?.ok_or("it ended while it was asked")?;
        Ok(answer["ok"]["head"].as_u64().unwrap_or_default())
    }

    /// Says a line and waits for its answer; `None` when it was killed.
    fn ask(&mut self, line: &Value) -> Result<Option<Value>, String> {
        if say(&self.stdin, line).is_err() {
            return Ok(None);
        }
        loop {
            let Some(answer) = self.line()? else { return Ok(None) };
            if answer["id"] == line["id"] && answer["id"] != "hint" {
                return Ok(Some(answer));
            }
            self.hear(&answer)?;
        }
    }

    fn line(&mut self) -> Result<Option<Value>, String> {
        let Some(line) = self.lines.next() else { return Ok(None) };
        let line = line.map_err(|error| error.to_string())?;
        match serde_json::from_str(&line) {
            Ok(line) => Ok(Some(line)),
            // SIGKILL in the middle of a line: what follows is the end.
            Err(_) => match self.lines.next() {
                None => Ok(None),
                Some(_) => Err(format!("a line is no JSON: {line}")),
            },
        }
    }
}

fn say(stdin: &Mutex<ChildStdin>, line: &Value) -> std::io::Result<()> {
    let mut stdin = stdin.lock().unwrap_or_else(PoisonError::into_inner);
    stdin.write_all(format!("{line}\n").as_bytes())
}

/// Messages of one user that are on their way.
const WINDOW: usize = 64;
const PAGE: u32 = 100;
/// Within this a link is back and everything is caught up with.
const PATIENCE: Duration = Duration::from_secs(60);
