//! I20: unread follows from read cursor and log, and is equal on all devices at rest.

use std::collections::BTreeMap;

use homing_core::client::status::SyncStatus;
use homing_proto::id::{ConversationId, UserId};

use super::Oracle;
use super::reach::Reach;
use crate::fact::{DeviceAtRest, DeviceNo, Fact};
use crate::store::{Store, Thread};
use crate::truth::{Counts, Truth};
use crate::watch::Findings;

#[derive(Clone, Debug, Default)]
pub(super) struct Unread {
    stores: BTreeMap<(DeviceNo, UserId), Held>,
}

#[derive(Clone, Debug, Default)]
struct Held {
    store: Store,
    reach: Reach,
}

impl Oracle for Unread {
    fn name(&self) -> &'static str {
        "I20 unread"
    }

    fn see(&mut self, _now: u64, fact: &Fact<'_>, truth: &Truth, findings: &mut Findings<'_>) {
        match fact {
            Fact::Rest { devices, .. } if truth.is_calm() => {
                for device in *devices {
                    self.judge_rest(device, truth, findings);
                }
            }
            Fact::StoreReset(no, user) | Fact::StoreWiped(no, user) => {
                self.stores.remove(&(*no, (*user).clone()));
            }
            Fact::RowsStored(no, user, rows) => {
                let Held { store, reach } = self.stores.entry((*no, (*user).clone())).or_default();
                let before = store.cursor;
                store.apply(user, rows);
                reach.stored(rows, truth.window());
                if let (Some(cursor), Some(known)) = (store.cursor, truth.user(user))
                    && before != store.cursor
                {
                    let counts = known.counts(user, cursor.offset);
                    let told = |of: &(&ConversationId, &Thread)| reach.floor(of.0).is_some();
                    for (conversation, thread) in store.conversations.iter().filter(told) {
                        let known = counts.get(conversation).copied().unwrap_or_default();
                        if counts_of(thread) != known {
                            findings.report(format!(
                                "{no:?} counts {:?} in {conversation} of {user}, is {known:?}",
                                counts_of(thread)
                            ));
                        }
                    }
                }
            }
            _ => {}
        }
    }
}

impl Unread {
    fn judge_rest(&self, device: &DeviceAtRest, truth: &Truth, findings: &mut Findings<'_>) {
        let (Some(user), Some(store)) = (device.status.user(), &device.store) else { return };
        if device.status.sync != SyncStatus::Live {
            return;
        }
        let Some(known) = truth.user(user) else { return };
        let held = self.stores.get(&(device.device, user.clone()));
        let head = known.log.len() as u64;
        for (conversation, counts) in known.counts(user, head) {
            if held.is_some_and(|held| held.reach.floor(&conversation).is_none()) {
                continue;
            }
            let shown = store.conversations.get(&conversation).map_or(0, Thread::unread);
            let others = counts.head - counts.own_count;
            let unread = others.saturating_sub(counts.read_seq - counts.read_own_count);
            if shown != unread {
                findings.report(format!(
                    "{:?} shows {shown} unread in {conversation}, there are {unread}",
                    device.device
                ));
            }
        }
    }
}

const fn counts_of(thread: &Thread) -> Counts {
    Counts {
        head: thread.head,
        own_count: thread.own_count,
        read_seq: thread.read_seq,
        read_own_count: thread.read_own_count,
    }
}
