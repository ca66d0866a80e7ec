//! Indexes that are not there.

use lightning_db_types::ValueType::{I64, Text};

use super::*;
use crate::build::{JoinType, QueryBuilder, column};
use crate::catalog::IndexKind;
use crate::estimate::Source;
use crate::query::Query;
use crate::{ColumnStatistics, MemoryCatalog, Optimizer};

/// People of cities, without any index.
fn catalog() -> MemoryCatalog {
    let mut catalog = MemoryCatalog::new();
    let mut add = |name: &str, columns: &[_], rows: u64, distinct: &[f64]| {
        let table = catalog.add_table(name, columns, &["id"]).unwrap();
        let column = |distinct: &f64| ColumnStatistics {
            distinct: *distinct,
            width: 16.0,
            ..ColumnStatistics::default()
        };
        let columns = distinct.iter().map(column).collect();
        let known = TableStatistics { rows, pages: rows / 50, columns, ..Default::default() };
        catalog.set_statistics(table, known);
    };
    let person = [("id", I64), ("city", I64), ("age", I64), ("name", Text)];
    add("city", &[("id", I64), ("name", Text)], 20_000, &[2e4, 19_000.0]);
    add("person", &person, 3_000_000, &[3e6, 2e4, 100.0, 1e6]);
    catalog
}

fn queries(catalog: &MemoryCatalog) -> Vec<Query> {
    let person = || QueryBuilder::scan("person", "p");
    let of_city = person().filter(column("city").equal(7).and(column("age").greater(60)));
    let living = QueryBuilder::scan("city", "c")
        .join(JoinType::Inner, person(), column("p.city").equal(column("c.id")))
        .filter(column("c.name").equal("Oslo"));
    let all = person().filter(column("age").greater(1));
    let made = [of_city.select(["name"]), living.select(["p.name"]), all.select(["name"])];
    made.map(|query| query.build(catalog).unwrap()).to_vec()
}

#[test]
fn the_indexes_that_save_most_come_first() {
    let catalog = catalog();
    let queries = queries(&catalog);
    let workload: Vec<(&Query, f64)> = queries.iter().map(|query| (query, 1.0)).collect();
    let optimizer = Optimizer::default();
    let limits = ProposalLimits { gain_min: 0.001, ..ProposalLimits::default() };
    let found = propose_indexes(&optimizer, &catalog, &workload, limits).unwrap();
    let names: Vec<&str> = found.iter().map(|it| it.index.name.as_str()).collect();
    assert!(!found.is_empty() && found[0].index.parts.len() <= 2, "{names:?}");
    let person = catalog.table("person").unwrap();
    // The one on the city serves a look-up and a join.
    assert!(found[0].table == person && found[0].queries.starts_with(&[0, 1]), "{names:?}");
    for pair in found.windows(2) {
        assert!((pair[0].after - pair[1].before).abs() < 1e-6 * pair[0].after, "{names:?}");
        let saved = |it: &IndexProposal| it.before - it.after;
        assert!(saved(&pair[0]) >= saved(&pair[1]) * 0.99, "{names:?}");
    }
    // With them in place nothing is left to propose, and plans use them.
    let mut with = catalog.clone();
    for it in &found {
        with.add_index(it.table, it.index.clone());
    }
    let again = propose_indexes(&optimizer, &with, &workload, limits).unwrap();
    assert!(again.is_empty(), "{again:?}");
    let plan = optimizer.optimize(&queries[0], &with).unwrap();
    let cost: f64 =
        queries.iter().map(|it| optimizer.optimize(it, &with).unwrap().cost().total).sum();
    let last = found.last().unwrap().after;
    assert!((cost - last).abs() < 0.01 * last, "{cost} {last}");
    assert!(plan.explain().to_string().contains(names[0]), "{}", plan.explain());
}

#[test]
fn weights_decide_and_small_gains_are_left() {
    let catalog = catalog();
    let queries = queries(&catalog);
    let optimizer = Optimizer::default();
    let limits = ProposalLimits { gain_min: 0.2, ..ProposalLimits::default() };
    let rare = [(&queries[0], 1e-3), (&queries[2], 1.0)];
    let found = propose_indexes(&optimizer, &catalog, &rare, limits).unwrap();
    let of_city = |it: &IndexProposal| it.index.name.starts_with("person_city");
    assert!(!found.iter().any(of_city), "{found:?}");
    let often = [(&queries[0], 1e3), (&queries[2], 1.0)];
    let found = propose_indexes(&optimizer, &catalog, &often, limits).unwrap();
    assert!(of_city(&found[0]), "{found:?}");
    let none = ProposalLimits { indexes_max: 0, ..limits };
    assert!(propose_indexes(&optimizer, &catalog, &often, none).unwrap().is_empty());
}

/// A catalog whose indexes say by their position how many entries they have.
#[derive(Debug)]
struct Counting(MemoryCatalog);

impl Catalog for Counting {
    fn table(&self, name: &str) -> Option<TableId> {
        self.0.table(name)
    }

    fn table_names(&self) -> Vec<String> {
        self.0.table_names()
    }

    fn definition(&self, table: TableId) -> Arc<TableDefinition> {
        self.0.definition(table)
    }

    fn statistics(&self, table: TableId) -> Option<Arc<TableStatistics>> {
        self.0.statistics(table)
    }

    fn estimate(&self, probe: &Probe<'_>) -> Option<Estimate> {
        let rows = [10.0, 20.0][probe.index];
        Some(Estimate::new(rows, rows, rows, Source::Index))
    }

    fn version(&self) -> u64 {
        self.0.version()
    }
}

#[test]
fn estimates_are_those_of_the_index_that_is_there() {
    let mut catalog = catalog();
    let person = catalog.table("person").unwrap();
    catalog.add_index(person, IndexDefinition::new("one", IndexKind::Ordered, &[1]));
    catalog.add_index(person, IndexDefinition::new("two", IndexKind::Ordered, &[2]));
    let base = Counting(catalog);
    let more = IndexDefinition::new("more", IndexKind::Ordered, &[3]);
    let with = WhatIf::new(&base).without_index(person, "one").with_index(person, more);
    let names: Vec<String> =
        with.definition(person).indexes.iter().map(|index| index.name.clone()).collect();
    assert_eq!(names, ["two", "more"]);
    let estimate = |catalog: &dyn Catalog, index| {
        let probe = Probe { table: person, index, conditions: &[] };
        catalog.estimate(&probe).map(|it| it.point)
    };
    assert_eq!(estimate(&with, 0), Some(20.0), "the second one, which is now the first");
    assert_eq!(estimate(&with, 1), None, "nothing is known of one that is not there");
    assert_eq!(estimate(&WhatIf::new(&base), 0), Some(10.0));
    assert_eq!((with.version(), with.table("person")), (base.version(), Some(person)));
}
