//! I9: a bad local store never blocks: it is set aside, the app is told, and only a logout deletes
//! the outbox.

use std::collections::{BTreeMap, BTreeSet};

use homing_core::client::{Command, Event, LocalData};
use homing_proto::id::UserId;

use super::Oracle;
use crate::fact::{DeviceNo, Fact};
use crate::truth::Truth;
use crate::watch::Findings;

#[derive(Clone, Debug, Default)]
pub(super) struct Damage {
    /// Stores that were set aside and nobody told the app of.
    untold: BTreeMap<DeviceNo, UserId>,
    /// Devices whose user asked for a logout that wipes.
    wipe: BTreeSet<DeviceNo>,
}

impl Oracle for Damage {
    fn name(&self) -> &'static str {
        "I9 damaged store"
    }

    fn see(&mut self, _now: u64, fact: &Fact<'_>, _truth: &Truth, findings: &mut Findings<'_>) {
        match fact {
            // Not at its end: what was asked for before may be found done.
            Fact::Started(no, _) => {
                self.untold.remove(no);
                self.wipe.remove(no);
            }
            Fact::StoreReset(no, user) => {
                self.untold.insert(*no, (*user).clone());
            }
            Fact::Event(no, Event::StoreReset(_)) => {
                self.untold.remove(no);
            }
            Fact::Called(no, _, Command::Logout(LocalData::Wipe)) => {
                self.wipe.insert(*no);
            }
            Fact::StoreWiped(no, user) if !self.wipe.contains(no) => {
                findings.report(format!("{no:?} deletes the store of {user}, nobody asked for it"));
            }
            Fact::Handled { device, status, storage: 0, .. } => {
                if status.readable
                    && let Some(user) = self.untold.get(device)
                    && status.user() == Some(user)
                {
                    findings.report(format!("{device:?} reads a fresh store and was not told"));
                    self.untold.remove(device);
                }
            }
            _ => {}
        }
    }
}
