//! One case at a time.

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use lightning_db_storage::{CommitOutcome, Isolation, TransactionOptions};
use lightning_db_types::{Decimal, SimVfs, Value};

use super::*;
use crate::error::Error;
use crate::index::Kind as _;
use crate::loader::Loading;
use crate::reader::Reader;
use crate::row_set::RowSet;
use crate::testkit::sim_options;

#[test]
fn an_equal_value_is_found_in_three_rows_of_four() {
    let table = TestTable::new(values());
    for (row_id, status) in ["active", "active", "inactive", "active"].into_iter().enumerate() {
        table.set(row_id as u64, [Value::from(status)]);
    }
    assert_eq!(find(&table, BitmapQuery::equal("active")), [0, 1, 3]);
    assert_eq!(find(&table, !BitmapQuery::equal("active")), [2]);
    assert_eq!(find(&table, BitmapQuery::In(vec!["x".into(), "inactive".into()])), [2]);
    let bitmap = table.index.as_bitmap().unwrap();
    let snapshot = table.store.snapshot();
    let count = |query: &BitmapQuery| bitmap.count(Reader::Snapshot(&snapshot), query).unwrap();
    assert_eq!(count(&BitmapQuery::equal("active")), 3);
    assert_eq!(count(&!BitmapQuery::equal("active")), 1);
    let counts = bitmap.counts(Reader::Snapshot(&snapshot)).unwrap();
    assert_eq!(counts, [("active".into(), 3), ("inactive".into(), 1)]);
    table.assert_sound();
}

#[test]
fn null_is_found_as_null_alone() {
    for definition in [values(), slices(0)] {
        let table = TestTable::new(definition);
        table.set(1, [Value::Null]);
        table.set(2, [number(5)]);
        table.set(3, [number(-5)]);
        assert_eq!(find(&table, BitmapQuery::IsNull), [1]);
        assert_eq!(find(&table, BitmapQuery::Equal(Value::Null)), Vec::<u64>::new());
        assert_eq!(find(&table, BitmapQuery::range::<i64>(..)), [2, 3]);
        assert_eq!(find(&table, BitmapQuery::range(..0_i64)), [3]);
        assert_eq!(find(&table, BitmapQuery::All), [1, 2, 3]);
        assert_eq!(find(&table, !BitmapQuery::equal(5_i64)), [1, 3]);
        let known = BitmapQuery::Range { low: Bound::Unbounded, high: Bound::Unbounded };
        assert_eq!(find(&table, known), [2, 3]);
        let both = BitmapQuery::And(vec![!BitmapQuery::equal(5_i64), !BitmapQuery::IsNull]);
        assert_eq!(find(&table, both), [3]);
        table.set(1, [number(5)]);
        table.remove(2);
        assert_eq!(find(&table, BitmapQuery::IsNull), [] as [u64; 0]);
        assert_eq!(find(&table, BitmapQuery::equal(5_i64)), [1]);
        table.assert_sound();
    }
}

#[test]
fn sums_and_extremes_come_from_the_slices() {
    let table = TestTable::new(slices(2));
    let prices = ["12.50", "-3.25", "0", "100", "-0.01"];
    for (row_id, price) in prices.into_iter().enumerate() {
        table.set(row_id as u64, [Value::Decimal(price.parse().unwrap())]);
    }
    table.set(9, [Value::Null]);
    let bitmap = table.index.as_bitmap().unwrap();
    let snapshot = table.store.snapshot();
    let reader = Reader::Snapshot(&snapshot);
    let decimal = |text: &str| text.parse::<Decimal>().unwrap();
    assert_eq!(bitmap.sum(reader, None).unwrap(), decimal("109.24"));
    assert_eq!(bitmap.min(reader, None).unwrap(), Some(Value::Decimal(decimal("-3.25"))));
    assert_eq!(bitmap.max(reader, None).unwrap(), Some(Value::Decimal(decimal("100"))));
    let some: RowSet = [1, 4, 9].into_iter().collect();
    assert_eq!(bitmap.sum(reader, Some(&some)).unwrap(), decimal("-3.26"));
    assert_eq!(bitmap.max(reader, Some(&some)).unwrap(), Some(Value::Decimal(decimal("-0.01"))));
    let none: RowSet = [9].into_iter().collect();
    assert_eq!(bitmap.min(reader, Some(&none)).unwrap(), None);
    let low = Bound::Excluded(Value::Decimal(decimal("-3.255")));
    let query = BitmapQuery::Range { low, high: Bound::Included(Value::Decimal(decimal("0.001"))) };
    assert_eq!(find(&table, query), [1, 2, 4]);
}

