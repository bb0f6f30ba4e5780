//! Apps as the server holds them: settings, policy and the keys that their credentials are made with.

use std::collections::BTreeMap;
use std::sync::Arc;

use homing_core::policy::Policy;
use homing_core::server::registry::Rules;
use homing_core::server::version::Minimum;
use homing_proto::id::AppId;
use homing_proto::time::WallTime;
use homing_token::{Format, Key};

mod acceptance;

pub use acceptance::{Acceptance, AcceptanceChange, Silence, StaticTokens, ThirdParty, WebhookUrl};

/// One app (S-1.1).
#[derive(Clone, Debug)]
pub struct App {
    /// Its number.
    pub id: AppId,
    /// What people call it.
    pub name: String,
    /// When it was created.
    pub created: WallTime,
    /// Which of a user's devices may be signed in together (S-7.1).
    pub policy: Policy,
    /// Whether the first successful login creates the user (S-3.3).
    pub registration: Registration,
    /// What it takes as a credential besides what its keys sign (S-8.1).
    pub acceptance: Acceptance,
    /// The oldest versions that it lets in.
    pub minimum: Minimum,
    /// A session ends by itself after this long without a connection (S-1.6).
    pub session_age_ms: u64,
    /// Keys of its credentials, several at once during a rotation. Texts and logs never show them.
    pub keys: Vec<AppKey>,
}

impl App {
    /// What it has settled about its users' sessions.
    pub const fn rules(&self) -> Rules<'_> {
        Rules { policy: &self.policy, session_age_ms: self.session_age_ms }
    }
}

/// Who may become a user (S-3.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Registration {
    /// Whoever shows a good credential.
    #[default]
    AtLogin,
    /// Only users that were created beforehand.
    Beforehand,
}

/// A key of an app.
#[derive(Clone, Debug)]
pub struct AppKey {
    /// Its number within the app.
    pub id: u32,
    /// The form of credential it is for (S-8.1).
    pub format: Format,
    /// The secret. `Debug` does not show it.
    pub key: Key,
    /// When it was added.
    pub created: WallTime,
}

/// What a new app starts with.
#[derive(Clone, Debug)]
pub struct NewApp {
    /// Its number; `None`: the next free one.
    pub id: Option<AppId>,
    /// What people call it, at most 256 bytes.
    pub name: String,
    /// See [`App::policy`].
    pub policy: Policy,
    /// See [`App::registration`].
    pub registration: Registration,
    /// Its first key and the form it is for; `None`: one is drawn for `usersig`.
    pub key: Option<(Format, Key)>,
}

impl NewApp {
    /// An app of that name with what new apps start with: preset `triple`, registration at login, a
    /// fresh key.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            id: None,
            name: name.into(),
            policy: Policy::default(),
            registration: Registration::default(),
            key: None,
        }
    }
}

/// One change of an app. A policy applies to new logins only; live sessions stay (S-7.9).
#[derive(Clone, Debug)]
pub enum AppChange {
    /// Another name.
    Name(String),
    /// Another policy.
    Policy(Policy),
    /// Another rule for new users.
    Registration(Registration),
    /// Another rule about credentials.
    Acceptance(AcceptanceChange),
    /// Other oldest versions. Who is signed in stays; who comes back is refused.
    Minimum(Minimum),
    /// Another age of sessions without a connection, in milliseconds: an hour to a year.
    SessionAge(u64),
    /// One more key.
    AddKey {
        /// The form of credential it is for.
        format: Format,
        /// The secret.
        key: Key,
    },
    /// One key less.
    RemoveKey(u32),
}

/// All apps at one moment; cheap to hand around.
pub type Apps = Arc<BTreeMap<AppId, Arc<App>>>;

/// All apps that were deleted; cheap to hand around.
pub type DeletedApps = Arc<BTreeMap<AppId, DeletedApp>>;

/// An app that was deleted, and how far what it had is erased (D-7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeletedApp {
    /// When it was deleted.
    pub deleted: WallTime,
    /// When nothing of it was left; `None`: something is.
    pub done: Option<WallTime>,
    /// What is erased so far.
    pub erased: Erased,
}

/// How much was erased.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Erased {
    /// Users with their sessions, logs and credentials.
    pub users: u64,
    /// Conversations.
    pub conversations: u64,
    /// Messages.
    pub messages: u64,
}
