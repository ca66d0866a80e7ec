//! The hash index.

use super::*;
use crate::definition::KeyPart;
use crate::error::Error;
use lightning_db_types::Rng;

#[test]
fn a_thousand_keys_are_found_each_by_its_own() {
    for options in [HashOptions::new(), HashOptions::new().unique()] {
        let table = TestTable::new(hash(options, 1));
        let mut transaction = table.store.transaction();
        for row in 0..1_000 {
            let key = vec![text(&format!("user:{row}"))];
            table.change(&mut transaction, row, Some(&key)).unwrap();
        }
        assert!(transaction.commit().unwrap().is_committed());
        for row in (0..1_000).step_by(7) {
            let query = KeyQuery::equal([format!("user:{row}")]);
            assert_eq!(found(&table, query), [row]);
        }
        let both = KeyQuery::any_of([["user:1"], ["user:999"], ["user:1000"]]);
        assert_eq!(found(&table, both), [1, 999]);
        let range = IndexQuery::Key(KeyQuery::all().range(Value::from("a")..));
        let snapshot = table.store.snapshot();
        let error = table.index.rows(Reader::Snapshot(&snapshot), &range).unwrap_err();
        assert!(matches!(error, Error::Query { .. }));
        let hash = table.index.as_hash().unwrap();
        let row = hash.get(Reader::Snapshot(&snapshot), ["user:5"]).unwrap();
        assert_eq!(row, Some(5));
        table.assert_sound();
    }
}

#[test]
fn equal_numbers_are_one_key_and_nulls_are_none() {
    let table = TestTable::new(hash(HashOptions::new().unique(), 1));
    table.set(1, [Value::I64(5)]);
    let refused = table.commit(2, Some(vec![Value::F64(5.0)])).unwrap_err();
    assert!(matches!(refused, Error::Unique { existing: 1, .. }), "{refused}");
    table.set(2, [Value::Null]);
    table.set(3, [Value::Null]);
    assert_eq!(found(&table, KeyQuery::equal([Value::Null])), [2, 3]);
    assert_eq!(found(&table, KeyQuery::equal([5_u64])), [1]);
    table.assert_sound();
}

#[test]
fn long_keys_are_no_longer_in_the_index_than_elsewhere() {
    let table = TestTable::new(hash(HashOptions::new(), 1));
    let long = text(&"x".repeat(200_000));
    table.set(1, [long.clone()]);
    assert_eq!(found(&table, KeyQuery::equal([long])), [1]);
    let refused = table.commit(2, Some(vec![text(&"x".repeat(1 << 20))])).unwrap_err();
    assert!(matches!(refused, Error::Value { .. }), "{refused}");
    table.assert_sound();
}

/// With two bits of each hash, most keys collide.
#[test]
fn keys_with_one_hash_are_told_apart() {
    let rng = rng();
    for unique in [false, true] {
        let mut table = TestTable::new(hash(HashOptions { unique }, 1));
        table.index.as_hash_mut().unwrap().narrow(3);
        let mut model = std::collections::BTreeMap::new();
        for _ in 0..600 {
            let row_id = rng.below(40);
            let key = if rng.one_in(10) { Value::Null } else { Value::from(rng.below(30)) };
            let taken = model
                .iter()
                .any(|(row, of)| *of == key && *row != row_id && !key.is_null() && unique);
            if rng.one_in(4) {
                table.remove(row_id);
                model.remove(&row_id);
            } else {
                assert_eq!(table.commit(row_id, Some(vec![key.clone()])).is_err(), taken);
                if !taken {
                    model.insert(row_id, key);
                }
            }
        }
        for key in (0..30_u64).map(Value::from).chain([Value::Null]) {
            let wanted = model.iter().filter(|(_, of)| **of == key).map(|(row, _)| *row);
            assert_eq!(found(&table, KeyQuery::equal([key.clone()])), wanted.collect::<Vec<_>>());
        }
        table.assert_sound();
        let mut fresh = TestTable::new(hash(HashOptions { unique }, 1));
        fresh.index.as_hash_mut().unwrap().narrow(3);
        let mut loader = fresh.index.loader().unwrap();
        for (row, key) in &model {
            loader.add(*row, &vec![key.clone()]).unwrap();
        }
        if unique {
            // Nulls and keys with their hash would be out of order in a load.
            continue;
        }
        loader.finish(&mut |_, _| std::ops::ControlFlow::Continue(())).unwrap();
        assert_eq!(found(&fresh, KeyQuery::equal([Value::from(7_u64)])).len(), {
            model.values().filter(|key| **key == Value::from(7_u64)).count()
        });
    }
}

#[test]
fn check_finds_damage() {
    let table = TestTable::new(hash(HashOptions::new().unique(), 1));
    (1..5_i64).for_each(|row| table.set(row.unsigned_abs(), [Value::I64(row)]));
    let keyspace = table.index.as_hash().unwrap().keyspace();
    let (first, value) = keyspace.first().unwrap().unwrap();
    keyspace.remove(&first).unwrap();
    let mut other = first.to_vec();
    other[0] ^= 1;
    keyspace.insert(&other, &value).unwrap();
    keyspace.insert("odd", "").unwrap();
    let problems = table.index.check(&table.store.snapshot()).unwrap();
    let shown = format!("{problems:?}");
    assert!(shown.contains("Missing") && shown.contains("under the hash"), "{shown}");
    assert!(shown.contains("cannot be read"), "{shown}");
}

#[test]
fn several_parts_make_one_key() {
    let mut definition = hash(HashOptions::new(), 2);
    let lower = Expression::column(1).lower();
    definition.parts[1] = KeyPart { expression: lower, order: ColumnOrder::ASCENDING };
    let table = TestTable::new(definition);
    table.set(1, [Value::I64(1), text("A")]);
    table.set(2, [Value::I64(1), text("b")]);
    assert_eq!(found(&table, KeyQuery::equal([Value::I64(1), text("a")])), [1]);
    let part = IndexQuery::Key(KeyQuery::equal([1_i64]));
    let snapshot = table.store.snapshot();
    assert!(table.index.rows(Reader::Snapshot(&snapshot), &part).is_err());
}

#[test]
fn estimates_follow_the_sample_and_the_average() {
    let table = TestTable::new(hash(HashOptions::new(), 1));
    let mut bulk = table.index.loader().unwrap();
    // Half of the rows have one key, the others two each.
    for row in 0..20_000_i64 {
        let key = if row % 2 == 0 { 0 } else { 1 + row / 4 };
        bulk.add(row.unsigned_abs(), &vec![Value::I64(key)]).unwrap();
    }
    bulk.finish(&mut |_, _| std::ops::ControlFlow::Continue(())).unwrap();
    let snapshot = table.store.snapshot();
    let estimate = |key: i64| {
        let query = IndexQuery::Key(KeyQuery::equal([key]));
        table.index.estimate(Reader::Snapshot(&snapshot), &query).unwrap()
    };
    for _ in 0..2 {
        assert!((8_000.0..12_000.0).contains(&estimate(0).point), "{:?}", estimate(0));
        assert!(estimate(77).point < 10.0, "{:?}", estimate(77));
        table.index.as_hash().unwrap().rebuild();
    }
}
