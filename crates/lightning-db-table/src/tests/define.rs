//! Changes of the tables that are part of a transaction.

use std::collections::BTreeMap;

use lightning_db_storage::{Isolation, TransactionOptions};
use lightning_db_types::{Persistence, Rng};

use super::*;
use crate::{Alteration, Error, ForeignKey, OnDelete, TableTransaction};

fn pairs() -> TableDefinition {
    TableDefinition { name: "pairs".to_owned(), indexes: Vec::new(), ..people() }
}

fn by_score() -> IndexSpec {
    IndexSpec::ordered("pairs_score").column(2)
}

fn add(name: &str) -> Alteration {
    Alteration::AddColumn(ColumnDefinition::new(name, ColumnType::Text).with_default("new"))
}

/// A table, rows and an index of them.
fn define(transaction: &mut TableTransaction) {
    let table = transaction.create_table(pairs()).unwrap();
    transaction.insert(&table, person(1, "ada", 7)).unwrap();
    transaction.insert(&table, person(2, "bob", 8)).unwrap();
    transaction.create_index("pairs", by_score()).unwrap();
    transaction.insert(&table, person(3, "eve", 7)).unwrap();
}

fn world_with_people() -> (World, Tables) {
    let world = World::new();
    let tables = world.open();
    tables.create_table(people()).unwrap();
    tables.insert("people", person(1, "ada", 1)).unwrap();
    (world, tables)
}

fn snapshot_transaction(tables: &Tables) -> TableTransaction {
    tables.transaction_with(TransactionOptions {
        isolation: Isolation::Snapshot,
        ..Default::default()
    })
}

#[test]
fn a_table_its_rows_and_its_index_come_with_the_commit() {
    let world = World::new();
    let tables = world.open();
    let mut transaction = tables.transaction();
    let version = transaction.version();
    define(&mut transaction);
    assert_ne!(transaction.version(), version);
    assert_eq!(transaction.names(), ["pairs"]);
    let table = transaction.table("pairs").unwrap();
    let reader = transaction.read(&table).unwrap();
    let found = reader.find("pairs_score", &crate::kinds::equal(vec![7_i64.into()])).unwrap();
    assert_eq!(reader.fetch(&found).count(), 2);
    assert!(tables.names().is_empty());
    drop(table);
    assert!(transaction.commit().unwrap().is_committed());
    let check = |tables: &Tables| {
        assert_eq!(keys_of(tables, "pairs", "pairs_score", 7), [1_i64.into(), 3_i64.into()]);
        assert_sound(tables);
    };
    check(&tables);
    tables.insert("pairs", person(4, "kim", 7)).unwrap();
    tables.delete("pairs", &[4_i64.into()]).unwrap();
    drop(tables);
    check(&world.open());
}

#[test]
fn what_is_rolled_back_leaves_nothing() {
    let (world, tables) = world_with_people();
    let keyspaces = tables.store().keyspaces();
    let mut transaction = tables.transaction();
    define(&mut transaction);
    transaction.alter_table("people", add("note")).unwrap();
    transaction.drop_index("people", "by_score").unwrap();
    assert_ne!(tables.store().keyspaces(), keyspaces);
    transaction.rollback();
    assert_eq!(tables.store().keyspaces(), keyspaces);
    assert_eq!(tables.names(), ["people"]);
    assert_eq!(keys_of(&tables, "people", "by_score", 1), [1_i64.into()]);
    tables.insert("people", person(2, "bob", 1)).unwrap();
    assert_sound(&tables);
    drop(tables);
    assert_sound(&world.open());
}

#[test]
fn what_a_killed_process_has_begun_is_removed_by_the_next_open() {
    let world = World::new();
    let tables = world.open();
    let mut transaction = tables.transaction();
    define(&mut transaction);
    let after =
        World { vfs: Arc::new(world.vfs.crashed(Persistence::All, 1)), clock: world.clock.clone() };
    let (tables, report) = Tables::open(&after.store()).unwrap();
    assert_eq!(tables.names(), [""; 0]);
    assert!(!report.leftovers_removed.is_empty());
}