#[test]
fn what_cannot_be_indexed_is_refused_and_nothing_written() {
    let table = TestTable::new(slices(2));
    let error = table.commit(1, Some(vec![Value::from("text")])).unwrap_err();
    assert!(matches!(error, Error::Value { .. }), "{error}");
    let error = table.commit(1, Some(vec![Value::Decimal("0.001".parse().unwrap())])).unwrap_err();
    assert!(matches!(error, Error::Value { .. }), "{error}");
    assert_eq!(find(&table, BitmapQuery::All), [] as [u64; 0]);
    let table = TestTable::new(values());
    let error = table.commit(1, Some(vec![Value::from("x".repeat(1 << 20))])).unwrap_err();
    assert!(matches!(error, Error::Value { .. }), "{error}");
    let snapshot = table.store.snapshot();
    let sum = table.index.as_bitmap().unwrap().sum(Reader::Snapshot(&snapshot), None);
    assert!(matches!(sum, Err(Error::Query { .. })));
}

#[test]
fn a_fold_keeps_every_answer_and_takes_the_changes_away() {
    let table = TestTable::new(values());
    for row_id in 0..200 {
        table.set(row_id * 3, [number((row_id % 2).cast_signed())]);
    }
    let before = table.store.snapshot();
    let bitmap = table.index.as_bitmap().unwrap();
    assert_eq!(bitmap.shared.changes_pending(), 400);
    while table.index.upkeep().unwrap() {}
    assert_eq!(bitmap.shared.changes_pending(), 0);
    let keys = table.store.snapshot().len(&bitmap.keyspace).unwrap();
    assert_eq!(keys, 3, "one chunk for each set");
    let query = IndexQuery::Bitmap(BitmapQuery::equal(1_i64));
    assert_eq!(table.find_at(&before, &query).len(), 100);
    assert_eq!(table.find(&query).len(), 100);
    for row_id in 0..200 {
        table.remove(row_id * 3);
    }
    while table.index.upkeep().unwrap() {}
    assert_eq!(table.store.snapshot().len(&bitmap.keyspace).unwrap(), 0);
    assert_eq!(table.find_at(&before, &query).len(), 100);
    table.assert_sound();
}

#[test]
fn a_change_between_the_snapshot_of_a_fold_and_its_commit_is_not_lost() {
    let table = TestTable::new(values());
    for row_id in 0..64 {
        table.set(row_id, [number(1)]);
    }
    let bitmap = table.index.as_bitmap().unwrap();
    let mut set = Vec::new();
    crate::bitmap::key::value_set(&number(1), &mut set);
    let prefix = crate::bitmap::key::chunk_prefix(&set, 0);
    let options = TransactionOptions { isolation: Isolation::Snapshot, durability: None };

    // Of another row: both are made.
    let mut fold = table.store.transaction_with(options);
    assert_eq!(bitmap.write_fold(&mut fold, &prefix).unwrap(), Some(64));
    table.set(1_000, [number(1)]);
    assert!(fold.commit().unwrap().is_committed());
    assert_eq!(find(&table, BitmapQuery::equal(1_i64)).len(), 65);

    // Of the same row: the fold is not made.
    for row_id in 0..64 {
        table.set(row_id, [number(2)]);
    }
    let mut fold = table.store.transaction_with(options);
    assert_eq!(bitmap.write_fold(&mut fold, &prefix).unwrap(), Some(65));
    table.set(7, [number(1)]);
    assert_eq!(fold.commit().unwrap(), CommitOutcome::Conflict);
    assert_eq!(find(&table, BitmapQuery::equal(1_i64)), [7, 1_000]);

    // A transaction that began before a fold and changes a folded row commits after it.
    let mut late = table.store.transaction();
    table.change(&mut late, 8, Some(&vec![number(1)])).unwrap();
    while table.index.upkeep().unwrap() {}
    assert!(late.commit().unwrap().is_committed());
    assert_eq!(find(&table, BitmapQuery::equal(1_i64)), [7, 8, 1_000]);
    table.assert_sound();
}

