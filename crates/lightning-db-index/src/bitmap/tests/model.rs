//! Random changes against scans of the rows.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use lightning_db_expression::number;
use lightning_db_storage::Snapshot;
use lightning_db_types::{Persistence, Rng, SeededRng, SimVfs, Value, ValueType};

use super::*;
use crate::estimate::Estimate;
use crate::reader::Reader;
use crate::row_set::RowSet;
use crate::testkit::sim_options;

/// Seed of the random runs; `LIGHTNING_SEED` sets another one.
pub(super) fn seed() -> u64 {
    let given = std::env::var("LIGHTNING_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or(0x5EED_B175);
    println!("seed {seed}; LIGHTNING_SEED={seed} repeats this run");
    seed
}

fn below(rng: &SeededRng, bound: usize) -> usize {
    usize::try_from(rng.below(bound as u64)).unwrap()
}

fn one_of<'a, T>(rng: &SeededRng, all: &'a [T]) -> &'a T {
    &all[below(rng, all.len())]
}

fn random_value(rng: &SeededRng) -> Value {
    match rng.below(12) {
        0 => Value::Null,
        1 => Value::I64(i64::MIN + rng.below(2).cast_signed()),
        2 => Value::I64(i64::MAX - rng.below(2).cast_signed()),
        3 => Value::U64(u64::MAX - rng.below(3)),
        4 => Value::F64(*one_of(rng, &[0.0, -0.0, 1.5, -1.5, f64::NAN, f64::INFINITY])),
        5 if rng.one_in(2) => Value::Decimal(one_of(rng, &["1.5", "-2", "3.00"]).parse().unwrap()),
        5 => Value::Date(i32::try_from(rng.below(9)).unwrap() - 4),
        _ => Value::I64(rng.below(9).cast_signed() - 4),
    }
}

fn random_row_id(rng: &SeededRng) -> u64 {
    match rng.below(10) {
        0 => (1 << 40) + rng.below(40),
        1 => (1 << 16) - 20 + rng.below(40),
        _ => rng.below(400),
    }
}

fn random_query(rng: &SeededRng, depth: u64) -> BitmapQuery {
    let dates = rng.one_in(8);
    let bound = || {
        let of = |value: &Value| (value.value_type() == ValueType::Date) == dates;
        let value = std::iter::repeat_with(|| random_value(rng)).find(of).unwrap();
        match rng.below(5) {
            0 => Bound::Unbounded,
            1 | 2 => Bound::Excluded(value),
            _ => Bound::Included(value),
        }
    };
    let some = |rng: &SeededRng| (0..rng.below(4)).map(|_| random_query(rng, depth - 1)).collect();
    match rng.below(if depth == 0 { 5 } else { 8 }) {
        0 => BitmapQuery::IsNull,
        1 => BitmapQuery::In((0..rng.below(5)).map(|_| random_value(rng)).collect()),
        2 | 3 => BitmapQuery::Range { low: bound(), high: bound() },
        4 => BitmapQuery::Equal(random_value(rng)),
        5 => BitmapQuery::And(some(rng)),
        6 => BitmapQuery::Or(some(rng)),
        _ => !random_query(rng, depth - 1),
    }
}

fn order(left: &Value, right: &Value) -> Option<Ordering> {
    if left.is_null() || right.is_null() {
        return None;
    }
    number::compare(left.as_value_ref(), right.as_value_ref())
}

fn matches(query: &BitmapQuery, value: &Value) -> bool {
    let equal = |wanted: &Value| order(value, wanted) == Some(Ordering::Equal);
    match query {
        BitmapQuery::All => true,
        BitmapQuery::Equal(wanted) => equal(wanted),
        BitmapQuery::In(wanted) => wanted.iter().any(equal),
        BitmapQuery::Range { low, high } => {
            let above = match low {
                Bound::Unbounded => true,
                Bound::Included(low) => order(value, low).is_some_and(Ordering::is_ge),
                Bound::Excluded(low) => order(value, low).is_some_and(Ordering::is_gt),
            };
            let below = match high {
                Bound::Unbounded => true,
                Bound::Included(high) => order(value, high).is_some_and(Ordering::is_le),
                Bound::Excluded(high) => order(value, high).is_some_and(Ordering::is_lt),
            };
            !value.is_null() && above && below
        }
        BitmapQuery::IsNull => value.is_null(),
        BitmapQuery::Not(inner) => !matches(inner, value),
        BitmapQuery::And(all) => all.iter().all(|query| matches(query, value)),
        BitmapQuery::Or(any) => any.iter().any(|query| matches(query, value)),
    }
}

type Rows = BTreeMap<u64, Value>;

