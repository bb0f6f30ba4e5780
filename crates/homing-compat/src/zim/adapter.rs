//! From the SDK's journal to the original's callbacks, in its sequences of states and events. Pure.

use homing::status::{SessionStatus, Status, Why};
use homing::{Event, Fact, KickRecord};
use serde_json::json;

use super::event::{ZimCallback, ZimConversationSyncState};
use super::message::ZimMessage;
use super::status::{ZimConnectionEvent, ZimConnectionState};
use crate::hold::{Hold, OwnSends};

/// Says which callbacks are due. Fed with everything a client's journal holds, in its order.
#[derive(Debug, Default)]
pub struct ZimAdapter {
    shown: Option<(ZimConnectionState, ZimConnectionEvent)>,
    hold: Hold<ZimCallback>,
    own: OwnSends,
}

impl ZimAdapter {
    /// One for a client that nobody signed in to.
    pub fn new() -> Self {
        Self::default()
    }

    /// The callbacks that this fact brings.
    pub fn told(&mut self, fact: &Fact) -> Vec<ZimCallback> {
        match fact {
            Fact::Status(status) => self.status(status),
            Fact::Event(event) => self.event(event).into_iter().collect(),
        }
    }

    fn status(&mut self, status: &Status) -> Vec<ZimCallback> {
        let before = self.shown.map_or(ZimConnectionState::Disconnected, |(state, _)| state);
        let Some((state, event)) = before.next(status) else { return Vec::new() };
        let mut due = Vec::new();
        // Nobody was signed in, and nobody is: the original says nothing.
        let is_news = self.shown != Some((state, event))
            && (state, before)
                != (ZimConnectionState::Disconnected, ZimConnectionState::Disconnected);
        if is_news {
            self.shown = Some((state, event));
            let extended_data = extended_data(&status.session);
            due.push(ZimCallback::ConnectionStateChanged { state, event, extended_data });
        }
        due.extend(self.hold.link(state == ZimConnectionState::Connected));
        due
    }

    fn event(&mut self, event: &Event) -> Option<ZimCallback> {
        let sync = ZimCallback::ConversationSyncStateChanged;
        match event {
            Event::SyncStarted => self.hold.put(sync(ZimConversationSyncState::Started)),
            Event::SyncFinished => self.hold.put(sync(ZimConversationSyncState::Finished)),
            Event::SyncFailed(_) => self.hold.sync_failed(sync(ZimConversationSyncState::Failed)),
            Event::CredentialExpiring { seconds } => {
                self.hold.put(ZimCallback::TokenWillExpire { second: *seconds })
            }
            Event::StoreReset(error) => Some(ZimCallback::Error(error.clone().into())),
            Event::Message(message) if !self.own.took(message) => {
                Some(ZimCallback::PeerMessageReceived(Box::new(ZimMessage::of(message))))
            }
            Event::SendState { client_id, state, .. } => {
                self.own.send_state(*client_id, *state);
                None
            }
            // The status tells these, also to whoever missed the event.
            Event::Kicked(_) | Event::CredentialNeeded(_) => None,
            // The original has no such callback.
            Event::Message(_)
            | Event::Read { .. }
            | Event::WindowChanged
            | Event::DevicesChanged(_) => None,
        }
    }
}

/// `extendedData`: who ended the session, where somebody did; else an empty object.
fn extended_data(session: &SessionStatus) -> String {
    match session {
        SessionStatus::SignedOut { why: Why::Kicked(record) } => kicked(record),
        SessionStatus::SignedOut { .. }
        | SessionStatus::SigningIn { .. }
        | SessionStatus::SignedIn { .. } => "{}".to_owned(),
    }
}

fn kicked(record: &KickRecord) -> String {
    let by = record.by.as_ref().map(|by| {
        json!({
            "platform": by.device.platform.name(),
            "tag": by.device.tag,
            "custom_type": by.device.custom_type,
        })
    });
    json!({ "reason": record.reason.name(), "text": record.text, "by": by }).to_string()
}
