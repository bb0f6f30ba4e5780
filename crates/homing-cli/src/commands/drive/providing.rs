//! The provider of credentials whose answers come as lines (S-8.4): the event `credential_wanted`
//! out, the operation `provide` in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use homing::{CredentialAsk, CredentialProvider, Error, Provided};
use serde::Deserialize;
use tokio::sync::oneshot;

use super::operation::CredentialFields;
use super::output::Output;
use super::request::wrong;
use super::shape;

/// Which question waits for a line. Clones are the same provider.
#[derive(Clone, Default)]
pub(super) struct Providing(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    last: u64,
    open: Option<(u64, oneshot::Sender<Provided>)>,
}

/// The arguments of `provide`.
#[derive(Deserialize)]
pub(super) struct Answer {
    ask: Option<u64>,
    token: Option<String>,
    format: Option<String>,
    not_now: Option<bool>,
    retry_after_ms: Option<u64>,
    needs_user: Option<bool>,
    signed_out: Option<bool>,
}

impl Providing {
    /// The provider itself: tells each question on stdout.
    pub(super) fn provider(&self, output: Output) -> impl CredentialProvider {
        let this = self.clone();
        move |ask: CredentialAsk| {
            let (number, answer) = this.open();
            let (line, output) = (shape::credential_wanted(number, &ask), output.clone());
            async move {
                output.put(line).await;
                // A later question took its place, or the program ends.
                answer.await.unwrap_or(Provided::NotNow { retry_after: None })
            }
        }
    }

    /// Answers the open question.
    ///
    /// # Errors
    /// `invalid_argument` when nothing is asked, or another question is.
    pub(super) fn answer(&self, answer: Answer) -> Result<(), Error> {
        let ask = answer.ask;
        let provided = answer.read()?;
        let mut state = self.state();
        let open = state.open.take_if(|(number, _)| ask.is_none_or(|ask| ask == *number));
        // The client may have withdrawn it.
        match open.map(|(_, answer)| answer.send(provided)) {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err(wrong("no such question is open")),
        }
    }

    fn open(&self) -> (u64, oneshot::Receiver<Provided>) {
        let (sender, answer) = oneshot::channel();
        let mut state = self.state();
        state.last += 1;
        state.open = Some((state.last, sender));
        (state.last, answer)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answer {
    fn read(self) -> Result<Provided, Error> {
        let Self { token, format, not_now, retry_after_ms, needs_user, signed_out, .. } = self;
        let is = |flag: Option<bool>| flag == Some(true);
        match (token, is(not_now), is(needs_user), is(signed_out)) {
            (Some(token), false, false, false) => {
                Ok(Provided::Credential(CredentialFields { token, format }.read()))
            }
            (None, true, false, false) => {
                Ok(Provided::NotNow { retry_after: retry_after_ms.map(Duration::from_millis) })
            }
            (None, false, true, false) => Ok(Provided::NeedsUser),
            (None, false, false, true) => Ok(Provided::SignedOut),
            _ => Err(wrong("one of `token`, `not_now`, `needs_user` and `signed_out`")),
        }
    }
}
