//! Savepoints, own writes laid over ranges, and what a commit leaves behind.

use std::ops::ControlFlow;
use std::sync::Arc;

use lightning_db_types::{SeededRng, SimClock, SimVfs};

use super::*;
use crate::{KeyspaceOptions, Maintenance, Store, StoreOptions};

const LEVELS: [Isolation; 2] = [Isolation::Snapshot, Isolation::Serializable];

fn store() -> (Store, Keyspace) {
    let options = StoreOptions::new("/store")
        .memory_limit(1 << 20)
        .maintenance(Maintenance::Stepped)
        .vfs(Arc::new(SimVfs::new()))
        .clock(Arc::new(SimClock::default()))
        .rng(Arc::new(SeededRng::new(1)));
    let (store, _) = options.open().unwrap();
    let keyspace = store.keyspace("letters", KeyspaceOptions::new()).unwrap();
    (store, keyspace)
}

fn begin(store: &Store, isolation: Isolation) -> Transaction {
    store.transaction_with(TransactionOptions { isolation, durability: None })
}

/// Keys of a range, as one string.
fn keys(range: impl Iterator<Item = Result<(Slice, Slice)>>) -> String {
    range.map(|item| String::from_utf8_lossy(&item.unwrap().0).into_owned()).collect()
}

#[test]
fn rolling_back_brings_replaced_and_removed_writes_back() {
    let (store, letters) = store();
    let mut transaction = store.transaction();
    transaction.insert(&letters, "a", "1").unwrap();
    transaction.insert(&letters, "b", "1").unwrap();
    let savepoint = transaction.savepoint();
    for _ in 0..2 {
        transaction.insert(&letters, "a", "2").unwrap();
        transaction.insert(&letters, "a", "3").unwrap();
        transaction.remove(&letters, "b").unwrap();
        transaction.insert(&letters, "c", "2").unwrap();
        assert_eq!(keys(transaction.prefix(&letters, "")), "ac");
        transaction.rollback_to(savepoint).unwrap();
        assert_eq!(keys(transaction.prefix(&letters, "")), "ab");
        assert_eq!(transaction.get(&letters, "a").unwrap().as_deref(), Some(&b"1"[..]));
    }
    assert!(transaction.commit().unwrap().is_committed());
    assert_eq!(keys(letters.iter()), "ab");
}

#[test]
fn savepoints_behind_the_one_rolled_back_to_are_gone_and_earlier_ones_stay() {
    let (store, letters) = store();
    let mut transaction = store.transaction();
    let first = transaction.savepoint();
    transaction.insert(&letters, "a", "").unwrap();
    let second = transaction.savepoint();
    transaction.insert(&letters, "b", "").unwrap();
    transaction.rollback_to(first).unwrap();
    assert!(matches!(transaction.rollback_to(second), Err(Error::SavepointGone)));
    transaction.rollback_to(first).unwrap();
    assert_eq!(keys(transaction.prefix(&letters, "")), "");
}

#[test]
fn savepoint_of_another_transaction_is_refused() {
    let (store, _) = store();
    let (mut one, mut two) = (store.transaction(), store.transaction());
    let (first, second) = (one.savepoint(), two.savepoint());
    assert!(matches!(two.rollback_to(first), Err(Error::SavepointGone)));
    assert!(matches!(one.rollback_to(second), Err(Error::SavepointGone)));
}

#[test]
fn own_writes_are_laid_over_a_range_from_both_ends() {
    let (store, letters) = store();
    for key in ["b", "d", "f", "h"] {
        letters.insert(key, "").unwrap();
    }
    let mut transaction = store.transaction();
    for key in ["a", "d", "e", "i"] {
        transaction.insert(&letters, key, "own").unwrap();
    }
    for key in ["b", "c", "h"] {
        transaction.remove(&letters, key).unwrap();
    }
    assert_eq!(keys(transaction.range::<&str>(&letters, ..)), "adefi");
    assert_eq!(keys(transaction.range::<&str>(&letters, ..).rev()), "ifeda");
    assert_eq!(keys(transaction.range(&letters, "b".."e")), "d");
    let mut range = transaction.range::<&str>(&letters, ..);
    let mut inwards = String::new();
    while let Some(item) = range.next() {
        inwards += &keys(std::iter::once(item).chain(range.next_back()));
    }
    assert_eq!(inwards, "aidfe");
}

/// Symptom: versions without a number, which no later transaction saw as a change. Mechanism: the
/// check for conflicts shared the entries, and a shared entry cannot be given its number. Fix: it
/// holds the keys.
#[test]
fn regression_commits_at_the_snapshot_level_are_numbered() {
    for level in LEVELS {
        let (store, letters) = store();
        letters.insert("a", "old").unwrap();
        let (mut one, mut two) = (begin(&store, level), begin(&store, level));
        for transaction in [&mut one, &mut two] {
            assert!(transaction.contains(&letters, "a").unwrap());
            transaction.insert(&letters, "a", "new").unwrap();
        }
        assert_eq!(one.commit().unwrap(), CommitOutcome::Committed { lsn: 2 });
        assert_eq!(two.commit().unwrap(), CommitOutcome::Conflict, "{level:?}");
        assert_eq!(store.last_lsn(), 2);
    }
}