fn check(table: &TestTable, reader: Reader<'_>, rows: &Rows, query: &BitmapQuery) {
    let matching = rows.iter().filter(|(_, value)| matches(query, value));
    let wanted: RowSet = matching.map(|(row_id, _)| *row_id).collect();
    let asked = IndexQuery::Bitmap(query.clone());
    let estimate = table.index.estimate(reader, &asked).unwrap();
    assert_eq!(table.index.rows(reader, &asked).unwrap(), wanted, "{query:?}");
    let bitmap = table.index.as_bitmap().unwrap();
    assert_eq!(bitmap.count(reader, query).unwrap(), wanted.len(), "{query:?}");
    let len = Estimate::exact(wanted.len()).point;
    assert!(estimate.low <= len && len <= estimate.high, "{query:?}: {estimate:?} for {len}");
}

fn run(definition: &IndexDefinition, rng: &SeededRng, steps: u64) {
    let vfs = Arc::new(SimVfs::new());
    let options = sim_options(&vfs);
    let mut table = TestTable::open(&options, definition.clone());
    let mut rows = Rows::new();
    let mut snapshots: Vec<(Snapshot, Rows)> = Vec::new();
    for _ in 0..steps {
        match rng.below(30) {
            0 => while table.index.upkeep().unwrap() {},
            1 => snapshots.push((table.store.snapshot(), rows.clone())),
            2 if !snapshots.is_empty() => {
                let at = below(rng, snapshots.len());
                snapshots.swap_remove(at);
            }
            3 => {
                snapshots.clear();
                table.store.sync().unwrap();
                let crash = rng.one_in(2);
                if !crash {
                    table.store.close().unwrap();
                }
                drop(table);
                if crash {
                    vfs.power_cut(Persistence::Random, rng.next_u64());
                }
                table = TestTable::open(&options, definition.clone());
                table.assert_sound();
            }
            4 => table.store.maintain().unwrap(),
            5..8 => {
                let (snapshot, rows) = match snapshots.get(below(rng, 4)) {
                    Some((snapshot, rows)) => (snapshot.clone(), rows.clone()),
                    None => (table.store.snapshot(), rows.clone()),
                };
                for _ in 0..4 {
                    let query = random_query(rng, 2);
                    check(&table, Reader::Snapshot(&snapshot), &rows, &query);
                }
            }
            _ => {
                let mut transaction = table.store.transaction();
                let mut changed = rows.clone();
                for _ in 0..=rng.below(12) {
                    let row_id = random_row_id(rng);
                    let row = (!rng.one_in(4)).then(|| vec![random_value(rng)]);
                    table.change(&mut transaction, row_id, row.as_ref()).unwrap();
                    match row {
                        Some(mut row) => changed.insert(row_id, row.remove(0)),
                        None => changed.remove(&row_id),
                    };
                }
                if rng.one_in(4) {
                    let query = random_query(rng, 1);
                    check(&table, Reader::Transaction(&transaction), &changed, &query);
                }
                if rng.one_in(5) {
                    transaction.rollback();
                } else {
                    assert!(transaction.commit().unwrap().is_committed());
                    rows = changed;
                }
            }
        }
    }
    table.assert_sound();
}

#[test]
fn sets_of_values_answer_as_scans_do() {
    let rng = SeededRng::new(seed());
    for _ in 0..6 {
        run(&values(), &rng, 400);
    }
}

#[test]
fn slices_answer_as_scans_do() {
    let rng = SeededRng::new(seed() ^ 1);
    for _ in 0..4 {
        run(&slices(2), &rng, 300);
    }
}

#[test]
fn a_tiny_memory_answers_the_same() {
    let rng = SeededRng::new(seed() ^ 2);
    let options = BitmapOptions { cache_bytes: 2_000, ..BitmapOptions::default() };
    run(&definition(IndexKind::Bitmap(options), 1), &rng, 400);
}

#[test]
fn no_update_is_lost_under_four_writers_and_a_folder() {
    let table = Arc::new(TestTable::new(values()));
    let done = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for writer in 0..4_u64 {
            let (table, done) = (&table, &done);
            scope.spawn(move || {
                let rng = SeededRng::new(writer);
                for _ in 0..400 {
                    // Rows of one chunk; no two writers share one.
                    let row_id = rng.below(100) * 4 + writer;
                    let row = (!rng.one_in(5)).then(|| vec![number(rng.below(3).cast_signed())]);
                    let outcome = table.commit(row_id, row).unwrap();
                    assert!(outcome.is_committed(), "different rows never conflict");
                }
                done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            });
        }
        let (table, done) = (&table, &done);
        scope.spawn(move || {
            while done.load(std::sync::atomic::Ordering::Relaxed) < 4 {
                table.index.upkeep().unwrap();
                table.find(&IndexQuery::Bitmap(BitmapQuery::equal(1_i64)));
            }
        });
    });
    table.assert_sound();
    while table.index.upkeep().unwrap() {}
    table.assert_sound();
    for value in 0..3_i64 {
        let snapshot = table.store.snapshot();
        let wanted = table.scan(Reader::Snapshot(&snapshot), |_, row| {
            row.column(0) == Value::I64(value).as_value_ref()
        });
        assert_eq!(table.find(&IndexQuery::Bitmap(BitmapQuery::equal(value))), wanted);
    }
}
