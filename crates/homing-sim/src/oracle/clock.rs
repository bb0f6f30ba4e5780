//! I19: clock shifts change nothing online.

use crate::{OfflineChecks, Options, Sabotage, Tracing, Violation, run};

/// Runs the world of this seed with the clocks of its devices jumping as drawn, standing still, and
/// jumping the other way: everything that happens must be the same.
///
/// Once with credentials that do not expire; then even offline logins look at no clock. And once
/// with credentials that do, without offline logins, up to the first login where an offline check
/// rightly decides something (S-3.7).
pub fn clock_changes_nothing(seed: u64, sabotage: Option<Sabotage>) -> Option<Violation> {
    [OfflineChecks::NothingExpires, OfflineChecks::NotMade].into_iter().find_map(|checks| {
        let digest = |clock_jumps| {
            let tracing = Tracing::OnlineDigest;
            let options = Options { tracing, clock_jumps, sabotage, offline_checks: checks };
            run(seed, &options).digest
        };
        let still = digest(0);
        let jumps = [1, -1].into_iter().find(|jumps| digest(*jumps) != still)?;
        Some(Violation {
            at_ms: 0,
            oracle: "I19 clock",
            what: format!("seed {seed} ({checks:?}) goes another way with jumps times {jumps}"),
        })
    })
}
