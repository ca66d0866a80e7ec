//! Transactions, savepoints, conflicts.

use lightning_db_sql::{Connection, Error};

use crate::{check, cities};

fn second(connection: &Connection) -> Connection {
    connection.engine().connect()
}

#[test]
fn a_transaction_sees_its_writes_and_others_do_not() {
    let db = cities();
    let other = second(&db);
    db.execute("BEGIN", ()).unwrap();
    db.execute("INSERT INTO city (id, name, country) VALUES (6, 'Nice', 'FR')", ()).unwrap();
    check(&db, "SELECT id FROM city WHERE name = 'Nice'", "6");
    check(&db, "SELECT count(*) FROM city", "6");
    check(&other, "SELECT count(*) FROM city", "5");
    db.execute("UPDATE city SET people = 1 WHERE id = 6", ()).unwrap();
    check(&db, "SELECT sum(people) FROM city WHERE country = 'FR'", "1");
    db.execute("COMMIT", ()).unwrap();
    check(&other, "SELECT people FROM city WHERE id = 6", "1");
}

#[test]
fn a_statement_that_fails_leaves_the_transaction_as_it_was() {
    let db = cities();
    db.execute("BEGIN", ()).unwrap();
    db.execute("DELETE FROM city WHERE id = 5", ()).unwrap();
    db.execute("INSERT INTO city (id, name, country) VALUES (7, 'A', 'FR'), (1, 'B', 'FR')", ())
        .unwrap_err();
    check(&db, "SELECT count(*) FROM city", "4");
    db.execute("COMMIT", ()).unwrap();
    check(&db, "SELECT count(*) FROM city", "4");
}

#[test]
fn savepoints() {
    let db = cities();
    db.execute_batch(
        "BEGIN; DELETE FROM city WHERE id = 1; SAVEPOINT one; DELETE FROM city WHERE id = 2;
         SAVEPOINT two; DELETE FROM city WHERE id = 3; ROLLBACK TO one",
    )
    .unwrap();
    check(&db, "SELECT count(*) FROM city", "4");
    assert_eq!(
        db.execute("ROLLBACK TO two", ()).unwrap_err().to_string(),
        "find savepoint two at line 1, column 13"
    );
    db.execute_batch("DELETE FROM city WHERE id = 4; RELEASE one; COMMIT").unwrap();
    check(&db, "SELECT id FROM city ORDER BY id", "2\n3\n5");
}

#[test]
fn conflicts_are_an_error_of_commit() {
    let db = cities();
    let other = second(&db);
    db.execute("BEGIN", ()).unwrap();
    let sum = db.query("SELECT sum(people) FROM city", ()).unwrap();
    assert_eq!(sum.len(), 1);
    db.execute("UPDATE city SET people = 5 WHERE id = 1", ()).unwrap();
    other.execute("UPDATE city SET people = 6 WHERE id = 1", ()).unwrap();
    let error = db.execute("COMMIT", ()).unwrap_err();
    assert!(matches!(error, Error::Conflict) && error.is_retryable());
    assert!(!db.is_in_transaction());
    check(&db, "SELECT people FROM city WHERE id = 1", "6");
}

#[test]
fn isolation_decides_whether_reads_conflict() {
    for (isolation, conflicts) in [("SERIALIZABLE", true), ("REPEATABLE READ", false)] {
        let db = cities();
        let other = second(&db);
        db.execute(&format!("BEGIN TRANSACTION ISOLATION LEVEL {isolation}"), ()).unwrap();
        db.query("SELECT people FROM city WHERE id = 1", ()).unwrap();
        db.execute("UPDATE city SET people = 5 WHERE id = 2", ()).unwrap();
        other.execute("UPDATE city SET people = 6 WHERE id = 1", ()).unwrap();
        assert_eq!(db.execute("COMMIT", ()).is_err(), conflicts, "{isolation}");
    }
}

#[test]
fn dropped_transactions_are_rolled_back() {
    let mut db = cities();
    let transaction = db.connection.transaction().unwrap();
    transaction.execute("DELETE FROM city", ()).unwrap();
    drop(transaction);
    check(&db, "SELECT count(*) FROM city", "5");
    let transaction = db.connection.transaction().unwrap();
    transaction.execute("DELETE FROM city WHERE id = 1", ()).unwrap();
    transaction.rollback().unwrap();
    let transaction = db.connection.transaction().unwrap();
    transaction.execute("DELETE FROM city WHERE id = 2", ()).unwrap();
    transaction.commit().unwrap();
    check(&db, "SELECT count(*) FROM city", "4");
}

#[test]
fn writers_on_many_threads_lose_nothing() {
    let db = cities();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let connection = second(&db);
            scope.spawn(move || {
                let add = connection
                    .prepare("UPDATE city SET people = people + 1 WHERE id = $1")
                    .unwrap();
                for _ in 0..50 {
                    assert_eq!(add.execute([2]).unwrap(), 1);
                }
            });
        }
    });
    check(&db, "SELECT people FROM city WHERE id = 2", "38200");
}

#[test]
fn settings_of_the_connection() {
    let db = cities();
    db.execute_batch("SET durability = 'buffered'; UPDATE city SET people = 1 WHERE id = 1")
        .unwrap();
    db.execute_batch("SET isolation = snapshot; SET durability = default").unwrap();
    let error = db.execute("SET durability = 'snyc'", ()).unwrap_err().to_string();
    assert_eq!(error, "find durability snyc at line 1, column 5; did you mean sync?");
}

#[test]
fn statements_that_do_not_fit_the_transaction() {
    let db = cities();
    for statement in ["COMMIT", "ROLLBACK", "SAVEPOINT x", "ROLLBACK TO x", "RELEASE x"] {
        let error = db.execute(statement, ()).unwrap_err();
        assert!(matches!(error, Error::Transaction { .. }), "{statement}: {error}");
    }
    db.execute("BEGIN", ()).unwrap();
    assert!(matches!(db.execute("BEGIN", ()), Err(Error::Transaction { .. })));
    assert!(matches!(db.execute("DROP TABLE city", ()), Err(Error::Transaction { .. })));
    check(&db, "SELECT count(*) FROM city", "5");
}
