//! From the SDK's journal to the original's callbacks, in the original's order. Pure.

use homing::status::{CredentialStatus, LinkStatus, SessionStatus, Status, Trust};
use homing::{Event, Fact, Message, UserId};

use super::listener::V2TimCallback;
use super::message::V2TimMessage;
use super::status::{LinkCallback, is_kicked_offline, link_callback};
use crate::hold::{Hold, OwnSends};

/// Says which callbacks are due. Fed with everything a client's journal holds, in its order.
#[derive(Debug, Default)]
pub struct V2TimAdapter {
    shown: Option<(SessionStatus, LinkStatus)>,
    user: Option<UserId>,
    hold: Hold<V2TimCallback>,
    own: OwnSends,
}

impl V2TimAdapter {
    /// One for a client that nobody signed in to.
    pub fn new() -> Self {
        Self::default()
    }

    /// The callbacks that this fact brings.
    pub fn told(&mut self, fact: &Fact) -> Vec<V2TimCallback> {
        match fact {
            Fact::Status(status) => self.status(status),
            Fact::Event(event) => self.event(event).into_iter().collect(),
        }
    }

    fn status(&mut self, status: &Status) -> Vec<V2TimCallback> {
        let shown = self.shown.replace((status.session.clone(), status.link.clone()));
        self.user = status.user().cloned();
        let session = shown.as_ref().map(|(session, _)| session);
        let before = shown.as_ref().and_then(|(_, link)| link_callback(link));
        let now = link_callback(&status.link);
        let mut due = Vec::new();
        if now != before {
            due.extend(now.map(V2TimCallback::from));
        }
        if session.is_some_and(|before| lost_its_place(before, &status.session)) {
            due.push(V2TimCallback::OnKickedOffline);
        }
        if needs_sig(&status.session) && !session.is_some_and(needs_sig) {
            due.push(V2TimCallback::OnUserSigExpired);
        }
        due.extend(self.hold.link(status.is_connected()));
        due
    }

    fn event(&mut self, event: &Event) -> Option<V2TimCallback> {
        match event {
            Event::SyncStarted => self.hold.put(V2TimCallback::OnSyncServerStart),
            Event::SyncFinished => self.hold.put(V2TimCallback::OnSyncServerFinish),
            Event::SyncFailed(_) => self.hold.sync_failed(V2TimCallback::OnSyncServerFailed),
            Event::Message(message) => self.message(message),
            Event::SendState { client_id, state, .. } => {
                self.own.send_state(*client_id, *state);
                None
            }
            // The status tells these two, also to whoever missed the event.
            Event::Kicked(_) | Event::CredentialNeeded(_) => None,
            // The original has no such callback.
            Event::Read { .. }
            | Event::WindowChanged
            | Event::DevicesChanged(_)
            | Event::CredentialExpiring { .. }
            | Event::StoreReset(_) => None,
        }
    }

    fn message(&mut self, message: &Message) -> Option<V2TimCallback> {
        if self.own.took(message) {
            return None;
        }
        let message = V2TimMessage::of(message, self.user.as_ref());
        Some(V2TimCallback::OnRecvNewMessage(Box::new(message)))
    }
}

/// The server ended a session that it had vouched for. While a login runs, its answer says it.
const fn lost_its_place(before: &SessionStatus, now: &SessionStatus) -> bool {
    if let SessionStatus::SignedIn { trust: Trust::Verified, .. } = before
        && let SessionStatus::SignedOut { why } = now
    {
        return is_kicked_offline(why);
    }
    false
}

const fn needs_sig(session: &SessionStatus) -> bool {
    matches!(session, SessionStatus::SignedIn { credential: CredentialStatus::Needed { .. }, .. })
}

impl From<LinkCallback> for V2TimCallback {
    fn from(link: LinkCallback) -> Self {
        match link {
            LinkCallback::Connecting => Self::OnConnecting,
            LinkCallback::Success => Self::OnConnectSuccess,
            LinkCallback::Failed { code, desc } => Self::OnConnectFailed { code, desc },
        }
    }
}
