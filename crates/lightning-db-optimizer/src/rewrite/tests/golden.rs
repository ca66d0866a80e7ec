//! What each rule makes of a query that was written for it.

use expect_test::{Expect, expect};
use lightning_db_types::ValueType::{I64, Text};

use crate::build::{AggregateTerm, JoinType, QueryBuilder, Term, WindowTerm, column, literal};
use crate::catalog::{Catalog, ForeignKey, IndexDefinition, IndexKind};
use crate::memory::MemoryCatalog;
use crate::query::{AggregateFunction, SetOperation};
use crate::rewrite::{Applied, rewrite};
use crate::statistics::{ColumnStatistics, TableStatistics};

pub(super) const NONE: [&str; 0] = [];

fn catalog() -> MemoryCatalog {
    let mut catalog = MemoryCatalog::new();
    let columns = [("id", I64), ("name", Text), ("city", Text)];
    let customer = catalog.add_table("customer", &columns, &["id"]).unwrap();
    let columns = [("id", I64), ("customer", I64), ("total", I64), ("day", I64)];
    let orders = catalog.add_table("orders", &columns, &["id"]).unwrap();
    catalog.change(orders, |definition| definition.columns[1].nullable = false);
    let key = ForeignKey { columns: vec![1], references: customer, referenced: vec![0] };
    catalog.add_foreign_key(orders, key);
    catalog.add_index(orders, IndexDefinition::new("day", IndexKind::Ordered, &[3]));
    catalog
}

pub(super) fn check(query: &QueryBuilder, expected: &Expect) {
    let catalog = catalog();
    let mut query = query.build(&catalog).unwrap();
    let applied = rewrite(&mut query, &catalog);
    let mut text = query.to_string();
    for Applied { rule, detail, .. } in applied {
        let line = format!("\n-- {rule}: {detail}");
        text.extend(line.chars().take(80));
    }
    expected.assert_eq(&text);
}

pub(super) fn orders() -> QueryBuilder {
    QueryBuilder::scan("orders", "o")
}

pub(super) fn customers() -> QueryBuilder {
    QueryBuilder::scan("customer", "c")
}

pub(super) fn same() -> Term {
    column("o.customer").equal(column("c.id"))
}

fn sum(name: &str) -> AggregateTerm {
    AggregateTerm::new(AggregateFunction::Sum, column(name))
}

