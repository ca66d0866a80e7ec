//! Texts that differ in their values alone give what each would by itself.

use std::sync::atomic::{AtomicBool, Ordering};

use lightning_db_sql::{Connection, Error};

use crate::{check, cities, database, shown};

/// The answer of a connection that has seen no other text.
fn alone(connection: &Connection, sql: &str) -> String {
    match connection.engine().connect().prepare(sql).and_then(|it| it.query(())) {
        Ok(rows) => shown(&rows),
        Err(error) => error.to_string(),
    }
}

fn compare(connection: &Connection, sql: &str) {
    let expected = alone(connection, sql);
    for _ in 0..2 {
        let found = match connection.query(sql, ()) {
            Ok(rows) => shown(&rows),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected, "{sql}");
    }
}

#[test]
fn each_text_gets_the_answer_to_its_own_values() {
    let db = cities();
    for id in [1, 3, 99, -1] {
        compare(&db, &format!("SELECT name, people FROM city WHERE id = {id}"));
        compare(&db, &format!("SELECT count(*) FROM city WHERE people > {id} AND id < 5"));
        compare(&db, &format!("SELECT id FROM city WHERE id IN ({id}, 2) ORDER BY 1 LIMIT {}", 2));
    }
    for value in ["'Bern'", "'Rome'", "'it''s'", "5", "NULL", "1.5", "'1191-01-01'"] {
        compare(&db, &format!("SELECT id FROM city WHERE name = {value}"));
        compare(&db, &format!("SELECT id FROM city WHERE founded = {value}"));
        compare(&db, &format!("SELECT id FROM city WHERE area = {value}"));
        compare(&db, &format!("SELECT id FROM city WHERE id = {value}"));
        compare(&db, &format!("SELECT id = {value} FROM city WHERE id = 1"));
    }
}

#[test]
fn writes_with_other_values_are_done_each_by_itself() {
    let db = database(
        "CREATE TABLE note (id BIGINT PRIMARY KEY, text TEXT, at DATE, price NUMERIC(6, 2))",
    );
    for id in 0..20 {
        let price = format!("{id}.{:02}", id * 3);
        let insert =
            format!("INSERT INTO note VALUES ({id}, 'n{id}', '2024-01-{:02}', {price})", id + 1);
        assert_eq!(db.execute(&insert, ()).unwrap(), 1);
        let error = db.execute(&insert, ()).unwrap_err();
        assert!(error.to_string().contains("note"), "{error}");
    }
    for id in 0..10 {
        db.execute(&format!("UPDATE note SET text = 'x{id}', price = {id} WHERE id = {id}"), ())
            .unwrap();
        assert_eq!(db.execute(&format!("DELETE FROM note WHERE id = {}", id + 10), ()).unwrap(), 1);
    }
    check(&db, "SELECT count(*), sum(price), max(text) FROM note WHERE id >= 0", "10|45|x9");
    db.execute("BEGIN", ()).unwrap();
    db.execute("DELETE FROM note WHERE id = 3", ()).unwrap();
    check(&db, "SELECT count(*) FROM note WHERE id = 3", "0");
    db.execute("ROLLBACK", ()).unwrap();
    check(&db, "SELECT count(*) FROM note WHERE id = 3", "1");
}

#[test]
fn what_is_cancelled_does_not_begin_again() {
    let db = database("CREATE TABLE n (i BIGINT PRIMARY KEY)");
    for i in 0..300 {
        db.execute("INSERT INTO n VALUES ($1)", [i]).unwrap();
    }
    let (progress, handle) = (db.progress_handle(), db.interrupt_handle());
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // The last table is read when the pairs of the others have begun.
            while progress.progress().rows_read < 901 && !is_done.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            handle.interrupt();
        });
        // Eight thousand million rows.
        let sum = "a.i + b.i + c.i + d.i = -1";
        let outcome = db.query(&format!("SELECT count(*) FROM n a, n b, n c, n d WHERE {sum}"), ());
        is_done.store(true, Ordering::Relaxed);
        assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
    });
}
