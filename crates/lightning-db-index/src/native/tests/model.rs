//! Random keys, orders and queries against a sorted model.

use super::*;
use crate::native::Seek;
use lightning_db_types::Rng;
use std::cmp::Ordering;
use std::ops::Bound;

const ORDERS: [ColumnOrder; 4] = [
    ColumnOrder { descending: false, nulls_first: true },
    ColumnOrder { descending: false, nulls_first: false },
    ColumnOrder { descending: true, nulls_first: true },
    ColumnOrder { descending: true, nulls_first: false },
];

/// Bits of the float.
const TWO: u64 = 0x4000_0000_0000_0000;

/// Columns hold one type each: whole numbers, text, floats.
fn row(rng: &SeededRng) -> Vec<Value> {
    let whole = match below(rng, 6) {
        0 => Value::Null,
        value => Value::I64(i64::try_from(value).unwrap() - 3),
    };
    let word = match below(rng, 7) {
        0 => Value::Null,
        pick => text(["", "a", "a\0", "ab", "b", "\u{10ffff}"][pick - 1]),
    };
    let float = match below(rng, 7) {
        0 => Value::Null,
        1 => Value::F64(-0.0),
        2 => Value::F64(f64::NAN),
        pick => Value::F64([0.0, -1.5, f64::INFINITY, 2.0][pick - 3]),
    };
    vec![whole, word, float]
}

fn bound(rng: &SeededRng, value: Value) -> Bound<Value> {
    match below(rng, 3) {
        0 => Bound::Included(value),
        1 => Bound::Excluded(value),
        _ => Bound::Unbounded,
    }
}

/// A value to look for in a column, at times a number of another type, at times one between.
fn sought(rng: &SeededRng, column: usize) -> Value {
    let value = row(rng)[column].clone();
    match (&value, below(rng, 4)) {
        (Value::I64(whole), 0) => Value::F64(f64::from(i32::try_from(*whole).unwrap()) + 0.5),
        (Value::I64(whole), 1) => Value::Decimal((*whole).into()),
        (Value::F64(float), 0) if float.to_bits() == TWO => Value::I64(2),
        (Value::F64(float), 1) if float.to_bits() == TWO => Value::Decimal("2.0".parse().unwrap()),
        _ => value,
    }
}

fn matches(query: &KeyQuery, row: &[Value]) -> bool {
    use super::super::query::Next;
    use lightning_db_expression::number::compare;
    let equal =
        |value: &Value, part: &Value| compare(value.into(), part.into()) == Some(Ordering::Equal);
    query.keys.iter().any(|key| {
        let next = row.get(key.len()).cloned().unwrap_or_default();
        let order = |value: &Value| compare((&next).into(), value.into());
        key.iter().zip(row).all(|(value, part)| equal(value, part))
            && match &query.next {
                Next::Anything => true,
                Next::StartsWith(prefix) => match (prefix, &next) {
                    (Value::Text(prefix), Value::Text(text)) => text.starts_with(prefix.as_str()),
                    _ => false,
                },
                Next::Range(low, high) => {
                    let above = match low {
                        Bound::Included(low) => order(low).is_some_and(Ordering::is_ge),
                        Bound::Excluded(low) => order(low).is_some_and(Ordering::is_gt),
                        Bound::Unbounded => true,
                    };
                    let below = match high {
                        Bound::Included(high) => order(high).is_some_and(Ordering::is_le),
                        Bound::Excluded(high) => order(high).is_some_and(Ordering::is_lt),
                        Bound::Unbounded => true,
                    };
                    let nulls = [low, high].iter().any(|bound| {
                        matches!(bound, Bound::Included(Value::Null) | Bound::Excluded(Value::Null))
                    });
                    above && below && !next.is_null() && !nulls
                }
            }
    })
}

fn query(rng: &SeededRng) -> KeyQuery {
    let parts = below(rng, 4);
    let keys: Vec<Vec<Value>> = (0..if rng.one_in(4) { 3 } else { 1 })
        .map(|_| (0..parts).map(|part| sought(rng, part)).collect())
        .collect();
    let query = KeyQuery::any_of(keys);
    let query = match below(rng, 3) {
        0 if parts < 3 => {
            let (low, high) = (sought(rng, parts), sought(rng, parts));
            query.range((bound(rng, low), bound(rng, high)))
        }
        1 if parts == 1 => query.starts_with(["", "a", "ab", "x"][below(rng, 4)]),
        _ => query,
    };
    if rng.one_in(2) { query.reverse() } else { query }
}

