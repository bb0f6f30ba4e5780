//! [`V2TimManager`]: initialisation, login, logout.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use homing::status::{CredentialStatus, SessionStatus, Trust, Why};
use homing::{Client, Code, Credential, Error, LocalData};

use super::adapter::V2TimAdapter;
use super::code::{ERR_IN_PROGRESS, ERR_LOGIN_IN_PROGRESS, ERR_LOGOUT_IN_PROGRESS, V2TimError};
use super::conversation::V2TimConversationManager;
use super::listener::{
    V2TimAdvancedMsgListener, V2TimCallback, V2TimConversationListener, V2TimSdkListener,
};
use super::log_level::V2TimLogLevel;
use super::message::V2TimMessageManager;
use super::status::{V2TimLoginStatus, login_status};
use crate::deployment::Deployment;
use crate::telling::Telling;

/// `V2TIMManager`. Clones are the same manager.
#[derive(Clone)]
pub struct V2TimManager(Arc<Shared>);

/// What a login does when another terminal took the place while this one was away. In the original a
/// setting of the console.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OfflineKick {
    /// The login takes the place back, as the user's own act.
    #[default]
    SignIn,
    /// The first login fails with 6208; the next one takes the place back.
    Report,
}

struct Shared {
    deployment: Deployment,
    offline_kick: OfflineKick,
    state: Mutex<State>,
    listeners: Arc<Mutex<Listeners>>,
}

#[derive(Default)]
struct State {
    sdk: Sdk,
    running: Vec<Running>,
}

/// What `init_sdk` made.
#[derive(Default)]
enum Sdk {
    #[default]
    Absent,
    Opening,
    Open {
        client: Client,
        telling: Telling,
    },
}

/// A call that excludes others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Running {
    Login,
    Logout,
}

#[derive(Default)]
struct Listeners {
    conversation: Option<Arc<dyn V2TimConversationListener>>,
    messages: Vec<Arc<dyn V2TimAdvancedMsgListener>>,
}

impl V2TimManager {
    /// A manager for that server. Nothing happens before [`init_sdk`](Self::init_sdk).
    pub fn new(deployment: Deployment) -> Self {
        Self::with_offline_kick(deployment, OfflineKick::default())
    }

    /// As [`new`](Self::new), and what a login does after a kick that this terminal was not there for
    /// (`report_offline_kick`).
    pub fn with_offline_kick(deployment: Deployment, offline_kick: OfflineKick) -> Self {
        Self(Arc::new(Shared {
            deployment,
            offline_kick,
            state: Mutex::default(),
            listeners: Arc::default(),
        }))
    }

    /// `initSDK`: opens local data and begins to call the listener.
    ///
    /// The original also connects here. Homing connects when somebody signs in, so that is when link
    /// callbacks begin.
    ///
    /// # Errors
    /// 6015 while initialised or being initialised, 6017 for an app id of 0 or settings that do not
    /// hold together, 6018 when another client has the data directory, 6005 and 6022 for the disk.
    pub async fn init_sdk(
        &self,
        sdk_app_id: u32,
        log_level: V2TimLogLevel,
        listener: Arc<dyn V2TimSdkListener>,
    ) -> Result<(), V2TimError> {
        {
            let mut state = self.state();
            if !matches!(state.sdk, Sdk::Absent) {
                return Err(V2TimError::of(ERR_IN_PROGRESS, "init_sdk was called before"));
            }
            state.sdk = Sdk::Opening;
        }
        let opening = Opening(self);
        log_level.apply();
        let client = Client::open(self.0.deployment.config(sdk_app_id)?).await?;
        let (mut adapter, listeners) = (V2TimAdapter::new(), Arc::clone(&self.0.listeners));
        let telling = Telling::start(&client, move |fact| {
            for callback in adapter.told(fact) {
                call(callback, &*listener, &listeners);
            }
        });
        self.state().sdk = Sdk::Open { client, telling };
        std::mem::forget(opening);
        Ok(())
    }

    /// `unInitSDK`: finishes what was begun and frees everything. Nobody is signed out at the server;
    /// call [`logout`](Self::logout) before. [`init_sdk`](Self::init_sdk) may be called again after.
    pub async fn un_init_sdk(&self) {
        let Ok(client) = self.client() else { return };
        self.state().sdk = Sdk::Absent;
        client.close().await;
    }

