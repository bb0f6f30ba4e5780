//! I16: at most 12 attempts in any 60 s, whatever fails.

use std::collections::{BTreeMap, VecDeque};

use homing_proto::limits::{ATTEMPT_WINDOW_MS, ATTEMPTS_PER_WINDOW};

use super::Oracle;
use crate::fact::{DeviceNo, Fact};
use crate::truth::Truth;
use crate::watch::Findings;

#[derive(Clone, Debug, Default)]
pub(super) struct Attempts {
    dials: BTreeMap<DeviceNo, VecDeque<u64>>,
}

impl Oracle for Attempts {
    fn name(&self) -> &'static str {
        "I16 attempts"
    }

    fn see(&mut self, now: u64, fact: &Fact<'_>, _truth: &Truth, findings: &mut Findings<'_>) {
        match fact {
            Fact::Started(no, _) => {
                self.dials.remove(no);
            }
            Fact::Dialed(no, _) => {
                let dials = self.dials.entry(*no).or_default();
                dials.push_back(now);
                while dials.front().is_some_and(|first| now - first > ATTEMPT_WINDOW_MS) {
                    dials.pop_front();
                }
                if dials.len() > ATTEMPTS_PER_WINDOW {
                    findings.report(format!("{no:?} made {} attempts in a minute", dials.len()));
                }
            }
            _ => {}
        }
    }
}
