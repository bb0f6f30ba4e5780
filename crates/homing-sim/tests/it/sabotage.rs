//! What is broken on purpose is seen, by the oracle whose invariant it breaks.

use homing_sim::oracle::clock_changes_nothing;
use homing_sim::{Options, Sabotage, run};

/// The first seed in which this oracle sees this breakage.
fn first_seen(sabotage: Sabotage, oracle: &str) -> Option<u64> {
    first_seen_within(WITHIN, sabotage, oracle)
}

fn first_seen_within(seeds: u64, sabotage: Sabotage, oracle: &str) -> Option<u64> {
    let options = Options { sabotage: Some(sabotage), ..Options::default() };
    (0..seeds).find(|seed| {
        run(*seed, &options).violations.iter().any(|violation| violation.oracle == oracle)
    })
}

#[test]
fn sending_before_it_is_durable_is_seen() {
    assert!(first_seen(Sabotage::SendBeforeDurable, "I10 once").is_some());
}

#[test]
fn a_server_without_dedupe_is_seen() {
    assert!(first_seen(Sabotage::NoDedupe, "I10 once").is_some());
}

#[test]
fn messages_that_bring_no_read_mark_are_seen() {
    // It takes a cut window, a conversation outside it, and a mark in that one before its message.
    assert!(first_seen_within(100, Sabotage::NoReadMark, "I20 unread").is_some());
}

#[test]
fn a_resume_that_displaces_is_seen() {
    assert!(first_seen(Sabotage::ResumeDisplaces, "I5 displacement").is_some());
}

#[test]
fn back_off_without_pacing_is_seen() {
    assert!(first_seen(Sabotage::NoPacing, "I16 attempts").is_some());
}

#[test]
fn events_of_the_old_account_after_a_switch_are_seen() {
    assert!(first_seen(Sabotage::LateEvents, "I8 account wall").is_some());
}

#[test]
fn deadlines_on_the_wall_clock_are_seen() {
    let seen = |seed| clock_changes_nothing(seed, Some(Sabotage::OneClock)).is_some();
    assert!((0..WITHIN).any(seen));
}

/// Seeds within which each must be seen; the README says how soon each was.
const WITHIN: u64 = 20;
