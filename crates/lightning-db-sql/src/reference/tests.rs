//! The page of the book is what the table and the examples make. `UPDATE_EXPECT=1` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use lightning_db_types::Value;

use super::*;
use crate::Connection;

const HEAD: &str = "# Functions and statements

Made from the tables of the program; each example is run by its tests, and shown with what it gives.
[SQL](sql.md) says more of the statements, and of what they do within transactions.
";

/// The table that examples are about.
const TABLE: &str = "CREATE TABLE t (n BIGINT PRIMARY KEY, note TEXT, at POINT NOT NULL);
    INSERT INTO t VALUES (1, 'bears live here', point(7.5, 47)), (2, 'fish', point(8, 47)),
                         (3, 'no bears', point(9, 47))";

/// Statements, each behind those before it.
const STATEMENTS: &[Entry] = &[
    entry(
        "CREATE TABLE",
        "makes a table",
        "CREATE TABLE city (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, people BIGINT \
         CHECK (people >= 0))",
    ),
    entry(
        "CREATE INDEX",
        "makes an index, while others write",
        "CREATE INDEX city_people ON city USING btree (people DESC) INCLUDE (name)",
    ),
    entry(
        "INSERT",
        "adds rows",
        "INSERT INTO city (name, people) VALUES ('Bern', 134000), ('Chur', 38000) RETURNING id, \
         name",
    ),
    entry(
        "INSERT .. ON CONFLICT",
        "adds a row, or changes the one with its key",
        "INSERT INTO city (name, people) VALUES ('Bern', 9) ON CONFLICT (name) DO UPDATE SET \
         people = city.people + excluded.people RETURNING people",
    ),
    entry(
        "UPDATE",
        "changes rows",
        "UPDATE city SET people = people + 1 WHERE name = 'Chur' RETURNING people",
    ),
    entry(
        "MERGE",
        "changes a table by what it has in common with another",
        "MERGE INTO city c USING (VALUES ('Chur', 0), ('Biel', 56000)) s (name, people) ON c.name \
         = s.name WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (name, people) VALUES \
         (s.name, s.people) RETURNING name",
    ),
    entry(
        "SELECT",
        "reads rows",
        "SELECT name, people FROM city WHERE people > 1000 ORDER BY people DESC LIMIT 1",
    ),
    entry(
        "SELECT FROM generate_series(start, stop, step)",
        "numbers or moments that are equally far from each other",
        "SELECT i FROM generate_series(1, 9, 4) AS s (i)",
    ),
    entry(
        "SELECT DISTINCT ON",
        "reads the first row of each",
        "SELECT DISTINCT ON (people > 100000) name FROM city ORDER BY people > 100000, name",
    ),
    entry(
        "WITH RECURSIVE",
        "reads rows that follow from rows",
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4) SELECT \
         sum(i) FROM n",
    ),
    entry("VALUES", "rows that stand in the statement", "VALUES (1, 'a'), (2, 'b')"),
    entry("DELETE", "removes rows", "DELETE FROM city WHERE name = 'Biel' RETURNING id"),
    entry(
        "CREATE VIEW",
        "names a query",
        "CREATE VIEW large AS SELECT name FROM city WHERE people > 100000",
    ),
    entry(
        "ALTER TABLE",
        "adds, drops or renames a column, or the table",
        "ALTER TABLE city ADD COLUMN founded DATE DEFAULT '1191-01-01'",
    ),
    entry(
        "BEGIN, COMMIT, ROLLBACK",
        "several statements as one",
        "BEGIN; SAVEPOINT s; DELETE FROM city; ROLLBACK TO s; RELEASE s; COMMIT",
    ),
    entry(
        "PREPARE, EXECUTE, DEALLOCATE",
        "a statement with a name",
        "PREPARE of AS SELECT name FROM city WHERE id = $1; EXECUTE of (1)",
    ),
    entry("ANALYZE", "looks at the rows for statistics", "ANALYZE city"),
    entry("EXPLAIN", "shows the plan of a statement", "EXPLAIN SELECT count(*) FROM large"),
    entry("SHOW", "tells tables, columns, settings", "SHOW TABLES"),
    entry("SET", "durability, isolation, executor", "SET isolation = snapshot"),
    entry(
        "DROP",
        "removes a table, an index or a view",
        "DROP VIEW large; DROP INDEX city_people; DROP TABLE city",
    ),
];

