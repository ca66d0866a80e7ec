//! Indexes whose entries are keys of the store, and the filter that is made of such keys.

use std::ops::Bound;

use lightning_db_table::index::{
    BloomOptions, Expression, HashOptions, IndexKind, IndexQuery, KeyQuery,
};
use lightning_db_table::{ColumnOrder, IndexSpec, TableReader, Value};
use lightning_db_types::{Rng, SeededRng};

use super::{Ask, index_of, pick};
use crate::table::{Rows, column};

pub(super) fn composite(name: &str) -> IndexSpec {
    let score = Expression::column(column::SCORE);
    IndexSpec::ordered(name).column(column::NUMBER).part(score, ColumnOrder::DESCENDING)
}

pub(super) fn unique(name: &str) -> IndexSpec {
    IndexSpec::unique(name).column(column::CODE)
}

pub(super) fn covering(name: &str) -> IndexSpec {
    IndexSpec::ordered(name).column(column::NUMBER).include([column::NAME, column::SCORE])
}

pub(super) fn partial(name: &str) -> IndexSpec {
    let active = Expression::column(column::ACTIVE).equal(true);
    IndexSpec::ordered(name).column(column::NUMBER).condition(active)
}

pub(super) fn expression(name: &str) -> IndexSpec {
    let lower = Expression::column(column::NAME).lower();
    IndexSpec::ordered(name).part(lower, ColumnOrder::ASCENDING)
}

pub(super) fn hash(name: &str) -> IndexSpec {
    IndexSpec::hash(name).column(column::NAME)
}

pub(super) fn hash_unique(name: &str) -> IndexSpec {
    IndexSpec::new(name, IndexKind::Hash(HashOptions::new().unique())).column(column::CODE)
}

pub(super) fn bloom(name: &str) -> IndexSpec {
    let options = BloomOptions { false_positive_rate: 0.01, expected_items: 16 };
    IndexSpec::new(name, IndexKind::Bloom(options)).column(column::NAME)
}

/// Whether a value that is not null is within bounds.
pub(super) fn within(value: &Value, low: &Bound<Value>, high: &Bound<Value>) -> bool {
    use std::ops::RangeBounds as _;
    !value.is_null() && (low.as_ref(), high.as_ref()).contains(value)
}

/// Bounds of numbers, of which the upper is never below the lower.
pub(super) fn bounds(rng: &SeededRng, from: i64, below: u64) -> (Bound<Value>, Bound<Value>) {
    let low = from + rng.below(below).cast_signed();
    let high = low + rng.below(below).cast_signed() / 2;
    let bound = |number: i64| match rng.below(5) {
        0 => Bound::Unbounded,
        1 => Bound::Excluded(Value::I64(number)),
        _ => Bound::Included(Value::I64(number)),
    };
    (bound(low), bound(high))
}

fn number(rng: &SeededRng) -> Value {
    if rng.one_in(8) { Value::Null } else { Value::I64(rng.below(14).cast_signed() - 5) }
}

/// Keys of one column, by value or between bounds.
fn ask_column(rng: &SeededRng, at: usize, from: i64, below: u64) -> (KeyQuery, Condition) {
    let value = |rng: &SeededRng| match rng.below(8) {
        0 => Value::Null,
        _ => Value::I64(from + rng.below(below).cast_signed()),
    };
    match rng.below(4) {
        0 => {
            let (low, high) = bounds(rng, from, below);
            let query = KeyQuery::all().range((low.clone(), high.clone()));
            (query, Box::new(move |row| within(&row[at], &low, &high)))
        }
        1 => {
            let values: Vec<Value> = (0..rng.below(4)).map(|_| value(rng)).collect();
            let query = KeyQuery::any_of(values.iter().map(|value| [value.clone()]));
            (query, Box::new(move |row| values.contains(&row[at])))
        }
        _ => {
            let value = value(rng);
            let query = KeyQuery::equal([value.clone()]);
            (query, Box::new(move |row| row[at] == value))
        }
    }
}

type Condition = Box<dyn Fn(&[Value]) -> bool>;

pub(super) fn ask_number(rng: &SeededRng) -> Ask {
    let (query, holds) = ask_column(rng, column::NUMBER, -5, 14);
    Ask::rows_where(IndexQuery::Key(query), holds)
}

pub(super) fn ask_code(rng: &SeededRng) -> Ask {
    let (query, holds) = ask_column(rng, column::CODE, 0, 180);
    Ask::rows_where(IndexQuery::Key(query), holds)
}

