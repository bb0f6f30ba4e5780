//! The operations: arguments in, one call of the SDK, the answer as JSON out.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use homing::{
    Client, ClientMsgId, ClockShift, Code, Content, ContentView, Credential, Depth, Error, Force,
    Hint, LocalData, LoggedIn, NetworkSwitch, SessionId, UserId,
};
use homing_proto::secret::Token;
use serde::Deserialize;
use serde_json::{Value, json};

use super::providing::Providing;
use super::request::{Request, conversation, wrong};
use super::shape;
use super::waiting::Waiting;

/// The client that the lines drive, and the switches around it.
#[derive(Clone)]
pub(super) struct Driven {
    pub(super) client: Client,
    pub(super) network: NetworkSwitch,
    pub(super) clock: ClockShift,
    pub(super) waiting: Arc<Waiting>,
    pub(super) providing: Providing,
}

type Answer = Result<Value, Error>;

impl Driven {
    /// Does one operation.
    ///
    /// # Errors
    /// `unknown_operation`, `invalid_argument` for its arguments, and whatever the SDK says.
    pub(super) async fn run(&self, request: Request) -> Answer {
        match request.name.as_str() {
            "login" => self.login(request.arguments()?).await,
            "login_offline" => self.login_offline(request.arguments()?).await,
            "resume_last" => self.client.resume_last().await.map(logged_in),
            "renew" => self.renew(request.arguments()?).await,
            "provide" => self.providing.answer(request.arguments()?).map(done),
            "logout" => self.logout(request.arguments()?).await,
            "status" => Ok(shape::status(&self.client.status().now())),
            "self" => self.own(),
            "devices" => self.devices().await,
            "kick_device" => self.kick_device(request.arguments()?).await,
            "send" => self.send(request.arguments()?).await,
            "mark_read" => self.mark_read(request.arguments()?).await,
            "conversations" => self.conversations(request.arguments()?).await,
            "conversation" => self.conversation(request.arguments()?).await,
            "history" => self.history(request.arguments()?).await,
            "outbox" => self.outbox().await,
            "users" | "presence" => self.presence(request.arguments()?).await,
            "network" => self.network(request.arguments()?).await,
            "hint" => self.hint(&request.arguments()?).await,
            "clock" => self.clock(&request.arguments()?),
            "suspend" => self.client.suspend().await.map(done),
            "resume" => self.client.resume().await.map(done),
            "close" => {
                self.client.close().await;
                Ok(done(()))
            }
            _ => {
                let text = format!("there is no operation `{}`; it has: {NAMES}", request.name);
                Err(Error::new(Code::UNKNOWN_OPERATION).with_text(text))
            }
        }
    }

    async fn login(&self, arguments: Login) -> Answer {
        let Login { user, user_name, force, timeout_ms, depth, device, extension, credential } =
            arguments;
        let mut login = self.client.login(&user, credential.read());
        if let Some(name) = user_name {
            login = login.user_name(&name);
        }
        if let Some(tag) = device.tag {
            login = login.tag(&tag);
        }
        if let Some(number) = device.custom_type {
            login = login.custom_type(number);
        }
        if let Some(text) = extension {
            login = login.extension(text);
        }
        if force == Some(false) {
            login = login.force(Force::Refuse);
        }
        if let Some(ms) = timeout_ms {
            login = login.timeout(Duration::from_millis(ms));
        }
        if let Some(name) = depth {
            login = login.depth(depth_of(&name)?);
        }
        login.await.map(logged_in)
    }

    async fn login_offline(&self, arguments: LoginOffline) -> Answer {
        let LoginOffline { user, token, format } = arguments;
        let credential = token.map(|token| CredentialFields { token, format }.read());
        self.client.login_offline(&user, credential).await.map(logged_in)
    }

    async fn renew(&self, arguments: CredentialFields) -> Answer {
        self.client.renew(arguments.read()).await.map(done)
    }

    async fn logout(&self, arguments: Logout) -> Answer {
        let data = if arguments.wipe { LocalData::Wipe } else { LocalData::Keep };
        self.client.logout(data).await.map(done)
    }

    fn own(&self) -> Answer {
        let status = self.client.status().now();
        let user = status.user().ok_or(Code::NOT_LOGGED_IN)?;
        Ok(json!({"user": user.as_str()}))
    }

