//! I11: a refused credential is not presented again, and nothing is tried until another one is
//! there.

use std::collections::{BTreeMap, VecDeque};

use homing_core::client::status::{CredentialStatus, SessionStatus};
use homing_core::client::{AskId, Attempt, Command, CredentialAnswer, Event};
use homing_proto::Code;
use homing_proto::frame::{ClientFrame, Credential, Request, ServerFrame};
use homing_proto::limits::{ATTEMPT_WINDOW_MS, ATTEMPTS_PER_WINDOW};

use super::Oracle;
use crate::fact::{DeviceNo, Fact};
use crate::truth::Truth;
use crate::watch::Findings;

#[derive(Clone, Debug, Default)]
pub(super) struct RefusedCredential {
    devices: BTreeMap<DeviceNo, Shown>,
}

#[derive(Clone, Debug, Default)]
struct Shown {
    /// In the order of the refusals.
    refused: Vec<Credential>,
    /// Refusals that the disk remembers.
    durable: usize,
    /// In the Hello of this attempt.
    hello: Option<(Attempt, Credential)>,
    renewals: BTreeMap<u32, Credential>,
    /// What the session stands on now.
    current: Option<Credential>,
    /// The app was told that one is needed, and has given none since.
    asked: bool,
    /// The question that the provider is busy with.
    open: Option<AskId>,
    /// When it was asked.
    questions: VecDeque<u64>,
}

impl Oracle for RefusedCredential {
    fn name(&self) -> &'static str {
        "I11 refused credential"
    }

    fn see(&mut self, now: u64, fact: &Fact<'_>, truth: &Truth, findings: &mut Findings<'_>) {
        match fact {
            Fact::AccountStored(no, account) => {
                self.shown(*no).durable = account.refused.len();
            }
            Fact::Started(no, _) => {
                let shown = self.shown(*no);
                // What a crash took from the disk cannot be known any more.
                shown.refused.truncate(shown.durable);
                shown.renewals.clear();
                (shown.hello, shown.current, shown.asked) = (None, None, false);
                (shown.open, shown.questions) = (None, VecDeque::new());
            }
            Fact::Asked(no, ask, _) => self.question(now, *no, *ask, findings),
            Fact::Withdrawn(no, _) => self.shown(*no).open = None,
            Fact::Provided(no, _, answer) => {
                let shown = self.shown(*no);
                shown.open = None;
                if matches!(answer, CredentialAnswer::Given(..)) {
                    shown.asked = false;
                }
            }
            Fact::Called(
                no,
                _,
                Command::Login { .. }
                | Command::LoginOffline { .. }
                | Command::ResumeLast
                | Command::Renew(_),
            ) => self.shown(*no).asked = false,
            // With the account its credential is forgotten, and what was asked of it; what is said
            // of it later names nothing.
            Fact::Status(no, status) if status.user().is_none() => {
                let shown = self.shown(*no);
                shown.current = None;
                shown.renewals.clear();
            }
            Fact::Event(no, Event::CredentialNeeded(_)) => {
                let again = std::mem::replace(&mut self.shown(*no).asked, true);
                if again {
                    findings.report(format!("{no:?} asks twice for a credential"));
                }
            }
            Fact::Sent(no, attempt, frame) => {
                let needed = truth.device(*no).status.as_ref().is_some_and(|status| {
                    let needed = CredentialStatus::Needed { why: Code::CREDENTIAL_EXPIRED.into() };
                    matches!(&status.session, SessionStatus::SignedIn { credential, .. }
                        if std::mem::discriminant(credential) == std::mem::discriminant(&needed))
                });
                if needed && matches!(frame, ClientFrame::Hello(_)) {
                    findings.report(format!("{no:?} says Hello while it needs a credential"));
                }
                self.sent(*no, *attempt, frame, findings);
            }
            Fact::Heard(no, attempt, frame) => self.heard(*no, *attempt, frame),
            _ => {}
        }
    }
}

impl RefusedCredential {
    /// One at a time, and not in a loop.
    fn question(&mut self, now: u64, no: DeviceNo, ask: AskId, findings: &mut Findings<'_>) {
        let shown = self.shown(no);
        if let Some(open) = shown.open.replace(ask) {
            findings.report(format!("{no:?} asks its provider again before {open:?} was answered"));
        }
        shown.questions.push_back(now);
        while shown.questions.front().is_some_and(|first| now - first > ATTEMPT_WINDOW_MS) {
            shown.questions.pop_front();
        }
        if shown.questions.len() > ATTEMPTS_PER_WINDOW {
            let asked = shown.questions.len();
            findings.report(format!("{no:?} asks its provider {asked} times in a minute"));
        }
    }

    fn shown(&mut self, no: DeviceNo) -> &mut Shown {
        self.devices.entry(no).or_default()
    }

    fn sent(
        &mut self,
        no: DeviceNo,
        attempt: Attempt,
        frame: &ClientFrame,
        findings: &mut Findings<'_>,
    ) {
        let shown = self.shown(no);
        let credential = match frame {
            ClientFrame::Hello(hello) => {
                shown.hello = hello.credential.clone().map(|credential| (attempt, credential));
                hello.credential.as_ref()
            }
            ClientFrame::Request { id, body: Request::Renew(credential) } => {
                shown.renewals.insert(*id, credential.clone());
                Some(credential)
            }
            _ => None,
        };
        if credential.is_some_and(|credential| shown.refused.contains(credential)) {
            findings.report(format!("{no:?} presents a refused credential again"));
        }
    }

    fn heard(&mut self, no: DeviceNo, attempt: Attempt, frame: &ServerFrame) {
        let shown = self.shown(no);
        let hello = shown.hello.as_ref().filter(|(of, _)| *of == attempt).map(|(_, c)| c.clone());
        match frame {
            ServerFrame::Refuse(refuse) if refuse.error.code.is_credential() => {
                shown.refuse(hello);
            }
            ServerFrame::Welcome(_) if hello.is_some() => shown.current = hello,
            ServerFrame::Response { id, body } => {
                let Some(credential) = shown.renewals.remove(id) else { return };
                match body {
                    Ok(_) => shown.current = Some(credential),
                    Err(error) if error.code.is_credential() => shown.refuse(Some(credential)),
                    Err(_) => {}
                }
            }
            ServerFrame::Close(close) if close.error.code.is_credential() => {
                let current = shown.current.take();
                shown.refuse(current);
            }
            _ => {}
        }
    }
}

impl Shown {
    fn refuse(&mut self, credential: Option<Credential>) {
        if let Some(credential) = credential
            && !self.refused.contains(&credential)
        {
            self.refused.push(credential);
        }
    }
}
