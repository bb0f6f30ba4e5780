//! The writer's view of everything: tables, caches in front of them, and the unmerged tail.
//!
//! Between two commits this equals what a fresh open would read. A failed commit therefore throws
//! all of it away and reads again ([`State::reload`]): exact by construction, and rare.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use homing_core::server::log::{Direct, Pair, Side};
use homing_core::server::registry::UserSessions;
use homing_proto::id::{AppId, ClientMsgId, UserId};
use homing_proto::time::WallTime;

use super::cache::{Cache, Pinned};
use super::erase::Deletions;
use super::error::Failure;
use super::overlay::Overlay;
use super::record::{self, Change, ConversationValue, Record, SessionsChange, UserChange};
use super::seal::MasterKey;
use super::tables::{ConversationRow, EntryKind, EntryRow, MessageRow, SentRow, Tables, UserRow};
use super::{ConversationKey, Random, UserKey};
use crate::apps::Apps;

pub(super) struct State {
    pub(super) tables: Tables,
    pub(super) overlay: Overlay,
    pub(super) users: Cache<UserKey, User>,
    names: Cache<(AppId, UserId), Known<UserKey>>,
    pub(super) conversations: Cache<ConversationKey, Conversation>,
    pairs: Cache<(UserKey, UserKey), Known<ConversationKey>>,
    pub(super) apps: Apps,
    pub(super) deletions: Deletions,
    pub(super) journal: Journal,
    pub(super) run: Run,
    next_user: u64,
    next_conversation: u64,
    cached: usize,
}

/// What stays the same from open to close.
pub(super) struct Run {
    /// The identity of all logs in this file, drawn when it was made (I22).
    pub(super) log_epoch: u64,
    /// Which opening of the file this is.
    pub(super) incarnation: u32,
    /// When it was opened: sessions left online by an earlier run were cut off by then.
    pub(super) opened: WallTime,
    pub(super) master: MasterKey,
    pub(super) random: Random,
}

/// Records of the current batch, and how much the table holds.
pub(super) struct Journal {
    /// Encoded, in order, not yet in the table.
    pub(super) pending: Vec<Vec<u8>>,
    /// The number that the next row gets.
    pub(super) next: u64,
    /// Rows and bytes in the table that are not merged.
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

/// A user as the writer works on it.
pub(super) struct User {
    pub(super) app: AppId,
    pub(super) id: UserId,
    pub(super) name: String,
    pub(super) created: WallTime,
    /// The last offset of the log.
    pub(super) head: u64,
    pub(super) sessions: UserSessions,
    pub(super) pinned: bool,
}

/// A conversation as the writer works on it.
pub(super) struct Conversation {
    pub(super) low: UserKey,
    pub(super) high: UserKey,
    pub(super) pair: Pair,
    pub(super) direct: Direct,
    /// Offset of its last message in the log of low and of high.
    pub(super) recent: [u64; 2],
    pub(super) pinned: bool,
}

/// What a name stands for.
pub(super) struct Known<K> {
    key: K,
    pinned: bool,
}

impl State {
    /// Reads what is needed before the first command: apps, counters, and the journal.
    pub(super) fn load(tables: Tables, run: Run, cached: usize) -> Result<Self, Failure> {
        let mut state = Self {
            tables,
            overlay: Overlay::default(),
            users: Cache::new(cached),
            names: Cache::new(cached),
            conversations: Cache::new(cached),
            pairs: Cache::new(cached),
            apps: Apps::default(),
            deletions: Deletions::default(),
            journal: Journal { pending: Vec::new(), next: 1, rows: 0, bytes: 0 },
            run,
            next_user: 0,
            next_conversation: 0,
            cached,
        };
        state.reload()?;
        Ok(state)
    }

    pub(super) fn settle(&mut self) {
        self.users.settle();
        self.names.settle();
        self.conversations.settle();
        self.pairs.settle();
    }

