//! Messages: sending, receiving, history, read marks.

use homing::{Client, ClientMsgId, Content, ContentView, ConversationId, Message, UserId};

use super::code::V2TimError;
use super::manager::V2TimManager;

/// `V2TIMMessage`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct V2TimMessage {
    /// `msgID`
    pub msg_id: String,
    /// `timestamp`, in seconds, by the server's clock.
    pub timestamp: u64,
    /// `sender`
    pub sender: String,
    /// `userID`: the other side of the conversation.
    pub user_id: String,
    /// `isSelf`
    pub is_self: bool,
    /// `seq`
    pub seq: u64,
    /// `elemType` and the element with it.
    pub elem: V2TimElem,
}

/// What a message says. The numbers are `elemType`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum V2TimElem {
    /// `V2TIM_ELEM_TYPE_TEXT`, 1.
    Text(String),
    /// `V2TIM_ELEM_TYPE_CUSTOM`, 2.
    Custom {
        /// `data`
        data: Vec<u8>,
        /// `desc`: in Homing the kind of the content.
        desc: String,
    },
    /// `V2TIM_ELEM_TYPE_NONE`, 0: a kind that this version does not know.
    None,
}

impl V2TimElem {
    /// `elemType`
    pub const fn number(&self) -> i32 {
        match self {
            Self::None => 0,
            Self::Text(_) => 1,
            Self::Custom { .. } => 2,
        }
    }

    fn of(content: &Content) -> Self {
        match content.view() {
            ContentView::Text(text) => Self::Text(text),
            ContentView::Custom { kind, data } => Self::Custom { data: data.to_vec(), desc: kind },
            ContentView::Unknown => Self::None,
        }
    }
}

impl V2TimMessage {
    /// The message as `reader` sees it.
    pub(super) fn of(message: &Message, reader: Option<&UserId>) -> Self {
        let ConversationId::Direct(peer) = &message.conversation;
        Self {
            msg_id: message.client_id.to_string(),
            timestamp: message.time.seconds(),
            sender: message.from.to_string(),
            user_id: peer.to_string(),
            // Of two people the one that is not the other; a note to oneself needs the reader.
            is_self: message.from != *peer || Some(&message.from) == reader,
            seq: message.seq,
            elem: V2TimElem::of(&message.content),
        }
    }
}

/// `V2TIMMessageManager`
#[derive(Clone, Debug)]
pub struct V2TimMessageManager(V2TimManager);

impl V2TimMessageManager {
    pub(super) const fn new(manager: V2TimManager) -> Self {
        Self(manager)
    }

    /// `sendC2CTextMessage`: gives the message id when the message is durable on this device. It is
    /// sent when the server can be reached, once.
    ///
    /// # Errors
    /// 6013, 6014, 6017 for too much text, 9507 when too many messages wait.
    pub async fn send_c2c_text_message(
        &self,
        text: &str,
        user_id: &str,
    ) -> Result<String, V2TimError> {
        self.send(user_id, Content::text(text)).await
    }

    /// `sendC2CCustomMessage`
    ///
    /// # Errors
    /// As [`send_c2c_text_message`](Self::send_c2c_text_message).
    pub async fn send_c2c_custom_message(
        &self,
        data: &[u8],
        desc: &str,
        user_id: &str,
    ) -> Result<String, V2TimError> {
        self.send(
            user_id,
            Content::new(&ContentView::Custom {
                kind: desc.to_owned(),
                data: data.to_vec().into(),
            }),
        )
        .await
    }

    /// `getC2CHistoryMessageList`: the newest `count` messages before `last_msg`, newest first. At
    /// most 100.
    ///
    /// # Errors
    /// 6013, 6014 when no account's data is open.
    pub async fn get_c2c_history_message_list(
        &self,
        user_id: &str,
        count: u32,
        last_msg: Option<&V2TimMessage>,
    ) -> Result<Vec<V2TimMessage>, V2TimError> {
        let client = self.0.client()?;
        let before = last_msg.map_or(0, |message| message.seq);
        let history = client.history(&direct(user_id)?, before, count).await?;
        let user = client.status().now().user().cloned();
        let messages = history.messages.iter().rev();
        Ok(messages.map(|message| V2TimMessage::of(message, user.as_ref())).collect())
    }

    /// `markC2CMessageAsRead`: everything in the conversation is read, on all of the account's devices.
    ///
    /// # Errors
    /// 6013, 6014, 6200 without a connection.
    pub async fn mark_c2c_message_as_read(&self, user_id: &str) -> Result<(), V2TimError> {
        mark_read(&self.0.client()?, &direct(user_id)?).await
    }

    async fn send(&self, user_id: &str, content: Content) -> Result<String, V2TimError> {
        let client = self.0.client()?;
        let id: ClientMsgId = client.send(&direct(user_id)?, content).await?;
        Ok(id.to_string())
    }
}

pub(super) async fn mark_read(
    client: &Client,
    conversation: &ConversationId,
) -> Result<(), V2TimError> {
    let head = client.conversation(conversation).await?.map_or(0, |view| view.head);
    Ok(client.mark_read(conversation, head).await?)
}

fn direct(user_id: &str) -> Result<ConversationId, V2TimError> {
    Ok(ConversationId::Direct(UserId::parse(user_id)?))
}
