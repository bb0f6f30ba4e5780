//! What a client is told once, when it is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use homing_core::client::{DelayPolicy, Failure, Hint};
use homing_proto::device::Platform;
use homing_proto::frame::Window;
use homing_proto::id::AppId;
use homing_proto::limits::{
    DEVICE_TEXT_BYTES, SDK_TEXT_BYTES, WINDOW_CONVERSATIONS, WINDOW_MESSAGES,
};
use homing_proto::{Code, Error};

use crate::clock::{Clock, ClockShift};
use crate::provider::CredentialProvider;
use crate::transport::{Endpoint, NetworkSwitch, Plaintext, TlsRoots, Transport, WebSocket};

/// How a client is opened: which app, which server, where its data lies, what it runs on.
///
/// Without [`data_dir`](Self::data_dir) everything lives in memory: the next run starts as a new
/// device that nobody ever signed in on.
///
/// ```
/// use homing::{Config, Platform};
///
/// let config = Config::new(1, "wss://chat.example")?
///     .data_dir("/var/lib/example/chat")
///     .platform(Platform::Linux)
///     .tag("kiosk-7");
/// # Ok::<(), homing::Error>(())
/// ```
#[derive(Clone)]
pub struct Config {
    pub(crate) app: AppId,
    servers: Vec<String>,
    pub(crate) data: Data,
    pub(crate) platform: Platform,
    pub(crate) os: String,
    pub(crate) tag: String,
    pub(crate) custom_type: u32,
    pub(crate) sdk: String,
    pub(crate) window: Window,
    pub(crate) max_offline_age_ms: Option<u64>,
    pub(crate) scene: Hint,
    pub(crate) event_capacity: usize,
    pub(crate) network: NetworkSwitch,
    pub(crate) clock_shift: ClockShift,
    pub(crate) delay_policy: Option<Arc<dyn DelayPolicy>>,
    pub(crate) provider: Option<Arc<dyn CredentialProvider>>,
    roots: TlsRoots,
    plaintext: Plaintext,
    transport: Option<Arc<dyn Transport>>,
}

/// Where a client keeps its data.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    Memory,
    Directory(PathBuf),
}

