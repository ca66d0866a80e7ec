//! What SELECT gives.

use std::ops::ControlFlow;

use lightning_db_sql::{Error, params};

use crate::{check, check_error, cities, database, on_rows_alone, shown};

#[test]
fn rows_by_key_index_and_scan() {
    let db = cities();
    check(&db, "SELECT name FROM city WHERE id = 3", "Rome");
    check(&db, "SELECT name FROM city WHERE id = -3", "");
    check(&db, "SELECT id FROM city WHERE name = 'Pisa'", "4");
    check(&db, "SELECT name FROM city WHERE country = 'CH' ORDER BY people DESC", "Bern\nChur");
    check(
        &db,
        "SELECT name FROM city WHERE people BETWEEN 38000 AND 134000 ORDER BY 1",
        "Bern\nChur\nPisa",
    );
    check(&db, "SELECT name FROM city WHERE people IN (38000, 90000) ORDER BY name", "Chur\nPisa");
    check(&db, "SELECT * FROM country WHERE code = 'FR'", "FR|France");
    check(&db, "SELECT c.* FROM country AS c WHERE name LIKE 'I%'", "IT|Italy");
    check(&db, "SELECT name FROM city WHERE height > 100 AND NOT country <> 'CH' LIMIT 1", "Bern");
}

#[test]
fn moments_are_moved_by_intervals() {
    let db = cities();
    let day = |expression: &str, expected: &str| {
        check(&db, &format!("SELECT CAST({expression} AS TEXT)"), expected);
    };
    day("date '1995-01-31' + interval '1' month", "1995-02-28");
    day("date '1996-01-31' + interval '1 month'", "1996-02-29");
    day("date '1998-12-01' - interval '90' day", "1998-09-02");
    day("date '1996-02-29' + interval '1' year", "1997-02-28");
    day("date '1996-03-31' - interval '1 year 1 month 2 days'", "1995-02-26");
    day("date '2024-01-01' + interval '36 hours'", "2024-01-02T12:00:00Z");
    day("timestamp '2024-01-31 10:00:00' + interval '1' month", "2024-02-29T10:00:00Z");
    check(&db, "SELECT id FROM city WHERE founded + interval '1' week > date '1191-01-05'", "1");
    check(
        &db,
        "SELECT id FROM city WHERE founded < date '0753-03-21' + interval '2' month AND \
                founded >= date '0753-03-21'",
        "3",
    );
    on_rows_alone(&db);
    let error = db.query("SELECT founded + interval '1' month FROM city", ()).unwrap_err();
    assert!(error.to_string().contains("stands in the statement"), "{error}");
    assert!(db.query("SELECT id + interval '1' day FROM city", ()).is_err());
    assert!(db.query("SELECT date '2024-01-01' + interval '1' fortnight", ()).is_err());
    assert!(db.query("SELECT date '2024-01-01' + interval '999999999999' year", ()).is_err());
}

#[test]
fn dates_and_numbers_in_quotes_are_read_as_what_they_stand_beside() {
    let db = cities();
    check(&db, "SELECT name FROM city WHERE founded < '0900-01-01' ORDER BY id", "Rome\nLyon");
    check(&db, "SELECT name FROM city WHERE founded = DATE '1191-01-01'", "Bern");
    check(&db, "SELECT name FROM city WHERE id = '2'", "Chur");
    check(&db, "SELECT name FROM city WHERE height = 540.5", "Bern");
    check(&db, "SELECT name FROM city WHERE area = 28.090", "Chur");
    check(&db, "SELECT EXTRACT(YEAR FROM founded) FROM city WHERE id = 1", "1191");
}

#[test]
fn order_has_nulls_above_all_values() {
    let db = cities();
    check(&db, "SELECT id FROM city ORDER BY people, id", "2\n4\n1\n3\n5");
    check(&db, "SELECT id FROM city ORDER BY people DESC, id", "5\n3\n1\n4\n2");
    check(&db, "SELECT id FROM city ORDER BY people NULLS FIRST LIMIT 2", "5\n2");
    check(&db, "SELECT id, people AS size FROM city ORDER BY size LIMIT 1 OFFSET 1", "4|90000");
    check(
        &db,
        "SELECT id FROM city ORDER BY people / 1000 % 7 DESC NULLS LAST, 1",
        "4\n2\n3\n1\n5",
    );
}

