//! The scenarios that users bring, and what is asked of each kind.

use super::*;
use crate::estimate::Estimate;
use crate::native::Seek;
use crate::row::RowChange;
use lightning_db_types::ValueType;

#[test]
fn a_covering_index_returns_the_stored_columns_without_the_row() {
    let options = OrderedOptions::new().include([Expression::column(1), Expression::column(2)]);
    let table = TestTable::new(ordered(options, 1));
    let price = Value::Decimal("12.50".parse().unwrap());
    table.set(7, [text("apple"), price.clone(), text("red")]);
    table.set(8, [text("pear"), Value::Null, text("green")]);
    let snapshot = table.store.snapshot();
    let query = KeyQuery::equal(["apple"]);
    let mut scan = index(&table).scan(Reader::Snapshot(&snapshot), &query).unwrap();
    let hit = scan.next().unwrap().unwrap();
    assert_eq!((hit.row_id(), hit.key_values().unwrap()), (7, vec![text("apple")]));
    assert_eq!(hit.key_value(0).unwrap(), text("apple"));
    assert_eq!(hit.included(0).unwrap().to_value().as_value_ref(), price.as_value_ref());
    assert_eq!(hit.all_included().count(), 2);
    assert_eq!(hit.included(1).unwrap(), text("red").as_value_ref());
    assert!(hit.included(2).is_err() && hit.key_value(1).is_err());
    assert!(scan.next().is_none());
    table.assert_sound();
}

#[test]
fn a_partial_index_holds_only_the_rows_of_its_condition() {
    let active = Expression::column(1).equal("active");
    let mut definition = ordered(OrderedOptions::new(), 1);
    definition.condition = Some(active);
    let table = TestTable::new(definition);
    table.set(1, [Value::I64(1), text("active")]);
    table.set(2, [Value::I64(2), text("gone")]);
    table.set(3, [Value::I64(3), text("active")]);
    assert_eq!(found(&table, KeyQuery::all()), [1, 3]);
    assert_eq!(table.index.statistics().unwrap().entries, 2);
    table.set(3, [Value::I64(3), text("gone")]);
    assert_eq!(table.index.statistics().unwrap().entries, 1);
    table.set(2, [Value::I64(2), text("active")]);
    table.set(4, [Value::I64(4), Value::Null]);
    assert_eq!(found(&table, KeyQuery::all()), [1, 2]);
    table.assert_sound();
}

#[test]
fn an_expression_index_finds_by_the_expression() {
    let lower = Expression::column(0).lower();
    let table = TestTable::new(over(OrderedOptions::new(), [(lower, ColumnOrder::ASCENDING)]));
    table.set(1, [text("Ada@Example.org")]);
    table.set(2, [text("bob@example.org")]);
    assert_eq!(found(&table, KeyQuery::equal(["ada@example.org"])), [1]);
    assert_eq!(found(&table, KeyQuery::all().starts_with("bob")), [2]);
    table.assert_sound();
}

#[test]
fn an_expression_that_fails_fails_the_statement_and_writes_nothing() {
    let inverse = Expression::from(100_i64).divided_by(Expression::column(0));
    let table = TestTable::new(over(OrderedOptions::new(), [(inverse, ColumnOrder::ASCENDING)]));
    table.set(1, [Value::I64(50)]);
    let mut transaction = table.store.transaction();
    let error = table.change(&mut transaction, 2, Some(&vec![Value::I64(0)])).unwrap_err();
    assert!(matches!(error, crate::Error::Expression(_)), "{error}");
    assert_eq!(transaction.writes(index(&table).keyspace()).count(), 0);
    assert_eq!(found(&table, KeyQuery::equal([2_i64])), [1]);
}

#[test]
fn the_first_two_of_three_parts_are_a_prefix() {
    let table = TestTable::new(ordered(OrderedOptions::new(), 3));
    for row in 0..27_i64 {
        let parts = [row / 9, row / 3 % 3, row % 3].map(Value::I64);
        table.set(row.unsigned_abs(), parts);
    }
    assert_eq!(found(&table, KeyQuery::equal([1_i64, 2])), [15, 16, 17]);
    assert_eq!(found(&table, KeyQuery::equal([2_i64])), (18..27).collect::<Vec<_>>());
    let range = KeyQuery::equal([1_i64]).range(Value::I64(1)..);
    assert_eq!(found(&table, range), (12..18).collect::<Vec<_>>());
    let snapshot = table.store.snapshot();
    let query = KeyQuery::equal([1_i64, 2, 3, 4]);
    let error = index(&table).scan(Reader::Snapshot(&snapshot), &query);
    assert!(matches!(error.unwrap_err(), crate::Error::Query { .. }));
}

