//! Questions on the present link that the server has not answered (W-4).

use std::collections::BTreeMap;

use homing_proto::frame::Credential;
use homing_proto::id::{ClientMsgId, ConversationId};
use homing_proto::time::{Time, WallTime};

use super::io::{CommandId, Reply};

/// See the module. A new link begins with none.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests {
    last: u32,
    open: BTreeMap<u32, (Time, Asked)>,
}

/// What was asked, and who waits for the answer.
#[derive(Clone, Debug)]
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
    Renew {
        /// Who waits.
        call: CommandId,
        /// What was shown.
        credential: Credential,
        /// What the call completes with.
        reply: Reply,
        /// The call is told `timeout` here; the answer counts all the same.
        deadline: Time,
    },
    /// To change the credential, by a call that no longer waits.
    Nobody(Credential),
    /// To change the credential, by nobody's call: to what the provider gave, or to what came while
    /// Hello was on its way. With its expiry if it is known.
    Provided(Credential, Option<WallTime>),
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

    /// The message has its place; an answer to its sending says nothing new.
    pub(super) fn forget_send(&mut self, id: ClientMsgId) {
        self.open.retain(|_, (_, asked)| !matches!(asked, Asked::Send(_, sent) if *sent == id));
    }

    /// When the oldest open question was asked.
    pub(super) fn oldest(&self) -> Option<Time> {
        self.open.values().map(|(at, _)| *at).min()
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Nobody waits for an answer any more: gives the calls that did. A verdict on a credential is
    /// still worth hearing while the link lasts (S-8.5).
    pub(super) fn abandon(&mut self) -> Vec<CommandId> {
        let mut calls = Vec::new();
        for (id, (at, asked)) in std::mem::take(&mut self.open) {
            match asked {
                Asked::Send(..) | Asked::Page => {}
                Asked::Call(call) | Asked::History(call) => calls.push(call),
                Asked::Renew { call, credential, .. } => {
                    calls.push(call);
                    self.open.insert(id, (at, Asked::Nobody(credential)));
                }
                Asked::Nobody(credential) | Asked::Provided(credential, _) => {
                    self.open.insert(id, (at, Asked::Nobody(credential)));
                }
            }
        }
        calls
    }

    /// A credential that nobody's call showed and the server has not answered: it is for the next
    /// link.
    pub(super) fn take_provided(&mut self) -> Option<(Credential, Option<WallTime>)> {
        let is_provided =
            |_: &u32, asked: &mut (Time, Asked)| matches!(asked.1, Asked::Provided(..));
        let (_, (_, asked)) = self.open.extract_if(.., is_provided).last()?;
        match asked {
            Asked::Provided(credential, expires) => Some((credential, expires)),
            _ => None,
        }
    }

    /// The calls whose time is over.
    pub(super) fn expire(&mut self, now: Time) -> Vec<CommandId> {
        let mut calls = Vec::new();
        for (_, asked) in self.open.values_mut() {
            if let Asked::Renew { call, credential, deadline, .. } = asked
                && now >= *deadline
            {
                calls.push(*call);
                *asked = Asked::Nobody(credential.clone());
            }
        }
        calls
    }

    /// When the first call's time is over.
    pub(super) fn next_timeout(&self) -> Option<Time> {
        let deadlines = self.open.values().filter_map(|(_, asked)| match asked {
            Asked::Renew { deadline, .. } => Some(*deadline),
            Asked::Send(..)
            | Asked::Page
            | Asked::Call(_)
            | Asked::History(_)
            | Asked::Nobody(_)
            | Asked::Provided(..) => None,
        });
        deadlines.min()
    }

    /// The link is gone, and with it every answer.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }
}
