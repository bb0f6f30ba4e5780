//! The facade shaped like NIM, driven by lines.

use std::sync::{Arc, Mutex, PoisonError};

use homing_compat::nim::{
    NimAuthEvent, NimAuthType, NimCore, NimError, NimLoginInfo, NimOnlineClient, NimSdkOptions,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Stage, Teller, arguments, missing, refused};
use crate::commands::drive::request::Request;

/// See the module.
#[derive(Clone)]
pub(in crate::commands::drive) struct Driven {
    stage: Stage,
    core: NimCore,
    /// The last list of other devices that the stream gave.
    clients: Arc<Mutex<Vec<NimOnlineClient>>>,
}

impl Driven {
    pub(super) fn new(stage: Stage) -> Self {
        let core = NimCore::new(stage.deployment.clone());
        let clients = Arc::default();
        listen(&core, &stage.tell, &clients);
        Self { stage, core, clients }
    }

    pub(super) async fn run(&self, request: Request) -> Answer {
        let auth = self.core.auth_service();
        match request.name.as_str() {
            "initialize" => {
                let options = arguments::<Initialize>(request)?.options(self.stage.app)?;
                done(self.core.initialize(options).await)
            }
            "uninitialize" => {
                self.core.uninitialize().await;
                done(Ok(()))
            }
            "login" => done(auth.login(arguments::<Login>(request)?.info()?).await),
            "logout" => done(auth.logout().await),
            "online_clients" => Ok(json!({ "clients": shapes(&self.clients()) })),
            "kick_out_other_online_client" => {
                let Kick { client_type } = arguments(request)?;
                let clients = self.clients();
                let client = clients.iter().find(|c| c.client_type.number() == client_type);
                let client = client.ok_or_else(|| missing("no online client of that type"))?;
                done(auth.kick_out_other_online_client(client).await)
            }
            "send_text_message" => {
                let Send { account, text } = arguments(request)?;
                let messages = self.core.message_service();
                let uuid = messages.send_text_message(&account, &text).await.map_err(error)?;
                Ok(json!({ "uuid": uuid }))
            }
            "query_session_list" => {
                let List { limit } = arguments(request)?;
                let list = self.core.message_service().query_session_list(limit).await;
                let list = list.map_err(error)?;
                let list = list.iter().map(|session| {
                    json!({
                        "session_id": session.session_id,
                        "unread_count": session.unread_count,
                        "last": session.last_message.as_ref().and_then(|m| m.content.as_deref()),
                    })
                });
                Ok(json!({ "sessions": list.collect::<Vec<_>>() }))
            }
            _ => self.stage.run(request, self.core.client().ok()).await,
        }
    }

    pub(super) async fn close(&self) {
        self.core.uninitialize().await;
    }

    fn clients(&self) -> Vec<NimOnlineClient> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Prints what the streams give, each in its own order.
fn listen(core: &NimCore, tell: &Teller, latest: &Arc<Mutex<Vec<NimOnlineClient>>>) {
    let (mut events, teller) = (core.auth_service().auth_status(), tell.clone());
    tokio::spawn(async move {
        while let Some(told) = events.next().await {
            teller.tell(event(&told));
        }
    });
    let (mut clients, teller, latest) =
        (core.auth_service().online_clients(), tell.clone(), Arc::clone(latest));
    tokio::spawn(async move {
        while let Some(list) = clients.next().await {
            let shape =
                json!({"event": "nim", "class": "NIMOnlineClient", "clients": shapes(&list)});
            *latest.lock().unwrap_or_else(PoisonError::into_inner) = list;
            teller.tell(shape);
        }
    });
    let (mut messages, teller) = (core.message_service().on_message(), tell.clone());
    tokio::spawn(async move {
        while let Some(message) = messages.next().await {
            teller.tell(json!({
                "event": "nim",
                "class": "NIMMessage",
                "session_id": message.session_id,
                "from_account": message.from_account,
                "content": message.content,
            }));
        }
    });
}

fn event(event: &NimAuthEvent) -> Value {
    let mut shape = json!({
        "event": "nim",
        "class": event.original_name(),
        "status": event.status().name(),
    });
    match event {
        NimAuthEvent::KickOutByOtherClient(kick) => {
            shape["client_type"] = kick.client_type.map(|kind| kind.number()).into();
            shape["custom_client_type"] = kick.custom_client_type.into();
        }
        NimAuthEvent::Status(_) | NimAuthEvent::DataSync(_) => {}
    }
    shape
}

fn shapes(clients: &[NimOnlineClient]) -> Vec<Value> {
    let shape = |client: &NimOnlineClient| {
        json!({
            "os": client.os,
            "client_type": client.client_type.number(),
            "login_time": client.login_time,
            "custom_tag": client.custom_tag,
        })
    };
    clients.iter().map(shape).collect()
}

#[derive(Deserialize)]
struct Initialize {
    auto_login_info: Option<Login>,
    custom_tag: Option<String>,
    #[serde(default)]
    custom_client_type: u32,
    /// What the scenario's tokens are made as.
    #[serde(default = "usersig")]
    credential_format: String,
}

#[derive(Deserialize)]
struct Login {
    account: String,
    token: String,
    #[serde(default)]
    auth_type: i32,
    force_mode: Option<bool>,
    login_ext: Option<String>,
}

#[derive(Deserialize)]
struct Kick {
    client_type: i32,
}

#[derive(Deserialize)]
struct Send {
    account: String,
    text: String,
}

#[derive(Deserialize)]
struct List {
    limit: u32,
}

impl Initialize {
    fn options(self, app: u32) -> Result<NimSdkOptions, Value> {
        let mut options = NimSdkOptions::new(&app.to_string())
            .credential_format(&self.credential_format)
            .custom_client_type(self.custom_client_type);
        if let Some(tag) = &self.custom_tag {
            options = options.custom_tag(tag);
        }
        if let Some(login) = self.auto_login_info {
            options = options.auto_login_info(login.info()?);
        }
        Ok(options)
    }
}

impl Login {
    fn info(self) -> Result<NimLoginInfo, Value> {
        let auth_type = NimAuthType::ALL.into_iter().find(|kind| kind.number() == self.auth_type);
        let auth_type = auth_type.ok_or_else(|| missing("`auth_type` is 0, 1 or 2"))?;
        let mut info = NimLoginInfo::new(&self.account, &self.token).auth_type(auth_type);
        if let Some(text) = &self.login_ext {
            info = info.login_ext(text);
        }
        Ok(if self.force_mode == Some(false) { info.without_force() } else { info })
    }
}

fn usersig() -> String {
    "usersig".to_owned()
}

fn done(result: Result<(), NimError>) -> Answer {
    result.map(|()| json!({ "code": 200 })).map_err(error)
}

fn error(error: NimError) -> Value {
    refused(error.code, &error.details)
}
