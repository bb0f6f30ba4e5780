//! I23: a later picture has a higher number, and the latest is what the app saw last.

use super::Oracle;
use crate::fact::Fact;
use crate::truth::Truth;
use crate::watch::Findings;

#[derive(Clone, Debug, Default)]
pub(super) struct StatusOrder;

impl Oracle for StatusOrder {
    fn name(&self) -> &'static str {
        "I23 status"
    }

    fn see(&mut self, _now: u64, fact: &Fact<'_>, truth: &Truth, findings: &mut Findings<'_>) {
        match fact {
            Fact::Status(no, status) => {
                let before = truth.device(*no).status.as_ref().map_or(0, |before| before.seq);
                if status.seq <= before {
                    findings.report(format!("{no:?} shows {} after {before}", status.seq));
                }
            }
            Fact::Handled { device, status, .. } => {
                let shown = truth.device(*device).status.as_ref();
                if shown.is_some_and(|shown| shown != *status) {
                    findings.report(format!("{device:?} changed without showing it: {status:?}"));
                }
            }
            _ => {}
        }
    }
}
