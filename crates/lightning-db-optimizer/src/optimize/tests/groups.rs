//! Groups that are searched for by their columns, for each row of another side.

use expect_test::expect;
use lightning_db_types::ValueType::I64;
use lightning_db_types::{Rng, SeededRng, Value};

use super::catalog::shop;
use super::random::sorted;
use crate::build::{AggregateTerm, JoinType, QueryBuilder, column, literal};
use crate::catalog::{Catalog, IndexDefinition, IndexKind};
use crate::memory::MemoryCatalog;
use crate::optimize::Optimizer;
use crate::plan::{JoinMethod, Operator, Plan, PlanId};
use crate::query::AggregateFunction;
use crate::reference::{evaluate, execute};
use crate::statistics::StatisticsBuilder;

fn sum(of: &str) -> AggregateTerm {
    AggregateTerm::new(AggregateFunction::Sum, column(of))
}

#[test]
fn groups_of_few_rows_are_gathered_for_each() {
    let catalog = shop();
    let of_customer = QueryBuilder::scan("orders", "o")
        .filter(column("o.state").greater(2))
        .aggregate(["o.customer"], [("last", sum("o.day"))]);
    let query = QueryBuilder::scan("customer", "c")
        .filter(column("c.email").equal("ada@example.org"))
        .join(JoinType::Inner, of_customer, column("o.customer").equal(column("c.id")))
        .select(["c.city", "last"]);
    let query = query.build(&catalog).unwrap();
    let plan = Optimizer::default().optimize(&query, &catalog).unwrap();
    let text = plan.explain().without_costs().to_string();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("Rewritten")).collect();
    let expected = expect![[r"
        Project c.city, last
          For each join
            Access c by index by_email (= 'ada@example.org')
            Hash aggregate by o.customer: sum(o.day)
              Access o by index by_customer (= c.id), filter o.state > 2"]];
    expected.assert_eq(&lines.join("\n"));
}

/// A few rows, and many with an index on one column of few values; a fifth of them null.
fn catalog(seed: u64) -> MemoryCatalog {
    let rng = SeededRng::new(seed);
    let mut catalog = MemoryCatalog::new();
    let value = |most: u64| match rng.below(5) {
        0 => Value::Null,
        _ => Value::from(i64::try_from(rng.below(most)).unwrap()),
    };
    for (name, rows) in [("few", 5_i64), ("many", 300)] {
        let columns = [("id", I64), ("a", I64), ("b", I64), ("c", I64)];
        let table = catalog.add_table(name, &columns, &["id"]).unwrap();
        let rows: Vec<Vec<Value>> =
            (0..rows).map(|id| vec![id.into(), value(60), value(4), value(100)]).collect();
        let mut made = StatisticsBuilder::new(&catalog.definition(table), seed);
        for row in &rows {
            made.add(row);
        }
        catalog.set_rows(table, rows);
        // Pages with one row each: it pays to fetch few of them.
        catalog.set_statistics(table, made.finish(300));
        catalog.add_index(table, IndexDefinition::new("by_a", IndexKind::Ordered, &[1]));
    }
    catalog
}

/// A query that joins a few rows with groups of many.
fn query(rng: &SeededRng) -> QueryBuilder {
    let mut many = QueryBuilder::scan("many", "m");
    if rng.one_in(2) {
        many = many.filter(column("m.c").less(60));
    }
    let mut on = column("m.a").equal(column("f.a"));
    let sum = ("sum", sum("m.c"));
    let mut groups = if rng.one_in(2) {
        many.aggregate(["m.a"], [sum])
    } else {
        if rng.one_in(2) {
            on = on.and(column("m.b").equal(column("f.b")));
        }
        many.aggregate(["m.a", "m.b"], [sum, ("n", AggregateTerm::count_rows())])
    };
    if rng.one_in(3) {
        groups = groups.filter(column("sum").greater(20));
    }
    if rng.one_in(3) {
        on = on.and(column("sum").greater(column("f.c")));
    }
    let kinds = [JoinType::Inner, JoinType::Left, JoinType::Semi, JoinType::Anti];
    let kind = kinds[usize::try_from(rng.below(4)).unwrap()];
    QueryBuilder::scan("few", "f").filter(literal(true)).join(kind, groups, on)
}

/// Whether a plan gathers groups for each row of another side.
fn gathers_for_each(plan: &Plan) -> bool {
    let is_aggregate = |id: PlanId| {
        matches!(plan.node(id).operator, Operator::Aggregate { .. } | Operator::Filter { .. })
    };
    plan.nodes().iter().any(|node| match &node.operator {
        Operator::Join { method: JoinMethod::ForEach, right, .. } => is_aggregate(*right),
        _ => false,
    })
}

#[test]
fn groups_that_are_gathered_for_each_are_those_of_all() {
    let mut gathered = 0;
    for seed in 0..300 {
        let catalog = catalog(seed % 10);
        let query = query(&SeededRng::new(seed)).build(&catalog).unwrap();
        let plan = Optimizer::default().optimize(&query, &catalog).unwrap();
        let expected = sorted(evaluate(&query, &catalog).unwrap());
        let found = sorted(execute(&plan, &catalog, &catalog).unwrap().rows);
        assert_eq!(found, expected, "seed {seed}\n{query}\n{}", plan.explain());
        gathered += u64::from(gathers_for_each(&plan));
    }
    assert!(gathered > 100, "only {gathered} of 300 plans gather groups for each row");
}
