//! I8: nothing of account A is seen under B.

use std::collections::BTreeMap;

use homing_core::client::status::{SessionStatus, Why};
use homing_core::client::{Command, Event, Reply, Row, Status};
use homing_proto::frame::ClientFrame;
use homing_proto::id::{ClientMsgId, UserId};
use homing_proto::message::Message;

use super::Oracle;
use crate::fact::{DeviceNo, Fact};
use crate::truth::Truth;
use crate::watch::Findings;

#[derive(Clone, Debug, Default)]
pub(super) struct AccountWall {
    /// Under whom each message was written.
    authors: BTreeMap<ClientMsgId, UserId>,
    /// Who signed in last on each device, as its disk has it.
    last: BTreeMap<DeviceNo, UserId>,
}

impl Oracle for AccountWall {
    fn name(&self) -> &'static str {
        "I8 account wall"
    }

    fn see(&mut self, _now: u64, fact: &Fact<'_>, truth: &Truth, findings: &mut Findings<'_>) {
        let seen_by = |no: &DeviceNo| truth.device(*no).status.as_ref().and_then(Status::user);
        match fact {
            Fact::Called(no, _, Command::Send { client_id: Some(id), .. }) => {
                if let Some(user) = seen_by(no) {
                    self.authors.entry(*id).or_insert_with(|| user.clone());
                }
            }
            Fact::AccountStored(no, account) | Fact::Started(no, account) => {
                if let Some(last) = &account.last {
                    self.last.insert(*no, last.user.clone());
                }
            }
            Fact::Event(no, event) => {
                if let Err(what) = self.judge_event(shown_on(*no, truth), event, truth) {
                    findings.report(format!("{no:?} shows {event:?}: {what}"));
                }
            }
            Fact::Completed(no, _, Ok(Reply::Messages(messages))) => {
                let user = seen_by(no);
                if !messages.iter().all(|message| belongs(user, message, truth)) {
                    findings.report(format!("{no:?} is given messages that are not {user:?}'s"));
                }
            }
            Fact::RowsStored(no, user, rows) => {
                for row in *rows {
                    if let Row::Queue(pending) = row
                        && self
                            .authors
                            .get(&pending.client_id)
                            .is_some_and(|author| author != *user)
                    {
                        findings.report(format!("{no:?} queues another account's under {user}"));
                    }
                }
            }
            Fact::Sent(no, _, ClientFrame::Hello(hello)) => {
                let user = seen_by(no);
                if user != Some(&hello.user) {
                    findings.report(format!("{no:?} says Hello as {} under {user:?}", hello.user));
                }
            }
            Fact::StoresOpen(no, open) if *open > 1 => {
                findings.report(format!("{no:?} has {open} stores open"));
            }
            Fact::Handled { device, status, .. } => {
                let readable = truth.device(*device).readable.as_ref();
                if let Some(readable) = readable
                    && !self.may_read(*device, readable, status)
                {
                    findings.report(format!("{device:?} reads {readable} in {status:?}"));
                }
            }
            _ => {}
        }
    }
}

impl AccountWall {
    fn judge_event(
        &self,
        user: Option<&UserId>,
        event: &Event,
        truth: &Truth,
    ) -> Result<(), String> {
        match event {
            Event::Kicked(_)
            | Event::CredentialNeeded(_)
            | Event::CredentialExpiring { .. }
            | Event::StoreReset(_) => Ok(()),
            _ if user.is_none() => Err("nobody is signed in".to_owned()),
            Event::Message(message) if !belongs(user, message, truth) => {
                Err(format!("it is not {user:?}'s"))
            }
            Event::SendState { client_id, .. } => match self.authors.get(client_id) {
                Some(author) if Some(author) != user => Err(format!("{author} wrote it")),
                _ => Ok(()),
            },
            Event::Read { conversation, seq } => {
                let messages = user
                    .and_then(|user| truth.user(user))
                    .and_then(|user| user.messages.get(conversation));
                if messages.is_some_and(|messages| messages.len() as u64 >= *seq) {
                    Ok(())
                } else {
                    Err("there is no such message".to_owned())
                }
            }
            _ => Ok(()),
        }
    }

    /// Reads go to whoever is signed in, or, after a login that failed for another reason than a
    /// verdict, to whoever was there last (S-3.7).
    fn may_read(&self, no: DeviceNo, readable: &UserId, status: &Status) -> bool {
        match &status.session {
            SessionStatus::SignedIn { user, .. } | SessionStatus::SigningIn { user } => {
                user == readable
            }
            SessionStatus::SignedOut { why: Why::LoginFailed(_) } => {
                self.last.get(&no) == Some(readable)
            }
            SessionStatus::SignedOut { .. } => false,
        }
    }
}

/// Whose data the app sees: the signed-in account's, or, after a login that failed, what it still
/// reads (S-3.7).
fn shown_on(no: DeviceNo, truth: &Truth) -> Option<&UserId> {
    let device = truth.device(no);
    match &device.status.as_ref()?.session {
        SessionStatus::SignedIn { user, .. } | SessionStatus::SigningIn { user } => Some(user),
        SessionStatus::SignedOut { why: Why::LoginFailed(_) } => device.readable.as_ref(),
        SessionStatus::SignedOut { .. } => None,
    }
}

fn belongs(user: Option<&UserId>, message: &Message, truth: &Truth) -> bool {
    let known = user
        .and_then(|user| truth.user(user))
        .and_then(|user| user.messages.get(&message.conversation))
        .and_then(|messages| messages.get(message.seq as usize - 1));
    known == Some(message)
}
