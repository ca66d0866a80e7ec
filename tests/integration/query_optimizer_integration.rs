//! The optimizer as a program of its own catalog uses it.

use std::sync::Arc;

use lightning_db_optimizer::build::{AggregateTerm, column};
use lightning_db_optimizer::{
    Access, AggregateFunction, AggregateMethod, Catalog, ColumnStatistics, IndexDefinition,
    IndexKind, JoinMethod, JoinType, MemoryCatalog, Operator, Optimizer, Pages, Plan, QueryBuilder,
    Settings, TableId, TableStatistics,
};
use lightning_db_types::ValueType::{I64, Text};

/// Sets how large a table is; each column has so many distinct values.
fn sized(catalog: &mut MemoryCatalog, table: TableId, rows: u64, pages: u64, distinct: &[f64]) {
    let column = |distinct: &f64| ColumnStatistics {
        distinct: *distinct,
        width: 8.0,
        ..ColumnStatistics::default()
    };
    let columns = distinct.iter().map(column).collect();
    let known = TableStatistics { rows, pages, columns, ..TableStatistics::default() };
    catalog.set_statistics(table, known);
}

fn users(rows: u64, pages: u64) -> MemoryCatalog {
    let mut catalog = MemoryCatalog::new();
    let columns = [("id", I64), ("email", Text), ("age", I64)];
    let users = catalog.add_table("users", &columns, &["id"]).unwrap();
    sized(&mut catalog, users, rows, pages, &[1e6, 1e6, 80.0]);
    catalog
}

fn scan() -> QueryBuilder {
    QueryBuilder::scan("users", "u")
}

fn plan(query: &QueryBuilder, catalog: &MemoryCatalog) -> Plan {
    with(query, catalog, Settings::default())
}

fn with(query: &QueryBuilder, catalog: &MemoryCatalog, settings: Settings) -> Plan {
    let query = query.build(catalog).unwrap();
    Optimizer::new(settings).optimize(&query, catalog).unwrap()
}

#[test]
fn a_select_with_a_predicate_has_a_plan() {
    let catalog = users(1_000, 100);
    let plan = plan(&scan().filter(column("age").greater(30)).select(["id"]), &catalog);
    assert!(plan.cost().total > 0.0);
    assert!(plan.rows().point < 1_000.0, "{}", plan.explain());
    assert!(plan.explain().to_string().contains("u.age > 30"), "{}", plan.explain());
}

#[test]
fn the_small_side_of_a_join_is_kept_and_the_large_one_passes() {
    let mut catalog = MemoryCatalog::new();
    let small = catalog.add_table("small", &[("id", I64)], &["id"]).unwrap();
    let large = catalog.add_table("large", &[("id", I64), ("small", I64)], &["id"]).unwrap();
    sized(&mut catalog, small, 100, 1, &[100.0]);
    sized(&mut catalog, large, 1_000_000, 10_000, &[1e6, 100.0]);
    let on = || column("s.id").equal(column("l.small"));
    let (small, large) = (QueryBuilder::scan("small", "s"), QueryBuilder::scan("large", "l"));
    // Whichever is written first.
    for query in [
        small.clone().join(JoinType::Inner, large.clone(), on()),
        large.join(JoinType::Inner, small, on()),
    ] {
        let plan = plan(&query.select(["l.id", "s.id"]), &catalog);
        let joins = plan.nodes().iter().filter_map(|node| match &node.operator {
            Operator::Join { method, left, right, .. } => Some((*method, *left, *right)),
            _ => None,
        });
        let [(method, left, right)] = joins.collect::<Vec<_>>()[..] else {
            panic!("{}", plan.explain())
        };
        let kept = match method {
            JoinMethod::HashRight => right,
            JoinMethod::HashLeft => left,
            _ => panic!("{}", plan.explain()),
        };
        assert!(plan.node(kept).rows.point <= 100.0, "{}", plan.explain());
    }
}

#[test]
fn predicates_that_were_pushed_down_are_told() {
    let mut catalog = users(1_000, 100);
    let orders = catalog.add_table("orders", &[("id", I64), ("user", I64)], &["id"]).unwrap();
    sized(&mut catalog, orders, 10_000, 1_000, &[1e4, 1e3]);
    let query = scan()
        .join(
            JoinType::Inner,
            QueryBuilder::scan("orders", "o"),
            column("o.user").equal(column("u.id")),
        )
        .filter(column("u.age").greater(30));
    let plan = plan(&query, &catalog);
    let pushed = plan.applied().iter().any(|applied| applied.rule.contains("push"));
    assert!(pushed, "{:?}", plan.applied());
    assert!(plan.explain().to_string().contains("Rewritten by"), "{}", plan.explain());
}

#[test]
fn the_index_on_the_column_is_selected() {
    let mut catalog = users(100_000, 2_000);
    let table = catalog.table("users").unwrap();
    let mut index = IndexDefinition::new("idx_email", IndexKind::Ordered, &[1]);
    index.unique = true;
    catalog.add_index(table, index);
    catalog.add_index(table, IndexDefinition::new("idx_age", IndexKind::Ordered, &[2]));
    let query = scan().filter(column("email").equal("ada@example.org"));
    let plan = plan(&query, &catalog);
    let Operator::Access { access: Access::Index(scan), .. } = &plan.node(plan.root()).operator
    else {
        panic!("{}", plan.explain())
    };
    assert_eq!(&*scan.name, "idx_email");
    let rejected = &plan.node(plan.root()).rejected;
    assert!(rejected.iter().any(|other| other.what.contains("scan")), "{rejected:?}");
    assert!(rejected.iter().any(|other| other.what.contains("idx_age")), "{rejected:?}");
}

#[test]
fn a_hundred_pages_with_a_thousand_rows_cost_110() {
    let catalog = users(1_000, 100);
    let settings = Settings { cost_model: Arc::new(Pages::default()), ..Settings::default() };
    let cost = with(&scan(), &catalog, settings).cost().total;
    assert!((cost - 110.0).abs() <= 10.0, "{cost}");
}

#[test]
fn groups_are_hashed_unless_rows_come_in_their_order() {
    let mut catalog = users(1_000_000, 20_000);
    let count = || [("n", AggregateTerm::count_rows())];
    let sum = AggregateTerm::new(AggregateFunction::Sum, column("id"));
    let method = |plan: &Plan| {
        let methods = plan.nodes().iter().filter_map(|node| match &node.operator {
            Operator::Aggregate { method, .. } => Some(*method),
            _ => None,
        });
        methods.collect::<Vec<_>>()
    };
    let hashed = plan(&scan().aggregate(["age"], [("sum", sum)]), &catalog);
    assert_eq!(method(&hashed), [AggregateMethod::Hash], "{}", hashed.explain());
    let table = catalog.table("users").unwrap();
    catalog.add_index(table, IndexDefinition::new("idx_age", IndexKind::Ordered, &[2]));
    let streamed = plan(&scan().aggregate(["age"], count()), &catalog);
    assert_eq!(method(&streamed), [AggregateMethod::Stream], "{}", streamed.explain());
}

#[test]
fn long_scans_are_shared_among_workers() {
    let settings = Settings { workers: 8, ..Settings::default() };
    let large = users(10_000_000, 100_000);
    let query = scan().aggregate(["age"], [("n", AggregateTerm::count_rows())]);
    let shared = with(&query, &large, settings.clone());
    assert!(shared.degree() > 1, "{}", shared.explain());
    assert!(shared.elapsed() < shared.cost().total, "{}", shared.explain());
    let small = users(1_000, 100);
    assert_eq!(with(&query, &small, settings).degree(), 1);
}