    /// Forgets everything in memory and reads the last commit.
    pub(super) fn reload(&mut self) -> Result<(), Failure> {
        self.overlay = Overlay::default();
        self.users = Cache::new(self.cached);
        self.names = Cache::new(self.cached);
        self.conversations = Cache::new(self.cached);
        self.pairs = Cache::new(self.cached);
        self.journal = Journal { pending: Vec::new(), next: 1, rows: 0, bytes: 0 };
        self.next_user = self.kept_number(NEXT_USER)?.max(self.tables.last_user()? + 1);
        self.next_conversation =
            self.kept_number(NEXT_CONVERSATION)?.max(self.tables.last_conversation()? + 1);
        let mut records = Vec::new();
        self.tables.journal(|seq, record| {
            records.push((seq, record));
            Ok(())
        })?;
        for (seq, record) in records {
            self.journal.next = seq + 1;
            self.journal.rows += 1;
            self.journal.bytes += record.len() as u64;
            self.replay(record)?;
        }
        self.apps = self.load_apps()?;
        self.deletions = self.load_deletions()?;
        Ok(())
    }

    /// Numbers are not given out twice, also when what had the highest ones is erased.
    pub(super) fn keep_numbers(&self) -> Result<(), Failure> {
        self.tables.put_meta(NEXT_USER, &self.next_user.to_le_bytes())?;
        self.tables.put_meta(NEXT_CONVERSATION, &self.next_conversation.to_le_bytes())
    }

