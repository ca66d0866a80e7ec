//! Random histories: snapshots of any age, transactions, folds, reopening.

use lightning_db_storage::{StoreOptions, Transaction};
use lightning_db_types::SimVfs;

use super::*;
use crate::testkit::sim_options;

fn options() -> StoreOptions {
    sim_options(&shared(SimVfs::new()))
}

fn open(options: &StoreOptions, geometry: Geometry) -> TestTable {
    TestTable::open(options, definition(IndexKind::Spatial(SpatialOptions { geometry }), 1))
}

fn random_row(rng: &SeededRng, geometry: Geometry) -> Option<Vec<Value>> {
    match rng.below(10) {
        0 | 1 => None,
        2 => Some(vec![Value::Null]),
        _ => {
            let at = random_location(rng, geometry);
            let at = geometry.location(at).unwrap();
            Some(point(at.x, at.y))
        }
    }
}

fn ask(table: &TestTable, reader: Reader<'_>, rng: &SeededRng) {
    let geometry = spatial(table).geometry();
    let at = random_location(rng, geometry);
    let span = [0.5, 5.0, 50.0][below(rng, 3)];
    compare(table, reader, rng, at, span);
}

/// One history: changes of few rows, so that versions pile up, with snapshots kept for long.
fn live(seed: u64, geometry: Geometry, steps: usize) {
    let rng = SeededRng::new(seed);
    let options = options();
    let mut table = open(&options, geometry);
    let mut kept: Vec<Snapshot> = Vec::new();
    for step in 0..steps {
        match rng.below(40) {
            0 => kept.push(table.store.snapshot()),
            1 if kept.len() > 4 => {
                kept.swap_remove(below(&rng, kept.len()));
            }
            2 => {
                table.index.upkeep().unwrap();
            }
            3 => table.store.maintain().unwrap(),
            4 => table.assert_sound(),
            5 if rng.one_in(4) => {
                // Snapshots are of the store that is open: they are taken anew with it.
                kept.clear();
                drop(table);
                table = open(&options, geometry);
            }
            6 if rng.one_in(4) => {
                // The index is opened anew over the same store: old snapshots are still answered.
                let TestTable { store, rows, index } = table;
                let definition = Arc::clone(index.definition());
                drop(index);
                let source: Arc<dyn RowStore> = Arc::clone(&rows) as _;
                let index = crate::Index::open(&store, definition, source).unwrap();
                table = TestTable { store, rows, index };
            }
            7..12 => {
                let mut transaction = table.store.transaction();
                change_many(&table, &mut transaction, &rng, geometry);
                ask(&table, Reader::Transaction(&transaction), &rng);
                if rng.one_in(2) {
                    assert!(transaction.commit().unwrap().is_committed());
                }
            }
            12..16 => match kept.get(below(&rng, 8)) {
                Some(snapshot) => ask(&table, at_snapshot(snapshot), &rng),
                None => ask(&table, at_snapshot(&table.store.snapshot()), &rng),
            },
            _ => {
                let row = random_row(&rng, geometry);
                assert!(table.commit(rng.below(400), row).unwrap().is_committed());
            }
        }
        if step % 200 == 0 {
            table.assert_sound();
        }
    }
    for snapshot in &kept {
        ask(&table, at_snapshot(snapshot), &rng);
    }
}

fn change_many(table: &TestTable, transaction: &mut Transaction, rng: &SeededRng, of: Geometry) {
    let changes = if rng.one_in(4) { 150 } else { rng.below(5) };
    for _ in 0..changes {
        table.change(transaction, rng.below(400), random_row(rng, of).as_ref()).unwrap();
    }
    if rng.one_in(3) {
        let savepoint = transaction.savepoint();
        table.change(transaction, rng.below(400), random_row(rng, of).as_ref()).unwrap();
        transaction.rollback_to(savepoint).unwrap();
    }
}

#[test]
fn every_reader_gets_the_answer_of_its_state() {
    let seed = seed();
    for round in 0..6 {
        let geometry = if round % 2 == 0 { Geometry::Plane } else { Geometry::Sphere };
        println!("history {round} of {geometry:?}");
        live(seed + round, geometry, 1500);
    }
}

