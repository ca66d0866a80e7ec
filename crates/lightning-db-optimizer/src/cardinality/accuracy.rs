//! Estimates against exact counts on twelve distributions, each with a second column that depends
//! on the first one.

use std::sync::Arc;

use lightning_db_expression::Expression;
use lightning_db_types::{Rng as _, SeededRng, Value, ValueType};

use super::*;
use crate::catalog::{ColumnDefinition, TableDefinition, TableId};
use crate::query::{Column, Node, Origin};
use crate::statistics::{StatisticsBuilder, TableStatistics};

const ROWS: u64 = 12_000;
const PREDICATES: u64 = 48;

/// One table, and all of its rows.
#[derive(Debug)]
struct One {
    definition: Arc<TableDefinition>,
    statistics: Arc<TableStatistics>,
}

impl Catalog for One {
    fn table(&self, name: &str) -> Option<TableId> {
        (name == self.definition.name).then_some(TableId(0))
    }

    fn table_names(&self) -> Vec<String> {
        vec![self.definition.name.clone()]
    }

    fn definition(&self, _: TableId) -> Arc<TableDefinition> {
        Arc::clone(&self.definition)
    }

    fn statistics(&self, _: TableId) -> Option<Arc<TableStatistics>> {
        Some(Arc::clone(&self.statistics))
    }

    fn version(&self) -> u64 {
        1
    }
}

/// Values of the first column by row number.
type Draw = fn(u64, &SeededRng) -> i64;

fn unit(rng: &SeededRng) -> f64 {
    f64::from(u32::try_from(rng.below(1 << 30)).unwrap_or(0)) / f64::from(1 << 30)
}

fn below(rng: &SeededRng, bound: u64) -> i64 {
    i64::try_from(rng.below(bound)).unwrap_or(0)
}

#[expect(clippy::cast_possible_truncation, reason = "draws of some thousands")]
fn whole(number: f64) -> i64 {
    number.floor() as i64
}

const DISTRIBUTIONS: [(&str, Draw); 12] = [
    ("uniform", |_, rng| below(rng, 1_000)),
    ("unique", |row, _| i64::try_from(row).unwrap_or(0)),
    ("few values", |_, rng| below(rng, 5)),
    ("zipf", |_, rng| whole(1.0 / (unit(rng) + 1e-4))),
    ("normal", |_, rng| (0..12).map(|_| below(rng, 1_000)).sum()),
    ("exponential", |_, rng| whole(-300.0 * (1.0 - unit(rng)).ln())),
    ("two hills", |_, rng| below(rng, 2) * 100_000 + below(rng, 50) + below(rng, 50)),
    ("steps", |row, _| i64::try_from(row / 700).unwrap_or(0)),
    ("one value and noise", |_, rng| if rng.below(10) > 0 { 42 } else { below(rng, 100_000) }),
    ("squares", |_, rng| below(rng, 300).pow(2)),
    ("gaps", |_, rng| below(rng, 20) * 1_000_000 + below(rng, 3)),
    ("far outliers", |_, rng| if rng.one_in(2_000) { i64::MAX / 2 } else { below(rng, 100) }),
];

/// First column, a second that follows it with some noise, a text that follows it, and a fourth
/// that does not depend on it and is null at times.
fn rows(draw: Draw, rng: &SeededRng) -> Vec<Vec<Value>> {
    let row = |number| {
        let first = draw(number, rng);
        let follows = first / 10 + below(rng, 3);
        let free = if rng.one_in(5) { Value::Null } else { Value::from(below(rng, 200)) };
        vec![first.into(), follows.into(), Value::from(format!("n{}", first % 977)), free]
    };
    (0..ROWS).map(row).collect()
}

fn table(rows: &[Vec<Value>]) -> One {
    let types = [ValueType::I64, ValueType::I64, ValueType::Text, ValueType::I64];
    let column = |(place, value_type): (usize, ValueType)| ColumnDefinition {
        name: format!("c{place}"),
        value_type,
        nullable: place == 3,
    };
    let definition = TableDefinition {
        name: "t".to_owned(),
        columns: types.into_iter().enumerate().map(column).collect(),
        keys: Vec::new(),
        foreign_keys: Vec::new(),
        indexes: Vec::new(),
    };
    let mut builder = StatisticsBuilder::new(&definition, 11);
    for row in rows {
        builder.add(row);
    }
    One { statistics: Arc::new(builder.finish(100)), definition: Arc::new(definition) }
}

