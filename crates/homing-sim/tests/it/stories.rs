//! Worlds that follow a script.

use homing_sim::story::{Loss, kill_at_every_write, ping_pong, stampede};
use homing_sim::{Options, Sabotage, Violation};

fn assert_none(violations: &[Violation]) {
    let told: Vec<_> = violations.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn two_devices_with_room_for_one_never_swap_on_a_network_that_never_holds() {
    // S-7.4, I5: ten hours, a drop every five seconds.
    let told = ping_pong(10, 0, &Options::default());
    assert_none(&told.violations);
    assert_eq!((told.drops, told.logins, told.displaced), (7_200, 2, 1));
    assert_eq!((told.swaps, told.hellos_of_loser), (0, 0));
    assert!(told.returns > 2_000, "only {} returns: it hardly came back", told.returns);
}

#[test]
fn a_return_that_displaces_swaps_for_ever() {
    let options = Options { sabotage: Some(Sabotage::ResumeDisplaces), ..Options::default() };
    assert!(!ping_pong(1, 0, &options).violations.is_empty());
}

#[test]
fn a_process_may_end_at_every_write_of_a_busy_day() {
    // S-5.2, S-6.6, S-7.6, S-9.2, I6, I9, I10: before each write is durable, torn in it, and after it.
    let told = kill_at_every_write(0, &Options::default());
    let shown: Vec<_> = told.violations.iter().map(|(at, v)| format!("{at:?} {v}")).collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
    assert!(told.writes > 60, "only {} writes", told.writes);
    assert_eq!(told.worlds, 1 + 3 * told.writes);
}

#[test]
fn a_crowd_that_loses_its_server_comes_back_under_the_rate_it_was_told() {
    // S-6.7, I15.
    for loss in [Loss::Drain, Loss::Crash] {
        let told = stampede(1_500, 20_000, loss, 0, &Options::default());
        assert_none(&told.violations);
        assert!(told.all_back_ms.is_some_and(|ms| ms < 30_000), "{loss:?}: {:?}", told.all_back_ms);
    }
}

#[test]
fn a_crowd_that_comes_back_at_once_is_seen() {
    let options = Options { sabotage: Some(Sabotage::NoSpread), ..Options::default() };
    let told = stampede(300, 20_000, Loss::Drain, 0, &options);
    assert!(told.violations.iter().any(|v| v.oracle == "I15 mass reconnect"), "{told:?}");
}
