//! What is shown of plans.

use std::time::Duration;

use expect_test::expect;
use lightning_db_types::ValueType::{I64, Text};
use lightning_db_types::{Rng, SeededRng};

use super::*;
use crate::build::{JoinType, QueryBuilder, column};
use crate::catalog::{IndexDefinition, IndexKind};
use crate::cost::Pages;
use crate::memory::MemoryCatalog;
use crate::optimize::{Optimizer, Settings};
use crate::reference::execute;

fn catalog() -> MemoryCatalog {
    let mut catalog = MemoryCatalog::new();
    let city = catalog.add_table("city", &[("id", I64), ("name", Text)], &["id"]).unwrap();
    let person = catalog.add_table("person", &[("id", I64), ("city", I64)], &["id"]).unwrap();
    catalog.add_index(person, IndexDefinition::new("by_city", IndexKind::Ordered, &[1]));
    let rng = SeededRng::new(1);
    let number = |number: u64| i64::try_from(number).unwrap().into();
    let cities = (0..20).map(|id| vec![number(id), format!("c\"{id}").into()]);
    catalog.set_rows(city, cities.collect());
    let people = (0..500).map(|id| vec![number(id), number(rng.below(20))]);
    catalog.set_rows(person, people.collect());
    catalog
}

fn plan(catalog: &MemoryCatalog) -> crate::plan::Plan {
    let query = QueryBuilder::scan("city", "c")
        .filter(column("name").equal("c\"7"))
        .join(
            JoinType::Inner,
            QueryBuilder::scan("person", "p"),
            column("p.city").equal(column("c.id")),
        )
        .select(["p.id"])
        .build(catalog)
        .unwrap();
    let settings = Settings {
        cost_model: std::sync::Arc::new(Pages::default()),
        rewrites: false,
        ..Settings::default()
    };
    Optimizer::new(settings).optimize(&query, catalog).unwrap()
}

/// The text in lines of a bearable width.
fn broken(explain: &Explain<'_>) -> String {
    explain.to_string().replace("  (", "\n            (")
}

#[test]
fn text_has_estimates_costs_and_what_was_rejected() {
    let text = broken(&plan(&catalog()).explain().with_rejected());
    expect![[r#"
        Project p.id
                    (rows 1.98 [0..500] default, cost 10.12..11.87 pages)
          Nested loop join p.city = c.id
                    (rows 1.98 [0..500] default, cost 10.12..11.87 pages)
              not hash join, left side in the table, cost 12.63: costs 1.05 times as much
              not hash join, right side in the table, cost 17.63: costs 1.46 times as much
            Access c by scan, filter c.name = 'c"7'
                    (rows 0.20 [0..4.15] default, cost 0..1.25 pages)
            Access p by scan
                    (rows 500 exact, cost 0..10.12 pages)
                not index by_city backward, cost 32.65: costs 3.22 times as much"#]]
    .assert_eq(&text);
}

#[test]
fn actual_rows_stand_beside_the_estimates() {
    let catalog = catalog();
    let plan = plan(&catalog);
    let run = execute(&plan, &catalog, &catalog).unwrap();
    let timed = run
        .actual
        .into_iter()
        .map(|(id, actual)| (id, Actual { time: Some(Duration::from_micros(3)), ..actual }));
    let explain = plan.explain().with_actual(timed);
    expect![[r#"
        Project p.id
                    (rows 1.98 [0..500] default, cost 10.12..11.87 pages)
                    (actual 22 in 3.00 us, q-error 11.09 !)
          Nested loop join p.city = c.id
                    (rows 1.98 [0..500] default, cost 10.12..11.87 pages)
                    (actual 22 in 3.00 us, q-error 11.09 !)
            Access c by scan, filter c.name = 'c"7'
                    (rows 0.20 [0..4.15] default, cost 0..1.25 pages)
                    (actual 1 in 3.00 us, q-error 1.00)
            Access p by scan
                    (rows 500 exact, cost 0..10.12 pages)
                    (actual 500 in 3.00 us, q-error 1.00)"#]]
    .assert_eq(&broken(&explain));
    let root = Actual::rows(10_000);
    let wrong = plan.explain().with_actual([(plan.root(), root)]);
    assert!(wrong.to_string().contains(" !)"), "{wrong}");
    assert!(wrong.to_string().contains("never ran"), "{wrong}");
    assert!(wrong.q_error_max().unwrap() >= MARK);
}

#[test]
fn json_is_json() {
    let catalog = catalog();
    let plan = plan(&catalog);
    let run = execute(&plan, &catalog, &catalog).unwrap();
    let json = plan.explain().with_actual(run.actual).json();
    let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
    let nodes = parsed["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), plan.nodes().len());
    let root = &nodes[usize::try_from(parsed["root"].as_u64().unwrap()).unwrap()];
    assert_eq!(root["columns"][0], "p.id");
    assert_eq!(parsed["unit"], "pages");
    let access = nodes.iter().find(|node| node["detail"].as_str().unwrap().contains("c\"7"));
    assert!(access.unwrap()["q_error"].as_f64().unwrap() >= 1.0);
    assert!(nodes.iter().any(|node| !node["rejected"].as_array().unwrap().is_empty()));
}

#[test]
fn a_graph_has_each_node_once_and_each_edge() {
    let plan = plan(&catalog());
    let dot = plan.explain().graphviz();
    expect![[r#"
        digraph plan {
          rankdir=BT;
          node [shape=box];
          n3 [label="Project\np.id\n11.87 pages"];
          n2 -> n3 [label="1.98"];
          n2 [label="Nested loop join\np.city = c.id\n11.87 pages"];
          n0 -> n2 [label="0.20"];
          n1 -> n2 [label="500"];
          n0 [label="Access\nc by scan, filter c.name = 'c\"7'\n1.25 pages"];
          n1 [label="Access\np by scan\n10.12 pages"];
        }
    "#]]
    .assert_eq(&dot);
}
