//! Each classic anomaly, as two transactions that take turns, at both levels.
//!
//! Names after Adya, "Weak Consistency" (1999), and Berenson et al., "A Critique of ANSI SQL
//! Isolation Levels" (1995).

use lightning_db_storage::{Isolation, Transaction, TransactionOptions};

use crate::{Bench, without_defects};

const LEVELS: [Isolation; 2] = [Isolation::Snapshot, Isolation::Serializable];

impl Bench {
    pub(crate) fn begin(&self, isolation: Isolation) -> Transaction {
        self.store.transaction_with(TransactionOptions { isolation, durability: None })
    }

    fn put(&self, transaction: &mut Transaction, key: &str, value: &str) {
        transaction.insert(&self.keyspace, key, value).unwrap();
    }

    fn read(&self, transaction: &Transaction, key: &str) -> String {
        let value = transaction.get(&self.keyspace, key).unwrap();
        value.map_or_else(String::new, |value| String::from_utf8_lossy(&value).into_owned())
    }

    fn value(&self, key: &str) -> String {
        self.read(&self.begin(Isolation::Snapshot), key)
    }
}

pub(crate) fn committed(transaction: Transaction) -> bool {
    transaction.commit().unwrap().is_committed()
}

/// Runs a scene at both levels, on a store in which x and y are "old".
fn at_both_levels(scene: impl Fn(&Bench, Isolation)) {
    let _guard = without_defects();
    for level in LEVELS {
        let bench = Bench::new();
        bench.keyspace.insert("x", "old").unwrap();
        bench.keyspace.insert("y", "old").unwrap();
        scene(&bench, level);
    }
}

#[test]
fn no_dirty_write() {
    at_both_levels(|bench, level| {
        let (mut one, mut two) = (bench.begin(level), bench.begin(level));
        for (transaction, value) in [(&mut one, "one"), (&mut two, "two")] {
            bench.put(transaction, "x", value);
            bench.put(transaction, "y", value);
        }
        assert!(committed(one));
        // Blind writes are serializable in any order; at the snapshot level the first one wins.
        assert_eq!(committed(two), level == Isolation::Serializable);
        assert_eq!(bench.value("x"), bench.value("y"), "both are of one transaction");
    });
}

#[test]
fn no_dirty_read() {
    at_both_levels(|bench, level| {
        let mut writer = bench.begin(level);
        bench.put(&mut writer, "x", "never");
        let reader = bench.begin(level);
        assert_eq!(bench.read(&reader, "x"), "old");
        assert_eq!(bench.value("x"), "old");
        writer.rollback();
        assert_eq!(bench.value("x"), "old");
        assert!(committed(reader));
    });
}

#[test]
fn no_intermediate_read() {
    at_both_levels(|bench, level| {
        let mut writer = bench.begin(level);
        bench.put(&mut writer, "x", "between");
        let early = bench.begin(level);
        bench.put(&mut writer, "x", "new");
        assert!(committed(writer));
        assert_eq!(bench.read(&early, "x"), "old");
        assert_eq!(bench.value("x"), "new");
    });
}

#[test]
fn no_circle_of_reads() {
    at_both_levels(|bench, level| {
        let (mut one, mut two) = (bench.begin(level), bench.begin(level));
        bench.put(&mut one, "x", "one");
        bench.put(&mut two, "y", "two");
        assert_eq!(bench.read(&one, "y"), "old");
        assert_eq!(bench.read(&two, "x"), "old");
        let both = (committed(one), committed(two));
        // Neither saw the other: that is write skew, and only the snapshot level lets it be.
        assert_eq!(both, (true, level == Isolation::Snapshot));
    });
}

#[test]
fn no_fuzzy_read() {
    at_both_levels(|bench, level| {
        let reader = bench.begin(level);
        assert_eq!(bench.read(&reader, "x"), "old");
        bench.keyspace.insert("x", "new").unwrap();
        bench.store.compact().unwrap();
        assert_eq!(bench.read(&reader, "x"), "old");
        assert!(committed(reader), "who only reads never conflicts");
    });
}

