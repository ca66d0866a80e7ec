//! Functions by their names, and the moment of a statement.

use lightning_db_sql::types::Value;

use crate::{check, check_error, cities, on_rows_alone};

#[test]
fn functions_of_texts_and_numbers() {
    let db = cities();
    for (expression, expected) in [
        ("replace('a-b-c', '-', '+')", "a+b+c"),
        ("position('c' IN 'abc')", "3"),
        ("strpos('abc', 'x')", "0"),
        ("left('abcde', 2) || right('abcde', -3)", "abde"),
        ("ltrim('  a ') || '|' || rtrim(' a  ')", "a | a"),
        ("floor(-2.5)", "-3"),
        ("ceil(2.1)", "3"),
        ("trunc(-2.7)", "-2"),
        ("sign(-5)", "-1"),
        ("mod(17, 5)", "2"),
        ("greatest(1, NULL, 3, 2)", "3"),
        ("least(1.5, 2)", "1.5"),
        ("nullif(2, 2.0)", "null"),
        ("nullif('a', 'b')", "a"),
        ("date_part('day', date_trunc('month', TIMESTAMP '2024-02-29 10:00:00'))", "1"),
        ("date_part('day', date_trunc('week', DATE '2024-03-03'))", "26"),
    ] {
        check(&db, &format!("SELECT {expression}"), expected);
    }
    check(
        &db,
        "SELECT upper(left(name, 1)), greatest(people, 100000) FROM city WHERE id < 3 ORDER BY id",
        "B|134000\nC|100000",
    );
    on_rows_alone(&db);
    check_error(
        &db,
        "SELECT date_trunc('era', founded) FROM city",
        "run date_trunc to era at line 1, column 8: it is not supported; there are year, quarter, \
         month, week, day, hour, minute, second",
    );
}

#[test]
fn calls_within_calls_stay_small() {
    let db = cities();
    let mut text = "name".to_owned();
    for _ in 0..10 {
        text = format!("nullif(greatest(left({text}, 9), 'a'), 'b')");
    }
    check(&db, &format!("SELECT {text} FROM city WHERE id = 1"), "a");
}

#[test]
fn a_transaction_has_one_moment() {
    let db = cities();
    let moment = || match db.query("SELECT now()", ()).unwrap().values()[0][..] {
        [Value::Timestamp(micros)] => micros,
        ref other => panic!("{other:?}"),
    };
    let before = moment();
    assert!(before > 1_600_000_000_000_000, "{before}");
    check(
        &db,
        "SELECT current_date = cast(current_timestamp AS DATE), now() IS NULL",
        "true|false",
    );
    db.execute("BEGIN", ()).unwrap();
    let first = moment();
    assert!(first >= before);
    assert_eq!(moment(), first);
    db.execute("UPDATE city SET founded = current_date WHERE id = $1", [1]).unwrap();
    check(&db, "SELECT id FROM city WHERE founded = current_date", "1");
    db.execute("COMMIT", ()).unwrap();
    assert!(moment() >= first);
    check_error(
        &db,
        "CREATE TABLE t (a TIMESTAMP DEFAULT now())",
        "run now in a definition at line 1, column 37: it is not supported",
    );
}
