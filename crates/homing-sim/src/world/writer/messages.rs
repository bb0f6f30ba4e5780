//! What the writer decides about messages: sends, read marks, pages, windows.

use std::collections::BTreeMap;

use homing_core::server::log::{self, LogExtent, NewMessage, Page, Pair, ReadMark};
use homing_proto::frame::{Response, ServerFrame, SyncBody, SyncPage, Window};
use homing_proto::id::{ClientMsgId, ConversationId, Cursor, UserId};
use homing_proto::message::{Content, Conversation, LogEntry, Message};
use homing_proto::time::WallTime;
use homing_proto::{Code, Error};

use super::{Book, Desk, Effect, PairRow, Row, UserRow, online};
use crate::Sabotage;
use crate::fact::Fact;

impl Book {
    pub(super) fn send(
        &mut self,
        user: &UserId,
        conversation: &ConversationId,
        client_id: ClientMsgId,
        content: Content,
        desk: &mut Desk<'_>,
    ) -> Result<Response, Error> {
        let ConversationId::Direct(peer) = conversation;
        if !self.users.contains_key(peer) {
            return Err(Code::PEER_NOT_FOUND.into());
        }
        let key = (user.clone(), client_id);
        if let Some((seq, time)) = self.sent.get(&key)
            && self.sabotage != Some(Sabotage::NoDedupe)
        {
            return Ok(Response::Sent { seq: *seq, time: *time });
        }
        let pair = Pair::of(user.clone(), peer.clone());
        let from = pair.side(user).expect("the sender is a member");
        let row = self.pairs.entry(pair.clone()).or_default();
        let placed = row.state.append(from);
        let time = desk.now;
        let new = NewMessage { from, client_id, time, content: &content };
        desk.watch.see(&Fact::Stored(&log::message(&pair, from, placed, new)));
        for owner in pair.sides() {
            let read = match self.sabotage {
                Some(Sabotage::NoReadMark) => ReadMark::default(),
                _ => row.state.read(*owner),
            };
            let entry = log::message_entry(&pair, *owner, placed, read, new);
            append(&mut self.users, pair.user(*owner), entry, desk);
        }
        row.messages.push(Row { from, client_id, time, content, placed });
        self.sent.insert(key, (placed.seq, time));
        Ok(Response::Sent { seq: placed.seq, time })
    }

    pub(super) fn mark_read(
        &mut self,
        user: &UserId,
        conversation: &ConversationId,
        seq: u64,
        desk: &mut Desk<'_>,
    ) -> Result<Response, Error> {
        let ConversationId::Direct(peer) = conversation;
        let pair = Pair::of(user.clone(), peer.clone());
        let reader = pair.side(user).expect("the reader is a member");
        let Some(row) = self.pairs.get_mut(&pair) else {
            return Err(Code::CONVERSATION_UNKNOWN.into());
        };
        let seq = seq.min(row.state.head);
        let Some(up_to) = seq.checked_sub(1).and_then(|at| row.messages.get(at as usize)) else {
            return Ok(Response::Done);
        };
        if let Some(mark) = row.state.mark_read(reader, up_to.placed) {
            let entry = log::read_entry(&pair, reader, mark);
            append(&mut self.users, user, entry, desk);
        }
        Ok(Response::Done)
    }

    pub(super) fn history(
        &self,
        user: &UserId,
        conversation: &ConversationId,
        before: u64,
        limit: u32,
    ) -> Vec<Message> {
        let ConversationId::Direct(peer) = conversation;
        let pair = Pair::of(user.clone(), peer.clone());
        let Some(row) = self.pairs.get(&pair) else { return Vec::new() };
        let end = if before == 0 { row.messages.len() } else { before as usize - 1 };
        last_messages(&pair, user, row, end.min(row.messages.len()), limit)
    }

    pub(super) fn page(&self, user: &UserId, cursor: Option<Cursor>, window: Window) -> SyncPage {
        let row = &self.users[user];
        let head = row.log.len() as u64;
        let extent = LogExtent { log_epoch: row.log_epoch, first: 1, head };
        let body = match log::page(cursor, extent) {
            Page::Entries { first, last } => {
                let entries = row.log[first as usize - 1..last as usize].to_vec();
                SyncBody::Entries { first_offset: first, entries }
            }
            Page::TooLong => SyncBody::TooLong(self.window(user, window)),
        };
        SyncPage { log_epoch: row.log_epoch, head, body }
    }

    fn window(&self, user: &UserId, window: Window) -> Vec<Conversation> {
        let mut mine: Vec<_> = self
            .pairs
            .iter()
            .filter(|(pair, _)| pair.side(user).is_some())
            .map(|(pair, row)| (row.messages.last().map(|row| row.time), pair, row))
            .collect();
        mine.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        mine.truncate(window.conversations as usize);
        let show = |(_, pair, row): (Option<WallTime>, &Pair, &PairRow)| {
            let side = pair.side(user).expect("it was just filtered");
            let read = row.state.read(side);
            Conversation {
                id: pair.conversation(side),
                head: row.state.head,
                own_count: row.state.last().own_count(side),
                read_seq: read.seq,
                read_own_count: read.own_count,
                messages: last_messages(
                    pair,
                    user,
                    row,
                    row.messages.len(),
                    window.per_conversation,
                ),
            }
        };
        mine.into_iter().map(show).collect()
    }
}

fn last_messages(
    pair: &Pair,
    user: &UserId,
    row: &PairRow,
    end: usize,
    limit: u32,
) -> Vec<Message> {
    let side = pair.side(user).expect("the reader is a member");
    let from = end.saturating_sub(limit as usize);
    let show = |row: &Row| {
        let Row { from, client_id, time, content, placed } = row;
        let new = NewMessage { from: *from, client_id: *client_id, time: *time, content };
        log::message(pair, side, *placed, new)
    };
    row.messages[from..end].iter().map(show).collect()
}

fn append(
    users: &mut BTreeMap<UserId, UserRow>,
    user: &UserId,
    entry: LogEntry,
    desk: &mut Desk<'_>,
) {
    let row = users.get_mut(user).expect("both members exist");
    let offset = row.log.len() as u64 + 1;
    desk.watch.see(&Fact::Appended(user, Cursor { log_epoch: row.log_epoch, offset }, &entry));
    for (conn, _) in online(&row.sessions) {
        desk.effects.push(Effect::Push(conn, ServerFrame::Push { offset, entry: entry.clone() }));
    }
    row.log.push(entry);
}
