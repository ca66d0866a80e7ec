//! AS OF: older states, by the number of a commit.

use std::sync::atomic::{AtomicBool, Ordering};

use lightning_db_sql::{Connection, Error, params};

use crate::{check, check_error, cities, database, shown};

/// Holds the state of now; gives the number of its commit.
fn hold(connection: &Connection) -> u64 {
    connection.query("CALL hold_snapshot()", ()).unwrap().first().unwrap().get("lsn").unwrap()
}

#[test]
fn every_query_reads_the_state_that_it_names() {
    let db = cities();
    let before = hold(&db);
    db.execute_batch(
        "UPDATE city SET people = 0, country = 'IT'; INSERT INTO country VALUES ('AT', 'Austria');
         DELETE FROM city WHERE id = 5",
    )
    .unwrap();
    let other = db.engine().connect();
    for (sql, then, now) in [
        ("SELECT count(*) FROM city", "5", "4"),
        ("SELECT people FROM city WHERE id = 1", "134000", "0"),
        ("SELECT id FROM city WHERE country = 'CH' ORDER BY id", "1\n2", ""),
        (
            "SELECT c.id FROM city c JOIN country t ON t.code = c.country AND t.name = 'France'",
            "5",
            "",
        ),
        ("SELECT count(*) FROM country WHERE code NOT IN (SELECT country FROM city)", "0", "3"),
        ("WITH x AS (SELECT max(people) AS m FROM city) SELECT m FROM x", "2873000", "0"),
        ("SELECT count(*) FROM city UNION ALL SELECT count(*) FROM country", "5\n3", "4\n4"),
    ] {
        check(&other, &format!("{sql} AS OF {before}"), then);
        check(&other, sql, now);
        let rows = other.query(&format!("{sql} AS OF $1"), params![before]).unwrap();
        assert_eq!(shown(&rows), then, "{sql}");
    }
    let prepared = db.prepare("SELECT count(*) FROM city WHERE id > ? AS OF ?").unwrap();
    assert_eq!(shown(&prepared.query(params![0, before]).unwrap()), "5");
    db.execute_batch("PREPARE p AS SELECT count(*) FROM city AS OF $1").unwrap();
    check(&db, &format!("EXECUTE p({before})"), "5");
    let mut out = Vec::new();
    db.copy_out(&format!("COPY (SELECT count(*) FROM city) TO STDOUT AS OF {before}"), &mut out)
        .unwrap();
    assert_eq!(out, b"5\n");
    let plan = format!("EXPLAIN ANALYZE SELECT name FROM city WHERE country = 'CH' AS OF {before}");
    let plan = shown(&db.query(&plan, ()).unwrap());
    assert!(plan.contains("city_country") && plan.contains("actual 2 "), "{plan}");
}

