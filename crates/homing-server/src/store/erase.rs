//! Erasing what a deleted app or user had, in bounded slices between commits (D-7).
//!
//! A deletion is one row, durable before it is answered; from then on nobody gets at what was deleted.
//! The rest happens in the gaps, one deletion after the other, and needs no note of how far it has
//! come: each slice takes the first of what the tables still hold. A crash goes on where it was.
//!
//! The journal holds states that a replay would bring back. So a deletion is begun only when all that
//! the journal held at that moment is merged, and nothing that comes later may name what is erased:
//! commands for a deleted app or user are turned down before they change anything, and what a deleted
//! user leaves to others is changed through the journal like everything else.
//!
//! What a deleted user wrote to others stays theirs. What only deleted users could see goes: a
//! conversation with oneself, and one that its other member has left so before.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use homing_core::server::log::Side;
use homing_proto::id::AppId;
use homing_proto::time::WallTime;
use homing_proto::{Code, Error};

use super::effect::{Effect, Effects};
use super::error::Failure;
use super::merge::Progress;
use super::record::{Change, LeftChange};
use super::state::State;
use super::tables::{ConversationRow, DeletionRow};
use super::{ConversationKey, UserKey};
use crate::apps::{Apps, DeletedApp, DeletedApps, Erased};

/// What was deleted, as far as it has to be known at any moment.
#[derive(Default)]
pub(super) struct Deletions {
    /// Every app that ever was and is not.
    pub(super) apps: DeletedApps,
    /// What is left to erase, first come first served.
    waiting: VecDeque<Deletion>,
    /// The users among them.
    users: BTreeSet<UserKey>,
}

struct Deletion {
    row: DeletionRow,
    /// The journal's rows before this one must be merged first; known once it is the first.
    merged_before: Option<u64>,
}

/// What an erasing works with.
struct Slice {
    until: Instant,
    erased: Erased,
}

/// Whose conversations are erased.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Whose {
    /// All of an app's.
    App,
    /// One user's; the others keep theirs.
    User,
}

impl State {
    /// Deletes an app: nobody gets in any more, its id is not given out again, and what it had is
    /// erased from now on. Once more for one that was deleted: how far that has come.
    pub(super) fn delete_app(
        &mut self,
        id: AppId,
        now: WallTime,
        out: &mut Effects,
    ) -> Result<Result<DeletedApp, Error>, Failure> {
        if let Some(deleted) = self.deletions.apps.get(&id) {
            return Ok(Ok(*deleted));
        }
        if !self.apps.contains_key(&id) {
            return Ok(Err(Code::UNKNOWN_APP.into()));
        }
        // The keys are gone from the file with the first commit.
        self.tables.overwrite_deleted()?;
        let dropped = self.tables.drop_app(id);
        self.tables.unlink_deleted()?;
        dropped?;
        self.tables.drop_deletions_of_users(id)?;
        self.keep_numbers()?;
        let row = DeletionRow::new(id, None, now);
        self.tables.put_deletion(&row)?;
        let mut apps = BTreeMap::clone(&self.apps);
        apps.remove(&id);
        self.apps = Apps::new(apps);
        self.deletions.forget_users_of(id);
        self.deletions.push(row);
        out.push(Effect::AppDeleted { app: id, at: now });
        Ok(Ok(DeletedApp::of(&row)))
    }

    /// Has what a deleted user had be erased. The user's value says already that it is deleted.
    pub(super) fn erase_later(&mut self, user: UserKey, now: WallTime) -> Result<(), Failure> {
        if self.deletions.users.contains(&user) {
            return Ok(());
        }
        if !self.user(user)?.name.is_empty() {
            self.rename_user(user, "")?;
        }
        self.keep_numbers()?;
        let row = DeletionRow::new(self.user(user)?.app, Some(user), now);
        self.tables.put_deletion(&row)?;
        self.deletions.push(row);
        Ok(())
    }

