//! Conditions joined by OR, whose cases are found by one index each.

use lightning_db_types::ValueType::I64;
use lightning_db_types::{Rng, SeededRng, Value};

use crate::build::{QueryBuilder, Term, column};
use crate::catalog::{Catalog, IndexDefinition, IndexKind};
use crate::memory::MemoryCatalog;
use crate::optimize::Optimizer;
use crate::plan::{Access, Operator, Plan, RowSet};
use crate::reference::{evaluate, execute};
use crate::statistics::StatisticsBuilder;

/// 150 rows of few values, a fifth of them null; each column has an index of one kind.
fn catalog(seed: u64) -> MemoryCatalog {
    let rng = SeededRng::new(seed);
    let mut catalog = MemoryCatalog::new();
    let columns = [("id", I64), ("a", I64), ("b", I64), ("c", I64)];
    let table = catalog.add_table("t", &columns, &["id"]).unwrap();
    let value = || match rng.below(5) {
        0 => Value::Null,
        _ => Value::from(i64::try_from(rng.below(60)).unwrap()),
    };
    let rows: Vec<Vec<Value>> =
        (0..150_i64).map(|id| vec![id.into(), value(), value(), value()]).collect();
    let mut made = StatisticsBuilder::new(&catalog.definition(table), seed);
    for row in &rows {
        made.add(row);
    }
    catalog.set_rows(table, rows);
    // Pages with one row each: it pays to fetch few of them.
    catalog.set_statistics(table, made.finish(150));
    for (name, kind, column) in [
        ("by_a", IndexKind::Ordered, 1),
        ("by_b", IndexKind::Hash, 2),
        ("by_c", IndexKind::Bitmap, 3),
    ] {
        catalog.add_index(table, IndexDefinition::new(name, kind, &[column]));
    }
    catalog
}

fn case(rng: &SeededRng) -> Term {
    let value = |most: u64| i64::try_from(rng.below(most)).unwrap();
    let one = match rng.below(6) {
        0 => column("b").equal(value(60)),
        1 => column("c").equal(value(60)),
        2 => column("c").is_in([value(60), value(60)]),
        3 => column("a").between(value(55), value(8) + 50),
        4 => column("a").less(value(4)).and(column("b").greater(value(60))),
        _ => column("a").equal(value(60)),
    };
    // The same rows may be in several cases.
    if rng.one_in(4) { one.and(column("id").greater(value(120))) } else { one }
}

/// Whether a plan finds rows by a union of sets.
fn has_union(plan: &Plan) -> bool {
    plan.nodes().iter().any(|node| match &node.operator {
        Operator::Access { access: Access::Sets(set), .. } => contains_union(set),
        _ => false,
    })
}

fn contains_union(set: &RowSet) -> bool {
    match set {
        RowSet::Index(_) => false,
        RowSet::Any(_) => true,
        RowSet::All(sets) => sets.iter().any(contains_union),
    }
}

#[test]
fn rows_of_several_cases_come_once_and_nulls_are_no_match() {
    let mut unions = 0;
    for seed in 0..200 {
        let catalog = catalog(seed % 10);
        let rng = SeededRng::new(seed);
        let cases = (0..2 + rng.below(3)).map(|_| case(&rng)).collect();
        let mut query = QueryBuilder::scan("t", "t").filter(Term::Or(cases));
        if rng.one_in(3) {
            query = query.filter(case(&rng).not());
        }
        let query = query.build(&catalog).unwrap();
        let plan = Optimizer::default().optimize(&query, &catalog).unwrap();
        let sorted = |mut rows: Vec<Vec<Value>>| {
            rows.sort();
            rows
        };
        let expected = sorted(evaluate(&query, &catalog).unwrap());
        let found = sorted(execute(&plan, &catalog, &catalog).unwrap().rows);
        assert_eq!(found, expected, "seed {seed}\n{query}\n{}", plan.explain());
        unions += u64::from(has_union(&plan));
    }
    assert!(unions > 60, "only {unions} of 200 plans have a union");
}

#[test]
fn a_case_without_an_index_leaves_a_scan() {
    let catalog = catalog(1);
    let plan = |condition: Term| {
        let query = QueryBuilder::scan("t", "t").filter(condition).build(&catalog).unwrap();
        Optimizer::default().optimize(&query, &catalog).unwrap()
    };
    let of_two = column("a").equal(1).or(column("b").equal(2));
    assert!(has_union(&plan(of_two.clone())), "{}", plan(of_two).explain());
    let one_without = column("a").equal(1).or(column("a").equal(column("b")));
    assert!(!has_union(&plan(one_without.clone())), "{}", plan(one_without).explain());
}
