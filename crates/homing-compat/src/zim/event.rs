//! What the app is told.

use super::code::ZimError;
use super::message::ZimMessage;
use super::status::{ZimConnectionEvent, ZimConnectionState};

/// `ZIMEventHandler`. Every callback comes on a task of the facade, one at a time, in order; it must
/// not block.
pub trait ZimEventHandler: Send + Sync {
    /// `onConnectionStateChanged`. `extended_data` is JSON; for a kick it says who did it.
    fn on_connection_state_changed(
        &self,
        _state: ZimConnectionState,
        _event: ZimConnectionEvent,
        _extended_data: &str,
    ) {
    }
    /// `onTokenWillExpire`: hand another token to `renew_token` within so many seconds.
    fn on_token_will_expire(&self, _second: u32) {}
    /// `onError`: something is wrong that no call asked about.
    fn on_error(&self, _error: &ZimError) {}
    /// `onConversationSyncStateChanged`
    fn on_conversation_sync_state_changed(&self, _state: ZimConversationSyncState) {}
    /// `onPeerMessageReceived`: messages of one user, or of another device of this one.
    fn on_peer_message_received(&self, _messages: &[ZimMessage], _from_user_id: &str) {}
}

/// `ZIMConversationSyncState`, with its numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ZimConversationSyncState {
    /// `Started`
    Started = 0,
    /// `Finished`
    Finished = 1,
    /// `Failed`
    Failed = 2,
}

impl ZimConversationSyncState {
    /// The original's number.
    pub const fn number(self) -> i32 {
        self as i32
    }
}

/// One callback, as a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ZimCallback {
    /// `onConnectionStateChanged`
    ConnectionStateChanged {
        /// `state`
        state: ZimConnectionState,
        /// `event`
        event: ZimConnectionEvent,
        /// `extendedData`: JSON.
        extended_data: String,
    },
    /// `onTokenWillExpire`
    TokenWillExpire {
        /// `second`
        second: u32,
    },
    /// `onError`
    Error(ZimError),
    /// `onConversationSyncStateChanged`
    ConversationSyncStateChanged(ZimConversationSyncState),
    /// `onPeerMessageReceived`
    PeerMessageReceived(Box<ZimMessage>),
}

impl ZimCallback {
    /// The callback's name in this facade.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ConnectionStateChanged { .. } => "on_connection_state_changed",
            Self::TokenWillExpire { .. } => "on_token_will_expire",
            Self::Error(_) => "on_error",
            Self::ConversationSyncStateChanged(_) => "on_conversation_sync_state_changed",
            Self::PeerMessageReceived(_) => "on_peer_message_received",
        }
    }

    pub(super) fn call(&self, handler: &dyn ZimEventHandler) {
        match self {
            Self::ConnectionStateChanged { state, event, extended_data } => {
                handler.on_connection_state_changed(*state, *event, extended_data);
            }
            Self::TokenWillExpire { second } => handler.on_token_will_expire(*second),
            Self::Error(error) => handler.on_error(error),
            Self::ConversationSyncStateChanged(state) => {
                handler.on_conversation_sync_state_changed(*state);
            }
            Self::PeerMessageReceived(message) => {
                let messages = std::slice::from_ref(&**message);
                handler.on_peer_message_received(messages, &message.sender_user_id);
            }
        }
    }
}
