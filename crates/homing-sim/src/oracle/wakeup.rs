//! I3: in every non-terminal state a wake-up is armed; with network, server and credential the
//! client is Connected within a bound.

use std::collections::BTreeMap;

use homing_core::client::Status;
use homing_core::client::status::{CredentialStatus, LinkStatus, SessionStatus, SyncStatus, Trust};
use homing_proto::time::{Now, Time};

use super::Oracle;
use crate::fact::{DeviceAtRest, DeviceNo, Fact};
use crate::truth::Truth;
use crate::watch::Findings;

#[derive(Clone, Debug, Default)]
pub(super) struct WakeUp {
    /// How often each device was busy within one millisecond.
    spins: BTreeMap<DeviceNo, (u64, u32)>,
}

impl Oracle for WakeUp {
    fn name(&self) -> &'static str {
        "I3 wake-up"
    }

    fn see(&mut self, now: u64, fact: &Fact<'_>, truth: &Truth, findings: &mut Findings<'_>) {
        match fact {
            Fact::Handled { device, now: clocks, status, armed, storage } => {
                self.judge_spin(now, *device, findings);
                if *storage == 0
                    && let Err(what) = judge_armed(*clocks, status, *armed)
                {
                    findings.report(format!("{device:?} {what} in {status:?}"));
                }
            }
            Fact::Rest { devices, .. } if truth.is_calm() => {
                for device in *devices {
                    if let Some(what) = not_at_rest(device) {
                        findings.report(format!(
                            "{:?} {what} long after the faults: {:?}",
                            device.device, device.status
                        ));
                    }
                }
            }
            _ => {}
        }
    }
}

impl WakeUp {
    fn judge_spin(&mut self, now: u64, device: DeviceNo, findings: &mut Findings<'_>) {
        let spin = self.spins.entry(device).or_default();
        *spin = if spin.0 == now { (now, spin.1 + 1) } else { (now, 1) };
        if spin.1 > MOST_A_MOMENT {
            findings.report(format!("{device:?} does not come to rest"));
        }
    }
}

fn judge_armed(now: Now, status: &Status, armed: Option<Time>) -> Result<(), String> {
    if matches!(status.link, LinkStatus::Paused | LinkStatus::NoNetwork) {
        // The device or the app will tell.
        return Ok(());
    }
    match &status.session {
        SessionStatus::SignedOut { .. }
        | SessionStatus::SignedIn { credential: CredentialStatus::Needed { .. }, .. } => Ok(()),
        SessionStatus::SigningIn { .. } | SessionStatus::SignedIn { .. } => match armed {
            None => Err("has no wake-up".to_owned()),
            Some(at) if at.since(now.time) > LONGEST_WAIT_MS => {
                Err(format!("sleeps for {} ms", at.since(now.time)))
            }
            Some(_) => Ok(()),
        },
    }
}

fn not_at_rest(device: &DeviceAtRest) -> Option<&'static str> {
    match &device.status.session {
        SessionStatus::SignedOut { .. } => None,
        SessionStatus::SigningIn { .. } => Some("is still signing in"),
        SessionStatus::SignedIn { trust, credential, .. } => {
            if matches!(credential, CredentialStatus::Needed { .. }) {
                Some("was given a credential and wants one")
            } else if !matches!(device.status.link, LinkStatus::Connected { .. }) {
                Some("is not connected")
            } else if *trust != Trust::Verified {
                Some("is not verified")
            } else if device.status.sync != SyncStatus::Live {
                Some("is not live")
            } else {
                None
            }
        }
    }
}

/// The longest back-off in the background, twice.
const LONGEST_WAIT_MS: u64 = 600_000;
/// Inputs of one device in one millisecond; a wake from a long sleep brings hundreds.
const MOST_A_MOMENT: u32 = 5_000;
