//! WITH RECURSIVE.

use lightning_db_sql::{Error, params};

use crate::{check, check_error, database, on_rows_alone, shown};

#[test]
fn a_query_goes_on_over_its_own_rows() {
    let db = database(
        "CREATE TABLE part (id BIGINT PRIMARY KEY, of BIGINT, name TEXT);
         INSERT INTO part VALUES (1, NULL, 'car'), (2, 1, 'wheel'), (3, 2, 'tyre'), (4, 1, 'door'),
                                 (5, 9, 'lost'), (9, 5, 'lost too')",
    );
    let count = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
                 SELECT count(*), sum(i) FROM n";
    assert_eq!(shown(&db.query(count, [100]).unwrap()), "100|5050");
    assert_eq!(shown(&db.query(count, [3]).unwrap()), "3|6");
    let tree = "WITH RECURSIVE tree AS (
                    SELECT id, name, 0 AS depth FROM part WHERE of IS NULL
                    UNION ALL
                    SELECT p.id, t.name || '/' || p.name, depth + 1
                    FROM tree t JOIN part p ON p.of = t.id)
                SELECT name, depth FROM tree ORDER BY name";
    check(&db, tree, "car|0\ncar/door|1\ncar/wheel|1\ncar/wheel/tyre|2");
    // A circle ends where each row is wanted once.
    let circle = "WITH RECURSIVE up (id) AS (
                      SELECT 5 UNION SELECT p.of FROM up JOIN part p ON p.id = up.id)
                  SELECT id FROM up ORDER BY id";
    check(&db, circle, "5\n9");
    let twice = "WITH RECURSIVE a (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM a WHERE i < 3),
                      b (j) AS (SELECT max(i) FROM a UNION ALL SELECT j - 1 FROM b WHERE j > 0),
                      plain AS (SELECT 7 AS k)
                 SELECT j, k FROM b, plain ORDER BY j";
    check(&db, twice, "0|7\n1|7\n2|7\n3|7");
    db.execute(
        "INSERT INTO part WITH RECURSIVE n (i) AS (
             SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 109) SELECT i, 1, 'bolt' FROM n",
        (),
    )
    .unwrap();
    let bolts = "SELECT count(*) FROM part WHERE name = $1";
    assert_eq!(shown(&db.query(bolts, params!["bolt"]).unwrap()), "10");
}

#[test]
fn rounds_are_planned_again_only_where_they_grow() {
    let db = database("CREATE TABLE one (i BIGINT PRIMARY KEY)");
    // To plan each round would take a hundred times as long as to run it.
    let long = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
                SELECT count(*), sum(i) FROM n";
    check(&db, long, "200000|20000100000");
    // Each row makes two, and a round meets itself.
    let wide = "WITH RECURSIVE n (i, depth) AS (
                    SELECT 1, 1 UNION ALL
                    SELECT a.i * 2 + b.k, a.depth + 1 FROM n a, (VALUES (0), (1)) b (k)
                    WHERE a.depth < 12)
                SELECT count(*), count(DISTINCT i), max(i) FROM n";
    check(&db, wide, "4095|4095|4095");
    let itself = "WITH RECURSIVE n (i) AS (
                      SELECT 1 UNION SELECT a.i + b.i FROM n a JOIN n b ON a.i <= b.i
                      WHERE a.i + b.i < 100)
                  SELECT i FROM n ORDER BY i";
    check(&db, itself, "1\n2\n4\n8\n16\n32\n64");
    // A round may have one row, none of null, and then another one.
    let nulls = "WITH RECURSIVE n (i, t) AS (
                     SELECT 1, 'a' UNION ALL
                     SELECT i + 1, CASE WHEN i % 2 = 0 THEN 'a' END FROM n WHERE i < 4)
                 SELECT count(*), count(t), count(*) FILTER (WHERE t IS NULL) FROM n";
    check(&db, nulls, "4|2|2");
}

