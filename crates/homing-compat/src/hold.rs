//! Callbacks about a link that the SDK's journal has a moment before the status that shows the link.
//!
//! What Welcome brings is made durable before the link is called connected, so that data sync begins,
//! in the journal, before `Connected`. The originals tell it the other way round: logged in, then
//! sync.

use std::collections::BTreeSet;

use homing::{ClientMsgId, Message, SendState};

/// Holds such callbacks back until the link was told.
#[derive(Debug)]
pub(crate) struct Hold<T> {
    is_open: bool,
    held: Vec<T>,
}

impl<T> Default for Hold<T> {
    fn default() -> Self {
        Self { is_open: false, held: Vec::new() }
    }
}

impl<T> Hold<T> {
    /// A callback about the link: due now, or when the link was told.
    pub(crate) fn put(&mut self, callback: T) -> Option<T> {
        if self.is_open {
            return Some(callback);
        }
        self.held.push(callback);
        None
    }

    /// Data sync failed; due if its start was told. Else neither is.
    pub(crate) fn sync_failed(&mut self, callback: T) -> Option<T> {
        if self.is_open {
            return Some(callback);
        }
        self.held.clear();
        None
    }

    /// The link was told, or is not there: what was held and is now due.
    pub(crate) fn link(&mut self, is_connected: bool) -> Vec<T> {
        self.is_open = is_connected;
        if is_connected { std::mem::take(&mut self.held) } else { Vec::new() }
    }
}

/// Messages that this device sent: the SDK tells of them too, the originals do not.
#[derive(Debug, Default)]
pub(crate) struct OwnSends(BTreeSet<ClientMsgId>);

impl OwnSends {
    pub(crate) fn send_state(&mut self, id: ClientMsgId, state: SendState) {
        match state {
            SendState::Queued => {
                self.0.insert(id);
            }
            // Its message follows.
            SendState::Accepted { .. } => {}
            SendState::Refused(_) => {
                self.0.remove(&id);
            }
        }
    }

    /// The message is one of them, whose way ends here.
    pub(crate) fn took(&mut self, message: &Message) -> bool {
        self.0.remove(&message.client_id)
    }
}
