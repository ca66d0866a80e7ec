//! Rows that name other rows.

use lightning_db_storage::{Isolation, TransactionOptions};

use super::*;
use crate::{Error, ForeignKey, OnDelete};

fn key(name: &str, column: &str, table: &str, references: &str, on_delete: OnDelete) -> ForeignKey {
    ForeignKey {
        name: name.to_owned(),
        columns: vec![column.to_owned()],
        table: table.to_owned(),
        references: vec![references.to_owned()],
        on_delete,
    }
}

fn children(on_delete: OnDelete) -> TableDefinition {
    TableDefinition::new("children")
        .column(ColumnDefinition::new("id", ColumnType::I64))
        .column(ColumnDefinition::new("parent", ColumnType::I64).nullable())
        .column(ColumnDefinition::new("name", ColumnType::Text).nullable())
        .primary_key([0])
        .index(IndexSpec::ordered("by_parent").column(1))
        .foreign_key(key("parent_id", "parent", "people", "id", on_delete))
}

fn tables(on_delete: OnDelete) -> Tables {
    let tables = World::new().open();
    tables.create_table(people()).unwrap();
    tables.create_table(children(on_delete)).unwrap();
    tables.insert("people", person(1, "ada", 1)).unwrap();
    tables.insert("people", person(2, "bob", 1)).unwrap();
    for (child, parent) in [(10_i64, 1), (11, 1), (12, 2)] {
        tables.insert("children", row([child.into(), Value::I64(parent)])).unwrap();
    }
    tables.insert("children", row([13_i64.into(), Value::Null])).unwrap();
    tables
}

fn child_ids(tables: &Tables) -> Vec<i64> {
    let snapshot = tables.snapshot();
    let table = snapshot.table("children").unwrap();
    let ids = snapshot.read(&table).unwrap().scan().map(|row| match row.unwrap().at(0) {
        lightning_db_types::ValueRef::I64(id) => id,
        other => panic!("{other:?}"),
    });
    ids.collect()
}

#[test]
fn a_row_names_a_row_that_is_there() {
    let tables = tables(OnDelete::Restrict);
    let error =
        tables.insert("children", row([20_i64.into(), 5_i64.into()])).unwrap_err().to_string();
    let wanted = "table children, row 20: foreign key parent_id: people has no row (5)";
    assert_eq!(error, wanted);
    assert!(tables.patch("children", &[10_i64.into()], [("parent", 5_i64.into())]).is_err());
    assert!(tables.patch("children", &[10_i64.into()], [("parent", 2_i64.into())]).unwrap());
    assert_sound(&tables);
}

#[test]
fn restrict_refuses_a_removal_and_a_change_of_the_key() {
    let tables = tables(OnDelete::Restrict);
    assert!(matches!(tables.delete("people", &[1_i64.into()]), Err(Error::ForeignKey { .. })));
    let moved = tables.patch("people", &[1_i64.into()], [("id", 7_i64.into())]);
    assert!(matches!(moved, Err(Error::ForeignKey { .. })));
    assert!(tables.patch("people", &[1_i64.into()], [("score", 7_i64.into())]).unwrap());
    assert!(tables.drop_table("people").is_err());
    tables.delete("children", &[12_i64.into()]).unwrap();
    assert!(tables.delete("people", &[2_i64.into()]).unwrap());
    assert_sound(&tables);
}

#[test]
fn cascade_removes_and_set_null_forgets() {
    let removing = tables(OnDelete::Cascade);
    assert!(removing.delete("people", &[1_i64.into()]).unwrap());
    assert_eq!(child_ids(&removing), [12, 13]);
    assert_sound(&removing);
    let forgetting = tables(OnDelete::SetNull);
    assert!(forgetting.delete("people", &[1_i64.into()]).unwrap());
    assert_eq!(child_ids(&forgetting), [10, 11, 12, 13]);
    assert_eq!(keys_of(&forgetting, "children", "by_parent", 2_i64), [12_i64.into()]);
    let row = forgetting.get("children", &[10_i64.into()]).unwrap().unwrap();
    assert!(row.get("parent").unwrap().is_null());
    assert_sound(&forgetting);
}

#[test]
fn long_chains_and_circles_of_rows_go_together() {
    let tables = World::new().open();
    let definition = TableDefinition::new("nodes")
        .column(ColumnDefinition::new("id", ColumnType::I64))
        .column(ColumnDefinition::new("next", ColumnType::I64).nullable())
        .primary_key([0])
        .index(IndexSpec::ordered("by_next").column(1))
        .foreign_key(key("next_node", "next", "nodes", "id", OnDelete::Cascade));
    tables.create_table(definition).unwrap();
    let chain = (0..3_000_i64).map(|id| {
        let next = if id == 0 { Value::Null } else { Value::from(id - 1) };
        [id.into(), next]
    });
    tables.insert_many("nodes", chain).unwrap();
    tables.patch("nodes", &[0_i64.into()], [("next", 2_999_i64.into())]).unwrap();
    tables.insert("nodes", row([5_000_i64.into(), 5_000_i64.into()])).unwrap();
    assert!(tables.delete("nodes", &[1_500_i64.into()]).unwrap());
    assert_eq!(
        tables.snapshot().read(&tables.table("nodes").unwrap()).unwrap().count().unwrap(),
        1
    );
    assert!(tables.delete("nodes", &[5_000_i64.into()]).unwrap());
    assert_sound(&tables);
}

#[test]
fn a_parent_cannot_go_while_a_child_comes_whatever_the_isolation() {
    for isolation in [Isolation::Snapshot, Isolation::Serializable] {
        for child_first in [false, true] {
            let tables = tables(OnDelete::Restrict);
            tables.insert("people", person(3, "eve", 1)).unwrap();
            let options = TransactionOptions { isolation, ..TransactionOptions::default() };
            let (mut one, mut other) =
                (tables.transaction_with(options), tables.transaction_with(options));
            let (people, children) =
                (tables.table("people").unwrap(), tables.table("children").unwrap());
            one.insert(&children, row([30_i64.into(), 3_i64.into()])).unwrap();
            assert!(other.delete(&people, &[3_i64.into()]).unwrap());
            let (first, second) = if child_first { (one, other) } else { (other, one) };
            assert!(first.commit().unwrap().is_committed());
            assert!(!second.commit().unwrap().is_committed(), "{isolation:?}");
            assert_sound(&tables);
        }
    }
}

#[test]
fn a_removal_that_began_before_the_foreign_key_ends_in_a_conflict() {
    let tables = World::new().open();
    tables.create_table(people()).unwrap();
    tables.insert("people", person(1, "ada", 1)).unwrap();
    let mut removing = tables.transaction();
    let table = removing.table("people").unwrap();
    assert!(removing.delete(&table, &[1_i64.into()]).unwrap());
    tables.create_table(children(OnDelete::Restrict)).unwrap();
    tables.insert("children", row([10_i64.into(), 1_i64.into()])).unwrap();
    assert!(!removing.commit().unwrap().is_committed());
    assert_sound(&tables);
}
