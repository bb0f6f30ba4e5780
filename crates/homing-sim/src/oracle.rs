//! The invariants of S-11, one judge each, all on the same stream of facts.
//!
//! An oracle knows the facts and the [reference model](Truth) drawn from them, nothing of the
//! machines: what it expects it works out anew, the plain way.

mod account_wall;
mod attempts;
mod calls;
mod clock;
mod credential;
mod cursor;
mod damage;
mod delivery;
mod displacement;
mod leader;
mod liveness;
mod log_prefix;
mod logout;
mod once;
mod open_path;
mod reach;
mod secret;
mod signed_out;
mod status;
mod suspend;
mod sync_end;
mod unread;
mod wakeup;

use crate::fact::Fact;
use crate::truth::Truth;
use crate::watch::{Findings, Watch};
use crate::{Options, Violation};

pub use clock::clock_changes_nothing;

/// Copies a judge with all it has seen, for a walk that branches.
pub trait Fork {
    /// The copy.
    fn fork(&self) -> Box<dyn Oracle>;
}

impl<T: Oracle + Clone + 'static> Fork for T {
    fn fork(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Oracle> {
    fn clone(&self) -> Self {
        self.as_ref().fork()
    }
}

/// Judges one invariant.
pub trait Oracle: Fork + Send {
    /// The invariant's number and a word for it.
    fn name(&self) -> &'static str;

    /// Takes in a fact. `truth` is what was so before it.
    fn see(&mut self, now: u64, fact: &Fact<'_>, truth: &Truth, findings: &mut Findings<'_>);
}

/// Judges a story that is told instead of simulated: each fact with its time in milliseconds.
pub fn judge<'a>(story: impl IntoIterator<Item = (u64, Fact<'a>)>) -> Vec<Violation> {
    let mut watch = Watch::new(&Options::default());
    for (now, fact) in story {
        watch.now = now;
        watch.see(&fact);
    }
    watch.report(0, 0).violations
}

/// One of each, in the order of their numbers.
pub fn all() -> Vec<Box<dyn Oracle>> {
    vec![
        Box::new(signed_out::SignedOut::default()),
        Box::new(secret::ReplacedSecret::default()),
        Box::new(wakeup::WakeUp::default()),
        Box::new(liveness::Liveness::default()),
        Box::new(displacement::Displacement::default()),
        Box::new(log_prefix::LogPrefix::default()),
        Box::new(delivery::Delivery::default()),
        Box::new(sync_end::SyncEnd::default()),
        Box::new(account_wall::AccountWall::default()),
        Box::new(damage::Damage::default()),
        Box::new(once::Once::default()),
        Box::new(credential::RefusedCredential::default()),
        Box::new(suspend::Suspend::default()),
        Box::new(open_path::OpenPath::default()),
        Box::new(calls::Calls::default()),
        Box::new(attempts::Attempts::default()),
        Box::new(logout::Logout::default()),
        Box::new(leader::Leader::default()),
        Box::new(unread::Unread::default()),
        Box::new(cursor::CursorPair::default()),
        Box::new(status::StatusOrder),
    ]
}