#[test]
fn changes_of_before_the_open_are_folded_too() {
    let vfs = Arc::new(SimVfs::new());
    let options = sim_options(&vfs);
    {
        let table = TestTable::open(&options, values());
        for row_id in 0..100 {
            table.set(row_id, [number(1)]);
        }
        table.store.close().unwrap();
    }
    let table = TestTable::open(&options, values());
    while table.index.upkeep().unwrap() {}
    let bitmap = table.index.as_bitmap().unwrap();
    assert_eq!(table.store.snapshot().len(&bitmap.keyspace).unwrap(), 2);
    assert_eq!(find(&table, BitmapQuery::equal(1_i64)).len(), 100);
    table.assert_sound();
}

#[test]
fn a_transaction_sees_its_own_rows_and_conflicts_where_it_read() {
    let table = TestTable::new(values());
    for row_id in 0..10 {
        table.set(row_id, [number(1)]);
    }
    let query = IndexQuery::Bitmap(BitmapQuery::equal(1_i64));
    let mut own = table.store.transaction();
    table.change(&mut own, 3, Some(&vec![number(2)])).unwrap();
    table.change(&mut own, 77, Some(&vec![number(1)])).unwrap();
    let rows = table.index.rows(Reader::Transaction(&own), &query).unwrap();
    assert!(rows.iter().eq([0, 1, 2, 4, 5, 6, 7, 8, 9, 77]));
    assert_eq!(table.find(&query).len(), 10);
    let bitmap = table.index.as_bitmap().unwrap();
    let count = |query: &BitmapQuery| bitmap.count(Reader::Transaction(&own), query).unwrap();
    assert_eq!(count(&BitmapQuery::equal(1_i64)), 10);
    assert_eq!(count(&BitmapQuery::equal(2_i64)), 1);
    // A phantom in what was read.
    table.set(500, [number(1)]);
    assert_eq!(own.commit().unwrap(), CommitOutcome::Conflict);

    let mut other = table.store.transaction();
    table.change(&mut other, 3, Some(&vec![number(2)])).unwrap();
    table.set(501, [number(1)]);
    assert!(other.commit().unwrap().is_committed(), "different rows do not conflict");
    table.assert_sound();
}

#[test]
fn an_import_is_what_was_given_and_exports_byte_for_byte() {
    let table = TestTable::new(values());
    table.set(5, [Value::from("a")]);
    let bitmap = table.index.as_bitmap().unwrap();
    let query = BitmapQuery::equal("a");
    assert_eq!(find(&table, query.clone()), [5]);
    let mut rows: RowSet = (0..300_000).step_by(7).collect();
    rows.insert(1 << 40);
    let mut transaction = table.store.transaction();
    bitmap.import(&mut transaction, &Value::from("a"), &rows).unwrap();
    let own = Reader::Transaction(&transaction);
    assert_eq!(table.index.rows(own, &IndexQuery::Bitmap(query.clone())).unwrap(), rows);
    assert_eq!(find(&table, query.clone()), [5], "not committed yet");
    assert!(transaction.commit().unwrap().is_committed());
    assert_eq!(table.find(&IndexQuery::Bitmap(query.clone())), rows);
    let snapshot = table.store.snapshot();
    let bytes = bitmap.export(Reader::Snapshot(&snapshot), &Value::from("a")).unwrap();
    assert_eq!(RowSet::from_portable_64(&bytes).unwrap(), rows);
    let mut transaction = table.store.transaction();
    bitmap.import(&mut transaction, &Value::from("a"), &RowSet::new()).unwrap();
    assert!(transaction.commit().unwrap().is_committed());
    assert_eq!(find(&table, query), [] as [u64; 0]);
}

