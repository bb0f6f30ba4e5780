//! Stores that live as long as the client: for tests, kiosks and private windows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use homing_core::client::{Missing, Opened, Pending, Row};
use homing_proto::Error;
use homing_proto::id::{ClientMsgId, ConversationId, Cursor, UserId};
use homing_proto::message::{Conversation, LogEntry, Message, ReadMark};
use homing_proto::time::WallTime;

use super::{ConversationView, History, Opening, PageEnd, Read, Shelf, Write, gap};

/// Keeps every user's store until it is dropped.
#[derive(Default)]
pub struct MemoryShelf {
    stores: BTreeMap<UserId, Shared>,
}

type Shared = Arc<Mutex<Data>>;

impl Shelf for MemoryShelf {
    fn open(&mut self, user: &UserId, missing: Missing) -> Result<Opening, Error> {
        if missing == Missing::Leave && !self.stores.contains_key(user) {
            return Ok(Opening {
                opened: Opened { absent: true, ..Opened::default() },
                store: None,
            });
        }
        let data = self.stores.entry(user.clone()).or_insert_with(|| Data::new(user));
        let opened = {
            let data = locked(data);
            Opened { cursor: data.cursor, outbox: data.outbox.clone(), ..Opened::default() }
        };
        Ok(Opening { opened, store: Some(Box::new(MemoryStore(data.clone()))) })
    }

    fn wipe(&mut self, user: &UserId) -> Result<(), Error> {
        self.stores.remove(user);
        Ok(())
    }
}

struct MemoryStore(Shared);

impl Write for MemoryStore {
    fn write(&mut self, rows: &[Row]) -> Result<(), Error> {
        self.write_all(&[rows])
    }

    fn write_all(&mut self, batches: &[&[Row]]) -> Result<(), Error> {
        let mut data = locked(&self.0);
        for row in batches.iter().copied().flatten() {
            data.apply(row);
        }
        Ok(())
    }

    fn reader(&self) -> Result<Box<dyn Read>, Error> {
        Ok(Box::new(MemoryReader(self.0.clone())))
    }
}

struct MemoryReader(Shared);

impl Read for MemoryReader {
    fn conversations(
        &mut self,
        after: Option<&PageEnd>,
        limit: u32,
    ) -> Result<Vec<ConversationView>, Error> {
        let data = locked(&self.0);
        let mut views: Vec<_> = data.conversations.keys().filter_map(|id| data.view(id)).collect();
        views.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| a.id.cmp(&b.id)));
        let comes_after = |view: &ConversationView| {
            after.is_none_or(|end| (end.time, &view.id) > (view.time, &end.id))
        };
        Ok(views.into_iter().filter(comes_after).take(limit as usize).collect())
    }

    fn conversation(&mut self, id: &ConversationId) -> Result<Option<ConversationView>, Error> {
        Ok(locked(&self.0).view(id))
    }

    fn history(
        &mut self,
        conversation: &ConversationId,
        before: u64,
        limit: u32,
    ) -> Result<History, Error> {
        let data = locked(&self.0);
        let Some(stored) = data.conversations.get(conversation) else {
            return Ok(History { messages: Vec::new(), gap: gap(&[], None, before, limit) });
        };
        let end = if before == 0 { u64::MAX } else { before };
        let mut messages: Vec<_> = stored
            .messages
            .range(..end)
            .rev()
            .take(limit as usize)
            .map(|(_, m)| m.clone())
            .collect();
        messages.reverse();
        let gap = gap(&messages, Some(stored.head), before, limit);
        Ok(History { messages, gap })
    }

    fn outbox(&mut self) -> Result<Vec<Pending>, Error> {
        Ok(locked(&self.0).outbox.clone())
    }
}

/// One user's data.
#[derive(Debug)]
struct Data {
    user: UserId,
    cursor: Option<Cursor>,
    conversations: BTreeMap<ConversationId, Stored>,
    outbox: Vec<Pending>,
}

/// One conversation.
#[derive(Debug, Default)]
struct Stored {
    head: u64,
    own_count: u64,
    read_seq: u64,
    read_own_count: u64,
    time: WallTime,
    messages: BTreeMap<u64, Message>,
}

