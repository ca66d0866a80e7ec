//! Statements over tables on a simulated disk.

mod allocations;
mod batches;
mod chains;
mod columns;
mod learning;
mod random;
#[cfg(all(feature = "spatial", feature = "text"))]
mod search;
mod variants;

use std::ops::ControlFlow;
use std::sync::Arc;

use lightning_db_optimizer::build::{AggregateTerm, column, parameter};
use lightning_db_optimizer::{AggregateFunction, JoinType, QueryBuilder};
use lightning_db_storage::{Maintenance, StoreOptions};
use lightning_db_table::{
    Alteration, ColumnDefinition, ColumnType, IndexSpec, TableDefinition, Tables,
};
use lightning_db_types::{SeededRng, SimClock, SimVfs, Value, ValueRef, ValueType};

use crate::{EngineOptions, Error, Progress, QueryEngine, Statement, Watch};

fn tables() -> Tables {
    let options = StoreOptions::new("/store")
        .memory_limit(4 << 20)
        .block_size(1 << 10)
        .maintenance(Maintenance::Stepped)
        .vfs(Arc::new(SimVfs::new()))
        .clock(Arc::new(SimClock::default()))
        .rng(Arc::new(SeededRng::new(1)));
    Tables::open(&options.open().unwrap().0).unwrap().0
}

/// A thousand cities in ten countries, and their rivers.
fn world() -> Tables {
    let tables = tables();
    let cities = TableDefinition::new("cities")
        .column(ColumnDefinition::new("id", ColumnType::I64))
        .column(ColumnDefinition::new("name", ColumnType::Text))
        .column(ColumnDefinition::new("country", ColumnType::Text))
        .column(ColumnDefinition::new("population", ColumnType::I64).nullable())
        .primary_key([0])
        .index(IndexSpec::unique("by_name").column(1))
        .index(IndexSpec::ordered("by_country").column(2).column(3));
    tables.create_table(cities).unwrap();
    let rivers = TableDefinition::new("rivers")
        .column(ColumnDefinition::new("city", ColumnType::I64))
        .column(ColumnDefinition::new("river", ColumnType::Text))
        .index(IndexSpec::ordered("by_city").column(0));
    tables.create_table(rivers).unwrap();
    let city = |id: i64| {
        let population = if id % 7 == 0 { Value::Null } else { Value::I64(id * 1_000) };
        let country = format!("country {}", id % 10);
        vec![Value::I64(id), format!("city {id:04}").into(), country.into(), population]
    };
    tables.insert_many("cities", (0..1_000).map(city)).unwrap();
    let river = |id: i64| vec![Value::I64(id * 3), Value::from(format!("river {}", id % 20))];
    tables.insert_many("rivers", (0..300).map(river)).unwrap();
    tables.analyze("cities").unwrap();
    tables.analyze("rivers").unwrap();
    tables
}

fn prepare(tables: &Tables, query: &QueryBuilder) -> Statement {
    QueryEngine::new(tables).prepare(query).unwrap()
}

fn cities() -> QueryBuilder {
    QueryBuilder::scan("cities", "c")
}

#[test]
fn a_key_is_looked_up_with_the_value_of_a_parameter() {
    let tables = world();
    let query = cities()
        .filter(column("id").equal(parameter(0, ValueType::I64)))
        .select([column("name"), column("population")]);
    let statement = prepare(&tables, &query);
    assert!(statement.explain().contains("by index key (= $1)"), "{}", statement.explain());
    let snapshot = tables.snapshot();
    let found = statement.first(&snapshot, &[Value::I64(42)]).unwrap();
    assert_eq!(found, Some(vec!["city 0042".into(), Value::Null]));
    assert_eq!(statement.first(&snapshot, &[Value::I64(-1)]).unwrap(), None);
    assert_eq!(statement.first(&snapshot, &[Value::Null]).unwrap(), None);
    assert_eq!(statement.rows(&snapshot, &[Value::F64(42.5)]).unwrap().len(), 0);
    assert_eq!(statement.rows(&snapshot, &[Value::F64(42.0)]).unwrap().len(), 1);
    let names: Vec<String> = statement.columns().into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["name", "population"]);
}

#[test]
fn parameters_are_asked_for_by_number_and_type() {
    let tables = world();
    let query = cities().filter(column("name").equal(parameter(1, ValueType::Text)));
    let statement = prepare(&tables, &query);
    let error = statement.rows(&tables.snapshot(), &[Value::Null]).unwrap_err();
    assert_eq!(error.to_string(), "parameter 1: it has no value; a text is expected");
    let given = [Value::Null, Value::I64(1)];
    let error = statement.rows(&tables.snapshot(), &given).unwrap_err();
    assert_eq!(error.to_string(), "parameter 1: a text is expected, and a i64 was given");
}