#[test]
fn reads_of_own_writes_do_not_conflict() {
    let (store, letters) = store();
    let mut transaction = store.transaction();
    transaction.insert(&letters, "a", "own").unwrap();
    assert_eq!(transaction.get(&letters, "a").unwrap().as_deref(), Some(&b"own"[..]));
    letters.insert("a", "of another").unwrap();
    assert!(transaction.commit().unwrap().is_committed(), "a blind write");
    assert_eq!(letters.get("a").unwrap().as_deref(), Some(&b"own"[..]));
}

#[test]
fn reads_that_were_rolled_back_still_conflict() {
    let (store, letters) = store();
    let mut transaction = store.transaction();
    let savepoint = transaction.savepoint();
    assert_eq!(transaction.get(&letters, "a").unwrap(), None);
    transaction.rollback_to(savepoint).unwrap();
    transaction.insert(&letters, "b", "").unwrap();
    letters.insert("a", "").unwrap();
    assert_eq!(transaction.commit().unwrap(), CommitOutcome::Conflict);
}

#[test]
fn transaction_over_a_dropped_keyspace_fails_as_a_whole() {
    let (store, letters) = store();
    let others = store.keyspace("others", KeyspaceOptions::new()).unwrap();
    let mut transaction = store.transaction();
    transaction.insert(&letters, "a", "").unwrap();
    transaction.insert(&others, "a", "").unwrap();
    store.drop_keyspace("others").unwrap();
    assert!(matches!(transaction.commit(), Err(Error::KeyspaceDropped { .. })));
    assert!(letters.is_empty().unwrap());
}

#[test]
fn own_writes_are_listed_by_keyspace_and_the_snapshot_is_without_them() {
    let (store, letters) = store();
    let others = store.keyspace("others", KeyspaceOptions::new()).unwrap();
    letters.insert("a", "old").unwrap();
    let mut transaction = store.transaction();
    transaction.insert(&letters, "b", "1").unwrap();
    transaction.insert(&others, "x", "1").unwrap();
    transaction.remove(&letters, "a").unwrap();
    let own: Vec<_> = transaction.writes(&letters).collect();
    assert_eq!(own, [(&b"a"[..], None), (b"b", Some(&b"1"[..]))]);
    assert_eq!(transaction.writes(&others).count(), 1);
    let snapshot = transaction.snapshot();
    assert_eq!(snapshot.lsn(), transaction.lsn());
    assert_eq!(snapshot.get(&letters, "a").unwrap().as_deref(), Some(&b"old"[..]));
    assert_eq!(snapshot.get(&letters, "b").unwrap(), None);
}

#[test]
fn a_watched_range_conflicts_with_changes_in_it_alone() {
    for (key, conflicts) in [("c", true), ("x", false)] {
        let (store, letters) = store();
        let mut transaction = begin(&store, Isolation::Serializable);
        transaction.watch(&letters, "a".."f");
        letters.insert(key, "1").unwrap();
        transaction.insert(&letters, "z", "1").unwrap();
        assert_eq!(!transaction.commit().unwrap().is_committed(), conflicts, "{key}");
    }
}

#[test]
fn a_released_savepoint_is_gone_and_its_writes_stay() {
    let (store, letters) = store();
    let mut transaction = store.transaction();
    let outer = transaction.savepoint();
    transaction.insert(&letters, "a", "1").unwrap();
    let inner = transaction.savepoint();
    transaction.insert(&letters, "b", "1").unwrap();
    transaction.release(inner).unwrap();
    assert!(matches!(transaction.rollback_to(inner), Err(Error::SavepointGone)));
    assert_eq!(keys(transaction.range::<&[u8]>(&letters, ..)), "ab");
    transaction.rollback_to(outer).unwrap();
    assert_eq!(keys(transaction.range::<&[u8]>(&letters, ..)), "");
    transaction.release(outer).unwrap();
    assert!(transaction.undo.is_empty());
}

#[test]
fn effects_run_once_the_commit_is_visible_and_only_then() {
    let (store, letters) = store();
    let ran = Arc::new(Mutex::new(Vec::new()));
    let note = |transaction: &mut Transaction, name: &'static str| {
        let (ran, seen) = (Arc::clone(&ran), letters.clone());
        transaction.after_commit(move |lsn| {
            let visible = seen.contains("a").unwrap();
            ran.lock().push((name, lsn, visible));
        });
    };
    let before = store.last_lsn();
    let mut transaction = store.transaction();
    note(&mut transaction, "first");
    let savepoint = transaction.savepoint();
    note(&mut transaction, "taken-back");
    transaction.insert(&letters, "a", "").unwrap();
    transaction.rollback_to(savepoint).unwrap();
    note(&mut transaction, "second");
    transaction.release(savepoint).unwrap();
    transaction.insert(&letters, "a", "").unwrap();
    assert_eq!(*ran.lock(), []);
    assert!(transaction.commit().unwrap().is_committed());
    let lsn = before + 1;
    let both = [("first", lsn, true), ("second", lsn, true)];
    assert_eq!(std::mem::take(&mut *ran.lock()), both);
    // Neither a rollback nor a conflict.
    let mut given_up = store.transaction();
    note(&mut given_up, "given-up");
    given_up.rollback();
    let mut late = store.transaction();
    let _read = late.get(&letters, "a").unwrap();
    note(&mut late, "late");
    late.insert(&letters, "b", "").unwrap();
    letters.insert("a", "2").unwrap();
    assert_eq!(late.commit().unwrap(), CommitOutcome::Conflict);
    assert_eq!(*ran.lock(), []);
    // One without writes is committed with the newest commit.
    let mut reading = store.transaction();
    note(&mut reading, "read");
    assert!(reading.commit().unwrap().is_committed());
    assert_eq!(*ran.lock(), [("read", lsn + 1, true)]);
    assert_eq!(Arc::strong_count(&ran), 1);
}

