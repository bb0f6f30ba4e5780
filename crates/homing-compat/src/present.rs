//! Whether a login has to wait for a logout: the same question in two of the facades.

use homing::status::{CredentialStatus, SessionStatus};

/// Somebody is signed in or being signed in, and needs no other token.
pub(crate) const fn is_signed_in(session: &SessionStatus) -> bool {
    match session {
        SessionStatus::SignedOut { .. } => false,
        SessionStatus::SigningIn { .. } => true,
        SessionStatus::SignedIn { credential, .. } => match credential {
            CredentialStatus::Needed { .. } => false,
            CredentialStatus::Valid | CredentialStatus::Expiring { .. } => true,
        },
    }
}
