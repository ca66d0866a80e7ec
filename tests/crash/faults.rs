//! Each call of the disk fails once, in three workloads.
//!
//! The call of the store that meets the failure gives a typed error; a store whose log or manifest
//! failed takes no more writes, any other goes on; and what is on the disk opens with everything
//! that was promised.

use lightning_db_tests::{FaultSweep, Kinds, seeds_of};

fn sweep(ops: usize, kinds: Kinds) {
    let sweep = |seed| FaultSweep { seed, ops, kinds };
    let runs: u64 =
        seeds_of(1).map(|seed| sweep(seed).run().unwrap_or_else(|text| panic!("{text}"))).sum();
    println!("{runs} runs with a fault");
}

#[test]
fn fault_at_any_call_of_point_commits_is_an_error() {
    sweep(60, Kinds::POINTS);
}

#[test]
fn fault_at_any_call_of_batches_flushes_and_merges_is_an_error() {
    sweep(50, Kinds::BATCHES);
}

#[test]
fn fault_at_any_call_of_ingest_backup_and_checkpoint_is_an_error() {
    sweep(40, Kinds::BULK);
}
