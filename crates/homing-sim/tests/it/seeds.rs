//! The machines in a few hundred worlds; CI runs many more through `cargo xtask sim`.

use homing_sim::{Options, run};

#[test]
fn three_hundred_worlds_hold_every_invariant() {
    let mut sessions = 0;
    for seed in 0..300 {
        let report = run(seed, &Options::default());
        sessions += report.sessions;
        let found: Vec<String> = report.violations.iter().map(ToString::to_string).collect();
        assert!(found.is_empty(), "seed {seed}:\n{}", found.join("\n"));
    }
    assert!(sessions > 3_000, "only {sessions} sessions: the worlds have become too quiet");
}
