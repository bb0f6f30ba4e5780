//! [`AuthService`]: login, logout, the login status, the account's other devices.

use homing::{Credential, Force, LocalData};

use super::code::{ALREADY_LOGGED_IN, NimError};
use super::core::NimCore;
use super::device::NimOnlineClient;
use super::event::{NimAuthEvent, NimEvents};
use crate::present::is_signed_in;

/// `AuthService`
#[derive(Clone, Debug)]
pub struct AuthService(NimCore);

/// `NIMAuthType`, with its numbers: what kind of token it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum NimAuthType {
    /// `authTypeDefault`: the account's own token, compared by the server.
    #[default]
    Default = 0,
    /// `authTypeDynamic`: computed by the app's server.
    Dynamic = 1,
    /// `authTypeThirdParty`: the app's server decides.
    ThirdParty = 2,
}

impl NimAuthType {
    /// Every type.
    pub const ALL: [Self; 3] = [Self::Default, Self::Dynamic, Self::ThirdParty];

    /// The original's number.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// Homing's name for the form of credential (S-8.1).
    pub const fn credential_format(self) -> &'static str {
        match self {
            Self::Default => "nim-static",
            Self::Dynamic => "nim-dynamic",
            Self::ThirdParty => "third-party",
        }
    }
}

/// `NIMLoginInfo`. Never shows its token.
#[derive(Clone, Debug)]
pub struct NimLoginInfo {
    account: String,
    credential: Credential,
    auth_type: NimAuthType,
    login_ext: Option<String>,
    custom_client_type: Option<u32>,
    force: Force,
}

impl NimLoginInfo {
    /// `account`, which is lower-cased, and `token`.
    pub fn new(account: &str, token: &str) -> Self {
        Self {
            account: account.to_ascii_lowercase(),
            // The format is chosen at the login; this constructor takes care of the secret.
            credential: Credential::usersig(token),
            auth_type: NimAuthType::default(),
            login_ext: None,
            custom_client_type: None,
            force: Force::Displace,
        }
    }

    /// `authType`
    #[must_use]
    pub const fn auth_type(mut self, auth_type: NimAuthType) -> Self {
        self.auth_type = auth_type;
        self
    }

    /// `loginExt`: handed to third-party authentication, at most 4 KiB.
    #[must_use]
    pub fn login_ext(mut self, text: &str) -> Self {
        self.login_ext = Some(text.to_owned());
        self
    }

    /// `customClientType`: the app's own client type, for policies, until the next login; instead of the
    /// one that the SDK was initialised with.
    #[must_use]
    pub const fn custom_client_type(mut self, number: u32) -> Self {
        self.custom_client_type = Some(number);
        self
    }

    /// `forceMode: false` of the later API: when other devices hold all places the login fails with 417
    /// instead of displacing one.
    #[must_use]
    pub const fn without_force(mut self) -> Self {
        self.force = Force::Refuse;
        self
    }

    pub(super) fn account(&self) -> &str {
        &self.account
    }

    pub(super) fn credential(&self, format: Option<&str>) -> Credential {
        let format = format.unwrap_or_else(|| self.auth_type.credential_format());
        Credential { format: format.to_owned(), ..self.credential.clone() }
    }
}

impl AuthService {
    pub(super) const fn new(core: NimCore) -> Self {
        Self(core)
    }

    /// `authStatus`: login status, kicks and data sync, from here on. Listen before the login.
    pub fn auth_status(&self) -> NimEvents<NimAuthEvent> {
        NimEvents::new(self.0.streams().auth.subscribe())
    }

    /// `onlineClients`: the account's other devices that are online, whenever they change.
    pub fn online_clients(&self) -> NimEvents<Vec<NimOnlineClient>> {
        NimEvents::new(self.0.streams().clients.subscribe())
    }

    /// `login`: the user's own act, the only login that displaces other devices. Accounts must exist,
    /// unless the app's setting registers them.
    ///
    /// # Errors
    /// 20000 before `initialize`; 20002 while somebody is signed in: log out first; 302 for account or
    /// token, 403 for a kind of token that is switched off, 404 for an unknown account, 408 and 415
    /// for the network, 416 for too many logins, 417 without force when other devices hold the places,
    /// 422 for a disabled account, 1000 when local data cannot be opened.
    pub async fn login(&self, info: NimLoginInfo) -> Result<(), NimError> {
        let open = self.0.opened()?;
        if is_signed_in(&open.client.status().now().session) {
            return Err(NimError::of(ALREADY_LOGGED_IN, "somebody is signed in; log out first"));
        }
        let credential = info.credential(open.credential_format.as_deref());
        let mut login = open.client.login(&info.account, credential).force(info.force);
        if let Some(text) = info.login_ext {
            login = login.extension(text);
        }
        if let Some(number) = info.custom_client_type {
            login = login.custom_type(number);
        }
        let result = login.await;
        open.telling.caught_up(&open.client).await;
        result?;
        Ok(())
    }

    /// `logout`. Works without a network.
    ///
    /// # Errors
    /// 20000 before `initialize`.
    pub async fn logout(&self) -> Result<(), NimError> {
        let open = self.0.opened()?;
        let result = open.client.logout(LocalData::Keep).await;
        open.telling.caught_up(&open.client).await;
        Ok(result?)
    }

    /// `kickOutOtherOnlineClient`: ends the session of a device that
    /// [`online_clients`](Self::online_clients) gave.
    ///
    /// # Errors
    /// 20000, 20001, 415 without a link, 404 when the session is gone.
    pub async fn kick_out_other_online_client(
        &self,
        client: &NimOnlineClient,
    ) -> Result<(), NimError> {
        Ok(self.0.client()?.kick_device(client.session).await?)
    }
}
