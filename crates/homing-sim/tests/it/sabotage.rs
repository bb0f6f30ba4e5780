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

#[test]
fn a_cursor_without_its_rows_is_seen() {
    assert!(first_seen(Sabotage::CursorAlone, "I6 log prefix").is_some());
}

#[test]
fn a_refused_credential_that_is_shown_again_after_a_restart_is_seen() {
    // It takes a refusal, a restart, and somebody who tries the same one again.
    assert!(first_seen_within(60, Sabotage::RefusedAgain, "I11 refused credential").is_some());
}

#[test]
fn a_kick_that_a_restart_forgets_is_seen() {
    assert!(first_seen(Sabotage::KickForgotten, "I5 displacement").is_some());
}

#[test]
fn a_picture_with_a_used_number_is_seen() {
    assert!(first_seen(Sabotage::SeqReused, "I23 status").is_some());
}

#[test]
fn a_logout_that_the_server_never_hears_of_is_seen() {
    assert!(first_seen(Sabotage::LogoutForgetsJob, "I17 logout").is_some());
}

#[test]
fn an_admission_that_decides_on_old_readings_is_seen() {
    assert!(first_seen(Sabotage::StaleAdmission, "I5 displacement").is_some());
}

#[test]
fn a_second_open_store_is_seen() {
    assert!(first_seen(Sabotage::TwoStores, "I18 one leader").is_some());
}

#[test]
fn counts_that_a_device_counts_up_are_seen() {
    assert!(first_seen(Sabotage::UnreadCountedUp, "I20 unread").is_some());
}

#[test]
fn an_outbox_in_another_order_is_seen() {
    assert!(first_seen(Sabotage::OutboxReordered, "I10 once").is_some());
}

/// Seeds within which each must be seen; the README says how soon each was.
const WITHIN: u64 = 20;
