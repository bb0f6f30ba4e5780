//! The facade shaped like ZIM, driven by lines.

use std::sync::{Arc, Mutex, PoisonError};

use homing_compat::zim::{
    Zim, ZimAppConfig, ZimConnectionEvent, ZimConnectionState, ZimConversationSyncState, ZimError,
    ZimEventHandler, ZimLoginConfig, ZimMessage, code,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Stage, Teller, arguments, refused};
use crate::commands::drive::request::Request;

/// See the module.
#[derive(Clone)]
pub(in crate::commands::drive) struct Driven {
    stage: Stage,
    zim: Arc<Mutex<Option<Zim>>>,
}

impl Driven {
    pub(super) fn new(stage: Stage) -> Self {
        Self { stage, zim: Arc::default() }
    }

    pub(super) async fn run(&self, request: Request) -> Answer {
        match request.name.as_str() {
            "create" => {
                let app = arguments::<Create>(request)?.app(self.stage.app);
                let handler = Arc::new(self.stage.tell.clone());
                let zim = Zim::create(self.stage.deployment.clone(), app, handler).await;
                self.put(Some(zim.map_err(error)?));
                done(Ok(()))
            }
            "destroy" => {
                let zim = self.zim()?;
                zim.destroy().await;
                self.put(None);
                done(Ok(()))
            }
            "login" => {
                let Login { user_id, config } = arguments(request)?;
                done(self.zim()?.login(&user_id, config.read()).await)
            }
            "logout" => {
                let Logout { is_clear_db } = arguments(request)?;
                let zim = self.zim()?;
                done(if is_clear_db { zim.logout_and_clear_db().await } else { zim.logout().await })
            }
            "renew_token" => {
                let Renew { token } = arguments(request)?;
                done(self.zim()?.renew_token(&token).await)
            }
            "query_users_status" => {
                let Users { users } = arguments(request)?;
                let users: Vec<_> = users.iter().map(String::as_str).collect();
                let status = self.zim()?.query_users_status(&users).await.map_err(error)?;
                let status = status.iter().map(|(user, on)| json!({"user_id": user, "status": on}));
                Ok(json!({ "users": status.collect::<Vec<_>>() }))
            }
            "query_conversation_list" => {
                let List { count } = arguments(request)?;
                let list = self.zim()?.query_conversation_list(None, count).await.map_err(error)?;
                let list = list.iter().map(|conversation| {
                    json!({
                        "conversation_id": conversation.conversation_id,
                        "unread_message_count": conversation.unread_message_count,
                        "last_message": conversation.last_message.as_ref().map(message),
                    })
                });
                Ok(json!({ "conversation_list": list.collect::<Vec<_>>() }))
            }
            "query_history_message" => {
                let History { conversation_id, count } = arguments(request)?;
                let zim = self.zim()?;
                let history = zim.query_history_message(&conversation_id, None, count).await;
                let history = history.map_err(error)?;
                Ok(json!({ "message_list": history.iter().map(message).collect::<Vec<_>>() }))
            }
            "send_message" => {
                let Send { text, to_user_id } = arguments(request)?;
                let id = self.zim()?.send_text_message(&text, &to_user_id).await.map_err(error)?;
                Ok(json!({ "message_id": id }))
            }
            _ => {
                let client = self.zim().ok().map(|zim| zim.client().clone());
                self.stage.run(request, client).await
            }
        }
    }

    pub(super) async fn close(&self) {
        if let Ok(zim) = self.zim() {
            zim.destroy().await;
        }
    }

    fn zim(&self) -> Result<Zim, Value> {
        let zim = self.zim.lock().unwrap_or_else(PoisonError::into_inner).clone();
        zim.ok_or_else(|| refused(code::NOT_INITIALISED, "create it first"))
    }

    fn put(&self, zim: Option<Zim>) {
        *self.zim.lock().unwrap_or_else(PoisonError::into_inner) = zim;
    }
}

impl ZimEventHandler for Teller {
    fn on_connection_state_changed(
        &self,
        state: ZimConnectionState,
        event: ZimConnectionEvent,
        extended_data: &str,
    ) {
        let data: Value = serde_json::from_str(extended_data).unwrap_or_default();
        self.zim(
            "on_connection_state_changed",
            json!({
                "state": state.number(),
                "state_name": state.name(),
                "connection_event": event.number(),
                "connection_event_name": event.name(),
                "extended_data": data,
            }),
        );
    }
    fn on_token_will_expire(&self, second: u32) {
        self.zim("on_token_will_expire", json!({ "second": second }));
    }
    fn on_error(&self, error: &ZimError) {
        self.zim("on_error", refused(error.code, &error.message));
    }
    fn on_conversation_sync_state_changed(&self, state: ZimConversationSyncState) {
        self.zim("on_conversation_sync_state_changed", json!({ "state": state.number() }));
    }
    fn on_peer_message_received(&self, messages: &[ZimMessage], from_user_id: &str) {
        let messages: Vec<_> = messages.iter().map(message).collect();
        self.zim(
            "on_peer_message_received",
            json!({ "from_user_id": from_user_id, "message_list": messages }),
        );
    }
}

impl Teller {
    fn zim(&self, callback: &str, mut shape: Value) {
        shape["event"] = "zim".into();
        shape["callback"] = callback.into();
        self.tell(shape);
    }
}

#[derive(Deserialize)]
struct Create {
    app_sign: Option<String>,
    /// What the scenario's tokens are made as.
    #[serde(default = "usersig")]
    token_format: String,
}

#[derive(Deserialize)]
struct Login {
    user_id: String,
    #[serde(flatten)]
    config: Config,
}

#[derive(Deserialize)]
struct Config {
    token: Option<String>,
    user_name: Option<String>,
    #[serde(default)]
    is_offline_login: bool,
}

#[derive(Deserialize)]
struct Logout {
    #[serde(default)]
    is_clear_db: bool,
}

#[derive(Deserialize)]
struct Renew {
    token: String,
}

#[derive(Deserialize)]
struct Users {
    users: Vec<String>,
}

#[derive(Deserialize)]
struct List {
    count: u32,
}

#[derive(Deserialize)]
struct History {
    conversation_id: String,
    count: u32,
}

#[derive(Deserialize)]
struct Send {
    text: String,
    to_user_id: String,
}

impl Create {
    fn app(self, id: u32) -> ZimAppConfig {
        let app = ZimAppConfig::new(id).token_format(&self.token_format);
        match &self.app_sign {
            Some(app_sign) => app.app_sign(app_sign),
            None => app,
        }
    }
}

impl Config {
    fn read(self) -> ZimLoginConfig {
        let mut config = ZimLoginConfig::new();
        if let Some(token) = &self.token {
            config = config.token(token);
        }
        if let Some(name) = &self.user_name {
            config = config.user_name(name);
        }
        if self.is_offline_login { config.offline_login() } else { config }
    }
}

fn usersig() -> String {
    "usersig".to_owned()
}

fn message(told: &ZimMessage) -> Value {
    json!({
        "message_id": told.message_id,
        "sender_user_id": told.sender_user_id,
        "conversation_seq": told.conversation_seq,
        "message": told.message,
    })
}

fn done(result: Result<(), ZimError>) -> Answer {
    result.map(|()| json!({ "code": 0 })).map_err(error)
}

fn error(error: ZimError) -> Value {
    refused(error.code, &error.message)
}
