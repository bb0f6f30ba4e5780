//! I17: logout works offline at once, and nothing signs in again without an explicit call.
//!
//! The server is told the end of a session only by a device that has it on its disk: one that told it
//! and forgot it would take the session for a living one.

use std::collections::BTreeMap;

use homing_core::client::{Command, CommandId, CredentialAnswer, Reply};
use homing_proto::frame::{ClientFrame, ServerFrame};
use homing_proto::id::SessionId;

use super::Oracle;
use crate::fact::{DeviceNo, Fact};
use crate::truth::Truth;
use crate::watch::Findings;

#[derive(Clone, Debug, Default)]
pub(super) struct Logout {
    devices: BTreeMap<DeviceNo, Door>,
}

#[derive(Clone, Debug, Default)]
struct Door {
    /// The session that was held last.
    session: Option<SessionId>,
    /// Logouts that were called for, and when.
    asked: BTreeMap<CommandId, u64>,
    /// Logins that need no explicit act.
    automatic: Vec<CommandId>,
    is_shut: bool,
    /// The provider said that the user is signed out, and that is not on the disk yet: nobody was
    /// promised that a crash does not undo it.
    is_unsaved: bool,
    /// Sessions that were signed out of: they must not live on.
    left: Vec<SessionId>,
    /// Ends that are on the disk and wait to be told.
    durable: Vec<SessionId>,
}

impl Oracle for Logout {
    fn name(&self) -> &'static str {
        "I17 logout"
    }

    fn see(&mut self, now: u64, fact: &Fact<'_>, truth: &Truth, findings: &mut Findings<'_>) {
        match fact {
            Fact::Started(no, account) => {
                let door = self.door(*no);
                door.asked.clear();
                door.automatic.clear();
                let session = account.last.as_ref().and_then(|last| last.session.as_ref());
                door.session = session.map(|resume| resume.session);
                door.durable = account.jobs.iter().map(|job| job.session).collect();
                if std::mem::take(&mut door.is_unsaved) {
                    door.is_shut = false;
                }
            }
            Fact::AccountStored(no, account) => {
                let door = self.door(*no);
                door.durable = account.jobs.iter().map(|job| job.session).collect();
                let is_over = account.last.as_ref().is_some_and(|last| last.ended.is_some());
                if is_over && std::mem::take(&mut door.is_unsaved) {
                    door.left.extend(door.session.take());
                }
            }
            Fact::Sent(no, _, ClientFrame::EndSession(end))
                if !self.door(*no).durable.contains(&end.session) =>
            {
                let session = end.session;
                findings.report(format!("{no:?} tells the end of {session}, and may forget it"));
            }
            // A device that sleeps does nothing at once.
            Fact::Slept(no) => {
                self.door(*no).asked.values_mut().for_each(|since| *since = u64::MAX);
            }
            Fact::Heard(no, _, ServerFrame::Welcome(welcome)) => {
                self.door(*no).session = Some(welcome.session);
            }
            Fact::Called(no, id, Command::Logout(_)) => {
                self.door(*no).asked.insert(*id, now);
            }
            Fact::Provided(no, _, CredentialAnswer::SignedOut) => {
                let door = self.door(*no);
                door.is_shut = true;
                door.is_unsaved = true;
            }
            Fact::Called(no, _, Command::Login { .. }) => {
                let door = self.door(*no);
                door.is_shut = false;
                door.is_unsaved = false;
            }
            Fact::Called(no, id, Command::LoginOffline { .. } | Command::ResumeLast) => {
                self.door(*no).automatic.push(*id);
            }
            Fact::Completed(no, id, result) => {
                self.completed(now, *no, *id, result, truth, findings);
            }
            Fact::Sent(no, _, ClientFrame::Hello(_)) if self.door(*no).is_shut => {
                findings.report(format!("{no:?} was signed out and says Hello by itself"));
            }
            Fact::Rest { devices, sessions } if truth.is_calm() => {
                for device in *devices {
                    let door = self.door(device.device);
                    for (user, session, _) in
                        sessions.iter().filter(|(_, s, _)| door.left.contains(s))
                    {
                        findings.report(format!(
                            "{:?} signed {user} out, and {session} lives on",
                            device.device
                        ));
                    }
                }
            }
            _ => {}
        }
    }
}

impl Logout {
    fn door(&mut self, no: DeviceNo) -> &mut Door {
        self.devices.entry(no).or_default()
    }

    fn completed(
        &mut self,
        now: u64,
        no: DeviceNo,
        id: CommandId,
        result: &Result<Reply, homing_proto::Error>,
        truth: &Truth,
        findings: &mut Findings<'_>,
    ) {
        let door = self.door(no);
        if let Some(since) = door.asked.remove(&id)
            && result.is_ok()
        {
            let took_ms = now.saturating_sub(since);
            if took_ms > AT_ONCE_MS + SLOW_DISK_MS && !truth.device(no).is_asleep {
                findings.report(format!("{no:?} took {took_ms} ms to sign out"));
            }
            // A login that was called for meanwhile opens the door again.
            let status = truth.device(no).status.as_ref();
            if status.is_none_or(|status| status.user().is_none()) {
                door.is_shut = true;
                door.left.extend(door.session.take());
            }
        }
        if door.automatic.contains(&id) && result.is_ok() && door.is_shut {
            findings.report(format!("{no:?} was signed out and signed in by itself"));
        }
    }
}

const AT_ONCE_MS: u64 = 1_000;
/// Two writes of the slowest disk there is; the network has no part in it.
const SLOW_DISK_MS: u64 = 8_000;
