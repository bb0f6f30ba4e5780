//! I18: one leader for each store: a client has one store open at a time, and none, nor a row
//! written, while another process has the data directory.

use std::collections::BTreeSet;

use super::Oracle;
use crate::fact::{DeviceNo, Fact};
use crate::truth::Truth;
use crate::watch::Findings;

#[derive(Clone, Debug, Default)]
pub(super) struct Leader {
    /// Devices whose data another process has.
    held: BTreeSet<DeviceNo>,
}

impl Oracle for Leader {
    fn name(&self) -> &'static str {
        "I18 one leader"
    }

    fn see(&mut self, _now: u64, fact: &Fact<'_>, _truth: &Truth, findings: &mut Findings<'_>) {
        match fact {
            Fact::HeldByOther(no, true) => {
                self.held.insert(*no);
            }
            Fact::HeldByOther(no, false) => {
                self.held.remove(no);
            }
            Fact::StoresOpen(no, open) if *open > 1 => {
                findings.report(format!("{no:?} has {open} stores open"));
            }
            Fact::StoresOpen(no, open) if *open > 0 && self.held.contains(no) => {
                findings.report(format!("{no:?} opened a store that another process has"));
            }
            Fact::RowsStored(no, user, _) if self.held.contains(no) => {
                findings.report(format!("{no:?} writes to {user}'s store, another process has it"));
            }
            _ => {}
        }
    }
}
