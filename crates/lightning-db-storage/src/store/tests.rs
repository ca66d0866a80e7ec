//! Opening and closing, with the threads at work.

use std::sync::Arc;

use parking_lot::Mutex;

use super::*;
use crate::Durability;

#[test]
fn the_last_handle_closes_the_store_though_threads_are_at_work() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..20_u64 {
        let options = StoreOptions::new(dir.path()).memory_limit(4 << 20);
        // Fails if a flush or merge of the round before still held the folder.
        let (store, _) = options.durability(Durability::Memory).open().unwrap();
        let keyspace = store.keyspace("k", KeyspaceOptions::new()).unwrap();
        drop(store);
        for index in 0..400_u64 {
            keyspace.insert((round * 1_000 + index).to_be_bytes(), [7; 2_000]).unwrap();
        }
    }
}

#[test]
fn a_keyspace_that_is_emptied_often_keeps_what_its_readers_see_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    let keyspace = store.keyspace("k", KeyspaceOptions::new()).unwrap();
    let mut snapshots = Vec::new();
    for round in 0..60_u8 {
        keyspace.insert("key", [round]).unwrap();
        if round % 20 == 0 {
            snapshots.push((round, store.snapshot()));
        }
        keyspace.clear().unwrap();
    }
    assert!(keyspace.inner.view.load().floors.len() <= snapshots.len() + 2);
    for (round, snapshot) in &snapshots {
        assert_eq!(snapshot.get(&keyspace, "key").unwrap().as_deref(), Some(&[*round][..]));
    }
    assert_eq!(keyspace.get("key").unwrap(), None);
    drop(snapshots);
    keyspace.clear().unwrap();
    keyspace.clear().unwrap();
    assert_eq!(keyspace.inner.view.load().floors.len(), 2);
}

#[test]
fn a_hook_sees_every_commit_behind_the_number_it_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    let keyspace = store.keyspace("k", KeyspaceOptions::new()).unwrap();
    let keyspace = keyspace.with_durability(Durability::Memory);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for index in 0..2_000_u32 {
                keyspace.insert(index.to_be_bytes(), "v").unwrap();
            }
        });
        for _ in 0..50 {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let noted = Arc::clone(&seen);
            let hook = store.on_commit(move |commit| noted.lock().push(commit.lsn()));
            let snapshot = store.snapshot();
            let expected: Vec<u64> = (hook.lsn() + 1..=snapshot.lsn()).collect();
            drop(hook);
            let seen = std::mem::take(&mut *seen.lock());
            assert!(seen.starts_with(&expected), "{seen:?} of {expected:?}");
        }
        writer.join().unwrap();
    });
}

#[test]
fn a_hook_may_own_another_subscription() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    let inner = store.on_commit(|_| {});
    let outer = store.on_commit(move |_| {
        let _ = &inner;
    });
    drop(outer);
    store.keyspace("k", KeyspaceOptions::new()).unwrap().insert("key", "value").unwrap();
}

#[test]
fn slices_of_no_length_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let opened = StoreOptions::new(dir.path()).merge_slice_size(0).open();
    assert!(matches!(opened, Err(Error::InvalidOption { .. })), "{opened:?}");
}

#[test]
fn the_oldest_reader_is_a_snapshot_or_the_newest_commit() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = StoreOptions::new(dir.path()).durability(Durability::Memory).open().unwrap();
    let keyspace = store.keyspace("k", KeyspaceOptions::new()).unwrap();
    keyspace.insert("a", "1").unwrap();
    let snapshot = store.snapshot();
    let transaction = store.transaction();
    keyspace.insert("a", "2").unwrap();
    assert_eq!(store.oldest_reader_lsn(), snapshot.lsn());
    drop(snapshot);
    assert_eq!(store.oldest_reader_lsn(), transaction.lsn());
    transaction.rollback();
    assert_eq!(store.oldest_reader_lsn(), store.last_lsn());
}

#[test]
fn commits_are_counted_by_level_with_the_times_of_their_syncs() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    let keyspace = store.keyspace("k", KeyspaceOptions::new()).unwrap();
    let levels = [(Durability::Memory, 3), (Durability::Buffered, 2), (Durability::Sync, 1)];
    for (level, count) in levels {
        let keyspace = keyspace.with_durability(level);
        (0..count).for_each(|_| keyspace.insert("key", "value").unwrap());
    }
    let statistics = store.statistics();
    let commits = statistics.commits;
    assert_eq!((commits.memory, commits.buffered, commits.sync), (3, 2, 1));
    assert_eq!(commits.promised_lsn, statistics.last_lsn);
    assert_eq!(statistics.sync_waits.count(), 1);
    assert!(statistics.sync_waits.sum() > std::time::Duration::ZERO);
    assert_eq!(statistics.merge_step_times.count(), 0);
    store.checkpoint().unwrap();
    keyspace.insert("key", "another value").unwrap();
    store.compact().unwrap();
    let statistics = store.statistics();
    assert!(statistics.merge_steps > 0);
    assert_eq!(statistics.merge_step_times.count(), statistics.merge_steps);
}
