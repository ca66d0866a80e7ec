//! Deliberate defects, each of which a check of the suite must find.
//!
//! A defect is planted for the whole process, so these tests are a binary of their own and take
//! turns. Each check passes without the defect, which shows that it is the defect that it finds.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use lightning_db_storage::planted::{DEFECTS, plant};
use lightning_db_storage::{KeyspaceOptions, Store};
use lightning_db_tests::{
    FaultSweep, Kinds, Left, Specimen, Sweep, Threads, describe, store_options,
};
use lightning_db_types::{SimClock, SimVfs};

static TURN: Mutex<()> = Mutex::new(());

type Check = fn() -> Result<(), String>;

/// Each defect, and a check that must find it.
const CHECKS: [(&str, Check); 15] = [
    ("skip-log-dir-sync", power_cuts),
    ("acknowledge-before-sync", power_cuts),
    ("skip-table-dir-sync", power_cuts),
    ("skip-manifest-sync", power_cuts),
    ("release-log-before-flush", power_cuts_with_batches),
    ("reuse-sequence-number", power_cuts),
    ("drop-last-operation-of-batch", power_cuts),
    ("ignore-snapshots-in-merge", power_cuts_with_snapshots),
    ("merge-forgets-bound", power_cuts_with_merges),
    ("keep-expired", power_cuts),
    ("skip-blob-sync", power_cuts_with_blobs),
    ("drop-frozen-memtable-early", failing_calls),
    ("skip-record-checksum", flipped_bits),
    ("ignore-durable-note", flipped_bits),
    ("ignore-range-reads", phantoms),
];

/// Defects that power cuts under threads must find too.
const FOUND_UNDER_THREADS: [&str; 3] =
    ["acknowledge-before-sync", "drop-last-operation-of-batch", "skip-manifest-sync"];

/// The suite of power cuts, on a shorter workload.
fn power_cuts() -> Result<(), String> {
    Sweep { seed: 1, ops: 150, kinds: Kinds::ALL, stride: 5 }.run().map(|_| ())
}

/// Values that fill several segments of the log between two flushes.
fn power_cuts_with_batches() -> Result<(), String> {
    Sweep { seed: 1, ops: 60, kinds: Kinds::BATCHES, stride: 3 }.run().map(|_| ())
}

fn power_cuts_with_blobs() -> Result<(), String> {
    Sweep { seed: 0, ops: 40, kinds: Kinds::BLOBS, stride: 3 }.run().map(|_| ())
}

fn power_cuts_with_snapshots() -> Result<(), String> {
    Sweep { seed: 0, ops: 150, kinds: Kinds::SNAPSHOTS, stride: 11 }.run().map(|_| ())
}

/// Merges in many steps.
fn power_cuts_with_merges() -> Result<(), String> {
    Sweep { seed: 1, ops: 50, kinds: Kinds::MERGES, stride: 5 }.run().map(|_| ())
}

fn failing_calls() -> Result<(), String> {
    FaultSweep { seed: 0, ops: 25, kinds: Kinds::BATCHES }.run().map(|_| ())
}

/// Flips bits of the log.
fn flipped_bits() -> Result<(), String> {
    let specimen = Specimen::new(Left::Closed)?;
    let log = |path: &&std::path::PathBuf| path.extension().is_some_and(|kind| kind == "log");
    for path in specimen.files().iter().filter(log) {
        specimen.flip(path, |at| at % 7 == 0)?;
    }
    Ok(())
}

/// A key that appears in a range which a transaction has read must make it conflict.
fn phantoms() -> Result<(), String> {
    let disk = SimVfs::new();
    let opened = store_options(Arc::new(disk), &SimClock::default(), 0, 0).open();
    let (store, _) = opened.map_err(|error| describe(&error))?;
    let committed = write_beside_a_range_read(&store).map_err(|error| describe(&error))?;
    if committed { Err("a phantom was not noticed".to_owned()) } else { Ok(()) }
}

/// Says whether the transaction was committed.
fn write_beside_a_range_read(store: &Store) -> lightning_db_storage::Result<bool> {
    let doctors = store.keyspace("doctors", KeyspaceOptions::new())?;
    doctors.insert("alice", "on call")?;
    let mut transaction = store.transaction();
    let on_call = transaction.range::<&[u8]>(&doctors, ..).count();
    doctors.insert("bob", "on call")?;
    transaction.insert(&doctors, "count", on_call.to_string())?;
    Ok(transaction.commit()?.is_committed())
}

fn turn() -> std::sync::MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn every_planted_defect_is_found() {
    let _turn = turn();
    let mut missed = Vec::new();
    for (defect, check) in CHECKS {
        plant(Some(defect));
        let found = check();
        plant(None);
        match found {
            Ok(()) => missed.push(defect),
            Err(text) => println!("{defect}: {}", text.lines().next().unwrap_or_default()),
        }
    }
    assert!(missed.is_empty(), "nothing noticed {missed:?}");
}

#[test]
fn planted_defects_are_found_under_threads() {
    let _turn = turn();
    let run = |seed| Threads { seed, cuts: 40 }.run();
    for defect in FOUND_UNDER_THREADS {
        plant(Some(defect));
        let found = (0..10).find_map(|seed| run(seed).err());
        plant(None);
        assert!(found.is_some(), "nothing noticed {defect}");
    }
}

#[test]
fn checks_pass_without_a_defect() {
    let _turn = turn();
    let checks: BTreeSet<Check> = CHECKS.iter().map(|(_, check)| *check).collect();
    for check in checks {
        check().unwrap_or_else(|text| panic!("{text}"));
    }
}

#[test]
fn every_defect_has_a_check() {
    let checked: BTreeSet<_> = CHECKS.iter().map(|(defect, _)| *defect).collect();
    assert_eq!(checked, BTreeSet::from(DEFECTS));
}
