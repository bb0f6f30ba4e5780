//! Playing a scenario: step by step, until one does not hold.

mod spoken;
mod world;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::Setting;
use super::check::START;
use super::device::Device;
use super::file::Scenario;
use super::lines::Hub;
use super::pattern::{self, Variables};
use super::relay::Relay;
use super::server::Server;
use super::step::{Action, Save, Step};
use super::transcript::Transcript;

/// Plays a scenario to its end.
///
/// # Errors
/// A report: the step, what was wanted, what was seen, and where the whole transcript lies.
pub(super) fn play(scenario: &Scenario, setting: &Setting) -> Result<(), String> {
    let folder = setting.folder.join(&scenario.name);
    // What an earlier run left.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let transcript = Arc::new(Transcript::create(&folder.join("transcript.txt"))?);
    let result = Stage::set(scenario, setting, folder.clone(), transcript.clone())
        .map_err(|why| format!("  cannot begin: {why}\n"))
        .and_then(|mut stage| stage.play(scenario));
    transcript.flush();
    match result {
        Ok(()) => {
            if !setting.keep {
                let _ = fs::remove_dir_all(&folder);
            }
            Ok(())
        }
        Err(report) => Err(format!("{report}  transcript: {}", transcript.path().display())),
    }
}

/// All that a scenario's steps act upon.
struct Stage<'a> {
    scenario: &'a Scenario,
    setting: &'a Setting,
    folder: PathBuf,
    server: Server,
    hub: Arc<Hub>,
    /// Those that a step has named so far.
    devices: BTreeMap<String, Device>,
    relays: BTreeMap<String, Relay>,
    variables: Variables,
    marks: BTreeMap<(String, String), Moment>,
    /// Ids of operations that were begun.
    begun: BTreeMap<(String, String), u64>,
    deadline: Instant,
    transcript: Arc<Transcript>,
}

/// A moment of a device.
#[derive(Clone, Copy, Default)]
struct Moment {
    lines: usize,
    dials: u64,
}

impl<'a> Stage<'a> {
    /// The server runs, its app and its users' tokens are there.
    fn set(
        scenario: &'a Scenario,
        setting: &'a Setting,
        folder: PathBuf,
        transcript: Arc<Transcript>,
    ) -> Result<Self, String> {
        let deadline = Instant::now() + scenario.limit;
        let server = Server::start(&setting.homing, &folder, &scenario.server, transcript.clone())?;
        let mut stage = Self {
            scenario,
            setting,
            folder,
            server,
            hub: Arc::default(),
            devices: BTreeMap::new(),
            relays: BTreeMap::new(),
            variables: Variables::new(),
            marks: BTreeMap::new(),
            begun: BTreeMap::new(),
            deadline,
            transcript,
        };
        stage.create_app()?;
        for device in wired(scenario) {
            stage.relays.insert(device.to_owned(), Relay::start(stage.server.port())?);
        }
        for user in &scenario.users {
            stage.mint_for(user)?;
        }
        Ok(stage)
    }

    fn create_app(&mut self) -> Result<(), String> {
        let mut app = Map::from_iter([("name".to_owned(), json!(self.scenario.name))]);
        app.extend(self.scenario.app.clone());
        let answer = self.server.ask("POST /v1/apps", Some(&app.into()))?;
        if !matches!(answer.status, 200..=299) {
            return Err(format!("the app: {} {}", answer.status, answer.body));
        }
        self.set_secret("app.key", answer.body["key"].clone());
        self.variables.insert("app.id".to_owned(), answer.body["id"].clone());
        self.variables.insert("url".to_owned(), self.server.url().into());
        Ok(())
    }

    fn play(&mut self, scenario: &Scenario) -> Result<(), String> {
        for (number, step) in scenario.steps.iter().enumerate() {
            self.transcript.put(&format!("[{number}]"), &step.written.to_string());
            self.act(step).map_err(|why| {
                let why = self.transcript.shown(&why);
                let note = step.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
                self.transcript.put("FAILED", &why);
                format!("  steps[{number}]{note}: {}\n  {why}\n", step.written)
            })?;
        }
        Ok(())
    }

    fn act(&mut self, step: &Step) -> Result<(), String> {
        match &step.action {
            Action::Do(step) => self.again(step.again_within_ms, |stage| stage.operate(step)),
            Action::Begin(step) => self.begin(step),
            Action::Answer(step) => self.answer(step),
            Action::Together(steps) => self.together(steps),
            Action::Expect(step) => self.expect(step),
            Action::State(step) => self.state(step),
            Action::Never(step) => self.never(step),
            Action::Count(step) => self.count(step),
            Action::Mark(step) => self.mark(step),
            Action::Among(step) => self.among(step),
            Action::Process(step) => self.process(step),
            Action::Server(act) => self.serve(*act),
            Action::Admin(step) => self.again(step.again_within_ms, |stage| stage.admin(step)),
            Action::Mint(step) => self.mint(step),
            Action::Wire(step) => self.wire(step),
            Action::Dials(step) => self.dials(step),
            Action::CopyStore(step) => self.copy_store(step),
            Action::DamageStore(device) => self.damage_store(device),
            Action::NoTraceOf(text) => self.no_trace_of(text),
        }
    }

