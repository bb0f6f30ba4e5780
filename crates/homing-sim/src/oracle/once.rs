//! I10: a client message id is accepted once; states only move forward; no false "failed"; what is
//! durable in the outbox arrives, in order.

use std::collections::{BTreeMap, BTreeSet};

use homing_core::client::status::SyncStatus;
use homing_core::client::{Command, Event, Reply, Row, SendState};
use homing_proto::id::{ClientMsgId, ConversationId, UserId};
use homing_proto::message::{Content, LogEntry, Message};

use super::Oracle;
use crate::fact::{DeviceAtRest, DeviceNo, Fact};
use crate::truth::Truth;
use crate::watch::Findings;

#[derive(Clone, Debug, Default)]
pub(super) struct Once {
    messages: BTreeMap<ClientMsgId, Sending>,
    /// Counts messages as they became durable on their devices.
    queued: u64,
    /// Devices whose last write of rows failed.
    failing: BTreeSet<DeviceNo>,
    /// The last message of each queue that the server has, by that count.
    arrived: BTreeMap<(DeviceNo, UserId, ConversationId), u64>,
}

/// A message, from the call to wherever it got.
#[derive(Clone, Debug)]
struct Sending {
    device: DeviceNo,
    user: Option<UserId>,
    conversation: ConversationId,
    content: Content,
    /// When it became durable.
    order: Option<u64>,
    /// The app was told that it is durable.
    told: bool,
    /// What the app was told last.
    state: Option<SendState>,
    /// The device has stored that it is refused.
    refused: bool,
    /// The device has stored that it is accepted.
    placed: bool,
    wiped: bool,
    seq: Option<u64>,
}

impl Oracle for Once {
    fn name(&self) -> &'static str {
        "I10 once"
    }

    fn see(&mut self, _now: u64, fact: &Fact<'_>, truth: &Truth, findings: &mut Findings<'_>) {
        match fact {
            Fact::Called(no, _, Command::Send { conversation, content, client_id: Some(id) }) => {
                let status = truth.device(*no).status.as_ref();
                let user = status.and_then(|status| status.user()).cloned();
                let sending = self.messages.entry(*id).or_insert_with(|| Sending {
                    device: *no,
                    user: None,
                    conversation: conversation.clone(),
                    content: content.clone(),
                    order: None,
                    told: false,
                    state: None,
                    refused: false,
                    placed: false,
                    wiped: false,
                    seq: None,
                });
                if sending.order.is_none() {
                    sending.user = user;
                }
            }
            Fact::WriteFailed(no) => {
                self.failing.insert(*no);
            }
            Fact::RowsStored(no, user, rows) => {
                self.failing.remove(no);
                self.stored_on_device(*no, user, rows);
            }
            Fact::StoreWiped(no, user) => {
                let of = |sending: &&mut Sending| {
                    sending.device == *no && sending.user.as_ref() == Some(*user)
                };
                self.messages.values_mut().filter(of).for_each(|sending| sending.wiped = true);
            }
            Fact::Completed(_, _, Ok(Reply::Queued(id))) => {
                if let Some(sending) = self.messages.get_mut(id) {
                    // The same message may be sent again after a wipe.
                    (sending.told, sending.wiped) = (true, false);
                }
            }
            Fact::Event(no, Event::SendState { client_id, state, .. }) => {
                if let Err(what) = self.moved(*client_id, state, truth) {
                    findings.report(format!("{no:?} says {state:?} of {client_id}: {what}"));
                }
            }
            Fact::Stored(message) => {
                if let Err(what) = self.arrived(message) {
                    let Message { client_id, conversation, seq, .. } = message;
                    findings.report(format!("{client_id} as {conversation} {seq}: {what}"));
                }
            }
            Fact::Rest { devices, .. } if truth.is_calm() => self.rest(devices, findings),
            _ => {}
        }
    }
}