/// Numbers that were indexed as text made 1,000 sort before 200.
#[test]
fn numbers_are_compared_as_numbers() {
    let table = TestTable::new(ordered(OrderedOptions::new(), 1));
    for number in [5_i64, 200, 300, 500, 1_000, -3] {
        table.set(number.unsigned_abs(), [Value::I64(number)]);
    }
    let between = |low: Value, high: Value| found(&table, KeyQuery::all().range(low..=high));
    assert_eq!(between(Value::I64(200), Value::I64(500)), [200, 300, 500]);
    assert_eq!(between(Value::F64(199.5), Value::F64(500.5)), [200, 300, 500]);
    assert_eq!(between(Value::U64(200), Value::F64(f64::INFINITY)), [200, 300, 500, 1_000]);
    assert_eq!(between(Value::F64(f64::NEG_INFINITY), Value::U64(0)), [3]);
    let decimal = |text: &str| Value::Decimal(text.parse().unwrap());
    assert_eq!(between(decimal("299.99"), decimal("300.00")), [300]);
    assert_eq!(found(&table, KeyQuery::equal([300.0])), [300]);
    assert_eq!(found(&table, KeyQuery::equal([300.5])), [0_u64; 0]);
    assert_eq!(found(&table, KeyQuery::equal([decimal("200.0")])), [200]);
    assert_eq!(found(&table, KeyQuery::equal(["200"])), [0_u64; 0]);
    assert_eq!(found(&table, KeyQuery::any_of([[500.0], [5.0], [5.5]])), [5, 500]);
    let huge = KeyQuery::all().range(Value::F64(9.3e18)..);
    assert_eq!(found(&table, huge), [0_u64; 0]);
}

#[test]
fn types_that_were_mixed_are_all_found() {
    let table = TestTable::new(ordered(OrderedOptions::new(), 1));
    let decimal = Value::Decimal("2".parse().unwrap());
    let two = [Value::I64(2), Value::U64(2), Value::F64(2.0), decimal];
    for (row, value) in (1..).zip(two) {
        table.set(row, [value]);
    }
    table.set(9, [Value::F64(2.5)]);
    assert_eq!(found(&table, KeyQuery::equal([2_i64])), [1, 2, 3, 4]);
    assert_eq!(found(&table, KeyQuery::all().range(Value::I64(2)..)), [1, 2, 3, 4, 9]);
    assert_eq!(found(&table, KeyQuery::all().range(Value::F64(2.1)..)), [9]);
}

#[test]
fn seek_finds_the_nearest_key() {
    let table = TestTable::new(ordered(OrderedOptions::new(), 1));
    for number in [10_i64, 20, 30] {
        table.set(number.unsigned_abs(), [Value::I64(number)]);
    }
    let snapshot = table.store.snapshot();
    let seek = |value: Value, seek| {
        let hit = index(&table).seek(Reader::Snapshot(&snapshot), &[value], seek).unwrap();
        hit.map(|hit| hit.row_id())
    };
    assert_eq!(seek(Value::I64(15), Seek::AtOrAfter), Some(20));
    assert_eq!(seek(Value::I64(20), Seek::AtOrAfter), Some(20));
    assert_eq!(seek(Value::F64(20.0), Seek::AtOrBefore), Some(20));
    assert_eq!(seek(Value::I64(15), Seek::AtOrBefore), Some(10));
    assert_eq!(seek(Value::F64(15.5), Seek::AtOrAfter), Some(20));
    assert_eq!(seek(Value::F64(29.5), Seek::AtOrBefore), Some(20));
    assert_eq!(seek(Value::F64(-1e300), Seek::AtOrAfter), Some(10));
    assert_eq!(seek(Value::F64(-1e300), Seek::AtOrBefore), None);
    assert_eq!(seek(Value::F64(1e300), Seek::AtOrBefore), Some(30));
    assert_eq!(seek(Value::F64(1e300), Seek::AtOrAfter), None);
    assert_eq!(seek(Value::I64(5), Seek::AtOrBefore), None);
    assert_eq!(seek(Value::I64(31), Seek::AtOrAfter), None);
}