#[test]
fn a_savepoint_takes_definitions_back_as_well() {
    let (_world, tables) = world_with_people();
    let mut transaction = tables.transaction();
    let table = transaction.table("people").unwrap();
    transaction.alter_table("people", add("first")).unwrap();
    let savepoint = transaction.savepoint();
    define(&mut transaction);
    transaction.alter_table("people", add("second")).unwrap();
    let wide = row([2_i64.into(), "bob".into(), 1_i64.into(), "x".into(), "y".into()]);
    transaction.insert(&table, wide).unwrap();
    transaction.rollback_to(savepoint).unwrap();
    assert_eq!(transaction.names(), ["people"]);
    assert!(matches!(transaction.table("pairs"), Err(Error::NotFound { .. })));
    let narrow = row([2_i64.into(), "bob".into(), 1_i64.into(), "x".into()]);
    transaction.insert(&table, narrow).unwrap();
    transaction.release(savepoint).unwrap();
    assert!(transaction.commit().unwrap().is_committed());
    let columns: Vec<String> =
        tables.table("people").unwrap().columns().map(|column| column.name.clone()).collect();
    assert_eq!(columns, ["id", "name", "score", "first"]);
    assert_eq!(keys_of(&tables, "people", "by_score", 1), [1_i64.into(), 2_i64.into()]);
    let old = tables.get("people", &[1_i64.into()]).unwrap().unwrap();
    assert_eq!(old.at(3).to_value(), "new".into());
    assert_sound(&tables);
    assert_eq!(tables.store().keyspaces().iter().filter(|it| it.starts_with("table/")).count(), 1);
}

#[test]
fn of_two_that_make_or_change_the_same_one_commits() {
    let (_world, tables) = world_with_people();
    let (mut one, mut other) = (tables.transaction(), tables.transaction());
    define(&mut one);
    define(&mut other);
    assert!(one.commit().unwrap().is_committed());
    assert!(!other.commit().unwrap().is_committed());
    // The same name of an index, of different tables.
    let (mut one, mut other) = (tables.transaction(), tables.transaction());
    let spec = || IndexSpec::ordered("same").column(1);
    one.create_index("people", spec()).unwrap();
    other.create_index("pairs", spec()).unwrap();
    assert!(one.commit().unwrap().is_committed());
    assert!(!other.commit().unwrap().is_committed());
    // A table that is dropped, and one that names it.
    let (mut one, mut other) = (tables.transaction(), tables.transaction());
    one.drop_table("people").unwrap();
    let parent = ForeignKey {
        name: "parent".to_owned(),
        columns: vec!["score".to_owned()],
        table: "people".to_owned(),
        references: vec!["id".to_owned()],
        on_delete: OnDelete::Restrict,
    };
    let children = TableDefinition { name: "children".to_owned(), ..pairs() };
    other.create_table(children.foreign_key(parent)).unwrap();
    assert!(other.commit().unwrap().is_committed());
    assert!(!one.commit().unwrap().is_committed());
    assert_eq!(tables.names(), ["children", "pairs", "people"]);
    assert_sound(&tables);
}

#[test]
fn columns_are_changed_by_one_transaction_at_a_time() {
    let (_world, tables) = world_with_people();
    let mut one = tables.transaction();
    let mut other = tables.transaction();
    one.alter_table("people", add("first")).unwrap();
    one.alter_table("people", add("second")).unwrap();
    let refused = other.alter_table("people", add("third"));
    assert!(matches!(refused, Err(Error::Changing { .. })), "{refused:?}");
    assert!(matches!(tables.alter_table("people", add("third")), Err(Error::Changing { .. })));
    // Others read and write the table meanwhile, which stands against what they do not know of.
    tables.insert("people", person(2, "bob", 1)).unwrap();
    assert_eq!(keys_of(&tables, "people", "by_name", "bob"), [2_i64.into()]);
    assert!(one.commit().unwrap().is_committed());
    // It began before the change.
    assert!(matches!(other.alter_table("people", add("third")), Err(Error::Changing { .. })));
    drop(other);
    tables.alter_table("people", add("third")).unwrap();
    assert_sound(&tables);
}