pub(super) fn ask_partial(rng: &SeededRng) -> Ask {
    let (query, holds) = ask_column(rng, column::NUMBER, -5, 14);
    let active = Value::Bool(true);
    Ask::rows_where(IndexQuery::Key(query), move |row| row[column::ACTIVE] == active && holds(row))
}

pub(super) fn ask_composite(rng: &SeededRng) -> Ask {
    let first = number(rng);
    let score = Value::F64([-3.0, 0.0, 1.5, 8.0, 1e300][pick(rng, 5)]);
    let query = KeyQuery::equal([first.clone()]);
    match rng.below(4) {
        0 => ask_number(rng),
        1 => Ask::rows_where(IndexQuery::Key(query), move |row| row[column::NUMBER] == first),
        2 => {
            let (low, high) = (Bound::Included(score), Bound::Unbounded);
            let query = query.range((low.clone(), high.clone()));
            Ask::rows_where(IndexQuery::Key(query), move |row| {
                row[column::NUMBER] == first && within(&row[column::SCORE], &low, &high)
            })
        }
        _ => {
            let query = KeyQuery::equal([first.clone(), score.clone()]);
            Ask::rows_where(IndexQuery::Key(query), move |row| {
                row[column::NUMBER] == first && row[column::SCORE] == score
            })
        }
    }
}

fn name(rng: &SeededRng) -> Value {
    match rng.below(9) {
        0 => Value::Null,
        1 => Value::from("absent"),
        at => Value::from(
            ["a", "Ab", "ab", "aB", "b", "\u{e4}", ""][usize::try_from(at).unwrap() - 2],
        ),
    }
}

pub(super) fn ask_name(rng: &SeededRng) -> Ask {
    let names: Vec<Value> = (0..=rng.below(3)).map(|_| name(rng)).collect();
    let query = KeyQuery::any_of(names.iter().map(|name| [name.clone()]));
    // A filter finds null equal to nothing; the others find it.
    let names: Vec<Value> = names.into_iter().collect();
    Ask::rows_where(IndexQuery::Key(query), move |row| names.contains(&row[column::NAME]))
}

pub(super) fn ask_whole_code(rng: &SeededRng) -> Ask {
    let codes: Vec<Value> =
        (0..=rng.below(3)).map(|_| Value::I64(rng.below(180).cast_signed())).collect();
    let query = KeyQuery::any_of(codes.iter().map(|code| [code.clone()]));
    Ask::rows_where(IndexQuery::Key(query), move |row| codes.contains(&row[column::CODE]))
}

pub(super) fn ask_lower_name(rng: &SeededRng) -> Ask {
    let lower = |row: &[Value]| match &row[column::NAME] {
        Value::Text(name) => Some(name.to_lowercase()),
        _ => None,
    };
    let wanted = ["a", "ab", "b", "\u{e4}", "", "absent"][pick(rng, 6)];
    if rng.one_in(2) {
        let query = KeyQuery::equal([wanted]);
        return Ask::rows_where(IndexQuery::Key(query), move |row| {
            lower(row).is_some_and(|name| name == wanted)
        });
    }
    let query = KeyQuery::all().starts_with(wanted);
    Ask::rows_where(IndexQuery::Key(query), move |row| {
        lower(row).is_some_and(|name| name.starts_with(wanted))
    })
}

/// Stored columns are those of the row.
pub(super) fn covers(reader: &TableReader<'_>, name: &str, rows: &Rows) {
    let (index, from) = index_of(reader, name);
    let index = index.as_ordered().unwrap();
    let mut found = Vec::new();
    for hit in index.scan(from, &KeyQuery::all()).unwrap() {
        let hit = hit.unwrap();
        let stored = |at| hit.included(at).unwrap().to_value();
        found.push((hit.row_id(), hit.key_value(0).unwrap(), stored(0), stored(1)));
    }
    found.sort_unstable_by_key(|(row_id, ..)| *row_id);
    let wanted = rows.iter().map(|(row_id, row)| {
        let of = |at: usize| row[at].clone();
        (*row_id, of(column::NUMBER), of(column::NAME), of(column::SCORE))
    });
    assert_eq!(found, wanted.collect::<Vec<_>>());
}

/// Never a false negative.
pub(super) fn may_contain_all(reader: &TableReader<'_>, name: &str, rows: &Rows) {
    let (index, from) = index_of(reader, name);
    let index = index.as_bloom().unwrap();
    for (row_id, row) in rows {
        let key = [row[column::NAME].clone()];
        assert!(index.may_contain(from, &key).unwrap(), "row {row_id}: {key:?}");
    }
}
