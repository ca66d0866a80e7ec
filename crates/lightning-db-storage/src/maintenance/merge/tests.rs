//! Sliced merges against whole ones, against a model, and on disks that are almost full.

mod model;

use std::ops::Range;
use std::path::{Path, PathBuf};

use lightning_db_types::{Persistence, SeededRng, SimClock, SimVfs};

use super::*;
use crate::keyspace::Keyspace;
use crate::options::{KeyspaceOptions, Maintenance, StoreOptions};
use crate::store::Store;

const STORE: &str = "/db";

/// A small store on a simulated disk: runs are made by checkpoints, and merged when a test says so.
fn options(disk: &SimVfs, clock: &SimClock, slice_size: u64) -> StoreOptions {
    let options = StoreOptions::new(STORE)
        .vfs(Arc::new(disk.clone()))
        .clock(Arc::new(clock.clone()))
        .rng(Arc::new(SeededRng::new(disk.steps())))
        .maintenance(Maintenance::Stepped)
        .memory_limit(64 << 20)
        .block_size(512)
        .merge_slice_size(slice_size);
    StoreOptions { table_size: 8 << 10, ..options }
}

fn open(options: &StoreOptions) -> (Store, Keyspace) {
    let (store, _) = options.clone().open().unwrap();
    let keyspace = store.keyspace("cities", KeyspaceOptions::new()).unwrap();
    (store, keyspace)
}

fn runs_of(keyspace: &Keyspace) -> usize {
    keyspace.inner.view.load().runs.len()
}

/// Begins a merge of some runs.
fn begin(keyspace: &Keyspace, runs: Range<usize>) {
    let job = Job::new(&keyspace.inner, &keyspace.inner.view.load().runs[runs], Purpose::Due);
    keyspace.engine.work.merge_turn.lock().jobs.push(job);
}

/// Does the next step of the merge begun last; says whether it goes on.
fn advance(keyspace: &Keyspace) -> Result<bool> {
    let mut merges = keyspace.engine.work.merge_turn.lock();
    let outcome = keyspace.engine.advance(&mut merges);
    let goes_on = !merges.jobs.is_empty();
    drop(merges);
    keyspace.engine.remove_obsolete().unwrap();
    outcome.map(|()| goes_on)
}

/// Some runs, each with all of the keys of a step.
fn fill(store: &Store, keyspace: &Keyspace, runs: u32, keys: u32) {
    for run in 0..runs {
        for key in 0..keys {
            // Values that do not compress, so that sizes are what they seem.
            let noise = u64::from(key * runs + run).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let value = noise.to_be_bytes().map(|byte| noise.rotate_left(byte.into()));
            let value = value.map(u64::to_be_bytes).concat();
            keyspace.insert(format!("{key:06}"), value).unwrap();
        }
        store.checkpoint().unwrap();
    }
}

#[test]
fn merge_needs_free_disk_for_a_slice_and_gives_back_space_at_each_step() {
    let (slice_size, runs) = (32 << 10, 4);
    for whole in [false, true] {
        let (disk, clock) = (SimVfs::new(), SimClock::default());
        let options = options(&disk, &clock, if whole { u64::MAX } else { slice_size });
        let (store, keyspace) = open(&options);
        fill(&store, &keyspace, runs, 4_000);
        let full = disk.used_bytes();
        assert!(full > 20 * slice_size, "{full} bytes are too few to show anything");
        // A slice is in two places for a moment, and one table of each run may lie across its end.
        let spare = slice_size * 5 / 4 + u64::from(runs) * options.table_size * 5 / 4;
        disk.set_capacity(Some(full + spare));
        begin(&keyspace, 0..runs as usize);
        let mut used = vec![full];
        let outcome = loop {
            match advance(&keyspace) {
                Ok(true) => used.push(disk.used_bytes()),
                outcome => break outcome,
            }
        };
        if whole {
            assert!(outcome.is_err_and(|error| error.to_string().contains("write")));
            continue;
        }
        outcome.unwrap();
        assert_eq!(runs_of(&keyspace), 1);
        assert_eq!(keyspace.len().unwrap(), 4_000);
        let half = used[used.len() / 2];
        let end = disk.used_bytes();
        assert!(half < full - (full - end) / 3, "space comes back late: {used:?}");
        let statistics = store.statistics();
        assert_eq!((statistics.merges, statistics.merge_bytes_left), (1, 0));
        assert!(statistics.merge_steps >= 16, "{statistics:?}");
        // Head, key and value of each entry.
        assert_eq!(statistics.merge_bytes, u64::from(runs) * 4_000 * (12 + 6 + 64));
    }
}

