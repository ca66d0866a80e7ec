//! Queries on DataFusion: what only it runs, and what both executors must agree on.

use lightning_db_sql::arrow::array::RecordBatch;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use lightning_db_sql::types::Value;
use lightning_db_sql::{Connection, EngineOptions, Error, Progress, SqlEngine, params};

use crate::{Database, check, cities, database, shown};

/// A table with so many rows.
fn many(rows: i64) -> Database {
    let db = database(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, g BIGINT, n NUMERIC, d DATE, s TEXT);
         CREATE INDEX t_g ON t (g); CREATE INDEX t_s ON t USING hash (s)",
    );
    db.execute("BEGIN", ()).unwrap();
    let insert =
        db.prepare("INSERT INTO t VALUES ($1, $2, $2 * 0.5, DATE '2024-01-01' + $2, $3)").unwrap();
    for id in 0..rows {
        let text =
            if id % 3 == 0 { Value::Null } else { format!("{:0>200}", id * 7 % rows).into() };
        insert.execute([Value::I64(id), Value::I64(id % 97), text]).unwrap();
    }
    db.execute("COMMIT", ()).unwrap();
    db.execute("ANALYZE", ()).unwrap();
    db
}

/// Checks that a query gives the same rows on both executors, in any order unless it is sorted.
fn check_both(connection: &Connection, sql: &str) {
    let on = |executor: &str| {
        connection.execute(&format!("SET executor = {executor}"), ()).unwrap();
        let rows = connection.query(sql, ());
        connection.execute("SET executor = auto", ()).unwrap();
        let rows = rows.unwrap_or_else(|error| panic!("{executor}: {}", error.shown_in(sql)));
        let mut lines: Vec<String> = shown(&rows).lines().map(str::to_owned).collect();
        // An order in parentheses is that of a window.
        if sql.rfind("ORDER BY") <= sql.rfind(')') {
            lines.sort();
        }
        lines
    };
    assert_eq!(on("rows"), on("datafusion"), "{sql}");
}

#[test]
fn both_executors_agree() {
    let db = cities();
    for sql in [
        "SELECT * FROM city ORDER BY id",
        "SELECT name FROM city WHERE id = 3",
        "SELECT id, people * 2 + 1, people / 7, people % 7 FROM city WHERE people > 38000",
        "SELECT country, count(*), count(people), sum(people), min(name), max(height) FROM city
         GROUP BY country",
        "SELECT c.name, t.name FROM city c JOIN country t ON c.country = t.code WHERE c.id < 4",
        "SELECT t.code, c.id FROM country t LEFT JOIN city c ON c.country = t.code AND c.id > 3",
        "SELECT code FROM country WHERE code NOT IN (SELECT country FROM city WHERE id < 5)",
        "SELECT name FROM city c WHERE people = (SELECT max(people) FROM city d WHERE \
         d.country = c.country)",
        "SELECT name FROM country c WHERE EXISTS (SELECT 1 FROM city WHERE country = c.code AND \
         people > 100000)",
        "SELECT country FROM city UNION SELECT code FROM country",
        "SELECT country FROM city EXCEPT SELECT 'CH'",
        "SELECT DISTINCT country FROM city",
        "SELECT id FROM city ORDER BY people DESC, id LIMIT 3 OFFSET 1",
        "SELECT id FROM city ORDER BY people NULLS FIRST, id",
        "SELECT CASE WHEN people > 100000 THEN 'large' WHEN people IS NULL THEN '?' ELSE 'small' \
         END FROM city",
        "SELECT upper(name), length(name), substring(name FROM 2 FOR 2), name || '!' FROM city",
        "SELECT name FROM city WHERE name LIKE '%o%' OR name ILIKE 'b%'",
        "SELECT coalesce(people, -1), people IS NULL, nullif(id, 2) FROM city",
        "SELECT id FROM city WHERE founded < DATE '0900-01-01'",
        "SELECT id FROM city WHERE founded BETWEEN '0001-01-01' AND '1000-01-01'",
        "SELECT id, area FROM city WHERE area > 40.5",
        "SELECT sum(area), max(area) FROM city",
        "SELECT extract(YEAR FROM founded), extract(MONTH FROM founded) FROM city",
        "WITH x AS (SELECT country, max(people) AS most FROM city GROUP BY country)
         SELECT name FROM city JOIN x ON x.country = city.country AND people = most",
        "SELECT count(DISTINCT country), count(*) FILTER (WHERE id > 2) FROM city",
        "SELECT country FROM city GROUP BY country HAVING count(*) > 1 ORDER BY country",
        "SELECT 7 / 2, -7 / 2, 7 % -3, 1.5 + 1, 2 > 1 AND NULL",
        "SELECT id, rank() OVER w, dense_rank() OVER w, percent_rank() OVER w, cume_dist() OVER w,
                sum(people) OVER w, count(people) OVER w, min(name) OVER w, first_value(id) OVER w
         FROM city WINDOW w AS (PARTITION BY country ORDER BY people DESC NULLS LAST)",
        "SELECT id, lag(id) OVER (ORDER BY id), lead(name, 2, '-') OVER (ORDER BY id DESC),
                ntile(2) OVER (ORDER BY id), nth_value(id, 2) OVER (ORDER BY id),
                sum(id) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING),
                last_value(id) OVER (ORDER BY country, id), avg(height) OVER ()
         FROM city",
        "SELECT country, count(*), sum(count(*)) OVER (ORDER BY country) FROM city
         GROUP BY country",
        "SELECT country, people > 90000 AS large, count(*), sum(id), grouping(country) FROM city
         GROUP BY CUBE (country, people > 90000)",
        "SELECT country, count(*) FROM city GROUP BY GROUPING SETS ((country), ()) \
         HAVING count(*) > 1",
        "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 5)
         SELECT x, name FROM n LEFT JOIN city ON id = x",
    ] {
        check_both(&db, sql);
    }
}