    /// Asks, and asks again while it may: for states that no event tells of.
    fn again(
        &mut self,
        within_ms: Option<u64>,
        ask: impl Fn(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        let Some(ms) = within_ms else { return ask(self) };
        let deadline = self.deadline(Some(ms));
        loop {
            match ask(self) {
                Err(_) if Instant::now() < deadline => std::thread::sleep(BETWEEN),
                result => return result,
            }
        }
    }

    /// The device of that name, made when it is first named.
    fn device(&mut self, name: &str) -> Result<&mut Device, String> {
        if !self.devices.contains_key(name) {
            let command = self.command(name)?;
            let (lines, transcript) = (self.hub.add(), self.transcript.clone());
            let store = self.store(name);
            let device = Device::new(name, command, &self.folder, store, lines, transcript);
            self.devices.insert(name.to_owned(), device);
        }
        self.devices.get_mut(name).ok_or_else(|| format!("there is no device {name}"))
    }

    fn store(&self, device: &str) -> PathBuf {
        let owner = self.scenario.devices[device].store.as_deref();
        self.folder.join(owner.unwrap_or(device))
    }

    /// The words that start a device's driver.
    fn command(&self, name: &str) -> Result<Vec<String>, String> {
        let setup = &self.scenario.devices[name];
        let port = self.relays.get(name).map_or_else(|| self.server.port(), Relay::port);
        let app = setup.app_id.clone().unwrap_or_else(|| json!("${app.id}"));
        let app = pattern::fill(&app, &self.variables)?;
        let mut command = self.setting.driver.clone();
        command.extend(["--server".to_owned(), format!("ws://127.0.0.1:{port}")]);
        command.extend(["--app-id".to_owned(), app.to_string()]);
        let store = self.store(name).to_string_lossy().into_owned();
        command.extend(["--store".to_owned(), store]);
        command.extend(["--platform".to_owned(), setup.platform.clone()]);
        let custom_type = setup.custom_type.map(|number| number.to_string());
        let options = [
            ("--tag", setup.tag.as_ref()),
            ("--os", setup.os.as_ref()),
            ("--custom-type", custom_type.as_ref()),
            ("--facade", setup.facade.as_ref()),
        ];
        for (option, value) in options {
            command.extend(value.iter().flat_map(|value| [option.to_owned(), (*value).clone()]));
        }
        command.extend(setup.args.iter().cloned());
        Ok(command)
    }

    /// When a wait of a step ends in vain.
    fn deadline(&self, within_ms: Option<u64>) -> Instant {
        let patience = Duration::from_millis(within_ms.unwrap_or(WITHIN_MS));
        self.deadline.min(Instant::now() + patience)
    }

    fn moment(&self, device: &str, mark: &str) -> Moment {
        if mark == START {
            return Moment::default();
        }
        let key = (device.to_owned(), mark.to_owned());
        self.marks.get(&key).copied().unwrap_or_default()
    }

    fn fill(&self, template: &Value) -> Result<Value, String> {
        pattern::fill(template, &self.variables)
    }

    fn save(&mut self, save: &Save, from: &Value) -> Result<(), String> {
        for (name, pointer) in save {
            let value = from
                .pointer(pointer)
                .ok_or_else(|| format!("there is no {pointer} to save in {from}"))?;
            self.variables.insert(name.clone(), value.clone());
        }
        Ok(())
    }

    fn set_secret(&mut self, name: &str, value: Value) {
        self.transcript.hide(name, value.as_str().unwrap_or_default());
        self.variables.insert(name.to_owned(), value);
    }
}

/// Devices whose way to the server a step spoils or watches.
fn wired(scenario: &Scenario) -> impl Iterator<Item = &str> {
    scenario.devices.keys().map(String::as_str).filter(|name| {
        scenario.steps.iter().any(|step| match &step.action {
            Action::Wire(step) => step.on == *name,
            Action::Dials(step) => step.on == *name,
            _ => false,
        })
    })
}

/// Between two questions of a step that asks again.
const BETWEEN: Duration = Duration::from_millis(50);
/// An answer or an event comes in milliseconds; on a machine with better things to do it takes
/// longer.
const WITHIN_MS: u64 = 15_000;
