//! Who plays: devices with the real SDK inside, and the ways to see what happens on them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use homing::status::SessionStatus;
use homing::{
    AppId, Client, Config, Content, ConversationId, Credential, Error, Event, Fact, Logged,
    Message, NetworkSwitch, Platform, Status, UserId, WallTime,
};
use homing_token::{Format, Grant, Key, mint};
use tokio::sync::watch;

use super::server::{Ready, ServerProcess};
use crate::failure::Failure;

/// Where the play takes place: the server, the app, the folders of the devices.
pub(super) struct Stage<'a> {
    pub(super) server: &'a ServerProcess,
    url: String,
    app: AppId,
    key: Key,
    devices: PathBuf,
}

/// One device: a client and everything it has told so far.
pub(super) struct Device {
    pub(super) client: Client,
    pub(super) network: NetworkSwitch,
    seen: Arc<Seen>,
}

/// What a client told, in its order.
struct Seen {
    facts: Mutex<Vec<Fact>>,
    count: watch::Sender<usize>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(
        server: &'a ServerProcess,
        ready: &Ready,
        devices: PathBuf,
    ) -> Result<Self, Failure> {
        let odd = |error: Error| Failure::of("the server's first line is odd", &error);
        Ok(Self {
            server,
            url: ready.url.clone(),
            app: AppId::new(ready.app_id).map_err(odd)?,
            key: Key::new(ready.key.as_bytes()).map_err(odd)?,
            devices,
        })
    }

    /// The server's port, to come back on.
    pub(super) fn port(&self) -> Result<u16, String> {
        let port = self.url.rsplit(':').next().and_then(|port| port.parse().ok());
        port.ok_or_else(|| format!("{} has no port", self.url))
    }

    /// Opens the device of that name: the same name is the same device, with what it keeps.
    pub(super) async fn device(&self, name: &str, platform: Platform) -> Result<Device, String> {
        let network = NetworkSwitch::default();
        let open = async {
            let config = Config::new(self.app.get(), &self.url)?
                .data_dir(self.devices.join(name))
                .platform(platform)
                .tag(name)
                .event_capacity(EVENTS)
                .network_switch(network.clone());
            Client::open(config).await
        };
        let client = open.await.map_err(|error| error.to_string())?;
        let seen = Arc::new(Seen { facts: Mutex::default(), count: watch::Sender::new(0) });
        let (mut journal, witness) = (client.journal(), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Some(entry) = journal.next().await {
                if let Logged::Entry(fact) = entry {
                    witness.facts.lock().unwrap_or_else(PoisonError::into_inner).push(fact);
                    witness.count.send_modify(|count| *count += 1);
                }
            }
        });
        Ok(Device { client, network, seen })
    }

    /// A token as the app's own server would make it.
    pub(super) fn credential(&self, user: &str, ttl_s: u64) -> Result<Credential, String> {
        let user = UserId::parse(user).map_err(|error| error.to_string())?;
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let issued_at = WallTime(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX));
        let grant = Grant { app: self.app, user: &user, issued_at, ttl_s, userbuf: None };
        let token = mint(Format::Usersig, &self.key, &grant).map_err(|error| error.to_string())?;
        Ok(Credential::usersig(token.expose()))
    }
}

impl Device {
    /// Where the story of this device stands; later questions can begin here.
    pub(super) fn mark(&self) -> usize {
        *self.seen.count.borrow()
    }

    /// Waits for an event that comes after `mark`, or is there already.
    pub(super) async fn event<T>(&self, mark: usize, wanted: impl Fn(&Event) -> Option<T>) -> T {
        let mut count = self.seen.count.subscribe();
        loop {
            let found = self.since(mark).iter().find_map(|fact| match fact {
                Fact::Event(event) => wanted(event),
                Fact::Status(_) => None,
            });
            if let Some(found) = found {
                return found;
            }
            // The sender lives in `self`, so the wait cannot fail.
            let _ = count.changed().await;
        }
    }

    /// Waits for a message with those words.
    pub(super) async fn message(&self, mark: usize, words: &str) -> Message {
        self.event(mark, |event| match event {
            Event::Message(message) if message.content == Content::text(words) => {
                Some(message.clone())
            }
            _ => None,
        })
        .await
    }

    /// Waits for a status.
    pub(super) async fn status(
        &self,
        wanted: impl FnMut(&Status) -> bool,
    ) -> Result<Status, String> {
        let status = self.client.status().wait_for(wanted).await;
        status.ok_or_else(|| "the client was closed".to_owned())
    }

    /// Waits until the server answers and nothing is missing.
    pub(super) async fn connected(&self) -> Result<Status, String> {
        self.status(|status| {
            status.is_connected() && matches!(status.sync, homing::status::SyncStatus::Live)
        })
        .await
    }

    /// Everything told after `mark`.
    pub(super) fn since(&self, mark: usize) -> Vec<Fact> {
        let facts = self.seen.facts.lock().unwrap_or_else(PoisonError::into_inner);
        facts.get(mark..).unwrap_or_default().to_vec()
    }

    /// Whether the account stayed signed in ever since `mark`.
    pub(super) fn stayed_signed_in(&self, mark: usize) -> bool {
        self.since(mark).iter().all(|fact| match fact {
            Fact::Status(status) => matches!(status.session, SessionStatus::SignedIn { .. }),
            Fact::Event(_) => true,
        })
    }

    /// How often these words stand in the history with that user.
    pub(super) async fn copies(&self, with: &str, words: &str) -> Result<usize, String> {
        let history = self.client.history(&conversation(with)?, 0, 100).await;
        let messages = history.map_err(|error| error.to_string())?.messages;
        Ok(messages.iter().filter(|message| message.content == Content::text(words)).count())
    }

    /// Sends words.
    pub(super) async fn say(&self, to: &str, words: &str) -> Result<(), String> {
        let sent = self.client.send(&conversation(to)?, Content::text(words)).await;
        sent.map(|_| ()).map_err(|error| format!("“{words}” cannot be sent: {error}"))
    }
}

/// The conversation with that user.
pub(super) fn conversation(with: &str) -> Result<ConversationId, String> {
    UserId::parse(with).map(ConversationId::Direct).map_err(|error| error.to_string())
}

/// More than the whole tour tells.
const EVENTS: usize = 16 * 1024;