#[test]
fn what_the_binder_does_not_understand_runs_on_datafusion() {
    let db = cities();
    let named = "SELECT country, string_agg(name, '+' ORDER BY name) FROM city
                 WHERE people IS NOT NULL GROUP BY country ORDER BY country";
    check(&db, named, "CH|Bern+Chur\nIT|Pisa+Rome");
    let running = "SELECT id, sum(id) OVER (ORDER BY id RANGE BETWEEN 1 PRECEDING AND CURRENT ROW)
                   FROM city ORDER BY id";
    check(&db, running, "1|1\n2|3\n3|5\n4|7\n5|9");
    let tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'
                  ORDER BY 1";
    check(&db, tables, "city\ncountry");
    check(&db, "SELECT gcd(12, 18), lcm(4, 6), factorial(5)", "6|12|120");
    let by_parameter = "SELECT id, lcm(id, 1) FROM city WHERE country = $1 ORDER BY id";
    let rows = db.query(by_parameter, params!["IT"]).unwrap();
    assert_eq!((shown(&rows), rows.columns()[0].name.as_str()), ("3|3\n4|4".to_owned(), "id"));
    let plan = shown(&db.query(&format!("EXPLAIN {named}"), ()).unwrap());
    assert!(plan.starts_with("DataFusion") && plan.contains("Scan city"), "{plan}");
}

#[test]
fn plans_say_why_they_run_there_and_what_there_was() {
    let db = many(3_000);
    let explain = |how: &str, sql: &str| shown(&db.query(&format!("{how} {sql}"), ()).unwrap());
    let few = "SELECT g, string_agg(s, '+') FROM t WHERE g < 3 GROUP BY g";
    let plan = explain("EXPLAIN", few);
    let reason = "DataFusion, since the row executor fails to run the function string_agg";
    assert!(plan.starts_with(reason) && !plan.contains("Scan Scan"), "{plan}");
    assert!(!plan.contains("actual"), "{plan}");
    let ran = explain("EXPLAIN ANALYZE", few);
    let scan = ran.lines().find(|line| line.trim_start().starts_with("Scan t")).unwrap();
    assert!(scan.contains("(rows ") && scan.contains("(actual 93 in "), "{ran}");
    assert!(ran.lines().nth(1).unwrap().contains("(actual 3 in "), "{ran}");

    let json: serde_json::Value =
        serde_json::from_str(&explain("EXPLAIN (ANALYZE, FORMAT JSON)", few)).unwrap();
    let nodes = json["nodes"].as_array().unwrap();
    assert_eq!((&json["executor"], &json["root"]), (&"DataFusion".into(), &0.into()));
    assert_eq!(nodes[0]["actual_rows"], 3);
    let inputs = |node: &serde_json::Value| node["inputs"].as_array().unwrap().len();
    assert_eq!(nodes.iter().map(inputs).sum::<usize>(), nodes.len() - 1);
    let dot = explain("EXPLAIN (FORMAT DOT)", few);
    assert!(dot.starts_with("digraph plan {") && dot.contains("Scan"), "{dot}");

    db.execute("SET executor = datafusion", ()).unwrap();
    let asked = explain("EXPLAIN ANALYZE", "SELECT id FROM t WHERE id = -1");
    assert!(asked.starts_with("DataFusion, since SET executor asks for it"), "{asked}");
    assert!(asked.contains("(actual 0"), "{asked}");
}

