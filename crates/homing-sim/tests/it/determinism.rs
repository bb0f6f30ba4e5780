//! A seed is a world: the same one every time.

use homing_sim::{Options, Tracing, run};

#[test]
fn the_same_seed_gives_the_same_world_to_the_byte() {
    for seed in 0..12 {
        let options = Options { tracing: Tracing::Lines, ..Options::default() };
        let (first, second) = (run(seed, &options), run(seed, &options));
        assert_eq!(first.trace, second.trace, "seed {seed}");
        assert_eq!(first.digest, second.digest, "seed {seed}");
        assert_eq!(first.events, second.events, "seed {seed}");
    }
}

#[test]
fn another_seed_gives_another_world() {
    let options = Options { tracing: Tracing::Digest, ..Options::default() };
    assert_ne!(run(1, &options).digest, run(2, &options).digest);
}

#[test]
fn watching_a_world_does_not_change_it() {
    let traced = Options { tracing: Tracing::Lines, ..Options::default() };
    for seed in 0..12 {
        assert_eq!(run(seed, &traced).events, run(seed, &Options::default()).events, "seed {seed}");
    }
}

#[test]
fn no_secret_stands_in_a_trace() {
    // I25: the credentials of these worlds end in their seal.
    for seed in 0..12 {
        let options = Options { tracing: Tracing::Lines, ..Options::default() };
        let trace = run(seed, &options).trace;
        assert!(trace.iter().any(|line| line.contains("Token(..)")), "seed {seed}");
        assert!(!trace.iter().any(|line| line.contains("/good")), "seed {seed}");
    }
}
