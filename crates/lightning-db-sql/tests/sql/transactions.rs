//! Transactions, savepoints, conflicts.

use lightning_db_sql::{Connection, Error};

use crate::{check, check_error, cities};

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
    assert!(matches!(db.execute("ANALYZE", ()), Err(Error::Transaction { .. })));
    check(&db, "SELECT count(*) FROM city", "5");
}

/// What `sqlite3 .dump` writes, but for its pragmas.
const DUMP: &str = "
    BEGIN TRANSACTION;
    CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    INSERT INTO author VALUES (1, 'Ada'), (2, 'Bob');
    CREATE TABLE book (
        id INTEGER PRIMARY KEY, author INTEGER REFERENCES author (id), title TEXT);
    INSERT INTO book VALUES (10, 1, 'One'), (11, 1, 'Two'), (12, 2, 'Three');
    CREATE INDEX book_author ON book (author);
    CREATE UNIQUE INDEX book_title ON book (title);
    CREATE VIEW titles AS SELECT name, title FROM author JOIN book ON author = author.id;
    COMMIT;";

#[test]
fn definitions_are_part_of_the_transaction() {
    let db = cities();
    let other = second(&db);
    let (begin, commit) = DUMP.split_at(DUMP.find("COMMIT").unwrap());
    db.execute_batch(begin).unwrap();
    let titles = "SELECT title FROM titles WHERE name = 'Ada' ORDER BY title";
    check(&db, titles, "One\nTwo");
    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_name = 'book'";
    check(&db, tables, "1");
    check(&other, tables, "0");
    let unknown = other.query("SELECT * FROM book", ()).unwrap_err();
    assert!(matches!(unknown, Error::Unknown { .. }), "{unknown}");
    db.execute("ROLLBACK", ()).unwrap();
    check(&db, tables, "0");
    db.execute_batch(begin).unwrap();
    db.execute_batch(commit).unwrap();
    check(&other, titles, "One\nTwo");
    let plan = other.query("EXPLAIN SELECT id FROM book WHERE title = 'Two'", ()).unwrap();
    assert!(format!("{plan:?}").contains("book_title"), "{plan:?}");
    let again = other.execute("INSERT INTO book VALUES (13, 2, 'Two')", ()).unwrap_err();
    assert!(again.to_string().contains("book_title"), "{again}");
}

#[test]
fn savepoints_take_definitions_back() {
    let db = cities();
    db.execute_batch(
        "BEGIN; SAVEPOINT one; DROP TABLE city; CREATE TABLE city (a TEXT);
         INSERT INTO city VALUES ('x'); SAVEPOINT two; ALTER TABLE city ADD COLUMN b TEXT",
    )
    .unwrap();
    check(&db, "SELECT * FROM city", "x|null");
    db.execute("ROLLBACK TO two", ()).unwrap();
    check(&db, "SELECT * FROM city", "x");
    db.execute_batch("ROLLBACK TO one; ALTER TABLE city ADD COLUMN b BIGINT DEFAULT 4").unwrap();
    check(&db, "SELECT b FROM city WHERE id = 1", "4");
    db.execute_batch(
        "CREATE TABLE big AS SELECT name, people FROM city WHERE people > 1000000;
         COMMIT",
    )
    .unwrap();
    check(&second(&db), "SELECT count(*) FROM big", "1");
    check(&second(&db), "SELECT sum(b) FROM city", "20");
}

#[test]
fn definitions_that_cannot_be_within_a_transaction_say_so() {
    let db = cities();
    let other = second(&db);
    db.execute("BEGIN ISOLATION LEVEL REPEATABLE READ", ()).unwrap();
    let refused = |sql: &str| db.execute(sql, ()).unwrap_err().to_string();
    assert_eq!(
        refused("CREATE INDEX CONCURRENTLY i ON city (people)"),
        "CREATE INDEX CONCURRENTLY: a transaction is open, and its writes are not made beside \
         those of others"
    );
    assert_eq!(
        refused("ANALYZE"),
        "ANALYZE: a transaction is open, and statistics are of what is committed"
    );
    assert!(refused("CREATE INDEX i ON city (people)").contains("serializable"));
    db.execute("ALTER TABLE city ADD COLUMN mayor TEXT", ()).unwrap();
    let second = other.execute("ALTER TABLE city ADD COLUMN river TEXT", ()).unwrap_err();
    assert!(second.to_string().contains("changed by another transaction"), "{second}");
    db.execute("ROLLBACK", ()).unwrap();
    other.execute("ALTER TABLE city ADD COLUMN river TEXT", ()).unwrap();
    // An index that rows stand against is not made, in a transaction or outside of one.
    for (begin, end) in [("", ""), ("BEGIN", "ROLLBACK")] {
        db.execute_batch(begin).unwrap();
        let unique = refused("CREATE UNIQUE INDEX one_country ON city (country)");
        assert!(unique.contains("one_country") && unique.contains("CH"), "{unique}");
        db.execute_batch(end).unwrap();
        check(&db, "SELECT count(*) FROM city", "5");
        db.execute("DROP INDEX one_country", ()).unwrap_err();
    }
}

