//! Where a facade's server is and where its data lies: what the originals have built in.

use std::sync::Arc;

use homing::{Config, Error};

/// The server that a facade talks to, and what else a [`homing::Config`] can say.
///
/// ```
/// use homing::Platform;
/// use homing_compat::Deployment;
///
/// let deployment = Deployment::new("wss://chat.example.org")
///     .configure(|config| config.data_dir("/data/app/chat").platform(Platform::Android));
/// ```
#[derive(Clone)]
pub struct Deployment {
    server: String,
    configure: Arc<dyn Fn(Config) -> Config + Send + Sync>,
}

impl Deployment {
    /// A server: `wss://host`, or `ws://` to this machine. Data is kept in memory until
    /// [`configure`](Self::configure) says where.
    pub fn new(server: &str) -> Self {
        Self { server: server.to_owned(), configure: Arc::new(|config| config) }
    }

    /// Settings of the SDK: data directory, platform, certificates and so on. Applied, after those
    /// given before, each time a client is opened.
    #[must_use]
    pub fn configure(self, change: impl Fn(Config) -> Config + Send + Sync + 'static) -> Self {
        let before = self.configure;
        Self { server: self.server, configure: Arc::new(move |config| change(before(config))) }
    }

    /// The SDK's configuration for that app.
    pub(crate) fn config(&self, app: u32) -> Result<Config, Error> {
        Config::new(app, &self.server).map(|config| (self.configure)(config))
    }
}

impl std::fmt::Debug for Deployment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deployment").field("server", &self.server).finish_non_exhaustive()
    }
}
