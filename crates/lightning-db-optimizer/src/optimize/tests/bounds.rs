//! Queries that are too large, too deep, or nearly so.

use lightning_db_types::ValueType::I64;

use crate::build::{JoinType, QueryBuilder, column};
use crate::error::Error;
use crate::join::Budget;
use crate::memory::MemoryCatalog;
use crate::optimize::{Optimizer, Settings};
use crate::query::{Node, Query};
use crate::reference::execute;

fn catalog() -> MemoryCatalog {
    let mut catalog = MemoryCatalog::new();
    let table = catalog.add_table("t", &[("id", I64), ("next", I64)], &["id"]).unwrap();
    catalog.set_rows(table, (0..3_i64).map(|id| vec![id.into(), ((id + 1) % 3).into()]).collect());
    catalog
}

fn chain(relations: usize) -> QueryBuilder {
    let mut query = QueryBuilder::scan("t", "r0");
    for number in 1..relations {
        let on = column(format!("r{}.next", number - 1)).equal(column(format!("r{number}.id")));
        query = query.join(JoinType::Inner, QueryBuilder::scan("t", format!("r{number}")), on);
    }
    query.select(["r0.id", "r1.next"])
}

#[test]
fn ten_thousand_relations_are_planned() {
    let catalog = catalog();
    // A tenth in debug builds, where it takes seconds.
    let relations = if cfg!(debug_assertions) { 1_000 } else { 10_000 };
    let relations = std::env::var("OPTIMIZER_RELATIONS")
        .ok()
        .and_then(|it| it.parse().ok())
        .unwrap_or(relations);
    let query = chain(relations).build(&catalog).unwrap();
    let budget = Budget { exact: 1_000, pairs: 20_000 };
    let settings = Settings { join_budget: budget, workers: 4, ..Settings::default() };
    let plan = Optimizer::new(settings).optimize(&query, &catalog).unwrap();
    assert!(plan.nodes().len() >= 2 * relations - 1, "{} nodes", plan.nodes().len());
    assert!(plan.explain().to_string().lines().count() >= 2 * relations - 1);
}

#[test]
fn a_chain_of_many_joins_gives_its_rows() {
    let catalog = catalog();
    let query = chain(200).build(&catalog).unwrap();
    let plan = Optimizer::default().optimize(&query, &catalog).unwrap();
    assert_eq!(execute(&plan, &catalog, &catalog).unwrap().rows.len(), 3);
}

#[test]
fn what_is_too_large_or_too_deep_is_an_error() {
    let catalog = catalog();
    let query = chain(60).build(&catalog).unwrap();
    let settings = Settings { nodes_max: 100, ..Settings::default() };
    let error = Optimizer::new(settings).optimize(&query, &catalog).unwrap_err();
    assert_eq!(error.to_string(), "plan a query of 120 nodes: at most 100 are allowed");
    let mut query = QueryBuilder::scan("t", "r").build(&catalog).unwrap();
    let mut node = query.root().unwrap();
    for _ in 0..500 {
        node = query.add_node(Node::Limit { input: node, limit: Some(1), offset: 0 });
    }
    query.set_root(node);
    let error = Optimizer::default().optimize(&query, &catalog).unwrap_err();
    assert!(matches!(error, Error::TooLarge { what: "nested operators", .. }), "{error}");
}

#[test]
fn a_query_without_a_root_is_an_error() {
    let error = Optimizer::default().optimize(&Query::new(), &catalog()).unwrap_err();
    assert_eq!(error.to_string(), "build a plan: there is no root; set one with set_root");
}

#[test]
fn the_same_query_gives_the_same_plan() {
    let catalog = catalog();
    let query = chain(12).build(&catalog).unwrap();
    let plan = || Optimizer::default().optimize(&query, &catalog).unwrap().explain().json();
    assert_eq!(plan(), plan());
}

#[test]
fn a_plan_has_no_parameter_in_what_it_relies_on() {
    let mut catalog = catalog();
    let table = crate::catalog::TableId(0);
    let mut some =
        crate::catalog::IndexDefinition::new("some", crate::catalog::IndexKind::Ordered, &[1]);
    some.condition = Some(lightning_db_expression::Expression::column(1).greater(5_i64));
    catalog.add_index(table, some);
    let wanted = column("next").greater(crate::build::parameter(0, I64));
    let mut query = QueryBuilder::scan("t", "r").filter(wanted).build(&catalog).unwrap();
    // The value now would imply the condition, but the next one may not.
    query.bind(0, 7_i64.into());
    let plan = Optimizer::default().optimize(&query, &catalog).unwrap();
    assert!(!plan.explain().to_string().contains("by index some"), "{}", plan.explain());
}