    /// One transaction of about `length`, unless there is nothing to erase or the journal is not yet
    /// merged. The deletion that it brought to its end, if it did. The caller recovers when it fails.
    pub(super) fn erase(
        &mut self,
        length: Duration,
        now: WallTime,
    ) -> Result<Option<DeletionRow>, Failure> {
        if self.deletions.is_idle() || self.awaits_merge() {
            return Ok(None);
        }
        let first = &self.deletions.waiting[0];
        let mut row = first.row;
        let mut slice = Slice { until: Instant::now() + length, erased: row.erased };
        self.tables.begin()?;
        self.tables.overwrite_deleted()?;
        let worked = match row.user {
            None => self.erase_app(row.app, &mut slice),
            Some(user) => self.erase_deleted_user(user, &mut slice),
        };
        self.tables.unlink_deleted()?;
        row.erased = slice.erased;
        row.done = (worked? == Progress::Done).then_some(now);
        match (row.user, row.done) {
            (Some(user), Some(_)) => self.tables.drop_deletion(row.app, user)?,
            _ => self.tables.put_deletion(&row)?,
        }
        self.write_journal()?;
        self.tables.commit()?;
        self.journal.committed();
        self.deletions.note(row);
        Ok(row.done.map(|_| row))
    }

    /// Whether the first deletion cannot be begun before the journal is merged further.
    pub(super) fn awaits_merge(&mut self) -> bool {
        let journal = &self.journal;
        let Some(first) = self.deletions.waiting.front_mut() else { return false };
        let merged_before =
            *first.merged_before.get_or_insert_with(|| journal.next + journal.pending.len() as u64);
        journal.next - journal.rows < merged_before
    }

    /// Whether the user's data is still being erased.
    pub(super) fn is_being_erased(&self, user: UserKey) -> bool {
        self.deletions.users.contains(&user)
    }

    pub(super) fn load_deletions(&self) -> Result<Deletions, Failure> {
        let mut deletions = Deletions::default();
        for row in self.tables.deletions()? {
            deletions.push(row);
        }
        Ok(deletions)
    }

    fn erase_app(&mut self, app: AppId, slice: &mut Slice) -> Result<Progress, Failure> {
        while let Some(user) = self.tables.any_user_of(app)? {
            if self.erase_user(user, Whose::App, slice)? == Progress::More {
                return Ok(Progress::More);
            }
            self.tables.drop_user(user)?;
            self.forget_user(user);
            slice.erased.users += 1;
            if slice.is_over() {
                return Ok(Progress::More);
            }
        }
        Ok(Progress::Done)
    }

    fn erase_deleted_user(
        &mut self,
        user: UserKey,
        slice: &mut Slice,
    ) -> Result<Progress, Failure> {
        if self.erase_user(user, Whose::User, slice)? == Progress::More {
            return Ok(Progress::More);
        }
        // The row stays, so that the id is not given out again and logins are told what became of it.
        let owner = self.user(user)?;
        owner.head = 0;
        let row = owner.row();
        self.tables.put_user(user, &row)?;
        slice.erased.users += 1;
        Ok(Progress::Done)
    }

    /// Everything of a user but the row itself.
    fn erase_user(
        &mut self,
        user: UserKey,
        whose: Whose,
        slice: &mut Slice,
    ) -> Result<Progress, Failure> {
        while let Some(conversation) = self.tables.any_conversation_of(user)? {
            if self.erase_conversation(conversation, user, whose, slice)? == Progress::More
                || slice.is_over()
            {
                return Ok(Progress::More);
            }
        }
        while self.tables.drop_log(user, ROWS)? > 0 {
            if slice.is_over() {
                return Ok(Progress::More);
            }
        }
        while self.tables.drop_sent(user, ROWS)? > 0 {
            if slice.is_over() {
                return Ok(Progress::More);
            }
        }
        Ok(Progress::Done)
    }