#[test]
fn a_build_goes_on_where_rows_changed_meanwhile() {
    let table = TestTable::new(values());
    for row_id in 0..1_000_u64 {
        let bytes = postcard::to_stdvec(&vec![number((row_id % 7).cast_signed())]).unwrap();
        let rows: &dyn crate::row::RowStore = &*table.rows;
        rows.keyspace().insert(crate::row::row_key(row_id), bytes).unwrap();
    }
    let snapshot = table.store.snapshot();
    // Writers go on: one row changes there and back, one goes, one comes.
    table.set(1, [number(100)]);
    table.set(1, [number(1)]);
    table.set(2, [number(100)]);
    table.remove(3);
    table.set(5_000, [number(3)]);
    let mut bulk = table.index.loader().unwrap();
    let rows: &dyn crate::row::RowStore = &*table.rows;
    rows.for_each(Reader::Snapshot(&snapshot), &mut |row_id, row| bulk.add(row_id, row)).unwrap();
    let loaded = bulk.finish(&mut |_, _| ControlFlow::Continue(())).unwrap();
    assert_eq!(loaded.entries, 8);
    let mut transaction = table.store.transaction();
    let (one, two, three) = (vec![number(1)], vec![number(2)], vec![number(3)]);
    let hundred = vec![number(100)];
    let changes = [
        (1, Some(&one), Some(&one)),
        (2, Some(&two), Some(&hundred)),
        (3, Some(&three), None),
        (5_000, None, Some(&three)),
    ];
    for (row_id, old, new) in changes {
        let old = old.map(|row| row as &dyn lightning_db_expression::Columns);
        let new = new.map(|row| row as &dyn lightning_db_expression::Columns);
        table
            .index
            .maintain(&mut transaction, &crate::row::RowChange { row_id, old, new })
            .unwrap();
    }
    assert!(transaction.commit().unwrap().is_committed());
    table.assert_sound();
    while table.index.upkeep().unwrap() {}
    table.assert_sound();
}

#[test]
fn a_cancelled_build_leaves_nothing() {
    let table = TestTable::new(values());
    let bitmap = table.index.as_bitmap().unwrap();
    for stop_at in [0, 1_024, 2_048] {
        let mut loader = bitmap.loader(Loading::default()).unwrap();
        for row_id in 0..3_000_u64 {
            loader.add(row_id, &vec![number(row_id.cast_signed())]).unwrap();
        }
        let finished = loader.finish(&mut |done, _| {
            if done >= stop_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(matches!(finished, Err(Error::Cancelled { .. })), "{stop_at}: {finished:?}");
        assert_eq!(table.store.snapshot().len(&bitmap.keyspace).unwrap(), 0);
    }
}

#[test]
fn a_check_names_what_does_not_agree() {
    let table = TestTable::new(values());
    for row_id in 0..10 {
        table.set(row_id, [number(1)]);
    }
    let bitmap = table.index.as_bitmap().unwrap();
    let mut set = Vec::new();
    crate::bitmap::key::value_set(&number(1), &mut set);
    bitmap.keyspace.insert(crate::bitmap::key::delta_key(&set, 4), b"-").unwrap();
    bitmap.keyspace.insert(crate::bitmap::key::delta_key(&set, 44), b"+").unwrap();
    bitmap.keyspace.insert(crate::bitmap::key::base_key(&set, 9), [1, 5, 0, 1]).unwrap();
    let problems = table.index.check(&table.store.snapshot()).unwrap();
    let text = format!("{problems:?}");
    assert_eq!(problems.len(), 3, "{text}");
    assert!(text.contains("Missing { row_id: 4") && text.contains("Extra { row_id: 44"), "{text}");
    let snapshot = table.store.snapshot();
    let query = IndexQuery::Bitmap(BitmapQuery::equal(1_i64));
    let error = table.index.rows(Reader::Snapshot(&snapshot), &query);
    assert!(matches!(error, Err(Error::Corrupt { .. })));
}
