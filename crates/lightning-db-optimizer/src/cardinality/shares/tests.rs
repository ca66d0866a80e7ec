//! Shares by values beside those that there are.

use lightning_db_types::ValueType::{F64, I64};

use super::*;
use crate::build::{QueryBuilder, Term, column, parameter};
use crate::memory::MemoryCatalog;
use crate::statistics::StatisticsBuilder;

/// Ten thousand rows: half have the kind 0, the others one of 5,000 kinds; numbers are even, sizes
/// twice as often small as large.
fn catalog() -> MemoryCatalog {
    let mut catalog = MemoryCatalog::new();
    let columns = [("id", I64), ("kind", I64), ("number", I64), ("size", I64)];
    let table = catalog.add_table("t", &columns, &["id"]).unwrap();
    let mut made = StatisticsBuilder::new(&catalog.definition(table), 7);
    for id in 0..10_000_i64 {
        let kind = if id % 2 == 0 { 0 } else { id };
        made.add(&[id, kind, id % 1_000, i64::from(id % 3 == 0)].map(Value::from));
    }
    catalog.set_statistics(table, made.finish(100));
    catalog
}

fn shares(condition: Term) -> Option<ParameterShares> {
    let catalog = catalog();
    let query = QueryBuilder::scan("t", "t").filter(condition).build(&catalog).unwrap();
    ParameterShares::new(&query, &catalog)
}

fn number(place: usize) -> Term {
    parameter(place, I64)
}

/// Checks the shares of values, each to a fifth and the share of one row.
#[track_caller]
fn check(condition: Term, cases: &[(&[Value], &[f64])]) {
    let shares = shares(condition).unwrap();
    for (values, expected) in cases {
        let mut found = [f64::NAN; SELECTIVITIES_MAX];
        let found = shares.of(values, &mut found);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(*expected) {
            let off = (found - expected).abs();
            assert!(off <= expected * 0.2 + 1e-4, "{found} for {expected}: {values:?}");
        }
    }
}

#[test]
fn common_values_count_as_what_they_are() {
    let kind = column("kind").equal(number(0));
    check(
        kind,
        &[
            (&[Value::I64(0)], &[0.5]),
            (&[Value::F64(0.0)], &[0.5]),
            (&[Value::I64(77)], &[1e-4]),
            (&[Value::F64(0.5)], &[1e-4]),
            (&[Value::Null], &[1e-4]),
            (&[], &[1e-4]),
        ],
    );
    let any = column("kind").is_in([number(0), number(1), number(2)]);
    check(any, &[(&[5, 0, 7].map(Value::I64), &[0.5]), (&[5, 9, 7].map(Value::I64), &[3e-4])]);
}

#[test]
fn bounds_of_a_column_count_together() {
    let within = column("number").at_least(number(0)).and(column("number").less(number(1)));
    check(
        within,
        &[
            (&[100, 200].map(Value::I64), &[0.1]),
            (&[200, 100].map(Value::I64), &[1e-4]),
            (&[-9, 5_000].map(Value::I64), &[1.0]),
            (&[Value::I64(0), Value::Null], &[1e-4]),
        ],
    );
    let beyond = column("number").greater(parameter(0, F64)).and(column("number").less(500));
    check(beyond, &[(&[Value::F64(399.5)], &[0.1]), (&[Value::F64(f64::NAN)], &[1e-4])]);
    // The common value is part of what lies below.
    check(column("kind").at_most(number(0)), &[(&[Value::I64(0)], &[0.5])]);
    check(column("kind").less(number(0)), &[(&[Value::I64(0)], &[1e-4])]);
    // Each column by itself.
    let both = column("kind").equal(number(1)).and(column("number").less(number(0)));
    check(both, &[(&[500, 0].map(Value::I64), &[0.5, 0.5])]);
}

#[test]
fn where_values_are_alike_there_is_nothing_to_choose() {
    for condition in [
        column("id").equal(number(0)),
        column("number").equal(number(0)),
        column("size").equal(number(0)),
        column("number").not_equal(number(0)),
        column("number").less(7),
    ] {
        let text = format!("{condition:?}");
        assert!(shares(condition).is_none(), "{text}");
    }
}

#[test]
fn corners_leave_few_rows_and_many() {
    let low = column("kind").equal(number(4));
    let shares = shares(low.and(column("number").greater(number(1)))).unwrap();
    assert_eq!(shares.parameters(), [1, 4]);
    let mut corners: Vec<Vec<bool>> = Vec::new();
    for corner in shares.corners() {
        let mut values = vec![Value::Null; 5];
        for (number, value) in corner {
            values[number] = value;
        }
        let mut found = [0.0; SELECTIVITIES_MAX];
        corners.push(shares.of(&values, &mut found).iter().map(|it| *it > 0.4).collect());
    }
    let all: [Vec<bool>; 4] =
        [[false, false], [true, false], [false, true], [true, true]].map(Vec::from);
    assert_eq!(corners, all);
}
