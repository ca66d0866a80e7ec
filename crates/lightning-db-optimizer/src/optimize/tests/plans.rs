//! Plans as they should be, as text without numbers.

use expect_test::{Expect, expect};
use lightning_db_types::ValueType;

use super::catalog::shop;
use crate::build::{AggregateTerm, JoinType, QueryBuilder, Term, call, column, exists, literal};
use crate::optimize::{Optimizer, Settings};
use crate::query::{AggregateFunction, SetOperation};

fn plan(query: &QueryBuilder, settings: Settings) -> crate::plan::Plan {
    let catalog = shop();
    let query = query.build(&catalog).unwrap();
    Optimizer::new(settings).optimize(&query, &catalog).unwrap()
}

/// The operators alone: what rewrites say of themselves is theirs.
fn text(plan: &crate::plan::Plan) -> String {
    let text = plan.explain().without_costs().to_string();
    let lines = text.lines().filter(|line| !line.starts_with("Rewritten by"));
    lines.collect::<Vec<_>>().join("\n")
}

#[expect(clippy::needless_pass_by_value, reason = "goldens are written in place")]
fn check(query: QueryBuilder, expected: Expect) {
    expected.assert_eq(&text(&plan(&query, Settings::default())));
}

fn customers() -> QueryBuilder {
    QueryBuilder::scan("customer", "c")
}

fn orders() -> QueryBuilder {
    QueryBuilder::scan("orders", "o")
}

fn external(function: &str, argument: &str, value: impl Into<Term>) -> Term {
    let arguments = vec![column(argument), value.into()];
    let value_type = if function == "distance" { ValueType::F64 } else { ValueType::Bool };
    Term::External { function: function.into(), arguments, value_type }
}

fn sum(of: &str) -> AggregateTerm {
    AggregateTerm::new(AggregateFunction::Sum, column(of))
}

