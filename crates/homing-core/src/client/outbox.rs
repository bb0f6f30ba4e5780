//! Own messages on their way (D-4): durable before they are sent, in order per conversation, one in
//! flight for each.
//!
//! One in flight is what keeps the order whatever the server answers: a message that is refused for
//! now must not be overtaken by the one behind it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use homing_proto::id::{ClientMsgId, ConversationId};
use homing_proto::limits::{IN_FLIGHT, OUTBOX};
use homing_proto::time::Time;
use homing_proto::{Code, Error};

use super::io::{CommandId, Pending};

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbox {
    queues: BTreeMap<ConversationId, VecDeque<Item>>,
    /// Conversations whose first message can be sent now.
    ready: BTreeSet<ConversationId>,
    /// Conversations whose first message the server did not take for now.
    deferred: BTreeMap<ConversationId, Time>,
    len: usize,
    in_flight: usize,
}

#[derive(Clone, Debug)]
struct Item {
    pending: Pending,
    state: ItemState,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ItemState {
    /// Not durable yet; these calls wait for it.
    Saving(Vec<CommandId>),
    /// Durable.
    Queued,
    /// Sent on the present link.
    Sending,
    /// The server will never take it. It keeps its place until its row is gone: after a crash it
    /// would be offered again, and must not then stand behind one that came after it.
    Refused(Code),
}

impl Item {
    const fn is_durable(&self) -> bool {
        !matches!(self.state, ItemState::Saving(_))
    }
}

impl Outbox {
    /// A store was opened: these wait in it.
    pub(super) fn opened(&mut self, pending: Vec<Pending>) {
        *self = Self::default();
        for item in pending {
            self.push(item, ItemState::Queued);
        }
    }

    pub(super) const fn is_full(&self) -> bool {
        self.len >= OUTBOX
    }

    /// A message of that name waits already.
    pub(super) fn holds(&self, conversation: &ConversationId, id: ClientMsgId) -> bool {
        self.queues
            .get(conversation)
            .is_some_and(|queue| queue.iter().any(|item| item.pending.client_id == id))
    }

    /// The call wants a message that is here already: gives its answer, or lets it wait until the
    /// message is durable.
    pub(super) fn join(
        &mut self,
        conversation: &ConversationId,
        id: ClientMsgId,
        command: CommandId,
    ) -> Option<Result<(), Error>> {
        let item = self.item(conversation, id);
        match item {
            Some(Item { state: ItemState::Saving(commands), .. }) => {
                commands.push(command);
                None
            }
            Some(Item { state: ItemState::Refused(code), .. }) => Some(Err((*code).into())),
            Some(Item { state: ItemState::Queued | ItemState::Sending, .. }) | None => Some(Ok(())),
        }
    }

    /// A message is being made durable.
    pub(super) fn saving(&mut self, pending: Pending, command: CommandId) {
        self.push(pending, ItemState::Saving(vec![command]));
    }

    /// It is durable. Gives the calls that waited for it.
    pub(super) fn saved(
        &mut self,
        conversation: &ConversationId,
        id: ClientMsgId,
    ) -> Vec<CommandId> {
        let mut waited = Vec::new();
        let item = self.item(conversation, id);
        if let Some(item) = item
            && let ItemState::Saving(commands) = &mut item.state
        {
            waited = std::mem::take(commands);
            item.state = ItemState::Queued;
        }
        self.refresh(conversation);
        waited
    }

    /// It could not be made durable. Gives the calls that waited for it.
    pub(super) fn save_failed(
        &mut self,
        conversation: &ConversationId,
        id: ClientMsgId,
    ) -> Vec<CommandId> {
        match self.take(conversation, id).map(|item| item.state) {
            Some(ItemState::Saving(commands)) => commands,
            _ => Vec::new(),
        }
    }

    /// The next message to send, which is in flight from here on.
    pub(super) fn next(&mut self) -> Option<Pending> {
        if self.in_flight >= IN_FLIGHT {
            return None;
        }
        let conversation = self.ready.pop_first()?;
        let item = self.queues.get_mut(&conversation)?.front_mut()?;
        item.state = ItemState::Sending;
        self.in_flight += 1;
        Some(item.pending.clone())
    }

    /// The server took it, or its refusal is durable: it leaves. Tells whether it was there.
    ///
    /// One that is still being made durable stays: its row comes after all this, and the server knows
    /// it by its name.
    pub(super) fn done(&mut self, conversation: &ConversationId, id: ClientMsgId) -> bool {
        let settled = self.item(conversation, id).is_some_and(|item| item.is_durable());
        settled && self.take(conversation, id).is_some()
    }

