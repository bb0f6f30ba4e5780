//! An explicit login with its options (S-3.1).

use std::time::Duration;

use bytes::Bytes;
use homing_core::client::{Command, Depth, Force, LoginOptions};
use homing_proto::frame::Credential;
use homing_proto::id::UserId;

use super::{Client, Pending, call};

/// A login to be: set options, then await it, or [`start`](Self::start) it and await the result
/// later.
///
/// ```no_run
/// # async fn example(client: homing::Client, token: String) -> Result<(), homing::Error> {
/// use std::time::Duration;
/// use homing::{Credential, Depth, Force};
///
/// let login = client
///     .login("alice", Credential::usersig(token))
///     .force(Force::Refuse)
///     .depth(Depth::Live)
///     .timeout(Duration::from_secs(10))
///     .start();
/// let list = client.conversations(20).await; // works at once for the last account here (S-3.7)
/// login.await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a login begins when it is awaited or started"]
#[derive(Debug)]
pub struct Login {
    client: Client,
    user: String,
    credential: Credential,
    options: LoginOptions,
}

/// What a login gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoggedIn {
    /// The account was signed in before the call (S-3.4).
    pub already: bool,
    /// The login created the user (S-3.3).
    pub registered: bool,
}

impl Login {
    pub(super) fn new(client: Client, user: &str, credential: Credential) -> Self {
        Self { client, user: user.to_owned(), credential, options: LoginOptions::default() }
    }

    /// When the login is done: [`Depth::Verified`] unless told.
    pub const fn depth(mut self, depth: Depth) -> Self {
        self.options.depth = depth;
        self
    }

    /// What happens when other devices hold all places (S-7.5): [`Force::Displace`] unless told.
    pub const fn force(mut self, force: Force) -> Self {
        self.options.force = force;
        self
    }

    /// The user's name, at most 256 bytes; without it the one set last stays (S-1.2).
    pub fn user_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.options.user_name);
        self
    }

    /// A mark on this device, at most 32 bytes, in place of the configured one, until the next
    /// login.
    pub fn tag(mut self, tag: &str) -> Self {
        self.options.tag = Some(tag.to_owned());
        self
    }

    /// The app's own client type, in place of the configured one, until the next login.
    pub const fn custom_type(mut self, number: u32) -> Self {
        self.options.custom_type = Some(number);
        self
    }

    /// At most 4 KiB, handed to third-party authentication.
    pub fn extension(mut self, extension: impl Into<Bytes>) -> Self {
        self.options.extension = extension.into();
        self
    }

    /// The time limit over all attempts; 30 s unless told.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.options.timeout_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// Begins now and goes on whether or not anybody waits for the result.
    pub fn start(self) -> Pending<LoggedIn> {
        let user = match UserId::parse(&self.user) {
            Ok(user) => user,
            Err(error) => return Pending::failed(error),
        };
        let command = Command::Login { user, credential: self.credential, options: self.options };
        self.client.begin(command, call::logged_in)
    }
}

impl IntoFuture for Login {
    type Output = Result<LoggedIn, homing_proto::Error>;
    type IntoFuture = Pending<LoggedIn>;

    fn into_future(self) -> Pending<LoggedIn> {
        self.start()
    }
}
