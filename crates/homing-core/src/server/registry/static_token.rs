//! The static token of a user (S-8.1): a text of the user's own, of which a hash is kept here.

use homing_proto::code::{Code, Error};
use homing_proto::secret::Token;
use homing_proto::time::WallTime;
use sha2::{Digest, Sha256};

use super::{SecretHash, UserSessions, Verdict};

/// A user's static token. Only the one set last is good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StaticToken {
    /// Of its text.
    pub hash: SecretHash,
    /// When it was set: its issue time, for revocation.
    pub set: WallTime,
}

impl SecretHash {
    /// The hash of a static token.
    pub fn of_token(token: &Token) -> Self {
        Self(Sha256::digest(token.expose()).into())
    }
}

impl UserSessions {
    /// Gives the user another static token. Sessions live on; the token before it opens no more.
    pub fn set_static_token(&mut self, hash: SecretHash, now: WallTime) {
        self.static_token = Some(StaticToken { hash, set: now });
    }

    /// Judges a static token that was shown. It never expires.
    ///
    /// # Errors
    /// `credential_bad_signature`, also when the user has none: that is nobody's business.
    pub fn judge_static_token(&self, shown: SecretHash) -> Result<Verdict, Error> {
        match self.static_token {
            Some(StaticToken { hash, set }) if hash == shown => {
                Ok(Verdict { issued: set, expires: None })
            }
            _ => Err(Code::CREDENTIAL_BAD_SIGNATURE.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_static_token_set_last_is_good() {
        let [one, other] = ["one", "other"].map(|text| SecretHash::of_token(&Token::new(text)));
        let mut user = UserSessions::default();
        assert!(user.judge_static_token(one).is_err());
        user.set_static_token(one, WallTime(5));
        let verdict = Verdict { issued: WallTime(5), expires: None };
        assert_eq!(user.judge_static_token(one), Ok(verdict));
        user.set_static_token(other, WallTime(6));
        assert_eq!(user.judge_static_token(one).unwrap_err().code, Code::CREDENTIAL_BAD_SIGNATURE);
        assert!(user.judge_static_token(other).is_ok());
    }
}
