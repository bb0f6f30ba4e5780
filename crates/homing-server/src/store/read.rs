//! Reads: pages of a user's log, windows, history, presence. All see what is not merged yet.

use homing_core::server::log::{self, LogExtent, NewMessage, Page, PageBudget, Side};
use homing_proto::frame::{Response, SyncBody, SyncPage, Window};
use homing_proto::id::{ConversationId, Cursor, UserId};
use homing_proto::limits;
use homing_proto::message::{Content, Conversation, LogEntry, Message};
use homing_proto::time::WallTime;

use super::command::Origin;
use super::error::Failure;
use super::registry::Answer;
use super::state::{self, State};
use super::tables::{EntryKind, EntryRow, MessageRow};
use super::{ConversationKey, UserKey};

impl State {
    /// What a device gets for its cursor (D-3).
    pub(super) fn sync_page(
        &mut self,
        user: UserKey,
        cursor: Option<Cursor>,
        window: Window,
    ) -> Result<SyncPage, Failure> {
        let head = self.user(user)?.head;
        let log_epoch = self.run.log_epoch;
        // Entries are dropped only when they are further back than a page reaches.
        let body = match log::page(cursor, LogExtent { log_epoch, first: 1, head }) {
            Page::TooLong => SyncBody::TooLong(self.window(user, window)?),
            Page::Entries { first, last } => {
                SyncBody::Entries { first_offset: first, entries: self.entries(user, first, last)? }
            }
        };
        Ok(SyncPage { log_epoch, head, body })
    }

