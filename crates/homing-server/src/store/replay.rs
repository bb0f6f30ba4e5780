//! The journal read back into memory, at an open and after a failed commit.

use bytes::Bytes;
use homing_core::server::log::{Direct, Placed, ReadMark, Side};
use homing_proto::id::{AppId, ClientMsgId, UserId};
use homing_proto::time::WallTime;
use prost::Message as _;

use super::error::Failure;
use super::record::{self, Change, ConversationValue, Record, UserChange};
use super::state::State;
use super::tables::{EntryKind, MessageRow};
use super::{ConversationKey, UserKey};

impl State {
    /// Takes one journal record into memory. Records hold the state they left, so that it does not
    /// matter whether the tables are already ahead of one.
    pub(super) fn replay(&mut self, bytes: Bytes) -> Result<(), Failure> {
        let record = Record::decode(bytes).map_err(|_| Failure::Damaged("a journal record"))?;
        match record.change.ok_or(Failure::Damaged("a journal record of an unknown kind"))? {
            Change::User(change) => self.replay_user(change),
            Change::Sessions(change) => {
                let mut sessions = record::decode_sessions(change.sessions)?;
                sessions.recover(self.run.incarnation, self.run.opened);
                let user = self.user(UserKey(change.user))?;
                user.sessions = sessions;
                user.pinned = true;
                Ok(())
            }
            Change::Sent(change) => {
                let client_id = ClientMsgId::from_slice(&change.client_id)
                    .ok_or(Failure::Damaged("a client message id"))?;
                let value = change.conversation.ok_or(Failure::Damaged("a journal record"))?;
                let key = self.replay_conversation(&value)?;
                let row = MessageRow {
                    placed: Placed { seq: value.head, low_count: value.low_count },
                    from: if change.from_high { Side::High } else { Side::Low },
                    client_id,
                    time: WallTime(change.time_ms),
                    content: change.content,
                };
                self.place_message(key, row)
            }
            Change::Read(change) => {
                let value = change.conversation.ok_or(Failure::Damaged("a journal record"))?;
                let key = self.replay_conversation(&value)?;
                let side = if change.by_high { Side::High } else { Side::Low };
                let (user, seq) = match side {
                    Side::Low => (UserKey(value.low), value.low_read),
                    Side::High => (UserKey(value.high), value.high_read),
                };
                self.place_entry(user, EntryKind::Read, key, seq, change.offset)
            }
            Change::Left(change) => {
                let value = change.conversation.ok_or(Failure::Damaged("a journal record"))?;
                self.replay_conversation(&value).map(drop)
            }
        }
    }

    fn replay_user(&mut self, change: UserChange) -> Result<(), Failure> {
        let key = UserKey(change.user);
        let app = AppId::new(change.app).map_err(|_| Failure::Damaged("an app id"))?;
        let id = UserId::parse(&change.id).map_err(|_| Failure::Damaged("a user id"))?;
        if self.user_key(app, &id)?.is_some() {
            let user = self.user(key)?;
            user.name = change.name;
            user.pinned = true;
        } else {
            self.place_user(key, app, id, change.name, WallTime(change.created_ms));
        }
        Ok(())
    }

    fn replay_conversation(
        &mut self,
        value: &ConversationValue,
    ) -> Result<ConversationKey, Failure> {
        let (key, low, high) =
            (ConversationKey(value.key), UserKey(value.low), UserKey(value.high));
        if self.conversation_of(low, high)?.is_none() {
            let pair = self.pair(low, high)?;
            self.place_conversation(key, low, high, pair);
        }
        let conversation = self.conversation(key)?;
        conversation.direct = Direct {
            head: value.head,
            low_count: value.low_count,
            low_read: ReadMark { seq: value.low_read, own_count: value.low_read_own },
            high_read: ReadMark { seq: value.high_read, own_count: value.high_read_own },
        };
        conversation.recent = [value.low_recent, value.high_recent];
        conversation.pinned = true;
        Ok(key)
    }
}
