//! The facade shaped like Tencent Chat, driven by lines.

use std::sync::Arc;

use homing_compat::v2tim::{
    OfflineKick, V2TimAdvancedMsgListener, V2TimConversation, V2TimConversationListener, V2TimElem,
    V2TimError, V2TimLogLevel, V2TimManager, V2TimMessage, V2TimSdkListener,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Stage, Teller, arguments, refused};
use crate::commands::drive::request::Request;

/// See the module.
#[derive(Clone)]
pub(in crate::commands::drive) struct Driven {
    stage: Stage,
    manager: V2TimManager,
}

impl Driven {
    pub(super) fn new(stage: Stage, report_offline_kick: bool) -> Self {
        let offline_kick =
            if report_offline_kick { OfflineKick::Report } else { OfflineKick::SignIn };
        let manager = V2TimManager::with_offline_kick(stage.deployment.clone(), offline_kick);
        manager.set_conversation_listener(Arc::new(stage.tell.clone()));
        manager.add_advanced_msg_listener(Arc::new(stage.tell.clone()));
        Self { stage, manager }
    }

    pub(super) async fn run(&self, request: Request) -> Answer {
        let manager = &self.manager;
        match request.name.as_str() {
            "init_sdk" => {
                let listener = Arc::new(self.stage.tell.clone());
                done(manager.init_sdk(self.stage.app, V2TimLogLevel::None, listener).await)
            }
            "un_init_sdk" => {
                manager.un_init_sdk().await;
                done(Ok(()))
            }
            "login" => {
                let Login { user_id, user_sig } = arguments(request)?;
                done(manager.login(&user_id, &user_sig).await)
            }
            "logout" => done(manager.logout().await),
            "get_login_user" => Ok(json!({ "user_id": manager.get_login_user() })),
            "get_login_status" => Ok(json!({ "status": manager.get_login_status().number() })),
            "get_server_time" => Ok(json!({ "time_s": manager.get_server_time() })),
            "get_version" => Ok(json!({ "version": manager.get_version() })),
            "get_user_status" => {
                let Users { users } = arguments(request)?;
                let users: Vec<_> = users.iter().map(String::as_str).collect();
                let status = manager.get_user_status(&users).await.map_err(error)?;
                let status = status.iter().map(|(user, on)| json!({"user_id": user, "status": on}));
                Ok(json!({ "users": status.collect::<Vec<_>>() }))
            }
            "get_conversation_list" => {
                let List { next_seq, count } = arguments(request)?;
                let conversations = manager.get_conversation_manager();
                let page = conversations.get_conversation_list(next_seq, count).await;
                let page = page.map_err(error)?;
                let list: Vec<_> = page.conversation_list.iter().map(conversation).collect();
                Ok(json!({
                    "next_seq": page.next_seq,
                    "is_finished": page.is_finished,
                    "conversation_list": list,
                }))
            }
            "send_c2c_text_message" => {
                let Send { text, user_id } = arguments(request)?;
                let messages = manager.get_message_manager();
                let id = messages.send_c2c_text_message(&text, &user_id).await.map_err(error)?;
                Ok(json!({ "msg_id": id }))
            }
            _ => self.stage.run(request, manager.client().ok()).await,
        }
    }

    pub(super) async fn close(&self) {
        self.manager.un_init_sdk().await;
    }
}

impl V2TimSdkListener for Teller {
    fn on_connecting(&self) {
        self.v2tim("on_connecting", json!({}));
    }
    fn on_connect_success(&self) {
        self.v2tim("on_connect_success", json!({}));
    }
    fn on_connect_failed(&self, code: i32, error: &str) {
        self.v2tim("on_connect_failed", json!({ "code": code, "text": error }));
    }
    fn on_kicked_offline(&self) {
        self.v2tim("on_kicked_offline", json!({}));
    }
    fn on_user_sig_expired(&self) {
        self.v2tim("on_user_sig_expired", json!({}));
    }
}

impl V2TimConversationListener for Teller {
    fn on_sync_server_start(&self) {
        self.v2tim("on_sync_server_start", json!({}));
    }
    fn on_sync_server_finish(&self) {
        self.v2tim("on_sync_server_finish", json!({}));
    }
    fn on_sync_server_failed(&self) {
        self.v2tim("on_sync_server_failed", json!({}));
    }
}

impl V2TimAdvancedMsgListener for Teller {
    fn on_recv_new_message(&self, told: &V2TimMessage) {
        self.v2tim("on_recv_new_message", message(told));
    }
}

impl Teller {
    fn v2tim(&self, callback: &str, mut shape: Value) {
        shape["event"] = "v2tim".into();
        shape["callback"] = callback.into();
        self.tell(shape);
    }
}

#[derive(Deserialize)]
struct Login {
    user_id: String,
    user_sig: String,
}

#[derive(Deserialize)]
struct Users {
    users: Vec<String>,
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    next_seq: u64,
    count: u32,
}

#[derive(Deserialize)]
struct Send {
    text: String,
    user_id: String,
}

fn done(result: Result<(), V2TimError>) -> Answer {
    result.map(|()| json!({ "code": 0 })).map_err(error)
}

fn error(error: V2TimError) -> Value {
    refused(error.code, &error.desc)
}

fn conversation(told: &V2TimConversation) -> Value {
    json!({
        "conversation_id": told.conversation_id,
        "type": told.kind,
        "user_id": told.user_id,
        "unread_count": told.unread_count,
        "last_message": told.last_message.as_ref().map(message),
    })
}

fn message(told: &V2TimMessage) -> Value {
    let text = match &told.elem {
        V2TimElem::Text(text) => Some(text),
        V2TimElem::Custom { .. } | V2TimElem::None => None,
    };
    json!({
        "msg_id": told.msg_id,
        "sender": told.sender,
        "user_id": told.user_id,
        "is_self": told.is_self,
        "seq": told.seq,
        "elem_type": told.elem.number(),
        "text": text,
    })
}