    fn entries(&mut self, user: UserKey, first: u64, last: u64) -> Result<Vec<LogEntry>, Failure> {
        if first > last {
            return Ok(Vec::new());
        }
        let (unmerged_from, tail) = self.overlay.entries_from(user, first);
        let tail: Vec<EntryRow> = tail.take_while(|row| row.offset <= last).copied().collect();
        let mut rows = match unmerged_from {
            Some(from) if from <= first => Vec::new(),
            Some(from) => self.tables.entries(user, first, last.min(from - 1))?,
            None => self.tables.entries(user, first, last)?,
        };
        rows.extend(tail);
        if rows.len() as u64 != last - first + 1 {
            return Err(Failure::Damaged("a user's log has a gap"));
        }
        let mut budget = PageBudget::default();
        let mut entries = Vec::with_capacity(rows.len());
        for row in rows {
            let (entry, bytes) = self.entry(user, &row)?;
            if !budget.take(bytes) {
                break;
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    /// An entry as its owner's devices get it, and about how many bytes it takes.
    fn entry(&mut self, owner: UserKey, row: &EntryRow) -> Result<(LogEntry, usize), Failure> {
        let message = self.message(row.conversation, row.seq)?;
        let conversation = self.conversation(row.conversation)?;
        let side = conversation.side(owner);
        Ok(match row.kind {
            EntryKind::Message { read } => {
                let bytes = message.content.len() + ENTRY_BYTES;
                let content = Content(message.content.clone());
                let new = new_message(&message, &content);
                (log::message_entry(&conversation.pair, side, message.placed, read, new), bytes)
            }
            EntryKind::Read => {
                let own_count = message.placed.own_count(side);
                let mark = log::ReadMark { seq: row.seq, own_count };
                (log::read_entry(&conversation.pair, side, mark), ENTRY_BYTES)
            }
        })
    }

    /// The latest conversations of a user with their last messages.
    fn window(&mut self, user: UserKey, window: Window) -> Result<Vec<Conversation>, Failure> {
        let keys = self.latest(user, window.conversations.min(limits::WINDOW_CONVERSATIONS))?;
        let most = window.per_conversation.min(limits::WINDOW_MESSAGES) as usize;
        let mut budget = PageBudget::default();
        let mut conversations = Vec::with_capacity(keys.len());
        for key in &keys {
            // The last message of each is what a list shows; it always belongs to the window.
            let messages = self.messages(*key, user, u64::MAX, most.min(1))?;
            let _ = budget.take(messages.iter().map(size).sum());
            let conversation = self.conversation(*key)?;
            let (direct, side) = (conversation.direct, conversation.side(user));
            let read = direct.read(side);
            conversations.push(Conversation {
                id: conversation.pair.conversation(side),
                head: direct.head,
                own_count: direct.last().own_count(side),
                read_seq: read.seq,
                read_own_count: read.own_count,
                messages,
            });
        }
        for (key, conversation) in keys.iter().zip(&mut conversations) {
            let Some(last) = conversation.messages.first().map(|message| message.seq) else {
                continue;
            };
            let more = self.messages(*key, user, last, most.saturating_sub(1))?;
            let room = more.iter().rev().take_while(|message| budget.take(size(message))).count();
            conversation.messages.splice(0..0, more.into_iter().rev().take(room).rev());
        }
        Ok(conversations)
    }

    /// A user's conversations, the one with the latest message first.
    fn latest(&mut self, user: UserKey, limit: u32) -> Result<Vec<ConversationKey>, Failure> {
        let mut unmerged: Vec<ConversationKey> = self.overlay.touched(user).collect();
        unmerged.sort_unstable();
        unmerged.dedup();
        let mut latest = Vec::with_capacity(unmerged.len() + limit as usize);
        for key in &unmerged {
            let conversation = self.conversation(*key)?;
            let recent = conversation.recent[usize::from(conversation.side(user) == Side::High)];
            latest.push((recent, *key));
        }
        // A merged row of an unmerged conversation tells an older place and is passed over.
        for (key, recent) in self.tables.recent(user, limit as usize + unmerged.len())? {
            if unmerged.binary_search(&key).is_err() {
                latest.push((recent, key));
            }
        }
        latest.sort_unstable_by(|one, other| other.cmp(one));
        latest.truncate(limit as usize);
        Ok(latest.into_iter().map(|(_, key)| key).collect())
    }

    /// The last `limit` messages below `before`, ascending, as `reader` sees them.
    fn messages(
        &mut self,
        key: ConversationKey,
        reader: UserKey,
        before: u64,
        limit: usize,
    ) -> Result<Vec<Message>, Failure> {
        let mut rows: Vec<MessageRow> =
            self.overlay.messages_below(key, before).take(limit).cloned().collect();
        if rows.len() < limit {
            let before = rows.last().map_or(before, |row| row.placed.seq);
            rows.extend(self.tables.messages_below(key, before, limit - rows.len())?);
        }
        let conversation = self.conversation(key)?;
        let side = conversation.side(reader);
        Ok(rows
            .iter()
            .rev()
            .map(|row| {
                let content = Content(row.content.clone());
                log::message(&conversation.pair, side, row.placed, new_message(row, &content))
            })
            .collect())
    }

    pub(super) fn history(
        &mut self,
        from: &Origin,
        conversation: &ConversationId,
        before: u64,
        limit: u32,
    ) -> Result<Answer, Failure> {
        let Some(key) = self.find(from, conversation)? else {
            return Ok(Ok(Response::History(Vec::new())));
        };
        let before = if before == 0 { u64::MAX } else { before };
        let limit = limit.min(limits::HISTORY_PAGE) as usize;
        let messages = self.messages(key, from.user, before, limit)?;
        let mut budget = PageBudget::default();
        let room = messages.iter().rev().take_while(|message| budget.take(size(message))).count();
        let skipped = messages.len() - room;
        Ok(Ok(Response::History(messages.into_iter().skip(skipped).collect())))
    }

    pub(super) fn presence(
        &mut self,
        from: &Origin,
        users: &[UserId],
        now: WallTime,
    ) -> Result<Answer, Failure> {
        let app = self.user(from.user)?.app;
        let mut presence = Vec::with_capacity(users.len());
        for id in users.iter().take(limits::PRESENCE_USERS) {
            let online = match self.user_key(app, id)? {
                Some(key) => self.glance(key, |user| {
                    user.sessions.sessions.iter().any(|session| session.is_online(now))
                })?,
                None => false,
            };
            presence.push((id.clone(), online));
        }
        Ok(Ok(Response::Presence(presence)))
    }
}

impl state::Conversation {
    /// The side of a member.
    pub(super) fn side(&self, member: UserKey) -> Side {
        if self.low == member { Side::Low } else { Side::High }
    }
}

fn new_message<'a>(row: &MessageRow, content: &'a Content) -> NewMessage<'a> {
    NewMessage { from: row.from, client_id: row.client_id, time: row.time, content }
}

/// About how many bytes a message takes in a page.
fn size(message: &Message) -> usize {
    message.content.0.len() + ENTRY_BYTES
}

/// Bytes of an entry besides the content: two user ids, a message id, counts and tags, rounded up.
const ENTRY_BYTES: usize = 160;