#[test]
fn constants_are_folded_and_conditions_normal() {
    let condition = literal(2_i64).times(3).less(column("total")).and(literal(1_i64).equal(1));
    check(
        &orders().filter(condition),
        &expect![[r"
        Filter o.total > 6
          Scan o
        -- fold constants: 2 * 3 < o.total is o.total > 6"]],
    );
    let small = column("day").equal(1).or(column("day").is_in([2, 3]));
    let both = column("total").less(5).and(small.clone()).or(column("total").less(5));
    check(
        &orders().filter(both.clone().not()),
        &expect![[r"
            Filter o.total >= 5
              Scan o
            -- fold constants: NOT (o.total < 5 AND (o.day = 1 OR o.day IN (2, 3)) OR o.tot"]],
    );
    let factored = small.clone().and(column("total").less(5));
    let factored = factored.or(small.and(column("total").greater(9)));
    check(
        &orders().filter(factored),
        &expect![[r"
            Filter o.day IN (1, 2, 3) AND (o.total < 5 OR o.total > 9)
              Scan o
            -- fold constants: (o.day = 1 OR o.day IN (2, 3)) AND o.total < 5 OR (o.day = 1"]],
    );
    check(
        &orders().filter(column("total").equal(literal(lightning_db_types::Value::Null))),
        &expect![[r"
            Values, 0 rows
            -- fold constants: no row passes
            -- fold constants: o.total = NULL is NULL"]],
    );
}

#[test]
fn sides_of_or_that_are_never_true_are_left_out_of_conditions() {
    let null = || literal(lightning_db_types::Value::Null);
    let unknown = column("day").equal(1).and(null());
    check(
        &orders().filter(column("total").greater(6).or(unknown.clone())),
        &expect![[r"
            Filter o.total > 6
              Scan o"]],
    );
    // Around it unknown and false are not the same.
    check(
        &orders().filter(column("total").greater(6).or(unknown).not()),
        &expect![[r"
            Filter o.total <= 6 AND o.day <> 1
              Scan o
            -- fold constants: NOT (o.total > 6 OR o.day = 1 AND NULL) is o.total <= 6 AND "]],
    );
}

#[test]
fn predicates_sink_to_the_scans() {
    let query = customers()
        .join(JoinType::Left, orders(), same())
        .aggregate(["c.city"], [("sum", sum("total"))])
        .filter(column("city").like("O%").and(column("sum").greater(9)));
    check(
        &query,
        &expect![[r"
            Filter sum > 9
              Aggregate by c.city, sum(o.total) AS sum
                Left join on o.customer = c.id
                  Filter c.city LIKE 'O%'
                    Scan c
                  Scan o
            -- push down predicates: c.city LIKE 'O%'"]],
    );
    let window = WindowTerm {
        name: "rank".to_owned(),
        arguments: Vec::new(),
        partition: vec![column("customer")],
        order: vec![column("total").descending()],
        frame: String::new(),
        value_type: I64,
    };
    let ranked = orders().window([("rank", window)]);
    let filtered = ranked.filter(column("customer").equal(1).and(column("rank").equal(1)));
    check(
        &filtered,
        &expect![[r"
            Filter rank = 1
              Window rank AS rank
                Filter o.customer = 1
                  Scan o
            -- push down predicates: o.customer = 1"]],
    );
    let union = orders().select(["id"]).set(SetOperation::Except, true, customers().select(["id"]));
    check(
        &union.filter(column("id").less(5)),
        &expect![[r"
        Except all
          Project o.id
            Filter o.id < 5
              Scan o
          Project c.id
            Filter c.id < 5
              Scan c
        -- push down predicates: id < 5
        -- push down predicates: o.id < 5
        -- push down predicates: c.id < 5"]],
    );
}

#[test]
fn what_may_fail_is_not_evaluated_for_more_rows() {
    let risky = literal(100_i64).divided_by(column("o.total")).greater(1);
    let query = orders().join(JoinType::Inner, customers(), same()).filter(risky).select(["name"]);
    check(
        &query,
        &expect![[r"
            Project c.name
              Filter 100 / o.total > 1
                Inner join on o.customer = c.id
                  Scan o
                  Scan c"]],
    );
}

#[test]
fn predicates_are_inferred_from_equal_columns() {
    let query = orders().join(JoinType::Left, customers(), same());
    check(
        &query.filter(column("o.customer").equal(7)),
        &expect![[r"
            Left join on o.customer = c.id
              Filter o.customer = 7
                Scan o
              Filter c.id = 7
                Scan c
            -- push down predicates: o.customer = 7
            -- infer predicates: c.id = 7"]],
    );
}

#[test]
fn alternatives_over_both_sides_restrict_each() {
    let first = column("total").equal(1).and(column("city").equal("A"));
    let second = column("o.day").less(9).and(column("city").equal("B"));
    let cases = first.clone().or(second);
    check(
        &orders().join(JoinType::Inner, customers(), cases),
        &expect![[r"
            Inner join on o.total = 1 AND c.city = 'A' OR o.day < 9 AND c.city = 'B'
              Filter o.total = 1 OR o.day < 9
                Scan o
              Filter c.city IN ('A', 'B')
                Scan c
            -- restrict by alternatives: o.total = 1 OR o.day < 9
            -- restrict by alternatives: c.city = 'A' OR c.city = 'B'
            -- fold constants: c.city = 'A' OR c.city = 'B' is c.city IN ('A', 'B')"]],
    );
    // One of the cases says nothing of customers.
    let cases = first.or(column("total").equal(2));
    check(
        &orders().join(JoinType::Left, customers(), cases),
        &expect![[r"
            Left join on o.total = 1 AND c.city = 'A' OR o.total = 2
              Scan o
              Scan c"]],
    );
}

#[test]
fn outer_joins_whose_nulls_are_rejected_are_inner() {
    let full = orders().join(JoinType::Full, customers(), same());
    check(
        &full.clone().filter(column("total").greater(1)),
        &expect![[r"
            Left join on o.customer = c.id
              Filter o.total > 1
                Scan o
              Scan c
            -- outer join to inner: Full is Left
            -- push down predicates: o.total > 1"]],
    );
    check(
        &full.filter(column("total").greater(1).and(column("city").like("O%"))),
        &expect![[r"
            Inner join on o.customer = c.id
              Filter o.total > 1
                Scan o
              Filter c.city LIKE 'O%'
                Scan c
            -- outer join to inner: Full is Inner
            -- push down predicates: o.total > 1
            -- push down predicates: c.city LIKE 'O%'"]],
    );
}

#[test]
fn joins_that_change_nothing_are_eliminated() {
    let query = orders().join(JoinType::Left, customers(), same()).select(["o.id"]);
    check(
        &query,
        &expect![[r"
        Project o.id
          Scan o
        -- eliminate joins: each row has at most one match, which is not used"]],
    );
    let query = orders().join(JoinType::Inner, customers(), same()).select(["o.id", "c.id"]);
    check(
        &query,
        &expect![[r"
            Project o.id, o.customer AS c.id
              Scan o
            -- eliminate joins: each row refers to one of customer
            -- prune columns: 3 columns are not used"]],
    );
    check(
        &orders().join(JoinType::Semi, customers(), same()),
        &expect![[r"
        Scan o
        -- eliminate joins: each row refers to one of customer"]],
    );
}

#[test]
fn columns_that_nothing_uses_are_pruned() {
    let query = orders()
        .select([column("id").into(), column("total").plus(1).named("more")])
        .aggregate(["id"], [("n", AggregateTerm::count_rows()), ("sum", sum("more"))])
        .select(["n"]);
    check(
        &query,
        &expect![[r"
        Project n
          Aggregate by o.id, count(*) AS n
            Project o.id
              Scan o
        -- prune columns: 1 columns are not used"]],
    );
}

#[test]
fn limits_sink_below_what_keeps_rows() {
    let query = customers()
        .join(JoinType::Left, orders(), same())
        .order_by([column("c.name").ascending()])
        .limit(10, 5)
        .select(["name", "total"]);
    check(
        &query,
        &expect![[r"
            Project c.name, o.total
              Limit 10 offset 5
                Sort by c.name
                  Left join on o.customer = c.id
                    Limit 15 offset 0
                      Sort by c.name
                        Scan c
                    Scan o
            -- push down limits: before a join that keeps each left row"]],
    );
    let union = orders().select(["id"]).set(SetOperation::Union, true, customers().select(["id"]));
    check(
        &union.limit(3, 0),
        &expect![[r"
            Limit 3 offset 0
              Union all
                Project o.id
                  Limit 3 offset 0
                    Scan o
                Project c.id
                  Limit 3 offset 0
                    Scan c
            -- push down limits: before both sides of a union
            -- push down limits: before a projection"]],
    );
}

#[test]
fn groups_are_reduced_by_dependencies() {
    check(
        &orders().select(["id", "total"]).distinct(),
        &expect![[r"
        Project o.id, o.total
          Scan o
        -- reduce groups: no two rows are equal"]],
    );
    let query = customers()
        .join(JoinType::Inner, orders(), same())
        .aggregate(["c.id", "c.name", "c.city"], [("sum", sum("total"))]);
    check(
        &query,
        &expect![[r"
            Project c.id, c.name AS c.name, c.city AS c.city, sum
              Aggregate by c.id, sum(o.total) AS sum, min(c.name) AS c.name, min(c.city) AS c.city
                Inner join on o.customer = c.id
                  Scan c
                  Scan o
            -- reduce groups: c.name is determined by the other groups
            -- reduce groups: c.city is determined by the other groups"]],
    );
}

#[test]
fn rows_of_few_kinds_are_gathered_before_a_join() {
    let mut catalog = catalog();
    let orders_table = catalog.table("orders").unwrap();
    let column_statistics = |distinct| ColumnStatistics { distinct, ..Default::default() };
    let columns = [1e6, 1e3, 1e5, 365.0].map(column_statistics).to_vec();
    let statistics = TableStatistics { rows: 1_000_000, columns, ..Default::default() };
    catalog.set_statistics(orders_table, statistics);
    let n = AggregateTerm::count_rows();
    let query = orders()
        .join(JoinType::Inner, customers(), same())
        .aggregate(["city"], [("n", n), ("sum", sum("total"))]);
    let mut query = query.build(&catalog).unwrap();
    rewrite(&mut query, &catalog);
    let expected = expect![[r"
        Project c.city, coalesce(n, 0) AS n, sum AS sum
          Aggregate by c.city, sum(n) AS n, sum(sum) AS sum
            Inner join on o.customer = c.id
              Aggregate by o.customer, count(*) AS n, sum(o.total) AS sum
                Scan o
              Scan c"]];
    expected.assert_eq(&query.to_string());
}

#[test]
fn the_smallest_value_is_the_first_of_an_index() {
    let last = AggregateTerm::new(AggregateFunction::Max, column("day"));
    check(
        &orders().aggregate(NONE, [("last", last)]),
        &expect![[r"
        Aggregate, max(o.day) AS last
          Limit 1 offset 0
            Sort by o.day DESC NULLS LAST
              Filter NOT o.day IS NULL
                Scan o
        -- first of an index: max by the order of o.day"]],
    );
    let smallest = AggregateTerm::new(AggregateFunction::Min, column("total"));
    check(
        &orders().aggregate(NONE, [("least", smallest)]),
        &expect![[r"
            Aggregate, min(o.total) AS least
              Scan o"]],
    );
}
