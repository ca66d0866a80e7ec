//! Uniqueness: inside a transaction, between transactions, deferred.

use super::*;
use crate::error::{Error, Result};
use lightning_db_storage::{CommitOutcome, Isolation, Transaction, TransactionOptions};
use lightning_db_types::Rng;

fn unique() -> TestTable {
    TestTable::new(ordered(OrderedOptions::new().unique(), 1))
}

fn deferrable() -> TestTable {
    TestTable::new(ordered(OrderedOptions::new().unique().deferrable(), 1))
}

fn set(table: &TestTable, transaction: &mut Transaction, row_id: u64, key: i64) -> Result<()> {
    table.change(transaction, row_id, Some(&vec![Value::I64(key)]))
}

fn is_violation<T: std::fmt::Debug>(outcome: Result<T>, existing_row: u64) {
    match outcome.unwrap_err() {
        Error::Unique { existing, index, .. } => {
            assert_eq!((existing, index.as_str()), (existing_row, "tested"));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_second_row_with_a_key_is_refused_and_nothing_is_written() {
    let table = unique();
    table.set(1, [Value::I64(5)]);
    table.set(2, [Value::I64(6)]);
    let mut transaction = table.store.transaction();
    let outcome = set(&table, &mut transaction, 2, 5);
    assert_eq!(
        outcome.as_ref().unwrap_err().to_string(),
        "index tested: row 1 has the key (5) already"
    );
    is_violation(outcome, 1);
    assert!(transaction.commit().unwrap().is_committed());
    assert_eq!(found(&table, KeyQuery::all()), [1, 2]);
    table.assert_sound();
}

#[test]
fn nulls_are_distinct_unless_told_otherwise() {
    let table = unique();
    table.set(1, [Value::Null]);
    table.set(2, [Value::Null]);
    assert_eq!(found(&table, KeyQuery::equal([Value::Null])), [1, 2]);
    table.set(1, [Value::I64(1)]);
    assert_eq!(found(&table, KeyQuery::equal([Value::Null])), [2]);
    table.assert_sound();
    let table = TestTable::new(ordered(OrderedOptions::new().unique().nulls_not_distinct(), 1));
    table.set(1, [Value::Null]);
    is_violation(table.commit(2, Some(vec![Value::Null])), 1);
    assert_eq!(found(&table, KeyQuery::equal([Value::Null])), [1]);
    table.assert_sound();
}

/// A unique key that was removed counted as taken until the commit: the check looked at the
/// committed index alone. Here the transaction's own removal is what the check reads.
#[test]
fn regression_duckdb_1631_delete_then_insert_in_one_transaction() {
    for table in [unique(), deferrable()] {
        table.set(1, [Value::I64(5)]);
        let mut transaction = table.store.transaction();
        table.change(&mut transaction, 1, None).unwrap();
        set(&table, &mut transaction, 2, 5).unwrap();
        table.index.verify_deferred(&transaction).unwrap();
        assert!(transaction.commit().unwrap().is_committed());
        assert_eq!(found(&table, KeyQuery::equal([5_i64])), [2]);
        table.assert_sound();
    }
}

/// Updates that move rows over each other's keys failed by "over-eager constraint checking".
#[test]
fn regression_duckdb_15092_keys_are_moved_and_exchanged() {
    let table = deferrable();
    (1..=5).for_each(|row| table.set(row, [Value::from(row.cast_signed())]));
    let commit = |changes: &[(u64, i64)]| {
        let mut transaction = table.store.transaction();
        for &(row_id, key) in changes {
            set(&table, &mut transaction, row_id, key).unwrap();
        }
        table.index.verify_deferred(&transaction).unwrap();
        assert!(transaction.commit().unwrap().is_committed());
        table.assert_sound();
    };
    let keys = || scanned(&table, &KeyQuery::all());
    commit(&[(1, 2), (2, 1)]);
    assert_eq!(keys(), [2, 1, 3, 4, 5]);
    commit(&[(2, 2), (1, 3), (3, 4), (4, 5), (5, 6)]);
    assert_eq!(keys(), [2, 1, 3, 4, 5]);
    commit(&[(5, 5), (4, 4), (3, 3), (1, 1), (1, 6), (1, 1)]);
    assert_eq!(keys(), [1, 2, 3, 4, 5]);
    commit(&[(1, 5), (3, 1), (5, 3)]);
    assert_eq!(keys(), [3, 2, 5, 4, 1]);

    let table = unique();
    (1..=2).for_each(|row| table.set(row, [Value::from(row.cast_signed())]));
    let mut transaction = table.store.transaction();
    is_violation(set(&table, &mut transaction, 1, 2), 2);
    table.change(&mut transaction, 2, None).unwrap();
    set(&table, &mut transaction, 1, 2).unwrap();
    set(&table, &mut transaction, 2, 1).unwrap();
    assert!(transaction.commit().unwrap().is_committed());
    assert_eq!(scanned(&table, &KeyQuery::all()), [2, 1]);
    table.assert_sound();
}

/// The same went wrong while another transaction kept the old version readable.
#[test]
fn regression_duckdb_5685_a_long_reader_changes_nothing() {
    let table = unique();
    table.set(1, [Value::I64(5)]);
    let reader = table.store.transaction();
    let query = IndexQuery::Key(KeyQuery::equal([5_i64]));
    for round in 0..20 {
        let mut transaction = table.store.transaction();
        table.change(&mut transaction, round % 2 + 1, None).unwrap();
        set(&table, &mut transaction, (round + 1) % 2 + 1, 5).unwrap();
        assert!(transaction.commit().unwrap().is_committed());
        let rows = table.index.rows(Reader::Transaction(&reader), &query).unwrap();
        assert_eq!(rows.iter().collect::<Vec<_>>(), [1]);
    }
    table.assert_sound();
}

/// The index reached a state in which each upsert failed, as rows could not be deleted from it.
#[test]
fn regression_duckdb_23645_upserts_over_and_over() {
    let table = unique();
    let rng = rng();
    for round in 0..300 {
        let mut transaction = table.store.transaction();
        let savepoint = transaction.savepoint();
        let (row_id, key) = (1 + rng.below(8), i64::try_from(rng.below(8)).unwrap());
        if let Err(Error::Unique { existing, .. }) = set(&table, &mut transaction, row_id, key) {
            table.change(&mut transaction, existing, None).unwrap();
            set(&table, &mut transaction, row_id, key).unwrap();
        }
        if round % 5 == 0 {
            transaction.rollback_to(savepoint).unwrap();
        }
        assert!(transaction.commit().unwrap().is_committed());
        if round % 50 == 0 {
            table.store.checkpoint().unwrap();
            table.assert_sound();
        }
    }
    table.assert_sound();
}

#[test]
fn of_two_concurrent_inserts_of_a_key_one_commits_and_the_other_learns_why() {
    for isolation in [Isolation::Snapshot, Isolation::Serializable] {
        let table = unique();
        let options = TransactionOptions { isolation, ..TransactionOptions::default() };
        let mut one = table.store.transaction_with(options);
        let mut other = table.store.transaction_with(options);
        set(&table, &mut one, 1, 5).unwrap();
        set(&table, &mut other, 2, 5).unwrap();
        assert!(one.commit().unwrap().is_committed());
        assert_eq!(other.commit().unwrap(), CommitOutcome::Conflict);
        let mut again = table.store.transaction_with(options);
        is_violation(set(&table, &mut again, 2, 5), 1);
        table.assert_sound();
    }
}

#[test]
fn threads_never_make_two_rows_of_a_key() {
    let table = unique();
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let table = &table;
            scope.spawn(move || {
                let rng = SeededRng::new(thread);
                for round in 0..200_u64 {
                    let key = i64::try_from(rng.below(20)).unwrap();
                    let row_id = 1 + thread + 4 * (round % 50);
                    let mut transaction = table.store.transaction();
                    if set(table, &mut transaction, row_id, key).is_ok() {
                        let _ = transaction.commit().unwrap();
                    }
                }
            });
        }
    });
    let rows = scanned(&table, &KeyQuery::all());
    assert!(rows.len() <= 20 && rows.len() > 10, "{rows:?}");
    table.assert_sound();
}