#[test]
fn groups_and_aggregates() {
    let db = cities();
    let per_country = "SELECT country, count(*), count(people), sum(people), min(name), max(area)
                       FROM city GROUP BY country ORDER BY country";
    let expected = "CH|2|2|172000|Bern|51.62\nFR|1|0|null|Lyon|47.87\nIT|2|2|2963000|Pisa|1285.31";
    check(&db, per_country, expected);
    check(&db, "SELECT count(*) FROM city WHERE id > 99", "0");
    check(&db, "SELECT avg(id), count(DISTINCT country) FROM city", "3|3");
    check(&db, "SELECT country AS c FROM city GROUP BY c HAVING count(*) > 1 ORDER BY c", "CH\nIT");
    check(&db, "SELECT length(name) + 1, count(*) FROM city GROUP BY length(name) + 1", "5|5");
    check(
        &db,
        "SELECT country FROM city GROUP BY 1 ORDER BY sum(people) DESC NULLS LAST",
        "IT\nCH\nFR",
    );
    check(&db, "SELECT count(*) FILTER (WHERE people > 100000) FROM city", "2");
    check(&db, "SELECT bool_or(people > 1), bool_and(people > 50000) FROM city", "true|false");
}

#[test]
fn joins() {
    let db = cities();
    let inner = "SELECT city.name, country.name FROM city JOIN country ON code = country
                 WHERE people > 100000 ORDER BY id";
    check(&db, inner, "Bern|Switzerland\nRome|Italy");
    let left =
        "SELECT code, c.id FROM country LEFT JOIN city c ON country = code AND people > 99999
                ORDER BY code, id";
    check(&db, left, "CH|1\nFR|null\nIT|3");
    check(&db, "SELECT count(*) FROM city, country", "15");
    let same = "SELECT a.name FROM city a JOIN city b USING (country) WHERE b.id = 1 ORDER BY a.id";
    check(&db, same, "Bern\nChur");
    check(&db, "SELECT count(*) FROM city NATURAL JOIN (SELECT 'CH' AS country) x", "2");
    let right =
        "SELECT code FROM city RIGHT JOIN country ON country = code AND id < 3 WHERE id IS NULL
                 ORDER BY 1";
    check(&db, right, "FR\nIT");
    let lateral = "SELECT code, t.name FROM country,
                   LATERAL (SELECT name FROM city WHERE country = code ORDER BY id LIMIT 1) t
                   ORDER BY code";
    check(&db, lateral, "CH|Bern\nFR|Lyon\nIT|Rome");
}

#[test]
fn subqueries() {
    let db = cities();
    check(&db, "SELECT name FROM city WHERE people = (SELECT max(people) FROM city)", "Rome");
    let exists = "SELECT name FROM country c WHERE EXISTS
                  (SELECT 1 FROM city WHERE country = c.code AND height < 10)";
    check(&db, exists, "Italy");
    check(
        &db,
        "SELECT code FROM country WHERE code NOT IN (SELECT country FROM city WHERE id < 5)",
        "FR",
    );
    check(
        &db,
        "SELECT id FROM city WHERE people > ALL (SELECT people FROM city WHERE country = \
         'CH') ORDER BY 1",
        "3",
    );
    let value =
        "SELECT name, (SELECT count(*) FROM city WHERE country = code) FROM country ORDER BY 1";
    check(&db, value, "France|1\nItaly|2\nSwitzerland|2");
    check(
        &db,
        "SELECT x + 1 FROM (SELECT id * 10 AS x FROM city) AS t WHERE x > 30 ORDER BY 1",
        "41\n51",
    );
    check(&db, "SELECT b FROM (VALUES (1, 'x'), (2, NULL)) AS v(a, b) WHERE a = 1", "x");
}

#[test]
fn named_queries_and_set_operations() {
    let db = cities();
    let named = "WITH big AS (SELECT * FROM city WHERE people > 80000),
                      swiss(n) AS (SELECT name FROM big WHERE country = 'CH')
                 SELECT n FROM swiss UNION ALL SELECT name FROM big ORDER BY 1";
    check(&db, named, "Bern\nBern\nPisa\nRome");
    check(&db, "SELECT country FROM city EXCEPT SELECT 'CH' ORDER BY country", "FR\nIT");
    check(&db, "SELECT code FROM country INTERSECT SELECT country FROM city WHERE id < 3", "CH");
    check(&db, "SELECT 1 UNION SELECT 1.0 UNION ALL SELECT 2.5 ORDER BY 1", "1\n2.5");
    check(&db, "SELECT DISTINCT country FROM city ORDER BY country DESC", "IT\nFR\nCH");
    check(
        &db,
        "(SELECT id FROM city ORDER BY id DESC LIMIT 1) UNION ALL SELECT 0 ORDER BY 1",
        "0\n5",
    );
    check(&db, "VALUES (1, 'a'), (2, 'b')", "1|a\n2|b");
}

