//! Sends that are answered when the server has the message (`"wait":"accepted"`).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use homing::{ClientMsgId, Code, Error, Event, SendState};
use tokio::sync::oneshot;

/// Who waits for which message.
#[derive(Default)]
pub(super) struct Waiting(Mutex<State>);

#[derive(Default)]
struct State {
    sends: BTreeMap<ClientMsgId, Vec<oneshot::Sender<Result<u64, Error>>>>,
    closed: bool,
}

impl Waiting {
    /// Waits for the end of this message's way: its seq, or why there is none. Asked before the
    /// message is sent.
    pub(super) fn register(&self, id: ClientMsgId) -> oneshot::Receiver<Result<u64, Error>> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.state();
        if state.closed {
            let _ = sender.send(Err(Code::NOT_INITIALIZED.into()));
        } else {
            state.sends.entry(id).or_default().push(sender);
        }
        receiver
    }

    /// Nobody waits for this message: it was not sent.
    pub(super) fn forget(&self, id: ClientMsgId) {
        self.state().sends.remove(&id);
    }

    pub(super) fn heard(&self, event: &Event) {
        let Event::SendState { client_id, state, .. } = event else { return };
        let result = match state {
            SendState::Queued => return,
            SendState::Accepted { seq } => Ok(*seq),
            SendState::Refused(code) => Err(Error::new(*code)),
        };
        for sender in self.state().sends.remove(client_id).unwrap_or_default() {
            let _ = sender.send(result.clone());
        }
    }

    /// Events were missed; what became of the messages is in the history.
    pub(super) fn lagged(&self) {
        let text = "events were missed; the history says what became of the message";
        let error = Error::new(Code::TIMEOUT).with_text(text);
        self.end(&error);
    }

    /// Nothing more will be heard.
    pub(super) fn closed(&self) {
        self.state().closed = true;
        self.end(&Code::NOT_INITIALIZED.into());
    }

    fn end(&self, error: &Error) {
        let sends = std::mem::take(&mut self.state().sends);
        for sender in sends.into_values().flatten() {
            let _ = sender.send(Err(error.clone()));
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
