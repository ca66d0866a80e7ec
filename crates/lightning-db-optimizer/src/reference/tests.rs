//! The reference against rows that are known, and random queries that are well formed.

use lightning_db_types::ValueType::{I64, Text};
use lightning_db_types::{Rng, SeededRng, Value};

use super::*;
use crate::build::{AggregateTerm, JoinType, QueryBuilder, Term, column, exists, value_of};
use crate::query::{AggregateFunction, Query, SetOperation};

fn catalog() -> MemoryCatalog {
    let mut catalog = MemoryCatalog::new();
    let city = catalog.add_table("city", &[("id", I64), ("name", Text)], &["id"]).unwrap();
    let person =
        catalog.add_table("person", &[("id", I64), ("city", I64), ("age", I64)], &["id"]).unwrap();
    let row = |values: [Value; 2]| values.to_vec();
    catalog.set_rows(
        city,
        vec![
            row([1.into_value(), "Oslo".into()]),
            row([2.into_value(), "Bern".into()]),
            row([3.into_value(), Value::Null]),
        ],
    );
    let rows = [(1, Some(1), 30), (2, Some(1), 40), (3, Some(2), 50), (4, None, 60)];
    let rows = rows.map(|(id, city, age)| {
        let city = city.map_or(Value::Null, |city: i64| city.into());
        vec![id.into_value(), city, age.into_value()]
    });
    catalog.set_rows(person, rows.to_vec());
    catalog
}

trait IntoValue {
    fn into_value(self) -> Value;
}

impl IntoValue for i64 {
    fn into_value(self) -> Value {
        Value::I64(self)
    }
}

/// Rows of a query as text, sorted.
fn check(query: &QueryBuilder, expected: &[&str]) {
    let catalog = catalog();
    let query = query.build(&catalog).unwrap();
    let rows = evaluate(&query, &catalog).unwrap();
    let mut rows: Vec<String> = rows.iter().map(|row| text(row)).collect();
    rows.sort();
    assert_eq!(rows, expected, "{query}");
}