#[test]
fn columns_whose_drop_is_taken_back_have_their_defaults() {
    let drop_city = || Alteration::DropColumn("city".to_owned());
    let by_city = |tables: &Tables| {
        let table = tables.table("people").unwrap();
        IndexSpec::ordered("by_city").column(table.column_id("city").unwrap())
    };
    let check = |tables: &Tables| {
        assert_eq!(keys_of(tables, "people", "by_city", "new"), [1_i64.into()]);
        assert_sound(tables);
    };
    let (_world, tables) = world_with_people();
    tables.alter_table("people", add("city")).unwrap();
    let mut transaction = tables.transaction();
    transaction.alter_table("people", drop_city()).unwrap();
    transaction.rollback();
    build(&tables, "people", by_city(&tables));
    check(&tables);

    let (_world, tables) = world_with_people();
    tables.alter_table("people", add("city")).unwrap();
    let mut transaction = tables.transaction();
    let savepoint = transaction.savepoint();
    transaction.alter_table("people", drop_city()).unwrap();
    transaction.rollback_to(savepoint).unwrap();
    transaction.create_index("people", by_city(&tables)).unwrap();
    assert!(transaction.commit().unwrap().is_committed());
    check(&tables);
}

#[test]
fn a_dropped_table_is_there_for_others_until_the_commit() {
    let (_world, tables) = world_with_people();
    let snapshot = tables.snapshot();
    let mut transaction = tables.transaction();
    transaction.drop_table("people").unwrap();
    assert!(transaction.names().is_empty());
    tables.insert("people", person(2, "bob", 1)).unwrap();
    let mut writer = tables.transaction();
    writer.insert(&tables.table("people").unwrap(), person(3, "eve", 1)).unwrap();
    // A table of the same name is another.
    transaction.create_table(people()).unwrap();
    assert!(transaction.commit().unwrap().is_committed());
    assert!(!writer.commit().unwrap().is_committed());
    assert!(tables.get("people", &[2_i64.into()]).unwrap().is_none());
    let before = snapshot.table("people").unwrap();
    assert_eq!(snapshot.read(&before).unwrap().scan().count(), 1);
    drop(snapshot);
    assert_sound(&tables);
}

#[test]
fn an_index_of_rows_from_before_holds_all_of_them_or_is_not_made() {
    let (_world, tables) = world_with_people();
    tables.insert("people", person(2, "bob", 1)).unwrap();
    let spec = || IndexSpec::unique("one_score").column(2);
    let mut transaction = tables.transaction();
    let refused = transaction.create_index("people", spec());
    assert!(matches!(refused, Err(Error::Unique { .. })), "{refused:?}");
    let table = transaction.table("people").unwrap();
    assert!(transaction.patch(&table, &[2_i64.into()], [("score", 2_i64.into())]).unwrap());
    transaction.create_index("people", spec()).unwrap();
    let third = transaction.insert(&table, person(3, "eve", 2));
    assert!(matches!(third, Err(Error::Unique { .. })), "{third:?}");
    // A row that the index does not know of.
    let mut other = tables.transaction();
    other.create_index("people", IndexSpec::ordered("other").column(2)).unwrap();
    tables.insert("people", person(4, "kim", 4)).unwrap();
    assert!(!other.commit().unwrap().is_committed());
    assert!(!transaction.commit().unwrap().is_committed());
    let mut transaction = snapshot_transaction(&tables);
    let refused = transaction.create_index("people", spec());
    assert!(matches!(refused, Err(Error::Definition { .. })), "{refused:?}");
    define(&mut transaction);
    assert!(transaction.commit().unwrap().is_committed());
    assert_sound(&tables);
}

/// Names of the columns and scores of the rows of each table.
type Model = BTreeMap<String, (Vec<String>, BTreeMap<i64, i64>)>;

