//! Plans by hints, and pinned plans.

use super::catalog::shop;
use crate::build::{AggregateTerm, JoinType, QueryBuilder, column};
use crate::catalog::{Catalog, IndexDefinition, IndexKind};
use crate::hint::{Hints, UnmetReason};
use crate::memory::MemoryCatalog;
use crate::optimize::{Context, Optimizer};
use crate::plan::Plan;

/// Customers of a city, their orders, and what was ordered.
fn ordered() -> QueryBuilder {
    let of = |left: &str, right: &str| column(left).equal(column(right));
    QueryBuilder::scan("customer", "c")
        .join(JoinType::Inner, QueryBuilder::scan("orders", "o"), of("c.id", "o.customer"))
        .join(JoinType::Inner, QueryBuilder::scan("line", "l"), of("o.id", "l.orders"))
        .filter(column("c.city").equal("Oslo"))
        .select(["c.email", "o.day", "l.amount"])
}

fn by(query: &QueryBuilder, catalog: &MemoryCatalog, hints: &str) -> Plan {
    let query = query.build(catalog).unwrap();
    let hints: Hints = hints.parse().unwrap();
    let context = Context::new(catalog).with_hints(&hints);
    Optimizer::default().optimize_with(&query, &context).unwrap()
}

/// Plans by a hint, and checks that the plan is so; without it, that it would not be.
fn check(query: &QueryBuilder, hint: &str) -> Plan {
    let catalog = shop();
    let free = by(query, &catalog, "");
    let pinned = |plan: &Plan| Hints::pin(plan).to_string();
    assert!(!pinned(&free).contains(hint), "{hint} is chosen anyway:\n{}", free.explain());
    let plan = by(query, &catalog, hint);
    assert!(plan.unmet().is_empty(), "{:?}\n{}", plan.unmet(), plan.explain());
    assert!(plan.cost().total < 1e14, "{}", plan.explain());
    plan
}

#[test]
fn orders_and_methods_of_joins_are_followed() {
    let query = ordered();
    for hint in ["order(c (o l))", "order((l o) c)", "hash(c o / o)", "merge(c o)"] {
        check(&query, hint);
    }
    for hint in ["loop(c o)", "hash(c l o / l)", "merge(c l o)", "order(l (c o)) hash(c o / o)"] {
        check(&query, hint);
    }
    let plan = check(&query, "order(c (o l)) merge(o l)");
    let text = plan.explain().to_string();
    assert!(text.contains("Merge join"), "{text}");
}

#[test]
fn ways_to_rows_are_followed() {
    let city = QueryBuilder::scan("customer", "c").filter(column("city").equal("Oslo"));
    check(&city, "scan(c)");
    let day = column("day").greater(990).and(column("state").equal(1));
    let orders = QueryBuilder::scan("orders", "o").filter(day);
    let plan = check(&orders, "index(o by_state_day)");
    let rejected = &plan.node(plan.root()).rejected;
    let spoken = rejected.iter().find(|it| it.what.contains("open_by_day")).unwrap();
    assert!(spoken.cost.is_none() && spoken.reason.contains("hint"), "{spoken:?}");
    check(&ordered(), "scan(o)");
}

#[test]
fn rows_of_several_indexes_are_followed() {
    let both = column("customer").equal(9).and(column("state").equal(1));
    let orders = QueryBuilder::scan("orders", "o").filter(both.and(column("day").greater(990)));
    let plan = check(&orders, "index(o by_customer by_state_day)");
    let text = plan.explain().to_string();
    assert!(text.contains("rows of all of"), "{text}");
    check(&orders, "index(o open_by_day by_customer by_state_day)");
    let either = column("customer").less(80_000).or(column("id").equal(5));
    let orders = QueryBuilder::scan("orders", "o").filter(either);
    let plan = check(&orders, "index(o by_customer orders_key)");
    let text = plan.explain().to_string();
    assert!(text.contains("rows of any of"), "{text}");
    // Without a condition that it answers, an index is of no use.
    let plan = by(&orders, &shop(), "index(o by_customer notes)");
    let reasons: Vec<&UnmetReason> = plan.unmet().iter().map(|it| &it.reason).collect();
    assert_eq!(reasons, [&UnmetReason::Impossible], "{}", plan.explain());
    assert!(plan.cost().total < 1e14, "{}", plan.explain());
}

#[test]
fn rows_of_several_indexes_stay_pinned() {
    let mut catalog = shop();
    let both = column("user").equal(7).and(column("kind").equal(12));
    let query = QueryBuilder::scan("event", "e").filter(both);
    let pins = Hints::pin(&by(&query, &catalog, ""));
    assert_eq!(pins.to_string(), "index(e user_set kind_set)");
    // Few events are left: one set is enough, or none.
    let events = catalog.table("event").unwrap();
    let mut known = (*catalog.statistics(events).unwrap()).clone();
    (known.rows, known.pages) = (100, 2);
    catalog.set_statistics(events, known);
    assert_ne!(Hints::pin(&by(&query, &catalog, "")), pins);
    let pinned = by(&query, &catalog, &pins.to_string());
    assert!(pinned.unmet().is_empty(), "{:?}\n{}", pinned.unmet(), pinned.explain());
    assert_eq!(Hints::pin(&pinned), pins);
    // One of both has other columns now.
    catalog.change(events, |definition| {
        let set = definition.indexes.iter_mut().find(|it| it.name == "kind_set").unwrap();
        *set = IndexDefinition::new("kind_set", IndexKind::Bitmap, &[3]);
    });
    let unmet = by(&query, &catalog, &pins.to_string()).unmet().to_vec();
    assert_eq!(unmet.len(), 1);
    assert_eq!(unmet[0].reason, UnmetReason::Impossible);
}

