//! What `serve --dev` sets up: an app and three users to try it with.

use homing_proto::id::{AppId, UserId};
use homing_proto::secret::Token;
use homing_proto::{Code, Error};
use homing_token::{Format, Grant, Key, mint};

use crate::apps::NewApp;
use crate::server::Running;

/// The demo app, its key and its users' tokens. All but the ids are secrets.
#[derive(Debug)]
pub struct Demo {
    /// The app: 1 on a new server.
    pub app: AppId,
    /// The key that the tokens are made with.
    pub key: Key,
    /// alice, bob and carol, each with a token that is good for 30 days.
    pub users: Vec<(UserId, Token)>,
}

impl Demo {
    /// The first line of `serve --dev`, as it is promised to scripts. It holds secrets: it is for
    /// standard output, not for a log.
    pub fn to_json(&self, running: &Running) -> String {
        let users: serde_json::Map<_, _> = self
            .users
            .iter()
            .map(|(user, token)| (user.to_string(), token.expose().into()))
            .collect();
        serde_json::json!({
            "url": running.url(),
            "console": format!("{}/console/", running.url()),
            "admin_token": running.admin_token().expose(),
            "app_id": self.app.get(),
            "key": String::from_utf8_lossy(self.key.expose()),
            "users": users,
        })
        .to_string()
    }
}

/// Sets up the demo app, or finds the one that was set up before, and mints fresh tokens.
///
/// # Errors
/// What the store says.
pub async fn provision(running: &Running) -> Result<Demo, Error> {
    let store = running.store();
    let known = store.apps().values().find(|app| app.name == NAME).cloned();
    let app = match known {
        Some(app) => app,
        None => store.create_app(NewApp::named(NAME)).await?.into(),
    };
    let key = app.keys.iter().find(|key| key.format == Format::Usersig);
    let key = key.map(|key| key.key.clone()).ok_or(Code::CREDENTIAL_TYPE_DISABLED)?;
    let mut users = Vec::new();
    for name in USERS {
        let user = UserId::parse(name)?;
        // Beforehand, so that one can write to another who has never signed in.
        store.create_user(app.id, user.clone(), String::new()).await?;
        let grant = Grant {
            app: app.id,
            user: &user,
            issued_at: running.wall(),
            ttl_s: TTL_S,
            userbuf: None,
        };
        let token = mint(Format::Usersig, &key, &grant)?;
        users.push((user, token));
    }
    Ok(Demo { app: app.id, key, users })
}

const NAME: &str = "demo";
const USERS: [&str; 3] = ["alice", "bob", "carol"];
const TTL_S: u64 = 30 * 24 * 60 * 60;
