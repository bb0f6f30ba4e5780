//! Credentials of the simulated app: readable text with a verdict that is easy to foretell.

use homing_core::server::registry::Verdict;
use homing_proto::frame::Credential;
use homing_proto::id::UserId;
use homing_proto::limits::ISSUE_LEEWAY_S;
use homing_proto::time::WallTime;
use homing_proto::{Code, Error};

use crate::secrets::TOKEN_MARK;

/// What is wrong with a credential.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flaw {
    None,
    Signature,
    Garbage,
}

/// Makes a credential; one that expires at 0 never does.
pub(super) fn mint(
    user: &UserId,
    issued: WallTime,
    expires: WallTime,
    nonce: u64,
    flaw: Flaw,
) -> Credential {
    let seal = if flaw == Flaw::Signature { "bad" } else { "good" };
    Credential::usersig(match flaw {
        Flaw::Garbage => format!("garbage {TOKEN_MARK}{nonce:016x}"),
        Flaw::None | Flaw::Signature => {
            format!("{user}/{}/{}/{TOKEN_MARK}{nonce:016x}/{seal}", issued.0, expires.0)
        }
    })
}

/// When a credential expires, as a device that can read the format knows it.
pub(super) fn expiry(credential: &Credential) -> Option<WallTime> {
    let expires = credential.token.expose().split('/').nth(2)?.parse().ok()?;
    (expires > 0).then_some(WallTime(expires))
}

/// The server's verdict on a credential (S-8.2).
pub(super) fn verify(
    credential: &Credential,
    user: &UserId,
    now: WallTime,
) -> Result<Verdict, Error> {
    let parts: Vec<&str> = credential.token.expose().split('/').collect();
    let [owner, issued, expires, _, seal] = parts[..] else {
        return Err(Code::CREDENTIAL_MALFORMED.into());
    };
    let number = |text: &str| text.parse().map_err(|_| Error::new(Code::CREDENTIAL_MALFORMED));
    let (issued, expires): (u64, u64) = (number(issued)?, number(expires)?);
    if seal != "good" {
        return Err(Code::CREDENTIAL_BAD_SIGNATURE.into());
    }
    if owner != user.as_str() {
        return Err(Code::CREDENTIAL_WRONG_USER.into());
    }
    if issued > now.0 + ISSUE_LEEWAY_S * 1000 {
        return Err(Code::CREDENTIAL_NOT_YET_VALID.into());
    }
    if expires > 0 && expires <= now.0 {
        return Err(Code::CREDENTIAL_EXPIRED.into());
    }
    Ok(Verdict {
        issued: WallTime(issued / 1000 * 1000),
        expires: (expires > 0).then_some(WallTime(expires)),
    })
}
