//! Ranges, and defects planted into the store: who counts a range and inserts into it must not
//! commit beside another who does the same.

use lightning_db_storage::{Isolation, Transaction, planted};

use crate::anomalies::committed;
use crate::{Bench, with_defects, without_defects};

impl Bench {
    fn count(&self, transaction: &Transaction, prefix: &str) -> usize {
        transaction.prefix(&self.keyspace, prefix).map(Result::unwrap).count()
    }

    /// Both count the doctors on call, and each adds one under a key of its own. Says how many of
    /// the two committed.
    fn two_counts_and_inserts(&self, isolation: Isolation) -> usize {
        let (mut one, mut two) = (self.begin(isolation), self.begin(isolation));
        for (transaction, key) in [(&mut one, "doctor/1"), (&mut two, "doctor/2")] {
            assert_eq!(self.count(transaction, "doctor/"), 0);
            transaction.insert(&self.keyspace, key, "on call").unwrap();
            assert_eq!(self.count(transaction, "doctor/"), 1);
        }
        usize::from(committed(one)) + usize::from(committed(two))
    }
}

#[test]
fn phantoms_conflict_at_the_serializable_level_only() {
    let _guard = without_defects();
    for (isolation, expected) in [(Isolation::Serializable, 1), (Isolation::Snapshot, 2)] {
        let bench = Bench::new();
        assert_eq!(bench.two_counts_and_inserts(isolation), expected, "{isolation:?}");
    }
}

#[test]
fn a_range_is_protected_as_far_as_it_was_read() {
    let _guard = without_defects();
    let cases = [("key/15", false), ("key/2", false), ("key/25", true), ("key/9", true)];
    for (key, commits) in cases {
        let bench = Bench::new();
        for key in ["key/1", "key/2", "key/3"] {
            bench.keyspace.insert(key, "").unwrap();
        }
        let mut reader = bench.begin(Isolation::Serializable);
        let first_two: Vec<_> = reader.prefix(&bench.keyspace, "key/").take(2).collect();
        assert_eq!(first_two.len(), 2);
        reader.insert(&bench.keyspace, "counted", "").unwrap();
        bench.keyspace.insert(key, "phantom").unwrap();
        bench.store.compact().unwrap();
        assert_eq!(committed(reader), commits, "{key}");
    }
}

#[test]
fn a_removed_key_is_a_phantom_too() {
    let _guard = without_defects();
    let bench = Bench::new();
    bench.keyspace.insert("doctor/1", "").unwrap();
    let mut reader = bench.begin(Isolation::Serializable);
    assert_eq!(bench.count(&reader, "doctor/"), 1);
    bench.keyspace.remove("doctor/1").unwrap();
    bench.store.compact().unwrap();
    reader.insert(&bench.keyspace, "count", "1").unwrap();
    assert!(!committed(reader));
}

#[test]
fn an_emptied_keyspace_and_a_bulk_ingest_are_phantoms_too() {
    let _guard = without_defects();
    for ingests in [false, true] {
        let bench = Bench::new();
        bench.keyspace.insert("doctor/1", "").unwrap();
        let mut reader = bench.begin(Isolation::Serializable);
        assert_eq!(bench.count(&reader, "doctor/"), 1);
        if ingests {
            bench.keyspace.ingest([("doctor/2", "")]).unwrap();
        } else {
            bench.keyspace.clear().unwrap();
        }
        bench.store.compact().unwrap();
        reader.insert(&bench.keyspace, "count", "1").unwrap();
        assert!(!committed(reader), "ingest: {ingests}");
    }
}

/// The phantom test finds a store that forgets which ranges were read.
#[test]
fn planted_defect_of_range_reads_is_found() {
    let _guard = with_defects();
    let bench = Bench::new();
    planted::plant(Some("ignore-range-reads"));
    let commits = bench.two_counts_and_inserts(Isolation::Serializable);
    planted::plant(None);
    assert_eq!(commits, 2, "the defect was planted, and nobody noticed");
}

/// The repeatable read finds a store whose merges forget open snapshots.
#[test]
fn planted_defect_of_merges_is_found() {
    let _guard = with_defects();
    let bench = Bench::new();
    bench.keyspace.insert("x", "old").unwrap();
    let reader = bench.begin(Isolation::Serializable);
    bench.keyspace.insert("x", "new").unwrap();
    planted::plant(Some("ignore-snapshots-in-merge"));
    bench.store.compact().unwrap();
    planted::plant(None);
    let value = reader.get(&bench.keyspace, "x").unwrap();
    assert_ne!(value.as_deref(), Some(&b"old"[..]), "the defect was planted, and nobody noticed");
}