#[test]
fn deferred_violations_are_found_before_the_commit() {
    let table = deferrable();
    table.set(1, [Value::I64(5)]);
    let mut transaction = table.store.transaction();
    set(&table, &mut transaction, 2, 5).unwrap();
    let savepoint = transaction.savepoint();
    set(&table, &mut transaction, 3, 5).unwrap();
    let query = IndexQuery::Key(KeyQuery::equal([5_i64]));
    let rows = table.index.rows(Reader::Transaction(&transaction), &query).unwrap();
    assert_eq!(rows.iter().collect::<Vec<_>>(), [1, 2, 3], "all three have the key now");
    is_violation(table.index.verify_deferred(&transaction), 1);
    table.change(&mut transaction, 1, None).unwrap();
    is_violation(table.index.verify_deferred(&transaction), 2);
    transaction.rollback_to(savepoint).unwrap();
    is_violation(table.index.verify_deferred(&transaction), 1);
    table.change(&mut transaction, 1, None).unwrap();
    table.index.verify_deferred(&transaction).unwrap();
    assert!(transaction.commit().unwrap().is_committed());
    assert_eq!(found(&table, KeyQuery::all()), [2]);
    table.assert_sound();
}

/// Random changes in one transaction, with savepoints: the index is that of the rows, and a
/// violation is found exactly if two rows have one key.
#[test]
fn deferred_keys_agree_with_a_model() {
    use std::collections::BTreeMap;
    let rng = rng();
    for _ in 0..200 {
        let table = deferrable();
        let mut model: BTreeMap<u64, i64> =
            (0..5_u64).map(|row| (row, row.cast_signed())).collect();
        for (row, key) in &model {
            table.set(*row, [Value::I64(*key)]);
        }
        let mut transaction = table.store.transaction();
        let mut saved = (transaction.savepoint(), model.clone());
        for _ in 0..12 {
            let (row_id, key) = (rng.below(7), i64::try_from(rng.below(7)).unwrap());
            match rng.below(8) {
                0 => {
                    table.change(&mut transaction, row_id, None).unwrap();
                    model.remove(&row_id);
                }
                1 => saved = (transaction.savepoint(), model.clone()),
                2 => {
                    transaction.rollback_to(saved.0).unwrap();
                    model = saved.1.clone();
                }
                _ => {
                    set(&table, &mut transaction, row_id, key).unwrap();
                    model.insert(row_id, key);
                }
            }
            let reader = Reader::Transaction(&transaction);
            for key in 0..7 {
                let query = IndexQuery::Key(KeyQuery::equal([key]));
                let rows = table.index.rows(reader, &query).unwrap();
                let wanted = model.iter().filter(|(_, of)| **of == key).map(|(row, _)| *row);
                assert!(rows.iter().eq(wanted), "{rows:?} {model:?}");
            }
        }
        let mut keys: Vec<i64> = model.values().copied().collect();
        keys.sort_unstable();
        let sound = keys.is_sorted_by(|left, right| left < right);
        assert_eq!(table.index.verify_deferred(&transaction).is_ok(), sound, "{model:?}");
        if sound {
            assert!(transaction.commit().unwrap().is_committed());
            table.assert_sound();
        }
    }
}