    async fn devices(&self) -> Answer {
        let devices = self.client.devices().await?;
        Ok(json!({"devices": devices.iter().map(shape::device).collect::<Vec<_>>()}))
    }

    async fn kick_device(&self, arguments: KickDevice) -> Answer {
        let names = arguments.sessions.into_iter().chain(arguments.session);
        let sessions = names.map(|name| name.parse()).collect::<Result<Vec<SessionId>, Error>>()?;
        if sessions.is_empty() {
            return Err(wrong("which session? `session` or `sessions` is missing"));
        }
        for session in sessions {
            self.client.kick_device(session).await?;
        }
        Ok(done(()))
    }

    async fn send(&self, arguments: Send) -> Answer {
        let to = conversation(arguments.conversation.as_deref(), arguments.to.as_deref())?;
        let content = match (arguments.text, arguments.custom) {
            (Some(text), None) => Content::text(text),
            (None, Some(Custom { kind, data })) => {
                let data = STANDARD
                    .decode(data)
                    .map_err(|error| wrong(format!("`custom`: `data` is no base64: {error}")))?;
                Content::new(&ContentView::Custom { kind, data: data.into() })
            }
            _ => return Err(wrong("either `text` or `custom`, and one of them")),
        };
        let client_id = match arguments.client_id {
            Some(name) => name.parse()?,
            None => draw()?,
        };
        let accepted = match arguments.wait.as_deref() {
            None | Some("queued") => None,
            Some("accepted") => Some(self.waiting.register(client_id)),
            Some(_) => return Err(wrong("`wait` is `queued` or `accepted`")),
        };
        if let Err(error) = self.client.send_as(client_id, &to, content).await {
            self.waiting.forget(client_id);
            return Err(error);
        }
        let mut answer =
            json!({"client_id": client_id.to_string(), "conversation": to.to_string()});
        if let Some(accepted) = accepted {
            answer["seq"] = accepted.await.map_err(|_| Code::NOT_INITIALIZED)??.into();
        }
        Ok(answer)
    }

    async fn mark_read(&self, arguments: MarkRead) -> Answer {
        let MarkRead { conversation: id, with, seq } = arguments;
        let id = conversation(id.as_deref(), with.as_deref())?;
        self.client.mark_read(&id, seq).await.map(done)
    }

    async fn conversations(&self, arguments: Conversations) -> Answer {
        let limit = arguments.limit.unwrap_or(DEFAULT_LIMIT);
        let list = self.client.conversations(limit).await?;
        Ok(json!({"conversations": list.iter().map(shape::conversation).collect::<Vec<_>>()}))
    }

    async fn conversation(&self, arguments: Conversation) -> Answer {
        let id = conversation(arguments.conversation.as_deref(), arguments.with.as_deref())?;
        let found = self.client.conversation(&id).await?;
        found.as_ref().map(shape::conversation).ok_or_else(|| Code::CONVERSATION_UNKNOWN.into())
    }

    async fn history(&self, arguments: History) -> Answer {
        let History { conversation: id, with, before, limit } = arguments;
        let id = conversation(id.as_deref(), with.as_deref())?;
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        let history = self.client.history(&id, before, limit).await?;
        Ok(shape::history(&id, &history))
    }

    async fn outbox(&self) -> Answer {
        let waiting = self.client.outbox().await?;
        Ok(json!({"messages": waiting.iter().map(shape::pending).collect::<Vec<_>>()}))
    }

    async fn presence(&self, arguments: Presence) -> Answer {
        let users = arguments.users.iter().map(|name| UserId::parse(name));
        let online = self.client.presence(users.collect::<Result<_, _>>()?).await?;
        let line =
            |(user, online): &(UserId, bool)| json!({"user": user.as_str(), "online": online});
        Ok(json!({"users": online.iter().map(line).collect::<Vec<_>>()}))
    }

    async fn network(&self, arguments: Network) -> Answer {
        let Network { up, cut } = arguments;
        if up.is_none() && cut.is_none() {
            return Err(wrong("`up` (a hint) or `cut` (for real) is missing"));
        }
        match cut {
            Some(true) => self.network.cut(),
            Some(false) => self.network.restore(),
            None => {}
        }
        if let Some(up) = up {
            let hint = if up { Hint::NetworkUp } else { Hint::NetworkDown };
            self.client.hint(hint).await?;
        }
        Ok(done(()))
    }