#[test]
fn ranges_of_keys_and_entries_are_read_in_their_order_and_as_far_as_wanted() {
    let tables = world();
    let query = cities()
        .filter(column("id").at_least(parameter(0, ValueType::I64)))
        .order_by([column("id").descending()])
        .limit(3, 1)
        .select([column("id")]);
    let rows = prepare(&tables, &query).rows(&tables.snapshot(), &[Value::I64(990)]).unwrap();
    assert_eq!(rows.concat(), [998, 997, 996].map(Value::I64));
    let query = cities()
        .filter(column("country").equal("country 3").and(column("population").greater(900_000)))
        .order_by([column("population").ascending()])
        .limit(2, 0)
        .select([column("population")]);
    let statement = prepare(&tables, &query);
    assert!(statement.explain().contains("by_country"), "{}", statement.explain());
    let rows = statement.rows(&tables.snapshot(), &[]).unwrap();
    assert_eq!(rows.concat(), [913_000, 923_000].map(Value::I64));
}

#[test]
fn joins_groups_and_sorts_say_what_they_should() {
    let tables = world();
    let rivers = QueryBuilder::scan("rivers", "r");
    let same = column("r.city").equal(column("c.id"));
    let count = AggregateTerm::new(AggregateFunction::Count, column("river"));
    let query = cities()
        .join(JoinType::Inner, rivers, same)
        .filter(column("c.country").equal("country 0"))
        .aggregate(["river"], [("cities", count)])
        .order_by([column("cities").descending(), column("river").ascending()])
        .limit(2, 0);
    let rows = prepare(&tables, &query).rows(&tables.snapshot(), &[]).unwrap();
    // Cities 0, 30, 60, .. have rivers 0, 10, 0, ..: fifteen each.
    let expected = [("river 0", 15), ("river 10", 15)];
    assert_eq!(rows, expected.map(|(river, count)| vec![river.into(), Value::I64(count)]));
}

#[test]
fn a_query_begins_at_a_table_and_gives_tuples() {
    let tables = world();
    let engine = QueryEngine::new(&tables);
    let of_three = || engine.table("cities").filter(column("country").equal("country 3"));
    assert_eq!(of_three().count().unwrap(), 100);
    let found: Vec<(i64, String)> = of_three()
        .order_by([column("id").descending()])
        .offset(1)
        .limit(2)
        .select([column("cities.id"), column("name")])
        .fetch()
        .unwrap();
    assert_eq!(found, [(983, "city 0983".to_owned()), (973, "city 0973".to_owned())]);
    let rivers = engine.table("rivers").into_query();
    let joined = of_three()
        .join(JoinType::Inner, rivers, column("rivers.city").equal(column("cities.id")))
        .select([column("river")])
        .distinct();
    assert_eq!(joined.rows().unwrap().len(), 2);
    assert!(joined.explain().unwrap().contains("by_country"));

    let population = || engine.table("cities").select([column("population")]);
    let error = population().fetch::<(i64,)>().unwrap_err();
    assert_eq!(error.to_string(), "read column 0 of a row: its null does not fit the field");
    assert_eq!(population().first::<(Option<i64>,)>().unwrap(), Some((None,)));
    let error = population().first::<(i64, i64)>().unwrap_err();
    assert!(error.to_string().contains("1 columns for 2 fields"), "{error}");

    let mut transaction = tables.transaction();
    let table = transaction.table("cities").unwrap();
    let bern = vec![Value::I64(5_000), "Bern".into(), "country 3".into(), Value::Null];
    transaction.insert(&table, bern).unwrap();
    assert_eq!(of_three().within(&transaction).count().unwrap(), 101);
    assert_eq!(of_three().count().unwrap(), 100);
}

#[test]
fn a_transaction_sees_what_it_has_written() {
    let tables = world();
    let query = cities().filter(column("name").equal("Bern")).select([column("id")]);
    let statement = prepare(&tables, &query);
    let mut transaction = tables.transaction();
    let table = transaction.table("cities").unwrap();
    let bern = vec![Value::I64(5_000), "Bern".into(), "CH".into(), Value::I64(134_000)];
    transaction.insert(&table, bern).unwrap();
    assert_eq!(statement.rows(&transaction, &[]).unwrap(), [[Value::I64(5_000)]]);
    assert!(statement.rows(&tables.snapshot(), &[]).unwrap().is_empty());
}

#[test]
fn a_statement_goes_on_when_the_definitions_change() {
    let tables = world();
    let query = cities().filter(column("name").equal("city 0042")).select([column("id")]);
    let statement = prepare(&tables, &query);
    let before = tables.snapshot();
    assert!(statement.explain().contains("by_name"), "{}", statement.explain());
    tables.drop_index("cities", "by_name").unwrap();
    let found = [[Value::I64(42)]];
    assert_eq!(statement.rows(&tables.snapshot(), &[]).unwrap(), found);
    assert!(!statement.explain().contains("by_name"), "{}", statement.explain());
    assert_eq!(statement.rows(&before, &[]).unwrap(), found, "the older snapshot has the index");
    let column = ColumnDefinition::new("mayor", ColumnType::Text).nullable();
    tables.alter_table("cities", Alteration::AddColumn(column)).unwrap();
    assert_eq!(statement.rows(&tables.snapshot(), &[]).unwrap(), found);
    tables.drop_table("cities").unwrap();
    let error = statement.rows(&tables.snapshot(), &[]).unwrap_err();
    assert!(matches!(error, Error::Query(_)), "{error}");
    assert_eq!(statement.rows(&before, &[]).unwrap(), found);
}

