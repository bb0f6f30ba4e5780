//! What `create` and `login` take.

use homing::Credential;

/// `ZIMAppConfig`. Never shows its AppSign.
#[derive(Clone, Debug)]
pub struct ZimAppConfig {
    pub(super) app_id: u32,
    pub(super) app_sign: Option<Credential>,
    pub(super) token_format: String,
}

/// `ZIMLoginConfig`. Never shows its token.
#[derive(Clone, Debug, Default)]
pub struct ZimLoginConfig {
    pub(super) user_name: Option<String>,
    pub(super) token: Option<Credential>,
    pub(super) is_offline_login: bool,
}

impl ZimAppConfig {
    /// `appID`
    pub fn new(app_id: u32) -> Self {
        Self { app_id, app_sign: None, token_format: TOKEN.to_owned() }
    }

    /// `appSign`: signs in without a token, where the app's settings allow it. Made for development: it
    /// lies in every copy of the app. When a login gives a token as well, this is tried first.
    #[must_use]
    pub fn app_sign(mut self, app_sign: &str) -> Self {
        self.app_sign = Some(credential(APP_SIGN, app_sign));
        self
    }

    /// The form of the tokens, when the app's server mints another than the original's: `usersig`,
    /// `jwt` and so on.
    #[must_use]
    pub fn token_format(mut self, format: &str) -> Self {
        format.clone_into(&mut self.token_format);
        self
    }
}

impl ZimLoginConfig {
    /// An online login without a name or a token.
    pub fn new() -> Self {
        Self::default()
    }

    /// `userName`, at most 256 bytes; without it the one set last stays.
    #[must_use]
    pub fn user_name(mut self, name: &str) -> Self {
        self.user_name = Some(name.to_owned());
        self
    }

    /// `token`
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(credential(TOKEN, token));
        self
    }

    /// `isOfflineLogin: true`: signs in from local data, with or without network. Only for the user who
    /// last signed in online on this device.
    #[must_use]
    pub const fn offline_login(mut self) -> Self {
        self.is_offline_login = true;
        self
    }
}

pub(super) fn credential(format: &str, secret: &str) -> Credential {
    // This constructor takes care of the secret.
    Credential { format: format.to_owned(), ..Credential::usersig(secret) }
}

/// Homing's name for the original's AppSign (S-8.1).
const APP_SIGN: &str = "app-sign";
/// Homing's name for the original's tokens (S-8.1).
const TOKEN: &str = "token04";