#[test]
fn keys_and_stored_columns_that_are_too_long_are_refused() {
    let options = OrderedOptions::new().include([Expression::column(1)]);
    let table = TestTable::new(ordered(options, 1));
    let long = |len: usize| text(&"x".repeat(len));
    let refused = |row: Vec<Value>| {
        let mut transaction = table.store.transaction();
        let error = table.change(&mut transaction, 1, Some(&row)).unwrap_err();
        assert!(matches!(error, crate::Error::Value { .. }), "{error}");
        assert_eq!(transaction.writes(index(&table).keyspace()).count(), 0);
    };
    refused(vec![long(65_536), Value::Null]);
    refused(vec![text("a"), long(1 << 20)]);
    table.set(1, [long(65_500), text("fits")]);
    assert_eq!(found(&table, KeyQuery::equal([long(65_500)])), [1]);
}

#[test]
fn a_change_of_other_columns_writes_nothing() {
    let options = OrderedOptions::new().include([Expression::column(1)]);
    let table = TestTable::new(ordered(options, 1));
    let (old, new) = (vec![text("a"), text("b"), text("c")], vec![text("a"), text("b"), text("d")]);
    table.set(1, old.clone());
    let mut transaction = table.store.transaction();
    table.change(&mut transaction, 1, Some(&new)).unwrap();
    assert_eq!(transaction.writes(index(&table).keyspace()).count(), 0);
    assert_eq!(table.index.statistics().unwrap().unchanged, 0, "not committed");
    assert!(transaction.commit().unwrap().is_committed());
    assert_eq!(table.index.statistics().unwrap().unchanged, 1);
    let mut transaction = table.store.transaction();
    table.change(&mut transaction, 1, Some(&vec![text("a"), text("x"), text("c")])).unwrap();
    assert_eq!(transaction.writes(index(&table).keyspace()).count(), 1);
}

/// After a bulk load over a snapshot, each row that changed since is maintained once more.
#[test]
fn maintaining_once_more_repairs_what_a_late_load_put_back() {
    let table = TestTable::new(ordered(OrderedOptions::new(), 1));
    let (old, new) = (vec![Value::I64(1)], vec![Value::I64(2)]);
    let mut loader = table.index.loader().unwrap();
    loader.add(7, &old).unwrap();
    table.set(7, old.clone());
    table.set(7, new.clone());
    loader.finish(&mut |_, _| std::ops::ControlFlow::Continue(())).unwrap();
    assert_eq!(found(&table, KeyQuery::all().range(..)), [7]);
    assert_eq!(scanned(&table, &KeyQuery::all()), [7, 7]);
    let mut transaction = table.store.transaction();
    let change = RowChange { row_id: 7, old: Some(&old), new: Some(&new) };
    table.index.maintain_again(&mut transaction, &change).unwrap();
    assert!(transaction.commit().unwrap().is_committed());
    assert_eq!(scanned(&table, &KeyQuery::all()), [7]);
    table.assert_sound();
    // The change was counted twice: upkeep counts the entries.
    assert!(!table.index.statistics().unwrap().entries_exact);
    assert!(table.index.upkeep().unwrap());
    let counted = table.index.statistics().unwrap();
    assert_eq!((counted.entries, counted.entries_exact), (1, true));
}

#[test]
fn estimates_are_close_and_exact_for_unique_keys() {
    let table = TestTable::new(ordered(OrderedOptions::new(), 2));
    let mut transaction = table.store.transaction();
    for row in 0..20_000_i64 {
        let values = vec![Value::I64(row % 100), Value::I64(row)];
        table.change(&mut transaction, row.unsigned_abs(), Some(&values)).unwrap();
    }
    assert!(transaction.commit().unwrap().is_committed());
    let snapshot = table.store.snapshot();
    let estimate = |query: KeyQuery| {
        table.index.estimate(Reader::Snapshot(&snapshot), &IndexQuery::Key(query)).unwrap()
    };
    let near = |found: Estimate, wanted: f64| {
        let error = (found.point / wanted).max(wanted / found.point);
        assert!(error < 1.4 && !found.exact, "{found:?} for {wanted}");
        assert!(found.low <= wanted && wanted <= found.high, "{found:?} for {wanted}");
    };
    near(estimate(KeyQuery::equal([7_i64])), 200.0);
    near(estimate(KeyQuery::any_of([[7_i64], [8]])), 400.0);
    near(estimate(KeyQuery::all().range(..Value::I64(25))), 5_000.0);
    near(estimate(KeyQuery::all()), 20_000.0);
    assert_eq!(estimate(KeyQuery::equal(["x"])), Estimate::exact(0));
    near(estimate(KeyQuery::all().limit(3)), 3.0);
    assert!(table.index.upkeep().unwrap() && !table.index.upkeep().unwrap());
    near(estimate(KeyQuery::equal([7_i64])), 200.0);

    let unique = TestTable::new(ordered(OrderedOptions::new().unique(), 1));
    unique.set(1, [Value::I64(5)]);
    let snapshot = unique.store.snapshot();
    let estimate = |query: KeyQuery| {
        unique.index.estimate(Reader::Snapshot(&snapshot), &IndexQuery::Key(query)).unwrap()
    };
    assert_eq!(estimate(KeyQuery::equal([5_i64])), Estimate::exact(1));
    assert_eq!(estimate(KeyQuery::equal([6_i64])), Estimate::exact(0));
}

