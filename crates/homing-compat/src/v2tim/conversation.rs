//! Conversations: the list, one of them, unread counts.

use homing::{Client, ConversationId, ConversationView, UserId};

use super::code::{ERR_INVALID_PARAMETERS, V2TimError};
use super::manager::V2TimManager;
use super::message::{V2TimMessage, mark_read};

/// `V2TIMConversation`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct V2TimConversation {
    /// `type`: 1, C2C.
    pub kind: i32,
    /// `conversationID`: `c2c_` and the user.
    pub conversation_id: String,
    /// `userID`
    pub user_id: String,
    /// `showName`: the user id, since Homing has no profiles yet.
    pub show_name: String,
    /// `unreadCount`
    pub unread_count: u64,
    /// `lastMessage`
    pub last_message: Option<V2TimMessage>,
    /// `orderKey`: sort by it, descending.
    pub order_key: u64,
}

/// `V2TIMConversationResult`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct V2TimConversationResult {
    /// `nextSeq`: where the next page begins.
    pub next_seq: u64,
    /// `isFinished`: there is no next page.
    pub is_finished: bool,
    /// `conversationList`, newest first.
    pub conversation_list: Vec<V2TimConversation>,
}

/// `V2TIMConversationManager`
#[derive(Clone, Debug)]
pub struct V2TimConversationManager(V2TimManager);

impl V2TimConversationManager {
    pub(super) const fn new(manager: V2TimManager) -> Self {
        Self(manager)
    }

    /// `getConversationList`: `count` conversations from `next_seq` on, which is 0 for the first page.
    ///
    /// May be called right after `login` was called, and goes on working when that login fails for
    /// want of a network, if the user is the one who last signed in here (S-3.7).
    ///
    /// # Errors
    /// 6013; 6014 when no account's data is open; 6017 for a `count` of 0 or over 500.
    pub async fn get_conversation_list(
        &self,
        next_seq: u64,
        count: u32,
    ) -> Result<V2TimConversationResult, V2TimError> {
        if count == 0 || count > PAGE {
            return Err(V2TimError::of(ERR_INVALID_PARAMETERS, "count is 1 to 500"));
        }
        let client = self.0.client()?;
        let user = client.status().now().user().cloned();
        let last = last_before(&client, next_seq).await?;
        // One more than asked for tells whether there is a next page.
        let mut page = match (&last, next_seq) {
            (None, 0) => client.conversations(count.saturating_add(1)).await?,
            (None, _) => Vec::new(),
            (Some(last), _) => client.conversations_after(last, count.saturating_add(1)).await?,
        };
        let wanted = usize::try_from(count).unwrap_or(usize::MAX);
        let is_finished = page.len() <= wanted && page.len() < FULL_PAGE;
        page.truncate(wanted);
        Ok(V2TimConversationResult {
            next_seq: next_seq + page.len() as u64,
            is_finished,
            conversation_list: page.iter().map(|view| conversation(view, user.as_ref())).collect(),
        })
    }

    /// `getConversation`
    ///
    /// # Errors
    /// 6013; 6014; 6004 for an id that is none or a conversation that is not known here.
    pub async fn get_conversation(
        &self,
        conversation_id: &str,
    ) -> Result<V2TimConversation, V2TimError> {
        let client = self.0.client()?;
        let user = client.status().now().user().cloned();
        let view = client.conversation(&parse(conversation_id)?).await?;
        let view = view.ok_or_else(|| unknown(conversation_id))?;
        Ok(conversation(&view, user.as_ref()))
    }

    /// `getTotalUnreadMessageCount`
    ///
    /// # Errors
    /// As [`get_conversation_list`](Self::get_conversation_list).
    pub async fn get_total_unread_message_count(&self) -> Result<u64, V2TimError> {
        let client = self.0.client()?;
        let mut page = client.conversations(PAGE).await?;
        let mut total = 0;
        while let Some(last) = page.last() {
            total += page.iter().map(ConversationView::unread).sum::<u64>();
            page = client.conversations_after(last, PAGE).await?;
        }
        Ok(total)
    }

    /// `cleanConversationUnreadMessageCount`, up to the newest message.
    ///
    /// # Errors
    /// 6013, 6014, 6004, 6200 without a connection.
    pub async fn clean_conversation_unread_message_count(
        &self,
        conversation_id: &str,
    ) -> Result<(), V2TimError> {
        mark_read(&self.0.client()?, &parse(conversation_id)?).await
    }
}

/// The conversation at place `count`, counted from 1; `None` when there are fewer.
async fn last_before(client: &Client, count: u64) -> Result<Option<ConversationView>, V2TimError> {
    let mut left = usize::try_from(count).unwrap_or(usize::MAX);
    if left == 0 {
        return Ok(None);
    }
    let mut page = client.conversations(PAGE).await?;
    loop {
        if left <= page.len() {
            return Ok(Some(page.swap_remove(left - 1)));
        }
        left -= page.len();
        let Some(last) = page.last() else { return Ok(None) };
        page = client.conversations_after(last, PAGE).await?;
    }
}

fn conversation(view: &ConversationView, user: Option<&UserId>) -> V2TimConversation {
    let ConversationId::Direct(peer) = &view.id;
    V2TimConversation {
        kind: 1,
        conversation_id: format!("{C2C}{peer}"),
        user_id: peer.to_string(),
        show_name: peer.to_string(),
        unread_count: view.unread(),
        last_message: view.last.as_ref().map(|message| V2TimMessage::of(message, user)),
        order_key: view.time.0,
    }
}

fn parse(conversation_id: &str) -> Result<ConversationId, V2TimError> {
    let user = conversation_id.strip_prefix(C2C).ok_or_else(|| unknown(conversation_id))?;
    Ok(ConversationId::Direct(UserId::parse(user)?))
}

fn unknown(conversation_id: &str) -> V2TimError {
    V2TimError::of(6004, &format!("there is no conversation {conversation_id}"))
}

const C2C: &str = "c2c_";
/// The most that the SDK gives at once.
const PAGE: u32 = 500;
const FULL_PAGE: usize = PAGE as usize;
