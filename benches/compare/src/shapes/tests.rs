//! Every shape of the build, small, and what the prototypes promise.

use super::prototype::Prototype;
use super::*;
use crate::workload::{Key, VALUE_LEN, Values, random_key, sequential_key};

const MEMORY: u64 = 64 << 20;

fn entries(keys: std::ops::Range<u64>, values: &Values) -> Vec<(Key, &[u8])> {
    keys.map(|index| (random_key(index), values.of(index))).collect()
}

fn read<P: Prototype>(store: &mut P, key: &Key, snapshot: u64) -> Option<Vec<u8>> {
    store.get_at(key, snapshot, <[u8]>::to_vec).unwrap()
}

fn scanned<P: Prototype>(store: &mut P, limit: usize, snapshot: u64) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    let visit = |key: &[u8], value: &[u8]| found.push((key.to_vec(), value.to_vec()));
    let count = store.scan_at(&sequential_key(1), limit, snapshot, visit).unwrap();
    assert_eq!(count, found.len());
    found
}

fn snapshots_see_their_versions<P: Prototype>() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = P::open(dir.path(), MEMORY).unwrap();
    let [a, b, c] = [1, 2, 3].map(sequential_key);
    store.commit(&[(a, b"old"), (b, b"kept")]).unwrap();
    let before = store.last();
    store.commit(&[(a, b"new"), (c, b"added")]).unwrap();
    let after = store.last();
    let pair = |key: Key, value: &[u8]| (key.to_vec(), value.to_vec());
    for turn in ["open", "reopened"] {
        assert_eq!(read(&mut store, &a, before).as_deref(), Some(&b"old"[..]), "{turn}");
        assert_eq!(read(&mut store, &a, after).as_deref(), Some(&b"new"[..]), "{turn}");
        assert_eq!(read(&mut store, &c, before), None, "{turn}");
        let old = [pair(a, b"old"), pair(b, b"kept")];
        let new = [pair(a, b"new"), pair(b, b"kept"), pair(c, b"added")];
        assert_eq!(scanned(&mut store, 10, before), old, "{turn}");
        assert_eq!(scanned(&mut store, 10, after), new, "{turn}");
        assert_eq!(scanned(&mut store, 2, after), new[..2], "{turn}");
        store.close().unwrap();
        drop(store);
        store = P::open(dir.path(), MEMORY).unwrap();
        assert!(store.last() >= after, "{turn}: the next commit must be newer");
    }
    store.commit(&[(a, b"newest")]).unwrap();
    let last = store.last();
    assert_eq!(read(&mut store, &a, last).as_deref(), Some(&b"newest"[..]));
}

#[test]
fn snapshots_of_both_prototypes_see_their_versions() {
    snapshots_see_their_versions::<Records>();
    snapshots_see_their_versions::<Pages>();
}

/// The log alone brings back what no checkpoint wrote. Dropped without a close, the cached pages
/// are gone as after a kill; the halves that splits wrote are there.
#[test]
fn pages_that_were_not_checkpointed_come_back_from_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let values = Values::small();
    let mut store = Pages::open(dir.path(), MEMORY).unwrap();
    for entry in entries(0..2_000, &values) {
        store.commit(&[entry]).unwrap();
    }
    store.close().unwrap();
    for entry in entries(2_000..5_000, &values) {
        store.commit(&[entry]).unwrap();
    }
    drop(store);
    let mut store = Pages::open(dir.path(), MEMORY).unwrap();
    assert_eq!(store.last(), 5_000);
    for (key, value) in entries(0..5_000, &values) {
        assert_eq!(read(&mut store, &key, 5_000).as_deref(), Some(value));
    }
    assert_eq!(scanned(&mut store, 10_000, 5_000).len(), 5_000);
}

/// Many times more pages than the cache holds, so that every page leaves and returns.
#[test]
fn pages_that_left_the_cache_are_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let values = Values::small();
    let mut store = Pages::open(dir.path(), 256 << 10).unwrap();
    for entry in entries(0..10_000, &values) {
        store.commit(&[entry]).unwrap();
    }
    for (key, value) in entries(0..10_000, &values) {
        assert_eq!(read(&mut store, &key, 10_000).as_deref(), Some(value));
    }
    let found = scanned(&mut store, 20_000, 10_000);
    assert!(found.is_sorted() && found.len() == 10_000);
}

#[test]
fn both_prototypes_play_every_act() {
    use crate::storage::plan::{ACTS, Load, Plan};
    let plan = Plan {
        time_min: std::time::Duration::from_micros(100),
        clocked_ops: 100,
        mixed_ops: 100,
        transactions: 5,
        batches: 2,
        large_values: 3,
        durable_time: std::time::Duration::from_millis(1),
        ..Plan::new(300, true)
    };
    let load = Load::new(plan);
    for contestant in PROTOTYPES {
        for act in ACTS {
            let dir = tempfile::tempdir().unwrap();
            let setup = crate::storage::engine::Setup {
                level: act.level,
                memory: MEMORY,
                value_len: VALUE_LEN,
            };
            let lane = (contestant.open)(dir.path(), &setup).unwrap();
            for step in act.steps {
                let sample = lane.run(*step, &load);
                assert!(sample.unwrap().value > 0.0, "{}: {}", contestant.name, step.name);
            }
            lane.close().unwrap();
        }
    }
}

#[test]
fn every_shape_is_measured_and_reopened() {
    let task = Task { keys: 500, quick: true, memory: MEMORY };
    let mut reports = Vec::new();
    for contestant in all() {
        let dir = tempfile::tempdir().unwrap();
        let mut report = measure::loaded(contestant, &task, dir.path()).unwrap();
        let reopened = measure::reopened(contestant, &task, dir.path()).unwrap();
        report["cold_open_ms"] = reopened["cold_open_ms"].clone();
        // Counted for the whole process, so meaningless here, and absent in memory.
        report["write_amplification"] = json!(1.0);
        reports.push(vec![report]);
    }
    let comparisons = comparisons(500, &all(), &reports);
    assert_eq!(comparisons.len(), METRICS.len());
    for comparison in comparisons {
        assert_eq!(comparison.entries.len(), all().len(), "{comparison:?}");
        assert!(comparison.entries.iter().all(|entry| entry.sample.value > 0.0));
        let is_rate = comparison.metric.name.ends_with("ops_per_s");
        let is_timed = is_rate && !comparison.metric.name.contains("drained");
        assert_eq!(comparison.entries[0].sample.latency.is_some(), is_timed);
    }
}

#[test]
fn a_store_that_lost_a_key_fails_its_reopen() {
    let dir = tempfile::tempdir().unwrap();
    let contestant = by_name("pages").unwrap();
    let loaded = Task { keys: 300, quick: true, memory: MEMORY };
    measure::loaded(contestant, &loaded, dir.path()).unwrap();
    let task = Task { keys: 301, ..loaded };
    let error = measure::reopened(contestant, &task, dir.path()).unwrap_err();
    assert!(format!("{error:#}").ends_with("is missing"), "{error:#}");
}

#[test]
fn shapes_are_named_and_described() {
    let error = by_name("nosuch").unwrap_err().to_string();
    assert!(error.contains("nosuch") && error.contains("pages"), "{error}");
    for contestant in all() {
        assert_eq!(by_name(contestant.name).unwrap().package, contestant.package);
        assert!(SHAPES.iter().any(|(name, _)| *name == contestant.name));
    }
}