#[test]
fn expressions() {
    let db = database("");
    check(&db, "SELECT 7 / 2, -7 / 2, 7 % 3, 7.0 / 2, 1e3, 2 * (3 + 4)", "3|-3|1|3.5|1000.0|14");
    check(&db, "SELECT 'a' || 1 || NULL, 'a' || 1, concat('a', NULL, 2)", "null|a1|a2");
    check(
        &db,
        "SELECT upper('x'), substring('abcd' FROM 2 FOR 2), trim('  a '), length('abc')",
        "X|bc|a|3",
    );
    check(
        &db,
        "SELECT CASE WHEN 1 = 2 THEN 'a' ELSE 'b' END, CASE 3 WHEN 3 THEN 1.5 ELSE 2 END",
        "b|1.5",
    );
    check(&db, "SELECT coalesce(NULL, 2), nullif(1, 1), nullif(2, 1), abs(-2.5)", "2|null|2|2.5");
    check(
        &db,
        "SELECT CAST(2.5 AS BIGINT), CAST('12' AS INT), 1::TEXT, CAST(0.1 AS DOUBLE)",
        "3|12|1|0.1",
    );
    check(
        &db,
        "SELECT NULL IS NULL, 1 IS DISTINCT FROM NULL, (1 = NULL) IS NOT TRUE",
        "true|true|true",
    );
    check(
        &db,
        "SELECT 'abc' LIKE 'a%', 'ABC' ILIKE 'a_c', 'a%c' LIKE 'a\\%c', 'abc' NOT LIKE 'b%'",
        "true|true|true|true",
    );
    check(
        &db,
        "SELECT round(2.456, 2), round(-0.5), CAST(12.345 AS NUMERIC(5, 1))",
        "2.46|-1|12.3",
    );
    check(
        &db,
        "SELECT DATE '2024-03-01' - DATE '2024-02-01', DATE '2024-02-28' + 2 = '2024-03-01'",
        "29|true",
    );
    check(
        &db,
        "SELECT -9223372036854775808, 9223372036854775807",
        "-9223372036854775808|9223372036854775807",
    );
    check(
        &db,
        "SELECT TRUE AND NULL, FALSE AND NULL, TRUE OR NULL, NOT NULL",
        "null|false|true|null",
    );
}

#[test]
fn rows_of_values_are_looked_for_in_subqueries() {
    let db = database(
        "CREATE TABLE p (id BIGINT PRIMARY KEY, a BIGINT, b BIGINT);
         CREATE TABLE q (id BIGINT PRIMARY KEY, a BIGINT, y BIGINT);
         INSERT INTO p VALUES (1, 1, 1), (2, 1, 2), (3, 2, NULL), (4, NULL, 1), (5, 3, 3);
         INSERT INTO q VALUES (1, 1, 1), (2, 2, 5), (3, NULL, 1)",
    );
    let is_in = "SELECT id, (a, b) IN (SELECT a, y FROM q) FROM p ORDER BY id";
    check(&db, is_in, "1|true\n2|false\n3|null\n4|null\n5|false");
    check(&db, "SELECT id FROM p WHERE (a, b) IN (SELECT a, y FROM q)", "1");
    let none = "SELECT id FROM p WHERE (a, b) NOT IN (SELECT a, y FROM q) ORDER BY id";
    check(&db, none, "2\n5");
    let correlated = "SELECT id FROM p WHERE (a, 5) IN (SELECT a, y FROM q WHERE q.id = p.id - 1)";
    check(&db, correlated, "3");
    check(&db, "SELECT (1, 2) IN (SELECT a, y FROM q WHERE id > 9)", "false");
    let plan = "EXPLAIN SELECT id FROM p WHERE (a, b) IN (SELECT a, y FROM q)";
    let plan = shown(&db.query(plan, ()).unwrap());
    assert!(plan.contains("semi join"), "{plan}");
    db.execute("DELETE FROM p WHERE (a, b) IN (SELECT a, y FROM q)", ()).unwrap();
    check(&db, "SELECT count(*) FROM p", "4");
    let error = "SELECT 1 FROM p WHERE (a, b) IN (SELECT a FROM q)";
    let expected = "plan the statement at line 1, column 24: 2 values are compared with 1 columns";
    on_rows_alone(&db);
    check_error(&db, error, expected);
}