#[test]
fn a_range_conflicts_with_changes_as_far_as_it_was_read_and_no_further() {
    // How many keys are read from either end, and at which key another commit comes.
    for (front, back, key, conflicts) in [
        (1, 0, "ab", true),
        (1, 0, "c", false),
        (2, 0, "c", true),
        (0, 1, "f", true),
        (0, 1, "d", false),
        (9, 0, "f", true),
        (9, 0, "h", false),
    ] {
        for (is_held, is_visited) in [(false, false), (true, false), (false, true), (true, true)] {
            let (store, letters) = store();
            for key in ["b", "d", "e"] {
                letters.insert(key, "").unwrap();
            }
            let mut transaction = begin(&store, Isolation::Serializable);
            let mut held = Vec::new();
            // The second time is the same, or less: it takes nothing back.
            for count in [front, front.min(1)] {
                let mut range = transaction.range(&letters, "a".."g");
                let mut left = count;
                while left > 0 && !is_visited {
                    let _ = range.advance().unwrap();
                    left -= 1;
                }
                if is_visited && count > 0 {
                    let visited = range.visit(&mut |_, _| {
                        left -= 1;
                        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                    });
                    assert_eq!(visited.unwrap().is_break(), left == 0);
                }
                let _ = range.by_ref().rev().take(back).count();
                if is_held {
                    held.push(range);
                }
            }
            letters.insert(key, "1").unwrap();
            transaction.insert(&letters, "z", "1").unwrap();
            let found = !transaction.commit().unwrap().is_committed();
            assert_eq!(found, conflicts, "{front} and {back} read, {key}, held {is_held}");
        }
    }
}

#[test]
fn memory_of_reads_does_not_grow_with_reads_of_the_same() {
    let (store, letters) = store();
    for key in ["a", "b", "c"] {
        letters.insert(key, "").unwrap();
    }
    let transaction = begin(&store, Isolation::Serializable);
    for _ in 0..100 {
        assert_eq!(keys(transaction.range(&letters, "a".."c")), "ab");
        assert_eq!(keys(transaction.prefix(&letters, "b").rev()), "b");
        assert!(transaction.contains(&letters, "a").unwrap());
        assert!(!transaction.contains(&letters, 7_u64.to_be_bytes()).unwrap());
    }
    assert_eq!(transaction.reads.lock().counts(), (2, 2, 1));
}

#[test]
fn keys_of_eight_bytes_conflict_like_all_others() {
    for (read, written, conflicts) in [(7_u64, 7, true), (7, 8, false), (u64::MAX, u64::MAX, true)]
    {
        let (store, letters) = store();
        let mut transaction = begin(&store, Isolation::Serializable);
        assert_eq!(transaction.get(&letters, read.to_be_bytes()).unwrap(), None);
        letters.insert(written.to_be_bytes(), "1").unwrap();
        transaction.insert(&letters, "z", "1").unwrap();
        assert_eq!(!transaction.commit().unwrap().is_committed(), conflicts, "{read} {written}");
    }
}

#[test]
fn own_values_that_are_held_at_the_commit_stay_and_are_committed() {
    let long = "long enough to be shared with what is committed";
    let (store, letters) = store();
    let (mut transaction, mut other) = (store.transaction(), store.transaction());
    assert_eq!(other.get(&letters, "a").unwrap(), None);
    other.insert(&letters, "c", "").unwrap();
    transaction.insert(&letters, "a", long).unwrap();
    transaction.insert(&letters, "b", "short").unwrap();
    let held = transaction.get(&letters, "a").unwrap();
    assert_eq!(transaction.get(&letters, "b").unwrap().as_deref(), Some(&b"short"[..]));
    let mut range = transaction.range::<&str>(&letters, ..);
    assert!(range.advance().unwrap());
    assert_eq!(range.current(), Some((&b"a"[..], long.as_bytes())));
    assert!(transaction.commit().unwrap().is_committed());
    assert_eq!(held.as_deref(), Some(long.as_bytes()));
    assert_eq!(letters.get("a").unwrap(), held);
    // It has the number of its commit, by which a change is seen.
    assert_eq!(other.commit().unwrap(), CommitOutcome::Conflict);
}
