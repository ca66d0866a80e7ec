//! Statements, and what rows may hold.

use lightning_db_index::Expression;

use super::*;
use crate::Error;

fn tables() -> Tables {
    let tables = World::new().open();
    let definition = people()
        .column(
            ColumnDefinition::new("half", ColumnType::I64)
                .nullable()
                .generated(Expression::column(2).divided_by(2_i64)),
        )
        .column(ColumnDefinition::new("note", ColumnType::Json).with_default("{}"))
        .check("score_is_small", Expression::column(2).less(1_000_i64));
    tables.create_table(definition).unwrap();
    tables
}

fn stored(tables: &Tables, id: i64) -> Option<Vec<Value>> {
    tables.get("people", &[id.into()]).unwrap().map(|row| row.values())
}

#[test]
fn each_statement_does_what_it_says() {
    let tables = tables();
    tables.insert("people", person(1, "ada", 10)).unwrap();
    let ada = vec![1_i64.into(), "ada".into(), 10_i64.into(), 5_i64.into(), "{}".into()];
    assert_eq!(stored(&tables, 1), Some(ada));
    let many = [person(2, "bob", None), person(3, "eve", 7)];
    assert_eq!(tables.insert_many("people", many).unwrap().len(), 2);
    tables.upsert("people", person(2, "bob", 20)).unwrap();
    tables.upsert("people", person(4, "dan", 1)).unwrap();
    assert!(tables.patch("people", &[3_i64.into()], [("score", 9_i64.into())]).unwrap());
    assert!(tables.update("people", &[1_i64.into()], person(1, "ada", None)).unwrap());
    assert!(!tables.update("people", &[9_i64.into()], person(9, "x", 1)).unwrap());
    assert!(!tables.patch("people", &[9_i64.into()], [("score", 9_i64.into())]).unwrap());
    assert!(tables.delete("people", &[4_i64.into()]).unwrap());
    assert!(!tables.delete("people", &[4_i64.into()]).unwrap());
    assert_eq!(stored(&tables, 1).unwrap()[2..4], [Value::Null, Value::Null]);
    assert_eq!(stored(&tables, 3).unwrap()[2..4], [9_i64.into(), 4_i64.into()]);
    let found =
        tables.get_many("people", &[[3_i64.into()], [8_i64.into()], [2_i64.into()]]).unwrap();
    let names = found.iter().map(|row| row.as_ref().map(|row| row.get("name").unwrap()));
    assert_eq!(names.collect::<Vec<_>>(), [Some("eve".into()), None, Some("bob".into())]);
    assert_eq!(keys_of(&tables, "people", "by_score", 9_i64), [3_i64.into()]);
    assert_eq!(keys_of(&tables, "people", "by_name", "dan"), []);
    assert_sound(&tables);
}

#[test]
fn a_key_that_changes_takes_the_row_along() {
    let tables = tables();
    tables.insert("people", person(1, "ada", 10)).unwrap();
    assert!(tables.patch("people", &[1_i64.into()], [("id", (-5_i64).into())]).unwrap());
    assert_eq!(stored(&tables, 1), None);
    assert_eq!(keys_of(&tables, "people", "by_name", "ada"), [(-5_i64).into()]);
    assert_sound(&tables);
}

#[test]
fn errors_name_table_column_and_row_and_nothing_is_written() {
    let tables = tables();
    tables.insert("people", person(1, "ada", 10)).unwrap();
    let lsn = tables.store().last_lsn();
    let check = |outcome: crate::Result<u64>, expected: &str| {
        assert_eq!(outcome.unwrap_err().to_string(), expected);
        assert_eq!(tables.store().last_lsn(), lsn);
    };
    check(
        tables.insert("people", person(2, "ada", 1)),
        "table people, row 2: index by_name: row 1 has the key ('ada') already",
    );
    check(tables.insert("people", person(1, "x", 1)), "table people: row 1 is there already");
    check(
        tables.insert("people", [("id", 2_i64.into())]),
        "table people, column name, row 2: it may not be null",
    );
    check(
        tables.insert("people", row([2_i64.into(), 3_i64.into()])),
        "table people, column name, row 2: it is of type text, and was given a i64",
    );
    check(
        tables.insert("people", person(2, "x", 1_000)),
        "table people, row 2: check score_is_small does not hold",
    );
    check(
        tables
            .insert("people", [("id", 2_i64.into()), ("name", "x".into()), ("half", 1_i64.into())]),
        "table people, column half, row 2: it is generated, and cannot be set",
    );
    check(tables.insert("people", [("nme", 2_i64.into())]), "there is no column people.nme");
    check(tables.insert("persons", [("id", 2_i64.into())]), "there is no table persons");
    let long = vec![Value::Null; 9];
    check(tables.insert("people", long), "there is no column 6 of people");
    let outcome = tables.get("people", &["x".into(), 1_i64.into()]).map(|_| 0);
    check(outcome, "table people: its primary key has 1 columns, and 2 were given");
}

