//! Changing tables without rewriting rows.

use lightning_db_index::Expression;

use super::*;
use crate::{Alteration, Error};

fn names(tables: &Tables) -> Vec<String> {
    tables.table("people").unwrap().columns().map(|column| column.name.clone()).collect()
}

#[test]
fn rows_of_every_version_are_read_with_the_columns_of_now() {
    let world = World::new();
    let tables = world.open();
    tables.create_table(people()).unwrap();
    tables.insert("people", person(1, "ada", 1)).unwrap();
    let written = tables.store().snapshot();
    let city = ColumnDefinition::new("city", ColumnType::Text).with_default("Bern");
    tables.alter_table("people", Alteration::AddColumn(city)).unwrap();
    tables
        .insert("people", row([2_i64.into(), "bob".into(), 2_i64.into(), "Rome".into()]))
        .unwrap();
    tables.drop_index("people", "by_score").unwrap();
    tables.alter_table("people", Alteration::DropColumn("score".into())).unwrap();
    let rename = Alteration::RenameColumn { from: "name".into(), to: "called".into() };
    tables.alter_table("people", rename).unwrap();
    let score = ColumnDefinition::new("score", ColumnType::F64).nullable();
    tables.alter_table("people", Alteration::AddColumn(score)).unwrap();
    tables.insert("people", row([3_i64.into(), "eve".into(), "Oslo".into(), 0.5.into()])).unwrap();
    assert_eq!(names(&tables), ["id", "called", "city", "score"]);
    let expected: [[Value; 4]; 3] = [
        [1_i64.into(), "ada".into(), "Bern".into(), Value::Null],
        [2_i64.into(), "bob".into(), "Rome".into(), Value::Null],
        [3_i64.into(), "eve".into(), "Oslo".into(), 0.5.into()],
    ];
    let check = |tables: &Tables| {
        for (id, row) in (1_i64..).zip(&expected) {
            assert_eq!(tables.get("people", &[id.into()]).unwrap().unwrap().values(), row);
        }
        assert_sound(tables);
    };
    check(&tables);
    // No row was written by it.
    let rows = tables.table("people").unwrap().state.rows.keyspace.clone();
    let now = tables.store().snapshot();
    let key = lightning_db_index::row_key(1 | 1 << 63);
    assert_eq!(written.get(&rows, key).unwrap(), now.get(&rows, key).unwrap());
    drop((tables, written, now, rows));
    check(&world.open());
}

#[test]
fn an_index_over_an_added_column_holds_the_rows_from_before() {
    let tables = World::new().open();
    tables.create_table(people()).unwrap();
    tables.insert("people", person(1, "ada", 1)).unwrap();
    let city = ColumnDefinition::new("city", ColumnType::Text).with_default("Bern");
    let table = tables.alter_table("people", Alteration::AddColumn(city)).unwrap();
    let id = table.column_id("city").unwrap();
    build(&tables, "people", IndexSpec::ordered("by_city").column(id));
    tables.insert("people", person(2, "bob", 2)).unwrap();
    assert_eq!(keys_of(&tables, "people", "by_city", "Bern"), [1_i64.into(), 2_i64.into()]);
    assert_sound(&tables);
}

#[test]
fn snapshots_keep_their_columns_and_indexes_and_open_transactions_end() {
    let tables = World::new().open();
    tables.create_table(people()).unwrap();
    tables.insert("people", person(1, "ada", 1)).unwrap();
    let snapshot = tables.snapshot();
    let mut writer = tables.transaction();
    let table = writer.table("people").unwrap();
    writer.insert(&table, person(2, "bob", 2)).unwrap();
    tables.drop_index("people", "by_score").unwrap();
    let altered = tables.alter_table("people", Alteration::DropColumn("score".into())).unwrap();
    assert!(!writer.commit().unwrap().is_committed());
    // A handle from now, asked in a snapshot from before, is the table of the snapshot.
    let reader = snapshot.read(&altered).unwrap();
    assert_eq!(reader.get(&[1_i64.into()]).unwrap().unwrap().values().len(), 3);
    assert_eq!(reader.find("by_score", &crate::kinds::equal(vec![1_i64.into()])).unwrap().len(), 1);
    // And the reverse: an old handle writes to the table of now.
    let mut transaction = tables.transaction();
    transaction.insert(&table, row([3_i64.into(), "eve".into()])).unwrap();
    assert!(transaction.commit().unwrap().is_committed());
    assert_sound(&tables);
}

#[test]
fn a_dropped_table_is_read_to_the_end_by_who_has_it_open() {
    let world = World::new();
    let tables = world.open();
    tables.create_table(people()).unwrap();
    tables.insert("people", person(1, "ada", 1)).unwrap();
    let snapshot = tables.snapshot();
    let table = snapshot.table("people").unwrap();
    tables.drop_table("people").unwrap();
    assert!(matches!(tables.get("people", &[1_i64.into()]), Err(Error::NotFound { .. })));
    let reader = snapshot.read(&table).unwrap();
    assert_eq!(reader.count().unwrap(), 1);
    assert_eq!(reader.find("by_name", &crate::kinds::equal(vec!["ada".into()])).unwrap().len(), 1);
    tables.create_table(people()).unwrap();
    assert!(tables.get("people", &[1_i64.into()]).unwrap().is_none());
    let mut transaction = tables.transaction();
    assert!(matches!(transaction.insert(&table, person(1, "x", 1)), Err(Error::NotFound { .. })));
    drop((snapshot, table, transaction));
    let left = tables.store().keyspaces();
    drop(tables);
    let (tables, report) = Tables::open(&world.store()).unwrap();
    assert_eq!((report.leftovers_removed.len(), tables.store().keyspaces()), (0, left));
}

#[test]
fn what_is_needed_is_not_dropped() {
    let tables = World::new().open();
    let definition = people()
        .check("c", Expression::column(1).not_equal(""))
        .index(IndexSpec::ordered("covering").column(0).include([2]));
    tables.create_table(definition).unwrap();
    for name in ["id", "name", "score", "nothing"] {
        let outcome = tables.alter_table("people", Alteration::DropColumn(name.into()));
        assert!(outcome.is_err(), "{name}");
    }
    tables.drop_index("people", "by_score").unwrap();
    assert!(tables.alter_table("people", Alteration::DropColumn("score".into())).is_err());
    tables.drop_index("people", "covering").unwrap();
    tables.alter_table("people", Alteration::DropColumn("score".into())).unwrap();
    let column = ColumnDefinition::new("must", ColumnType::I64);
    assert!(tables.alter_table("people", Alteration::AddColumn(column)).is_err());
    tables.alter_table("people", Alteration::Rename("persons".into())).unwrap();
    assert_eq!(tables.names(), ["persons"]);
    tables.insert("persons", row([1_i64.into(), "ada".into()])).unwrap();
    assert_sound(&tables);
}
