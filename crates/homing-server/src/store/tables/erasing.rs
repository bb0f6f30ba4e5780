//! The statements of erasing (D-7). Each takes away a bounded number of rows and can be repeated.

use homing_proto::id::AppId;
use homing_proto::time::WallTime;
use rusqlite::params;

use super::{Read, Tables, Write, app_id, signed, u64_at};
use crate::apps::Erased;
use crate::store::{ConversationKey, UserKey};

/// A row of `deletion`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::store) struct DeletionRow {
    pub(in crate::store) app: AppId,
    /// `None`: the app itself.
    pub(in crate::store) user: Option<UserKey>,
    pub(in crate::store) asked: WallTime,
    /// When nothing was left.
    pub(in crate::store) done: Option<WallTime>,
    pub(in crate::store) erased: Erased,
}

impl Tables {
    /// From here on what is deleted is overwritten in the file, until [`Tables::unlink_deleted`].
    pub(in crate::store) fn overwrite_deleted(&self) -> Write {
        Ok(self.db.pragma_update(None, "secure_delete", "ON")?)
    }

    /// From here on what is deleted is only taken out of the tables, which writes less.
    pub(in crate::store) fn unlink_deleted(&self) -> Write {
        Ok(self.db.pragma_update(None, "secure_delete", "OFF")?)
    }

    // ------------------------------------------------------------ what was deleted

    /// In the order in which it was asked for.
    pub(in crate::store) fn deletions(&self) -> Read<Vec<DeletionRow>> {
        self.all(
            "SELECT app, user, asked, done, users, conversations, messages FROM deletion \
             ORDER BY asked, app, user",
            [],
            |row| {
                Ok(DeletionRow {
                    app: app_id(row, 0)?,
                    user: Some(u64_at(row, 1)?).filter(|key| *key > 0).map(UserKey),
                    asked: WallTime(u64_at(row, 2)?),
                    done: Some(u64_at(row, 3)?).filter(|ms| *ms > 0).map(WallTime),
                    erased: Erased {
                        users: u64_at(row, 4)?,
                        conversations: u64_at(row, 5)?,
                        messages: u64_at(row, 6)?,
                    },
                })
            },
        )
    }

    pub(in crate::store) fn put_deletion(&self, row: &DeletionRow) -> Write {
        let Erased { users, conversations, messages } = row.erased;
        self.run(
            "INSERT OR REPLACE INTO deletion VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            [
                u64::from(row.app.get()),
                row.user.map_or(0, |user| user.0),
                row.asked.0,
                row.done.map_or(0, |done| done.0),
                users,
                conversations,
                messages,
            ]
            .map(signed),
        )
    }

    /// A user has nothing left to erase.
    pub(in crate::store) fn drop_deletion(&self, app: AppId, user: UserKey) -> Write {
        self.run(
            "DELETE FROM deletion WHERE app = ?1 AND user = ?2",
            params![app.get(), signed(user.0)],
        )
    }

    /// The users of an app need no erasing of their own: all of it goes.
    pub(in crate::store) fn drop_deletions_of_users(&self, app: AppId) -> Write {
        self.run("DELETE FROM deletion WHERE app = ?1 AND user <> 0", [app.get()])
    }

    // ------------------------------------------------------------ what is erased

    pub(in crate::store) fn drop_app(&self, app: AppId) -> Write {
        self.run("DELETE FROM app WHERE id = ?1", [app.get()])
    }

    /// Any user of an app.
    pub(in crate::store) fn any_user_of(&self, app: AppId) -> Read<Option<UserKey>> {
        self.one("SELECT key FROM user WHERE app = ?1 LIMIT 1", [app.get()], |row| {
            Ok(UserKey(u64_at(row, 0)?))
        })
    }

    pub(in crate::store) fn drop_user(&self, user: UserKey) -> Write {
        self.run("DELETE FROM user WHERE key = ?1", [signed(user.0)])
    }

    /// Any conversation that a user is still a member of.
    pub(in crate::store) fn any_conversation_of(
        &self,
        user: UserKey,
    ) -> Read<Option<ConversationKey>> {
        self.one(
            "SELECT conversation FROM member WHERE user = ?1 LIMIT 1",
            [signed(user.0)],
            |row| Ok(ConversationKey(u64_at(row, 0)?)),
        )
    }

    pub(in crate::store) fn drop_member(
        &self,
        user: UserKey,
        conversation: ConversationKey,
    ) -> Write {
        self.run(
            "DELETE FROM member WHERE user = ?1 AND conversation = ?2",
            [user.0, conversation.0].map(signed),
        )
    }

    pub(in crate::store) fn drop_conversation(&self, conversation: ConversationKey) -> Write {
        self.run("DELETE FROM conversation WHERE key = ?1", [signed(conversation.0)])
    }

    /// The earliest messages of a conversation; how many there were.
    pub(in crate::store) fn drop_messages(
        &self,
        conversation: ConversationKey,
        limit: u64,
    ) -> Read<u64> {
        self.change(
            "DELETE FROM message WHERE conversation = ?1 AND seq < ?2 + \
             (SELECT min(seq) FROM message WHERE conversation = ?1)",
            [conversation.0, limit].map(signed),
        )
    }

    /// The earliest entries of a user's log; how many there were.
    pub(in crate::store) fn drop_log(&self, user: UserKey, limit: u64) -> Read<u64> {
        self.change(
            "DELETE FROM entry WHERE user = ?1 AND offset < ?2 + \
             (SELECT min(offset) FROM entry WHERE user = ?1)",
            [user.0, limit].map(signed),
        )
    }

    /// Some of a user's idempotency keys; how many there were.
    pub(in crate::store) fn drop_sent(&self, user: UserKey, limit: u64) -> Read<u64> {
        self.change(
            "DELETE FROM sent WHERE user = ?1 AND client_id <= (SELECT max(client_id) FROM \
             (SELECT client_id FROM sent WHERE user = ?1 ORDER BY client_id LIMIT ?2))",
            [user.0, limit].map(signed),
        )
    }

    fn change(&self, sql: &str, params: impl rusqlite::Params) -> Read<u64> {
        Ok(self.db.prepare_cached(sql)?.execute(params)? as u64)
    }
}