#[test]
fn a_view_runs_its_rounds_when_it_is_read() {
    let db = database(
        "CREATE TABLE part (id BIGINT PRIMARY KEY, of BIGINT);
         INSERT INTO part VALUES (1, NULL), (2, 1);
         CREATE VIEW tree AS WITH RECURSIVE t (id, depth) AS (
             SELECT id, 0 FROM part WHERE of IS NULL UNION ALL
             SELECT p.id, depth + 1 FROM t JOIN part p ON p.of = t.id)
         SELECT id, depth FROM t",
    );
    check(&db, "SELECT id, depth FROM tree ORDER BY id", "1|0\n2|1");
    db.execute("INSERT INTO part VALUES (3, 2), (4, 9)", ()).unwrap();
    check(&db, "SELECT id, depth FROM tree ORDER BY id", "1|0\n2|1\n3|2");
    check(&db, "SELECT max(depth) FROM tree JOIN part USING (id) WHERE id < 3", "1");
}

#[test]
fn what_has_no_end_is_ended_by_the_memory_that_it_may_use() {
    let db = database("CREATE TABLE one (i BIGINT PRIMARY KEY)");
    let endless = "WITH RECURSIVE n AS (SELECT 'x' AS t UNION ALL SELECT t || t FROM n)
                   SELECT count(*) FROM n";
    let error = db.query(endless, ()).unwrap_err();
    let is_memory = matches!(
        &error,
        Error::Query(error) if matches!(**error, lightning_db_query::Error::Memory { .. })
    );
    assert!(is_memory, "{error:?}");
    let sides = "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i, 2 FROM n) SELECT i FROM n";
    let expected =
        "plan the statement at line 1, column 16: the sides of UNION have 1 and 2 columns";
    check_error(&db, sides, expected);
    on_rows_alone(&db);
    let limited = "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n LIMIT 3)
                   SELECT i FROM n";
    assert!(matches!(db.query(limited, ()), Err(Error::Unsupported { .. })));
}

#[test]
fn rounds_end_with_the_rows_that_are_wanted() {
    let db = database("CREATE TABLE one (i BIGINT PRIMARY KEY)");
    let naturals = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)";
    check(&db, &format!("{naturals} SELECT i FROM n LIMIT 3"), "1\n2\n3");
    check(
        &db,
        &format!("{naturals} SELECT -i AS minus, n.* FROM n LIMIT 2 OFFSET 1"),
        "-2|2\n-3|3",
    );
    check(
        &db,
        &format!("{naturals} SELECT CAST((i * 2) AS TEXT) FROM n FETCH FIRST ROW ONLY"),
        "2",
    );
    assert_eq!(
        shown(&db.query(&format!("{naturals} SELECT i FROM n LIMIT $1"), [2]).unwrap()),
        "1\n2"
    );
    check(&db, &format!("{naturals} SELECT i FROM n LIMIT 0"), "");
    let inner = format!("SELECT sum(i) FROM ({naturals} SELECT i FROM n LIMIT 100) AS hundred");
    check(&db, &inner, "5050");
    let twice = "WITH RECURSIVE n (i) AS (
                     SELECT 1 UNION ALL SELECT i * 2 + k FROM n, (VALUES (0), (1)) b (k))
                 SELECT i FROM n LIMIT 7";
    assert_eq!(db.query(twice, ()).unwrap().len(), 7);
    // Where rows are looked at before some are given, all are made.
    let ten = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10)";
    for (query, expected) in [
        ("SELECT i FROM n ORDER BY i DESC LIMIT 2", "10\n9"),
        ("SELECT count(*) FROM n LIMIT 1", "10"),
        ("SELECT i FROM n WHERE i > 7 LIMIT 2", "8\n9"),
        ("SELECT max(i) + 0 FROM n LIMIT 1", "10"),
        ("SELECT sum(i) OVER () FROM n LIMIT 1", "55"),
        ("SELECT DISTINCT i / 10 AS tens FROM n ORDER BY tens LIMIT 5", "0\n1"),
        ("SELECT a.i FROM n a JOIN n b ON b.i = 10 AND a.i = 9 LIMIT 1", "9"),
        ("SELECT (SELECT max(i) FROM n) AS top FROM n LIMIT 1", "10"),
        ("SELECT i % 2 AS odd FROM n GROUP BY 1 HAVING count(*) = 5 ORDER BY 1 LIMIT 3", "0\n1"),
    ] {
        check(&db, &format!("{ten} {query}"), expected);
    }
}