#[test]
fn a_unique_key_is_looked_up() {
    check(
        customers().filter(column("email").equal("ada@example.org")),
        expect!["Access c by index by_email (= 'ada@example.org')"],
    );
    check(
        customers().filter(column("id").equal(7)).select(["email"]),
        expect![[r"
        Project c.email
          Access c by index customer_key (= 7)"]],
    );
    check(
        customers().filter(column("id").is_in([7, 8, 9])).select(["email"]),
        expect![[r"
        Project c.email
          Access c by index customer_key (in (7, 8, 9))"]],
    );
}

#[test]
fn an_index_on_an_expression_serves_the_expression() {
    let lower = || call(lightning_db_expression::Function::Lower, [column("email")]);
    check(
        customers().filter(lower().equal("ada@example.org")).select(["id"]),
        expect![[r"
        Project c.id
          Access c by index by_lower_email (= 'ada@example.org')"]],
    );
}

#[test]
fn a_prefix_with_a_range_gives_an_order() {
    let of_one = orders().filter(column("customer").equal(7).and(column("day").greater(900)));
    check(
        of_one.clone().select(["id", "day"]),
        expect![[r"
        Project o.id, o.day
          Access o by index by_customer (= 7, > 900)"]],
    );
    let newest = of_one.order_by([column("day").descending()]).limit(3, 0);
    check(
        newest.select(["id", "day"]),
        expect![[r"
        Project o.id, o.day
          Limit 3
            Access o by index by_customer (= 7, > 900) backward"]],
    );
}

#[test]
fn a_first_part_of_few_values_is_skipped() {
    let some = orders().filter(column("day").equal(500));
    check(
        some.select(["id"]),
        expect![[r"
        Project o.id
          Access o by index by_state_day (each, = 500)"]],
    );
}

#[test]
fn a_partial_index_serves_what_implies_its_condition() {
    let open = column("state").equal(1).and(column("day").greater(990));
    check(
        orders().filter(open).select(["day"]),
        expect![[r"
        Project o.day
          Access o by index open_by_day (> 990) covering"]],
    );
}

#[test]
fn entries_are_enough_where_they_hold_all() {
    let lines = QueryBuilder::scan("line", "l").filter(column("orders").equal(5));
    let none: [&str; 0] = [];
    check(
        lines.aggregate(none, [("n", sum("amount"))]),
        expect![[r"
        Stream aggregate sum(l.amount)
          Access l by index by_order (= 5) covering"]],
    );
    let all = orders().aggregate(none, [("n", AggregateTerm::count_rows())]);
    check(
        all,
        expect![[r"
            Stream aggregate count(*)
              Access o by scan"]],
    );
}

#[test]
fn ends_of_an_index_are_the_smallest_and_the_largest() {
    let none: [&str; 0] = [];
    let extreme = |function| AggregateTerm::new(function, column("day"));
    let of = |function| {
        let customer = orders().filter(column("customer").equal(7));
        customer.aggregate(none, [("end", extreme(function))])
    };
    check(
        of(AggregateFunction::Min),
        expect!["Index aggregate o min(o.day) by index by_customer (= 7, not null) covering"],
    );
    check(
        of(AggregateFunction::Max),
        expect![
            "Index aggregate o max(o.day) by index by_customer (= 7, not null) backward covering"
        ],
    );
}

#[test]
fn functions_are_answered_by_their_indexes() {
    check(
        customers().filter(external("within", "place", "box")).select(["id"]),
        expect![[r"
        Project c.id
          Access c by index near (within(c.place, 'box'))"]],
    );
    let near = customers()
        .select([column("id").named("id"), external("distance", "place", "here").named("far")])
        .order_by([column("far").ascending()])
        .limit(5, 0);
    check(
        near,
        expect![[r"
        Limit 5
          Project c.id AS id, distance(c.place, 'here') AS far
            Access c by index near nearest by distance(c.place, 'here')"]],
    );
}

#[test]
fn several_indexes_together_find_less() {
    let both = column("user").equal(7).and(column("kind").equal(12));
    check(
        QueryBuilder::scan("event", "e").filter(both),
        expect!["Access e by rows of all of [index user_set (= 7), index kind_set (= 12)]"],
    );
    let either = column("customer").equal(9).or(column("id").equal(5));
    check(
        orders().filter(either).select(["id", "note"]),
        expect![[r"
            Project o.id, o.note
              Access o by rows of any of [index by_customer (= 9), index orders_key (= 5)]"]],
    );
}

#[test]
fn few_rows_search_the_other_side_and_many_meet_in_a_table() {
    let same = || column("o.customer").equal(column("c.id"));
    let one = customers().filter(column("email").equal("ada@example.org"));
    check(
        one.join(JoinType::Inner, orders(), same()).select(["o.day"]),
        expect![[r"
        Project o.day
          For each join
            Access c by index by_email (= 'ada@example.org')
            Access o by index by_customer (= c.id) covering"]],
    );
    let all = customers().join(JoinType::Inner, orders(), same()).select(["city", "o.day"]);
    check(
        all,
        expect![[r"
        Project c.city, o.day
          Merge join c.id = o.customer
            Access c by scan
            Access o by index by_customer covering"]],
    );
    let none = customers().filter(exists(orders().filter(same())));
    check(
        none.select(["city"]),
        expect![[r"
            Project c.city
              For each semi join
                Access c by scan
                Access o by index by_customer (= c.id) covering"]],
    );
}

#[test]
fn the_smallest_intermediate_results_come_first() {
    let query = QueryBuilder::scan("line", "l")
        .join(JoinType::Inner, orders(), column("l.orders").equal(column("o.id")))
        .join(JoinType::Inner, customers(), column("o.customer").equal(column("c.id")))
        .join(
            JoinType::Inner,
            QueryBuilder::scan("product", "p"),
            column("l.product").equal(column("p.id")),
        )
        .filter(column("c.email").equal("ada@example.org").and(column("p.kind").equal(3)))
        .select(["p.name", "l.amount"]);
    check(
        query,
        expect![[r"
            Project p.name, l.amount
              For each join
                For each join
                  For each join
                    Access c by index by_email (= 'ada@example.org')
                    Access o by index by_customer (= c.id)
                  Access l by index by_order (= o.id)
                Access p by index product_key (= l.product), filter p.kind = 3"]],
    );
}

#[test]
fn groups_that_come_sorted_are_streamed() {
    let per_day = orders()
        .filter(column("customer").equal(7))
        .aggregate(["day"], [("n", AggregateTerm::count_rows())])
        .order_by([column("day").ascending()]);
    check(
        per_day,
        expect![[r"
        Stream aggregate by o.day: count(*)
          Access o by index by_customer (= 7) covering"]],
    );
    let per_state = orders().aggregate(["state"], [("last", sum("day"))]);
    check(
        per_state,
        expect![[r"
            Hash aggregate by o.state: sum(o.day)
              Access o by scan"]],
    );
}

#[test]
fn sets_and_values_are_put_together() {
    let ids = QueryBuilder::rows("v", [("id", ValueType::I64)], vec![vec![1_i64.into()]]);
    let query = orders().select(["customer"]).set(SetOperation::Except, false, ids);
    check(
        query.limit(3, 1),
        expect![[r"
            Limit 3 after 1
              hash except
                Project o.customer
                  Access o by scan
                Values 1 rows"]],
    );
    let both = orders().select(["customer"]).set(
        SetOperation::Union,
        true,
        customers().filter(literal(true)).select(["id"]),
    );
    check(
        both,
        expect![[r"
            Append
              Project o.customer
                Access o by scan
              Project c.id
                Access c by scan"]],
    );
}

#[test]
fn long_plans_are_shared() {
    let query = orders()
        .join(JoinType::Inner, customers(), column("o.customer").equal(column("c.id")))
        .aggregate(["c.city"], [("days", sum("day"))])
        .order_by([column("days").descending()])
        .limit(10, 0);
    let settings = Settings { workers: 8, ..Settings::default() };
    let shared = plan(&query, settings.clone());
    expect![[r"
        Limit 10
          Gather merge by days DESC
            Top 10 by days DESC
              Project c.city, days
                Hash final aggregate by c.city: sum(days)
                  Partition by c.city
                    Hash partial aggregate by c.city: sum(days)
                      Hash join o.customer = c.id, left side in the table
                        Broadcast
                          Gather
                            Hash aggregate by o.customer: sum(o.day)
                              Partition by o.customer
                                Access o by scan
                        Share
                          Access c by scan"]]
    .assert_eq(&text(&shared));
    assert!(shared.degree() > 1);
    // A millisecond of work is not.
    let short = plan(&orders().filter(column("customer").equal(3)), settings);
    assert_eq!(short.degree(), 1);
}