#[test]
fn tables_are_made_and_dropped_while_others_work() {
    let db = cities();
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let connection = second(&db);
            scope.spawn(move || {
                for round in 0..12 {
                    let name = format!("t{thread}_{round}");
                    let sql = format!(
                        "BEGIN ISOLATION LEVEL REPEATABLE READ;
                         CREATE TABLE {name} AS SELECT id, name FROM city;
                         CREATE UNIQUE INDEX {name}_id ON {name} (id); COMMIT"
                    );
                    connection.execute_batch(&sql).unwrap();
                    let count = format!("SELECT count(*) FROM {name} WHERE id > 0");
                    let rows = connection.query(&count, ()).unwrap();
                    assert_eq!(rows.first().unwrap().get::<i64>(0).unwrap(), 5);
                    connection.execute(&format!("DROP TABLE {name}"), ()).unwrap();
                }
            });
        }
        let writer = second(&db);
        scope.spawn(move || {
            let add = writer.prepare("UPDATE city SET people = people + 1 WHERE id = $1").unwrap();
            for _ in 0..100 {
                assert_eq!(add.execute([2]).unwrap(), 1);
            }
        });
    });
    check(&db, "SELECT people FROM city WHERE id = 2", "38100");
    assert_eq!(db.engine().tables().names(), ["city", "country"]);
}

#[test]
fn indexes_of_every_kind_are_made_within_a_transaction() {
    let db = cities();
    let other = second(&db);
    let made = "BEGIN;
        CREATE TABLE place (id BIGINT PRIMARY KEY, name TEXT, kind TEXT, spot POINT);
        INSERT INTO place VALUES
            (1, 'old bridge', 'bridge', point(7.4, 46.9)),
            (2, 'old town', 'town', point(9.5, 46.8));
        CREATE INDEX place_text ON place USING fulltext (name);
        CREATE INDEX place_kind ON place USING bitmap (kind);
        CREATE INDEX place_spot ON place USING rtree (spot) WITH (geometry = sphere);
        CREATE INDEX place_hash ON place USING hash (name);
        CREATE INDEX place_bloom ON place USING bloom (kind);
        CREATE INDEX city_text ON city USING fulltext (name);
        CREATE INDEX city_height ON city (height) INCLUDE (name) WHERE height > 100;
        INSERT INTO place VALUES (3, 'new bridge', 'bridge', point(7.5, 46.9))";
    let asked = [
        ("SELECT id FROM place WHERE match(name, 'bridge') ORDER BY id", "1\n3"),
        ("SELECT id FROM place WHERE kind = 'bridge' ORDER BY id", "1\n3"),
        ("SELECT id FROM place WHERE st_dwithin(spot, point(7.4, 46.9), 9000) ORDER BY id", "1\n3"),
        ("SELECT id FROM place WHERE name = 'old town'", "2"),
        ("SELECT id FROM city WHERE match(name, 'chur')", "2"),
        ("SELECT name FROM city WHERE height > 590", "Chur"),
    ];
    for _ in 0..2 {
        db.execute_batch(made).unwrap();
        for (query, rows) in asked {
            check(&db, query, rows);
        }
        other.query(asked[0].0, ()).unwrap_err();
        db.execute("ROLLBACK", ()).unwrap();
        db.query(asked[4].0, ()).unwrap_err();
    }
    db.execute_batch(made).unwrap();
    db.execute("COMMIT", ()).unwrap();
    for (query, rows) in asked {
        check(&other, query, rows);
    }
    let report = db.engine().tables().check().unwrap();
    assert!(report.is_clean(), "{:#?}", report.problems);
}

#[test]
fn a_transaction_that_only_reads_writes_nothing() {
    let db = cities();
    db.execute("BEGIN READ ONLY", ()).unwrap();
    check(&db, "SELECT count(*) FROM city", "5");
    for sql in ["DELETE FROM city", "DROP TABLE city", "CREATE INDEX i ON city (name)"] {
        check_error(&db, sql, "write: the transaction is READ ONLY");
    }
    db.execute("COMMIT", ()).unwrap();
    db.execute_batch("BEGIN READ WRITE; DELETE FROM city WHERE id = 1; COMMIT").unwrap();
    check(&db, "SELECT count(*) FROM city", "4");
}
