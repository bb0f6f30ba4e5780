//! I12: after suspend nothing is locked.

use std::collections::BTreeMap;

use homing_core::client::{Command, CommandId};

use super::Oracle;
use crate::fact::{DeviceNo, Fact};
use crate::truth::Truth;
use crate::watch::Findings;

#[derive(Clone, Debug, Default)]
pub(super) struct Suspend {
    devices: BTreeMap<DeviceNo, Locks>,
}

#[derive(Clone, Debug, Default)]
struct Locks {
    asked: Vec<CommandId>,
    /// Calls of `resume` that are not over. A call made while a verdict is being stored takes effect
    /// only when it is over, after the suspend before it.
    resuming: Vec<CommandId>,
    is_suspended: bool,
    open: usize,
}

impl Oracle for Suspend {
    fn name(&self) -> &'static str {
        "I12 suspend"
    }

    fn see(&mut self, _now: u64, fact: &Fact<'_>, _truth: &Truth, findings: &mut Findings<'_>) {
        match fact {
            Fact::Started(no, _) => {
                self.devices.insert(*no, Locks::default());
            }
            Fact::Called(no, id, Command::Suspend) => self.locks(*no).asked.push(*id),
            Fact::Called(no, id, Command::Resume) => {
                let locks = self.locks(*no);
                locks.resuming.push(*id);
                locks.is_suspended = false;
            }
            Fact::StoresOpen(no, open) => {
                let locks = self.locks(*no);
                locks.open = *open;
                if locks.is_suspended && *open > 0 {
                    findings.report(format!("{no:?} opens a store while it is suspended"));
                }
            }
            Fact::Completed(no, id, Ok(_)) => {
                let locks = self.locks(*no);
                if let Some(at) = locks.resuming.iter().position(|resuming| resuming == id) {
                    locks.resuming.remove(at);
                    locks.is_suspended = false;
                    return;
                }
                let Some(at) = locks.asked.iter().position(|asked| asked == id) else { return };
                locks.asked.remove(at);
                locks.is_suspended = true;
                if locks.open > 0 {
                    findings.report(format!("{no:?} is suspended with {} stores open", locks.open));
                }
            }
            _ => {}
        }
    }
}

impl Suspend {
    fn locks(&mut self, no: DeviceNo) -> &mut Locks {
        self.devices.entry(no).or_default()
    }
}