#[test]
fn a_transaction_reads_the_state_that_it_begins_with() {
    let db = cities();
    let before = hold(&db);
    db.execute_batch("DELETE FROM city WHERE id > 2; CREATE TABLE late (n BIGINT PRIMARY KEY)")
        .unwrap();
    let other = db.engine().connect();
    other.execute("BEGIN AS OF $1", params![before]).unwrap();
    db.execute("DELETE FROM city WHERE id = 2", ()).unwrap();
    check(&other, "SELECT count(*) FROM city", "5");
    check(&other, "SHOW lsn", &before.to_string());
    assert!(other.query("SELECT * FROM late", ()).is_err());
    let mut dump = Vec::new();
    other.dump(Some("city"), &mut dump).unwrap();
    assert!(String::from_utf8(dump).unwrap().contains("Rome"));
    let refused = "write: the transaction reads an older state";
    for sql in [
        "DELETE FROM city",
        "INSERT INTO late VALUES (1)",
        "CREATE TABLE x (n BIGINT PRIMARY KEY)",
        "CREATE TABLE x AS SELECT * FROM city",
        "CREATE VIEW v AS SELECT * FROM city",
        "COPY city FROM 'x.csv'",
    ] {
        check_error(&other, sql, refused);
    }
    other.execute_batch("SAVEPOINT s; ROLLBACK TO s; RELEASE s; COMMIT").unwrap();
    check(&other, "SELECT count(*) FROM city", "1");
    // What holds the state is the connection that did before, or the transaction itself.
    other.execute(&format!("START TRANSACTION READ ONLY AS OF {before}"), ()).unwrap();
    db.execute(&format!("CALL release_snapshot({before})"), ()).unwrap();
    check(&other, "SELECT count(*) FROM city WHERE country = 'IT'", "2");
    check(&other, &format!("SELECT count(*) FROM city AS OF {}", newest(&db)), "1");
    other.execute("ROLLBACK", ()).unwrap();
    let error = other.execute(&format!("BEGIN AS OF {before}"), ()).unwrap_err();
    assert!(matches!(error, Error::NotHeld { .. }), "{error}");
    assert!(!other.is_in_transaction());
    let newest = newest(&db);
    check_error(
        &other,
        &format!("BEGIN READ WRITE AS OF {newest}"),
        "BEGIN READ WRITE AS OF: an older state is read, and not written",
    );
    other.execute("INSERT INTO late VALUES (1)", ()).unwrap();
}

/// Number of the newest commit.
fn newest(connection: &Connection) -> u64 {
    connection.query("SHOW lsn", ()).unwrap().first().unwrap().get("lsn").unwrap()
}

#[test]
fn definitions_are_those_of_the_state() {
    let db = cities();
    db.execute("CREATE VIEW swiss AS SELECT name FROM city WHERE country = 'CH'", ()).unwrap();
    let before = hold(&db);
    db.execute_batch(
        "DROP VIEW swiss; ALTER TABLE city DROP COLUMN height; DROP INDEX city_name;
         ALTER TABLE city RENAME TO town; DROP TABLE town; DROP TABLE country;
         CREATE TABLE city (id TEXT PRIMARY KEY)",
    )
    .unwrap();
    check(&db, &format!("SELECT height FROM city WHERE name = 'Chur' AS OF {before}"), "593.0");
    check(&db, &format!("SELECT count(*) FROM country AS OF {before}"), "3");
    check(&db, &format!("SELECT * FROM swiss ORDER BY 1 AS OF {before}"), "Bern\nChur");
    check(&db, "SELECT count(*) FROM city", "0");
    let error = db.query(&format!("SELECT * FROM town AS OF {before}"), ()).unwrap_err();
    assert!(matches!(error, Error::Unknown { what: "table", .. }), "{error}");
}

#[test]
fn what_is_not_held_is_an_error_that_says_so() {
    let db = cities();
    let lsn = |connection: &Connection| {
        let rows = connection.query("SHOW lsn", ()).unwrap();
        rows.first().unwrap().get::<u64>("lsn").unwrap()
    };
    let first = lsn(&db);
    check(&db, &format!("SELECT count(*) FROM city AS OF {first}"), "5");
    db.execute("DELETE FROM city WHERE id = 5", ()).unwrap();
    let sql = |lsn: u64| format!("SELECT count(*) FROM city AS OF {lsn}");
    let newest = lsn(&db);
    assert!(newest > first);
    check_error(
        &db,
        &sql(first),
        &format!(
            "read the state as of commit {first}: it is not held, held are: none; \
             CALL hold_snapshot() holds the state of now"
        ),
    );
    check_error(
        &db,
        &sql(newest + 1),
        &format!("read the state as of commit {}: the newest commit is {newest}", newest + 1),
    );

    let other = db.engine().connect();
    let held = hold(&other);
    assert_eq!(held, newest);
    db.execute("DELETE FROM city WHERE id = 4", ()).unwrap();
    check(&db, &sql(held), "4");
    let error = db.query(&sql(first), ()).unwrap_err();
    assert!(matches!(&error, Error::NotHeld { held: all, .. } if *all == [held]), "{error}");
    other.execute("CALL release_snapshot($1)", params![held]).unwrap();
    assert!(matches!(db.query(&sql(held), ()), Err(Error::NotHeld { .. })));
    let error = other.execute(&format!("CALL release_snapshot({held})"), ()).unwrap_err();
    assert!(error.to_string().starts_with(&format!("find held snapshot {held}")), "{error}");

    let again = hold(&other);
    db.execute("DELETE FROM city WHERE id = 3", ()).unwrap();
    check(&db, &sql(again), "3");
    drop(other);
    assert!(matches!(db.query(&sql(again), ()), Err(Error::NotHeld { .. })));
}

