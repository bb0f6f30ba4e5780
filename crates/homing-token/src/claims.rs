//! What a credential says, what it is asked to say, and what it is held against.

use homing_proto::id::{AppId, UserId};
use homing_proto::time::WallTime;
use homing_proto::{Code, Error, limits};

use crate::{Format, Key};

/// What a verified credential says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claims {
    /// The form it came in.
    pub format: Format,
    /// The app it is for; always the one that was expected.
    pub app: AppId,
    /// The user it is for; always the one that was expected.
    pub user: UserId,
    /// When it was made, for revocation: a credential issued before the user's revocation time is
    /// dead (S-7.8).
    pub issued_at: WallTime,
    /// The last moment at which it is valid.
    pub expires_at: WallTime,
    /// Bytes of the app's own that are covered by the signature; Homing gives them no meaning.
    pub userbuf: Option<Vec<u8>>,
}

/// What a new credential shall say.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    /// The app it is for.
    pub app: AppId,
    /// The user it is for.
    pub user: &'a UserId,
    /// The issue time; whole seconds are kept.
    pub issued_at: WallTime,
    /// Seconds from the issue time to the last moment at which it is valid.
    pub ttl_s: u64,
    /// Bytes of the app's own to be covered by the signature.
    pub userbuf: Option<&'a [u8]>,
}

/// What a credential is held against.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The app that the client said hello to.
    pub app: AppId,
    /// The user that wants to sign in.
    pub user: &'a UserId,
    /// The app's keys for the format; any of them may have signed. The time a check takes grows
    /// with their number.
    pub keys: &'a [Key],
    /// The time to judge by: the server's, never a device's (S-8.6).
    pub now: WallTime,
}

impl Expected<'_> {
    /// The checks that come after the signature, the same for every format.
    pub(crate) fn admits(&self, claims: Claims) -> Result<Claims, Error> {
        if claims.user != *self.user {
            return Err(Error::new(Code::CREDENTIAL_WRONG_USER));
        }
        if claims.issued_at.0 > self.now.0.saturating_add(limits::ISSUE_LEEWAY_S * 1000) {
            return Err(Error::new(Code::CREDENTIAL_NOT_YET_VALID));
        }
        if self.now > claims.expires_at {
            return Err(Error::new(Code::CREDENTIAL_EXPIRED));
        }
        Ok(claims)
    }
}