    fn kept_number(&self, name: &str) -> Result<u64, Failure> {
        let Some(bytes) = self.tables.meta(name)? else { return Ok(0) };
        let bytes = bytes.try_into().map_err(|_| Failure::Damaged("a number that was kept"))?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn load_apps(&self) -> Result<Apps, Failure> {
        let mut apps = BTreeMap::new();
        for row in self.tables.apps()? {
            apps.insert(row.id, Arc::new(super::app_rows::read(&row, &self.run.master)?));
        }
        Ok(Arc::new(apps))
    }

    // ------------------------------------------------------------ users

    /// The key of a user, if there is such a user.
    pub(super) fn user_key(&mut self, app: AppId, id: &UserId) -> Result<Option<UserKey>, Failure> {
        let name = (app, id.clone());
        if let Some(known) = self.names.get_mut(&name) {
            return Ok(Some(known.key));
        }
        let key = self.tables.user_key(app, id)?;
        if let Some(key) = key {
            self.names.insert(name, Known { key, pinned: false });
        }
        Ok(key)
    }

    /// Users of an app that the tables may not have yet, in no order.
    pub(super) fn unmerged_users(&self, app: AppId) -> impl Iterator<Item = UserId> {
        self.names.pinned().filter(move |(of, _)| *of == app).map(|(_, id)| id)
    }

    /// A user that exists.
    pub(super) fn user(&mut self, key: UserKey) -> Result<&mut User, Failure> {
        if self.users.get_mut(&key).is_none() {
            let user = self.read_user(key)?;
            self.users.insert(key, user);
        }
        Ok(self.users.get_mut(&key).expect("it was just put there"))
    }

    /// A user of an app that there is; `None` when the app was deleted, and the user with it.
    pub(super) fn user_of_living_app(
        &mut self,
        key: UserKey,
    ) -> Result<Option<&mut User>, Failure> {
        if self.users.get_mut(&key).is_none() {
            match self.find_user(key)? {
                Some(user) => self.users.insert(key, user),
                None if self.deletions.apps.is_empty() => return Err(NO_USER),
                None => return Ok(None),
            }
        }
        let user = self.users.get_mut(&key).expect("it was just put there");
        Ok(self.apps.contains_key(&user.app).then_some(user))
    }

    /// A user is no more.
    pub(super) fn forget_user(&mut self, key: UserKey) {
        self.users.remove(&key);
    }

    /// A conversation is no more.
    pub(super) fn forget_conversation(
        &mut self,
        key: ConversationKey,
        low: UserKey,
        high: UserKey,
    ) {
        self.conversations.remove(&key);
        self.pairs.remove(&ordered(low, high));
    }

    /// Looks at a user without making it stay in memory.
    pub(super) fn glance<T>(
        &self,
        key: UserKey,
        look: impl FnOnce(&User) -> T,
    ) -> Result<T, Failure> {
        match self.users.peek(&key) {
            Some(user) => Ok(look(user)),
            None => Ok(look(&self.read_user(key)?)),
        }
    }

    fn read_user(&self, key: UserKey) -> Result<User, Failure> {
        self.find_user(key)?.ok_or(NO_USER)
    }

    fn find_user(&self, key: UserKey) -> Result<Option<User>, Failure> {
        let Some(row) = self.tables.user(key)? else { return Ok(None) };
        let mut sessions = record::decode_sessions(row.sessions)?;
        sessions.recover(self.run.incarnation, self.run.opened);
        Ok(Some(User {
            app: row.app,
            id: row.id,
            name: row.name,
            created: row.created,
            head: row.head,
            sessions,
            pinned: false,
        }))
    }

    /// Makes a user; it is nobody's yet.
    pub(super) fn create_user(
        &mut self,
        app: AppId,
        id: &UserId,
        name: &str,
        sessions: UserSessions,
        now: WallTime,
    ) -> UserKey {
        let key = UserKey(self.next_user);
        self.journal.push(Change::User(UserChange {
            user: key.0,
            app: app.get(),
            id: id.as_str().to_owned(),
            name: name.to_owned(),
            created_ms: now.0,
        }));
        self.place_user(key, app, id.clone(), name.to_owned(), now);
        if sessions != UserSessions::default() {
            self.users.get_mut(&key).expect("it was just placed").sessions = sessions;
            self.journal_sessions(key);
        }
        key
    }

    pub(super) fn place_user(
        &mut self,
        key: UserKey,
        app: AppId,
        id: UserId,
        name: String,
        created: WallTime,
    ) {
        self.next_user = self.next_user.max(key.0 + 1);
        self.names.insert((app, id.clone()), Known { key, pinned: true });
        let sessions = UserSessions::default();
        self.users.insert(key, User { app, id, name, created, head: 0, sessions, pinned: true });
    }

    /// Gives a user another name.
    pub(super) fn rename_user(&mut self, key: UserKey, name: &str) -> Result<(), Failure> {
        let user = self.user(key)?;
        name.clone_into(&mut user.name);
        user.pinned = true;
        let change = Change::User(UserChange {
            user: key.0,
            app: user.app.get(),
            id: user.id.as_str().to_owned(),
            name: user.name.clone(),
            created_ms: user.created.0,
        });
        self.journal.push(change);
        Ok(())
    }

    /// Writes down a user's registry value, which is in memory.
    pub(super) fn journal_sessions(&mut self, key: UserKey) {
        let user = self.users.get_mut(&key).expect("it was changed, so it is in memory");
        user.pinned = true;
        let sessions = Bytes::from(record::encode_sessions(&user.sessions));
        self.journal.push(Change::Sessions(SessionsChange { user: key.0, sessions }));
    }

    // ------------------------------------------------------------ conversations

    /// The conversation of two users, if there is one.
    pub(super) fn conversation_of(
        &mut self,
        one: UserKey,
        other: UserKey,
    ) -> Result<Option<ConversationKey>, Failure> {
        let pair = ordered(one, other);
        if let Some(known) = self.pairs.get_mut(&pair) {
            return Ok(Some(known.key));
        }
        // The table's order is that of the ids, which only the users know; ask for both.
        let row = match self.tables.conversation_of(pair.0, pair.1)? {
            None if pair.0 != pair.1 => self.tables.conversation_of(pair.1, pair.0)?,
            row => row,
        };
        let Some(row) = row else { return Ok(None) };
        self.pairs.insert(pair, Known { key: row.key, pinned: false });
        Ok(Some(row.key))
    }

    /// A conversation that exists.
    pub(super) fn conversation(
        &mut self,
        key: ConversationKey,
    ) -> Result<&mut Conversation, Failure> {
        if self.conversations.get_mut(&key).is_none() {
            let row = self
                .tables
                .conversation(key)?
                .ok_or(Failure::Damaged("a conversation that is referred to"))?;
            let pair = self.pair(row.low, row.high)?;
            let ConversationRow { low, high, direct, recent, .. } = row;
            let conversation = Conversation { low, high, pair, direct, recent, pinned: false };
            self.conversations.insert(key, conversation);
        }
        Ok(self.conversations.get_mut(&key).expect("it was just put there"))
    }

    /// Makes the conversation of two users.
    pub(super) fn create_conversation(
        &mut self,
        one: UserKey,
        other: UserKey,
    ) -> Result<ConversationKey, Failure> {
        let one_id = self.glance(one, |user| user.id.clone())?;
        let other_id = self.glance(other, |user| user.id.clone())?;
        let (low, high) = if one_id <= other_id { (one, other) } else { (other, one) };
        let key = ConversationKey(self.next_conversation);
        self.place_conversation(key, low, high, Pair::of(one_id, other_id));
        Ok(key)
    }

    pub(super) fn place_conversation(
        &mut self,
        key: ConversationKey,
        low: UserKey,
        high: UserKey,
        pair: Pair,
    ) {
        self.next_conversation = self.next_conversation.max(key.0 + 1);
        self.pairs.insert(ordered(low, high), Known { key, pinned: true });
        let direct = Direct::default();
        self.conversations
            .insert(key, Conversation { low, high, pair, direct, recent: [0, 0], pinned: true });
    }

    pub(super) fn pair(&self, low: UserKey, high: UserKey) -> Result<Pair, Failure> {
        let low = self.glance(low, |user| user.id.clone())?;
        let high = self.glance(high, |user| user.id.clone())?;
        Ok(Pair::of(low, high))
    }

    // ------------------------------------------------------------ items

    /// Where a message with this idempotency key went.
    pub(super) fn sent(
        &self,
        user: UserKey,
        client_id: ClientMsgId,
    ) -> Result<Option<SentRow>, Failure> {
        match self.overlay.sent(user, client_id) {
            Some(row) => Ok(Some(row)),
            None => self.tables.sent(user, client_id),
        }
    }

    /// A message that exists.
    pub(super) fn message(
        &self,
        conversation: ConversationKey,
        seq: u64,
    ) -> Result<MessageRow, Failure> {
        match self.overlay.message(conversation, seq) {
            Some(row) => Ok(row.clone()),
            None => self
                .tables
                .message(conversation, seq)?
                .ok_or(Failure::Damaged("a message that is referred to")),
        }
    }

    /// A table row has all that the conversation's memory has: write it and let go of it.
    pub(super) fn unpin_conversation(&mut self, key: ConversationKey) {
        if let Some(conversation) = self.conversations.peek_mut(&key) {
            conversation.pinned = false;
            let pair = ordered(conversation.low, conversation.high);
            if let Some(known) = self.pairs.peek_mut(&pair) {
                known.pinned = false;
            }
        }
    }

    /// The same for a user.
    pub(super) fn unpin_user(&mut self, key: UserKey) {
        if let Some(user) = self.users.peek_mut(&key) {
            user.pinned = false;
            let name = (user.app, user.id.clone());
            if let Some(known) = self.names.peek_mut(&name) {
                known.pinned = false;
            }
        }
    }

    /// Puts a message, its log entries and its idempotency key into memory; the conversation
    /// already has the state that it left.
    pub(super) fn place_message(
        &mut self,
        key: ConversationKey,
        row: MessageRow,
    ) -> Result<(), Failure> {
        let conversation = self.conversation(key)?;
        let Conversation { low, high, recent, direct, .. } = *conversation;
        let kind = |owner| EntryKind::Message { read: direct.read(owner) };
        let seq = row.placed.seq;
        let sender = if row.from == Side::Low { low } else { high };
        let sent = SentRow { conversation: key, seq, time: row.time };
        self.overlay.push_sent(sender, row.client_id, sent);
        self.overlay.push_message(key, row);
        self.place_entry(low, kind(Side::Low), key, seq, recent[0])?;
        if low != high {
            self.place_entry(high, kind(Side::High), key, seq, recent[1])?;
        }
        Ok(())
    }

    /// Puts an entry at the end of a user's log, in memory.
    pub(super) fn place_entry(
        &mut self,
        user: UserKey,
        kind: EntryKind,
        conversation: ConversationKey,
        seq: u64,
        offset: u64,
    ) -> Result<(), Failure> {
        let owner = self.user(user)?;
        owner.head = offset.max(owner.head);
        owner.pinned = true;
        self.overlay.push_entry(user, EntryRow { offset, kind, conversation, seq });
        Ok(())
    }
}

impl State {
    /// Puts the records of the batch into the journal, within the open transaction.
    pub(super) fn write_journal(&self) -> Result<(), Failure> {
        for (seq, record) in (self.journal.next..).zip(&self.journal.pending) {
            self.tables.append(seq, record)?;
        }
        Ok(())
    }
}

impl Journal {
    /// The batch is durable.
    pub(super) fn committed(&mut self) {
        let rows = self.pending.len() as u64;
        self.next += rows;
        self.rows += rows;
        self.bytes += self.pending.drain(..).map(|record| record.len() as u64).sum::<u64>();
    }

