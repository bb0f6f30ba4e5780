//! A real server in a directory of its own, devices for it, and a record of what they are told.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use homing::{NetworkSwitch, Platform, UserId};
use homing_compat::Deployment;
use homing_server::apps::AppChange;
use homing_server::config::Config;
use homing_server::dev::{self, Demo};
use homing_server::server::{Running, Server};
use homing_server::store::{Act, Chosen, Credentials};
use homing_token::{Format, Grant, Key, mint};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::timeout;

pub(crate) struct World {
    running: Running,
    demo: Demo,
    dir: TempDir,
}

impl World {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::new(dir.path().join("server"));
        config.listen.set_port(0);
        let running = Server::start(config).await.unwrap();
        let demo = dev::provision(&running).await.unwrap();
        Self { running, demo, dir }
    }

    pub(crate) fn app(&self) -> u32 {
        self.demo.app.get()
    }

    /// A device that keeps its data under this name: the same name is the same device.
    pub(crate) fn device(&self, name: &str, platform: Platform) -> Deployment {
        self.device_on(name, platform, NetworkSwitch::default())
    }

    pub(crate) fn device_on(
        &self,
        name: &str,
        platform: Platform,
        network: NetworkSwitch,
    ) -> Deployment {
        let folder: PathBuf = self.dir.path().join(name);
        Deployment::new(&self.running.url()).configure(move |config| {
            config.data_dir(&folder).platform(platform).network_switch(network.clone())
        })
    }

    /// A token as the app's own server would make it; 0 s: one that has run out.
    pub(crate) fn token(&self, user: &str, ttl_s: u64) -> String {
        let mut issued_at = self.running.wall();
        if ttl_s == 0 {
            issued_at.0 -= 100_000;
        }
        let user = &UserId::parse(user).unwrap();
        let ttl_s = ttl_s.max(1);
        let grant = Grant { app: self.demo.app, user, issued_at, ttl_s, userbuf: None };
        mint(Format::Usersig, &self.demo.key, &grant).unwrap().expose().to_owned()
    }

    /// Switches a form of credential on, with this key.
    pub(crate) async fn accept(&self, format: Format, key: &Key) {
        let change = AppChange::AddKey { format, key: key.clone() };
        self.running.store().change_app(self.demo.app, change).await.unwrap();
    }

    /// A token of that form that is good for ten minutes.
    pub(crate) fn made_as(&self, format: Format, key: &Key, user: &str) -> String {
        let (user, issued_at) = (&UserId::parse(user).unwrap(), self.running.wall());
        let grant = Grant { app: self.demo.app, user, issued_at, ttl_s: 600, userbuf: None };
        mint(format, key, &grant).unwrap().expose().to_owned()
    }

    /// A file with the first line of `serve --dev`, as this server would say it.
    pub(crate) fn dev_file(&self) -> PathBuf {
        let file = self.dir.path().join("dev.json");
        std::fs::write(&file, self.demo.to_json(&self.running)).unwrap();
        file
    }

    pub(crate) async fn ban(&self, user: &str) {
        self.govern(user, Act::Ban { until: None, text: "spam".to_owned() }).await;
    }

    pub(crate) async fn kick(&self, user: &str) {
        let (sessions, credentials) = (Chosen::All, Credentials::Keep);
        self.govern(user, Act::Kick { sessions, text: "a move".to_owned(), credentials }).await;
    }

    async fn govern(&self, user: &str, act: Act) {
        let user = UserId::parse(user).unwrap();
        self.running.store().govern(self.demo.app, user, act).await.unwrap();
    }

    pub(crate) async fn stop(self) {
        self.running.shutdown().await;
    }
}

/// What a device was told, line by line.
#[derive(Clone, Default)]
pub(crate) struct Record(Arc<Inner>);

#[derive(Default)]
struct Inner {
    lines: Mutex<Vec<String>>,
    count: watch::Sender<usize>,
}

impl Record {
    pub(crate) fn put(&self, line: impl Into<String>) {
        self.0.lines.lock().unwrap().push(line.into());
        self.0.count.send_modify(|count| *count += 1);
    }

    /// All that was told since the last call, up to and with the first such line; waits for it.
    pub(crate) async fn until(&self, last: &str) -> Vec<String> {
        let mut count = self.0.count.subscribe();
        let waiting = async {
            loop {
                {
                    let mut lines = self.0.lines.lock().unwrap();
                    if let Some(at) = lines.iter().position(|line| line == last) {
                        return lines.drain(..=at).collect();
                    }
                }
                count.changed().await.unwrap();
            }
        };
        let lines = timeout(PATIENCE, waiting).await;
        lines.unwrap_or_else(|_| panic!("no {last} among {:?}", self.0.lines.lock().unwrap()))
    }

    /// All that was told since the last call.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lines.lock().unwrap())
    }
}

/// What takes longer than this will never come.
pub(crate) async fn soon<F: IntoFuture>(future: F) -> F::Output {
    timeout(PATIENCE, future.into_future()).await.expect("it takes too long")
}

const PATIENCE: Duration = Duration::from_secs(40);