#[test]
fn a_failed_statement_leaves_the_transaction_as_it_was() {
    let tables = tables();
    let table = tables.table("people").unwrap();
    let mut transaction = tables.transaction();
    transaction.insert(&table, person(1, "ada", 1)).unwrap();
    let many = [person(2, "bob", 2), person(3, "ada", 3)];
    assert!(transaction.insert_many(&table, many).is_err());
    let ids: Vec<u64> =
        transaction.read(&table).unwrap().scan().map(|row| row.unwrap().row_id()).collect();
    assert_eq!(ids.len(), 1);
    let savepoint = transaction.savepoint();
    transaction.insert(&table, person(4, "dan", 4)).unwrap();
    transaction.delete(&table, &[1_i64.into()]).unwrap();
    transaction.rollback_to(savepoint).unwrap();
    assert!(transaction.commit().unwrap().is_committed());
    assert_eq!(keys_of(&tables, "people", "by_name", "ada"), [1_i64.into()]);
    assert_eq!(keys_of(&tables, "people", "by_name", "dan"), []);
    assert_sound(&tables);
}

#[test]
fn a_deferrable_unique_index_lets_two_rows_exchange_their_keys() {
    let tables = World::new().open();
    let definition = TableDefinition::new("seats")
        .column(ColumnDefinition::new("id", ColumnType::U64))
        .column(ColumnDefinition::new("seat", ColumnType::I64))
        .primary_key([0])
        .index(IndexSpec::unique("by_seat").column(1).deferrable());
    tables.create_table(definition).unwrap();
    tables
        .insert_many(
            "seats",
            [row([0_u64.into(), 10_i64.into()]), row([1_u64.into(), 20_i64.into()])],
        )
        .unwrap();
    tables
        .run(|transaction| {
            let table = transaction.table("seats")?;
            transaction.patch(&table, &[0_u64.into()], [("seat", 20_i64.into())])?;
            transaction.patch(&table, &[1_u64.into()], [("seat", 10_i64.into())])
        })
        .unwrap();
    assert_eq!(keys_of(&tables, "seats", "by_seat", 10_i64), [1_u64.into()]);
    let outcome = tables.patch("seats", &[1_u64.into()], [("seat", 20_i64.into())]);
    assert!(matches!(outcome, Err(Error::Index { .. })), "{outcome:?}");
    assert_sound(&tables);
}

#[test]
fn primary_keys_of_any_columns_find_their_rows() {
    let tables = World::new().open();
    let definition = TableDefinition::new("stock")
        .column(ColumnDefinition::new("count", ColumnType::I64))
        .column(ColumnDefinition::new("place", ColumnType::Text))
        .column(ColumnDefinition::new("part", ColumnType::U64))
        .primary_key([1, 2]);
    tables.create_table(definition).unwrap();
    let stock = |count: i64, part: u64| [count.into(), "here".into(), Value::from(part)];
    tables.insert_many("stock", (0..50).map(|part| stock(1, part))).unwrap();
    let error = tables.insert("stock", stock(2, 7)).unwrap_err().to_string();
    assert_eq!(error, "table stock: row 'here', 7 is there already");
    tables.upsert("stock", stock(2, 7)).unwrap();
    let found = tables.get("stock", &["here".into(), 7_u64.into()]).unwrap().unwrap();
    assert_eq!(found.at(0), 2_i64.into());
    assert!(
        tables.patch("stock", &["here".into(), 7_u64.into()], [("part", 70_u64.into())]).unwrap()
    );
    assert!(tables.get("stock", &["here".into(), 7_u64.into()]).unwrap().is_none());
    assert_sound(&tables);
    let plain = TableDefinition::new("log").column(ColumnDefinition::new("line", ColumnType::Text));
    tables.create_table(plain).unwrap();
    let (one, other) =
        (tables.insert("log", row(["a".into()])), tables.insert("log", row(["a".into()])));
    assert_ne!(one.unwrap(), other.unwrap());
    assert!(matches!(tables.upsert("log", row(["a".into()])), Err(Error::Definition { .. })));
}

#[test]
fn whole_numbers_of_all_signs_are_keys_in_order() {
    let tables = tables();
    let ids = [i64::MIN, -1, 0, 1, i64::MAX];
    for id in ids {
        tables.insert("people", person(id, &id.to_string(), 1)).unwrap();
    }
    let snapshot = tables.snapshot();
    let table = snapshot.table("people").unwrap();
    let found: Vec<Value> =
        snapshot.read(&table).unwrap().scan().map(|row| row.unwrap().at(0).to_value()).collect();
    assert_eq!(found, ids.map(Value::from));
}

#[test]
fn bad_definitions_are_refused_and_leave_nothing() {
    let tables = tables();
    let before = tables.store().keyspaces();
    let column = || ColumnDefinition::new("a", ColumnType::I64);
    let of =
        |columns: usize| (0..columns).fold(TableDefinition::new("t"), |t, _| t.column(column()));
    let nullable = TableDefinition::new("t").column(column().nullable()).primary_key([0]);
    let bad = [
        of(0),
        of(2),
        of(1).primary_key([1]),
        of(1).primary_key([0, 0]),
        nullable,
        of(1).expires_at(0),
        of(1).check("c", Expression::column(5).is_null()),
        of(1).index(IndexSpec::ordered("i").column(3)),
        of(1).index(IndexSpec::ordered("i")),
        of(1).index(IndexSpec::ordered("by_name").column(0)),
        TableDefinition::new("people").column(column()),
        TableDefinition::new("t").column(column().with_default("text")),
        TableDefinition::new("").column(column()),
        TableDefinition::new("t")
            .column(ColumnDefinition::new("j", ColumnType::Json).with_default("{")),
    ];
    for definition in bad {
        let shown = format!("{definition:?}");
        assert!(tables.create_table(definition).is_err(), "{shown}");
        assert_eq!(tables.store().keyspaces(), before, "{shown}");
    }
    assert_eq!(tables.names(), ["people"]);
}
