//! INSERT, UPDATE and DELETE.

use crate::{check, check_error, cities, database, shown};

#[test]
fn insert_with_defaults_and_returning() {
    let db = database(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, a TEXT DEFAULT 'x', b BIGINT,
                         c BIGINT GENERATED ALWAYS AS (b * 2) STORED)",
    );
    check(
        &db,
        "INSERT INTO t (id, b) VALUES (1, 5), (2, NULL) RETURNING id, a, c",
        "1|x|10\n2|x|null",
    );
    check(&db, "INSERT INTO t VALUES (3, DEFAULT, 1) RETURNING *", "3|x|1|2");
    check(
        &db,
        "INSERT INTO t (b, id) SELECT b + 1, id + 10 FROM t WHERE b IS NOT NULL RETURNING id",
        "11\n13",
    );
    check(&db, "SELECT id, a, b, c FROM t WHERE id > 3 ORDER BY id", "11|x|6|12\n13|x|2|4");
    assert_eq!(db.execute("INSERT INTO t (id) VALUES (20), (21), (22)", ()).unwrap(), 3);
    let error = "table t: row 20 is there already";
    check_error(&db, "INSERT INTO t (id) VALUES (30), (20)", error);
    check(&db, "SELECT count(*) FROM t WHERE id = 30", "0");
}

#[test]
fn insert_on_conflict() {
    let db = database(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT UNIQUE, hits BIGINT DEFAULT 1);
         INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 1)",
    );
    assert_eq!(
        db.execute("INSERT INTO t VALUES (1, 'z', 9), (3, 'c', 1) ON CONFLICT DO NOTHING", ())
            .unwrap(),
        1
    );
    let upsert = "INSERT INTO t (id, name) VALUES ($1, $2) ON CONFLICT (name)
                  DO UPDATE SET hits = t.hits + excluded.hits, id = t.id RETURNING id, hits";
    assert_eq!(shown(&db.query(upsert, lightning_db_sql::params![7, "a"]).unwrap()), "1|2");
    assert_eq!(shown(&db.query(upsert, lightning_db_sql::params![7, "new"]).unwrap()), "7|1");
    let by_key =
        "INSERT INTO t VALUES (2, 'bb', 5) ON CONFLICT (id) DO UPDATE SET name = excluded.name
                  WHERE t.hits < 3 RETURNING name";
    check(&db, by_key, "bb");
    db.execute("UPDATE t SET hits = 8 WHERE id = 2", ()).unwrap();
    check(&db, by_key, "");
    let no_key = "plan the statement at line 1, column 44: (hits) is no primary key and no unique \
                  index of t";
    check_error(&db, "INSERT INTO t VALUES (1, 'a') ON CONFLICT (hits) DO NOTHING", no_key);
}

#[test]
fn conflicts_of_any_unique_index_and_no_row_twice() {
    let db = database(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT, live BOOLEAN NOT NULL DEFAULT true,
                         hits BIGINT DEFAULT 1,
                         upped TEXT GENERATED ALWAYS AS (upper(name)) STORED);
         CREATE UNIQUE INDEX t_lower ON t (lower(name));
         CREATE UNIQUE INDEX t_live ON t (hits) WHERE live;
         CREATE UNIQUE INDEX t_upped ON t (upped, live);
         INSERT INTO t VALUES (1, 'Ab', true, 10), (2, 'cd', false, 20)",
    );
    let insert = |values: &str, conflict: &str| {
        let set = "DO UPDATE SET id = t.id + 100 RETURNING id, name";
        let sql = format!(
            "INSERT INTO t (id, name, live, hits) VALUES {values} ON CONFLICT {conflict} {set}"
        );
        db.execute("BEGIN", ()).unwrap();
        let outcome = db.query(&sql, ()).map(|rows| shown(&rows)).map_err(|it| it.to_string());
        db.execute("ROLLBACK", ()).unwrap();
        outcome
    };
    let name = |name: &str| format!("ON CONSTRAINT {name}");
    assert_eq!(insert("(7, 'aB', true, 1)", &name("t_lower")).unwrap(), "101|Ab");
    assert_eq!(insert("(7, 'ef', true, 10)", &name("t_live")).unwrap(), "101|Ab");
    // Rows that a partial index has not are in nobody's way.
    assert_eq!(insert("(7, 'ef', false, 10)", &name("t_live")).unwrap(), "7|ef");
    assert_eq!(insert("(7, 'ef', true, 20)", &name("t_live")).unwrap(), "7|ef");
    assert_eq!(insert("(7, 'aB', true, 1)", "(upped, live)").unwrap(), "101|Ab");
    // Another key than that which is named.
    let other = insert("(7, 'AB', true, 1)", &name("t_live")).unwrap_err();
    assert!(other.contains("t_lower") || other.contains("t_upped"), "{other}");
    let twice = "plan the statement: ON CONFLICT DO UPDATE would change a row that this statement \
                 has written before";
    for values in ["(1, 'x', true, 1), (101, 'y', true, 2)", "(5, 'x', true, 1), (5, 'y', true, 2)"]
    {
        assert_eq!(insert(values, "(id)").unwrap_err(), twice, "{values}");
    }
    assert_eq!(
        db.execute("INSERT INTO t (id) VALUES (1), (1) ON CONFLICT DO NOTHING", ()).unwrap(),
        0
    );
    check(&db, "SELECT id, name FROM t ORDER BY id", "1|Ab\n2|cd");
}