impl Once {
    fn stored_on_device(&mut self, no: DeviceNo, user: &UserId, rows: &[Row]) {
        for row in rows {
            match row {
                Row::Queue(pending) => {
                    self.queued += 1;
                    if let Some(sending) = self.messages.get_mut(&pending.client_id)
                        && sending.seq.is_none()
                    {
                        sending.order = Some(self.queued);
                        (sending.device, sending.user) = (no, Some(user.clone()));
                    }
                }
                Row::Refused { client_id } => {
                    if let Some(sending) = self.messages.get_mut(client_id) {
                        sending.refused = true;
                    }
                }
                Row::Accepted { client_id, .. }
                | Row::Entry(LogEntry::Message { message: Message { client_id, .. }, .. }) => {
                    if let Some(sending) = self.messages.get_mut(client_id)
                        && sending.device == no
                    {
                        sending.placed = true;
                    }
                }
                _ => {}
            }
        }
    }

    fn moved(&mut self, id: ClientMsgId, state: &SendState, truth: &Truth) -> Result<(), String> {
        let Some(sending) = self.messages.get_mut(&id) else {
            return Err("nobody wrote it".to_owned());
        };
        let before = sending.state.replace(*state);
        match (&before, state) {
            // The app may send the same message again; it is then durable again.
            (_, SendState::Queued) => {}
            (Some(SendState::Accepted { seq: before }), SendState::Accepted { seq })
                if before != seq =>
            {
                return Err(format!("its place was {before}"));
            }
            (Some(SendState::Accepted { .. }), SendState::Refused(_)) => {
                return Err("it was accepted before".to_owned());
            }
            _ => {}
        }
        match state {
            // On a full disk the app is told all the same: the server has it.
            SendState::Accepted { .. }
                if !sending.placed && !self.failing.contains(&sending.device) =>
            {
                return Err("before it is durable".to_owned());
            }
            SendState::Refused(_) if !sending.refused => {
                return Err("before it is durable".to_owned());
            }
            SendState::Accepted { seq } => {
                let known = sending
                    .user
                    .as_ref()
                    .and_then(|user| truth.user(user))
                    .and_then(|user| user.messages.get(&sending.conversation))
                    .and_then(|messages| messages.get(*seq as usize - 1));
                if known.is_none_or(|known| known.client_id != id) {
                    return Err("it does not stand there".to_owned());
                }
            }
            SendState::Refused(code) => {
                if sending.seq.is_some() {
                    return Err(format!("{code}, but the server has it"));
                }
            }
            SendState::Queued => {}
        }
        Ok(())
    }

    fn arrived(&mut self, message: &Message) -> Result<(), String> {
        let Some(sending) = self.messages.get_mut(&message.client_id) else {
            return Err("nobody wrote it".to_owned());
        };
        if let Some(seq) = sending.seq {
            return Err(format!("it arrived twice, first as {seq}"));
        }
        sending.seq = Some(message.seq);
        if sending.user.as_ref() != Some(&message.from) {
            return Err(format!("{:?} wrote it, not {}", sending.user, message.from));
        }
        if sending.content != message.content || sending.conversation != message.conversation {
            return Err("it says something else than was written".to_owned());
        }
        let Some(order) = sending.order else {
            return Err("it was sent before it was durable".to_owned());
        };
        let queue = (sending.device, message.from.clone(), message.conversation.clone());
        let last = self.arrived.entry(queue).or_default();
        if order < *last {
            return Err("it overtakes one that was written later".to_owned());
        }
        *last = order;
        Ok(())
    }

    fn rest(&self, devices: &[DeviceAtRest], findings: &mut Findings<'_>) {
        for device in devices {
            let live = device.status.sync == SyncStatus::Live;
            for (user, conversation, id) in &device.outbox {
                if live && device.status.user() == Some(user) {
                    findings.report(format!(
                        "{:?} is live, and {id} to {conversation} waits",
                        device.device
                    ));
                }
            }
        }
        for (id, sending) in &self.messages {
            let waits = devices.iter().any(|device| device.outbox.iter().any(|(.., o)| o == id));
            let settled = sending.seq.is_some() || sending.refused || sending.wiped;
            if sending.told && !settled && !waits {
                findings
                    .report(format!("{id} was durable on {:?} and is nowhere now", sending.device));
            }
        }
    }
}
