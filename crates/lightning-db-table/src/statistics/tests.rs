//! Estimates against exact counts.

use lightning_db_index::{Columns, Expression};
use lightning_db_storage::Slice;
use lightning_db_types::{Rng, SeededRng, Value};

use super::*;
use crate::catalog::TableRecord;
use crate::schema::{ColumnDefinition, ColumnType};

fn schema() -> Schema {
    let column = |name: &str, column_type| ColumnDefinition::new(name, column_type).nullable();
    let columns = vec![
        column("skewed", ColumnType::I64),
        column("even", ColumnType::I64),
        column("text", ColumnType::Text),
        column("float", ColumnType::F64),
    ];
    Schema::new(TableRecord {
        id: 1,
        name: "t".to_owned(),
        columns: crate::definition::columns(columns),
        version: 0,
        primary_key: Vec::new(),
        foreign_keys: Vec::new(),
        checks: Vec::new(),
        indexes: Vec::new(),
        expires_at: None,
        serial: None,
    })
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "small numbers")]
fn rows(count: u64, rng: &SeededRng) -> Vec<Vec<Value>> {
    let row = |_| {
        let even = rng.below(10_000);
        // Zipf, roughly: rank r with a probability of 1 / r.
        let skewed = (10_000_f64.powf(rng.below(1 << 40) as f64 / (1_u64 << 40) as f64)).floor();
        let skewed = skewed as i64;
        let text = if rng.one_in(10) { Value::Null } else { Value::from(format!("w{skewed}")) };
        vec![skewed.into(), even.cast_signed().into(), text, Value::F64((even as f64).sqrt())]
    };
    (0..count).map(row).collect()
}

fn change(schema: &Schema, row_id: u64, row: &[Value]) -> Change {
    let mut stored = Vec::new();
    schema.layout().unwrap().encode(|id| row[id].as_value_ref(), &mut stored);
    Change { row_id, old: None, new: Some(Slice::from(&stored[..])) }
}

fn predicates(rng: &SeededRng, rows: &[Vec<Value>]) -> Vec<Expression> {
    let some = |column: usize| {
        let row = usize::try_from(rng.below(rows.len() as u64)).unwrap();
        rows[row][column].clone()
    };
    let column = Expression::column;
    let mut all = Vec::new();
    for _ in 0..30 {
        let low = rng.below(9_000).cast_signed();
        all.push(column(0).equal(some(0)));
        all.push(column(1).less(some(1)));
        all.push(column(3).greater(some(3)));
        all.push(column(0).at_least(some(0)));
        all.push(column(1).between(low, low + 1_000));
        all.push(column(1).at_least(low).and(column(1).less(low + 500)));
        all.push(column(0).is_in([some(0), some(0), some(0)]));
        all.push(column(0).equal(some(0)).or(column(1).less(some(1))));
        all.push(column(0).not_equal(some(0)));
        all.push(column(1).at_most(some(1)).and(column(0).at_most(some(0))));
    }
    all.push(column(2).is_null());
    all.push(column(2).is_not_null());
    all
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn check_errors(view: &View, schema: &Schema, rows: &[Vec<Value>], rng: &SeededRng) {
    let mut errors = Vec::new();
    for predicate in predicates(rng, rows) {
        let exact = rows.iter().filter(|row| predicate.is_true(*row as &dyn Columns).unwrap());
        let exact = exact.count() as f64;
        let found = estimate(schema, view, rows.len() as u64, &predicate);
        assert!(found.low <= found.point && found.point <= found.high, "{found:?}");
        assert!(found.high <= rows.len() as f64 + 1.0, "{predicate}: {found:?}");
        let (point, exact) = (found.point.max(1.0), exact.max(1.0));
        errors.push((point / exact).max(exact / point));
    }
    errors.sort_by(f64::total_cmp);
    let (median, p95) = (errors[errors.len() / 2], errors[errors.len() * 95 / 100]);
    println!("q-error: median {median:.2}, p95 {p95:.2}");
    assert!(median <= 1.2, "median {median}");
    assert!(p95 <= 5.0, "p95 {p95}");
}

#[test]
fn estimates_on_skewed_values_are_near_the_counts() {
    let seed = std::env::var("LIGHTNING_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(5);
    println!("replay with LIGHTNING_SEED={seed}");
    let rng = SeededRng::new(seed);
    let (schema, rows) = (schema(), rows(12_000, &rng));
    let statistics = TableStatistics::new(1);
    for (row_id, row) in (0..).zip(&rows) {
        statistics.apply(&schema, &[change(&schema, row_id, row)]);
    }
    assert_eq!(statistics.rows(), 12_000);
    statistics.refresh();
    check_errors(&statistics.view(), &schema, &rows, &rng);
    // Read from the rows, common values are exact.
    statistics.begin_analysis();
    let mut found = Collected::default();
    for row in &rows {
        let change = change(&schema, 0, row);
        let stored = change.new.unwrap();
        let row = crate::row::RowView::new(&schema, 0, &stored).unwrap();
        found.analyze(&schema, &row, &rng);
    }
    statistics.end_analysis(Some(found));
    check_errors(&statistics.view(), &schema, &rows, &rng);
    let bytes = statistics.to_save(false).unwrap();
    println!("{} bytes saved", bytes.len());
    let saved: Collected = postcard::from_bytes(&bytes[1..]).unwrap();
    let again = TableStatistics::new(1);
    again.restore(Some(saved), 12_000);
    check_errors(&again.view(), &schema, &rows, &rng);
}

#[test]
fn what_is_not_known_has_wide_bounds_and_no_panic() {
    let schema = schema();
    let column = Expression::column;
    let empty = View::default();
    for predicate in [
        column(0).equal(1_i64),
        column(9).less(1_i64),
        column(2).like("%a"),
        column(0).plus(1_i64).greater(2_i64),
        Expression::And(Vec::new()),
        Expression::Or(Vec::new()),
        column(0).equal(Value::Null),
        column(0).equal("text"),
    ] {
        let found = estimate(&schema, &empty, 1_000, &predicate);
        assert!(found.low <= found.point && found.point <= found.high, "{predicate}: {found:?}");
        assert!(found.high <= 1_000.0);
    }
}
