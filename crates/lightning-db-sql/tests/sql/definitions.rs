//! CREATE, ALTER and DROP.

use crate::{check, check_error, cities, database, shown};

#[test]
fn every_kind_of_index() {
    let db = cities();
    for statement in [
        "CREATE TABLE place (id BIGINT PRIMARY KEY, name TEXT, at POINT, note TEXT)",
        "CREATE INDEX place_name ON place (lower(name) DESC NULLS LAST) WHERE name IS NOT NULL",
        "CREATE INDEX IF NOT EXISTS place_name ON place (name)",
        "CREATE INDEX ON place USING bloom (note)",
        "CREATE INDEX place_at ON place USING rtree (at) WITH (geometry = 'sphere')",
        "CREATE INDEX place_words ON place USING fulltext (note) WITH (analyzer = english)",
        "CREATE UNIQUE INDEX CONCURRENTLY place_unique ON place USING hash (name)",
        "CREATE UNIQUE INDEX place_two ON place (name, note) NULLS NOT DISTINCT",
        "DROP INDEX place_words",
        "DROP INDEX IF EXISTS place_words",
        "ANALYZE place",
        "ANALYZE",
    ] {
        db.execute(statement, ()).unwrap_or_else(|error| panic!("{}", error.shown_in(statement)));
    }
    let table = db.engine().tables().table("place").unwrap();
    let names: Vec<_> = table.indexes().map(|(index, _)| index.definition().name.clone()).collect();
    assert_eq!(names, ["place_name", "place_note_idx", "place_at", "place_unique", "place_two"]);
    db.execute("INSERT INTO place (id, name) VALUES (1, 'A')", ()).unwrap();
    let plan =
        shown(&db.query("EXPLAIN SELECT id FROM place WHERE lower(name) = 'a'", ()).unwrap());
    assert!(plan.contains("place_name"), "{plan}");
    check(&db, "SELECT id FROM place WHERE lower(name) = 'a'", "1");
}

#[test]
fn tables_with_constraints() {
    let db = database(
        "CREATE TABLE a (x BIGINT, y TEXT, PRIMARY KEY (x, y));
         CREATE TABLE IF NOT EXISTS a (z BIGINT);
         CREATE TABLE b (
             id UUID PRIMARY KEY, x BIGINT, y VARCHAR(3), low BIGINT, high BIGINT,
             CONSTRAINT order_of CHECK (low <= high), UNIQUE (low, high),
             FOREIGN KEY (x, y) REFERENCES a ON DELETE SET NULL
         );
         INSERT INTO a VALUES (1, 'one');
         INSERT INTO b VALUES ('00000000-0000-0000-0000-000000000001', 1, 'one', 1, 2)",
    );
    for (statement, part) in [
        (
            "INSERT INTO b (id, low, high) VALUES ('00000000-0000-0000-0000-000000000002', 2, 1)",
            "order_of",
        ),
        (
            "INSERT INTO b (id, low, high) VALUES ('00000000-0000-0000-0000-000000000002', 1, 2)",
            "b_low_high_key",
        ),
        (
            "INSERT INTO b (id, y) VALUES ('00000000-0000-0000-0000-000000000002', 'four')",
            "b_y_length",
        ),
        ("INSERT INTO b (id) VALUES ('00000000-0000-0000-0000-000000000001')", "is there already"),
        ("CREATE TABLE a (x BIGINT)", "there is a table a already"),
        ("DROP TABLE a", "foreign key b.b_x_y_fkey"),
    ] {
        let error = db.execute(statement, ()).unwrap_err().to_string();
        assert!(error.contains(part), "{statement}: {error}");
    }
    db.execute("DELETE FROM a", ()).unwrap();
    check(&db, "SELECT x, y FROM b", "null|null");
}

#[test]
fn altered_tables_keep_their_rows() {
    let db = cities();
    for statement in [
        "ALTER TABLE country ADD COLUMN people BIGINT NOT NULL DEFAULT 3 + 4",
        "ALTER TABLE country ADD COLUMN IF NOT EXISTS people TEXT",
        "ALTER TABLE city DROP COLUMN height",
        "ALTER TABLE city DROP COLUMN IF EXISTS height",
        "ALTER TABLE city RENAME COLUMN name TO called",
        "ALTER TABLE city RENAME TO town",
    ] {
        db.execute(statement, ()).unwrap_or_else(|error| panic!("{}", error.shown_in(statement)));
    }
    check(&db, "SELECT people FROM country WHERE code = 'CH'", "7");
    check(&db, "SELECT called FROM town WHERE id = 1", "Bern");
    check_error(&db, "SELECT height FROM town", "find column height at line 1, column 8");
    db.execute("DROP TABLE town", ()).unwrap();
    db.execute("DROP TABLE IF EXISTS town", ()).unwrap();
    check_error(&db, "SELECT 1 FROM town", "find table town at line 1, column 15");
}

#[test]
fn rows_end_with_their_time() {
    let db = database(
        "CREATE TABLE s (id BIGINT PRIMARY KEY, ends TIMESTAMP) WITH (expires_at = ends);
         INSERT INTO s VALUES (1, '2001-01-01 00:00:00'), (2, NULL)",
    );
    check(&db, "SELECT id FROM s", "2");
}

#[test]
fn quoted_names_keep_their_case() {
    let db = database(
        "CREATE TABLE \"Mixed\" (\"Id\" BIGINT PRIMARY KEY, plain TEXT); INSERT INTO \
         \"Mixed\" VALUES (1, 'a')",
    );
    check(&db, "SELECT \"Id\", PLAIN FROM \"Mixed\" AS M WHERE m.\"Id\" = 1", "1|a");
    check_error(
        &db,
        "SELECT 1 FROM mixed",
        "find table mixed at line 1, column 15; did you mean Mixed?",
    );
    check(&db, "SELECT plain FROM public.\"Mixed\"", "a");
}
