//! Never a false "certainly not": after growth, rebuild, reload and crash.

use std::collections::BTreeMap;
use std::sync::Arc;

use lightning_db_storage::{Snapshot, StoreOptions};
use lightning_db_types::{Persistence, Rng, SeededRng, SimVfs, Value};

use super::*;
use crate::definition::IndexKind;
use crate::native::KeyQuery;
use crate::testkit::{TestTable, definition, sim_options};

fn bloom(false_positive_rate: f64, expected_items: u64) -> IndexDefinition {
    definition(IndexKind::Bloom(BloomOptions { false_positive_rate, expected_items }), 1)
}

fn number(value: u64) -> Value {
    Value::I64(value.cast_signed())
}

fn asks(table: &TestTable, reader: Reader<'_>, value: u64) -> bool {
    table.index.as_bloom().unwrap().may_contain(reader, &[number(value)]).unwrap()
}

fn seed() -> u64 {
    let given = std::env::var("LIGHTNING_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or(0xB100);
    println!("seed {seed}; LIGHTNING_SEED={seed} repeats this run");
    seed
}

#[test]
fn of_a_thousand_keys_all_are_found_and_one_of_a_hundred_others_at_most() {
    let table = TestTable::new(bloom(0.01, 1_000));
    for row_id in 0..1_000 {
        table.set(row_id, [number(row_id * 17)]);
    }
    let snapshot = table.store.snapshot();
    let reader = Reader::Snapshot(&snapshot);
    assert!((0..1_000).all(|row_id| asks(&table, reader, row_id * 17)));
    let bloom = table.index.as_bloom().unwrap();
    let outside = bloom.may_contain(reader, &["outside".into()]).unwrap();
    assert!(!outside);
    let passed = (0..20_000).filter(|of| asks(&table, reader, of * 17 + 1)).count();
    assert!((100..300).contains(&passed), "{passed} of 20,000");
    let rate = table.index.statistics().unwrap().false_positive_rate.unwrap();
    assert!((0.008..0.012).contains(&rate), "{rate}");
    // Numbers of other types.
    assert!(bloom.may_contain(reader, &[Value::U64(17)]).unwrap());
    assert!(bloom.may_contain(reader, &[Value::F64(17.0)]).unwrap());
    assert!(bloom.may_contain(reader, &[Value::Decimal("17.00".parse().unwrap())]).unwrap());
    assert!(matches!(bloom.may_contain(reader, &[]), Err(Error::Query { .. })));
}

#[test]
fn rows_are_exact_although_the_filter_is_not() {
    let table = TestTable::new(bloom(0.5, 1));
    for row_id in 0..300 {
        table.set(row_id, [number(row_id % 100)]);
    }
    let rows = |keys: Vec<u64>| {
        let query = KeyQuery::any_of(keys.into_iter().map(|key| [number(key)]));
        table.find(&IndexQuery::Key(query)).iter().collect::<Vec<u64>>()
    };
    assert_eq!(rows(vec![7]), [7, 107, 207]);
    assert_eq!(rows(vec![7, 99]), [7, 99, 107, 199, 207, 299]);
    assert_eq!(rows((100..400).collect()), [] as [u64; 0]);
    let all = table
        .index
        .rows(Reader::Snapshot(&table.store.snapshot()), &IndexQuery::Key(KeyQuery::all()));
    assert!(matches!(all, Err(Error::Query { .. })));
}

#[test]
fn options_that_cannot_be_kept_are_refused() {
    for (rate, items) in
        [(1e-9, 10), (0.0, 10), (0.6, 10), (f64::NAN, 10), (0.01, 0), (0.01, 1 << 33)]
    {
        let (store, _) = sim_options(&Arc::new(SimVfs::new())).open().unwrap();
        let rows = TestTable::new(bloom(0.1, 1)).rows;
        let opened = crate::index::Index::open(&store, Arc::new(bloom(rate, items)), rows as _);
        assert!(matches!(opened, Err(Error::Definition { .. })), "{rate} {items}");
    }
}

#[test]
fn a_transaction_finds_its_own_rows_also_if_the_filter_is_made_again() {
    let table = TestTable::new(bloom(0.001, 100));
    table.set(1, [number(1)]);
    let mut own = table.store.transaction();
    table.change(&mut own, 2, Some(&vec![number(2_222)])).unwrap();
    assert!(asks(&table, Reader::Transaction(&own), 2_222));
    table.index.as_bloom().unwrap().rebuild().unwrap();
    let snapshot = table.store.snapshot();
    assert!(!asks(&table, Reader::Snapshot(&snapshot), 2_222), "not committed");
    assert!(asks(&table, Reader::Transaction(&own), 2_222));
    assert!(own.commit().unwrap().is_committed());
    let snapshot = table.store.snapshot();
    assert!(asks(&table, Reader::Snapshot(&snapshot), 2_222), "the hook has put it in");
}

#[test]
fn an_old_snapshot_is_never_told_certainly_not_of_a_row_that_it_sees() {
    let table = TestTable::new(bloom(0.001, 100));
    table.set(1, [number(1)]);
    let old = table.store.snapshot();
    table.remove(1);
    table.index.as_bloom().unwrap().rebuild().unwrap();
    assert!(asks(&table, Reader::Snapshot(&old), 1));
    let new = table.store.snapshot();
    assert!(!asks(&table, Reader::Snapshot(&new), 1));
}

#[test]
fn dead_keys_are_cleared_away() {
    let table = TestTable::new(bloom(0.01, 4_000));
    for row_id in 0..4_000 {
        table.set(row_id, [number(row_id)]);
    }
    for row_id in 0..2_000 {
        table.remove(row_id);
    }
    while table.index.upkeep().unwrap() {}
    let statistics = table.index.statistics().unwrap();
    assert!((1_900..2_001).contains(&statistics.entries), "{}", statistics.entries);
    let snapshot = table.store.snapshot();
    assert!((2_000..4_000).all(|key| asks(&table, Reader::Snapshot(&snapshot), key)));
    table.assert_sound();
}

#[test]
fn rows_that_came_in_bulk_are_doubted_until_the_filter_is_made_again() {
    let table = TestTable::new(bloom(0.001, 100));
    let rows: &dyn RowStore = &*table.rows;
    let entries = (0..50_u64).map(|row_id| {
        (crate::row::row_key(row_id), postcard::to_stdvec(&vec![number(row_id)]).unwrap())
    });
    rows.keyspace().ingest(entries).unwrap();
    let snapshot = table.store.snapshot();
    assert!((0..50).all(|key| asks(&table, Reader::Snapshot(&snapshot), key)));
    while table.index.upkeep().unwrap() {}
    let snapshot = table.store.snapshot();
    assert!((0..50).all(|key| asks(&table, Reader::Snapshot(&snapshot), key)));
    assert!(!asks(&table, Reader::Snapshot(&snapshot), 1_000_000));
}

fn saved_table(options: &StoreOptions) -> TestTable {
    let table = TestTable::open(options, bloom(0.001, 5_000));
    for row_id in 0..4_500 {
        table.set(row_id, [number(row_id)]);
    }
    while table.index.upkeep().unwrap() {}
    let bloom = table.index.as_bloom().unwrap();
    assert!(bloom.saved.lock().0 > 0, "it was saved");
    table
}

#[test]
fn a_tampered_count_is_refused_and_the_filter_made_again() {
    let vfs = Arc::new(SimVfs::new());
    let options = sim_options(&vfs);
    let changes: [fn(&mut checkpoint::TestHead); 3] =
        [|head| head.items = 3, |head| head.ones -= 1, |head| head.hashes -= 1];
    for change in changes {
        let table = saved_table(&options);
        let bloom = table.index.as_bloom().unwrap();
        let snapshot = table.store.snapshot();
        let of = |snapshot| checkpoint::load(snapshot, &bloom.keyspace, bloom.fingerprint());
        assert!(of(&snapshot).unwrap().is_some());
        checkpoint::tamper(&bloom.keyspace, change);
        assert!(of(&table.store.snapshot()).unwrap().is_none());
        table.store.close().unwrap();
        drop(table);
        let table = TestTable::open(&options, super::tests::bloom(0.001, 5_000));
        let snapshot = table.store.snapshot();
        assert!((0..4_500).all(|key| asks(&table, Reader::Snapshot(&snapshot), key)));
        assert_eq!(table.index.as_bloom().unwrap().saved.lock().0, 0, "it was not loaded");
    }
}

#[test]
fn a_flipped_bit_is_refused() {
    let table = saved_table(&sim_options(&Arc::new(SimVfs::new())));
    let bloom = table.index.as_bloom().unwrap();
    let entries: Vec<_> = bloom.keyspace.iter().map(Result::unwrap).collect();
    for (key, value) in entries {
        for at in [0, value.len() / 2, value.len() - 1] {
            let mut damaged = value.to_vec();
            damaged[at] ^= 4;
            bloom.keyspace.insert(&key, damaged).unwrap();
            let load =
                checkpoint::load(&table.store.snapshot(), &bloom.keyspace, bloom.fingerprint());
            assert!(load.unwrap().is_none());
        }
        bloom.keyspace.insert(&key, &value).unwrap();
    }
}

#[test]
fn commits_behind_the_saved_filter_come_from_the_log() {
    let vfs = Arc::new(SimVfs::new());
    let options = sim_options(&vfs);
    let table = saved_table(&options);
    for row_id in 10_000..10_050 {
        table.set(row_id, [number(row_id)]);
    }
    table.store.sync().unwrap();
    drop(table);
    vfs.power_cut(Persistence::Random, 1);
    let table = TestTable::open(&options, bloom(0.001, 5_000));
    assert!(table.index.as_bloom().unwrap().saved.lock().0 > 0, "it was loaded");
    let snapshot = table.store.snapshot();
    assert!((10_000..10_050).all(|key| asks(&table, Reader::Snapshot(&snapshot), key)));
    table.assert_sound();
}

/// Random changes, snapshots, rebuilds, crashes; no row that a reader sees is ever denied.
#[test]
fn no_row_that_a_reader_sees_is_denied() {
    let rng = SeededRng::new(seed());
    for _ in 0..4 {
        let vfs = Arc::new(SimVfs::new());
        let options = sim_options(&vfs);
        // Far too small, so that it grows.
        let mut table = TestTable::open(&options, bloom(0.01, 20));
        let mut rows = BTreeMap::new();
        let mut snapshots: Vec<(Snapshot, BTreeMap<u64, u64>)> = Vec::new();
        for _ in 0..400 {
            match rng.below(20) {
                0 => while table.index.upkeep().unwrap() {},
                1 => table.index.as_bloom().unwrap().rebuild().unwrap(),
                2 => snapshots.push((table.store.snapshot(), rows.clone())),
                3 => {
                    table.index.as_bloom().unwrap().save(true).unwrap();
                }
                4 => {
                    snapshots.clear();
                    table.store.sync().unwrap();
                    drop(table);
                    vfs.power_cut(Persistence::Random, rng.next_u64());
                    table = TestTable::open(&options, bloom(0.01, 20));
                }
                5 => {
                    for (snapshot, rows) in &snapshots {
                        let reader = Reader::Snapshot(snapshot);
                        assert!(rows.values().all(|value| asks(&table, reader, *value)));
                    }
                    table.assert_sound();
                }
                _ => {
                    let mut transaction = table.store.transaction();
                    let mut changed = rows.clone();
                    for _ in 0..=rng.below(10) {
                        let (row_id, value) = (rng.below(500), rng.next_u64() >> 1);
                        let row = (!rng.one_in(4)).then(|| vec![number(value)]);
                        table.change(&mut transaction, row_id, row.as_ref()).unwrap();
                        match row {
                            Some(_) => changed.insert(row_id, value),
                            None => changed.remove(&row_id),
                        };
                    }
                    if rng.one_in(3) {
                        if rng.one_in(3) {
                            table.index.as_bloom().unwrap().rebuild().unwrap();
                        }
                        let reader = Reader::Transaction(&transaction);
                        assert!(changed.values().all(|value| asks(&table, reader, *value)));
                    }
                    if rng.one_in(6) {
                        transaction.rollback();
                    } else {
                        assert!(transaction.commit().unwrap().is_committed());
                        rows = changed;
                    }
                }
            }
        }
        let snapshot = table.store.snapshot();
        assert!(rows.values().all(|value| asks(&table, Reader::Snapshot(&snapshot), *value)));
    }
}

#[test]
fn writers_and_rebuilds_at_once_lose_nothing() {
    let table = Arc::new(TestTable::new(bloom(0.01, 100)));
    let done = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for writer in 0..3_u64 {
            let (table, done) = (&table, &done);
            scope.spawn(move || {
                for step in 0..300 {
                    let row_id = step * 3 + writer;
                    table.set(row_id, [number(row_id)]);
                    let snapshot = table.store.snapshot();
                    assert!(asks(table, Reader::Snapshot(&snapshot), row_id), "{row_id}");
                }
                done.fetch_add(1, Ordering::Relaxed);
            });
        }
        while done.load(Ordering::Relaxed) < 3 {
            table.index.as_bloom().unwrap().rebuild().unwrap();
        }
    });
    table.assert_sound();
}
