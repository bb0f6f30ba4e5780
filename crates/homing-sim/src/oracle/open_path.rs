//! I13: no network on the open path: whoever signs in from the device's own data has its answer
//! when the disk has, whatever the network does.
//!
//! That nothing else stands there is in the types: an opened store hands over its cursor and what
//! waits in the outbox, never a message or a list, and no key is derived in the machine.

use std::collections::BTreeMap;

use homing_core::client::status::SessionStatus;
use homing_core::client::{Command, CommandId};

use super::Oracle;
use crate::fact::{DeviceNo, Fact};
use crate::truth::Truth;
use crate::watch::Findings;

#[derive(Clone, Debug, Default)]
pub(super) struct OpenPath {
    /// Offline and automatic logins, and when they were called for.
    open: BTreeMap<(DeviceNo, CommandId), u64>,
}

impl Oracle for OpenPath {
    fn name(&self) -> &'static str {
        "I13 open path"
    }

    fn see(&mut self, now: u64, fact: &Fact<'_>, truth: &Truth, findings: &mut Findings<'_>) {
        match fact {
            Fact::Killed(no) | Fact::Slept(no) => self.open.retain(|(of, _), _| of != no),
            // Whoever calls it during an explicit login waits for that one.
            Fact::Called(no, id, Command::LoginOffline { .. } | Command::ResumeLast) => {
                let status = truth.device(*no).status.as_ref().map(|status| &status.session);
                if matches!(status, None | Some(SessionStatus::SignedOut { .. })) {
                    self.open.insert((*no, *id), now);
                }
            }
            Fact::Called(no, _, Command::Login { .. }) => self.open.retain(|(of, _), _| of != no),
            Fact::Completed(no, id, _) => {
                if let Some(since) = self.open.remove(&(*no, *id))
                    && now - since > DISK_MS
                {
                    findings.report(format!("{no:?} opened after {} ms", now - since));
                }
            }
            _ => {}
        }
    }
}

/// What the slowest disk takes for what may stand before an opening, and for the opening. Well
/// under a login's patience, which is how long a wait for the network would take.
const DISK_MS: u64 = 12_000;
