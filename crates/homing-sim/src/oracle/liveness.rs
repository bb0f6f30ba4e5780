//! I4: Connected implies inbound bytes within the liveness bound.

use std::collections::BTreeMap;

use homing_core::client::Status;
use homing_core::client::status::LinkStatus;
use homing_proto::limits::LIVENESS_MS;

use super::Oracle;
use crate::fact::{DeviceNo, Fact};
use crate::truth::Truth;
use crate::watch::Findings;

#[derive(Clone, Debug, Default)]
pub(super) struct Liveness {
    /// When each device heard something last, or woke up.
    proof: BTreeMap<DeviceNo, u64>,
}

impl Oracle for Liveness {
    fn name(&self) -> &'static str {
        "I4 liveness"
    }

    fn see(&mut self, now: u64, fact: &Fact<'_>, truth: &Truth, findings: &mut Findings<'_>) {
        match fact {
            Fact::Heard(no, ..) | Fact::Woke(no) | Fact::Started(no, _) => {
                self.proof.insert(*no, now);
            }
            Fact::Handled { device, status, .. } => self.judge(now, *device, status, findings),
            Fact::Rest { devices, .. } if truth.is_calm() => {
                for device in *devices {
                    self.judge(now, device.device, &device.status, findings);
                }
            }
            _ => {}
        }
    }
}

impl Liveness {
    fn judge(&self, now: u64, no: DeviceNo, status: &Status, findings: &mut Findings<'_>) {
        let silent = now - self.proof.get(&no).copied().unwrap_or(0);
        if matches!(status.link, LinkStatus::Connected { .. }) && silent > LIVENESS_MS + SLACK_MS {
            findings.report(format!("{no:?} shows Connected and heard nothing for {silent} ms"));
        }
    }
}

/// A clock that is read a moment later.
const SLACK_MS: u64 = 1_000;
