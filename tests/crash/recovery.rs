//! The power is cut while a store recovers from a power cut.

use lightning_db_tests::{Kinds, Sweep, seeds_of};

/// Fewest recoveries that the default run must cut.
const CUTS_MIN: u64 = 2_000;

#[test]
fn recovery_cut_at_any_step_is_repeated_with_the_same_result() {
    let mut cuts = 0;
    for seed in seeds_of(1) {
        let sweep = Sweep { seed, ops: 200, kinds: Kinds::ALL, stride: 37 };
        cuts += sweep.run_recoveries(3).unwrap_or_else(|text| panic!("{text}"));
    }
    println!("{cuts} recoveries cut");
    if std::env::var_os("LIGHTNING_CRASH_SEEDS").is_none() {
        assert!(cuts >= CUTS_MIN, "only {cuts} recoveries were cut");
    }
}