    /// `login`: the user's own act. The first one registers the user; another user is a switch, without a
    /// logout before; the same user again succeeds, and another sig is then a renewal.
    ///
    /// # Errors
    /// 6013 before `init_sdk`, 7501 while a login runs, 7502 while a logout runs, 7003 for a user id
    /// that is none, 6206 or 70001 for an expired sig, 6208 for [`OfflineKick::Report`], 6012 and
    /// 6200 for the network, 7008 for too many logins, and the server's verdict.
    pub async fn login(&self, user_id: &str, user_sig: &str) -> Result<(), V2TimError> {
        let (client, telling, _running) = self.begin(Running::Login)?;
        let credential = Credential::usersig(user_sig);
        let result = match self.0.offline_kick {
            OfflineKick::Report => come_back(&client, user_id, &credential).await,
            OfflineKick::SignIn => None,
        };
        let result = match result {
            Some(result) => result,
            None => client.login(user_id, credential).await.map(|_| ()),
        };
        telling.caught_up(&client).await;
        Ok(result?)
    }

    /// `logout`. Works without a network; nothing of the account is received afterwards.
    ///
    /// # Errors
    /// 6013 before `init_sdk`, 7501 while a login runs, 7502 while a logout runs.
    pub async fn logout(&self) -> Result<(), V2TimError> {
        let (client, telling, _running) = self.begin(Running::Logout)?;
        let result = client.logout(LocalData::Keep).await;
        telling.caught_up(&client).await;
        Ok(result?)
    }

    /// `getLoginUser`: empty when nobody is signed in.
    pub fn get_login_user(&self) -> String {
        let Ok(client) = self.client() else { return String::new() };
        let status = client.status().now();
        match (login_status(&status.session), status.user()) {
            (V2TimLoginStatus::Logined, Some(user)) => user.to_string(),
            (
                V2TimLoginStatus::Logined | V2TimLoginStatus::Logining | V2TimLoginStatus::Logout,
                _,
            ) => String::new(),
        }
    }

    /// `getLoginStatus`
    pub fn get_login_status(&self) -> V2TimLoginStatus {
        self.client()
            .map_or(V2TimLoginStatus::Logout, |client| login_status(&client.status().now().session))
    }

    /// `getVersion`: this SDK's.
    pub const fn get_version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// `getServerTime`: seconds since 1970 by the server's clock, as the last login showed it; 0 before
    /// `init_sdk`.
    pub fn get_server_time(&self) -> u64 {
        self.client().map_or(0, |client| client.server_time().seconds())
    }

    /// `getConversationManager`
    pub fn get_conversation_manager(&self) -> V2TimConversationManager {
        V2TimConversationManager::new(self.clone())
    }

    /// `getMessageManager`
    pub fn get_message_manager(&self) -> V2TimMessageManager {
        V2TimMessageManager::new(self.clone())
    }

    /// `setConversationListener`. May be called before `init_sdk`.
    pub fn set_conversation_listener(&self, listener: Arc<dyn V2TimConversationListener>) {
        locked(&self.0.listeners).conversation = Some(listener);
    }

    /// `addAdvancedMsgListener`. May be called before `init_sdk`.
    pub fn add_advanced_msg_listener(&self, listener: Arc<dyn V2TimAdvancedMsgListener>) {
        locked(&self.0.listeners).messages.push(listener);
    }

    /// `getUserStatus`, as far as being online goes: each user with 1 online or 2 offline.
    ///
    /// # Errors
    /// 6013, 6014, 7003, 6200 without a connection.
    pub async fn get_user_status(&self, users: &[&str]) -> Result<Vec<(String, i32)>, V2TimError> {
        let client = self.client()?;
        let ids = users.iter().map(|user| homing::UserId::parse(user)).collect::<Result<_, _>>()?;
        let online = client.presence(ids).await?;
        Ok(online.into_iter().map(|(user, online)| (user.to_string(), presence(online))).collect())
    }

    /// The SDK's client: for what this facade does not have.
    ///
    /// # Errors
    /// 6013 before `init_sdk`.
    pub fn client(&self) -> Result<Client, V2TimError> {
        match &self.state().sdk {
            Sdk::Open { client, .. } => Ok(client.clone()),
            Sdk::Absent | Sdk::Opening => Err(V2TimError::not_initialized()),
        }
    }

    /// Begins a call that excludes others, until the guard is dropped.
    fn begin(&self, call: Running) -> Result<(Client, Telling, RunningGuard<'_>), V2TimError> {
        let mut state = self.state();
        let Sdk::Open { client, telling } = &state.sdk else {
            return Err(V2TimError::not_initialized());
        };
        let (client, telling) = (client.clone(), telling.clone());
        // A login whose caller went away still runs.
        let login_runs = matches!(client.status().now().session, SessionStatus::SigningIn { .. });
        if state.running.contains(&Running::Logout) {
            return Err(V2TimError::of(ERR_LOGOUT_IN_PROGRESS, "a logout is running"));
        }
        // A logout may cut a login short, which then ends with 6023.
        let login_runs = login_runs || state.running.contains(&Running::Login);
        if login_runs && call == Running::Login {
            return Err(V2TimError::of(ERR_LOGIN_IN_PROGRESS, "a login is running"));
        }
        state.running.push(call);
        drop(state);
        Ok((client, telling, RunningGuard(self, call)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.0.state)
    }
}

impl std::fmt::Debug for V2TimManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("V2TimManager").field("login_status", &self.get_login_status()).finish()
    }
}

