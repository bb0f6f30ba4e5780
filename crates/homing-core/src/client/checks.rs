//! What is checked before anybody signs in, on the device alone (S-3.5, S-4.2, S-8.5).

use homing_proto::frame::Credential;
use homing_proto::id::UserId;
use homing_proto::limits::{
    DEVICE_TEXT_BYTES, LOGIN_EXTENSION_BYTES, LOGIN_WINDOW_MS, LOGINS_PER_WINDOW, TOKEN_BYTES,
    USER_NAME_BYTES,
};
use homing_proto::time::{Time, WallTime};
use homing_proto::{Code, Error};

use super::account::LastLogin;
use super::{Client, LoginOptions};

impl Client {
    /// The credential was not refused before, and there were not too many logins (S-3.5, S-8.5).
    pub(super) fn may_log_in(&mut self, now: Time, credential: &Credential) -> Result<(), Error> {
        if let Some(code) = self.account.refusal(credential) {
            return Err(refused_before(code));
        }
        self.logins.retain(|at| now < *at + LOGIN_WINDOW_MS);
        let free = match self.logins.front() {
            Some(first) if self.logins.len() >= LOGINS_PER_WINDOW => *first + LOGIN_WINDOW_MS,
            _ => now,
        };
        // An attempt further off than this could not be answered within a login's patience.
        let allowed = self.pacing.allowed(now);
        let at = if allowed.since(now) > LOGIN_WINDOW_MS { free.max(allowed) } else { free };
        if at > now {
            let wait = u32::try_from(at.since(now)).unwrap_or(u32::MAX);
            return Err(Error::new(Code::TOO_FREQUENT).retry_after(wait));
        }
        Ok(())
    }

    /// S-4.2, with the credential that is stored.
    pub(super) fn passes_offline_checks(&self, user: &UserId, wall: WallTime) -> Result<(), Error> {
        let last = self.checks_last(user, wall)?;
        if last.credential.is_none() && last.session.is_none() {
            return Err(Code::NEEDS_EXPLICIT_LOGIN.into());
        }
        if last.is_expired(wall) {
            return Err(Code::CREDENTIAL_EXPIRED.into());
        }
        Ok(())
    }

    /// S-4.2, with a credential that the app brings.
    pub(super) fn passes_offline_checks_with(
        &self,
        user: &UserId,
        credential: &Credential,
        expires: Option<WallTime>,
        wall: WallTime,
    ) -> Result<(), Error> {
        let last = self.checks_last(user, wall)?;
        if let Some(code) = self.account.refusal(credential) {
            return Err(refused_before(code));
        }
        let same = last.credential.as_ref() == Some(credential);
        let expires = if same { last.credential_expires.or(expires) } else { expires };
        if expires.is_some_and(|at| at.0 <= last.server_now(wall).0) {
            return Err(Code::CREDENTIAL_EXPIRED.into());
        }
        Ok(())
    }

    fn checks_last(&self, user: &UserId, wall: WallTime) -> Result<&LastLogin, Error> {
        let last = self
            .account
            .last
            .as_ref()
            .filter(|last| last.user == *user)
            .ok_or_else(|| Error::new(Code::OFFLINE_NOT_LAST_USER))?;
        if last.ended.is_some() {
            return Err(Code::NEEDS_EXPLICIT_LOGIN.into());
        }
        let age_ms = wall.0.saturating_sub(last.verified_at.0);
        if self.config.max_offline_age_ms.is_some_and(|limit| age_ms > limit) {
            return Err(Error::new(Code::NEEDS_EXPLICIT_LOGIN)
                .with_text("the last online login was too long ago; sign in again"));
        }
        Ok(last)
    }
}

/// The arguments of a login are within their bounds.
pub(super) fn check_login(credential: &Credential, options: &LoginOptions) -> Result<(), Error> {
    if credential.token.expose().len() > TOKEN_BYTES {
        return Err(Error::new(Code::CREDENTIAL_MALFORMED).with_text("the token is too long"));
    }
    if options.user_name.len() > USER_NAME_BYTES {
        return Err(Error::new(Code::INVALID_ARGUMENT).with_text("user name: more than 256 bytes"));
    }
    if options.tag.as_ref().is_some_and(|tag| tag.len() > DEVICE_TEXT_BYTES) {
        return Err(Error::new(Code::INVALID_ARGUMENT).with_text("tag: more than 32 bytes"));
    }
    if options.extension.len() > LOGIN_EXTENSION_BYTES {
        return Err(Error::new(Code::INVALID_ARGUMENT).with_text("extension: more than 4 KiB"));
    }
    Ok(())
}

/// The answer to a credential that the server refused before (S-8.5).
pub(super) fn refused_before(code: Code) -> Error {
    Error::new(code).with_text(REFUSED_BEFORE)
}

/// The text of an answer that this device gives by itself, from memory, to a credential that the
/// server refused before (S-8.5). It tells that answer from the server's own.
pub const REFUSED_BEFORE: &str = "the server refused this credential before; get another one";
