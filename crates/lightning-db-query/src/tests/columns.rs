//! Scans that find decoded columns of earlier ones, while the table changes.

use lightning_db_optimizer::build::{AggregateTerm, column};
use lightning_db_table::ColumnDefinition;

use super::*;

const ROWS: i64 = 6_000;

fn readings() -> Tables {
    let tables = tables();
    let definition = TableDefinition::new("readings")
        .column(ColumnDefinition::new("id", ColumnType::I64))
        .column(ColumnDefinition::new("level", ColumnType::I64).nullable())
        .column(ColumnDefinition::new("note", ColumnType::Text))
        .primary_key([0]);
    tables.create_table(definition).unwrap();
    tables.insert_many("readings", (0..ROWS).map(reading)).unwrap();
    tables.analyze("readings").unwrap();
    tables.store().compact().unwrap();
    tables
}

fn reading(id: i64) -> Vec<Value> {
    let level = if id % 11 == 0 { Value::Null } else { Value::I64(id % 100) };
    vec![Value::I64(id), level, format!("note {id}").into()]
}

fn scan() -> QueryBuilder {
    QueryBuilder::scan("readings", "r")
}

/// All rows of high levels, by a scan of the whole table.
fn high() -> QueryBuilder {
    scan().filter(column("level").at_least(50_i64)).select([column("id"), column("note")])
}

fn rows(engine: &QueryEngine, query: &QueryBuilder) -> Vec<Vec<Value>> {
    engine.prepare(query).unwrap().rows(&engine.tables().snapshot(), &[]).unwrap()
}

/// An engine that decodes what it reads.
fn plain(tables: &Tables) -> QueryEngine {
    QueryEngine::with_options(tables, EngineOptions { column_cache: 0, ..Default::default() })
}

#[track_caller]
fn check(engine: &QueryEngine, query: &QueryBuilder) -> usize {
    let expected = rows(&plain(engine.tables()), query);
    for time in 0..4 {
        assert!(rows(engine, query) == expected, "time {time}");
    }
    expected.len()
}

#[test]
fn the_second_scan_reads_no_row_and_the_third_no_other_column() {
    let tables = readings();
    let engine = QueryEngine::new(&tables);
    let blocks = || {
        let statistics = tables.store().statistics();
        statistics.cache_hits + statistics.cache_misses
    };
    let counted = |query: &QueryBuilder| {
        let (before, kept) = (blocks(), engine.column_cache());
        let found = rows(&engine, query).len();
        (found, blocks() - before, engine.column_cache().known - kept.known)
    };
    let (found, first, known) = counted(&high());
    assert!(found > 2_000 && first > 100 && known == 0, "{found} {first} {known}");
    // What was looked at is there, what was given of some rows is decoded as a whole.
    let (_, _, known) = counted(&high());
    assert_eq!(known, 0);
    let (again, third, known) = counted(&high());
    assert_eq!(again, found);
    assert!(known > 3 && third < first / 3, "{third} of {first} blocks, {known} known");
    let bytes = engine.column_cache().bytes;
    assert!(bytes > 50_000, "{bytes}");
    let statistics = plain(&tables).column_cache();
    assert_eq!((statistics.known, statistics.bytes), (0, 0));
}

#[test]
fn rows_are_counted_without_a_column() {
    let tables = readings();
    let engine = QueryEngine::new(&tables);
    let count = scan().aggregate(Vec::<&str>::new(), [("rows", AggregateTerm::count_rows())]);
    for _ in 0..3 {
        assert_eq!(rows(&engine, &count), [[Value::I64(ROWS)]]);
    }
    assert!(engine.column_cache().known > 3, "{:?}", engine.column_cache());
}

#[test]
fn changes_are_seen_by_those_who_should_see_them() {
    let tables = readings();
    let engine = QueryEngine::new(&tables);
    let before = check(&engine, &high());
    let older = tables.snapshot();
    let mut transaction = tables.transaction();
    let table = tables.table("readings").unwrap();
    transaction.insert(&table, reading(ROWS + 99)).unwrap();
    assert!(transaction.delete(&table, &[Value::I64(3_099)]).unwrap());
    // It sees its own writes, and nobody else does.
    let statement = engine.prepare(&high()).unwrap();
    assert_eq!(statement.rows(&transaction, &[]).unwrap().len(), before);
    let ids: Vec<Value> =
        statement.rows(&transaction, &[]).unwrap().into_iter().map(|row| row[0].clone()).collect();
    assert!(ids.contains(&Value::I64(ROWS + 99)) && !ids.contains(&Value::I64(3_099)));
    assert_eq!(check(&engine, &high()), before);
    assert!(transaction.commit().unwrap().is_committed());
    for compacted in [false, true] {
        if compacted {
            tables.store().compact().unwrap();
        }
        assert_eq!(check(&engine, &high()), before);
        let now = rows(&engine, &high());
        assert!(now.iter().any(|row| row[0] == Value::I64(ROWS + 99)));
        assert!(now.iter().all(|row| row[0] != Value::I64(3_099)));
        let then = statement.rows(&older, &[]).unwrap();
        assert!(then.iter().any(|row| row[0] == Value::I64(3_099)));
        assert_eq!(then.len(), before);
    }
}

#[test]
fn columns_that_come_and_go_are_those_of_the_table() {
    let tables = readings();
    let engine = QueryEngine::new(&tables);
    check(&engine, &high());
    let added = ColumnDefinition::new("grade", ColumnType::I64).with_default(7_i64);
    tables.alter_table("readings", Alteration::AddColumn(added)).unwrap();
    let graded = scan().filter(column("level").less(9_i64)).select([column("grade")]);
    assert!(check(&engine, &graded) > 400);
    assert!(rows(&engine, &graded).iter().all(|row| row[0] == Value::I64(7)));
    tables.alter_table("readings", Alteration::DropColumn("note".into())).unwrap();
    let note = ColumnDefinition::new("note", ColumnType::Text).with_default("none");
    tables.alter_table("readings", Alteration::AddColumn(note)).unwrap();
    for _ in 0..2 {
        assert!(check(&engine, &high()) > 2_000);
        assert!(rows(&engine, &high()).iter().all(|row| row[1] == Value::from("none")));
        tables.store().compact().unwrap();
    }
}

#[test]
fn little_memory_keeps_little_and_loses_nothing() {
    let tables = readings();
    let options = EngineOptions { column_cache: 20_000, ..Default::default() };
    let engine = QueryEngine::with_options(&tables, options);
    check(&engine, &high());
    let bytes = engine.column_cache().bytes;
    assert!((5_000..=20_000).contains(&bytes), "{bytes}");
}