    async fn hint(&self, arguments: &Told) -> Answer {
        let hint = match arguments.hint.as_str() {
            "network_up" | "network_changed" => Hint::NetworkUp,
            "network_down" => Hint::NetworkDown,
            "wake" => Hint::Wake,
            "foreground" => Hint::Foreground,
            "background" => Hint::Background,
            "tap" => Hint::Tap,
            other => {
                return Err(wrong(format!("no `hint` is called `{other}`; there is: {HINTS}")));
            }
        };
        self.client.hint(hint).await.map(done)
    }

    fn clock(&self, arguments: &Clock) -> Answer {
        self.clock.set_seconds(arguments.shift_s);
        Ok(done(()))
    }
}

/// Too many operations are on their way.
pub(super) fn too_many() -> Error {
    Error::new(Code::RATE_LIMITED).with_text("too many operations are on their way; wait for some")
}

fn done((): ()) -> Value {
    json!({})
}

fn logged_in(login: LoggedIn) -> Value {
    json!({"already": login.already, "registered": login.registered})
}

fn depth_of(name: &str) -> Result<Depth, Error> {
    match name {
        "local" => Ok(Depth::Local),
        "verified" => Ok(Depth::Verified),
        "first_screen" => Ok(Depth::FirstScreen),
        "live" => Ok(Depth::Live),
        _ => Err(wrong("`depth` is `local`, `verified`, `first_screen` or `live`")),
    }
}

fn draw() -> Result<ClientMsgId, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::new(Code::STORE_OPEN_FAILED).with_text(format!("no random numbers: {error}"))
    })?;
    Ok(ClientMsgId(bytes))
}

#[derive(Deserialize)]
struct Login {
    user: String,
    user_name: Option<String>,
    force: Option<bool>,
    timeout_ms: Option<u64>,
    depth: Option<String>,
    extension: Option<String>,
    #[serde(flatten)]
    device: DeviceFields,
    #[serde(flatten)]
    credential: CredentialFields,
}

/// What a login says of the device (S-3.1).
#[derive(Deserialize)]
struct DeviceFields {
    tag: Option<String>,
    custom_type: Option<u32>,
}

#[derive(Deserialize)]
pub(super) struct CredentialFields {
    pub(super) token: String,
    pub(super) format: Option<String>,
}

impl CredentialFields {
    pub(super) fn read(self) -> Credential {
        let format = self.format.unwrap_or_else(|| "usersig".to_owned());
        Credential { format, token: Token::new(self.token) }
    }
}

#[derive(Deserialize)]
struct LoginOffline {
    user: String,
    token: Option<String>,
    format: Option<String>,
}

#[derive(Deserialize)]
struct Logout {
    #[serde(default)]
    wipe: bool,
}

#[derive(Deserialize)]
struct KickDevice {
    session: Option<String>,
    #[serde(default)]
    sessions: Vec<String>,
}

#[derive(Deserialize)]
struct Send {
    to: Option<String>,
    conversation: Option<String>,
    text: Option<String>,
    custom: Option<Custom>,
    client_id: Option<String>,
    wait: Option<String>,
}

#[derive(Deserialize)]
struct Custom {
    kind: String,
    #[serde(default)]
    data: String,
}

#[derive(Deserialize)]
struct MarkRead {
    conversation: Option<String>,
    with: Option<String>,
    seq: u64,
}

#[derive(Deserialize)]
struct Conversations {
    limit: Option<u32>,
}

#[derive(Deserialize)]
struct Conversation {
    conversation: Option<String>,
    with: Option<String>,
}

#[derive(Deserialize)]
struct History {
    conversation: Option<String>,
    with: Option<String>,
    #[serde(default)]
    before: u64,
    limit: Option<u32>,
}

#[derive(Deserialize)]
struct Presence {
    users: Vec<String>,
}

#[derive(Deserialize)]
struct Network {
    up: Option<bool>,
    cut: Option<bool>,
}

#[derive(Deserialize)]
struct Told {
    hint: String,
}

#[derive(Deserialize)]
struct Clock {
    shift_s: i64,
}

/// A screenful.
const DEFAULT_LIMIT: u32 = 20;

const NAMES: &str = "login, login_offline, resume_last, renew, provide, logout, status, self, devices, \
    kick_device, send, mark_read, conversations, conversation, history, outbox, users, presence, \
    network, hint, clock, suspend, resume, close";

const HINTS: &str = "network_up, network_down, network_changed, wake, foreground, background, tap";