#[test]
fn progress_is_seen_on_both_executors() {
    let db = many(3_000);
    let handle = db.progress_handle();
    for executor in ["rows", "datafusion"] {
        db.execute(&format!("SET executor = {executor}"), ()).unwrap();
        assert_eq!(handle.progress(), Progress::default());
        let mut last = 0;
        let all = db.prepare("SELECT count(*), sum(n) FROM t").unwrap();
        all.for_each((), |_| {
            last = handle.progress().rows_read;
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
        assert_eq!((last, handle.progress().rows_read), (3_000, 3_000), "{executor}");
        let expected = handle.progress().rows_expected;
        assert!((2_500..=3_500).contains(&expected), "{executor}: {expected}");
    }
}

#[test]
fn datafusion_sees_the_writes_of_the_transaction() {
    let db = cities();
    let other = db.engine().connect();
    db.execute("SET executor = datafusion", ()).unwrap();
    other.execute("SET executor = datafusion", ()).unwrap();
    let last = "SELECT id FROM (SELECT id, row_number() OVER (ORDER BY id DESC) AS n FROM city) t
                WHERE n = 1";
    db.execute("BEGIN", ()).unwrap();
    db.execute("INSERT INTO city (id, name, country) VALUES (9, 'Nice', 'FR')", ()).unwrap();
    check(&db, last, "9");
    check(&other, last, "5");
    db.execute("DELETE FROM city WHERE id IN (9, 5)", ()).unwrap();
    check(&db, last, "4");
    db.execute("COMMIT", ()).unwrap();
    check(&other, last, "4");
}

#[test]
fn what_datafusion_read_is_protected_as_well() {
    let db = cities();
    let other = db.engine().connect();
    db.execute("SET executor = datafusion", ()).unwrap();
    db.execute("BEGIN", ()).unwrap();
    db.query("SELECT sum(people) OVER () FROM city", ()).unwrap();
    db.execute("UPDATE country SET name = 'x' WHERE code = 'CH'", ()).unwrap();
    other.execute("UPDATE city SET people = 6 WHERE id = 1", ()).unwrap();
    assert!(matches!(db.execute("COMMIT", ()), Err(Error::Conflict)));
}

#[test]
fn batches_of_many_rows() {
    let db = database("CREATE TABLE t (id BIGINT PRIMARY KEY, g BIGINT, s TEXT)");
    db.execute("BEGIN", ()).unwrap();
    let insert = db.prepare("INSERT INTO t VALUES ($1, $2, $3)").unwrap();
    for id in 0..20_000_i64 {
        let text = if id % 3 == 0 { Value::Null } else { format!("{id}").into() };
        insert.execute([Value::I64(id), Value::I64(id % 7), text]).unwrap();
    }
    db.execute("COMMIT", ()).unwrap();
    check_both(&db, "SELECT g, count(*), count(s), sum(id), max(s) FROM t GROUP BY g");
    check_both(&db, "SELECT id, s FROM t ORDER BY id DESC LIMIT 5");
    check_both(&db, "SELECT count(*) FROM t");
    let batches = db.query_arrow("SELECT id FROM t", ()).unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [8192, 8192, 3616]);
    let limited = db.query_arrow("SELECT s FROM t LIMIT 8193", ()).unwrap();
    assert_eq!(limited.iter().map(RecordBatch::num_rows).sum::<usize>(), 8193);
}

#[test]
fn every_type_goes_there_and_back() {
    let db = database(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, d DATE, m TIMESTAMP, f DOUBLE, n NUMERIC, u UUID,
                         b BYTEA, j JSON, p BIGINT UNSIGNED, ok BOOLEAN, at POINT, s TEXT);
         INSERT INTO t VALUES (1, '2024-02-29', '2024-02-29 12:00:00', 1.5, 2.25,
             '00000000-0000-0000-0000-00000000002a', x'00ff', '{\"a\": [1]}',
             18446744073709551615, true, point(1, 2), 'text'), (2, NULL, NULL, NULL, NULL, NULL,
             NULL, NULL, NULL, NULL, NULL, NULL)",
    );
    check_both(&db, "SELECT * FROM t ORDER BY id");
    check_both(&db, "SELECT d, m, u, at FROM t WHERE id = 1");
}