#[test]
fn update_and_delete_by_condition() {
    let db = cities();
    let update = "UPDATE city SET people = people + 1, name = upper(name) WHERE country = 'CH'
                  RETURNING id, name, people";
    check(&db, update, "1|BERN|134001\n2|CHUR|38001");
    check(&db, "SELECT id FROM city WHERE name = 'BERN'", "1");
    check(&db, "UPDATE city SET id = id + 100 WHERE id >= 4 RETURNING id", "104\n105");
    let from = "UPDATE city SET name = country.name || '/' || city.name FROM country
                WHERE code = country AND code = 'IT' RETURNING city.name";
    check(&db, from, "Italy/Rome\nItaly/Pisa");
    check(&db, "DELETE FROM city WHERE people IS NULL RETURNING name", "Lyon");
    assert_eq!(
        db.execute("DELETE FROM city USING country WHERE code = country AND code = 'IT'", ())
            .unwrap(),
        2
    );
    check(&db, "SELECT count(*) FROM city", "2");
    assert_eq!(db.execute("DELETE FROM city", ()).unwrap(), 2);
    assert_eq!(db.execute("DELETE FROM city", ()).unwrap(), 0);
}

#[test]
fn tables_without_a_key() {
    let db = database(
        "CREATE TABLE log (at BIGINT, what TEXT); INSERT INTO log VALUES (1, 'a'), (2, 'b'), \
         (2, 'b')",
    );
    check(&db, "UPDATE log SET what = what || at WHERE at = 2 RETURNING *", "2|b2\n2|b2");
    db.execute("CREATE INDEX log_at ON log (at)", ()).unwrap();
    for at in 3..300 {
        db.execute("INSERT INTO log VALUES ($1, 'c')", [at]).unwrap();
    }
    let plan = shown(&db.query("EXPLAIN DELETE FROM log WHERE at = 7", ()).unwrap());
    assert!(plan.contains("by index log_at (= 7)"), "{plan}");
    let other = "UPDATE log SET what = what || n FROM (VALUES (7, 'x'), (8, 'y')) v (m, n)
                 WHERE m = at RETURNING at, what";
    check(&db, other, "7|cx\n8|cy");
    check(&db, "DELETE FROM log a USING log b WHERE a.at = b.at - 297 RETURNING a.at", "1\n2\n2");
    db.execute("BEGIN", ()).unwrap();
    db.execute("INSERT INTO log VALUES (1, 'new')", ()).unwrap();
    check(&db, "UPDATE log SET at = 2 WHERE at = 1 RETURNING what", "new");
    db.execute("COMMIT", ()).unwrap();
    check(&db, "DELETE FROM log WHERE at > 2 AND what LIKE 'c_' RETURNING at", "7\n8");
    check(&db, "SELECT count(*), min(what), max(what) FROM log", "296|c|new");
}

#[test]
fn keys_that_are_no_numbers_find_rows_once() {
    let db = database(
        "CREATE TABLE t (a TEXT, b BIGINT, n BIGINT, PRIMARY KEY (a, b));
         INSERT INTO t VALUES ('x', 1, 0), ('x', 2, 0), ('y', 1, 0)",
    );
    check(&db, "UPDATE t SET n = n + 1 WHERE a = 'x' RETURNING b, n", "1|1\n2|1");
    let moved = "UPDATE t SET b = b + 10 WHERE a = 'x' AND b = 2 RETURNING a, b, n";
    check(&db, moved, "x|12|1");
    let twice = "UPDATE t SET n = n + 5 FROM (VALUES ('y'), ('y')) v (k) WHERE a = k RETURNING n";
    check(&db, twice, "5");
    check(&db, "DELETE FROM t WHERE (a, b) IN (('x', 12), ('y', 1)) RETURNING n", "1\n5");
    check(&db, "SELECT * FROM t", "x|1|1");
}

#[test]
fn constraints_refuse_the_whole_statement() {
    let db = cities();
    let error = db
        .execute("INSERT INTO city (id, name, country) VALUES (8, 'X', 'CH'), (9, 'Y', 'XX')", ())
        .unwrap_err();
    assert!(error.to_string().contains("foreign key city_country_fkey"), "{error}");
    check(&db, "SELECT count(*) FROM city WHERE id > 7", "0");
    let error = db.execute("UPDATE city SET area = 123456789.5 WHERE id = 1", ()).unwrap_err();
    assert!(error.to_string().contains("city_area_precision"), "{error}");
    let error = db.execute("UPDATE city SET name = NULL WHERE id > 0", ()).unwrap_err();
    assert!(error.to_string().contains("may not be null"), "{error}");
    let error = db.execute("DELETE FROM country", ()).unwrap_err();
    assert!(error.to_string().contains("foreign key"), "{error}");
    check(&db, "SELECT count(*) FROM country", "3");
}

#[test]
fn values_become_what_the_column_takes() {
    let db = database(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, d DATE, m TIMESTAMP, f DOUBLE, n NUMERIC, u UUID,
                         b BYTEA, j JSON, p BIGINT UNSIGNED, ok BOOLEAN)",
    );
    db.execute(
        "INSERT INTO t VALUES (1, '2024-02-29', '2024-02-29 12:00:00', 1, 2, \
         '00000000-0000-0000-0000-00000000002a', x'00ff', '{\"a\": [1]}', \
          18446744073709551615, 'true')",
        (),
    )
    .unwrap();
    check(
        &db,
        "SELECT f, n, json_extract(j, '$.a[0]'), p, ok FROM t",
        "1.0|2|1|18446744073709551615|true",
    );
    check(
        &db,
        "SELECT id FROM t WHERE u = '00000000-0000-0000-0000-00000000002A' AND b = x'00ff'",
        "1",
    );
    let error = db.execute("INSERT INTO t (id, d) VALUES (2, 'x')", ()).unwrap_err().to_string();
    assert!(error.starts_with("plan the statement at line 1, column 34"), "{error}");
}