#[test]
fn smaller_merge_that_becomes_due_comes_before_the_next_step() {
    let (disk, clock) = (SimVfs::new(), SimClock::default());
    let (store, keyspace) = open(&options(&disk, &clock, 16 << 10));
    fill(&store, &keyspace, 4, 4_000);
    begin(&keyspace, 0..4);
    assert!(advance(&keyspace).unwrap());
    fill(&store, &keyspace, 4, 100);
    assert_eq!(runs_of(&keyspace), 8);
    let left = keyspace.engine.work.merge_turn.lock().left();
    while runs_of(&keyspace) > 5 {
        assert!(keyspace.engine.merge_step().unwrap());
    }
    let merges = keyspace.engine.work.merge_turn.lock();
    let first = merges.jobs.first().unwrap();
    assert_eq!(first.left(), left, "the larger merge has waited");
    drop(merges);
    while keyspace.engine.merge_step().unwrap() {}
    assert!(runs_of(&keyspace) <= 2);
    assert_eq!(keyspace.len().unwrap(), 4_000);
}

#[test]
fn merge_that_was_cut_off_goes_on_behind_what_it_has_merged() {
    let (disk, clock) = (SimVfs::new(), SimClock::default());
    let options = options(&disk, &clock, 32 << 10);
    let (store, keyspace) = open(&options);
    fill(&store, &keyspace, 4, 4_000);
    begin(&keyspace, 0..4);
    for _ in 0..10 {
        assert!(advance(&keyspace).unwrap());
    }
    let read = store.statistics().merge_bytes;
    let left = store.statistics().merge_bytes_left;
    let disk = disk.crashed(Persistence::None, 0);
    let (store, keyspace) = open(&StoreOptions { vfs: Arc::new(disk), ..options });
    assert_eq!(runs_of(&keyspace), 4, "a merge adds no run");
    assert!(store.check(crate::Depth::Deep).unwrap().is_ok());
    store.compact().unwrap();
    assert_eq!(runs_of(&keyspace), 1);
    assert_eq!(keyspace.len().unwrap(), 4_000);
    let again = store.statistics().merge_bytes;
    assert!(again < left + read / 4, "{again} bytes were read, {left} were left behind {read}");
}

#[test]
fn runs_of_keys_in_order_become_one_without_being_written_again() {
    let (disk, clock) = (SimVfs::new(), SimClock::default());
    let (store, keyspace) = open(&options(&disk, &clock, 16 << 10));
    for run in 0..20 {
        for key in 0..500 {
            keyspace.insert(format!("{:06}", run * 500 + key), [7; 64]).unwrap();
        }
        store.checkpoint().unwrap();
        while keyspace.engine.merge_step().unwrap() {}
        assert_eq!(runs_of(&keyspace), 1);
    }
    let statistics = store.statistics();
    assert_eq!((statistics.merges, statistics.merge_bytes), (19, 0));
    assert_eq!(keyspace.len().unwrap(), 10_000);
    assert_eq!(keyspace.iter().rev().count(), 10_000);
    assert!(store.check(crate::Depth::Deep).unwrap().is_ok());
}

