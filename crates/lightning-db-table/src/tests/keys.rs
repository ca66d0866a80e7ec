//! Rows by ranges of their keys of whole numbers.

use std::ops::Bound::{Excluded, Included, Unbounded};
use std::ops::{Bound, ControlFlow};

use lightning_db_index::Columns as _;
use lightning_db_types::Value;

use super::{World, people, person};
use crate::{ColumnDefinition, ColumnType, Error, RowView, TableDefinition, Tables};

fn keyed(tables: &Tables, name: &str, key: ColumnType, keys: &[Value]) {
    let definition =
        TableDefinition::new(name).column(ColumnDefinition::new("id", key)).primary_key([0]);
    tables.create_table(definition).unwrap();
    tables.insert_many(name, keys.iter().map(|key| [key.clone()])).unwrap();
}

fn within(tables: &Tables, name: &str, low: &Bound<Value>, high: &Bound<Value>) -> Vec<Value> {
    let snapshot = tables.snapshot();
    let table = tables.table(name).unwrap();
    let reader = snapshot.read(&table).unwrap();
    let key = |row: crate::Result<crate::Row>| row.unwrap().at(0).to_value();
    let rows = reader.scan_keys(low.as_ref(), high.as_ref()).unwrap();
    let found: Vec<Value> = rows.map(key).collect();
    let rows = reader.scan_keys(low.as_ref(), high.as_ref()).unwrap();
    let mut backwards: Vec<Value> = rows.rev().map(key).collect();
    backwards.reverse();
    assert_eq!(found, backwards);
    let mut lent = Vec::new();
    let visit = &mut |row: &RowView<'_>| {
        lent.push(row.column(0).to_value());
        Ok::<_, Error>(ControlFlow::Continue(()))
    };
    assert!(reader.visit_keys(low.as_ref(), high.as_ref(), visit).unwrap().is_continue());
    assert_eq!(found, lent);
    found
}

#[test]
fn keys_within_bounds_are_those_that_compare_so_as_numbers() {
    let tables = World::new().open();
    let signed = [i64::MIN, -3, -1, 0, 2, 7, i64::MAX].map(Value::I64);
    let unsigned = [0, 2, 7, u64::MAX].map(Value::U64);
    keyed(&tables, "signed", ColumnType::I64, &signed);
    keyed(&tables, "unsigned", ColumnType::U64, &unsigned);
    let values = [
        Value::I64(i64::MIN),
        Value::I64(-1),
        Value::I64(0),
        Value::U64(2),
        Value::F64(2.0),
        Value::F64(2.5),
        Value::F64(-0.5),
        Value::U64(u64::MAX),
        Value::F64(f64::INFINITY),
        Value::F64(-1e300),
    ];
    let one = |value: &Value| [Included(value.clone()), Excluded(value.clone())];
    let bounds: Vec<Bound<Value>> = values.iter().flat_map(one).chain([Unbounded]).collect();
    for (name, keys) in [("signed", &signed[..]), ("unsigned", &unsigned)] {
        for low in &bounds {
            for high in &bounds {
                let order = |key: &Value, bound: &Value| {
                    crate::index::number::compare(key.as_value_ref(), bound.as_value_ref()).unwrap()
                };
                let fits = |key: &&Value| {
                    let above = match low {
                        Included(low) => order(key, low).is_ge(),
                        Excluded(low) => order(key, low).is_gt(),
                        Unbounded => true,
                    };
                    let below = match high {
                        Included(high) => order(key, high).is_le(),
                        Excluded(high) => order(key, high).is_lt(),
                        Unbounded => true,
                    };
                    above && below
                };
                let expected: Vec<Value> = keys.iter().filter(fits).cloned().collect();
                let found = within(&tables, name, low, high);
                assert_eq!(found, expected, "{name} {low:?} {high:?}");
            }
        }
    }
}

#[test]
fn table_with_another_key_has_no_range_of_keys() {
    let tables = World::new().open();
    keyed(&tables, "texts", ColumnType::Text, &["a".into()]);
    let (snapshot, table) = (tables.snapshot(), tables.table("texts").unwrap());
    assert_eq!(table.key_column(), None);
    let reader = snapshot.read(&table).unwrap();
    let error = reader.scan_keys(Unbounded, Unbounded).map(drop).unwrap_err();
    assert!(matches!(error, Error::Definition { .. }), "{error}");
}

#[test]
fn rows_are_lent_until_the_visitor_has_enough() {
    let tables = World::new().open();
    keyed(&tables, "signed", ColumnType::I64, &[3, 1, 2].map(Value::I64));
    let (snapshot, table) = (tables.snapshot(), tables.table("signed").unwrap());
    let reader = snapshot.read(&table).unwrap();
    let mut seen = Vec::new();
    let flow = reader.visit_all(&mut |row| {
        seen.push((row.row_id(), row.column(0).to_value()));
        let enough = seen.len() == 2;
        Ok::<_, Error>(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    assert!(flow.unwrap().is_break());
    let row_id = |key| reader.row_id_of_key(Value::I64(key).as_value_ref()).unwrap();
    assert_eq!(seen, [1, 2].map(|key| (row_id(key), Value::I64(key))));
    let visited = |key| {
        let mut visited = None;
        let visit = &mut |row: &RowView<'_>| {
            visited = Some(row.column(0).to_value());
            Ok::<_, Error>(ControlFlow::Break(()))
        };
        let flow = reader.visit(row_id(key), visit).unwrap();
        assert_eq!(flow.is_break(), visited.is_some());
        visited
    };
    assert_eq!([visited(3), visited(4)], [Some(3.into()), None]);
}

/// An index remembers the types that it has had, and looks for no others: what a search did not
/// look for must be noticed as well.
#[test]
fn a_search_that_found_nothing_conflicts_with_what_it_would_find() {
    for is_empty in [true, false] {
        for (index, key) in [("by_name", Value::from("Ada")), ("by_score", Value::I64(7))] {
            for number in [7_i64, 8] {
                let tables = World::new().open();
                let table = tables.create_table(people()).unwrap();
                if !is_empty {
                    tables.insert("people", person(1, "Bob", 1)).unwrap();
                }
                let mut transaction = tables.transaction();
                let reader = transaction.read(&table).unwrap();
                let found = reader.get_by(index, std::slice::from_ref(&key));
                assert!(found.unwrap().is_none());
                transaction.insert(&table, person(2, "Cid", 2)).unwrap();
                let name = if number == 7 { "Ada" } else { "Eve" };
                tables.insert("people", person(3, name, number)).unwrap();
                let conflicts = !transaction.commit().unwrap().is_committed();
                assert_eq!(conflicts, number == 7, "{index}, {number}, empty {is_empty}");
            }
        }
    }
}
