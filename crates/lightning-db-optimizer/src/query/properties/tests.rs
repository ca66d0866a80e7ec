//! Properties that are known, and properties of random queries against their rows.

use std::collections::HashSet;

use lightning_db_types::Value;
use lightning_db_types::ValueType::I64;

use super::*;
use crate::build::{AggregateTerm, JoinType, QueryBuilder, column};
use crate::memory::MemoryCatalog;
use crate::reference::{Profile, evaluate, evaluate_node, random_catalog, random_query};

fn properties(query: &Query, catalog: &MemoryCatalog) -> Arc<Properties> {
    PropertyCache::default().of(query, catalog, query.root().unwrap())
}

fn named(query: &Query, columns: &ColumnSet) -> Vec<String> {
    columns.iter().map(|column| query.column_name(*column)).collect()
}

fn catalog() -> MemoryCatalog {
    let mut catalog = MemoryCatalog::new();
    catalog.add_table("a", &[("id", I64), ("x", I64)], &["id"]).unwrap();
    catalog.add_table("b", &[("id", I64), ("a", I64)], &["id"]).unwrap();
    catalog
}

#[test]
fn a_join_by_the_key_of_one_side_keeps_the_key_of_the_other() {
    let same = || column("b.a").equal(column("a.id"));
    let join = |kind| QueryBuilder::scan("b", "b").join(kind, QueryBuilder::scan("a", "a"), same());
    let catalog = catalog();
    for kind in [JoinType::Inner, JoinType::Left] {
        let query = join(kind).build(&catalog).unwrap();
        let found = properties(&query, &catalog);
        let keys: Vec<_> = found.keys.iter().map(|key| named(&query, key)).collect();
        assert_eq!(keys, [["b.id"]]);
        let nullable = named(&query, &found.nullable);
        let expected: &[&str] =
            if kind == JoinType::Inner { &["a.x"] } else { &["b.a", "a.id", "a.x"] };
        assert_eq!(nullable, expected);
    }
}

#[test]
fn a_row_that_is_found_by_its_key_is_the_only_one() {
    let catalog = catalog();
    let one = QueryBuilder::scan("a", "a").filter(column("id").equal(1));
    assert!(properties(&one.build(&catalog).unwrap(), &catalog).is_single());
    let none: [&str; 0] = [];
    let total = QueryBuilder::scan("a", "a").aggregate(none, [("n", AggregateTerm::count_rows())]);
    assert!(properties(&total.build(&catalog).unwrap(), &catalog).is_single());
    let many = QueryBuilder::scan("a", "a").filter(column("x").equal(1));
    assert!(!properties(&many.build(&catalog).unwrap(), &catalog).is_single());
}

#[test]
fn an_order_lasts_through_a_projection_that_keeps_its_columns() {
    let catalog = catalog();
    let sorted = QueryBuilder::scan("a", "a")
        .order_by([column("x").descending(), column("id").ascending()])
        .select([column("x").named("y")]);
    let query = sorted.build(&catalog).unwrap();
    let found = properties(&query, &catalog);
    assert_eq!(query.order_text(&found.order), "y DESC");
}

/// Each property of each node that uses no column from outside is true of its rows.
#[test]
fn properties_of_random_queries_are_true_of_their_rows() {
    let (mut keys, mut classes, mut nodes) = (0, 0, 0);
    for seed in 0..1_000 {
        let catalog = random_catalog(seed).unwrap();
        let query = random_query(seed, Profile::default(), &catalog).unwrap();
        if evaluate(&query, &catalog).is_err() {
            continue;
        }
        let mut cache = PropertyCache::default();
        for id in query.post_order(query.root().unwrap()) {
            if !query.free_columns(id).is_empty() {
                continue;
            }
            let Ok(rows) = evaluate_node(&query, id, &catalog) else { continue };
            let found = cache.of(&query, &catalog, id);
            check_rows(seed, &query, id, &found, &rows);
            keys += found.keys.len();
            classes += found.classes.len();
            nodes += 1;
        }
    }
    assert!(keys > nodes / 2 && classes > 100, "{keys} keys, {classes} classes, {nodes} nodes");
}

fn check_rows(seed: u64, query: &Query, id: NodeId, found: &Properties, rows: &[Vec<Value>]) {
    let output = query.output(id);
    let at = |column: &ColumnId| output.iter().position(|known| known == column).unwrap();
    let of = |row: &Vec<Value>, set: &ColumnSet| -> Vec<Value> {
        set.iter().map(|column| row[at(column)].clone()).collect()
    };
    let fail = |what: &str| panic!("seed {seed}, node {}: {what}\n{found:?}\n{query}", id.index());
    for key in &found.keys {
        let mut found_before = HashSet::new();
        if !rows.iter().all(|row| found_before.insert(of(row, key))) {
            fail("a key repeats");
        }
    }
    for (determinant, dependents) in &found.dependencies {
        let mut known = HashMap::new();
        for row in rows {
            let value = of(row, dependents);
            let first = known.entry(of(row, determinant)).or_insert_with(|| value.clone());
            if *first != value {
                fail("a dependency does not hold");
            }
        }
    }
    for row in rows {
        for class in &found.classes {
            let values = of(row, class);
            if values.iter().any(|value| *value != values[0]) {
                fail("columns of a class differ");
            }
        }
        for column in output.iter().filter(|column| !found.nullable.contains(column)) {
            if row[at(column)].is_null() {
                fail("a column is null");
            }
        }
    }
}
