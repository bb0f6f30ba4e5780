//! [`Zim`]: creation, login, logout, tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use homing::status::{SessionStatus, Why};
use homing::{Client, Code, Credential, Error, Fact, LocalData};

use super::adapter::ZimAdapter;
use super::code::{ALREADY_LOGGED_IN, TOKEN_INVALID, ZimError};
use super::event::ZimEventHandler;
use super::login::{ZimAppConfig, ZimLoginConfig, credential};
use crate::deployment::Deployment;
use crate::present::is_signed_in;
use crate::telling::Telling;

/// `ZIM`. Clones are the same one; unlike in the original there may be several, each with another
/// account.
#[derive(Clone)]
pub struct Zim {
    client: Client,
    telling: Telling,
    app: Arc<ZimAppConfig>,
    destroyed: Arc<AtomicBool>,
    /// An AppSign was refused and the token is tried next: the refusal is not told.
    second_try: Arc<AtomicBool>,
}

impl Zim {
    /// `create`: opens local data and begins to call the handler. Nothing is connected before a login.
    ///
    /// # Errors
    /// 6000001 for an app id of 0 or settings that do not hold together, 6000701 and 6000702 for
    /// local data.
    pub async fn create(
        deployment: Deployment,
        app: ZimAppConfig,
        handler: Arc<dyn ZimEventHandler>,
    ) -> Result<Self, ZimError> {
        let client = Client::open(deployment.config(app.app_id)?).await?;
        let mut adapter = ZimAdapter::new();
        let second_try = Arc::new(AtomicBool::new(false));
        let hidden = Arc::clone(&second_try);
        let telling = Telling::start(&client, move |fact| {
            if hidden.load(Ordering::Acquire) && is_refusal(fact) {
                return;
            }
            for callback in adapter.told(fact) {
                callback.call(&*handler);
            }
        });
        let destroyed = Arc::new(AtomicBool::new(false));
        Ok(Self { client, telling, app: Arc::new(app), destroyed, second_try })
    }

    /// `destroy`: finishes what was begun and frees everything; every later call gives 6000002. Nobody
    /// is signed out.
    pub async fn destroy(&self) {
        self.destroyed.store(true, Ordering::Release);
        self.client.close().await;
    }

    /// `login`. Online, it is the user's own act and displaces other devices as the app's policy says.
    /// Offline, it answers at once from local data, and connects when there is a network.
    ///
    /// With an AppSign and a token the AppSign is tried first.
    ///
    /// # Errors
    /// 6000111 while an account is signed in or being signed in: log out first; 6000124 for an offline
    /// login of another user than the last one, or after a logout or a kick; 6000106 and 6000103 for
    /// the token; 6000104 and 6000105 for the network; 6000002 after `destroy`.
    pub async fn login(&self, user_id: &str, config: ZimLoginConfig) -> Result<(), ZimError> {
        if self.destroyed.load(Ordering::Acquire) {
            return Err(Error::new(Code::NOT_INITIALIZED).into());
        }
        if is_signed_in(&self.client.status().now().session) {
            return Err(ZimError::of(ALREADY_LOGGED_IN, "log out first"));
        }
        let token = config.token.as_ref().map(|token| self.token(token));
        let result = if config.is_offline_login {
            let credential = token.or_else(|| self.app.app_sign.clone());
            self.client.login_offline(user_id, credential).await.map(|_| ())
        } else {
            self.login_online(user_id, &config, token).await?
        };
        self.telling.caught_up(&self.client).await;
        Ok(result?)
    }

    /// `logout`. Works without a network; local data stays.
    ///
    /// # Errors
    /// 6000002 after `destroy`.
    pub async fn logout(&self) -> Result<(), ZimError> {
        self.log_out(LocalData::Keep).await
    }

    /// `logout` with `isClearDB`: local data is deleted as well.
    ///
    /// # Errors
    /// 6000002 after `destroy`.
    pub async fn logout_and_clear_db(&self) -> Result<(), ZimError> {
        self.log_out(LocalData::Wipe).await
    }

    /// `renewToken`. The connection stays.
    ///
    /// # Errors
    /// 6000121 when nobody is signed in, 6000103 and 6000106 for the token.
    pub async fn renew_token(&self, token: &str) -> Result<(), ZimError> {
        let result = self.client.renew(credential(&self.app.token_format, token)).await;
        self.telling.caught_up(&self.client).await;
        Ok(result?)
    }

    /// The SDK's client: for what this facade does not have.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    async fn login_online(
        &self,
        user_id: &str,
        config: &ZimLoginConfig,
        token: Option<Credential>,
    ) -> Result<Result<(), Error>, ZimError> {
        let (first, second) = match (self.app.app_sign.clone(), token) {
            (Some(app_sign), token) => (app_sign, token),
            (None, Some(token)) => (token, None),
            (None, None) => {
                return Err(ZimError::of(TOKEN_INVALID, "neither an AppSign nor a token is given"));
            }
        };
        self.second_try.store(second.is_some(), Ordering::Release);
        let Some(second) = second else { return Ok(self.try_login(user_id, config, first).await) };
        let result = self.try_login(user_id, config, first).await;
        self.telling.caught_up(&self.client).await;
        self.second_try.store(false, Ordering::Release);
        match result {
            Err(error) if error.code.is_credential() => {
                Ok(self.try_login(user_id, config, second).await)
            }
            result => Ok(result),
        }
    }

    async fn try_login(
        &self,
        user_id: &str,
        config: &ZimLoginConfig,
        credential: Credential,
    ) -> Result<(), Error> {
        let mut login = self.client.login(user_id, credential);
        if let Some(name) = &config.user_name {
            login = login.user_name(name);
        }
        login.await.map(|_| ())
    }

    async fn log_out(&self, data: LocalData) -> Result<(), ZimError> {
        let result = self.client.logout(data).await;
        self.telling.caught_up(&self.client).await;
        Ok(result?)
    }

    /// A token in the form that the app's server mints.
    fn token(&self, token: &Credential) -> Credential {
        Credential { format: self.app.token_format.clone(), ..token.clone() }
    }
}

impl std::fmt::Debug for Zim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Zim").field("client", &self.client).finish_non_exhaustive()
    }
}

/// A login was refused for its credential.
fn is_refusal(fact: &Fact) -> bool {
    match fact {
        Fact::Status(status) => match &status.session {
            SessionStatus::SignedOut { why: Why::LoginFailed(error) } => error.code.is_credential(),
            SessionStatus::SignedOut { .. }
            | SessionStatus::SigningIn { .. }
            | SessionStatus::SignedIn { .. } => false,
        },
        Fact::Event(_) => false,
    }
}
