//! Commands that put something into conversations and user logs.

use homing_core::server::log::{self, NewMessage, Side};
use homing_core::server::registry::Standing;
use homing_proto::frame::Response;
use homing_proto::id::{ClientMsgId, ConversationId};
use homing_proto::message::Content;
use homing_proto::time::WallTime;
use homing_proto::{Code, limits};

use bytes::Bytes;

use super::ConversationKey;
use super::command::Origin;
use super::effect::{Effect, Effects};
use super::error::Failure;
use super::record::{Change, ReadChange, SentChange};
use super::registry::Answer;
use super::state::State;
use super::tables::{EntryKind, MessageRow};

impl State {
    /// Takes a message (D-1): once per idempotency key, at the next seq, into both logs.
    pub(super) fn send(
        &mut self,
        from: &Origin,
        conversation: &ConversationId,
        client_id: ClientMsgId,
        content: &Content,
        now: WallTime,
        out: &mut Effects,
    ) -> Result<Answer, Failure> {
        if content.0.len() > limits::CONTENT_BYTES {
            return Ok(Err(Code::CONTENT_TOO_LARGE.into()));
        }
        if let Some(sent) = self.sent(from.user, client_id)? {
            return Ok(Ok(Response::Sent { seq: sent.seq, time: sent.time }));
        }
        let ConversationId::Direct(peer) = conversation;
        let app = self.user(from.user)?.app;
        let Some(peer) = self.user_key(app, peer)? else {
            return Ok(Err(Code::PEER_NOT_FOUND.into()));
        };
        // Nobody will ever read it.
        if self.user(peer)?.sessions.standing == Standing::Deleted {
            return Ok(Err(Code::PEER_NOT_FOUND.into()));
        }
        let key = match self.conversation_of(from.user, peer)? {
            Some(key) => key,
            None => self.create_conversation(from.user, peer)?,
        };
        let seq = self.append(key, from, client_id, content, now, out)?;
        Ok(Ok(Response::Sent { seq, time: now }))
    }

    fn append(
        &mut self,
        key: ConversationKey,
        from: &Origin,
        client_id: ClientMsgId,
        content: &Content,
        now: WallTime,
        out: &mut Effects,
    ) -> Result<u64, Failure> {
        let conversation = self.conversation(key)?;
        let side = if conversation.low == from.user { Side::Low } else { Side::High };
        let placed = conversation.direct.append(side);
        let direct = conversation.direct;
        conversation.pinned = true;
        let pair = conversation.pair.clone();
        let owners = [conversation.low, conversation.high];
        for (index, reader) in pair.sides().iter().enumerate() {
            let user = owners[index];
            let owner = self.user(user)?;
            let offset = owner.head + 1;
            if owner.is_connected() {
                let new = NewMessage { from: side, client_id, time: now, content };
                let entry = log::message_entry(&pair, *reader, placed, direct.read(*reader), new);
                out.push(Effect::Entry { user, offset, entry });
            }
            self.conversation(key)?.recent[index] = offset;
        }
        let change = SentChange {
            conversation: Some(self.conversation(key)?.value(key)),
            from_high: side == Side::High,
            client_id: Bytes::copy_from_slice(&client_id.0),
            time_ms: now.0,
            content: content.0.clone(),
        };
        self.journal.push(Change::Sent(change));
        let content = content.0.clone();
        self.place_message(key, MessageRow { placed, from: side, client_id, time: now, content })?;
        Ok(placed.seq)
    }

    /// Moves the reader's cursor forward, never back and never beyond the last message (I20).
    pub(super) fn mark_read(
        &mut self,
        from: &Origin,
        conversation: &ConversationId,
        seq: u64,
        out: &mut Effects,
    ) -> Result<Answer, Failure> {
        let Some(key) = self.find(from, conversation)? else {
            return Ok(Err(Code::CONVERSATION_UNKNOWN.into()));
        };
        let direct = self.conversation(key)?.direct;
        let seq = seq.min(direct.head);
        let up_to = match seq {
            0 => return Ok(Ok(Response::Done)),
            seq if seq == direct.head => direct.last(),
            seq => self.message(key, seq)?.placed,
        };
        let conversation = self.conversation(key)?;
        let side = if conversation.low == from.user { Side::Low } else { Side::High };
        let Some(mark) = conversation.direct.mark_read(side, up_to) else {
            return Ok(Ok(Response::Done));
        };
        conversation.pinned = true;
        let value = conversation.value(key);
        let entry = log::read_entry(&conversation.pair, side, mark);
        let offset = self.user(from.user)?.head + 1;
        self.journal.push(Change::Read(ReadChange {
            conversation: Some(value),
            by_high: side == Side::High,
            offset,
        }));
        self.place_entry(from.user, EntryKind::Read, key, mark.seq, offset)?;
        out.push(Effect::Entry { user: from.user, offset, entry });
        Ok(Ok(Response::Done))
    }

    /// The conversation that the asker names, if there is one.
    pub(super) fn find(
        &mut self,
        from: &Origin,
        conversation: &ConversationId,
    ) -> Result<Option<ConversationKey>, Failure> {
        let ConversationId::Direct(peer) = conversation;
        let app = self.user(from.user)?.app;
        match self.user_key(app, peer)? {
            Some(peer) => self.conversation_of(from.user, peer),
            None => Ok(None),
        }
    }
}