/// Conditions around values that rows have.
fn predicate(kind: u64, rows: &[Vec<Value>], rng: &SeededRng) -> Expression {
    let mut pick = |column: usize| {
        let row = usize::try_from(rng.below(ROWS)).unwrap_or(0);
        rows[row][column].clone()
    };
    let column = Expression::column;
    let range = |column_at: usize, pick: &mut dyn FnMut(usize) -> Value| {
        let (one, other) = (pick(column_at), pick(column_at));
        let (low, high) = if one < other { (one, other) } else { (other, one) };
        column(column_at).between(low, high)
    };
    match kind % 6 {
        0 => column(0).equal(pick(0)),
        1 => range(0, &mut pick),
        2 => range(0, &mut pick).and(range(1, &mut pick)),
        3 => column(2).like("n1%").and(range(0, &mut pick)),
        4 => column(1).equal(pick(1)).and(column(2).not_equal(pick(2))),
        _ => column(3).is_not_null().and(range(0, &mut pick)),
    }
}

/// Estimated and counted rows for each predicate.
fn errors(draw: Draw, seed: u64) -> Vec<f64> {
    let rng = SeededRng::new(seed);
    let rows = rows(draw, &rng);
    let one = table(&rows);
    let mut query = Query::new();
    let columns: Vec<ColumnId> = (0..4)
        .map(|position| {
            query.add_column(Column {
                name: format!("c{position}").into(),
                relation: None,
                value_type: one.definition.columns[position].value_type,
                nullable: true,
                origin: Origin::Table(TableId(0), position),
            })
        })
        .collect();
    let alias = "t".into();
    let scan = query.add_node(Node::Scan { table: TableId(0), alias, columns: columns.clone() });
    let mut errors = Vec::new();
    for kind in 0..PREDICATES {
        let predicate = predicate(kind, &rows, &rng);
        let actual = rows.iter().filter(|row| predicate.is_true(*row).unwrap()).count();
        let condition =
            query.add_expression(&predicate, &|position| columns.get(position).copied()).unwrap();
        let share = Cardinality::new(&query, &one, None).selectivity(scan, &[condition]);
        let estimated = share.scaled(facts::number(ROWS));
        assert!(estimated.point.is_finite() && estimated.low <= estimated.high, "{estimated:?}");
        errors.push(crate::q_error(estimated.point, facts::number(actual as u64)));
    }
    errors.sort_by(f64::total_cmp);
    errors
}

#[test]
fn estimates_are_near_the_counts_on_all_distributions() {
    let seed = std::env::var("LIGHTNING_SEED").ok().and_then(|it| it.parse().ok()).unwrap_or(1);
    let mut failed = Vec::new();
    for (name, draw) in DISTRIBUTIONS {
        let errors = errors(draw, seed);
        let at = |share: usize| errors[(errors.len() - 1) * share / 100];
        if at(50) > 1.2 || at(95) > 3.0 || at(100) > 12.0 {
            failed.push(format!("{name}: p50 {} p95 {} max {}", at(50), at(95), at(100)));
        }
    }
    assert!(
        failed.is_empty(),
        "{failed:#?}\nreplay: LIGHTNING_SEED={seed} cargo test -p lightning-db-optimizer accuracy"
    );
}

/// Distinct values of one column and of two that depend on each other.
#[test]
fn distinct_combinations_are_near_the_counts() {
    let mut failed = Vec::new();
    for (name, draw) in DISTRIBUTIONS {
        let rows = rows(draw, &SeededRng::new(3));
        let one = table(&rows);
        let facts_of = |positions: &[usize]| {
            let mut all: Vec<Vec<&Value>> =
                rows.iter().map(|row| positions.iter().map(|at| &row[*at]).collect()).collect();
            all.sort_unstable();
            all.dedup();
            all.len()
        };
        let relation = facts::Relation {
            table: TableId(0),
            definition: one.definition(TableId(0)),
            statistics: one.statistics(TableId(0)),
            columns: Vec::new(),
            rows: Estimate::exact(facts::number(ROWS)),
            filters: Vec::new(),
        };
        for positions in [&[0][..], &[1], &[0, 1], &[0, 2]] {
            let found = distinct::of_columns(&relation, positions).point;
            let actual = facts_of(positions);
            let error = crate::q_error(found, facts::number(actual as u64));
            if error > 2.0 {
                failed.push(format!("{name} {positions:?}: {found} for {actual}"));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