#[test]
fn what_datafusion_refuses_is_an_error() {
    let db = cities();
    for (sql, part) in [
        ("SELECT nmae, gcd(id, 0) FROM city", "nmae"),
        ("SELECT gcd(1, 0) FROM ctiy", "ctiy"),
        ("SELECT no_such_function(id) FROM city", "no_such_function"),
        ("SELECT id / 0, gcd(id, 0) FROM city", "ivide by zero"),
        ("SELECT gcd(id, 0) FROM city WHERE id >= ALL (SELECT id FROM city)", "ALL of a query"),
    ] {
        let error = db.query(sql, ()).unwrap_err().to_string();
        assert!(error.contains(part), "{sql}: {error}");
    }
    db.execute("SET executor = rows", ()).unwrap();
    let error = db.query("SELECT gcd(id, 0) FROM city", ()).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    db.execute("INSERT INTO city (id, name, country, people) VALUES (6, 'X', 'CH', 1)", ())
        .unwrap();
    let too_fine = database("CREATE TABLE t (n NUMERIC); INSERT INTO t VALUES (0.0000000001)");
    let error = too_fine.query("SELECT n, gcd(2, 0) FROM t", ()).unwrap_err().to_string();
    assert!(error.contains("9 digits behind the point"), "{error}");
}

#[test]
fn views_and_kept_plans_see_what_is_there_now() {
    let db = cities();
    db.execute_batch(
        "CREATE VIEW swiss (town, size) AS SELECT name, people FROM city WHERE country = 'CH';
         CREATE VIEW rooted AS SELECT town, gcd(size, 0) AS root FROM swiss",
    )
    .unwrap_err();
    let query = "SELECT town, rank() OVER (ORDER BY size DESC) AS place FROM swiss ORDER BY place";
    check(&db, query, "Bern|1\nChur|2");
    db.execute("SET executor = datafusion", ()).unwrap();
    check(&db, "SELECT size FROM swiss WHERE town = 'Chur'", "38000");
    db.execute("CREATE OR REPLACE VIEW swiss AS SELECT 'Chur' AS town, 7 AS size", ()).unwrap();
    check(&db, "SELECT size FROM swiss WHERE town = 'Chur'", "7");
    db.execute("INSERT INTO city (id, name, country) VALUES (7, 'Sion', 'CH')", ()).unwrap();
    let kept = "SELECT max(id), max(gcd(id, 0)) FROM city";
    check(&db, kept, "7|7");
    db.execute_batch("DELETE FROM city WHERE id = 7; BEGIN; DELETE FROM city WHERE id = 5")
        .unwrap();
    check(&db, kept, "4|4");
    db.execute_batch("ROLLBACK; ALTER TABLE city DROP COLUMN height").unwrap();
    check(&db, kept, "5|5");
}

