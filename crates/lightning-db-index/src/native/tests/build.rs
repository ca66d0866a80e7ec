//! Bulk builds.

use super::*;
use crate::error::Error;
use crate::loader::{LoaderOptions, Loading};
use crate::native::load::{Sorter, Unique, Writer};
use crate::row::RowChange;
use crate::runs::Place;
use lightning_db_types::Rng;
use std::ops::ControlFlow;

fn go(_: u64, _: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// With so many bytes of memory, and no log.
fn loading(memory_bytes: usize) -> Loading {
    Loading { options: LoaderOptions::default().memory_bytes(memory_bytes), ..Loading::default() }
}

/// Entries of an index, without what is kept beside them.
fn entries(table: &TestTable) -> Vec<(Vec<u8>, Vec<u8>)> {
    let name = "index/7/entries";
    let keyspace = table.store.open_keyspace(name).unwrap();
    let all = keyspace.range(&[1_u8][..]..).map(|item| item.unwrap());
    all.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

#[test]
fn a_build_equals_the_changes_one_by_one_byte_for_byte() {
    let rng = rng();
    let include = OrderedOptions::new().include([Expression::column(2)]);
    let definitions = [
        ordered(include.clone(), 2),
        ordered(include.unique(), 3),
        hash(HashOptions::new(), 2),
        hash(HashOptions::new().unique(), 3),
    ];
    for definition in definitions {
        let (built, changed) = (TestTable::new(definition.clone()), TestTable::new(definition));
        let mut bulk = built.index.loader().unwrap();
        let mut transaction = changed.store.transaction();
        for row_id in 0..500 {
            let word =
                if rng.one_in(9) { Value::Null } else { text(&format!("w{}", rng.below(40))) };
            let row = vec![Value::I64(-i64::try_from(rng.below(9)).unwrap()), word, row_id.into()];
            bulk.add(row_id, &row).unwrap();
            changed.change(&mut transaction, row_id, Some(&row)).unwrap();
        }
        assert!(transaction.commit().unwrap().is_committed());
        let mut calls = Vec::new();
        let loaded = bulk
            .finish(&mut |done, all| {
                calls.push((done, all));
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!((loaded.entries, loaded.duplicates.len()), (500, 0));
        assert_eq!(calls.last(), Some(&(500, 500)));
        assert_eq!(entries(&built), entries(&changed));
        assert_eq!(built.index.statistics().unwrap().entries, 500);
    }
}

#[test]
fn duplicates_of_a_unique_build_are_listed_and_nothing_is_written() {
    for definition in
        [ordered(OrderedOptions::new().unique(), 1), hash(HashOptions::new().unique(), 1)]
    {
        let table = TestTable::new(definition);
        let mut bulk = table.index.loader().unwrap();
        for row in 0..450_i64 {
            bulk.add(row.unsigned_abs(), &vec![Value::I64(row % 150)]).unwrap();
        }
        bulk.add(900, &vec![Value::Null]).unwrap();
        bulk.add(901, &vec![Value::Null]).unwrap();
        let loaded = bulk.finish(&mut go).unwrap();
        assert_eq!((loaded.entries, loaded.duplicates.len()), (0, 100));
        for (key, one, other) in &loaded.duplicates {
            let key: u64 = key.parse().unwrap();
            assert!(one < other && one % 150 == key && other % 150 == key);
        }
        assert_eq!(entries(&table), []);
    }
}

#[test]
fn a_build_is_cancelled_without_a_trace() {
    let table = TestTable::new(ordered(OrderedOptions::new(), 1));
    for stop_at in [0, 1_024] {
        let mut bulk = table.index.loader().unwrap();
        for row in 0..3_000_i64 {
            bulk.add(row.unsigned_abs(), &vec![Value::I64(row)]).unwrap();
        }
        let cancelled = bulk.finish(&mut |done, _| {
            if done >= stop_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(matches!(cancelled.unwrap_err(), Error::Cancelled { .. }));
        assert_eq!(entries(&table), []);
    }
}

#[test]
fn entries_beyond_the_memory_are_sorted_in_runs() {
    let table = TestTable::new(ordered(OrderedOptions::new(), 1));
    let index = index(&table);
    let rng = SeededRng::new(5);
    let mut model = std::collections::BTreeSet::new();
    let mut sorter = Sorter::new(index.place(), loading(20_000), Vec::new).unwrap();
    for row_id in 0..3_000 {
        let row = vec![Value::I64(i64::try_from(rng.below(50)).unwrap())];
        let entry = index.entry(row_id, &row).unwrap();
        sorter.push(row_id, &entry.key, &entry.value).unwrap();
        model.insert(entry.key);
    }
    let runs = || table.store.keyspaces().iter().filter(|name| name.contains("run")).count();
    assert!(runs() > 3);
    let row_of = |key: &[u8], value: &[u8]| index.row_id_of(key, value).unwrap();
    let writer = &mut Writer { row_of: &row_of, unique: None, progress: &mut go };
    let loaded = sorter.finish(writer).unwrap();
    assert_eq!((loaded.entries, runs()), (3_000, 0));
    assert!(entries(&table).into_iter().map(|(key, _)| key).eq(model));
    let table = TestTable::new(ordered(OrderedOptions::new().unique(), 1));
    let keyspace = super::index(&table).keyspace();
    let definition = table.index.definition();
    let place = Place { store: &table.store, definition, keyspace };
    let mut sorter = Sorter::new(place, loading(200), Vec::new).unwrap();
    (0..100_u64).for_each(|row| {
        let key = (row % 60).to_be_bytes();
        sorter.push(row, &[&[1], &key[..]].concat(), &row.to_be_bytes()).unwrap();
    });
    let unique = Unique { same: &|_, _| true, text: &|key, _| key[8].to_string(), joined: false };
    let row_of = |_: &[u8], value: &[u8]| u64::from_be_bytes(value.try_into().unwrap());
    let writer = &mut Writer { row_of: &row_of, unique: Some(unique), progress: &mut go };
    let loaded = sorter.finish(writer).unwrap();
    assert_eq!(loaded.duplicates.len(), 40);
    assert_eq!(loaded.duplicates[3], ("3".to_owned(), 3, 63));
}

#[test]
fn runs_that_a_crash_left_are_dropped_when_the_index_is_opened() {
    use std::sync::Arc;
    let options = crate::testkit::sim_options(&Arc::new(lightning_db_types::SimVfs::new()));
    let definition = ordered(OrderedOptions::new(), 1);
    let table = TestTable::open(&options, definition.clone());
    let left = lightning_db_storage::KeyspaceOptions::new();
    table.store.keyspace("index/7/run/0", left).unwrap();
    table.store.close().unwrap();
    drop(table);
    let table = TestTable::open(&options, definition);
    assert!(!table.store.keyspaces().iter().any(|name| name.contains("run")));
}

/// A table of 400 rows, and an index of it that is being built with a log.
fn begun(options: &lightning_db_storage::StoreOptions, definition: IndexDefinition) -> TestTable {
    let table = TestTable::open(options, definition);
    table.index.begin_build().unwrap();
    table
}

fn row(row_id: u64) -> Vec<Value> {
    vec![Value::I64((row_id * 7_919 % 400).cast_signed())]
}

/// Adds the rows from a number on, until there are so many runs; gives the last one.
fn read(table: &TestTable, loader: &mut dyn crate::loader::Loader, runs: usize) -> u64 {
    let first = loader.resumed().map_or(0, |of| of.last_row + 1);
    let count = || table.store.keyspaces().iter().filter(|name| name.contains("run/")).count();
    for row_id in first..400 {
        loader.add(row_id, &row(row_id)).unwrap();
        if count() >= runs {
            return row_id;
        }
    }
    399
}

#[test]
fn a_build_goes_on_behind_its_last_run_and_leaves_out_what_has_changed() {
    use std::sync::Arc;
    let unique = OrderedOptions::new().unique();
    for definition in [
        ordered(OrderedOptions::new(), 1),
        ordered(unique, 1),
        hash(HashOptions::new().unique(), 1),
    ] {
        let options = crate::testkit::sim_options(&Arc::new(lightning_db_types::SimVfs::new()));
        let small = LoaderOptions::default().memory_bytes(2_000);
        let table = begun(&options, definition.clone());
        let mut loader = table.index.loader_with(small).unwrap();
        assert_eq!(loader.resumed(), None);
        let last = read(&table, &mut *loader, 3);
        drop(loader);
        // A change of a row that is in a run, and one of a row that is not.
        for row_id in [5_u64, 390] {
            let mut transaction = table.store.transaction();
            let value = vec![Value::I64(1_000 + row_id.cast_signed())];
            let old = row(row_id);
            let change = RowChange { row_id, old: Some(&old), new: Some(&value) };
            table.index.maintain(&mut transaction, &change).unwrap();
            table.index.note_change(&mut transaction, row_id).unwrap();
            assert!(transaction.commit().unwrap().is_committed());
        }
        table.store.close().unwrap();
        drop(table);
        let (store, _) = options.clone().open().unwrap();
        crate::index::Index::recover_build(&store, &definition).unwrap();
        drop(store);
        let table = begun(&options, definition.clone());
        let mut loader = table.index.loader_with(small).unwrap();
        let resumed = loader.resumed().unwrap();
        assert_eq!((resumed.last_row + 1, resumed.rows), (last, last));
        read(&table, &mut *loader, usize::MAX);
        let changed = table.index.changed_rows(&table.store.snapshot()).unwrap();
        assert!(changed.iter().eq([5, 390]));
        loader.leave_out(&changed);
        let written = loader.finish(&mut go).unwrap();
        assert_eq!((written.entries, written.duplicates.len()), (398, 0));
        for row_id in 0..400 {
            let query = KeyQuery::equal(row(row_id));
            let wanted = if changed.contains(row_id) { vec![] } else { vec![row_id] };
            assert_eq!(found(&table, query), wanted, "{definition:?}");
        }
        assert!(table.store.keyspaces().iter().any(|name| name.contains("run/")));
        table.index.end_build().unwrap();
        assert_eq!(table.store.keyspaces(), ["index/7/entries", "rows"]);
        // Counted anew: what the first try has read, the second one has not seen.
        assert!(!table.index.statistics().unwrap().entries_exact);
        assert!(table.index.upkeep().unwrap());
        let counted = table.index.statistics().unwrap();
        assert_eq!((counted.entries, counted.entries_exact), (398, true));
    }
}

#[test]
fn types_that_only_rows_from_before_a_crash_have_are_looked_for() {
    use std::sync::Arc;
    let options = crate::testkit::sim_options(&Arc::new(lightning_db_types::SimVfs::new()));
    let definition = ordered(OrderedOptions::new(), 1);
    let small = LoaderOptions::default().memory_bytes(2_000);
    let value = |row_id: u64| if row_id < 9 { vec![Value::Null] } else { row(row_id) };
    let load = |table: &TestTable, until: u64| {
        let mut loader = table.index.loader_with(small).unwrap();
        let first = loader.resumed().map_or(0, |of| of.last_row + 1);
        (first..until).for_each(|row_id| loader.add(row_id, &value(row_id)).unwrap());
        if until == 400 {
            assert_eq!(loader.finish(&mut go).unwrap().entries, 400);
        }
        first
    };
    let table = begun(&options, definition.clone());
    load(&table, 300);
    table.store.close().unwrap();
    drop(table);
    let (store, _) = options.clone().open().unwrap();
    crate::index::Index::recover_build(&store, &definition).unwrap();
    drop(store);
    let table = begun(&options, definition.clone());
    assert!(load(&table, 400) > 9);
    table.index.end_build().unwrap();
    let nulls = || KeyQuery::equal([Value::Null]);
    assert_eq!(found(&table, nulls()), (0..9).collect::<Vec<u64>>());
    table.store.close().unwrap();
    drop(table);
    let table = TestTable::open(&options, definition);
    assert_eq!(found(&table, nulls()), (0..9).collect::<Vec<u64>>());
}