impl Data {
    fn new(user: &UserId) -> Shared {
        Arc::new(Mutex::new(Self {
            user: user.clone(),
            cursor: None,
            conversations: BTreeMap::new(),
            outbox: Vec::new(),
        }))
    }

    fn apply(&mut self, row: &Row) {
        match row {
            Row::Entry(LogEntry::Message { message, own_count, read }) => {
                self.entry(message, *own_count, *read);
            }
            Row::Entry(LogEntry::Read { conversation, seq, own_count }) => {
                self.conversation(conversation).read(*seq, *own_count);
            }
            Row::Entry(LogEntry::Unknown) => {}
            Row::Window(window) => window.iter().for_each(|c| self.window(c)),
            Row::Messages(messages) => {
                for message in messages {
                    let stored = self.conversation(&message.conversation);
                    stored.messages.entry(message.seq).or_insert_with(|| message.clone());
                    stored.refresh();
                }
            }
            Row::Cursor(cursor) => self.cursor = Some(*cursor),
            Row::Queue(pending) => {
                self.leave(pending.client_id);
                self.outbox.push(pending.clone());
            }
            Row::Accepted { client_id, seq, time } => self.accepted(*client_id, *seq, *time),
            Row::Refused { client_id } => {
                self.leave(*client_id);
            }
        }
    }

    fn entry(&mut self, message: &Message, own_count: u64, read: ReadMark) {
        if message.from == self.user {
            self.leave(message.client_id);
        }
        let stored = self.conversation(&message.conversation);
        stored.messages.insert(message.seq, message.clone());
        stored.grow(message.seq, own_count);
        stored.read(read.seq, read.own_count);
    }

    fn window(&mut self, fresh: &Conversation) {
        for message in &fresh.messages {
            if message.from == self.user {
                self.leave(message.client_id);
            }
        }
        let stored = self.conversation(&fresh.id);
        for message in &fresh.messages {
            stored.messages.insert(message.seq, message.clone());
        }
        stored.grow(fresh.head, fresh.own_count);
        stored.read(fresh.read_seq, fresh.read_own_count);
    }

    fn accepted(&mut self, client_id: ClientMsgId, seq: u64, time: WallTime) {
        let Some(Pending { conversation, content, .. }) = self.leave(client_id) else { return };
        let from = self.user.clone();
        let stored = self.conversation(&conversation);
        let message = Message { conversation, seq, from, client_id, time, content };
        stored.messages.entry(seq).or_insert(message);
        stored.refresh();
    }

    fn leave(&mut self, client_id: ClientMsgId) -> Option<Pending> {
        let at = self.outbox.iter().position(|pending| pending.client_id == client_id)?;
        Some(self.outbox.remove(at))
    }

    fn conversation(&mut self, id: &ConversationId) -> &mut Stored {
        self.conversations.entry(id.clone()).or_default()
    }

    fn view(&self, id: &ConversationId) -> Option<ConversationView> {
        let stored = self.conversations.get(id).filter(|stored| stored.head > 0)?;
        Some(ConversationView {
            id: id.clone(),
            head: stored.head,
            own_count: stored.own_count,
            read_seq: stored.read_seq,
            read_own_count: stored.read_own_count,
            time: stored.time,
            last: stored.messages.get(&stored.head).cloned(),
        })
    }
}

impl Stored {
    fn grow(&mut self, head: u64, own_count: u64) {
        if head >= self.head {
            self.head = head;
            self.own_count = own_count;
        }
        self.refresh();
    }

    fn read(&mut self, seq: u64, own_count: u64) {
        if seq >= self.read_seq {
            self.read_seq = seq;
            self.read_own_count = own_count;
        }
    }

    /// The time of the last message, once it is stored.
    fn refresh(&mut self) {
        if let Some(last) = self.messages.get(&self.head) {
            self.time = last.time;
        }
    }
}

/// A panic elsewhere leaves plain data behind, which is as good as it was.
fn locked(data: &Shared) -> MutexGuard<'_, Data> {
    data.lock().unwrap_or_else(PoisonError::into_inner)
}
