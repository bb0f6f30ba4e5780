//! [`MessageService`]: sessions (conversations) and messages.

use homing::{Content, ContentView, ConversationId, ConversationView, Message, UserId};

use super::code::NimError;
use super::core::NimCore;
use super::event::NimEvents;

/// `MessageService`
#[derive(Clone, Debug)]
pub struct MessageService(NimCore);

/// `NIMMessage`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NimMessage {
    /// `uuid`
    pub uuid: String,
    /// `sessionId`: the other side.
    pub session_id: String,
    /// `fromAccount`
    pub from_account: String,
    /// `timestamp`, in milliseconds since 1970, by the server's clock.
    pub timestamp: u64,
    /// `content` of a text message; `None` for other kinds.
    pub content: Option<String>,
    /// Its place in the conversation.
    pub seq: u64,
}

/// `NIMSession`: a conversation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NimSession {
    /// `sessionId`: the other side.
    pub session_id: String,
    /// `unreadCount`
    pub unread_count: u64,
    /// `lastMessageTime`, in milliseconds since 1970, by the server's clock.
    pub last_message_time: u64,
    /// The last message.
    pub last_message: Option<NimMessage>,
}

impl NimMessage {
    pub(super) fn of(message: &Message) -> Self {
        let ConversationId::Direct(peer) = &message.conversation;
        let content = match message.content.view() {
            ContentView::Text(text) => Some(text),
            ContentView::Custom { .. } | ContentView::Unknown => None,
        };
        Self {
            uuid: message.client_id.to_string(),
            session_id: peer.to_string(),
            from_account: message.from.to_string(),
            timestamp: message.time.0,
            content,
            seq: message.seq,
        }
    }
}

impl MessageService {
    pub(super) const fn new(core: NimCore) -> Self {
        Self(core)
    }

    /// `onMessage`: messages of others, and of other devices of this account, from here on.
    pub fn on_message(&self) -> NimEvents<NimMessage> {
        NimEvents::new(self.0.streams().messages.subscribe())
    }

    /// `sendTextMessage`, to a user: gives the message's `uuid` when it is durable on this device. It is
    /// sent when the server can be reached, once.
    ///
    /// # Errors
    /// 20000, 20001, 414 for too much text, 419 when too many messages wait.
    pub async fn send_text_message(&self, account: &str, text: &str) -> Result<String, NimError> {
        let id = self.0.client()?.send(&direct(account)?, Content::text(text)).await?;
        Ok(id.to_string())
    }

    /// `querySessionList`: the newest `limit` conversations, at most 500.
    ///
    /// # Errors
    /// 20000; 1000 when no account's data is open.
    pub async fn query_session_list(&self, limit: u32) -> Result<Vec<NimSession>, NimError> {
        let list = self.0.client()?.conversations(limit).await?;
        Ok(list.iter().map(session).collect())
    }

    /// `queryMessageListEx`, towards older ones: `limit` messages before `anchor`, oldest first. At most
    /// 100.
    ///
    /// # Errors
    /// 20000; 1000 when no account's data is open.
    pub async fn query_message_list_ex(
        &self,
        account: &str,
        anchor: Option<&NimMessage>,
        limit: u32,
    ) -> Result<Vec<NimMessage>, NimError> {
        let before = anchor.map_or(0, |message| message.seq);
        let history = self.0.client()?.history(&direct(account)?, before, limit).await?;
        Ok(history.messages.iter().map(NimMessage::of).collect())
    }

    /// `clearSessionUnreadCount`, on all of the account's devices.
    ///
    /// # Errors
    /// 20000, 20001, 415 without a link.
    pub async fn clear_session_unread_count(&self, account: &str) -> Result<(), NimError> {
        let (client, conversation) = (self.0.client()?, direct(account)?);
        let head = client.conversation(&conversation).await?.map_or(0, |view| view.head);
        Ok(client.mark_read(&conversation, head).await?)
    }
}

fn direct(account: &str) -> Result<ConversationId, NimError> {
    Ok(ConversationId::Direct(UserId::parse(&account.to_ascii_lowercase())?))
}

fn session(view: &ConversationView) -> NimSession {
    let ConversationId::Direct(peer) = &view.id;
    NimSession {
        session_id: peer.to_string(),
        unread_count: view.unread(),
        last_message_time: view.time.0,
        last_message: view.last.as_ref().map(NimMessage::of),
    }
}
