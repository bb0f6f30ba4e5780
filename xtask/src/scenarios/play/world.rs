//! Steps about everything around the devices: processes, the server, tokens, the wire, stores.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::super::pattern::matches;
use super::super::step::{Admin, CopyStore, Dials, Mint, Process, ProcessAct, ServerAct, Wire};
use super::Stage;

impl Stage<'_> {
    pub(super) fn process(&mut self, step: &Process) -> Result<(), String> {
        let device = self.device(&step.on)?;
        match step.process {
            ProcessAct::Start => device.start(),
            ProcessAct::End => device.end(),
            ProcessAct::Kill => device.kill(),
            ProcessAct::Restart => {
                device.end()?;
                device.start()
            }
            ProcessAct::Crash => {
                device.kill()?;
                device.start()
            }
            ProcessAct::Fail => device.fail(),
        }
    }

    pub(super) fn serve(&mut self, act: ServerAct) -> Result<(), String> {
        match act {
            ServerAct::Start => self.server.launch(),
            ServerAct::Stop => self.server.stop(),
            ServerAct::Drain => self.server.drain(),
            ServerAct::Kill => self.server.kill(),
            ServerAct::Restart => {
                self.server.stop()?;
                self.server.launch()
            }
            ServerAct::Crash => {
                self.server.kill()?;
                self.server.launch()
            }
        }
    }

    pub(super) fn admin(&mut self, step: &Admin) -> Result<(), String> {
        let question = self.fill(&step.admin.as_str().into())?;
        let question = question.as_str().unwrap_or_default();
        let body = step.body.as_ref().map(|body| self.fill(body)).transpose()?;
        let answer = self.server.ask(question, body.as_ref())?;
        let is_success = matches!(answer.status, 200..=299);
        if is_success == step.err.is_some() {
            return Err(format!("it was answered {}: {}", answer.status, answer.body));
        }
        let pattern = step.ok.as_ref().or(step.err.as_ref());
        let pattern = pattern.map(|pattern| self.fill(pattern)).transpose()?;
        if let Some(pattern) = pattern
            && !matches(&pattern, Some(&answer.body))
        {
            return Err(format!("wanted {pattern}, was answered {}", answer.body));
        }
        self.save(&step.save, &answer.body)
    }

    /// A user's token of the usual kind, as `${user.token}`.
    pub(super) fn mint_for(&mut self, user: &str) -> Result<(), String> {
        self.mint(&Mint {
            user: user.to_owned(),
            name: format!("{user}.token"),
            format: "usersig".to_owned(),
            ttl_s: None,
            age_s: 0,
            app_id: None,
            key: None,
        })
    }

    pub(super) fn mint(&mut self, step: &Mint) -> Result<(), String> {
        let or = |value: &Option<Value>, other: Value| self.fill(value.as_ref().unwrap_or(&other));
        let app = or(&step.app_id, json!("${app.id}"))?.to_string();
        let key = or(&step.key, json!("${app.key}"))?;
        let user = self.fill(&step.user.as_str().into())?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let now = now.saturating_add_signed(-step.age_s).to_string();
        let ttl = step.ttl_s.unwrap_or(DAY_S).to_string();
        let output = Command::new(&self.setting.homing)
            .args(["token", "mint", "--format", &step.format, "--app-id", &app])
            .args(["--user", user.as_str().unwrap_or_default(), "--ttl", &ttl, "--now", &now])
            // In the environment it does not show in the list of processes.
            .env("HOMING_KEY", key.as_str().unwrap_or_default())
            .output()
            .map_err(|error| format!("homing token mint: {error}"))?;
        if !output.status.success() {
            return Err(format!("no token: {}", String::from_utf8_lossy(&output.stderr)));
        }
        let token = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        self.set_secret(&step.name, token.into());
        Ok(())
    }

    pub(super) fn wire(&mut self, step: &Wire) -> Result<(), String> {
        let relay = self.relays.get(&step.on).ok_or("the device has no relay")?;
        self.transcript.put(&step.on, &format!("== wire {:?}", step.wire));
        relay.set(step.wire);
        Ok(())
    }

    pub(super) fn dials(&mut self, step: &Dials) -> Result<(), String> {
        let relay = self.relays.get(&step.on).ok_or("the device has no relay")?;
        let from = self.moment(&step.on, step.from.as_deref().unwrap_or("start")).dials;
        let number = relay.dials() - from;
        if step.dials.allows(number) { Ok(()) } else { Err(format!("it dialled {number} times")) }
    }

    pub(super) fn copy_store(&mut self, step: &CopyStore) -> Result<(), String> {
        for name in [&step.from, &step.to] {
            if self.device(name)?.is_running() {
                return Err(format!("{name} is running; its store cannot be copied"));
            }
        }
        let (from, to) = (self.store(&step.from), self.store(&step.to));
        // What was there is replaced.
        let _ = fs::remove_dir_all(&to);
        copy(&from, &to).map_err(|error| format!("{} cannot be copied: {error}", from.display()))
    }

    pub(super) fn damage_store(&mut self, name: &str) -> Result<(), String> {
        let device = self.device(name)?;
        if device.is_running() {
            return Err(format!("{name} is running; its store cannot be damaged"));
        }
        let store = device.store();
        let damaged = damage(store).map_err(|error| format!("{}: {error}", store.display()))?;
        if damaged == 0 {
            return Err(format!("{} holds no database to damage", store.display()));
        }
        Ok(())
    }

    pub(super) fn no_trace_of(&mut self, text: &str) -> Result<(), String> {
        let text = self.fill(&text.into())?;
        let text = text.as_str().filter(|text| !text.is_empty()).ok_or("it is no text")?;
        let outputs = self.devices.values().flat_map(super::Device::outputs);
        let files: Vec<PathBuf> = outputs.chain([self.server.log()]).collect();
        for file in files {
            let bytes = fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                return Err(format!("it stands in {}", file.display()));
            }
        }
        Ok(())
    }
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Writes noise over the pages behind the head of every SQLite database; gives how many there were.
fn damage(folder: &Path) -> std::io::Result<u32> {
    let mut damaged = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            damaged += damage(&path)?;
            continue;
        }
        let mut file = fs::File::options().read(true).write(true).open(&path)?;
        let mut head = [0; MAGIC.len()];
        if file.read_exact(&mut head).is_err() || head != *MAGIC {
            continue;
        }
        let length = usize::try_from(file.metadata()?.len()).unwrap_or(0);
        file.seek(SeekFrom::Start(HEAD_BYTES))?;
        let noise: Vec<u8> = (0..length.saturating_sub(HEAD_BYTES as usize))
            .map(|at| (at.wrapping_mul(2_654_435_761) >> 7) as u8)
            .collect();
        file.write_all(&noise)?;
        damaged += 1;
    }
    Ok(damaged)
}

const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// It is still taken for a database.
const HEAD_BYTES: u64 = 100;
const DAY_S: u64 = 24 * 60 * 60;
