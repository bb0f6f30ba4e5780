//! I6, seen by the app: every message is there, each once, in order, saying what was written.

use std::collections::{BTreeMap, BTreeSet};

use homing_core::client::Event;
use homing_core::client::status::SyncStatus;
use homing_proto::id::{ClientMsgId, ConversationId, UserId};

use super::Oracle;
use super::reach::Reach;
use crate::fact::{DeviceAtRest, DeviceNo, Fact};
use crate::truth::Truth;
use crate::watch::Findings;

#[derive(Clone, Debug, Default)]
pub(super) struct Delivery {
    stores: BTreeMap<(DeviceNo, UserId), Held>,
}

/// What a store must hold, and what its app was told.
#[derive(Clone, Debug, Default)]
struct Held {
    /// What lies outside is fetched when it is wanted.
    reach: Reach,
    /// The last message that was announced.
    announced: BTreeMap<ConversationId, u64>,
}

impl Oracle for Delivery {
    fn name(&self) -> &'static str {
        "I6 delivery"
    }

    fn see(&mut self, _now: u64, fact: &Fact<'_>, truth: &Truth, findings: &mut Findings<'_>) {
        match fact {
            Fact::RowsStored(no, user, rows) => {
                let held = self.stores.entry((*no, (*user).clone())).or_default();
                held.reach.stored(rows, truth.window());
            }
            Fact::StoreReset(no, user) | Fact::StoreWiped(no, user) => {
                self.stores.remove(&(*no, (*user).clone()));
            }
            Fact::CursorForged(no, user, _) => {
                let held = self.stores.entry((*no, (*user).clone())).or_default();
                held.announced.clear();
            }
            Fact::Event(no, Event::Message(message)) => {
                let Some(user) = truth.device(*no).status.as_ref().and_then(|s| s.user()) else {
                    return;
                };
                let held = self.stores.entry((*no, user.clone())).or_default();
                let last = held.announced.entry(message.conversation.clone()).or_default();
                if message.seq <= *last {
                    findings.report(format!(
                        "{no:?} announces {} {} after {last}",
                        message.conversation, message.seq
                    ));
                }
                *last = message.seq;
            }
            Fact::Rest { devices, .. } if truth.is_calm() => {
                for device in *devices {
                    self.rest(device, truth, findings);
                }
            }
            _ => {}
        }
    }
}

impl Delivery {
    fn rest(&self, device: &DeviceAtRest, truth: &Truth, findings: &mut Findings<'_>) {
        let (Some(user), Some(store)) = (device.status.user(), &device.store) else { return };
        if device.status.sync != SyncStatus::Live {
            return;
        }
        let Some(known) = truth.user(user) else { return };
        let held = self.stores.get(&(device.device, user.clone()));
        for (conversation, messages) in &known.messages {
            let thread = store.conversations.get(conversation);
            let floor = held.map_or(Some(1), |held| held.reach.floor(conversation));
            let Some(floor) = floor else { continue };
            let missing = (floor..=messages.len() as u64)
                .find(|seq| !thread.is_some_and(|thread| thread.messages.contains_key(seq)));
            if let Some(seq) = missing {
                findings.report(format!("{:?} lacks {conversation} {seq}", device.device));
            }
        }
        for (conversation, thread) in &store.conversations {
            let mut names: BTreeSet<(&UserId, ClientMsgId)> = BTreeSet::new();
            for (seq, message) in &thread.messages {
                let known = known.messages.get(conversation);
                if known.and_then(|all| all.get(*seq as usize - 1)) != Some(message) {
                    findings.report(format!(
                        "{:?} holds something else as {conversation} {seq}",
                        device.device
                    ));
                }
                if !names.insert((&message.from, message.client_id)) {
                    findings.report(format!(
                        "{:?} holds {} twice in {conversation}",
                        device.device, message.client_id
                    ));
                }
            }
        }
    }
}
