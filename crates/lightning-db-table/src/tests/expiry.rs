//! Rows that end by themselves.

use std::time::Duration;

use lightning_db_index::{
    Analyzer, IndexQuery, KeyQuery, Location, RowExpression, RowSet, SpatialQuery, TextQuery,
};

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

/// Tasks with a rank, a place and some words, of which every other one ends at once.
fn tasks(world: &World, tables: &Tables) {
    let definition = TableDefinition::new("tasks")
        .column(ColumnDefinition::new("id", ColumnType::I64))
        .column(ColumnDefinition::new("rank", ColumnType::I64))
        .column(ColumnDefinition::new("place", ColumnType::Point))
        .column(ColumnDefinition::new("words", ColumnType::Text))
        .column(ColumnDefinition::new("ends", ColumnType::Timestamp).nullable())
        .primary_key([0])
        .index(IndexSpec::ordered("by_rank").column(1))
        .index(IndexSpec::hash("by_hash").column(1))
        .index(IndexSpec::spatial("by_place").column(2))
        .index(IndexSpec::text("by_words", Analyzer::Simple).column(3))
        .expires_at(4);
    tables.create_table(definition).unwrap();
    for id in 0..200_i64 {
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let place = Value::Point { x: id as f64, y: 0.0 };
        let words = "storm ".repeat(usize::try_from(200 - id).unwrap());
        let ends = (id % 2 == 0).then(|| Value::Timestamp(world.now_us() + 1_000_000));
        let rank = Value::I64(id / 100);
        let row = [id.into(), rank, place, words.into(), ends.unwrap_or_default()];
        tables.insert("tasks", row).unwrap();
    }
}

#[test]
fn limits_count_the_rows_that_have_not_ended() {
    let world = World::new();
    let tables = world.open();
    tasks(&world, &tables);
    let key = |rows: &RowSet| -> Vec<u64> { rows.iter().map(|row_id| row_id ^ 1 << 63).collect() };
    for ended in [false, true] {
        if ended {
            world.clock.advance(Duration::from_secs(2));
        }
        let wanted = |from: u64, count: usize| -> Vec<u64> {
            (from..200).filter(|id| !ended || id % 2 == 1).take(count).collect()
        };
        let snapshot = tables.snapshot();
        let table = snapshot.table("tasks").unwrap();
        let reader = snapshot.read(&table).unwrap();
        for limit in [0, 1, 7, 60] {
            let find = |index: &str, query: KeyQuery| {
                key(&reader.find(index, &IndexQuery::Key(query.limit(limit))).unwrap())
            };
            assert_eq!(find("by_rank", KeyQuery::all()), wanted(0, limit));
            let last = find("by_rank", KeyQuery::all().reverse());
            assert_eq!(last.len(), limit);
            assert_eq!(find("by_hash", KeyQuery::equal([1_i64])), {
                let mut of_rank = wanted(100, limit);
                of_rank.truncate(if ended { 50 } else { 100 });
                of_rank
            });
            let centre = Location::new(-5.0, 0.0);
            let nearest = IndexQuery::Spatial(SpatialQuery::Nearest { centre, count: limit });
            assert_eq!(key(&reader.find("by_place", &nearest).unwrap()), wanted(0, limit));
            let near = reader.nearest("by_place", centre, limit).unwrap().into_iter();
            assert_eq!(near.map(|of| of.row_id ^ 1 << 63).collect::<Vec<_>>(), wanted(0, limit));
            let hits = reader.search("by_words", &TextQuery::term("storm"), limit).unwrap();
            let hits: RowSet = hits.into_iter().map(|hit| hit.row_id).collect();
            assert_eq!(key(&hits).len(), limit);
            assert!(key(&hits).iter().all(|id| !ended || id % 2 == 1));
            // Of several indexes, each with a limit of its own.
            let part = |index: &str, query: IndexQuery| {
                RowExpression::Index(reader.index(index).unwrap(), query)
            };
            let first = IndexQuery::Key(KeyQuery::all().limit(limit));
            let both = RowExpression::all_of([part("by_rank", first), part("by_place", nearest)]);
            assert_eq!(key(&reader.find_all(&both).unwrap()), wanted(0, limit));
            assert_eq!(key(&reader.explain(&both).unwrap().0), wanted(0, limit));
        }
        let all = reader.search("by_words", &TextQuery::term("storm"), 1_000).unwrap();
        assert_eq!(all.len(), wanted(0, 200).len());
        let other = reader.search("by_rank", &TextQuery::term("storm"), 1).unwrap_err();
        assert_eq!(other.to_string(), "table tasks: by_rank is no text index");
        assert!(reader.nearest("by_words", Location::new(0.0, 0.0), 1).is_err());
    }
}