/// Gives up an initialisation that did not get to its end, whether it failed or was dropped.
struct Opening<'a>(&'a V2TimManager);

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.0.state().sdk = Sdk::Absent;
    }
}

struct RunningGuard<'a>(&'a V2TimManager, Running);

impl Drop for RunningGuard<'_> {
    fn drop(&mut self) {
        self.0.state().running.retain(|call| *call != self.1);
    }
}

/// Signs in as the session that this device still has, which displaces nobody and so learns whether the
/// session lost its place meanwhile. `None`: there is no such session; log in.
async fn come_back(
    client: &Client,
    user_id: &str,
    credential: &Credential,
) -> Option<Result<(), Error>> {
    let mut status = client.status();
    let is_here = matches!(status.now().session, SessionStatus::SignedIn { .. })
        && verdict(&status.now().session).is_some();
    if is_here {
        return None;
    }
    client.login_offline(user_id, Some(credential.clone())).await.ok()?;
    let settled = status.wait_for(|status| verdict(&status.session).is_some());
    let settled = tokio::time::timeout(LOGIN_TIMEOUT, settled).await;
    Some(match settled {
        Ok(Some(status)) => verdict(&status.session).unwrap_or(Ok(())),
        Ok(None) => Err(Code::NOT_INITIALIZED.into()),
        Err(_) => Err(Code::TIMEOUT.into()),
    })
}

/// What became of a session that came back; `None` while the server has said nothing.
fn verdict(session: &SessionStatus) -> Option<Result<(), Error>> {
    match session {
        SessionStatus::SigningIn { .. } => None,
        SessionStatus::SignedIn { trust, credential, .. } => match (credential, trust) {
            (CredentialStatus::Needed { why }, _) => Some(Err(why.clone())),
            (CredentialStatus::Valid | CredentialStatus::Expiring { .. }, Trust::Local) => None,
            (CredentialStatus::Valid | CredentialStatus::Expiring { .. }, Trust::Verified) => {
                Some(Ok(()))
            }
        },
        SessionStatus::SignedOut { why } => Some(Err(match why {
            Why::LoginFailed(error) | Why::Banned(error) => error.clone(),
            Why::Kicked(_) => Code::KICKED.into(),
            Why::AccountDeleted => Code::ACCOUNT_DELETED.into(),
            Why::VersionTooOld => Code::VERSION_TOO_OLD.into(),
            Why::Never | Why::Logout | Why::Switched => Code::SUPERSEDED.into(),
        })),
    }
}

fn call(callback: V2TimCallback, listener: &dyn V2TimSdkListener, listeners: &Mutex<Listeners>) {
    match callback {
        V2TimCallback::OnConnecting => listener.on_connecting(),
        V2TimCallback::OnConnectSuccess => listener.on_connect_success(),
        V2TimCallback::OnConnectFailed { code, desc } => listener.on_connect_failed(code, &desc),
        V2TimCallback::OnKickedOffline => listener.on_kicked_offline(),
        V2TimCallback::OnUserSigExpired => listener.on_user_sig_expired(),
        V2TimCallback::OnSyncServerStart => {
            conversation(listeners, |listener| listener.on_sync_server_start());
        }
        V2TimCallback::OnSyncServerFinish => {
            conversation(listeners, |listener| listener.on_sync_server_finish());
        }
        V2TimCallback::OnSyncServerFailed => {
            conversation(listeners, |listener| listener.on_sync_server_failed());
        }
        V2TimCallback::OnRecvNewMessage(message) => {
            // Outside of the lock: a listener may add another one.
            let messages = locked(listeners).messages.clone();
            for listener in messages {
                listener.on_recv_new_message(&message);
            }
        }
    }
}

fn conversation(listeners: &Mutex<Listeners>, call: impl FnOnce(&dyn V2TimConversationListener)) {
    let listener = locked(listeners).conversation.clone();
    if let Some(listener) = listener {
        call(&*listener);
    }
}

/// `V2TIM_USER_STATUS_…`
const fn presence(online: bool) -> i32 {
    if online { 1 } else { 2 }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As long as an explicit login waits.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(30);