fn read(transaction: &TableTransaction) -> Model {
    let mut model = Model::new();
    for name in transaction.names() {
        let table = transaction.table(&name).unwrap();
        let columns = table.columns().map(|column| column.name.clone()).collect();
        let scores = transaction.read(&table).unwrap().scan().map(|row| {
            let row = row.unwrap();
            let number = |at: usize| match row.at(at) {
                lightning_db_types::ValueRef::I64(number) => number,
                other => panic!("{other:?}"),
            };
            (number(0), number(2))
        });
        model.insert(name, (columns, scores.collect()));
    }
    model
}

/// One change, of the tables and of the model.
fn step(transaction: &mut TableTransaction, model: &mut Model, rng: &SeededRng, number: u64) {
    let names: Vec<String> = model.keys().cloned().collect();
    if names.is_empty() || (names.len() < 4 && rng.one_in(4)) {
        let name = format!("t{number}");
        let index = IndexSpec::ordered(format!("i{number}")).column(2);
        let made = TableDefinition { name: name.clone(), ..pairs() }.index(index);
        transaction.create_table(made).unwrap();
        let columns = ["id", "name", "score"].map(str::to_owned).to_vec();
        model.insert(name, (columns, BTreeMap::new()));
        return;
    }
    let name = &names[usize::try_from(rng.below(names.len() as u64)).unwrap()];
    let (columns, rows) = model.get_mut(name).unwrap();
    match rng.below(12) {
        0 => {
            transaction.drop_table(name).unwrap();
            model.remove(name);
        }
        1 => {
            let column = format!("c{number}");
            transaction.alter_table(name, add(&column)).unwrap();
            columns.push(column);
        }
        2 if columns.len() > 3 => {
            let column = columns.pop().unwrap();
            transaction.alter_table(name, Alteration::DropColumn(column)).unwrap();
        }
        3 => {
            let spec = IndexSpec::ordered(format!("i{number}")).column(2).column(0);
            transaction.create_index(name, spec).unwrap();
        }
        _ => {
            let (id, score) = (number.cast_signed() % 7, rng.below(3).cast_signed());
            let table = transaction.table(name).unwrap();
            if rows.remove(&id).is_some() {
                assert!(transaction.delete(&table, &[id.into()]).unwrap());
            } else {
                let given = [("id", id.into()), ("name", "n".into()), ("score", score.into())];
                transaction.insert(&table, given).unwrap();
                rows.insert(id, score);
            }
        }
    }
}

#[test]
fn definitions_and_rows_go_together_whatever_is_taken_back() {
    let seed = seed(11);
    let rng = SeededRng::new(seed);
    let world = World::new();
    let mut tables = world.open();
    let mut model = Model::new();
    let mut number = 0;
    for round in 0..60 {
        let mut transaction = tables.transaction();
        let mut own = model.clone();
        let mut saved = Vec::new();
        for _ in 0..rng.below(16) {
            number += 1;
            match rng.below(8) {
                0 => saved.push((transaction.savepoint(), own.clone())),
                1 if !saved.is_empty() => {
                    let at = usize::try_from(rng.below(saved.len() as u64)).unwrap();
                    saved.truncate(at + 1);
                    transaction.rollback_to(saved[at].0).unwrap();
                    own.clone_from(&saved[at].1);
                }
                _ => step(&mut transaction, &mut own, &rng, number),
            }
            assert_eq!(read(&transaction), own, "round {round}");
        }
        if rng.one_in(3) {
            transaction.rollback();
        } else {
            assert!(transaction.commit().unwrap().is_committed());
            model = own;
        }
        if rng.one_in(8) {
            drop(tables);
            let (opened, report) = Tables::open(&world.store()).unwrap();
            assert_eq!(report.leftovers_removed, [""; 0], "round {round}");
            tables = opened;
        }
        assert_eq!(read(&tables.transaction()), model, "round {round}");
        assert_sound(&tables);
    }
}
