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
    /// dead (S-7.8). `None` for `nim-static` and `app-sign`, which do not say: then the time at which
    /// the server was given the token or the key counts.
    pub issued_at: Option<WallTime>,
    /// Until when it is valid; `None` for the two that do not expire. At that very moment `usersig`
    /// and `token04` are still good and `jwt` and `nim-dynamic` are not, as their makers define it.
    pub expires_at: Option<WallTime>,
    /// Bytes of the app's own that are covered by the signature: the user buffer of `usersig`, the
    /// payload of `token04` unless it is empty. Homing gives them no meaning.
    pub userbuf: Option<Vec<u8>>,
}

/// What a new credential shall say.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    /// The app it is for.
    pub app: AppId,
    /// The user it is for.
    pub user: &'a UserId,
    /// The issue time; whole seconds are kept (whole milliseconds by `nim-dynamic`).
    pub issued_at: WallTime,
    /// Seconds from the issue time to its end.
    pub ttl_s: u64,
    /// Bytes of the app's own to be covered by the signature; `usersig` takes any, `token04` takes
    /// UTF-8, the others none.
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
    /// What the app has decided besides.
    pub rules: Rules,
}

/// What an app decides about credentials besides its keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Whether `token04` may come in its older form.
    pub cbc: Cbc,
    /// The longest time to live that a `nim-dynamic` credential may have, in seconds.
    ///
    /// Its formula puts user, time and time to live side by side with nothing between them. The cap
    /// is what keeps the digits of one from being read as another's: with a cap of days, somebody
    /// who may choose a user id such as `alice1795000000000` has a token that is good for `alice`.
    pub nim_ttl_max_s: u64,
}

/// Whether `token04` may come encrypted with AES-CBC.
///
/// AES-CBC hides what a token says and does not protect it: there is no integrity check. Whoever sees
/// one token can turn chosen bits of its first block, and of any block at the price of garbling the
/// one before, and a server that answers differently to damage of different kinds can be asked until
/// it has decrypted or forged a token. Accept it only for as long as an app server still makes it, and
/// have that server make the AES-GCM form.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Cbc {
    /// It is refused with `credential_type_disabled`.
    #[default]
    Refused,
    /// It is taken, weak as it is.
    Accepted,
}

impl From<bool> for Cbc {
    /// The setting `allow_cbc`.
    fn from(allow_cbc: bool) -> Self {
        if allow_cbc { Self::Accepted } else { Self::Refused }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self { cbc: Cbc::Refused, nim_ttl_max_s: limits::NIM_TTL_S }
    }
}

impl Expected<'_> {
    /// The checks that come after the signature, the same for every format.
    pub(crate) fn admits(&self, claims: Claims) -> Result<Claims, Error> {
        if claims.user != *self.user {
            return Err(Error::new(Code::CREDENTIAL_WRONG_USER));
        }
        if claims.issued_at.is_some_and(|issued_at| self.is_ahead(issued_at)) {
            return Err(Error::new(Code::CREDENTIAL_NOT_YET_VALID));
        }
        if claims.expires_at.is_some_and(|end| self.is_over(end, claims.format)) {
            return Err(Error::new(Code::CREDENTIAL_EXPIRED));
        }
        Ok(claims)
    }

    /// Whether a time lies further in the future than clocks of servers disagree (S-8.2).
    pub(crate) fn is_ahead(&self, time: WallTime) -> bool {
        time.0 > self.now.0.saturating_add(limits::ISSUE_LEEWAY_S * 1000)
    }

    /// See [`Claims::expires_at`].
    fn is_over(&self, end: WallTime, format: Format) -> bool {
        match format {
            Format::Jwt | Format::NimDynamic => self.now >= end,
            Format::Usersig
            | Format::Token04
            | Format::Token04Cbc
            | Format::NimStatic
            | Format::ThirdParty
            | Format::AppSign => self.now > end,
        }
    }
}
