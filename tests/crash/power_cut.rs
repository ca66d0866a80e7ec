//! The power is cut at every step of seeded workloads.
//!
//! After each cut the store must open, hold the commits up to one of them, whole, not fewer than
//! were promised, and go on.

use lightning_db_tests::{Kinds, Sweep, seeds_of};

/// Workloads of 200 calls run by default.
const SEEDS: u64 = 2;
/// Fewest crashed disks that the default run must look at.
const IMAGES_MIN: u64 = 10_000;

fn sweep(seeds: u64, ops: usize, kinds: Kinds, stride: u64) -> u64 {
    let seeds = seeds_of(seeds);
    let sweep = |seed| Sweep { seed, ops, kinds, stride };
    seeds.map(|seed| sweep(seed).run().unwrap_or_else(|text| panic!("{text}"))).sum()
}

#[test]
fn power_cut_at_any_step_loses_no_acknowledged_commit() {
    let images = sweep(SEEDS, 200, Kinds::ALL, 1);
    println!("{images} crashed disks opened");
    if std::env::var_os("LIGHTNING_CRASH_SEEDS").is_none() {
        assert!(images >= IMAGES_MIN, "only {images} crashed disks");
    }
}

#[test]
fn power_cut_under_snapshots_changes_nothing_that_they_see() {
    let images = sweep(1, 150, Kinds::SNAPSHOTS, 3);
    println!("{images} crashed disks opened");
}

#[test]
fn power_cut_during_ingest_or_backup_leaves_a_whole_state_or_none() {
    let images = sweep(1, 60, Kinds::BULK, 2);
    println!("{images} crashed disks opened");
}

#[test]
fn power_cut_at_any_step_loses_no_blob() {
    let images = sweep(1, 40, Kinds::BLOBS, 2);
    println!("{images} crashed disks opened");
}

/// Each merge of this seed takes many steps, with a change of the manifest each.
#[test]
fn power_cut_between_steps_of_a_merge_leaves_a_state_to_go_on_from() {
    let images = Sweep { seed: 1, ops: 50, kinds: Kinds::MERGES, stride: 1 }.run();
    println!("{} crashed disks opened", images.unwrap_or_else(|text| panic!("{text}")));
}