#[test]
fn idle_store_is_merged_down_and_then_left_alone() {
    let (disk, clock) = (SimVfs::new(), SimClock::default());
    let (store, keyspace) = open(&options(&disk, &clock, 64 << 10));
    fill(&store, &keyspace, 1, 4_000);
    fill(&store, &keyspace, 2, 300);
    fill(&store, &keyspace, 1, 30);
    let step = || keyspace.engine.merge_step().unwrap();
    assert!(!step(), "they are small beside the oldest run");
    keyspace.insert("000002", "once more").unwrap();
    clock.advance(IDLE_AFTER);
    assert!(!step(), "a commit has come since the last look");
    clock.advance(IDLE_AFTER);
    while step() {}
    assert_eq!(runs_of(&keyspace), 1);
    let written = store.statistics().table_bytes_written;
    for round in 0..20 {
        keyspace.insert("000001", "once more").unwrap();
        store.checkpoint().unwrap();
        step();
        clock.advance(IDLE_AFTER);
        while step() {}
        assert!(runs_of(&keyspace) <= 2, "round {round}");
    }
    let more = store.statistics().table_bytes_written - written;
    let whole = store.statistics().disk.tables;
    assert!(more < whole, "{more} bytes were written for 20 commits beside {whole}");
}

#[test]
fn blob_of_a_dropped_version_stays_while_a_table_refers_to_it() {
    let (disk, clock) = (SimVfs::new(), SimClock::default());
    let (store, keyspace) = open(&options(&disk, &clock, 4 << 10));
    let is_blob = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "blob");
    let blobs = || disk.files().iter().filter(is_blob).count();
    keyspace.insert("000000", vec![1; 1 << 20]).unwrap();
    keyspace.insert("000150", vec![2; 1 << 20]).unwrap();
    store.checkpoint().unwrap();
    fill(&store, &keyspace, 2, 200);
    assert_eq!(blobs(), 2);
    begin(&keyspace, 0..3);
    while advance(&keyspace).unwrap() {
        assert!(store.check(crate::Depth::Deep).unwrap().is_ok());
        store.backup("/backup").unwrap();
    }
    assert!(store.statistics().merge_steps > 5);
    store.backup("/backup").unwrap();
    assert_eq!(blobs(), 0);
    assert!(disk.files().iter().all(|path| !path.starts_with(Path::new("/db/blobs"))));
}

#[test]
fn compaction_tells_how_far_it_has_come_and_can_be_cancelled() {
    use crate::progress::{Observer, Progress};
    use std::ops::ControlFlow;
    let (disk, clock) = (SimVfs::new(), SimClock::default());
    let (store, keyspace) = open(&options(&disk, &clock, 64 << 10));
    fill(&store, &keyspace, 3, 10_000);
    let mut seen: Vec<Progress> = Vec::new();
    let cancel: &mut Observer<'_> = &mut |progress: Progress| match progress.stage {
        Stage::Merge if progress.done > 0 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let cancelled = store.compact_with(cancel);
    assert!(matches!(cancelled, Err(crate::Error::Cancelled)));
    assert_eq!((runs_of(&keyspace), keyspace.len().unwrap()), (3, 10_000));
    assert!(keyspace.engine.work.merge_turn.lock().jobs.is_empty());
    let watch: &mut Observer<'_> = &mut |progress: Progress| {
        seen.push(progress);
        ControlFlow::Continue(())
    };
    store.compact_with(watch).unwrap();
    let merge: Vec<_> = seen.iter().filter(|seen| seen.stage == Stage::Merge).collect();
    assert!(merge.len() >= 3 && merge.is_sorted_by_key(|seen| seen.done), "{merge:?}");
    assert!(merge.iter().all(|seen| seen.done <= seen.total && seen.total == merge[0].total));
    assert_eq!(merge.last().map(|last| last.done), Some(merge[0].total));
    assert_eq!((runs_of(&keyspace), keyspace.len().unwrap()), (1, 10_000));
}

#[test]
fn nothing_is_picked_from_an_empty_view() {
    let view = KeyspaceInner::empty_view(Vec::new());
    assert_eq!(pick::due(&view.runs, true, &Rules::default()), None);
    assert_eq!(pick::idle(&view.runs, u64::MAX, &Rules::default()), None);
}
