//! Views, tables of queries, and what is told of both.

use crate::{check, check_error, cities, database};

#[test]
fn a_view_stands_for_its_query() {
    let db = cities();
    db.execute_batch(
        "CREATE VIEW swiss AS SELECT id, name, people FROM city WHERE country = 'CH';
         CREATE VIEW big (town, size) AS SELECT name, people FROM swiss WHERE people > 100000",
    )
    .unwrap();
    check(&db, "SELECT name FROM swiss ORDER BY id", "Bern\nChur");
    check(&db, "SELECT town, size FROM big", "Bern|134000");
    check(
        &db,
        "SELECT s.name, b.size FROM swiss s LEFT JOIN big b ON b.town = s.name ORDER BY 1",
        "Bern|134000\nChur|null",
    );
    // What WITH names around a view is not seen within it.
    check(&db, "WITH city AS (SELECT 7 AS id) SELECT count(*) FROM swiss, city", "2");
    db.execute("INSERT INTO city (id, name, country, people) VALUES (6, 'Genf', 'CH', 200000)", ())
        .unwrap();
    check(&db, "SELECT town FROM big ORDER BY 1", "Bern\nGenf");
}

#[test]
fn plans_follow_their_views() {
    let db = cities();
    let query = "SELECT name FROM few ORDER BY name";
    db.execute("CREATE VIEW few AS SELECT name FROM city WHERE id = 1", ()).unwrap();
    check(&db, query, "Bern");
    db.execute("CREATE OR REPLACE VIEW few AS SELECT name FROM city WHERE id < 3", ()).unwrap();
    check(&db, query, "Bern\nChur");
    db.execute("DROP VIEW few", ()).unwrap();
    check_error(&db, query, "find table few at line 1, column 18");
    db.execute("CREATE TABLE few AS SELECT name FROM city WHERE id = 5", ()).unwrap();
    check(&db, query, "Lyon");
}

#[test]
fn names_and_queries_of_views_are_checked() {
    let db = cities();
    db.execute("CREATE VIEW v AS SELECT 1 AS one", ()).unwrap();
    db.execute("CREATE VIEW IF NOT EXISTS v AS SELECT 2 AS two", ()).unwrap();
    db.execute("DROP VIEW IF EXISTS w", ()).unwrap();
    for (statement, expected) in [
        (
            "CREATE VIEW v AS SELECT 2 AS two",
            "plan the statement at line 1, column 13: there is a view v; CREATE OR REPLACE VIEW \
             makes it anew",
        ),
        ("CREATE TABLE v (a BIGINT)", "plan the statement at line 1, column 14: there is a view v"),
        (
            "CREATE VIEW city AS SELECT 1",
            "plan the statement at line 1, column 13: there is a table city",
        ),
        (
            "CREATE VIEW w AS SELECT nmae FROM city",
            "find column nmae at line 1, column 25; did you mean name?",
        ),
        ("DROP VIEW w", "find view w at line 1, column 11; did you mean v?"),
        (
            "INSERT INTO v VALUES (1)",
            "run a write to the view v at line 1, column 13: it is not supported; write to its \
             tables",
        ),
    ] {
        check_error(&db, statement, expected);
    }
    check(&db, "SELECT * FROM v", "1");
    // A circle can only be made by replacing.
    db.execute("CREATE VIEW w AS SELECT * FROM v", ()).unwrap();
    db.execute("CREATE OR REPLACE VIEW v AS SELECT * FROM w", ()).unwrap();
    let error = db.query("SELECT * FROM v", ()).unwrap_err().to_string();
    assert!(error.contains("in a circle"), "{error}");
}

#[test]
fn a_table_is_made_of_a_query() {
    let db = cities();
    let made = "CREATE TABLE sums AS SELECT country, count(*) AS cities, sum(people) AS people \
                FROM city GROUP BY country";
    assert_eq!(db.execute(made, ()).unwrap(), 3);
    check(&db, "SELECT * FROM sums ORDER BY country", "CH|2|172000\nFR|1|null\nIT|2|2963000");
    assert_eq!(db.execute("CREATE TABLE IF NOT EXISTS sums AS SELECT 1", ()).unwrap(), 0);
    check_error(
        &db,
        "CREATE TABLE t (a BIGINT) AS SELECT 1",
        "run CREATE TABLE AS with columns at line 1, column 14: it is not supported; name columns \
         in the query, with AS",
    );
    // What fails while it is filled leaves no table.
    db.query("CREATE TABLE halves AS SELECT 1 / (id - 3) AS half FROM city", ()).unwrap_err();
    check_error(&db, "SELECT * FROM halves", "find table halves at line 1, column 15");
}

#[test]
fn tables_and_settings_are_shown() {
    let db = database("CREATE TABLE b (x BIGINT PRIMARY KEY, y TEXT); CREATE TABLE a (z DATE)");
    check(&db, "SHOW TABLES", "a|BASE TABLE\nb|BASE TABLE");
    db.execute("CREATE VIEW c AS SELECT x, y || '!' AS w FROM b", ()).unwrap();
    check(&db, "SHOW TABLES", "a|BASE TABLE\nb|BASE TABLE\nc|VIEW");
    check(&db, "SHOW COLUMNS FROM b", "x|bigint|NO\ny|text|YES");
    check(&db, "SHOW COLUMNS FROM c", "x|bigint|YES\nw|text|YES");
    check(
        &db,
        "SELECT count(*) FROM information_schema.columns c JOIN information_schema.tables t \
         ON c.table_name = t.table_name WHERE t.table_type = 'BASE TABLE'",
        "3",
    );
    check(&db, "SHOW durability", "default");
    db.execute("SET durability = memory", ()).unwrap();
    check(&db, "SHOW durability", "memory");
    check(&db, "SHOW TRANSACTION ISOLATION LEVEL", "serializable");
    check_error(
        &db,
        "SHOW durabilty",
        "find setting durabilty at line 1, column 6; did you mean durability?",
    );
}
