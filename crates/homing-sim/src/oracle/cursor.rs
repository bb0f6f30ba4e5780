//! I22: a cursor is a pair; a device presents only what it stored, and a pair that was never given
//! out brings a window, never entries.

use std::collections::BTreeMap;

use homing_core::client::Row;
use homing_proto::frame::{ClientFrame, Request, Response, ServerFrame, SyncBody};
use homing_proto::id::{Cursor, UserId};

use super::Oracle;
use crate::fact::{DeviceNo, Fact};
use crate::truth::Truth;
use crate::watch::Findings;

#[derive(Clone, Debug, Default)]
pub(super) struct CursorPair {
    stored: BTreeMap<(DeviceNo, UserId), Cursor>,
    /// Presented and not answered; the cursor was never given out.
    strange: BTreeMap<DeviceNo, Cursor>,
}

impl Oracle for CursorPair {
    fn name(&self) -> &'static str {
        "I22 cursor"
    }

    fn see(&mut self, _now: u64, fact: &Fact<'_>, truth: &Truth, findings: &mut Findings<'_>) {
        match fact {
            Fact::RowsStored(no, user, rows) => {
                for row in *rows {
                    if let Row::Cursor(cursor) = row {
                        self.stored.insert((*no, (*user).clone()), *cursor);
                    }
                }
            }
            Fact::StoreReset(no, user) | Fact::StoreWiped(no, user) => {
                self.stored.remove(&(*no, (*user).clone()));
            }
            Fact::CursorForged(no, user, cursor) => {
                self.stored.insert((*no, (*user).clone()), *cursor);
            }
            Fact::Started(no, _) | Fact::Dialed(no, _) => {
                self.strange.remove(no);
            }
            Fact::Sent(no, _, frame) => self.sent(*no, frame, truth, findings),
            Fact::Heard(no, _, frame) => {
                let page = match frame {
                    ServerFrame::Welcome(welcome) => &welcome.sync,
                    ServerFrame::Response { body: Ok(Response::Sync(page)), .. } => page,
                    _ => return,
                };
                if let Some(cursor) = self.strange.remove(no)
                    && matches!(page.body, SyncBody::Entries { .. })
                {
                    findings.report(format!("{no:?} gets entries for {cursor:?}, never given out"));
                }
            }
            _ => {}
        }
    }
}

impl CursorPair {
    fn sent(
        &mut self,
        no: DeviceNo,
        frame: &ClientFrame,
        truth: &Truth,
        findings: &mut Findings<'_>,
    ) {
        let shown = truth.device(no).status.as_ref().and_then(|status| status.user());
        let (user, cursor) = match frame {
            ClientFrame::Hello(hello) => (Some(&hello.user), hello.cursor),
            ClientFrame::Request { body: Request::SyncFrom { cursor, .. }, .. } => (shown, *cursor),
            ClientFrame::Ack(cursor) => (shown, Some(*cursor)),
            _ => return,
        };
        let (Some(user), Some(cursor)) = (user, cursor) else { return };
        let stored = self.stored.get(&(no, user.clone())).copied();
        let is_ack = matches!(frame, ClientFrame::Ack(_));
        let held = stored.is_some_and(|stored| {
            stored == cursor
                || is_ack && stored.log_epoch == cursor.log_epoch && stored.offset >= cursor.offset
        });
        // Before the first write a device may stand at the very beginning of a log.
        if !held && (stored.is_some() || cursor.offset > 0) {
            findings.report(format!("{no:?} presents {cursor:?} and has stored {stored:?}"));
        }
        let known = truth.user(user);
        let given_out = known.is_none_or(|known| {
            known.log_epoch == cursor.log_epoch && cursor.offset <= known.log.len() as u64
        });
        if !given_out {
            self.strange.insert(no, cursor);
        }
    }
}
