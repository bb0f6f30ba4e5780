//! Conversations and messages.

use homing::{Content, ContentView, ConversationId, ConversationView, Message, UserId};

use super::code::ZimError;
use super::sdk::Zim;

/// `ZIMMessage`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ZimMessage {
    /// `messageID`
    pub message_id: String,
    /// `conversationID`: the other side.
    pub conversation_id: String,
    /// `senderUserID`
    pub sender_user_id: String,
    /// `timestamp`, in milliseconds since 1970, by the server's clock.
    pub timestamp: u64,
    /// `conversationSeq`
    pub conversation_seq: u64,
    /// `message` of a text message; `None` for other kinds.
    pub message: Option<String>,
}

/// `ZIMConversation`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ZimConversation {
    /// `conversationID`: the other side.
    pub conversation_id: String,
    /// `type`: 0, peer.
    pub kind: i32,
    /// `unreadMessageCount`
    pub unread_message_count: u64,
    /// `orderKey`
    pub order_key: u64,
    /// `lastMessage`
    pub last_message: Option<ZimMessage>,
    /// Where the next page begins.
    view: ConversationView,
}

impl ZimMessage {
    pub(super) fn of(message: &Message) -> Self {
        let ConversationId::Direct(peer) = &message.conversation;
        let text = match message.content.view() {
            ContentView::Text(text) => Some(text),
            ContentView::Custom { .. } | ContentView::Unknown => None,
        };
        Self {
            message_id: message.client_id.to_string(),
            conversation_id: peer.to_string(),
            sender_user_id: message.from.to_string(),
            timestamp: message.time.0,
            conversation_seq: message.seq,
            message: text,
        }
    }
}

impl Zim {
    /// `queryConversationList`: `count` conversations after `next_conversation`, newest first; at most
    /// 500. Answers offline.
    ///
    /// # Errors
    /// 6000121 when nobody is signed in.
    pub async fn query_conversation_list(
        &self,
        next_conversation: Option<&ZimConversation>,
        count: u32,
    ) -> Result<Vec<ZimConversation>, ZimError> {
        let client = self.client();
        let page = match next_conversation {
            None => client.conversations(count).await?,
            Some(last) => client.conversations_after(&last.view, count).await?,
        };
        Ok(page.into_iter().map(conversation).collect())
    }

    /// `queryConversation`. Answers offline.
    ///
    /// # Errors
    /// 6000121; 6000001 for a conversation that is not known here.
    pub async fn query_conversation(&self, id: &str) -> Result<ZimConversation, ZimError> {
        let view = self.client().conversation(&peer(id)?).await?;
        let unknown = || ZimError::from(homing::Error::new(homing::Code::CONVERSATION_UNKNOWN));
        view.map(conversation).ok_or_else(unknown)
    }

    /// `queryHistoryMessage`: `count` messages before `next_message`, oldest first; at most 100. Answers
    /// offline, from what is stored here.
    ///
    /// # Errors
    /// 6000121 when nobody is signed in.
    pub async fn query_history_message(
        &self,
        conversation_id: &str,
        next_message: Option<&ZimMessage>,
        count: u32,
    ) -> Result<Vec<ZimMessage>, ZimError> {
        let before = next_message.map_or(0, |message| message.conversation_seq);
        let history = self.client().history(&peer(conversation_id)?, before, count).await?;
        Ok(history.messages.iter().map(ZimMessage::of).collect())
    }

    /// `sendMessage` of a text to a user: gives the message id when the message is durable on this
    /// device. It is sent when the server can be reached, once.
    ///
    /// # Errors
    /// 6000121, 6000001 for too much text, 6000004 when too many messages wait.
    pub async fn send_text_message(
        &self,
        text: &str,
        to_user_id: &str,
    ) -> Result<String, ZimError> {
        let id = self.client().send(&peer(to_user_id)?, Content::text(text)).await?;
        Ok(id.to_string())
    }

    /// `clearConversationUnreadMessageCount`, on all of the account's devices. Needs a connection, unlike
    /// the original's.
    ///
    /// # Errors
    /// 6000121, 6000104 without a connection.
    pub async fn clear_conversation_unread_message_count(&self, id: &str) -> Result<(), ZimError> {
        let (client, conversation) = (self.client(), peer(id)?);
        let head = client.conversation(&conversation).await?.map_or(0, |view| view.head);
        Ok(client.mark_read(&conversation, head).await?)
    }

    /// `queryUsersStatus`, as far as being online goes: each user with 0 online or 1 offline.
    ///
    /// # Errors
    /// 6000121, 6000104 without a connection, 6000001 for too many users.
    pub async fn query_users_status(&self, users: &[&str]) -> Result<Vec<(String, i32)>, ZimError> {
        let ids = users.iter().map(|user| UserId::parse(user)).collect::<Result<_, _>>()?;
        let online = self.client().presence(ids).await?;
        let number = |online| if online { 0 } else { 1 };
        Ok(online.into_iter().map(|(user, online)| (user.to_string(), number(online))).collect())
    }
}

fn conversation(view: ConversationView) -> ZimConversation {
    let ConversationId::Direct(peer) = &view.id;
    ZimConversation {
        conversation_id: peer.to_string(),
        kind: 0,
        unread_message_count: view.unread(),
        order_key: view.time.0,
        last_message: view.last.as_ref().map(ZimMessage::of),
        view,
    }
}

fn peer(id: &str) -> Result<ConversationId, ZimError> {
    Ok(ConversationId::Direct(UserId::parse(id)?))
}