/// Rows and their numbers, sorted as the index sorts.
type Model = Vec<(Vec<Value>, u64)>;

fn compare(orders: [ColumnOrder; 3], left: &[Value], right: &[Value]) -> Ordering {
    let parts = left.iter().zip(right).zip(orders);
    parts.fold(Ordering::Equal, |order, ((left, right), column)| {
        order.then(column.compare(left.into(), right.into()))
    })
}

fn check_query(table: &TestTable, reader: Reader<'_>, model: &Model, rng: &SeededRng) {
    let query = query(rng);
    let matching = model.iter().filter(|(row, _)| matches(&query, row));
    let mut expected: Vec<u64> = matching.map(|(_, row_id)| *row_id).collect();
    if query.reverse {
        expected.reverse();
    }
    let scan = |query: &KeyQuery| index(table).scan(reader, query).unwrap();
    let rows: Vec<u64> = scan(&query).map(|hit| hit.unwrap().row_id()).collect();
    assert_eq!(rows, expected, "{query:?}");
    let mut both = scan(&query);
    let (mut front, mut back) = (Vec::new(), Vec::new());
    while let Some(hit) = if rng.one_in(2) { both.next() } else { None } {
        front.push(hit.unwrap().row_id());
    }
    while let Some(hit) = both.next_back() {
        back.push(hit.unwrap().row_id());
    }
    front.extend(back.into_iter().rev());
    assert_eq!(front, expected, "{query:?} from both ends");
    let limited = scan(&query.limit(2)).map(|hit| hit.unwrap().row_id());
    assert!(limited.eq(expected.into_iter().take(2)));
}

/// A whole key, often that of a row.
fn check_key(table: &TestTable, reader: Reader<'_>, model: &Model, rng: &SeededRng) {
    let key: Vec<Value> = match model.get(below(rng, 2 * model.len())) {
        Some((row, _)) => row.clone(),
        None => (0..3).map(|part| sought(rng, part)).collect(),
    };
    let query = KeyQuery::equal(key.clone());
    let expected = model.iter().filter(|(row, _)| matches(&query, row)).map(|(_, row_id)| *row_id);
    let rows = index(table).rows_with_key(reader, &key).unwrap().map(Result::unwrap);
    assert!(rows.eq(expected), "{key:?}");
}

fn check_seek(
    table: &TestTable,
    reader: Reader<'_>,
    model: &Model,
    (orders, rng): ([ColumnOrder; 3], &SeededRng),
) {
    let sought = row(rng);
    let seek = |side| {
        let hit = index(table).seek(reader, &sought, side).unwrap();
        hit.map(|hit| hit.row_id())
    };
    let first = model.iter().find(|(row, _)| compare(orders, row, &sought).is_ge());
    assert_eq!(seek(Seek::AtOrAfter), first.map(|(_, row_id)| *row_id));
    let last = model.iter().rev().find(|(row, _)| compare(orders, row, &sought).is_le());
    assert_eq!(seek(Seek::AtOrBefore), last.map(|(_, row_id)| *row_id));
}

#[test]
fn composite_keys_in_all_orders_agree_with_a_sorted_model() {
    let rng = rng();
    for round in 0..48 {
        let orders = [0, 1, 2].map(|_| ORDERS[below(&rng, 4)]);
        let parts = (0..3).map(|part| (Expression::column(part), orders[part]));
        let unique = round % 3 == 0;
        let options = OrderedOptions { unique, ..OrderedOptions::new() };
        let table = TestTable::new(over(options, parts));
        let mut model = Model::new();
        let mut transaction = table.store.transaction();
        for row_id in 0..60 {
            let row = row(&rng);
            if table.change(&mut transaction, row_id, Some(&row)).is_ok() {
                model.push((row, row_id));
            } else {
                assert!(unique && !row.contains(&Value::Null));
                assert!(model.iter().any(|(other, _)| *other == row));
            }
        }
        model.sort_by(|left, right| compare(orders, &left.0, &right.0).then(left.1.cmp(&right.1)));
        let check = |reader: Reader<'_>| {
            (0..120).for_each(|_| check_query(&table, reader, &model, &rng));
            (0..60).for_each(|_| check_key(&table, reader, &model, &rng));
            (0..20).for_each(|_| check_seek(&table, reader, &model, (orders, &rng)));
        };
        check(Reader::Transaction(&transaction));
        assert!(transaction.commit().unwrap().is_committed());
        check(Reader::Snapshot(&table.store.snapshot()));
        table.assert_sound();
    }
}
