//! The optimizer as a program of its own catalog uses it.

use std::sync::Arc;

use lightning_db_optimizer::build::{AggregateTerm, Order, column};
use lightning_db_optimizer::cache::{CacheKey, Lookup, PlanCache, Question};
use lightning_db_optimizer::learning::Memory;
use lightning_db_optimizer::{
    Access, Actual, AggregateFunction, AggregateMethod, Catalog, ColumnStatistics, Context, Hints,
    IndexDefinition, IndexKind, JoinMethod, JoinType, MemoryCatalog, Operator, Optimizer, Pages,
    Plan, QueryBuilder, Settings, TableId, TableStatistics,
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
    // A scan and a hash table cost less than all entries in order, but not than the first ones.
    let all = scan().aggregate(["age"], count());
    let hashed = plan(&all, &catalog);
    assert_eq!(method(&hashed), [AggregateMethod::Hash], "{}", hashed.explain());
    let by_age = Order { nulls_first: true, ..column("age").ascending() };
    let first = all.order_by([by_age]).limit(5, 0);
    let streamed = plan(&first, &catalog);
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

#[test]
fn a_plan_that_was_made_is_found_again() {
    let mut catalog = users(100_000, 2_000);
    let table = catalog.table("users").unwrap();
    catalog.add_index(table, IndexDefinition::new("idx_email", IndexKind::Ordered, &[1]));
    let query = scan().filter(column("email").equal("ada@example.org"));
    let mut cache: PlanCache<String> = PlanCache::new(100);
    let mut found = Vec::new();
    for _ in 0..2 {
        let version = catalog.version();
        let key = CacheKey { query: b"users by email", types: &[Text], settings: 0, version };
        let question = Question { key, selectivities: &[1e-6], epoch: 1 };
        let digest = |table| Some(catalog.statistics(table)?.digest());
        if let Lookup::Hit(text) = cache.find(&question, digest) {
            found.push(text.clone());
            continue;
        }
        let text = plan(&query, &catalog).explain().to_string();
        let statistics = vec![(table, catalog.statistics(table).unwrap().digest())];
        cache.insert(&question, statistics, text.clone());
        found.push(text);
    }
    let counters = cache.counters();
    assert_eq!((counters.hits, counters.misses), (1, 1));
    assert_eq!(found[0], found[1]);
}

/// Orders of users of one age and city, which are the same users: statistics do not know.
fn together(catalog: &mut MemoryCatalog) -> QueryBuilder {
    let columns = [("id", I64), ("city", I64), ("age", I64)];
    let users = catalog.add_table("users", &columns, &["id"]).unwrap();
    let orders = catalog.add_table("orders", &[("id", I64), ("user", I64)], &["id"]).unwrap();
    sized(catalog, users, 1_000_000, 20_000, &[1e6, 1e3, 1e3]);
    sized(catalog, orders, 500_000, 10_000, &[5e5, 4e5]);
    catalog.add_index(orders, IndexDefinition::new("by_user", IndexKind::Ordered, &[1]));
    let same = column("u.city").equal(7).and(column("u.age").equal(7));
    let on = column("o.user").equal(column("u.id"));
    scan().filter(same).join(JoinType::Inner, QueryBuilder::scan("orders", "o"), on)
}

#[test]
fn feedback_makes_a_plan_cheaper_by_a_fifth() {
    let mut catalog = MemoryCatalog::new();
    let query = together(&mut catalog).build(&catalog).unwrap();
    let optimizer = Optimizer::default();
    let mut memory = Memory::new(1_000);
    let first = optimizer.optimize(&query, &catalog).unwrap();
    // A hundred thousand users are found, not one; each has an order or two.
    let counted = |plan: &Plan| {
        let of = |id| match &plan.node(id).operator {
            Operator::Access { alias, .. } if &**alias == "u" => Some((id, Actual::rows(100_000))),
            Operator::Join { .. } => Some((id, Actual::rows(125_000))),
            _ => None,
        };
        plan.below(plan.root()).into_iter().filter_map(of).collect::<Vec<_>>()
    };
    for _ in 0..3 {
        memory.observe_plan(&first, counted(&first));
    }
    let context = Context::new(&catalog).with_learned(&memory);
    let second = optimizer.optimize_with(&query, &context).unwrap();
    // What the first plan costs, now that it is known what it finds.
    let pins = Hints::pin(&first);
    let again = optimizer.optimize_with(&query, &context.with_hints(&pins)).unwrap();
    assert!(again.unmet().is_empty(), "{:?}", again.unmet());
    assert_eq!(Hints::pin(&again), pins);
    let (before, after) = (again.cost().total, second.cost().total);
    assert!(after <= 0.8 * before, "{}\n{}", again.explain(), second.explain());
}
