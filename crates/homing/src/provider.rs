//! Where another credential comes from when the present one does not serve (S-8.4).

use futures_util::future::{BoxFuture, FutureExt as _};
use homing_core::client::CredentialAnswer;
use homing_proto::frame::Credential;
use tokio::task::JoinHandle;

pub use homing_core::client::{AskReason, CredentialAsk};

/// The app's source of credentials, which the SDK asks by itself: when the present credential runs
/// out, has run out or was refused. It is told why.
///
/// One question is open at a time. It is withdrawn – its future is dropped – when nobody needs the
/// answer any more: by a logout, a switch to another account, a suspend, and when the client closes.
/// An answer that does not help is followed by another question later, after ever longer waits; one
/// that takes over 30 s, or panics, counts as [`Provided::NotNow`].
///
/// Async closures are providers:
///
/// ```
/// use homing::{Config, Credential, CredentialAsk, Provided};
///
/// async fn fetch(user: &str) -> Option<String> {
///     # let _ = user;
///     None // ask the app's own server
/// }
///
/// let config = Config::new(1, "ws://127.0.0.1:7700")?.credential_provider(
///     |ask: CredentialAsk| async move {
///         match fetch(ask.user.as_str()).await {
///             Some(token) => Provided::Credential(Credential::usersig(token)),
///             None => Provided::NotNow { retry_after: None },
///         }
///     },
/// );
/// # Ok::<(), homing::Error>(())
/// ```
pub trait CredentialProvider: Send + Sync + 'static {
    /// Gives a credential for this user, or says why there is none. A credential that was refused
    /// before, or the one that runs out, does not help.
    fn credential(&self, ask: CredentialAsk) -> BoxFuture<'static, Provided>;
}

impl<F, Answer> CredentialProvider for F
where
    F: Fn(CredentialAsk) -> Answer + Send + Sync + 'static,
    Answer: Future<Output = Provided> + Send + 'static,
{
    fn credential(&self, ask: CredentialAsk) -> BoxFuture<'static, Provided> {
        self(ask).boxed()
    }
}

/// What a provider says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Provided {
    /// This one.
    Credential(Credential),
    /// There is none at the moment: it is asked again later.
    NotNow {
        /// Not before this long, if it is known; waits grow by themselves otherwise.
        retry_after: Option<std::time::Duration>,
    },
    /// Only the user can help, by signing in to the app. It is not asked again before something new
    /// happens; [`Client::renew`](crate::Client::renew) goes on.
    NeedsUser,
    /// The user is signed out of the app: the session ends as by
    /// [`Client::logout`](crate::Client::logout), local data stays.
    SignedOut,
}

/// A question that the provider is busy with. Dropping it withdraws the question.
#[derive(Debug)]
pub(crate) struct Question(JoinHandle<Provided>);

impl Question {
    /// Asks, on a task of its own: what the provider does holds nothing up.
    pub(crate) fn ask(provider: &dyn CredentialProvider, ask: CredentialAsk) -> Self {
        // Also the call itself may take its time or panic.
        let asking = std::panic::AssertUnwindSafe(|| provider.credential(ask));
        Self(match std::panic::catch_unwind(asking) {
            Ok(answer) => tokio::spawn(answer),
            Err(_) => tokio::spawn(async { NO_ANSWER }),
        })
    }

    /// Waits for the answer.
    pub(crate) async fn answer(&mut self) -> CredentialAnswer {
        let provided = (&mut self.0).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the provider of credentials broke off");
            NO_ANSWER
        });
        match provided {
            Provided::Credential(credential) => {
                let expires = homing_token::peek_expiry(&credential.format, &credential.token);
                CredentialAnswer::Given(credential, expires)
            }
            Provided::NotNow { retry_after } => {
                let ms = retry_after.map(|wait| u64::try_from(wait.as_millis()));
                CredentialAnswer::NotNow { retry_after_ms: ms.map(|ms| ms.unwrap_or(u64::MAX)) }
            }
            Provided::NeedsUser => CredentialAnswer::NeedsUser,
            Provided::SignedOut => CredentialAnswer::SignedOut,
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.0.abort();
    }
}

const NO_ANSWER: Provided = Provided::NotNow { retry_after: None };
