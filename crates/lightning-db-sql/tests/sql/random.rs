//! Random queries over random rows: both executors give the same.

use lightning_db_sql::{Connection, Rows};

use crate::{Database, Numbers, database, shown};

/// Columns of the tables `a` and `b`, each with a nullable and a small one.
const COLUMNS: [&str; 4] = ["id", "small", "many", "word"];
const WORDS: [&str; 5] = ["'red'", "'green'", "'blue'", "''", "NULL"];

/// A transaction whose writes its queries see.
const OWN_WRITES: &str = "BEGIN; UPDATE a SET many = many + 1 WHERE small = 2;
    DELETE FROM b WHERE small = 3; INSERT INTO a VALUES (1000, 2, 5, 'red');
    UPDATE b SET small = 1 WHERE id < 5; DELETE FROM a WHERE id BETWEEN 7 AND 9";

struct Maker {
    numbers: Numbers,
}

impl Maker {
    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.numbers.below(of.len())]
    }

    fn value(&mut self) -> String {
        match self.numbers.below(6) {
            0 => "NULL".to_owned(),
            1 => format!("-{}", self.numbers.below(5)),
            _ => self.numbers.below(35).to_string(),
        }
    }

    /// A database with rows in both tables, and some indexes.
    fn database(&mut self) -> Database {
        let mut statements = Vec::new();
        for table in ["a", "b"] {
            statements.push(format!(
                "CREATE TABLE {table} (id BIGINT PRIMARY KEY, small BIGINT, many BIGINT, \
                 word TEXT)"
            ));
            let index = self.one(&["btree (small, many)", "hash (small)", "bitmap (small)"]);
            statements.push(format!("CREATE INDEX {table}_index ON {table} USING {index}"));
            for id in 0..20 + self.numbers.below(30) {
                let small = if self.numbers.below(8) == 0 { "NULL" } else { "" };
                let small = match small {
                    "" => self.numbers.below(5).to_string(),
                    null => null.to_owned(),
                };
                let (many, word) = (self.value(), self.one(&WORDS));
                let row = format!("({id}, {small}, {many}, {word})");
                statements.push(format!("INSERT INTO {table} VALUES {row}"));
            }
        }
        database(&statements.join(";"))
    }

    fn number(&mut self, of: &str, depth: usize) -> String {
        match self.numbers.below(if depth == 0 { 2 } else { 6 }) {
            0 => format!("{of}.{}", self.one(&COLUMNS[..3])),
            1 => format!("CAST({} AS BIGINT)", self.value()),
            2 | 3 => {
                let operator = self.one(&["+", "-", "*"]);
                let (left, right) = (self.number(of, depth - 1), self.number(of, depth - 1));
                format!("({left} {operator} {right})")
            }
            4 => {
                format!("coalesce({}, {})", self.number(of, depth - 1), self.number(of, depth - 1))
            }
            _ => {
                let (test, value) = (self.condition(of, depth - 1), self.number(of, depth - 1));
                format!("CASE WHEN {test} THEN {value} ELSE {of}.id END")
            }
        }
    }

    fn condition(&mut self, of: &str, depth: usize) -> String {
        match self.numbers.below(if depth == 0 { 4 } else { 9 }) {
            0 | 1 => {
                let operator = self.one(&["=", "<>", "<", "<=", ">", ">="]);
                format!("{} {operator} {}", self.number(of, depth / 2), self.number(of, depth / 2))
            }
            2 => format!("{of}.word {} {}", self.one(&["=", "<>", "<"]), self.one(&WORDS[..4])),
            3 => format!("{} IS {}NULL", self.number(of, 0), self.one(&["", "NOT "])),
            4 => {
                format!("({} AND {})", self.condition(of, depth - 1), self.condition(of, depth - 1))
            }
            5 => {
                format!("({} OR {})", self.condition(of, depth - 1), self.condition(of, depth - 1))
            }
            6 => format!("NOT {}", self.condition(of, depth - 1)),
            7 => format!("{of}.small {}IN (1, 2, 4)", self.one(&["", "NOT "])),
            _ => {
                let low = self.numbers.below(20);
                format!("{of}.many BETWEEN {low} AND {}", low + self.numbers.below(20))
            }
        }
    }

    fn query(&mut self) -> String {
        let condition = self.condition("a", 2);
        match self.numbers.below(7) {
            0 => format!("SELECT a.id, {} AS x FROM a WHERE {condition}", self.number("a", 2)),
            1 => {
                let aggregate = self.one(&["count(*)", "sum(a.many)", "min(a.word)", "max(a.id)"]);
                format!("SELECT a.small, {aggregate} FROM a WHERE {condition} GROUP BY a.small")
            }
            2 => {
                let join = self.one(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
                let on = self.one(&["a.small = b.small", "a.id = b.many", "a.word = b.word"]);
                format!("SELECT a.id, b.id FROM a {join} b ON {on} AND b.id < 30 WHERE {condition}")
            }
            3 => {
                let within = self.condition("b", 1);
                let not = self.one(&["", "NOT "]);
                format!(
                    "SELECT a.id FROM a WHERE {not}EXISTS (SELECT 1 FROM b WHERE b.small = a.small \
                     AND {within}) AND {condition}"
                )
            }
            4 => {
                let not = self.one(&["", "NOT "]);
                let within = self.condition("b", 1);
                format!(
                    "SELECT a.id FROM a WHERE a.many {not}IN (SELECT b.many FROM b WHERE {within})"
                )
            }
            5 => {
                let set = self.one(&["UNION", "UNION ALL", "EXCEPT", "INTERSECT"]);
                format!("SELECT a.small FROM a WHERE {condition} {set} SELECT b.small FROM b")
            }
            _ => format!(
                "SELECT a.id, a.many FROM a WHERE {condition} ORDER BY a.many {} NULLS {}, a.id \
                 LIMIT {}",
                self.one(&["ASC", "DESC"]),
                self.one(&["FIRST", "LAST"]),
                self.numbers.below(9),
            ),
        }
    }
}

fn on(db: &Connection, executor: &str, sql: &str) -> Rows {
    db.execute(&format!("SET executor = {executor}"), ()).unwrap();
    db.query(sql, ()).unwrap_or_else(|error| panic!("{executor}: {}", error.shown_in(sql)))
}

#[test]
fn random_queries_agree() {
    let seed = std::env::var("SQL_SEED").ok().and_then(|it| it.parse().ok()).unwrap_or(7_u64);
    println!(
        "seed {seed}; replay: SQL_SEED={seed} cargo test -p lightning-db-sql --features vector \
              random_queries"
    );
    let mut maker = Maker { numbers: Numbers(seed) };
    for number in 0..6 {
        let db = maker.database();
        if number % 2 == 1 {
            db.execute_batch(OWN_WRITES).unwrap();
        }
        for _ in 0..60 {
            let sql = maker.query();
            let lines = |executor: &str| {
                let mut lines: Vec<String> =
                    shown(&on(&db, executor, &sql)).lines().map(str::to_owned).collect();
                if !sql.contains("ORDER BY") {
                    lines.sort();
                }
                lines
            };
            assert_eq!(lines("rows"), lines("datafusion"), "{sql}");
        }
    }
}