#[test]
fn parameters_by_number_and_in_order() {
    let db = cities();
    let by_number = "SELECT name FROM city WHERE country = $2 AND people > $1 ORDER BY id";
    assert_eq!(shown(&db.query(by_number, params![100_000, "CH"]).unwrap()), "Bern");
    let in_order = "SELECT name FROM city WHERE country = ? ORDER BY id LIMIT ?";
    assert_eq!(shown(&db.query(in_order, params!["IT", 1]).unwrap()), "Rome");
    assert_eq!(shown(&db.query(in_order, params!["IT", 2]).unwrap()), "Rome\nPisa");
    // A text for a date is read as one.
    let founded = "SELECT name FROM city WHERE founded > $1";
    assert_eq!(shown(&db.query(founded, ["1000-01-01"]).unwrap()), "Bern");
    let error = db.query(founded, ()).unwrap_err().to_string();
    assert_eq!(error, "use parameter $1: 0 values are given, and the statement has 1 parameters");
    let statement = db.prepare("SELECT $1 + 1").unwrap();
    assert_eq!(shown(&statement.query([1]).unwrap()), "2");
    assert_eq!(shown(&statement.query([1.5]).unwrap()), "2.5");
    assert_eq!(statement.parameter_count(), 1);
}

#[test]
fn plans_are_made_anew_when_definitions_change() {
    let db = cities();
    let all = db.prepare("SELECT * FROM country ORDER BY code LIMIT 1").unwrap();
    assert_eq!(shown(&all.query(()).unwrap()), "CH|Switzerland");
    db.execute("ALTER TABLE country ADD COLUMN people BIGINT DEFAULT 7", ()).unwrap();
    assert_eq!(shown(&all.query(()).unwrap()), "CH|Switzerland|7");
    db.execute("ALTER TABLE country RENAME COLUMN name TO called", ()).unwrap();
    let rows = all.query(()).unwrap();
    assert_eq!(rows.columns()[1].name, "called");
    assert_eq!(rows.first().unwrap().get::<String>("called").unwrap(), "Switzerland");
}

#[test]
fn explain_shows_the_plan() {
    let db = cities();
    let plan = shown(&db.query("EXPLAIN SELECT name FROM city WHERE id = 3", ()).unwrap());
    assert!(plan.contains("city") && plan.contains("key"), "{plan}");
    let plan =
        shown(&db.query("EXPLAIN ANALYZE SELECT name FROM city WHERE name = 'Rome'", ()).unwrap());
    assert!(plan.contains("Access city") && plan.contains("actual 1 "), "{plan}");
    let plan = shown(&db.query("EXPLAIN UPDATE city SET people = 1 WHERE id = 1", ()).unwrap());
    assert!(plan.starts_with("Update city"), "{plan}");
    check(&db, "SELECT people FROM city WHERE id = 1", "134000");
}