    /// The server will never take it. Tells whether it was sent.
    pub(super) fn refused(
        &mut self,
        conversation: &ConversationId,
        id: ClientMsgId,
        code: Code,
    ) -> bool {
        let Some(item) = self.item(conversation, id) else { return false };
        if item.state != ItemState::Sending {
            return false;
        }
        item.state = ItemState::Refused(code);
        self.in_flight -= 1;
        true
    }

    /// The server did not take it for now.
    pub(super) fn defer(&mut self, conversation: &ConversationId, id: ClientMsgId, until: Time) {
        let Some(item) = self.queues.get_mut(conversation).and_then(VecDeque::front_mut) else {
            return;
        };
        if item.pending.client_id == id && item.state == ItemState::Sending {
            item.state = ItemState::Queued;
            self.in_flight -= 1;
            self.deferred.insert(conversation.clone(), until);
        }
    }

    /// What was deferred until now is ready.
    pub(super) fn wake(&mut self, now: Time) {
        let due: Vec<_> = self
            .deferred
            .iter()
            .filter(|(_, until)| **until <= now)
            .map(|(conversation, _)| conversation.clone())
            .collect();
        for conversation in due {
            self.deferred.remove(&conversation);
            self.refresh(&conversation);
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Time> {
        self.deferred.values().min().copied()
    }

    /// The link is gone: what was in flight is in doubt and will be sent again.
    pub(super) fn lost(&mut self) {
        let mut again = Vec::new();
        for (conversation, queue) in &mut self.queues {
            if let Some(item) = queue.front_mut()
                && item.state == ItemState::Sending
            {
                item.state = ItemState::Queued;
                again.push(conversation.clone());
            }
        }
        self.in_flight = 0;
        for conversation in again {
            self.refresh(&conversation);
        }
    }

    /// The messages that may have reached the server on an earlier link: the first of each
    /// conversation, since one is in flight for each.
    pub(super) fn heads(&self) -> Vec<ClientMsgId> {
        self.queues
            .values()
            .filter_map(VecDeque::front)
            .filter(|item| matches!(item.state, ItemState::Queued | ItemState::Sending))
            .map(|item| item.pending.client_id)
            .take(IN_FLIGHT)
            .collect()
    }

    /// The conversation whose first message this is.
    pub(super) fn conversation_of_head(&self, id: ClientMsgId) -> Option<ConversationId> {
        self.queues
            .iter()
            .find(|(_, queue)| queue.front().is_some_and(|item| item.pending.client_id == id))
            .map(|(conversation, _)| conversation.clone())
    }

    /// The store is closed. Gives the calls that waited for a message to become durable.
    pub(super) fn closed(&mut self) -> Vec<CommandId> {
        let items = std::mem::take(self).queues.into_values().flatten();
        items
            .flat_map(|item| match item.state {
                ItemState::Saving(commands) => commands,
                ItemState::Queued | ItemState::Sending | ItemState::Refused(_) => Vec::new(),
            })
            .collect()
    }

    fn item(&mut self, conversation: &ConversationId, id: ClientMsgId) -> Option<&mut Item> {
        let queue = self.queues.get_mut(conversation)?;
        queue.iter_mut().find(|item| item.pending.client_id == id)
    }

    fn push(&mut self, pending: Pending, state: ItemState) {
        let conversation = pending.conversation.clone();
        self.queues.entry(conversation.clone()).or_default().push_back(Item { pending, state });
        self.len += 1;
        self.refresh(&conversation);
    }

    fn take(&mut self, conversation: &ConversationId, id: ClientMsgId) -> Option<Item> {
        let queue = self.queues.get_mut(conversation)?;
        let at = queue.iter().position(|item| item.pending.client_id == id)?;
        let item = queue.remove(at)?;
        self.len -= 1;
        if item.state == ItemState::Sending {
            self.in_flight -= 1;
        }
        if queue.is_empty() {
            self.queues.remove(conversation);
        }
        self.deferred.remove(conversation);
        self.refresh(conversation);
        Some(item)
    }

    /// Puts the conversation among the ready ones, or takes it from them.
    fn refresh(&mut self, conversation: &ConversationId) {
        let ready = !self.deferred.contains_key(conversation)
            && self
                .queues
                .get(conversation)
                .and_then(VecDeque::front)
                .is_some_and(|item| item.state == ItemState::Queued);
        if ready {
            self.ready.insert(conversation.clone());
        } else {
            self.ready.remove(conversation);
        }
    }
}
