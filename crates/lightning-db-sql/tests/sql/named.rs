//! Statements with names, and plans in all formats.

use crate::{check, cities};

#[test]
fn a_statement_with_a_name_is_executed_with_values() {
    let db = cities();
    db.execute("PREPARE of_country AS SELECT id FROM city WHERE country = $1 ORDER BY id", ())
        .unwrap();
    check(&db, "EXECUTE of_country('CH')", "1\n2");
    let rows = db.query("EXECUTE of_country($1)", ["FR"]).unwrap();
    assert_eq!(rows.len(), 1);
    db.execute("PREPARE grow AS UPDATE city SET people = people + $1 WHERE id = $2", ()).unwrap();
    assert_eq!(db.execute("EXECUTE grow(1 + 1, 1)", ()).unwrap(), 1);
    let again = db.execute("PREPARE grow AS SELECT 1", ()).unwrap_err();
    assert!(again.to_string().contains("DEALLOCATE forgets it"), "{again}");
    let few = db.execute("EXECUTE grow(1)", ()).unwrap_err();
    assert!(few.to_string().contains("1 values are given"), "{few}");
    db.execute("DEALLOCATE grow", ()).unwrap();
    let gone = db.execute("EXECUTE grow(1, 1)", ()).unwrap_err();
    assert!(gone.to_string().starts_with("find statement grow"), "{gone}");
    let near = db.query("EXECUTE of_contry('CH')", ()).unwrap_err();
    assert!(near.to_string().contains("did you mean of_country?"), "{near}");
    // Another connection has names of its own.
    let other = db.engine().connect();
    assert!(other.query("EXECUTE of_country('CH')", ()).is_err());
    db.execute("DEALLOCATE ALL", ()).unwrap();
    assert!(db.query("EXECUTE of_country('CH')", ()).is_err());
    assert!(db.execute("PREPARE t AS CREATE TABLE t (id BIGINT)", ()).is_err());
}

#[test]
fn plans_are_written_as_text_as_json_and_as_a_picture() {
    let db = cities();
    let explained = |options: &str| {
        let text = format!("EXPLAIN {options} SELECT name FROM city WHERE id = 1");
        let rows = db.query(&text, ()).unwrap();
        let lines = rows.iter().map(|row| row.get::<String>("plan").unwrap());
        lines.collect::<Vec<_>>().join("\n")
    };
    assert!(explained("(FORMAT DOT)").starts_with("digraph"), "{}", explained("(FORMAT DOT)"));
    assert!(explained("(ANALYZE, FORMAT JSON)").starts_with('{'));
    assert!(explained("(ANALYZE)").contains("actual"), "{}", explained("(ANALYZE)"));
    assert!(!explained("(ANALYZE off)").contains("actual"));
    assert_eq!(explained("(FORMAT text)"), explained(""));
    let wrong = db.query("EXPLAIN (FORMAT jason) SELECT 1", ()).unwrap_err();
    assert!(wrong.to_string().contains("did you mean json?"), "{wrong}");
    assert!(db.query("EXPLAIN (BUFFERS) SELECT 1", ()).is_err());
}
