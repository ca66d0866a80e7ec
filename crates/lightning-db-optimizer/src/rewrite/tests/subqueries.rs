//! What rules make of queries with subqueries.

use expect_test::expect;
use lightning_db_expression::Comparison;

use super::golden::{NONE, check, customers, orders, same};
use crate::build::{AggregateTerm, column, exists, value_of};

#[test]
fn subqueries_become_joins() {
    let own = || orders().filter(same());
    check(
        &customers().filter(exists(own())).select(["name"]),
        &expect![[r"
            Project c.name
              Semi join on o.customer = c.id
                Scan c
                Scan o
            -- unnest subqueries: EXISTS is a Semi join"]],
    );
    let bought = column("c.id").in_query(orders().select(["customer"]));
    check(
        &customers().filter(bought.clone().not()).select(["name"]),
        &expect![[r"
            Project c.name
              Anti join on c.id = o.customer
                Scan c
                Project o.customer
                  Scan o
            -- unnest subqueries: = ANY is a mark join
            -- prune columns: 2 columns are not used
            -- decide marks: a mark is a Anti join"]],
    );
    let either = column("city").like("O%").or(bought);
    check(
        &customers().filter(either).select(["name"]),
        &expect![[r"
            Project c.name
              Filter c.city LIKE 'O%' OR mark
                Mark join on c.id = o.customer
                  Scan c
                  Project o.customer
                    Scan o
            -- unnest subqueries: = ANY is a mark join
            -- prune columns: 2 columns are not used"]],
    );
    let more = column("c.id").all(Comparison::Greater, own().select(["total"]));
    check(
        &customers().filter(more).select(["name"]),
        &expect![[r"
            Project c.name
              Filter NOT mark
                Mark join on c.id <= o.total AND o.customer = c.id
                  Scan c
                  Project o.total, o.customer
                    Scan o
            -- unnest subqueries: > ALL is a mark join
            -- prune columns: 2 columns are not used"]],
    );
}

#[test]
fn values_of_correlated_aggregates_are_groups() {
    let n = orders().filter(same()).aggregate(NONE, [("n", AggregateTerm::count_rows())]);
    check(
        &customers().select([column("name"), value_of(n)]),
        &expect![[r"
            Project c.name, coalesce(n, 0) AS (#3)
              Left join on c.id = o.customer
                Scan c
                Aggregate by o.customer, count(*) AS n
                  Scan o
            -- unnest subqueries: a value is a single join
            -- unnest subqueries: an aggregate is grouped by the outer columns
            -- drop null tests: NOT o.customer IS NULL
            -- fold constants: NOT false is true
            -- prune columns: 2 columns are not used
            -- merge projections: two are one"]],
    );
    // Of several rows, each with a limit of its own, the engine takes care.
    let last = orders().filter(same()).order_by([column("day").descending()]).limit(1, 0);
    let last = last.select(["total"]);
    check(
        &customers().select([column("name"), value_of(last)]),
        &expect![[r"
            Project c.name, o.total AS (#5)
              Left join
                Scan c
                Project o.total
                  Limit 1 offset 0
                    Sort by o.day DESC
                      Filter o.customer = c.id
                        Scan o
            -- unnest subqueries: a value is a single join
            -- unnest subqueries: stays dependent: each row has a limit of its own
            -- eliminate joins: each row has at most one match: a left join"]],
    );
}

#[test]
fn values_of_unequal_outer_columns_are_taken_from_their_domain() {
    let cheaper = orders().filter(column("o.total").less(column("c.id")));
    let n = cheaper.aggregate(NONE, [("n", AggregateTerm::count_rows())]);
    check(
        &customers().select([column("name"), value_of(n)]),
        &expect![[r"
            Project c.name, coalesce(n, 0) AS (#3)
              Left join on c.id = c.id
                Scan c
                Aggregate by c.id, count(*) AS n
                  Inner join on o.total < c.id
                    Project c.id
                      Scan c
                    Scan o
            -- unnest subqueries: a value is a single join
            -- unnest subqueries: an aggregate is grouped by the outer columns
            -- push down predicates: o.total < c.id
            -- prune columns: 2 columns are not used
            -- merge projections: two are one
            -- reduce groups: no two rows are equal"]],
    );
}