fn text(row: &[Value]) -> String {
    let values = row.iter().map(|value| match value {
        Value::Null => "-".to_owned(),
        Value::I64(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Decimal(number) => number.to_string(),
        other => format!("{other:?}"),
    });
    values.collect::<Vec<_>>().join(" ")
}

fn people() -> QueryBuilder {
    QueryBuilder::scan("person", "p")
}

fn cities() -> QueryBuilder {
    QueryBuilder::scan("city", "c")
}

fn same_city() -> Term {
    column("p.city").equal(column("c.id"))
}

#[test]
fn joins_of_all_kinds_give_their_rows() {
    let named = |join| people().join(join, cities(), same_city()).select(["p.id", "name"]);
    check(&named(JoinType::Inner), &["1 Oslo", "2 Oslo", "3 Bern"]);
    check(&named(JoinType::Left), &["1 Oslo", "2 Oslo", "3 Bern", "4 -"]);
    check(&named(JoinType::Right), &["- -", "1 Oslo", "2 Oslo", "3 Bern"]);
    check(&named(JoinType::Full), &["- -", "1 Oslo", "2 Oslo", "3 Bern", "4 -"]);
    let ids = |join| people().join(join, cities(), same_city()).select(["p.id"]);
    check(&ids(JoinType::Semi), &["1", "2", "3"]);
    check(&ids(JoinType::Anti), &["4"]);
}

#[test]
fn a_lateral_join_gives_rows_for_each_left_row() {
    let oldest = people()
        .filter(same_city())
        .order_by([column("p.age").descending()])
        .limit(1, 0)
        .select(["age"]);
    let query = cities().join_lateral(JoinType::Left, oldest, Term::And(Vec::new()));
    check(&query.select(["c.id", "age"]), &["1 40", "2 50", "3 -"]);
}

#[test]
fn subqueries_see_the_row_around_them() {
    let living = people().filter(same_city());
    check(&cities().filter(exists(living.clone())).select(["id"]), &["1", "2"]);
    let none: [&str; 0] = [];
    let count = living.aggregate(none, [("n", AggregateTerm::count_rows())]);
    check(&cities().select([column("id"), value_of(count)]), &["1 2", "2 1", "3 0"]);
    let homes = people().select(["city"]);
    check(&cities().filter(column("id").in_query(homes.clone())).select(["id"]), &["1", "2"]);
    // A null among them leaves it unknown whether others are not there.
    check(&cities().filter(column("id").in_query(homes).not()), &[]);
}

#[test]
fn a_value_of_several_rows_is_an_error() {
    let catalog = catalog();
    let query = cities().select([value_of(people().select(["age"]))]).build(&catalog).unwrap();
    assert_eq!(evaluate(&query, &catalog), Err(Failure::ManyRows(4)));
}

#[test]
fn aggregates_leave_out_nulls_and_what_the_filter_does() {
    let of = |function| AggregateTerm::new(function, column("age"));
    let old = column("age").greater(35);
    let query = people().aggregate(
        ["city"],
        [
            ("sum", of(AggregateFunction::Sum)),
            ("avg", of(AggregateFunction::Average)),
            ("old", AggregateTerm::count_rows().filter(old)),
            ("cities", AggregateTerm::new(AggregateFunction::Count, column("city")).distinct()),
        ],
    );
    check(&query, &["- 60 60.000000 1 0", "1 70 35.000000 1 1", "2 50 50.000000 1 1"]);
    let none: [&str; 0] = [];
    let query = people()
        .filter(false.into())
        .aggregate(none, [("n", AggregateTerm::count_rows()), ("sum", of(AggregateFunction::Sum))]);
    check(&query, &["0 -"]);
}

#[test]
fn sets_count_equal_rows() {
    let left = || people().select(["city"]);
    let right = || cities().select(["id"]);
    let set = |operation, all| left().set(operation, all, right());
    check(&set(SetOperation::Union, false), &["-", "1", "2", "3"]);
    check(&set(SetOperation::Union, true), &["-", "1", "1", "1", "2", "2", "3"]);
    check(&set(SetOperation::Intersect, true), &["1", "2"]);
    check(&set(SetOperation::Except, true), &["-", "1"]);
    check(&set(SetOperation::Except, false), &["-"]);
}

#[test]
fn random_queries_are_well_formed_and_say_much() {
    let (mut with_rows, mut failed) = (0, 0);
    for seed in 0..300 {
        let catalog = random_catalog(seed).unwrap();
        let query = random_query(seed, Profile::default(), &catalog)
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        match evaluate(&query, &catalog) {
            Ok(rows) => with_rows += usize::from(!rows.is_empty()),
            Err(Failure::Unknown(what)) => panic!("seed {seed}: {what}\n{query}"),
            Err(_) => failed += 1,
        }
    }
    assert!(with_rows > 100, "only {with_rows} of 300 have rows");
    assert!(failed < 60, "{failed} of 300 fail");
}

/// Splitting by whether a condition is true, false or null loses no row and doubles none (ternary
/// logic partitioning, TLP), and a condition selects as many rows as it is true for (`NoREC`).
#[test]
fn a_condition_splits_the_rows_in_three() {
    let rng = SeededRng::new(7);
    for _ in 0..100 {
        let (left, right) = (rng.below(4), rng.below(70));
        let condition = || {
            let number = |number| Term::Literal(Value::I64(i64::try_from(number).unwrap()));
            column("p.city").less(number(left)).or(column("age").equal(number(right)))
        };
        let rows = |query: QueryBuilder| {
            let catalog = catalog();
            let query: Query = query.build(&catalog).unwrap();
            let mut rows = evaluate(&query, &catalog).unwrap();
            rows.sort();
            rows
        };
        let parts = [condition(), condition().not(), condition().is_null()];
        let parts = parts.map(|part| rows(people().filter(part)));
        let selected = parts[0].len();
        let mut all = parts.concat();
        all.sort();
        assert_eq!(all, rows(people()));
        let truths = rows(people().select([condition().named("truth")]));
        assert_eq!(truths.iter().filter(|row| row[0] == Value::Bool(true)).count(), selected);
    }
}