#[test]
fn no_read_skew() {
    at_both_levels(|bench, level| {
        let mut reader = bench.begin(level);
        assert_eq!(bench.read(&reader, "x"), "old");
        let mut writer = bench.begin(level);
        bench.put(&mut writer, "x", "new");
        bench.put(&mut writer, "y", "new");
        assert!(committed(writer));
        assert_eq!(bench.read(&reader, "y"), "old");
        bench.put(&mut reader, "z", "derived from old values");
        assert_eq!(committed(reader), level == Isolation::Snapshot);
    });
}

#[test]
fn no_lost_update() {
    at_both_levels(|bench, level| {
        let (mut one, mut two) = (bench.begin(level), bench.begin(level));
        for (transaction, suffix) in [(&mut one, "+one"), (&mut two, "+two")] {
            let value = bench.read(transaction, "x") + suffix;
            bench.put(transaction, "x", &value);
        }
        assert!(committed(one));
        // A merge in between must not make the first one's commit look old.
        bench.store.compact().unwrap();
        assert!(!committed(two));
        assert_eq!(bench.value("x"), "old+one");
    });
}

#[test]
fn no_lost_update_by_a_removal() {
    at_both_levels(|bench, level| {
        let (mut one, mut two) = (bench.begin(level), bench.begin(level));
        assert_eq!(bench.read(&one, "x"), "old");
        one.remove(&bench.keyspace, "x").unwrap();
        let value = bench.read(&two, "x") + "+two";
        bench.put(&mut two, "x", &value);
        assert!(committed(one));
        bench.store.compact().unwrap();
        assert!(!committed(two));
        assert_eq!(bench.value("x"), "");
    });
}

#[test]
fn no_lost_update_by_single_calls() {
    let _guard = without_defects();
    let bench = Bench::new();
    bench.keyspace.insert("x", "old").unwrap();
    let mut first = true;
    let before = bench.keyspace.fetch_update("x", |current| {
        if std::mem::take(&mut first) {
            bench.keyspace.insert("x", "between").unwrap();
            bench.store.compact().unwrap();
        }
        Some([current.unwrap_or_default(), b"+one"].concat())
    });
    assert_eq!(before.unwrap().as_deref(), Some(&b"between"[..]));
    assert_eq!(bench.value("x"), "between+one");
}

#[test]
fn write_skew_at_the_snapshot_level_only() {
    at_both_levels(|bench, level| {
        let (mut one, mut two) = (bench.begin(level), bench.begin(level));
        for (transaction, key) in [(&mut one, "x"), (&mut two, "y")] {
            assert_eq!(bench.read(transaction, "x") + &bench.read(transaction, "y"), "oldold");
            bench.put(transaction, key, "taken");
        }
        assert!(committed(one));
        assert_eq!(committed(two), level == Isolation::Snapshot);
    });
}

/// Fekete et al., "A Read-Only Transaction Anomaly Under Snapshot Isolation" (2004).
#[test]
fn anomaly_of_a_reader_at_the_snapshot_level_only() {
    at_both_levels(|bench, level| {
        let mut withdrawal = bench.begin(level);
        assert_eq!(bench.read(&withdrawal, "x") + &bench.read(&withdrawal, "y"), "oldold");
        let mut deposit = bench.begin(level);
        assert_eq!(bench.read(&deposit, "y"), "old");
        bench.put(&mut deposit, "y", "20");
        assert!(committed(deposit));
        let reader = bench.begin(level);
        assert_eq!(bench.read(&reader, "x") + &bench.read(&reader, "y"), "old20");
        assert!(committed(reader));
        bench.put(&mut withdrawal, "x", "-11");
        assert_eq!(committed(withdrawal), level == Isolation::Snapshot);
    });
}
