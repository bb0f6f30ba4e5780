//! I2: a replaced secret stays valid until its successor was seen in use.
//!
//! A device may hold the secret of an answer it stored although the server has given out another
//! since, in an answer that was lost. Showing it must bring the session back as long as that lives.

use std::collections::{BTreeMap, BTreeSet};

use homing_core::client::Attempt;
use homing_proto::Code;
use homing_proto::frame::{Binding, ClientFrame, Resume, ServerFrame};
use homing_proto::id::SessionId;
use homing_proto::secret::SessionSecret;

use super::Oracle;
use crate::fact::{DeviceNo, Fact};
use crate::truth::Truth;
use crate::watch::Findings;

#[derive(Clone, Debug, Default)]
pub(super) struct ReplacedSecret {
    /// What each device wants to go on with.
    asked: BTreeMap<DeviceNo, (Attempt, Resume)>,
    /// The secret under which a session was resumed last.
    seen: BTreeMap<SessionId, SessionSecret>,
    over: BTreeSet<SessionId>,
}

impl Oracle for ReplacedSecret {
    fn name(&self) -> &'static str {
        "I2 replaced secret"
    }

    fn see(&mut self, _now: u64, fact: &Fact<'_>, _truth: &Truth, findings: &mut Findings<'_>) {
        match fact {
            Fact::Ended { session, .. } => {
                self.over.insert(*session);
            }
            Fact::Sent(no, attempt, ClientFrame::Hello(hello)) => match &hello.resume {
                Some(resume) => {
                    self.asked.insert(*no, (*attempt, resume.clone()));
                }
                None => {
                    self.asked.remove(no);
                }
            },
            Fact::Heard(no, attempt, ServerFrame::Welcome(welcome)) => {
                let Some(resume) = self.answered(*no, *attempt) else { return };
                if welcome.binding == Binding::Resumed {
                    self.seen.insert(resume.session, resume.secret);
                } else {
                    self.judge(*no, &resume, findings);
                }
            }
            Fact::Heard(no, attempt, ServerFrame::Refuse(refuse)) => {
                if let Some(resume) = self.answered(*no, *attempt)
                    && refuse.error.code == Code::SESSION_UNKNOWN
                {
                    self.judge(*no, &resume, findings);
                }
            }
            _ => {}
        }
    }
}

impl ReplacedSecret {
    fn answered(&mut self, no: DeviceNo, attempt: Attempt) -> Option<Resume> {
        let (asked, _) = self.asked.get(&no)?;
        if *asked != attempt {
            return None;
        }
        self.asked.remove(&no).map(|(_, resume)| resume)
    }

    /// The server did not know the session under this secret.
    fn judge(&self, no: DeviceNo, resume: &Resume, findings: &mut Findings<'_>) {
        let session = resume.session;
        // Under another secret it was resumed since: that one may be the successor.
        let is_succeeded = self.seen.get(&session).is_some_and(|seen| *seen != resume.secret);
        if !self.over.contains(&session) && !is_succeeded {
            findings.report(format!("{no:?} shows a secret of {session}, and it is unknown"));
        }
    }
}
