//! [`NimCore`]: initialisation and the services.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use homing::status::SessionStatus;
use homing::{Client, Event, Fact};
use tokio::sync::broadcast;

use super::adapter::{NimAdapter, auto_login_refused};
use super::auth::{AuthService, NimLoginInfo};
use super::code::{ALREADY_LOGGED_IN, NOT_INITIALIZED, NimError, PARAMETER};
use super::device::{NimOnlineClient, others};
use super::event::{EVENTS, NimAuthEvent};
use super::message::{MessageService, NimMessage};
use crate::deployment::Deployment;
use crate::hold::OwnSends;
use crate::telling::Telling;

/// `NimCore`. Clones are the same one; an app may have several, each with another account.
#[derive(Clone)]
pub struct NimCore(Arc<Shared>);

/// `NIMSDKOptions`
#[derive(Clone, Debug)]
pub struct NimSdkOptions {
    app_key: String,
    auto_login_info: Option<NimLoginInfo>,
    custom_client_type: u32,
    custom_tag: Option<String>,
    credential_format: Option<String>,
}

struct Shared {
    deployment: Deployment,
    sdk: Mutex<Sdk>,
    streams: Arc<Streams>,
}

/// What `initialize` made.
#[derive(Default)]
enum Sdk {
    #[default]
    Absent,
    Opening,
    Open(Box<Open>),
}

#[derive(Clone)]
pub(super) struct Open {
    pub(super) client: Client,
    pub(super) telling: Telling,
    /// See [`NimSdkOptions::credential_format`].
    pub(super) credential_format: Option<String>,
}

pub(super) struct Streams {
    pub(super) auth: broadcast::Sender<NimAuthEvent>,
    pub(super) clients: broadcast::Sender<Vec<NimOnlineClient>>,
    pub(super) messages: broadcast::Sender<NimMessage>,
}

impl NimSdkOptions {
    /// `appKey`: Homing's app id, in decimal.
    pub fn new(app_key: &str) -> Self {
        Self {
            app_key: app_key.to_owned(),
            auto_login_info: None,
            custom_client_type: 0,
            custom_tag: None,
            credential_format: None,
        }
    }

    /// `autoLoginInfo`: signs this account in by itself when the SDK is initialised, with or without
    /// network; local data opens at once. It never displaces another device.
    #[must_use]
    pub fn auto_login_info(mut self, info: NimLoginInfo) -> Self {
        self.auto_login_info = Some(info);
        self
    }

    /// `customClientType`: the app's own client type, for policies, not 0.
    #[must_use]
    pub const fn custom_client_type(mut self, number: u32) -> Self {
        self.custom_client_type = number;
        self
    }

    /// `customTag`: a mark that the account's other devices see, at most 32 bytes.
    #[must_use]
    pub fn custom_tag(mut self, tag: &str) -> Self {
        self.custom_tag = Some(tag.to_owned());
        self
    }

    /// The form of the tokens, when the app's server mints another than the one that goes with the
    /// `authType`: `usersig`, `jwt` and so on.
    #[must_use]
    pub fn credential_format(mut self, format: &str) -> Self {
        self.credential_format = Some(format.to_owned());
        self
    }
}

impl NimCore {
    /// One for that server. Nothing happens before [`initialize`](Self::initialize), but streams can be
    /// listened to.
    pub fn new(deployment: Deployment) -> Self {
        let streams = Streams {
            auth: broadcast::Sender::new(EVENTS),
            clients: broadcast::Sender::new(EVENTS),
            messages: broadcast::Sender::new(EVENTS),
        };
        Self(Arc::new(Shared { deployment, sdk: Mutex::default(), streams: Arc::new(streams) }))
    }

