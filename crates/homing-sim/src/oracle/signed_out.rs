//! I1: SignedOut is entered only by a user's act or an authenticated verdict that names this user,
//! device and session.

use std::collections::{BTreeMap, BTreeSet};

use homing_core::client::status::{SessionStatus, Why};
use homing_core::client::{Command, CredentialAnswer};
use homing_proto::Code;
use homing_proto::frame::ServerFrame;
use homing_proto::id::SessionId;

use super::Oracle;
use crate::fact::{DeviceNo, Fact};
use crate::truth::Truth;
use crate::watch::Findings;

#[derive(Clone, Debug, Default)]
pub(super) struct SignedOut {
    /// The living sessions, as the server committed them.
    alive: BTreeSet<SessionId>,
    devices: BTreeMap<DeviceNo, Seen>,
}

/// What happened on a device in this run that may end its session.
#[derive(Clone, Debug, Default)]
struct Seen {
    session: Option<SessionId>,
    logout: bool,
    verdict: Option<Code>,
}

impl Oracle for SignedOut {
    fn name(&self) -> &'static str {
        "I1 signed out"
    }

    fn see(&mut self, _now: u64, fact: &Fact<'_>, truth: &Truth, findings: &mut Findings<'_>) {
        match fact {
            Fact::Bound(bound) => {
                self.alive.insert(bound.session);
                for loser in &bound.displaced {
                    self.alive.remove(loser);
                }
            }
            Fact::Ended { session, .. } => {
                self.alive.remove(session);
            }
            Fact::Started(no, account) => {
                let session = account.last.as_ref().and_then(|last| last.session.as_ref());
                let session = session.map(|resume| resume.session);
                self.devices.insert(*no, Seen { session, ..Seen::default() });
            }
            Fact::Called(no, _, Command::Logout(_))
            | Fact::Provided(no, _, CredentialAnswer::SignedOut) => self.seen(*no).logout = true,
            Fact::Heard(no, _, frame) => self.heard(*no, frame),
            Fact::Status(no, status) => {
                let before = truth.device(*no).status.as_ref().map(|status| &status.session);
                match (before, &status.session) {
                    (
                        Some(
                            before @ (SessionStatus::SignedIn { .. }
                            | SessionStatus::SigningIn { .. }),
                        ),
                        SessionStatus::SignedOut { why },
                    ) => {
                        let was_in = matches!(before, SessionStatus::SignedIn { .. });
                        if let Err(what) = self.judge(*no, was_in, why) {
                            findings.report(format!("{no:?} signed out ({why:?}): {what}"));
                        }
                    }
                    (Some(SessionStatus::SignedOut { .. }) | None, _) => {
                        // A session begins; what ended the one before does not end this one.
                        let seen = self.seen(*no);
                        (seen.logout, seen.verdict) = (false, None);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

impl SignedOut {
    fn seen(&mut self, no: DeviceNo) -> &mut Seen {
        self.devices.entry(no).or_default()
    }

    fn heard(&mut self, no: DeviceNo, frame: &ServerFrame) {
        let seen = self.seen(no);
        match frame {
            ServerFrame::Welcome(welcome) => seen.session = Some(welcome.session),
            ServerFrame::Refuse(refuse) if refuse.terminal => {
                seen.verdict = Some(refuse.error.code);
            }
            ServerFrame::Close(close) if close.terminal => seen.verdict = Some(close.error.code),
            _ => {}
        }
    }

    fn judge(&self, no: DeviceNo, was_in: bool, why: &Why) -> Result<(), String> {
        let seen = &self.devices[&no];
        match why {
            Why::Logout if seen.logout => return Ok(()),
            Why::Never => return Err("somebody was".to_owned()),
            // An explicit login is the user's act, and so is its end.
            Why::LoginFailed(_) if !was_in => return Ok(()),
            Why::Switched if !was_in => return Ok(()),
            _ => {}
        }
        let Some(verdict) = seen.verdict else {
            return Err("no verdict of the server came".to_owned());
        };
        if let Some(session) = seen.session
            && was_in
            && self.alive.contains(&session)
        {
            return Err(format!("on {verdict}, but the session {session} is alive"));
        }
        Ok(())
    }
}
