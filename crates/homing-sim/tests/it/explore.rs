//! The small world, every state of it within a few steps; `cargo xtask explore` goes further.

use homing_sim::Sabotage;
use homing_sim::explore::{Alphabet, Plan, Walked, explore};

fn walk(limit: u32, alphabet: Alphabet, depth: usize) -> Walked {
    explore(&plan(limit, alphabet, depth), |_| {})
}

fn plan(limit: u32, alphabet: Alphabet, depth: usize) -> Plan {
    Plan { limit, alphabet, depth, most_states: 100_000, threads: 2, sabotage: None }
}

/// Nothing broke (I1 … I23 as far as they speak here), the depth was reached, and no fewer states
/// than these were there: a walk that has become blind would see few.
fn assert_holds(walked: &Walked, depth: usize, least_states: usize) {
    let breaches = walked.breaches.iter();
    let told: Vec<_> =
        breaches.map(|b| format!("{}\n{}", b.path.join(" > "), b.violation)).collect();
    assert!(told.is_empty(), "{}", told.join("\n\n"));
    assert_eq!(walked.depth, depth);
    assert!(walked.states >= least_states, "only {} states", walked.states);
}

#[test]
fn with_room_for_one_every_order_of_logins_returns_and_cuts_holds() {
    // S-7.4, I5: limit 1.
    assert_holds(&walk(1, Alphabet::Core, 6), 6, 400);
}

#[test]
fn with_room_for_two_every_order_of_logins_returns_and_cuts_holds() {
    assert_holds(&walk(2, Alphabet::Core, 6), 6, 400);
}

#[test]
fn processes_may_end_at_every_write_of_every_session_act() {
    // S-5.2, S-6.6, S-7.6: stored before it is said, at each place where it could be otherwise.
    assert_holds(&walk(1, Alphabet::Sessions, 3), 3, 200);
}

#[test]
fn processes_may_end_at_every_write_of_a_message() {
    // I10.
    assert_holds(&walk(2, Alphabet::Messages, 4), 4, 200);
}

#[test]
fn a_return_that_displaces_is_found_with_the_way_there() {
    let plan = Plan { sabotage: Some(Sabotage::ResumeDisplaces), ..plan(1, Alphabet::Core, 8) };
    let walked = explore(&plan, |_| {});
    let breach = walked.breaches.first().expect("it is found");
    assert_eq!(breach.violation.oracle, "I5 displacement");
    assert!(breach.path.iter().any(|step| step.starts_with("Login")), "{:?}", breach.path);
    assert!(!breach.trace.is_empty());
}

#[test]
fn a_walk_goes_the_same_way_on_any_number_of_threads() {
    let of = |threads| {
        let plan = Plan { threads, ..plan(1, Alphabet::Core, 5) };
        let walked = explore(&plan, |_| {});
        (walked.states, walked.steps, walked.levels)
    };
    assert_eq!(of(1), of(3));
}
