//! The power is cut under many threads: writers, a reader of snapshots, and the store's own.

use lightning_db_tests::{Threads, seeds_of};

/// Seeds run by default.
const SEEDS: u64 = 8;
/// Power cuts of each.
const CUTS: u64 = 40;

#[test]
fn power_cut_under_threads_loses_no_acknowledged_commit() {
    let run = |seed| Threads { seed, cuts: CUTS }.run().unwrap_or_else(|text| panic!("{text}"));
    let cuts: u64 = seeds_of(SEEDS).map(run).sum();
    println!("{cuts} power cuts under threads");
}