    pub(super) fn push(&mut self, change: Change) {
        self.pending.push(Record::encode(change));
    }
}

impl User {
    /// Somebody is there to be told at once.
    pub(super) fn is_connected(&self) -> bool {
        self.sessions.sessions.iter().any(|session| session.conn().is_some())
    }

    pub(super) fn row(&self) -> UserRow {
        UserRow {
            app: self.app,
            id: self.id.clone(),
            name: self.name.clone(),
            created: self.created,
            head: self.head,
            sessions: Bytes::from(record::encode_sessions(&self.sessions)),
        }
    }
}

impl Conversation {
    pub(super) const fn row(&self, key: ConversationKey) -> ConversationRow {
        let Self { low, high, direct, recent, .. } = self;
        ConversationRow { key, low: *low, high: *high, direct: *direct, recent: *recent }
    }

    pub(super) fn value(&self, key: ConversationKey) -> ConversationValue {
        let Direct { head, low_count, low_read, high_read } = self.direct;
        ConversationValue {
            key: key.0,
            low: self.low.0,
            high: self.high.0,
            head,
            low_count,
            low_read: low_read.seq,
            low_read_own: low_read.own_count,
            high_read: high_read.seq,
            high_read_own: high_read.own_count,
            low_recent: self.recent[0],
            high_recent: self.recent[1],
        }
    }
}

impl Pinned for User {
    fn is_pinned(&self) -> bool {
        self.pinned
    }
}

impl Pinned for Conversation {
    fn is_pinned(&self) -> bool {
        self.pinned
    }
}

impl<K> Pinned for Known<K> {
    fn is_pinned(&self) -> bool {
        self.pinned
    }
}

fn ordered(one: UserKey, other: UserKey) -> (UserKey, UserKey) {
    if one <= other { (one, other) } else { (other, one) }
}

const NO_USER: Failure = Failure::Damaged("a user that is referred to");

/// In `meta`: see [`State::keep_numbers`].
const NEXT_USER: &str = "next_user";
const NEXT_CONVERSATION: &str = "next_conversation";
