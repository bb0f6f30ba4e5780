//! Questions on the present link that the server has not answered (W-4).

use std::collections::BTreeMap;

use homing_proto::frame::Credential;
use homing_proto::id::{ClientMsgId, ConversationId};
use homing_proto::time::Time;

use super::io::{CommandId, Reply};

/// See the module. A new link begins with none.
#[derive(Debug, Default)]
pub(super) struct Requests {
    last: u32,
    open: BTreeMap<u32, (Time, Asked)>,
}

/// What was asked, and who waits for the answer.
#[derive(Debug)]
pub(super) enum Asked {
    /// To take a message.
    Send(ConversationId, ClientMsgId),
    /// For a page of the log.
    Page,
    /// For a call of the app whose answer is handed on as it is.
    Call(CommandId),
    /// For older messages, which are stored before the call completes.
    History(CommandId),
    /// To change the credential; then the call completes with this reply.
    Renew(CommandId, Credential, Reply),
}

impl Requests {
    /// Notes a question; gives the id to send it with.
    pub(super) fn ask(&mut self, now: Time, asked: Asked) -> u32 {
        self.last = self.last.wrapping_add(1);
        self.open.insert(self.last, (now, asked));
        self.last
    }

    /// The question that an answer belongs to, which is open no longer.
    pub(super) fn answered(&mut self, id: u32) -> Option<Asked> {
        self.open.remove(&id).map(|(_, asked)| asked)
    }

    /// When the oldest open question was asked.
    pub(super) fn oldest(&self) -> Option<Time> {
        self.open.values().map(|(at, _)| *at).min()
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// The link is gone: what was open on it.
    pub(super) fn lost(&mut self) -> Vec<Asked> {
        std::mem::take(&mut self.open).into_values().map(|(_, asked)| asked).collect()
    }
}