#[test]
fn a_query_keeps_no_more_than_it_may() {
    let tables = world();
    let options = EngineOptions { memory_limit: 16 << 10, ..EngineOptions::default() };
    let engine = QueryEngine::with_options(&tables, options);
    let sorted = cities().order_by([column("population").ascending()]);
    let error = engine.prepare(&sorted).unwrap().rows(&tables.snapshot(), &[]).unwrap_err();
    assert!(matches!(error, Error::Memory { limit: 16_384 }), "{error}");
    // What a sort keeps counts also when its rows come from groups that end one by one.
    let groups = cities().aggregate(["id", "name"], Vec::<(String, AggregateTerm)>::new());
    let sorted_groups = groups.order_by([column("id").times(-1).ascending()]);
    let error = engine.prepare(&sorted_groups).unwrap().rows(&tables.snapshot(), &[]).unwrap_err();
    assert!(matches!(error, Error::Memory { limit: 16_384 }), "{error}");
    // The first ones alone fit.
    let first = engine.prepare(&sorted.limit(5, 0)).unwrap();
    for _ in 0..3 {
        assert_eq!(first.rows(&tables.snapshot(), &[]).unwrap().len(), 5);
    }
}

#[test]
fn what_an_analysis_finds_is_used() {
    let tables = world();
    let engine = QueryEngine::new(&tables);
    let statement = engine.prepare(&cities().filter(column("id").less(10))).unwrap();
    let before = engine.catalog().unwrap();
    assert!(Arc::ptr_eq(&before, &engine.catalog().unwrap()));
    tables.analyze("cities").unwrap();
    for _ in 0..2 {
        assert_eq!(statement.rows(&tables.snapshot(), &[]).unwrap().len(), 10);
    }
    assert!(!Arc::ptr_eq(&before, &engine.catalog().unwrap()));
}

#[test]
fn a_run_is_seen_and_ended_from_elsewhere() {
    let tables = world();
    let all_pairs = cities().cross(QueryBuilder::scan("rivers", "r"));
    let watch = Watch::default();
    let count =
        |table: &str| tables.snapshot().read(&tables.table(table).unwrap()).unwrap().scan().count();
    let (all, both) = (count("cities"), count("cities") + count("rivers"));
    for (query, rows) in [(cities(), all as u64), (all_pairs, both as u64)] {
        watch.restart();
        assert_eq!(watch.progress(), Progress::default());
        let (statement, mut seen) = (prepare(&tables, &query), 0);
        let outcome = statement.for_each_watched(&tables.snapshot(), (&[], Some(&watch)), |_| {
            seen += 1;
            if seen == 3 {
                watch.cancel();
            }
            Ok(ControlFlow::Continue(()))
        });
        assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
        assert_eq!(seen, 3);
        watch.restart();
        let snapshot = tables.snapshot();
        let all = |_: &[ValueRef<'_>]| Ok(ControlFlow::Continue(()));
        statement.for_each_watched(&snapshot, (&[], Some(&watch)), all).unwrap();
        assert_eq!(watch.progress(), Progress { rows_read: rows, rows_expected: rows });
    }
}

#[test]
fn the_visitor_may_have_enough_and_may_fail() {
    let tables = world();
    let statement = prepare(&tables, &cities());
    let mut seen = 0;
    statement
        .for_each(&tables.snapshot(), &[], |_| {
            seen += 1;
            Ok(if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
        .unwrap();
    assert_eq!(seen, 3);
    let fails = cities().select([column("population").divided_by(column("id"))]);
    let error = prepare(&tables, &fails).rows(&tables.snapshot(), &[]);
    // The key of the first city is zero, and its population is null.
    assert_eq!(error.unwrap().len(), 1_000);
    let fails = cities().select([column("id").divided_by(column("id").minus(5))]);
    let error = prepare(&tables, &fails).rows(&tables.snapshot(), &[]).unwrap_err();
    assert!(matches!(error, Error::Expression(_)), "{error}");
}

#[test]
fn analysis_shows_what_there_was_beside_what_was_expected() {
    let tables = world();
    let query = cities().filter(column("country").equal("country 3"));
    let analyzed = prepare(&tables, &query).analyze(&tables.snapshot(), &[]).unwrap();
    assert_eq!(analyzed.rows, 100);
    assert!(analyzed.explain().contains("actual"), "{}", analyzed.explain());
    assert!(analyzed.q_error_max().unwrap() < 1.5, "{}", analyzed.explain());
}