#[test]
fn methods_of_aggregates_are_followed() {
    let count = [("n", AggregateTerm::count_rows())];
    let of = QueryBuilder::scan("orders", "o").aggregate(["customer"], count);
    check(&of, "aggregate(stream)");
}

#[test]
fn what_cannot_be_followed_is_told_and_the_rest_is_followed() {
    let catalog = shop();
    let hints = "order((c l) o) index(c by_night) scan(x) merge(c o) each(c o l / c)";
    let plan = by(&ordered(), &catalog, hints);
    let reasons: Vec<&UnmetReason> = plan.unmet().iter().map(|it| &it.reason).collect();
    let index = UnmetReason::UnknownIndex { relation: "c".into(), index: "by_night".into() };
    let unknown = UnmetReason::UnknownRelation("x".into());
    assert_eq!(
        reasons,
        [&UnmetReason::Impossible, &index, &unknown, &UnmetReason::Impossible],
        "{}",
        plan.explain()
    );
    let text = plan.explain().to_string();
    assert!(text.contains("Merge join"), "{text}");
    assert!(
        text.contains("Hint not followed: index(c by_night): c has no index by_night"),
        "{text}"
    );
    assert!(plan.explain().json().contains("\"unmet_hints\":[{\"hint\":\"order((c l) o)\""));
    assert!(plan.cost().total < 1e14, "{text}");
}

#[test]
fn an_outer_join_is_not_turned_by_a_hint() {
    let catalog = shop();
    let on = column("c.id").equal(column("o.customer"));
    let query = QueryBuilder::scan("customer", "c")
        .join(JoinType::Left, QueryBuilder::scan("orders", "o"), on)
        .join(
            JoinType::Inner,
            QueryBuilder::scan("product", "p"),
            column("c.id").equal(column("p.id")),
        )
        .select(["c.email", "o.day", "p.name"]);
    let plan = by(&query, &catalog, "order((o p) c)");
    assert_eq!(plan.unmet().len(), 1, "{}", plan.explain());
    let plan = by(&query, &catalog, "order(o (p c))");
    assert!(plan.unmet().is_empty(), "{}", plan.explain());
}

#[test]
fn a_pinned_plan_stays_until_it_no_longer_fits() {
    let mut catalog = shop();
    let query = ordered();
    let plan = by(&query, &catalog, "");
    let pins = Hints::pin(&plan);
    // All customers live in Oslo now, and there are few lines.
    for (name, rows) in [("customer", 50_000_000), ("line", 10)] {
        let table = catalog.table(name).unwrap();
        let mut known = (*catalog.statistics(table).unwrap()).clone();
        (known.rows, known.pages) = (rows, rows / 50 + 1);
        catalog.set_statistics(table, known);
    }
    let free = by(&query, &catalog, "");
    assert_ne!(Hints::pin(&free), pins, "{}", free.explain());
    let pinned = by(&query, &catalog, &pins.to_string());
    assert!(pinned.unmet().is_empty(), "{:?}", pinned.unmet());
    assert_eq!(Hints::pin(&pinned), pins, "{}", pinned.explain());
    // An index of the plan is dropped.
    let dropped = "city_set";
    let customers = catalog.table("customer").unwrap();
    catalog.change(customers, |definition| definition.indexes.retain(|it| it.name != dropped));
    let unmet = by(&query, &catalog, &pins.to_string()).unmet().to_vec();
    assert!(pins.to_string().contains(dropped), "{pins}");
    let reason = UnmetReason::UnknownIndex { relation: "c".into(), index: dropped.into() };
    assert!(unmet.iter().any(|it| it.reason == reason), "{unmet:?}");
}

#[test]
fn relations_of_one_alias_are_numbered() {
    let mut catalog = MemoryCatalog::new();
    let columns = [("id", lightning_db_types::ValueType::I64)];
    let table = catalog.add_table("a", &columns, &["id"]).unwrap();
    catalog.add_index(table, IndexDefinition::new("key", IndexKind::Clustered, &[0]));
    let inner = QueryBuilder::scan("a", "x").limit(5, 0).select(["id"]);
    let query = QueryBuilder::scan("a", "x").filter(column("id").in_query(inner));
    let pins = Hints::pin(&by(&query, &catalog, "")).to_string();
    assert!(pins.contains("x#1") && pins.contains("x#2"), "{pins}");
}
