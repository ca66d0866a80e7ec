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
    let view = "CREATE VIEW v AS WITH RECURSIVE n AS (
                    SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i FROM n";
    assert!(matches!(db.execute(view, ()), Err(Error::Unsupported { .. })));
}