#[test]
fn filters_are_answered_by_indexes_and_give_the_same() {
    let db = many(3_000);
    let plan = |sql: &str| {
        db.execute("SET executor = datafusion", ()).unwrap();
        let plan = shown(&db.query(&format!("EXPLAIN {sql}"), ()).unwrap());
        db.execute("SET executor = auto", ()).unwrap();
        plan
    };
    let few = plan("SELECT s FROM t WHERE g = 7 AND length(s) > 2");
    assert!(few.contains("index t_g"), "{few}");
    for key in ["PRIMARY KEY (name)", "PRIMARY KEY (g, name)", "CHECK (g >= 0)"] {
        db.execute_batch(&format!(
            "CREATE TABLE k (name TEXT, g BIGINT, {key});
             INSERT INTO k SELECT 'n' || id, g FROM t; CREATE INDEX k_g ON k (g); ANALYZE k"
        ))
        .unwrap();
        let found = plan("SELECT name FROM k WHERE g = 7 AND length(name) > 2");
        assert!(found.contains("index k_g"), "{found}");
        check_both(&db, "SELECT name, g FROM k WHERE g = 7 OR g = 11 ORDER BY name");
        db.execute("DROP TABLE k", ()).unwrap();
    }
    let most = plan("SELECT s FROM t WHERE g > 7");
    assert!(!most.contains("index"), "{most}");
    let check_all = || {
        for filter in [
            "g = 7",
            "7 >= g",
            "g > 95 AND s IS NOT NULL",
            "g IN (1, 5) OR id = 12",
            "g NOT IN (1, 5) AND id BETWEEN 10 AND 40",
            "NOT (g BETWEEN 3 AND 96)",
            "n = 2.5 AND d = DATE '2024-01-06'",
            "n < 1.50",
            "d > DATE '2024-04-05'",
            "s IS NULL AND id < 100",
            "id = 2999",
            "g = 7 AND g = 8",
        ] {
            check_both(&db, &format!("SELECT id, g, n, d, s FROM t WHERE {filter} ORDER BY id"));
            check_both(&db, &format!("SELECT count(*) FROM t WHERE {filter}"));
        }
        check_both(&db, "SELECT id FROM t WHERE g = 7 ORDER BY id LIMIT 3");
        check_both(&db, "SELECT a.id FROM t a JOIN t b ON a.id = b.g WHERE b.g = 3 AND a.id < 9");
    };
    check_all();
    db.execute_batch(
        "BEGIN; DELETE FROM t WHERE id = 7; UPDATE t SET g = 7 WHERE id = 12;
         INSERT INTO t VALUES (9999, 7, 2.5, '2024-01-06', NULL)",
    )
    .unwrap();
    check_all();
    db.execute("ROLLBACK", ()).unwrap();
    let by_parameter = "SELECT count(s), gcd(4, 0) FROM t WHERE g = $1";
    assert_eq!(shown(&db.query(by_parameter, params![7]).unwrap()), "21|4");
}

#[test]
fn what_does_not_fit_into_memory_goes_to_files() {
    let made = many(20_000);
    let options = EngineOptions { memory_limit: 2 << 20, ..EngineOptions::default() };
    let db = SqlEngine::with_options(made.engine().tables(), options).connect();
    let sorted = "SELECT s, id FROM t ORDER BY s, id";
    db.execute("SET executor = rows", ()).unwrap();
    let error = db.query(sorted, ()).unwrap_err().to_string();
    assert!(error.contains("memory"), "{error}");
    for executor in ["datafusion", "auto", "auto"] {
        db.execute(&format!("SET executor = {executor}"), ()).unwrap();
        let rows = db.query(sorted, ()).unwrap();
        assert_eq!(rows.len(), 20_000);
        assert!(rows.values().is_sorted_by(|one, two| {
            // Nulls are above all texts.
            let key = |row: &[Value]| (row[0].is_null(), row[0].clone(), row[1].clone());
            key(one) <= key(two)
        }));
    }
    let plan = shown(&db.query(&format!("EXPLAIN ANALYZE {sorted}"), ()).unwrap());
    assert!(plan.starts_with("DataFusion, since the query keeps more than"), "{plan}");
    assert!(plan.contains("(actual 20000"), "{plan}");
    let mut file = Vec::new();
    db.copy_out(&format!("COPY ({sorted}) TO STDOUT"), &mut file).unwrap();
    assert_eq!(String::from_utf8(file).unwrap().lines().count(), 20_000);
}

#[test]
fn rows_are_given_while_others_are_computed() {
    let db = many(2_000);
    db.execute("SET executor = datafusion", ()).unwrap();
    // All of these would take for ever.
    let statement = db.prepare("SELECT a.id FROM t a, t b, t c, t d").unwrap();
    let mut seen = 0;
    statement
        .for_each((), |_| {
            seen += 1;
            Ok(if seen < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })
        .unwrap();
    assert_eq!(seen, 3);
    let error = statement.for_each((), |_| Err(Error::Busy)).unwrap_err();
    assert!(matches!(error, Error::Busy), "{error}");
}

#[test]
fn a_long_query_ends_when_it_is_interrupted() {
    let db = many(2_000);
    db.execute("SET executor = datafusion", ()).unwrap();
    let (handle, done) = (db.interrupt_handle(), AtomicBool::new(false));
    let endless = "SELECT count(*) FROM t a, t b, t c, t d WHERE a.id + b.id + c.id + d.id = -1";
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                handle.interrupt();
                std::thread::yield_now();
            }
        });
        let outcome = db.query(endless, ());
        done.store(true, Ordering::Relaxed);
        assert!(matches!(outcome, Err(Error::Cancelled)));
    });
    check(&db, "SELECT count(*) FROM t", "2000");
}
