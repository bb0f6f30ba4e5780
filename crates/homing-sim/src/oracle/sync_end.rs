//! I7: each sync start has exactly one end.

use std::collections::BTreeSet;

use homing_core::client::Event;

use super::Oracle;
use crate::fact::{DeviceNo, Fact};
use crate::truth::Truth;
use crate::watch::Findings;

#[derive(Clone, Debug, Default)]
pub(super) struct SyncEnd {
    running: BTreeSet<DeviceNo>,
}

impl Oracle for SyncEnd {
    fn name(&self) -> &'static str {
        "I7 sync end"
    }

    fn see(&mut self, _now: u64, fact: &Fact<'_>, truth: &Truth, findings: &mut Findings<'_>) {
        match fact {
            Fact::Started(no, _) | Fact::Killed(no) => {
                self.running.remove(no);
            }
            Fact::Event(no, Event::SyncStarted) => {
                let is_first = self.running.insert(*no);
                if !is_first {
                    findings.report(format!("{no:?} starts a sync while one runs"));
                }
            }
            Fact::Event(no, Event::SyncFinished | Event::SyncFailed(_)) => {
                let ran = self.running.remove(no);
                if !ran {
                    findings.report(format!("{no:?} ends a sync that did not start"));
                }
            }
            Fact::Rest { .. } if truth.is_calm() => {
                for no in &self.running {
                    findings.report(format!("{no:?} syncs for ever"));
                }
            }
            _ => {}
        }
    }
}
