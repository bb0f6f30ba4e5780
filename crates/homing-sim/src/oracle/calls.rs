//! I14: any call, in any state, gives one typed result.

use std::collections::BTreeMap;

use homing_core::client::{Command, CommandId, Depth};

use super::Oracle;
use crate::fact::{DeviceNo, Fact};
use crate::truth::Truth;
use crate::watch::Findings;

#[derive(Clone, Debug, Default)]
pub(super) struct Calls {
    open: BTreeMap<(DeviceNo, CommandId), Call>,
}

#[derive(Clone, Debug)]
struct Call {
    since: u64,
    name: &'static str,
    /// When it must be over.
    limit_ms: Option<u64>,
}

impl Oracle for Calls {
    fn name(&self) -> &'static str {
        "I14 any call, any state"
    }

    fn see(&mut self, now: u64, fact: &Fact<'_>, truth: &Truth, findings: &mut Findings<'_>) {
        match fact {
            Fact::Killed(no) => self.open.retain(|(device, _), _| device != no),
            // A device that sleeps answers nothing.
            Fact::Slept(no) => {
                let of = |((device, _), _): &(&(DeviceNo, CommandId), &mut Call)| device == no;
                self.open.iter_mut().filter(of).for_each(|(_, call)| call.limit_ms = None);
            }
            Fact::Called(no, id, command) => {
                let call = Call { since: now, name: name(command), limit_ms: limit_ms(command) };
                self.open.insert((*no, *id), call);
            }
            Fact::Completed(no, id, _) => match self.open.remove(&(*no, *id)) {
                None => findings.report(format!("{no:?} completes {id:?}, which is not open")),
                Some(call) => {
                    let took_ms = now - call.since;
                    if call.limit_ms.is_some_and(|limit_ms| took_ms > limit_ms) {
                        findings.report(format!("{no:?} {} took {took_ms} ms", call.name));
                    }
                }
            },
            Fact::Rest { .. } if truth.is_calm() => {
                for ((no, _), call) in &self.open {
                    let waits = now - call.since;
                    findings.report(format!("{no:?} {} has no answer for {waits} ms", call.name));
                }
            }
            _ => {}
        }
    }
}

/// The time limit the app gave, and what the disk may take on top.
const fn limit_ms(command: &Command) -> Option<u64> {
    match command {
        Command::Login { options, .. }
            if matches!(options.depth, Depth::Local | Depth::Verified) =>
        {
            Some(options.timeout_ms + DISK_MS)
        }
        _ => None,
    }
}

const fn name(command: &Command) -> &'static str {
    match command {
        Command::Login { .. } => "login",
        Command::LoginOffline { .. } => "login_offline",
        Command::ResumeLast => "resume_last",
        Command::Renew(_) => "renew",
        Command::Logout(_) => "logout",
        Command::Send { .. } => "send",
        Command::MarkRead { .. } => "mark_read",
        Command::FetchHistory { .. } => "fetch_history",
        Command::Devices => "devices",
        Command::KickDevices(_) => "kick_devices",
        Command::Presence(_) => "presence",
        Command::Suspend => "suspend",
        Command::Resume => "resume",
    }
}

/// Three writes of the slowest disk there is.
const DISK_MS: u64 = 7_000;