#[test]
fn what_an_old_snapshot_finds_never_changes() {
    let table = TestTable::new(ordered(OrderedOptions::new(), 1));
    table.set(1, [Value::I64(1)]);
    let old = table.store.snapshot();
    table.set(1, [Value::I64(2)]);
    table.remove(1);
    table.set(2, [Value::I64(1)]);
    let query = IndexQuery::Key(KeyQuery::equal([1_i64]));
    assert_eq!(table.find_at(&old, &query).iter().collect::<Vec<_>>(), [1]);
    assert_eq!(table.find(&query).iter().collect::<Vec<_>>(), [2]);
}

#[test]
fn an_index_that_is_opened_again_knows_its_types_and_its_size() {
    use lightning_db_types::SimVfs;
    use std::sync::Arc;
    let options = crate::testkit::sim_options(&Arc::new(SimVfs::new()));
    let table = TestTable::open(&options, ordered(OrderedOptions::new(), 1));
    (0..100_i64).for_each(|row| table.set(row.unsigned_abs(), [Value::I64(row)]));
    assert!(table.index.statistics().unwrap().entries_exact);
    table.store.close().unwrap();
    drop(table);
    let table = TestTable::open(&options, ordered(OrderedOptions::new(), 1));
    assert!(!table.index.statistics().unwrap().entries_exact);
    assert_eq!(found(&table, KeyQuery::equal([7.0])), [7]);
    assert_eq!(found(&table, KeyQuery::all().range(Value::F64(97.5)..)), [98, 99]);
    let query = IndexQuery::Key(KeyQuery::all().range(..Value::I64(50)));
    let snapshot = table.store.snapshot();
    let estimate = table.index.estimate(Reader::Snapshot(&snapshot), &query).unwrap();
    assert!((estimate.point - 50.0).abs() < 0.01, "{estimate:?}");
    // The estimate has read all keys.
    let counted = table.index.statistics().unwrap();
    assert_eq!((counted.entries, counted.entries_exact), (100, true));
    table.assert_sound();
}

#[test]
fn check_names_what_is_missing_extra_and_wrong() {
    let options = OrderedOptions::new().include([Expression::column(1)]);
    let table = TestTable::new(ordered(options, 1));
    for row in 1..=5_i64 {
        table.set(row.unsigned_abs(), [Value::I64(row), Value::I64(10 * row)]);
    }
    let keyspace = index(&table).keyspace();
    let entries: Vec<_> = keyspace.range(&[1_u8][..]..).map(|item| item.unwrap()).collect();
    keyspace.remove(&entries[0].0).unwrap();
    keyspace.insert(&entries[1].0, b"\x21\x07").unwrap();
    let mut extra = entries[2].0.to_vec();
    *extra.last_mut().unwrap() = 77;
    keyspace.insert(&extra, &entries[2].1).unwrap();
    keyspace.insert(b"\x07bad", b"").unwrap();
    let mut problems = table.index.check(&table.store.snapshot()).unwrap();
    problems.sort_by_key(|problem| format!("{problem:?}"));
    let shown = format!("{problems:#?}");
    assert_eq!(problems.len(), 4, "{shown}");
    for part in ["no key (1)", "other stored columns", "row_id: 77", "cannot be read"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let json = Expression::column(0).cast(ValueType::Text);
    assert_eq!(json.to_string(), "CAST($0 AS text)");
}