#[test]
fn a_transaction_holds_the_state_that_it_reads() {
    let db = cities();
    let other = db.engine().connect();
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ; DELETE FROM city WHERE id = 1";
    db.execute_batch(begin).unwrap();
    other.execute("DELETE FROM city WHERE id = 2", ()).unwrap();
    let held = hold(&db);
    check(&db, "SHOW lsn", &held.to_string());
    check(&other, &format!("SELECT count(*) FROM city AS OF {held}"), "5");
    // The transaction's own writes are no part of an older state.
    check(&db, &format!("SELECT count(*) FROM city AS OF {held}"), "5");
    check(&db, "SELECT count(*) FROM city", "4");
    db.execute("COMMIT", ()).unwrap();
    check(&db, &format!("SELECT count(*) FROM city AS OF {held}"), "5");
    check(&db, "SELECT count(*) FROM city", "3");
}

#[test]
fn an_older_state_is_read_while_writers_go_on() {
    let db = database(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, n BIGINT);
         CREATE INDEX t_n ON t (n);
         INSERT INTO t VALUES (1, 10), (2, 20), (3, 30)",
    );
    let before = hold(&db);
    let (writer, done) = (db.engine().connect(), &AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for round in 4..100_i64 {
                writer.execute("UPDATE t SET n = n + 1", ()).unwrap();
                writer.execute("INSERT INTO t VALUES ($1, $1)", [round]).unwrap();
                if round == 50 {
                    writer.engine().tables().store().compact().unwrap();
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        loop {
            let is_last = done.load(Ordering::Relaxed);
            check(&db, &format!("SELECT sum(n), count(*) FROM t AS OF {before}"), "60|3");
            check(&db, &format!("SELECT id FROM t WHERE n = 20 AS OF {before}"), "2");
            if is_last {
                break;
            }
        }
    });
    check(&db, "SELECT count(*) FROM t", "99");
}

#[test]
fn only_what_reads_reads_an_older_state() {
    let db = cities();
    let lsn = hold(&db);
    for sql in [
        "DELETE FROM city",
        "UPDATE city SET people = 1",
        "INSERT INTO city SELECT * FROM city",
        "EXPLAIN DELETE FROM city",
        "CREATE TABLE x AS SELECT * FROM city",
        "CREATE VIEW v AS SELECT * FROM city",
        "COPY city FROM 'x.csv'",
        "COMMIT",
        "PREPARE p AS DELETE FROM city",
    ] {
        let error = db.execute(&format!("{sql} AS OF {lsn}"), ()).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{sql}: {error}");
        assert!(error.to_string().contains("AS OF"), "{sql}: {error}");
    }
    check(&db, "SELECT count(*) FROM city", "5");
    check_error(
        &db,
        "SELECT 1 AS OF 'x'",
        "read the statement at line 1, column 16: AS OF takes the number of a commit, \
         or a parameter",
    );
    let error = db.query("SELECT 1 AS OF ?", params!["x"]).unwrap_err();
    assert!(matches!(error, Error::Parameter { number: 1, .. }), "{error}");
    for sql in ["CALL hold_snapshot(1)", "CALL release_snapshot()", "CALL hold_snapshto()"] {
        assert!(db.execute(sql, ()).unwrap_err().position().is_some(), "{sql}");
    }
    // A name is a name.
    check(&db, "SELECT 7 AS of", "7");
}
