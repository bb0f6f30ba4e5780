//! What the chat signs in with: a token that was given, a command that prints one, or what the store
//! still holds.

use std::sync::Arc;

use homing::{Client, Code, Credential, Error};
use homing_proto::secret::Token;
use homing_token::Format;

use super::token_command::{Reason, TokenCommand};

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Credentials {
    format: Format,
    given: Option<Credential>,
    command: Option<Arc<TokenCommand>>,
}

impl Credentials {
    pub(super) fn new(
        format: Format,
        token: Option<String>,
        command: Option<Arc<TokenCommand>>,
    ) -> Self {
        let mut credentials = Self { format, given: None, command };
        if let Some(token) = token {
            credentials.give(token);
        }
        credentials
    }

    /// There is nothing to sign in with.
    pub(super) const fn are_missing(&self) -> bool {
        self.given.is_none() && self.command.is_none()
    }

    /// From now on this one.
    pub(super) fn give(&mut self, token: String) -> Credential {
        let credential =
            Credential { format: self.format.name().to_owned(), token: Token::new(token) };
        self.given = Some(credential.clone());
        credential
    }

    /// Goes on where this device stopped, which displaces nobody; signs in anew where it cannot.
    pub(super) async fn begin(&self, client: &Client, user: &str) -> Result<(), Error> {
        let Err(error) = client.login_offline(user, self.given.clone()).await else {
            return Ok(());
        };
        match &self.command {
            // The device could go on, with another one.
            Some(command) if error.code.is_credential() => {
                let fresh = command.credential(Reason::Expired).await?;
                if client.login_offline(user, Some(fresh.clone())).await.is_ok() {
                    return Ok(());
                }
                client.login(user, fresh).await.map(drop)
            }
            _ if self.are_missing() => Err(error),
            _ => self.login(client, user).await,
        }
    }

    /// The person's own act.
    pub(super) async fn login(&self, client: &Client, user: &str) -> Result<(), Error> {
        let mut refused = None;
        if let Some(credential) = &self.given {
            match client.login(user, credential.clone()).await {
                Err(error) if error.code.is_credential() => refused = Some(error),
                other => return other.map(drop),
            }
        }
        let reason = if refused.is_some() { Reason::Refused } else { Reason::SignIn };
        let Some(command) = &self.command else {
            return Err(refused.unwrap_or_else(|| Code::CREDENTIAL_REQUIRED.into()));
        };
        client.login(user, command.credential(reason).await?).await.map(drop)
    }
}
