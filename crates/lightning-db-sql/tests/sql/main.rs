//! SQL through the public API, in one binary: definitions, queries, writes, transactions, errors.

#![expect(clippy::unwrap_used, reason = "tests, and what they share")]

#[cfg(feature = "tokio")]
mod asynchronous;
mod copy;
mod definitions;
mod errors;
mod functions;
mod grouping;
mod hostile;
mod learning;
mod lifted;
mod logic;
mod merge;
mod named;
#[cfg(feature = "vector")]
mod parquet;
mod past;
mod places;
mod queries;
#[cfg(feature = "vector")]
mod random;
mod recursive;
mod search;
mod serial;
mod series;
mod transactions;
#[cfg(feature = "vector")]
mod vector;
mod views;
mod windows;
mod writes;

use lightning_db_sql::{Connection, Rows};

/// A generator of numbers from a seed (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

/// A connection to a new store.
struct Database {
    connection: Connection,
    _dir: tempfile::TempDir,
}

impl std::ops::Deref for Database {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

/// A new store on which statements have run.
fn database(statements: &str) -> Database {
    let dir = tempfile::tempdir().unwrap();
    let connection = Connection::open(dir.path()).unwrap();
    connection.execute_batch(statements).unwrap_or_else(|error| {
        panic!("{}", error.shown_in(statements));
    });
    Database { connection, _dir: dir }
}

/// Cities and countries, with an index of each kind that SQL queries use.
fn cities() -> Database {
    database(
        "CREATE TABLE country (code TEXT PRIMARY KEY, name TEXT NOT NULL);
         CREATE TABLE city (
             id BIGINT PRIMARY KEY,
             name TEXT NOT NULL,
             country TEXT NOT NULL REFERENCES country,
             people BIGINT,
             founded DATE,
             area NUMERIC(10, 2),
             height DOUBLE PRECISION
         );
         CREATE INDEX city_country ON city (country, people DESC) INCLUDE (name);
         CREATE INDEX city_name ON city USING hash (name);
         CREATE INDEX city_people ON city USING bitmap (people);
         INSERT INTO country VALUES ('CH', 'Switzerland'), ('IT', 'Italy'), ('FR', 'France');
         INSERT INTO city VALUES
             (1, 'Bern', 'CH', 134000, '1191-01-01', 51.62, 540.5),
             (2, 'Chur', 'CH', 38000, NULL, 28.09, 593.0),
             (3, 'Rome', 'IT', 2873000, '0753-04-21', 1285.31, 21.0),
             (4, 'Pisa', 'IT', 90000, NULL, NULL, 4.0),
             (5, 'Lyon', 'FR', NULL, '0043-10-09', 47.87, NULL);",
    )
}

/// The rows as text: values separated by `|`, rows by line ends.
fn shown(rows: &Rows) -> String {
    let row = |values: &[lightning_db_sql::types::Value]| {
        let values = values.iter().map(|value| match value {
            lightning_db_sql::types::Value::Null => "null".to_owned(),
            lightning_db_sql::types::Value::Text(text) => text.clone(),
            lightning_db_sql::types::Value::Bool(truth) => truth.to_string(),
            lightning_db_sql::types::Value::I64(number) => number.to_string(),
            lightning_db_sql::types::Value::U64(number) => number.to_string(),
            lightning_db_sql::types::Value::F64(number) => format!("{number:?}"),
            lightning_db_sql::types::Value::Decimal(number) => number.normalized().to_string(),
            other => format!("{other:?}"),
        });
        values.collect::<Vec<_>>().join("|")
    };
    rows.values().iter().map(|values| row(values)).collect::<Vec<_>>().join("\n")
}

/// From now on nothing that the executor of rows refuses goes to DataFusion, where that is there.
fn on_rows_alone(connection: &Connection) {
    if cfg!(feature = "vector") {
        connection.execute("SET executor = rows", ()).unwrap();
    }
}

/// Runs a query and compares its rows; with DataFusion on both executors, as far as both run it.
fn check(connection: &Connection, sql: &str, expected: &str) {
    match connection.query(sql, ()) {
        Ok(rows) => assert_eq!(shown(&rows), expected, "{sql}"),
        Err(error) => panic!("{}", error.shown_in(sql)),
    }
    let is_query = ["select", "with", "values"].iter().any(|word| {
        sql.trim_start().get(..word.len()).is_some_and(|it| it.eq_ignore_ascii_case(word))
    });
    if cfg!(feature = "vector") && is_query {
        check_on_datafusion(connection, sql, expected);
    }
}

/// Parts of queries that DataFusion answers otherwise, as the book says, and how.
const OTHERWISE: [(&str, &str); 5] = [
    ("trunc(-1259, -2)", "a whole number that is cut off is a double"),
    ("avg(", "an average of whole numbers is a double"),
    ("CAST(2.5 AS BIGINT)", "what is behind the point is cut off"),
    ("interval '36 hours'", "a date stays a date"),
    ("CAST(timestamp", "a moment as a text ends without a Z"),
];

fn check_on_datafusion(connection: &Connection, sql: &str, expected: &str) {
    let before = shown(&connection.query("SHOW executor", ()).unwrap());
    connection.execute("SET executor = datafusion", ()).unwrap();
    let rows = connection.query(sql, ());
    connection.execute(&format!("SET executor = {before}"), ()).unwrap();
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let is_same = OTHERWISE.iter().all(|(part, _)| !sql.contains(part));
    if let (Ok(rows), true) = (rows, is_same) {
        assert_eq!(sorted(&shown(&rows)), sorted(expected), "on DataFusion: {sql}");
    }
}

/// Runs a statement that fails, and compares the message.
fn check_error(connection: &Connection, sql: &str, expected: &str) {
    match connection.query(sql, ()) {
        Ok(rows) => panic!("{sql} gives\n{}", shown(&rows)),
        Err(error) => assert_eq!(error.to_string(), expected, "{sql}"),
    }
}
