//! `generate_series` in FROM.

use lightning_db_sql::params;

use crate::{check, check_error, database, on_rows_alone, shown};

#[test]
fn numbers_come_as_far_as_the_end_is_not_passed() {
    let db = database("CREATE TABLE t (id BIGINT PRIMARY KEY, half NUMERIC(10, 1))");
    on_rows_alone(&db);
    check(&db, "SELECT * FROM generate_series(1, 3)", "1\n2\n3");
    check(&db, "SELECT n FROM generate_series(9, 1, -4) n", "9\n5\n1");
    check(&db, "SELECT i * 2 FROM generate_series(0, 1) AS s (i) ORDER BY s.i DESC", "2\n0");
    check(&db, "SELECT count(*) FROM generate_series(2, 1)", "0");
    check(&db, "SELECT count(*) FROM generate_series(1, NULL)", "0");
    check(&db, "SELECT x FROM generate_series(1, 2, 0.5) x", "1\n1.5\n2");
    let far = "SELECT max(i), count(*) FROM generate_series(9223372036854775800, \
               9223372036854775807, 3) s (i)";
    check(&db, far, "9223372036854775806|3");
    db.execute("INSERT INTO t SELECT i, i / 2.0 FROM generate_series(1, 100000) s (i)", ())
        .unwrap();
    check(&db, "SELECT count(*), sum(half), max(id) FROM t", "100000|2500025000|100000");
    let gaps = "SELECT i FROM generate_series(99998, 100003) s (i) LEFT JOIN t ON t.id = s.i \
                WHERE t.id IS NULL ORDER BY i";
    check(&db, gaps, "100001\n100002\n100003");
    // A text with another end has rows of its own.
    let to = |end: i64| format!("SELECT count(*) FROM generate_series(1, {end})");
    check(&db, &to(10), "10");
    check(&db, &to(1_000_000), "1000000");
    let statement = db.prepare("SELECT sum(i) FROM generate_series($1, $2) s (i)").unwrap();
    assert_eq!(shown(&statement.query(params![1, 4]).unwrap()), "10");
    assert_eq!(shown(&statement.query(params![4, 5]).unwrap()), "9");
    check(&db, "SELECT i FROM generate_series(1, 9000000000000000000) s (i) LIMIT 2", "1\n2");
}

#[test]
fn moments_are_an_interval_from_each_other() {
    let db = database("CREATE TABLE t (id BIGINT PRIMARY KEY)");
    on_rows_alone(&db);
    let days = "SELECT CAST(CAST(d AS DATE) AS TEXT) \
                FROM generate_series(DATE '2024-02-28', '2024-03-01', INTERVAL '1 day') d";
    check(&db, days, "2024-02-28\n2024-02-29\n2024-03-01");
    let months = "SELECT count(*), min(m) = TIMESTAMP '2023-11-30' \
                  FROM generate_series(DATE '2024-01-30', '2023-11-01', INTERVAL '-1 month') s (m)";
    check(&db, months, "3|true");
}

#[test]
fn series_that_are_none_are_refused() {
    let db = database("CREATE TABLE t (id BIGINT PRIMARY KEY)");
    // Also where DataFusion might answer, which passes over these.
    for (from, expected) in [
        (
            "generate_series(1, 2) WITH ORDINALITY",
            "WITH ORDINALITY is not there; row_number() counts rows",
        ),
        ("t TABLESAMPLE BERNOULLI (1)", "TABLESAMPLE is not there"),
    ] {
        let expected = format!("plan the statement at line 1, column 15: {expected}");
        check_error(&db, &format!("SELECT 1 FROM {from}"), &expected);
    }
    on_rows_alone(&db);
    for (arguments, expected) in [
        ("1, 2, 0", "the step of generate_series is zero"),
        ("0.0, 1e9", "generate_series of such values has at most 1000000 rows"),
        ("1", "generate_series takes where it starts and stops, and perhaps a step"),
        (
            "DATE '2024-01-01', DATE '2024-01-02'",
            "generate_series of a date needs an interval as its step",
        ),
    ] {
        let sql = format!("SELECT 1 FROM generate_series({arguments})");
        let expected = format!("plan the statement at line 1, column 15: {expected}");
        check_error(&db, &sql, &expected);
    }
    let lateral = db.query("SELECT 1 FROM t, generate_series(1, t.id)", ()).unwrap_err();
    let expected = "run generate_series of this at line 1, column 37: it is not supported; its \
                    arguments are values, or parameters";
    assert_eq!(lateral.to_string(), expected);
}
