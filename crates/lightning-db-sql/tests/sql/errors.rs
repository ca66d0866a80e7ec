//! Messages: what, where, and what may have been meant.

use lightning_db_sql::{Error, Position};

use crate::{check_error, cities};

#[test]
fn unknown_names_have_a_place_and_a_suggestion() {
    let db = cities();
    for (statement, expected) in [
        ("SELECT nmae FROM city", "find column nmae at line 1, column 8; did you mean name?"),
        (
            "SELECT *\nFROM city\nWHERE city.contry = 'CH'",
            "find column city.contry at line 3, column 7; did you mean city.country?",
        ),
        ("SELECT * FROM ctiy", "find table ctiy at line 1, column 15; did you mean city?"),
        (
            "UPDATE city SET poeple = 1",
            "find column poeple at line 1, column 17; did you mean people?",
        ),
        (
            "INSERT INTO city (id, nam) VALUES (1, 'a')",
            "find column nam at line 1, column 23; did you mean name?",
        ),
        (
            "DROP INDEX city_nme",
            "find index city_nme at line 1, column 12; did you mean city_name?",
        ),
        (
            "CREATE INDEX x ON city USING bitmpa (people)",
            "find index kind bitmpa at line 1, column 30; did you mean bitmap?",
        ),
        ("CREATE TABLE t (a bigin)", "find type bigin at line 1, column 19; did you mean bigint?"),
        (
            "SELECT name FROM city a JOIN country b ON code = country",
            "plan the statement at line 1, column 8: name is ambiguous: choose a.name or b.name",
        ),
        (
            "SELECT lenght(name) FROM city",
            "run the function lenght at line 1, column 8: it is not supported; did you mean \
             length?",
        ),
    ] {
        check_error(&db, statement, expected);
    }
}

#[test]
fn what_does_not_fit_says_why() {
    let db = cities();
    #[cfg(feature = "vector")]
    db.execute("SET executor = rows", ()).unwrap();
    for (statement, expected) in [
        (
            "SELECT name + 1 FROM city",
            "plan the statement at line 1, column 8: + does not take a text and a i64",
        ),
        (
            "SELECT 1 FROM city WHERE name",
            "plan the statement at line 1, column 26: a condition is true or false, and this \
             is a text",
        ),
        (
            "SELECT 1 FROM city WHERE name = 1",
            "plan the statement at line 1, column 26: a text and a i64 do not compare; cast \
             one of them",
        ),
        (
            "SELECT name FROM city GROUP BY country",
            "plan the statement at line 1, column 8: city.name must stand in GROUP BY or in \
             an aggregate: the rows of a group may differ in it",
        ),
        (
            "SELECT 1 FROM city WHERE sum(id) > 1",
            "plan the statement at line 1, column 26: an aggregate stands in the select list, \
             HAVING or ORDER BY",
        ),
        (
            "SELECT 1 UNION SELECT 1, 2",
            "plan the statement: the sides of UNION have 1 and 2 columns",
        ),
        (
            "SELECT 1 FROM city ORDER BY 2",
            "plan the statement at line 1, column 29: 2 is no column: there are 1",
        ),
        (
            "INSERT INTO country VALUES ('a', 'b', 'c')",
            "plan the statement at line 1, column 39: 3 values are given for 2 columns of country",
        ),
        (
            "SELECT 1 FROM city LIMIT -1",
            "plan the statement at line 1, column 27: -1 rows are less than none",
        ),
        ("SELECT 1 / 0", "evaluate 1 / 0: division by zero"),
        ("CREATE SEQUENCE s", "run CREATE SEQUENCE: it is not supported"),
        ("SELECT 1; SELECT 2", "read the statement: there are 2 statements; run them as a batch"),
        (" ; ", "read the statement: there is no statement"),
    ] {
        check_error(&db, statement, expected);
    }
}

#[test]
fn syntax_errors_are_marked_in_the_text() {
    let db = cities();
    let text = "SELECT name\nFROM city WHRE id = 1";
    let error = db.query(text, ()).unwrap_err();
    assert!(matches!(error, Error::Syntax { .. }));
    assert_eq!(error.position(), Some(Position { line: 2, column: 16 }));
    let shown = error.shown_in(text);
    assert!(shown.ends_with("\n  FROM city WHRE id = 1\n                 ^"), "{shown}");
    let unfinished = db.query("SELECT 'abc", ()).unwrap_err();
    assert_eq!(unfinished.position(), Some(Position { line: 1, column: 8 }));
}
