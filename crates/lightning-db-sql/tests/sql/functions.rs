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
fn functions_of_real_numbers() {
    let db = cities();
    for (expression, expected) in [
        ("sqrt(16) + sqrt('9') + sqrt(2.25)", "8.5"),
        ("power(2, 10) - pow(2, -1)", "1023.5"),
        ("log(1000) + log10(10) + ln(exp(1))", "5.0"),
        ("log(2, 64)", "6.0"),
        ("log(2.0, '0.5')", "-1.0"),
        ("cbrt(-27)", "-3.0"),
        ("degrees(pi()) + degrees(radians(90))", "270.0"),
        ("round(sin(pi() / 6), 9)", "0.5"),
        ("cos(0) + tan(0)", "1.0"),
        ("round(degrees(asin(1) + acos(1) + atan(1) + atan2(1, 1)), 9)", "180.0"),
        ("sqrt(NULL)", "null"),
        ("trunc(42.4382, 2)", "42.43"),
        ("trunc(-1259, -2)", "-1200"),
        ("div(-7, 2)", "-3"),
        ("div(9.9999999, 10)", "0"),
        ("round(CAST(ln(people) AS NUMERIC), 3)", "11.806"),
    ] {
        check(&db, &format!("SELECT {expression} FROM city WHERE id = 1"), expected);
    }
    check(&db, "SELECT id FROM city WHERE sqrt(people) > 400 AND log(id) >= 0 ORDER BY id", "3");
    on_rows_alone(&db);
    for (expression, expected) in [
        ("sqrt(-1)", "a negative number has no square root"),
        ("ln(0)", "zero has no logarithm"),
        ("log(-1)", "a negative number has no logarithm"),
        ("exp(1000)", "the result is too large"),
        ("power(0, -1)", "zero has no negative powers"),
        ("asin(2)", "the argument is out of range"),
        ("div(1, 0)", "division by zero"),
        ("sqrt(true)", "argument 1 of sqrt may not be a bool"),
        ("sqrt('four')", "is no f64"),
        ("atan2(1)", "atan2 does not take 1 arguments"),
        ("pi(1)", "pi takes 0 arguments"),
    ] {
        let error = db.query(&format!("SELECT {expression}"), ()).unwrap_err().to_string();
        assert!(error.contains(expected), "{expression}: {error}");
    }
}

#[test]
fn functions_that_make_texts() {
    let db = cities();
    for (expression, expected) in [
        ("lpad('7', 3, '0') || rpad('hi', 4) || '|'", "007hi  |"),
        ("lpad('lightning', 5) || rpad('x', -1, 'y')", "light"),
        ("repeat('ab', 2) || reverse('z\u{fc}')", "abab\u{fc}z"),
        ("split_part('a/b/c', '/', 2) || split_part('a/b/c', '/', -1)", "bc"),
        ("concat_ws('-', 'a', NULL, 2, true)", "a-2-true"),
        ("concat_ws(NULL, 'a', 'b')", "null"),
        ("initcap('hELLO big-world')", "Hello Big-World"),
        ("ascii('A')", "65"),
        ("chr(252)", "\u{fc}"),
        ("translate('12345', '143', 'ax')", "a2x5"),
        ("octet_length('\u{fc}')", "2"),
        ("to_hex(4095)", "fff"),
        ("overlay('Txxxxas' PLACING 'hom' FROM 2 FOR 4)", "Thomas"),
        ("overlay('Txxxxas' PLACING 'hom' FROM 2)", "Thomxas"),
        ("btrim('xyaxy', 'xy') || ltrim('xxb', 'x') || rtrim('cxx', 'x')", "abc"),
        ("trim(BOTH 'x' FROM 'xax') || trim(LEADING 'x' FROM 'xbx')", "abx"),
        ("trim(TRAILING 'x' FROM 'xcx') || trim('y' FROM 'ydy')", "xcd"),
        ("lpad(name, 6, '.')", "..Bern"),
    ] {
        check(&db, &format!("SELECT {expression} FROM city WHERE id = 1"), expected);
    }
    check(
        &db,
        "SELECT trim(min(left(name, 1)) FROM max(name)), overlay(min(name) PLACING max(name) FROM \
         1 FOR count(*)) FROM city WHERE id = 1",
        "ern|Bernern",
    );
    on_rows_alone(&db);
    for (expression, expected) in [
        ("repeat('ab', 10000000)", "longer than 16777216 bytes"),
        ("lpad('a', 20000000)", "longer than 16777216 bytes"),
        ("split_part('a', 'b', 0)", "fields are counted from 1"),
        ("chr(0)", "no character has the number 0"),
        ("repeat('a', 1.5)", "argument 2 of repeat may not be a decimal"),
        ("concat_ws(',')", "concat_ws does not take 1 arguments"),
    ] {
        let error = db.query(&format!("SELECT {expression}"), ()).unwrap_err().to_string();
        assert!(error.contains(expected), "{expression}: {error}");
    }
}

#[test]
fn an_index_is_made_of_functions_and_found_by_them() {
    let db = cities();
    db.execute("CREATE INDEX city_initcap ON city (initcap(name))", ()).unwrap();
    db.execute("CREATE INDEX city_root ON city (sqrt(people))", ()).unwrap();
    let query = "SELECT id FROM city WHERE initcap(name) = 'Bern'";
    check(&db, query, "1");
    let plan = db.query(&format!("EXPLAIN {query}"), ()).unwrap();
    assert!(format!("{:?}", plan.values()).contains("city_initcap"), "{:?}", plan.values());
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
