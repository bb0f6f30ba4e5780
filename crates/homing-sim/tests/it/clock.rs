//! I19: what the wall clocks of devices say changes nothing online.

use homing_sim::oracle::clock_changes_nothing;

#[test]
fn jumps_of_ten_years_change_nothing_online() {
    for seed in 0..24 {
        let violation = clock_changes_nothing(seed, None);
        assert!(violation.is_none(), "{}", violation.expect("it was just seen"));
    }
}