#[test]
fn many_versions_fold_away_when_nobody_sees_them() {
    let rng = SeededRng::new(seed());
    let table = table(Geometry::Plane, 1);
    let early = table.store.snapshot();
    for _ in 0..6000 {
        let at = random_location(&rng, Geometry::Plane);
        table.set(rng.below(50), point(at.x, at.y));
    }
    let versions = |table: &TestTable| -> usize {
        spatial(table).state.levels().0.iter().map(|level| level.len()).sum()
    };
    while table.index.upkeep().unwrap() {}
    assert!(versions(&table) > 5000, "a snapshot sees the state before all of them");
    ask(&table, at_snapshot(&early), &rng);
    drop(early);
    while table.index.upkeep().unwrap() {}
    assert!(versions(&table) < 200, "{}", versions(&table));
    ask(&table, at_snapshot(&table.store.snapshot()), &rng);
    table.assert_sound();
}

#[test]
fn a_conflict_over_what_an_index_said_is_found() {
    let table = table(Geometry::Plane, 1);
    table.set(1, point(0.0, 0.0));
    let mut transaction = table.store.transaction();
    let reader = Reader::Transaction(&transaction);
    assert_eq!(spatial(&table).nearest(reader, Location::new(5.0, 5.0), 1).unwrap()[0].row_id, 1);
    table.set(2, point(5.0, 5.0));
    table.change(&mut transaction, 3, Some(&point(9.0, 9.0))).unwrap();
    assert!(!transaction.commit().unwrap().is_committed());
}

#[test]
fn entries_put_back_by_a_load_are_brought_in_line() {
    let table = table(Geometry::Plane, 1);
    let before = point(1.0, 1.0);
    table.set(1, before.clone());
    table.set(2, before.clone());
    let mut loader = table.index.loader().unwrap();
    loader.add(1, &before).unwrap();
    loader.add(2, &before).unwrap();
    // Both rows change while the load goes on.
    table.set(1, point(7.0, 7.0));
    table.remove(2);
    loader.finish(&mut |_, _| std::ops::ControlFlow::Continue(())).unwrap();
    let mut transaction = table.store.transaction();
    let moved = point(7.0, 7.0);
    let (old, new) = (Some(&before as &dyn Columns), Some(&moved as &dyn Columns));
    table.index.maintain(&mut transaction, &RowChange { row_id: 1, old, new }).unwrap();
    table.index.maintain(&mut transaction, &RowChange { row_id: 2, old, new: None }).unwrap();
    assert!(transaction.commit().unwrap().is_committed());
    table.assert_sound();
    assert_eq!(spatial(&table).entries.len().unwrap(), 1);
}

#[test]
fn entries_changed_as_a_whole_are_loaded_again() {
    let table = table(Geometry::Plane, 1);
    table.set(1, point(1.0, 1.0));
    let before = table.store.snapshot();
    spatial(&table).entries.clear().unwrap();
    let cleared = table.store.snapshot();
    let count = |snapshot: &Snapshot| {
        spatial(&table).nearest(at_snapshot(snapshot), Location::default(), 9).unwrap().len()
    };
    assert_eq!((count(&before), count(&cleared), count(&before)), (1, 0, 1));
    table.set(2, point(2.0, 2.0));
    let place = |n: u32| Place::Point(Location::new(f64::from(n), 0.0)).encode();
    let ingested = (10..500_u32).map(|n| (row_key(u64::from(n)), place(n)));
    spatial(&table).entries.ingest(ingested).unwrap();
    table.set(3, point(3.0, 3.0));
    let after = table.store.snapshot();
    assert_eq!((count(&before), count(&cleared), count(&after)), (1, 0, 9));
    let far = SpatialQuery::Inside(Bounds { min_x: 0.0, min_y: 0.0, max_x: 1e6, max_y: 9.0 });
    assert_eq!(table.find(&query(far)).len(), 492);
    drop((before, cleared));
    table.index.upkeep().unwrap();
    assert_eq!(count(&table.store.snapshot()), 9);
}