fn database() -> (tempfile::TempDir, Connection) {
    let dir = tempfile::tempdir().unwrap();
    let connection = Connection::open(dir.path()).unwrap();
    connection.execute_batch(TABLE).unwrap();
    #[cfg(feature = "text")]
    connection.execute("CREATE INDEX t_note ON t USING fulltext (note)", ()).unwrap();
    (dir, connection)
}

/// The first rows of what statements give last.
fn given(connection: &Connection, statements: &str) -> String {
    let mut shown = Vec::new();
    for statement in statements.split("; ") {
        let rows = connection.query(statement, ()).unwrap_or_else(|error| {
            panic!("{}", error.shown_in(statement));
        });
        let value = |value: &Value| match value {
            Value::Null => "NULL".to_owned(),
            Value::Text(text) => text.clone(),
            Value::I64(number) => number.to_string(),
            Value::F64(number) => format!("{number:?}"),
            Value::Bool(truth) => truth.to_string(),
            Value::Decimal(number) => number.to_string(),
            other => format!("{other:?}"),
        };
        let row = |row: &Vec<Value>| row.iter().map(value).collect::<Vec<_>>().join(", ");
        shown = rows.values().iter().map(row).collect();
    }
    if statements.starts_with("EXPLAIN") {
        shown.truncate(1);
        for line in &mut shown {
            line.truncate(line.find("  (").unwrap());
            line.push_str(" ..");
        }
    }
    shown.join("; ")
}

fn example(group: &str, text: &str) -> String {
    match group {
        // A condition of a query.
        _ if text.starts_with("match(") => format!("SELECT n FROM t WHERE {text} ORDER BY n"),
        "Aggregates" => format!("SELECT {text} FROM t"),
        "Over windows" => format!("SELECT n, {text} FROM t ORDER BY n"),
        "Texts that are searched" => {
            format!("SELECT {text} FROM t WHERE match(note, 'bears') ORDER BY n LIMIT 1")
        }
        "Places" => format!("SELECT {text} FROM t WHERE n = 1"),
        _ => format!("SELECT {text}"),
    }
}

/// A cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    let (_dir, connection) = database();
    page.push_str(
        "\n## Statements\n\n| statement | what it does | example | gives |\n|---|---|---|---|\n",
    );
    for Entry { usage, what, example } in STATEMENTS {
        let gives = cell(&given(&connection, example));
        let _ = writeln!(page, "| {usage} | {what} | `{}` | {gives} |", cell(example));
    }
    for (group, entries) in FUNCTIONS {
        let _ = write!(
            page,
            "\n## {group}\n\n| function | value | example | gives |\n|---|---|---|---|\n"
        );
        for Entry { usage, what, example: text } in entries {
            let (usage, gives) = (cell(usage), given(&connection, &example(group, text)));
            let _ = writeln!(page, "| `{usage}` | {what} | `{}` | {} |", cell(text), cell(&gives));
        }
    }
    page
}

#[cfg(all(feature = "spatial", feature = "text"))]
#[test]
fn the_page_of_functions_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/book/src/functions.md");
    let page = page();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(there, page, "run the test with UPDATE_EXPECT=1");
}

#[test]
fn names_that_are_misspelt_find_the_nearest() {
    let (_dir, connection) = database();
    for (wrong, right) in [("lenght('x')", "length"), ("row_nmber()", "row_number")] {
        let error = connection.query(&format!("SELECT {wrong}"), ()).unwrap_err().to_string();
        // With the feature `vector` DataFusion may say it.
        assert!(error.contains(right), "{error}");
    }
}
