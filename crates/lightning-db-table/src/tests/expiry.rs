//! Rows that end by themselves.

use std::time::Duration;

use super::*;

fn sessions() -> TableDefinition {
    TableDefinition::new("sessions")
        .column(ColumnDefinition::new("token", ColumnType::Text))
        .column(ColumnDefinition::new("user", ColumnType::I64))
        .column(ColumnDefinition::new("ends", ColumnType::Timestamp).nullable())
        .primary_key([0])
        .index(IndexSpec::ordered("by_user").column(1))
        .index(IndexSpec::bitmap("by_user_bits").column(1))
        .expires_at(2)
}

fn session(world: &World, token: &str, seconds: Option<i64>) -> [Value; 3] {
    let ends = seconds.map(|seconds| Value::Timestamp(world.now_us() + seconds * 1_000_000));
    [token.into(), 7_i64.into(), ends.unwrap_or_default()]
}

#[test]
fn rows_are_gone_at_their_time_and_removed_with_all_entries() {
    let world = World::new();
    let tables = world.open();
    tables.create_table(sessions()).unwrap();
    for (token, seconds) in [("a", Some(10)), ("b", Some(20)), ("c", None)] {
        tables.insert("sessions", session(&world, token, seconds)).unwrap();
    }
    let keys = |tables: &Tables| keys_of(tables, "sessions", "by_user", 7_i64);
    assert_eq!(keys(&tables).len(), 3);
    let old = tables.snapshot();
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(keys(&tables), ["b".into(), "c".into()]);
    assert!(tables.get("sessions", &["a".into()]).unwrap().is_none());
    // A reader goes on with the time at which it began.
    let table = old.table("sessions").unwrap();
    assert!(old.read(&table).unwrap().get(&["a".into()]).unwrap().is_some());
    // The key is free again, before the row is removed.
    tables.insert("sessions", session(&world, "a", Some(100))).unwrap();
    assert_eq!(keys(&tables).len(), 3);
    assert_sound(&tables);
    world.clock.advance(Duration::from_secs(15));
    assert_eq!(tables.upkeep().unwrap().rows_ended, 1);
    assert_eq!(tables.upkeep().unwrap().rows_ended, 0);
    assert_sound(&tables);
    let snapshot = tables.snapshot();
    let table = snapshot.table("sessions").unwrap();
    for index in &snapshot.read(&table).unwrap().table.indexes {
        let rows = index.index.statistics().unwrap();
        assert!(rows.entries <= 12, "{rows:?}");
    }
    let raw = table.state.rows.keyspace.len().unwrap();
    assert_eq!((raw, keys(&tables).len()), (2, 2));
}

#[test]
fn a_row_that_has_ended_gives_way_in_every_unique_index() {
    let world = World::new();
    let tables = world.open();
    let definition = sessions().index(IndexSpec::unique("by_user_once").column(1));
    tables.create_table(definition).unwrap();
    tables.insert("sessions", session(&world, "a", Some(10))).unwrap();
    let error = tables.insert("sessions", session(&world, "b", None)).unwrap_err().to_string();
    let wanted = "table sessions, row 'b': index by_user_once: row 'a' has the key (7) already";
    assert_eq!(error, wanted);
    world.clock.advance(Duration::from_secs(10));
    tables.insert("sessions", session(&world, "b", None)).unwrap();
    assert_eq!(tables.remove_ended().unwrap(), 0);
    assert_eq!(keys_of(&tables, "sessions", "by_user", 7_i64), ["b".into()]);
    assert_sound(&tables);
}

#[test]
fn more_rows_than_one_commit_removes_are_all_removed() {
    let world = World::new();
    let tables = world.open();
    tables.create_table(sessions()).unwrap();
    let rows = (0..2_500).map(|at| session(&world, &format!("{at:05}"), Some(5)));
    tables.insert_many("sessions", rows.collect::<Vec<_>>()).unwrap();
    world.clock.advance(Duration::from_secs(6));
    assert_eq!(tables.remove_ended().unwrap(), 2_500);
    assert_sound(&tables);
}
