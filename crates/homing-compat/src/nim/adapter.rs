//! From the SDK's journal to the original's events, in the order of its status diagram. Pure.

use homing::status::{SessionStatus, Status, Why};
use homing::{Code, Error, Event, Fact};

use super::event::NimAuthEvent;
use super::status::{NimAuthStatus, auth_status, failed_status, signed_out_status};
use crate::hold::Hold;

/// Says which events are due. Fed with everything a client's journal holds, in its order.
#[derive(Debug)]
pub struct NimAdapter {
    shown: NimAuthStatus,
    session: Option<SessionStatus>,
    hold: Hold<NimAuthEvent>,
}

impl NimAdapter {
    /// One for a client that nobody signed in to, and the event that the diagram begins with.
    pub fn start() -> (Self, NimAuthEvent) {
        let shown = NimAuthStatus::UnLogin;
        let adapter = Self { shown, session: None, hold: Hold::default() };
        (adapter, NimAuthEvent::of(shown))
    }

    /// The events that this fact brings.
    pub fn told(&mut self, fact: &Fact) -> Vec<NimAuthEvent> {
        match fact {
            Fact::Status(status) => self.status(status),
            Fact::Event(event) => self.event(event).into_iter().collect(),
        }
    }

    fn status(&mut self, status: &Status) -> Vec<NimAuthEvent> {
        let before = self.session.replace(status.session.clone());
        let mut due = Vec::new();
        let event = match &status.session {
            SessionStatus::SignedOut { why } => match before {
                // It was over before this status, or before this run.
                None | Some(SessionStatus::SignedOut { .. }) => None,
                Some(SessionStatus::SigningIn { .. }) => Some(ended(why)),
                Some(SessionStatus::SignedIn { .. }) => Some(match why {
                    // 417 of an automatic login.
                    Why::LoginFailed(error) if error.code == Code::DEVICE_LIMIT => {
                        NimAuthEvent::of(NimAuthStatus::KickOut)
                    }
                    why => ended(why),
                }),
            },
            SessionStatus::SigningIn { .. } | SessionStatus::SignedIn { .. } => {
                auth_status(&status.session, &status.link).map(NimAuthEvent::of)
            }
        };
        if let Some(event) = event
            && event.status() != self.shown
        {
            self.shown = event.status();
            due.push(event);
        }
        due.extend(self.hold.link(self.shown == NimAuthStatus::LoggedIn));
        due
    }

    fn event(&mut self, event: &Event) -> Option<NimAuthEvent> {
        match event {
            Event::SyncStarted => self.hold.put(NimAuthEvent::of(NimAuthStatus::DataSyncStart)),
            Event::SyncFinished => self.hold.put(NimAuthEvent::of(NimAuthStatus::DataSyncFinish)),
            Event::SyncFailed(_) => {
                // The original has no word for it: a start without a finish, until the next start.
                self.hold.sync_failed(NimAuthEvent::of(NimAuthStatus::DataSyncFinish));
                None
            }
            // The status tells these, also to whoever missed the event.
            Event::Kicked(_) | Event::CredentialNeeded(_) => None,
            // Other streams, or nothing in the original.
            Event::Message(_)
            | Event::SendState { .. }
            | Event::Read { .. }
            | Event::WindowChanged
            | Event::DevicesChanged(_)
            | Event::CredentialExpiring { .. }
            | Event::StoreReset(_) => None,
        }
    }
}

/// The event for an automatic login that was refused on the device, given why nobody was signed in.
pub(super) fn auto_login_refused(why: &Why, error: &Error) -> NimAuthEvent {
    match error.code {
        Code::NEEDS_EXPLICIT_LOGIN => ended(why),
        code => NimAuthEvent::of(failed_status(code)),
    }
}

fn ended(why: &Why) -> NimAuthEvent {
    let event = NimAuthEvent::of(signed_out_status(why));
    match why {
        Why::Kicked(record) => event.with_record(record),
        Why::Never
        | Why::Logout
        | Why::Switched
        | Why::LoginFailed(_)
        | Why::Banned(_)
        | Why::AccountDeleted
        | Why::VersionTooOld => event,
    }
}