impl Config {
    /// A client of this app on this server: `wss://host`, or `ws://` to this machine. A port and a
    /// path before the gateway's may follow.
    ///
    /// # Errors
    /// `invalid_argument` when the app is 0. The address is checked when the client is opened, since
    /// [`plaintext`](Self::plaintext) decides what is allowed.
    pub fn new(app: u32, server: &str) -> Result<Self, Error> {
        Ok(Self {
            app: AppId::new(app)?,
            servers: vec![server.to_owned()],
            data: Data::Memory,
            platform: this_platform(),
            os: cut(&format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)),
            tag: String::new(),
            custom_type: 0,
            sdk: concat!("homing-rust/", env!("CARGO_PKG_VERSION")).to_owned(),
            window: Window {
                conversations: WINDOW_CONVERSATIONS,
                per_conversation: WINDOW_MESSAGES,
            },
            max_offline_age_ms: None,
            scene: Hint::Foreground,
            event_capacity: EVENTS,
            network: NetworkSwitch::default(),
            clock_shift: ClockShift::default(),
            delay_policy: None,
            provider: None,
            roots: TlsRoots::default(),
            plaintext: Plaintext::default(),
            transport: None,
        })
    }

    /// Another address of the same server. All of them, with all addresses that their names stand
    /// for, race for each connection: the way that worked last begins, and another one joins every
    /// quarter of a second until one is through (S-6.5).
    #[must_use]
    pub fn or_server(mut self, server: &str) -> Self {
        self.servers.push(server.to_owned());
        self
    }

    /// Keeps data in this directory, which is made if it is missing. One client at a time may use it
    /// (S-9.5).
    #[must_use]
    pub fn data_dir(mut self, path: impl AsRef<Path>) -> Self {
        self.data = Data::Directory(path.as_ref().to_owned());
        self
    }

    /// What the app runs on; policies go by it (S-1.4). Found out by itself where possible.
    #[must_use]
    pub const fn platform(mut self, platform: Platform) -> Self {
        self.platform = platform;
        self
    }

    /// The operating system in its own words, at most 32 bytes.
    #[must_use]
    pub fn os(mut self, os: &str) -> Self {
        os.clone_into(&mut self.os);
        self
    }

    /// The app's own mark on this device, at most 32 bytes, shown to the account's other devices.
    #[must_use]
    pub fn tag(mut self, tag: &str) -> Self {
        tag.clone_into(&mut self.tag);
        self
    }

    /// The app's own client type; policies can have rules for it (S-7.1).
    #[must_use]
    pub const fn custom_type(mut self, number: u32) -> Self {
        self.custom_type = number;
        self
    }

    /// Refuses offline login when the last online login is older than this (S-4.2).
    #[must_use]
    pub fn max_offline_age(mut self, age: Duration) -> Self {
        self.max_offline_age_ms = Some(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// Waits between attempts as the app likes (S-6.2), in place of the SDK's own back-off, which
    /// grows at random to 20 s, and to 5 min while the app is not seen. At most 5 min; attempts keep
    /// half a second between them and 12 a minute as their ceiling, and what the server says of
    /// coming back holds. A rule that panics is as good as none.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let config = homing::Config::new(1, "ws://127.0.0.1:7700")?
    ///     .delay_policy(|failure| Duration::from_secs(u64::from(failure.number.min(30))));
    /// # Ok::<(), homing::Error>(())
    /// ```
    #[must_use]
    pub fn delay_policy(
        mut self,
        rule: impl Fn(Failure) -> Duration + Send + Sync + 'static,
    ) -> Self {
        self.delay_policy = Some(Arc::new(Rule(rule)));
        self
    }

    /// Asks this provider for a credential whenever the present one does not serve (S-8.4). Without
    /// one the app is told by [`Event::CredentialExpiring`](crate::Event::CredentialExpiring) and
    /// [`Event::CredentialNeeded`](crate::Event::CredentialNeeded) and calls
    /// [`Client::renew`](crate::Client::renew).
    #[must_use]
    pub fn credential_provider(mut self, provider: impl CredentialProvider) -> Self {
        self.provider = Some(Arc::new(provider));
        self
    }

    /// Starts as an app that is not seen: longer waits between attempts, until
    /// [`Hint::Foreground`] says otherwise (S-6.2).
    #[must_use]
    pub const fn in_background(mut self) -> Self {
        self.scene = Hint::Background;
        self
    }

    /// Whom to believe to be the server.
    #[must_use]
    pub fn tls_roots(mut self, roots: TlsRoots) -> Self {
        self.roots = roots;
        self
    }

    /// Whether `ws://` may lead to another machine (W-1).
    #[must_use]
    pub const fn plaintext(mut self, plaintext: Plaintext) -> Self {
        self.plaintext = plaintext;
        self
    }

    /// Entries that the event log holds for a slow subscriber; 1024 unless told.
    #[must_use]
    pub const fn event_capacity(mut self, entries: usize) -> Self {
        self.event_capacity = entries;
        self
    }

    /// A switch that takes this client's network away, for tests and shows.
    #[must_use]
    pub fn network_switch(mut self, switch: NetworkSwitch) -> Self {
        self.network = switch;
        self
    }

    /// A shift of this client's wall clock, for tests and shows.
    #[must_use]
    pub fn clock_shift(mut self, shift: ClockShift) -> Self {
        self.clock_shift = shift;
        self
    }

    /// Another way to the server than the SDK's own; the addresses are then not used.
    #[must_use]
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Checks what can be checked without the disk or the network, and gives the way to the server.
    pub(crate) fn check(&self, clock: &Clock) -> Result<Arc<dyn Transport>, Error> {
        let texts = [
            ("os", &self.os, DEVICE_TEXT_BYTES),
            ("tag", &self.tag, DEVICE_TEXT_BYTES),
            ("sdk", &self.sdk, SDK_TEXT_BYTES),
        ];
        for (name, text, bytes_max) in texts {
            if text.len() > bytes_max {
                let text = format!("{name}: more than {bytes_max} bytes");
                return Err(Error::new(Code::INVALID_ARGUMENT).with_text(text));
            }
        }
        if let Some(transport) = &self.transport {
            return Ok(transport.clone());
        }
        let endpoints: Result<_, _> =
            self.servers.iter().map(|url| Endpoint::parse(url, self.plaintext)).collect();
        Ok(Arc::new(WebSocket::new(endpoints?, &self.roots, clock.clone())?))
    }
}

/// The app's rule for waits, as the client machine wants it.
struct Rule<F>(F);

impl<F: Fn(Failure) -> Duration + Send + Sync> DelayPolicy for Rule<F> {
    fn delay_ms(&self, failure: Failure) -> Option<u64> {
        let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (self.0)(failure)));
        Some(u64::try_from(asked.ok()?.as_millis()).unwrap_or(u64::MAX))
    }
}

impl<F> std::fmt::Debug for Rule<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rule")
    }
}

const fn this_platform() -> Platform {
    if cfg!(target_os = "android") {
        Platform::Android
    } else if cfg!(target_os = "ios") {
        Platform::Ios
    } else if cfg!(target_os = "windows") {
        Platform::Windows
    } else if cfg!(target_os = "macos") {
        Platform::Macos
    } else if cfg!(target_os = "linux") {
        Platform::Linux
    } else {
        Platform::Other
    }
}

fn cut(text: &str) -> String {
    text.chars().take(DEVICE_TEXT_BYTES).filter(char::is_ascii).collect()
}

/// Some seconds of a busy account.
const EVENTS: usize = 1024;
