//! What the app is told, and who listens.

use super::message::V2TimMessage;

/// `V2TIMSDKListener`. Every callback comes on a task of the facade, one at a time, in order; it must
/// not block.
pub trait V2TimSdkListener: Send + Sync {
    /// `onConnecting`: a connection is being made.
    fn on_connecting(&self) {}
    /// `onConnectSuccess`: the server answers.
    fn on_connect_success(&self) {}
    /// `onConnectFailed`: there is no connection at the moment; the SDK goes on trying.
    fn on_connect_failed(&self, _code: i32, _error: &str) {}
    /// `onKickedOffline`: the session was ended; nothing signs in by itself.
    fn on_kicked_offline(&self) {}
    /// `onUserSigExpired`: sign in with another sig.
    fn on_user_sig_expired(&self) {}
}

/// `V2TIMConversationListener`, as far as sync goes.
pub trait V2TimConversationListener: Send + Sync {
    /// `onSyncServerStart`
    fn on_sync_server_start(&self) {}
    /// `onSyncServerFinish`
    fn on_sync_server_finish(&self) {}
    /// `onSyncServerFailed`
    fn on_sync_server_failed(&self) {}
}

/// `V2TIMAdvancedMsgListener`, as far as new messages go.
pub trait V2TimAdvancedMsgListener: Send + Sync {
    /// `onRecvNewMessage`: a message of another user, or of another device of this one.
    fn on_recv_new_message(&self, _message: &V2TimMessage) {}
}

/// One callback, as a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum V2TimCallback {
    /// `onConnecting`
    OnConnecting,
    /// `onConnectSuccess`
    OnConnectSuccess,
    /// `onConnectFailed`
    OnConnectFailed {
        /// `code`
        code: i32,
        /// `error`
        desc: String,
    },
    /// `onKickedOffline`
    OnKickedOffline,
    /// `onUserSigExpired`
    OnUserSigExpired,
    /// `onSyncServerStart`
    OnSyncServerStart,
    /// `onSyncServerFinish`
    OnSyncServerFinish,
    /// `onSyncServerFailed`
    OnSyncServerFailed,
    /// `onRecvNewMessage`
    OnRecvNewMessage(Box<V2TimMessage>),
}

impl V2TimCallback {
    /// The callback's name in this facade.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::OnConnecting => "on_connecting",
            Self::OnConnectSuccess => "on_connect_success",
            Self::OnConnectFailed { .. } => "on_connect_failed",
            Self::OnKickedOffline => "on_kicked_offline",
            Self::OnUserSigExpired => "on_user_sig_expired",
            Self::OnSyncServerStart => "on_sync_server_start",
            Self::OnSyncServerFinish => "on_sync_server_finish",
            Self::OnSyncServerFailed => "on_sync_server_failed",
            Self::OnRecvNewMessage(_) => "on_recv_new_message",
        }
    }

    /// The callback's name in the original.
    pub const fn original_name(&self) -> &'static str {
        match self {
            Self::OnConnecting => "onConnecting",
            Self::OnConnectSuccess => "onConnectSuccess",
            Self::OnConnectFailed { .. } => "onConnectFailed",
            Self::OnKickedOffline => "onKickedOffline",
            Self::OnUserSigExpired => "onUserSigExpired",
            Self::OnSyncServerStart => "onSyncServerStart",
            Self::OnSyncServerFinish => "onSyncServerFinish",
            Self::OnSyncServerFailed => "onSyncServerFailed",
            Self::OnRecvNewMessage(_) => "onRecvNewMessage",
        }
    }
}