    /// `initialize`: opens local data, and begins the automatic login if there is one. Whether that
    /// login is refused on the device is told by the stream `authStatus`.
    ///
    /// # Errors
    /// 20002 when it is initialised, 414 for an app key that is no app id, 1000 when local data
    /// cannot be opened.
    pub async fn initialize(&self, options: NimSdkOptions) -> Result<(), NimError> {
        {
            let mut sdk = self.sdk();
            if !matches!(*sdk, Sdk::Absent) {
                return Err(NimError::of(ALREADY_LOGGED_IN, "initialize was called before"));
            }
            *sdk = Sdk::Opening;
        }
        let opening = Opening(self);
        let open = self.open(&options).await?;
        *self.sdk() = Sdk::Open(Box::new(open.clone()));
        std::mem::forget(opening);
        if let Some(info) = &options.auto_login_info {
            self.auto_login(&open, info).await;
        }
        Ok(())
    }

    /// `uninitialize`: finishes what was begun and frees everything. Nobody is signed out.
    pub async fn uninitialize(&self) {
        let Ok(client) = self.client() else { return };
        *self.sdk() = Sdk::Absent;
        client.close().await;
    }

    /// `authService`
    pub fn auth_service(&self) -> AuthService {
        AuthService::new(self.clone())
    }

    /// `messageService`
    pub fn message_service(&self) -> MessageService {
        MessageService::new(self.clone())
    }

    /// The SDK's client: for what this facade does not have.
    ///
    /// # Errors
    /// 20000 before `initialize`.
    pub fn client(&self) -> Result<Client, NimError> {
        self.opened().map(|open| open.client)
    }

    pub(super) fn opened(&self) -> Result<Open, NimError> {
        match &*self.sdk() {
            Sdk::Open(open) => Ok(Open::clone(open)),
            Sdk::Absent | Sdk::Opening => {
                Err(NimError::of(NOT_INITIALIZED, "call initialize first"))
            }
        }
    }

    pub(super) fn streams(&self) -> &Streams {
        &self.0.streams
    }

    async fn open(&self, options: &NimSdkOptions) -> Result<Open, NimError> {
        let app = options
            .app_key
            .parse()
            .map_err(|_| NimError::of(PARAMETER, "the app key is Homing's app id, in decimal"))?;
        let mut config = self.0.deployment.config(app)?;
        if options.custom_client_type != 0 {
            config = config.custom_type(options.custom_client_type);
        }
        if let Some(tag) = &options.custom_tag {
            config = config.tag(tag);
        }
        let client = Client::open(config).await?;
        let (mut adapter, first) = NimAdapter::start();
        let (streams, own) = (Arc::clone(&self.0.streams), client.device_id());
        // Nobody has to listen to any of the streams.
        let _ = streams.auth.send(first);
        let mut sends = OwnSends::default();
        let telling = Telling::start(&client, move |fact| {
            for event in adapter.told(fact) {
                let _ = streams.auth.send(event);
            }
            match fact {
                Fact::Event(Event::DevicesChanged(devices)) => {
                    let _ = streams.clients.send(others(devices, own));
                }
                Fact::Event(Event::SendState { client_id, state, .. }) => {
                    sends.send_state(*client_id, *state);
                }
                Fact::Event(Event::Message(message)) if !sends.took(message) => {
                    let _ = streams.messages.send(NimMessage::of(message));
                }
                Fact::Event(_) | Fact::Status(_) => {}
            }
        });
        Ok(Open { client, telling, credential_format: options.credential_format.clone() })
    }

    async fn auto_login(&self, open: &Open, info: &NimLoginInfo) {
        let before = open.client.status().now().session;
        let credential = info.credential(open.credential_format.as_deref());
        let result = open.client.login_offline(info.account(), Some(credential)).await;
        open.telling.caught_up(&open.client).await;
        if let (Err(error), SessionStatus::SignedOut { why }) = (result, before) {
            let _ = self.0.streams.auth.send(auto_login_refused(&why, &error));
        }
    }

    fn sdk(&self) -> MutexGuard<'_, Sdk> {
        self.0.sdk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for NimCore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NimCore").field("deployment", &self.0.deployment).finish_non_exhaustive()
    }
}

/// Gives up an initialisation that did not get to its end, whether it failed or was dropped.
struct Opening<'a>(&'a NimCore);

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        *self.0.sdk() = Sdk::Absent;
    }
}