#[test]
fn visitor_may_stop_but_not_use_the_connection() {
    let db = cities();
    let statement = db.prepare("SELECT id FROM city ORDER BY id").unwrap();
    let mut seen = Vec::new();
    let outcome = statement.for_each((), |row| {
        seen.push(row[0].to_value());
        assert!(matches!(db.query("SELECT 1", ()), Err(Error::Busy)));
        Ok(if seen.len() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    outcome.unwrap();
    assert_eq!(seen, [1.into(), 2.into()]);
    let refused = statement.for_each((), |_| Err(Error::Conflict));
    assert!(matches!(refused, Err(Error::Conflict)));
}

#[test]
fn distinct_on_gives_the_first_row_of_each() {
    let db = cities();
    let largest = "SELECT DISTINCT ON (country) country, name FROM city
                   ORDER BY country, people DESC NULLS LAST";
    check(&db, largest, "CH|Bern\nFR|Lyon\nIT|Rome");
    check(&db, &format!("{largest} LIMIT 1 OFFSET 1"), "FR|Lyon");
    let by_other = "SELECT DISTINCT ON (length(name), 1) country AS c, height FROM city
                    ORDER BY height DESC, c LIMIT 2";
    check(&db, by_other, "FR|null\nCH|593.0");
    let grouped = "SELECT DISTINCT ON (count(*)) count(*), country FROM city GROUP BY country
                   ORDER BY count(*), country DESC";
    check(&db, grouped, "1|FR\n2|IT");
    let numbered = "SELECT DISTINCT ON (n) rank() OVER (ORDER BY country) AS n, id FROM city
                    ORDER BY n, id DESC";
    check(&db, numbered, "1|2\n3|5\n4|4");
}

#[test]
fn is_distinct_from_binds_as_is_does() {
    let db = cities();
    let count = |condition: &str| {
        let sql = format!("SELECT count(*) FROM city WHERE {condition}");
        shown(&db.query(&sql, ()).unwrap_or_else(|error| panic!("{}", error.shown_in(&sql))))
    };
    for (condition, expected) in [
        ("people IS DISTINCT FROM 90000 AND id < 4", "3"),
        ("id = 5 OR people IS NOT DISTINCT FROM 90000 AND id < 4", "1"),
        ("people IS NOT DISTINCT FROM NULL OR id = 1", "2"),
        ("NOT people IS DISTINCT FROM NULL AND id > 1", "1"),
        ("people IS DISTINCT FROM id + 1 AND founded IS DISTINCT FROM NULL", "3"),
        ("(people IS DISTINCT FROM 1) IS DISTINCT FROM (id > 2)", "2"),
    ] {
        assert_eq!(count(condition), expected, "{condition}");
    }
    let case = "SELECT CASE WHEN people IS DISTINCT FROM 1 THEN id END FROM city WHERE id = 1";
    check(&db, case, "1");
}

#[test]
fn hints_choose_the_way_and_never_the_rows() {
    let db = cities();
    let asked = |hint: &str| format!("SELECT {hint} id FROM city c WHERE country = 'CH'");
    let plan = |hint: &str| shown(&db.query(&format!("EXPLAIN {}", asked(hint)), ()).unwrap());
    for (hint, expected) in [
        ("/*+ scan(c) */", "Access c by scan"),
        ("/*+ index(c city_country) */", "Access c by index city_country"),
        ("/*+ index(c city_name) */", "no plan was found that does so"),
        ("/*+ index(c nothing) */", "c has no index nothing"),
    ] {
        assert!(plan(hint).contains(expected), "{hint}: {}", plan(hint));
        let mut rows: Vec<String> =
            shown(&db.query(&asked(hint), ()).unwrap()).lines().map(str::to_owned).collect();
        rows.sort();
        assert_eq!(rows, ["1", "2"], "{hint}");
    }
    // A comment that is no hint.
    assert!(!plan("/* scan(c) */").contains("Hint"), "{}", plan("/* scan(c) */"));
    let wrong = db.query(&asked("/*+ index(c */"), ()).unwrap_err();
    assert!(wrong.to_string().starts_with("plan the statement at line 1, column 1: "), "{wrong}");
}

#[test]
fn row_values_are_compared_in_order() {
    let db = database(
        "CREATE TABLE t (a BIGINT, b TEXT, n BIGINT, PRIMARY KEY (a, b));
         INSERT INTO t VALUES (1, 'x', 1), (1, 'y', 2), (2, 'a', 3), (2, 'x', NULL), (3, 'a', 5)",
    );
    for (condition, expected) in [
        ("(a, b) = (1, 'y')", "1y"),
        ("(a, b) <> (1, 'y')", "1x\n2a\n2x\n3a"),
        ("(a, b) < (2, 'b')", "1x\n1y\n2a"),
        ("(a, b) <= (2, 'a')", "1x\n1y\n2a"),
        ("(a, b) > (1, 'y')", "2a\n2x\n3a"),
        ("(a, b) >= (2, 'x')", "2x\n3a"),
        ("(a, b, n) > (2, 'x', 0)", "3a"),
        ("(n, a) > (2, 2)", "2a\n3a"),
        ("(a, b) IN ((1, 'x'), (3, 'a'), (9, 'z'))", "1x\n3a"),
        ("(a, b) NOT IN ((1, 'x'), (3, 'a'))", "1y\n2a\n2x"),
        ("(a + 1, b) = (3, 'a')", "2a"),
    ] {
        check(&db, &format!("SELECT a || b FROM t WHERE {condition} ORDER BY a, b"), expected);
    }
    let page = "SELECT n FROM t WHERE (a, b) > ($1, $2) ORDER BY a, b LIMIT 2";
    let rows = db.query(page, params![1, "x"]).unwrap();
    assert_eq!(shown(&rows), "2\n3");
    let plan = format!("EXPLAIN {}", page.replace("$1", "1").replace("$2", "'x'"));
    let plan = shown(&db.query(&plan, ()).unwrap());
    assert!(plan.contains("(>= 1)"), "{plan}");
    for sql in ["SELECT 1 WHERE (1, 2) = (1, 2, 3)", "SELECT 1 WHERE (1, 2) IN ((1, 2), 3)"] {
        assert!(matches!(db.query(sql, ()), Err(Error::Invalid { .. })), "{sql}");
    }
}
