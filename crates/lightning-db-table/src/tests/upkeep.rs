//! The thread, and what it keeps.

use std::time::Duration;

use lightning_db_index::Expression;
use lightning_db_storage::{Durability, Maintenance, StoreOptions};

use super::*;

#[test]
fn the_thread_ends_with_the_last_handle() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions::new(dir.path()).durability(Durability::Memory);
    assert_eq!(options.clone().open().unwrap().0.maintenance(), Maintenance::Background);
    let (store, _) = options.open().unwrap();
    let (tables, _) = Tables::open(&store).unwrap();
    tables.create_table(people()).unwrap();
    let other = tables.clone();
    let weak = Arc::downgrade(&tables.inner);
    drop(tables);
    other.insert("people", person(1, "ada", 1)).unwrap();
    drop(other);
    assert!(weak.upgrade().is_none());
}

#[test]
fn statistics_follow_the_commits_and_survive_a_restart() {
    let world = World::new();
    let tables = world.open();
    tables.create_table(people()).unwrap();
    let rows = |from: i64, to: i64| {
        let row =
            |id: i64| person(id, &format!("p{id}"), if id % 4 == 0 { None } else { Some(id % 10) });
        (from..to).map(row).collect::<Vec<_>>()
    };
    tables.insert_many("people", rows(0, 1_000)).unwrap();
    let check = |tables: &Tables, rows: f64| {
        let snapshot = tables.snapshot();
        let table = snapshot.table("people").unwrap();
        let reader = snapshot.read(&table).unwrap();
        let all = reader.estimate(&Expression::literal(true)).point;
        assert!((all - rows).abs() < 0.5, "{all}, not {rows}");
        let score = reader.column_statistics("score").unwrap().unwrap();
        assert!((0.24..0.26).contains(&score.null_fraction), "{score:?}");
        let name = reader.column_statistics("name").unwrap().unwrap();
        assert!((0.9..1.1).contains(&(name.distinct / rows)), "{name:?}");
        let key = reader.estimate(&Expression::column(0).equal(5_i64));
        assert!(key.high <= 1.0, "{key:?}");
        let fifth = reader.estimate(&Expression::column(2).at_most(1_i64));
        assert!((0.1..0.3).contains(&(fifth.point / rows)), "{fifth:?}");
    };
    check(&tables, 1_000.0);
    drop(tables);
    let tables = world.open();
    check(&tables, 1_000.0);
    // Rolled back and conflicting work is not counted.
    let table = tables.table("people").unwrap();
    let mut transaction = tables.transaction();
    transaction.insert_many(&table, rows(5_000, 6_000)).unwrap();
    transaction.rollback();
    let mut transaction = tables.transaction();
    let savepoint = transaction.savepoint();
    transaction.insert_many(&table, rows(5_000, 6_000)).unwrap();
    transaction.rollback_to(savepoint).unwrap();
    transaction.insert_many(&table, rows(1_000, 1_100)).unwrap();
    transaction.delete(&table, &[0_i64.into()]).unwrap();
    assert!(transaction.commit().unwrap().is_committed());
    check(&tables, 1_099.0);
    for id in 0..1_000_i64 {
        tables.delete("people", &[id.into()]).unwrap();
    }
    assert_eq!(tables.upkeep().unwrap().analyzed, 1);
    check(&tables, 100.0);
    assert_eq!(tables.upkeep().unwrap().analyzed, 0);
}

#[test]
fn upkeep_may_run_beside_everything_else() {
    let world = World::new();
    let tables = world.open();
    tables.create_table(people()).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for id in 0..2_000 {
                tables.upsert("people", person(id % 50, &format!("p{}", id % 50), id)).unwrap();
                if id % 500 == 0 {
                    tables.drop_index("people", "by_score").unwrap();
                    build(&tables, "people", IndexSpec::ordered("by_score").column(2));
                }
            }
        });
        while !writer.is_finished() {
            tables.upkeep().unwrap();
            tables.analyze("people").unwrap();
        }
    });
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(
        tables.snapshot().read(&tables.table("people").unwrap()).unwrap().approximate_count(),
        50
    );
    assert_sound(&tables);
}
