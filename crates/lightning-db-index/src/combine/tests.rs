//! Plans, and random expressions against sets that were combined one by one.

use lightning_db_types::{Rng, SeededRng, Value};

use super::*;
use crate::bitmap::{BitmapOptions, BitmapQuery};
use crate::definition::IndexKind;
use crate::native::KeyQuery;
use crate::row::RowStore;
use crate::testkit::{TestTable, definition};

const ROWS: u64 = 1_000;

/// A table of three columns' worth of indexes: each row's number modulo 7, and its number.
fn tables() -> (TestTable, TestTable) {
    let by_rest = TestTable::new(definition(IndexKind::Bitmap(BitmapOptions::default()), 1));
    let by_number = TestTable::new(definition(IndexKind::Bitmap(BitmapOptions::slices()), 1));
    for row_id in 0..ROWS {
        by_rest.set(row_id, [Value::U64(row_id % 7)]);
        by_number.set(row_id, [Value::U64(row_id)]);
    }
    (by_rest, by_number)
}

fn all() -> RowSet {
    (0..ROWS).collect()
}

#[test]
fn what_is_small_is_looked_up_first_and_an_empty_set_ends_it() {
    let (by_rest, by_number) = tables();
    let (rest, number) = (by_rest.store.snapshot(), by_number.store.snapshot());
    assert_eq!(rest.lsn(), number.lsn(), "one reader serves both in this test");
    let range = IndexQuery::Bitmap(BitmapQuery::range(200_u64..=500));
    let three = IndexQuery::Bitmap(BitmapQuery::equal(3_u64));
    let both = RowExpression::all_of([
        RowExpression::Index(&by_number.index, range),
        RowExpression::Set([205, 206, 207, 5].into_iter().collect()),
        !RowExpression::Set([206].into_iter().collect()),
    ]);
    let reader = Reader::Snapshot(&number);
    let (rows, plan) = both.explain(reader, &|| Ok(all())).unwrap();
    assert!(rows.iter().eq([205, 207]));
    let text = plan.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "and: found 2");
    assert_eq!(lines[1], "  set: expected 4, found 4");
    assert!(lines[2].starts_with("  index tested, Bitmap(Range"), "{text}");
    assert!(lines[2].ends_with("expected 301, found 301"), "{text}");
    assert_eq!(lines[3..], ["  not: taken out", "    set: expected 1, found 1"]);

    let none = RowExpression::all_of([
        RowExpression::Index(&by_rest.index, three),
        RowExpression::Set(RowSet::new()),
    ]);
    let (rows, plan) = none.explain(Reader::Snapshot(&rest), &|| panic!("not wanted")).unwrap();
    assert!(rows.is_empty());
    assert!(plan.to_string().ends_with("not looked at\n"), "{plan}");
}

#[test]
fn random_expressions_are_exact() {
    let (_, table) = tables();
    let snapshot = table.store.snapshot();
    let rng = SeededRng::new(11);
    for _ in 0..300 {
        let (expression, wanted) = random(&rng, &table.index, 3);
        let rows = expression.rows(Reader::Snapshot(&snapshot), &|| Ok(all())).unwrap();
        assert_eq!(rows, wanted, "{expression:?}");
        let estimate = expression.estimate(Reader::Snapshot(&snapshot)).unwrap();
        let len = Estimate::exact(wanted.len()).point;
        assert!(estimate.low <= len && len <= estimate.high, "{estimate:?}, {len}");
        let (again, plan) = expression.explain(Reader::Snapshot(&snapshot), &|| Ok(all())).unwrap();
        assert_eq!((again.len(), plan.found), (wanted.len(), Some(wanted.len())));
    }
}

fn random<'a>(rng: &SeededRng, index: &'a Index, depth: u64) -> (RowExpression<'a>, RowSet) {
    let some = || (0..rng.below(4)).map(|_| random(rng, index, depth - 1)).unzip();
    match rng.below(if depth == 0 { 2 } else { 5 }) {
        0 => {
            let low = rng.below(ROWS);
            let high = low + rng.below(ROWS / 2);
            let query = IndexQuery::Bitmap(BitmapQuery::range(low..high));
            (RowExpression::Index(index, query), (low..high.min(ROWS)).collect())
        }
        1 => {
            let step = 1 + usize::try_from(rng.below(90)).unwrap();
            let rows: RowSet = (0..ROWS).step_by(step).collect();
            (RowExpression::Set(rows.clone()), rows)
        }
        2 => {
            let (parts, sets): (Vec<_>, Vec<RowSet>) = some();
            let rows = sets.iter().fold(all(), |rows, set| rows.and(set));
            (RowExpression::And(parts), rows)
        }
        3 => {
            let (parts, sets): (Vec<_>, Vec<RowSet>) = some();
            let rows = sets.iter().fold(RowSet::new(), |rows, set| rows.or(set));
            (RowExpression::Or(parts), rows)
        }
        _ => {
            let (part, rows) = random(rng, index, depth - 1);
            (!part, all().and_not(&rows))
        }
    }
}

/// Two kinds of one table: equal by hash, and a range of ordered keys, compared as numbers.
#[test]
fn a_hash_and_a_range_of_ordered_keys_meet() {
    let hash = IndexKind::Hash(crate::native::HashOptions::default());
    let table = TestTable::new(definition(hash, 1));
    for row_id in 0..ROWS {
        table.set(
            row_id,
            [Value::from(["odd", "even"][usize::from(row_id % 2 == 0)]), Value::U64(row_id)],
        );
    }
    let mut ordered = definition(IndexKind::Ordered(crate::native::OrderedOptions::default()), 2);
    (ordered.id, ordered.name) = (8, "by_number".to_owned());
    ordered.parts.remove(0);
    let rows = std::sync::Arc::clone(&table.rows) as std::sync::Arc<dyn RowStore>;
    let ordered = Index::open(&table.store, std::sync::Arc::new(ordered), rows).unwrap();
    let snapshot = table.store.snapshot();
    let reader = Reader::Snapshot(&snapshot);
    let mut bulk = ordered.loader().unwrap();
    let rows: &dyn RowStore = &*table.rows;
    rows.for_each(reader, &mut |row_id, row| bulk.add(row_id, row)).unwrap();
    bulk.finish(&mut |_, _| std::ops::ControlFlow::Continue(())).unwrap();
    let snapshot = table.store.snapshot();
    let range = KeyQuery::all().range(Value::I64(200)..=Value::I64(500));
    let both = RowExpression::all_of([
        RowExpression::Index(&table.index, IndexQuery::Key(KeyQuery::equal(["even"]))),
        RowExpression::Index(&ordered, IndexQuery::Key(range)),
    ]);
    let found = both.rows(Reader::Snapshot(&snapshot), &|| panic!("not wanted")).unwrap();
    assert!(found.iter().eq((200..=500).step_by(2)));
}
