//! Names, types and shapes, right and wrong.

use expect_test::{Expect, expect};
use lightning_db_types::ValueType::{Bool, I64, Text};

use super::*;
use crate::memory::MemoryCatalog;
use crate::query::AggregateFunction;

fn catalog() -> MemoryCatalog {
    let mut catalog = MemoryCatalog::new();
    catalog.add_table("customer", &[("id", I64), ("city", Text)], &["id"]).unwrap();
    let orders = [("id", I64), ("customer", I64), ("total", I64), ("open", Bool)];
    catalog.add_table("orders", &orders, &["id"]).unwrap();
    catalog
}

fn check(query: &QueryBuilder, expected: &Expect) {
    expected.assert_eq(&query.build(&catalog()).unwrap().to_string());
}

fn refuse(query: &QueryBuilder, expected: &str) {
    assert_eq!(query.build(&catalog()).unwrap_err().to_string(), expected);
}

fn orders() -> QueryBuilder {
    QueryBuilder::scan("orders", "o")
}

fn customers() -> QueryBuilder {
    QueryBuilder::scan("customer", "c")
}

fn same() -> Term {
    column("o.customer").equal(column("c.id"))
}

#[test]
fn steps_become_operators() {
    let sum = AggregateTerm::new(AggregateFunction::Sum, column("total"));
    let query = orders()
        .join(JoinType::Left, customers(), same())
        .filter(column("total").between(1, 9).and(column("open")))
        .aggregate(["city"], [("sum", sum)])
        .filter(column("sum").greater(100))
        .order_by([column("sum").times(2).descending()])
        .limit(10, 0);
    check(
        &query,
        &expect![[r"
        Limit 10 offset 0
          Project c.city, sum
            Sort by sum * 2 DESC
              Project c.city, sum, sum * 2 AS sum * 2
                Filter sum > 100
                  Aggregate by c.city, sum(o.total) AS sum
                    Filter o.total >= 1 AND o.total <= 9 AND o.open
                      Left join on o.customer = c.id
                        Scan o
                        Scan c"]],
    );
}

#[test]
fn a_right_join_is_a_left_join_turned_round() {
    let query = orders().join(JoinType::Right, customers(), same()).select(["o.id", "city"]);
    check(
        &query,
        &expect![[r"
        Project o.id, c.city
          Left join on o.customer = c.id
            Scan c
            Scan o"]],
    );
}

#[test]
fn subqueries_use_columns_around_them() {
    let exists = exists(orders().filter(same()).filter(column("city").like("O%")));
    check(
        &customers().filter(exists),
        &expect![[r"
        Filter EXISTS (#3)
          Scan c"]],
    );
    let query = customers().filter(exists_unknown());
    refuse(&query, "find column c.idd; did you mean c.id?");
}

fn exists_unknown() -> Term {
    exists(orders().filter(column("o.customer").equal(column("c.idd"))))
}

#[test]
fn wrong_names_are_answered_with_near_ones() {
    refuse(&QueryBuilder::scan("order", "o"), "find table order; did you mean orders?");
    refuse(
        &orders().filter(column("o.totla").greater(1)),
        "find column o.totla; did you mean o.total?",
    );
    refuse(&orders().filter(column("nothing_like_it").greater(1)), "find column nothing_like_it");
    let both = orders().join(JoinType::Inner, customers(), same());
    refuse(
        &both.clone().filter(column("id").greater(1)),
        "choose between o.id, c.id: id is ambiguous",
    );
    refuse(
        &both.clone().cross(customers()),
        "add relation c: there is one of that name; give it an alias",
    );
    check(
        &both.cross(customers().alias("d")).select(["d.city"]),
        &expect![[r"
        Project c.city
          Inner join
            Inner join on o.customer = c.id
              Scan o
              Scan c
            Scan c"]],
    );
    // The right side of a join does not see the left one, unless the join is lateral.
    refuse(&orders().cross(customers().filter(same())), "find column o.customer");
}

#[test]
fn types_that_do_not_fit_are_refused() {
    refuse(&customers().filter(column("city").greater(1)), "use i64 in c.city > 1: it takes text");
    refuse(&customers().filter(column("city")), "use text in c.city: it takes bool");
    refuse(
        &customers().select([column("city").plus(1)]),
        "use text in c.city + 1: it takes a number",
    );
    let sum = AggregateTerm::new(AggregateFunction::Sum, column("city"));
    refuse(
        &customers().aggregate(["id"], [("sum", sum)]),
        "use text in sum(c.city): it takes a number",
    );
    let union = SetOperation::Union;
    refuse(
        &customers().set(union, true, orders()),
        "build a set operation: the left side has 2 columns, the right side 4",
    );
    let ids = orders().select(["open"]);
    refuse(&customers().select(["id"]).set(union, true, ids), "use bool in id Union: it takes i64");
    refuse(
        &customers().filter(column("id").in_query(orders())),
        "build a subquery: it has 4 columns: select the one whose value is meant",
    );
    let rows = vec![vec![1_i64.into()], vec!["x".into()]];
    refuse(&QueryBuilder::rows("v", [("x", I64)], rows), "use text in v.x: it takes i64");
}

#[test]
fn ten_thousand_joins_are_built_without_a_deep_stack() {
    let mut query = QueryBuilder::scan("orders", "o0");
    for number in 1..10_000 {
        let on = column(format!("o{}.id", number - 1)).equal(column(format!("o{number}.customer")));
        query = query.join(JoinType::Inner, QueryBuilder::scan("orders", format!("o{number}")), on);
    }
    let query = query.build(&catalog()).unwrap();
    assert_eq!(query.output(query.root().unwrap()).len(), 40_000);
}