    fn erase_conversation(
        &mut self,
        key: ConversationKey,
        user: UserKey,
        whose: Whose,
        slice: &mut Slice,
    ) -> Result<Progress, Failure> {
        // From the table: of a deleted app the other member's own row may be gone already.
        let row = self.tables.conversation(key)?;
        if whose == Whose::User && row.is_some() && self.is_shared(key, user)? {
            self.leave(key, user)?;
            self.tables.drop_member(user, key)?;
            return Ok(Progress::Done);
        }
        loop {
            match self.tables.drop_messages(key, ROWS)? {
                0 => break,
                dropped => slice.erased.messages += dropped,
            }
            if slice.is_over() {
                return Ok(Progress::More);
            }
        }
        // A row that damage took away does not keep the rest from being erased.
        self.tables.drop_member(user, key)?;
        if let Some(ConversationRow { low, high, .. }) = row {
            self.tables.drop_member(low, key)?;
            self.tables.drop_member(high, key)?;
            self.tables.drop_conversation(key)?;
            self.forget_conversation(key, low, high);
            slice.erased.conversations += 1;
        }
        Ok(Progress::Done)
    }

    /// Whether a conversation has another member, who did not leave it before.
    fn is_shared(&mut self, key: ConversationKey, user: UserKey) -> Result<bool, Failure> {
        let conversation = self.conversation(key)?;
        let peer = conversation.side(user).other();
        let is_with_oneself = conversation.low == conversation.high;
        Ok(!is_with_oneself && conversation.recent[usize::from(peer == Side::High)] > 0)
    }

    /// Takes a user out of a conversation that its other member keeps. Through the journal: that
    /// member goes on using it, and a replay must not bring back what is forgotten here.
    fn leave(&mut self, key: ConversationKey, user: UserKey) -> Result<(), Failure> {
        let conversation = self.conversation(key)?;
        let side = conversation.side(user);
        conversation.direct.leave(side);
        conversation.recent[usize::from(side == Side::High)] = 0;
        conversation.pinned = true;
        let value = conversation.value(key);
        self.journal.push(Change::Left(LeftChange { conversation: Some(value) }));
        Ok(())
    }
}

impl Deletions {
    /// Whether there is nothing to erase.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    fn push(&mut self, row: DeletionRow) {
        match row.user {
            None => self.put_app(&row),
            Some(user) => drop(self.users.insert(user)),
        }
        if row.done.is_none() {
            self.waiting.push_back(Deletion { row, merged_before: None });
        }
    }

    /// What a slice made of the first deletion, durably.
    fn note(&mut self, row: DeletionRow) {
        if row.user.is_none() {
            self.put_app(&row);
        }
        if row.done.is_some() {
            self.waiting.pop_front();
            row.user.map(|user| self.users.remove(&user));
        } else if let Some(first) = self.waiting.front_mut() {
            first.row = row;
        }
    }

    fn forget_users_of(&mut self, app: AppId) {
        let users = self.waiting.iter().filter(|deletion| deletion.row.app == app);
        for user in users.filter_map(|deletion| deletion.row.user) {
            self.users.remove(&user);
        }
        self.waiting.retain(|deletion| deletion.row.app != app);
    }

    fn put_app(&mut self, row: &DeletionRow) {
        Arc::make_mut(&mut self.apps).insert(row.app, DeletedApp::of(row));
    }
}

impl DeletionRow {
    const fn new(app: AppId, user: Option<UserKey>, asked: WallTime) -> Self {
        let erased = Erased { users: 0, conversations: 0, messages: 0 };
        Self { app, user, asked, done: None, erased }
    }
}

impl DeletedApp {
    const fn of(row: &DeletionRow) -> Self {
        Self { deleted: row.asked, done: row.done, erased: row.erased }
    }
}

impl Slice {
    fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }
}

/// Rows taken away between two looks at the clock: some 0.2 ms, and 2 ms when each is as large as a
/// message may be.
const ROWS: u64 = 64;
