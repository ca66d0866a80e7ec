//! Dropping an index, and what its statistics say.

use lightning_db_table::{BuildOutcome, Error, Tables};

use crate::kinds::Kind;
use crate::table::{Case, INDEX, TABLE, column, free_row};

fn of_indexes(tables: &Tables) -> Vec<String> {
    let names = tables.store().keyspaces().into_iter();
    names.filter(|name| name.starts_with("index/")).collect()
}

/// A reader from before goes on with the index; others do not find it, and its space comes back.
pub(super) fn drop_while_reading(kind: &Kind, seed: u64) {
    let case = Case::new(kind, seed);
    case.change(40);
    case.upkeep();
    case.change(5);
    let snapshot = case.tables.snapshot();
    let table = snapshot.table(TABLE).unwrap();
    let reader = snapshot.read(&table).unwrap();
    let own = table.index(INDEX).unwrap().definition().keyspace_prefix();
    let others = of_indexes(&case.tables).into_iter().filter(|name| !name.starts_with(&own));
    let others: Vec<String> = others.collect();
    case.compare(&reader, 5);
    let mut reading = case.tables.transaction();
    case.run(&free_row(&case, 5_000), &mut reading);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| (0..20).for_each(|_| case.compare(&reader, 2))))
            .collect();
        case.tables.drop_index(TABLE, INDEX).unwrap();
        for reader in readers {
            reader.join().unwrap();
        }
    });
    assert!(!reading.commit().unwrap().is_committed());
    case.change(10);
    case.tables.store().checkpoint().unwrap();
    case.tables.store().maintain().unwrap();
    case.compare(&reader, 5);
    let now = case.tables.snapshot();
    let without = now.table(TABLE).unwrap();
    let asked = now.read(&without).unwrap().find(INDEX, &case.ask().query);
    assert!(matches!(asked, Err(Error::NotFound { .. })), "{asked:?}");
    assert_eq!(of_indexes(&case.tables), others);
    // Another one of this name is another one.
    if !matches!(case.build(), BuildOutcome::Ready { .. }) {
        assert!(kind.is_unique, "{}", kind.name);
        return;
    }
    case.change(5);
    case.compare_now(5);
    case.compare(&reader, 5);
    case.assert_sound();
}

/// Entries come and go with the rows, and a derived part that is behind catches up.
pub(super) fn statistics(kind: &Kind, seed: u64) {
    let case = Case::new(kind, seed);
    let numbers = || {
        let table = case.tables.table(TABLE).unwrap();
        table.index(INDEX).unwrap().statistics().unwrap()
    };
    let settle = || {
        case.upkeep();
        while case.tables.upkeep().unwrap().indexes > 0 {}
        case.tables.store().checkpoint().unwrap();
    };
    settle();
    let empty = numbers();
    let insert = |ids: std::ops::Range<i64>| {
        for id in ids {
            let mut row = case.row(id);
            row[column::CODE] = (1_000 + id).into();
            row[column::NUMBER] = (id % 7).into();
            row[column::NAME] = format!("n{id}").as_str().into();
            row[column::ACTIVE] = true.into();
            row[column::PLACE] = lightning_db_table::Value::Point { x: 1.0, y: 2.0 };
            row[column::BODY] = "some words".into();
            row[column::ENDS] = lightning_db_table::Value::Null;
            case.tables.insert(TABLE, row).unwrap();
        }
    };
    insert(0..50);
    settle();
    let some = numbers();
    insert(50..150);
    settle();
    let more = numbers();
    assert!(empty.entries < some.entries, "{}: {empty:?}, {some:?}", kind.name);
    assert!(some.entries < more.entries, "{}: {some:?}, {more:?}", kind.name);
    assert!(more.disk_bytes + more.memory_bytes > 0, "{}: {more:?}", kind.name);
    // A change of a column that is in no index here but some writes nothing into the others.
    let unchanged = more.unchanged;
    for id in 0..10_i64 {
        let change = [("score", 77.0.into()), ("body", "other words".into())];
        case.tables.patch(TABLE, &[id.into()], change).unwrap();
    }
    let counts = ["unique", "partial", "expression", "hash", "hash-unique"].contains(&kind.name);
    assert!(!counts || numbers().unchanged == unchanged + 10, "{}: {:?}", kind.name, numbers());
    for id in 0..150_i64 {
        assert!(case.tables.delete(TABLE, &[id.into()]).unwrap());
    }
    settle();
    let none = numbers();
    assert!(none.entries <= more.entries, "{}: {none:?}", kind.name);
}
