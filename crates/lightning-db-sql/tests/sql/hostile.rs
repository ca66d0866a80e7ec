//! Texts that nobody meant: an error each, or rows, and never a panic or memory without bounds.
//!
//! `SQL_STATEMENTS` sets how many are made, `SQL_SEED` from what.

use lightning_db_sql::{Connection, Error};
use peak_alloc::PeakAlloc;

use crate::{Numbers, cities, shown};

/// Counts what all threads of the process have: that of one test, as nextest runs them.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes that a statement may take beyond what there was before it.
const MEMORY_MAX: usize = 200 << 20;

/// Statements that are cut, doubled and mixed.
const TEXTS: [&str; 16] = [
    "SELECT name, count(*) FROM city c LEFT JOIN country ON code = c.country WHERE id IN (1, 2) \
     GROUP BY name HAVING count(*) > 0 ORDER BY 1 DESC NULLS LAST LIMIT 3 OFFSET $1",
    "WITH x AS (SELECT * FROM city WHERE people BETWEEN 1 AND 2e3) SELECT (SELECT 1) FROM x",
    "INSERT INTO city (id, name) VALUES (1, 'it''s'), (2, $1) ON CONFLICT (id) DO UPDATE SET \
     name = excluded.name || '!' RETURNING *",
    "UPDATE city SET people = CASE WHEN people > 5 THEN NULL ELSE -people END FROM country WHERE \
     code = country AND NOT EXISTS (SELECT 1)",
    "DELETE FROM city USING country WHERE name LIKE 'a\\%' ESCAPE '!' OR founded < DATE \
     '2000-01-01'",
    "CREATE TABLE t (a BIGINT PRIMARY KEY, b NUMERIC(9, 2) DEFAULT 1.5 CHECK (b > 0), \
     c TEXT REFERENCES country ON DELETE CASCADE, UNIQUE (b, c))",
    "CREATE UNIQUE INDEX i ON city USING btree (lower(name) DESC, id) INCLUDE (people) WHERE \
     id > 3",
    "ALTER TABLE city ADD COLUMN x DOUBLE PRECISION DEFAULT 1e10",
    "SELECT CAST(EXTRACT(YEAR FROM founded) AS TEXT)::varchar(2), x'0aff', $$a$$ FROM city",
    "SELECT * FROM city UNION ALL (SELECT * FROM city EXCEPT SELECT * FROM city ORDER BY 1)",
    "BEGIN ISOLATION LEVEL SERIALIZABLE",
    "EXPLAIN ANALYZE SELECT id FROM city WHERE area IS DISTINCT FROM 5 AND height > ALL (SELECT 1)",
    "SELECT id, sum(people) OVER (PARTITION BY country ORDER BY id ROWS BETWEEN 2 PRECEDING AND \
     CURRENT ROW), rank() OVER w FROM city WINDOW w AS (ORDER BY people DESC)",
    "SELECT country, founded, count(DISTINCT name) FILTER (WHERE id > 2) FROM city GROUP BY \
     GROUPING SETS ((country, founded), ROLLUP (country), ()) ORDER BY grouping(country)",
    "COPY city (id, name) FROM STDIN (FORMAT csv, HEADER, DELIMITER ';', NULL 'NA')",
    "SELECT c.name, l.n FROM city c, LATERAL (SELECT substring(name FROM c.id FOR 2) AS n FROM \
     country WHERE code = c.country AND now() > c.founded + INTERVAL '1' MONTH) l",
];

/// Numbers at the ends of their types, and what is none.
const EXTREMES: [&str; 16] = [
    "0",
    "-1",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "99999999999999999999999999999999999999",
    "1e308",
    "-1e-320",
    "NULL",
    "'x'",
    "''",
    "DATE '9999-12-31'",
    "TIMESTAMP '0001-01-01 00:00:00'",
    "x'ff'",
    "TRUE",
    "point(1e308, -91)",
];

struct Hostile {
    numbers: Numbers,
    words: Vec<Vec<&'static str>>,
}

impl Hostile {
    fn new(seed: u64) -> Self {
        let words = |text: &'static str| text.split_inclusive([' ', '(', ',', ')']).collect();
        Self { numbers: Numbers(seed), words: TEXTS.map(words).to_vec() }
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.numbers.below(of.len())]
    }

    fn statement(&mut self) -> String {
        match self.numbers.below(1_000) {
            0 => {
                let list = vec![self.one(&EXTREMES); 1 + self.numbers.below(30_000)].join(", ");
                format!("SELECT id FROM city WHERE id IN ({list})")
            }
            1 => format!("SELECT length('{}')", "\u{e4}'' ".repeat(self.numbers.below(250_000))),
            2..30 => {
                let (begin, end) =
                    [("(", ")"), ("-", ""), ("NOT ", ""), ("(SELECT ", ")")][self.numbers.below(4)];
                let depth = self.numbers.below(500);
                format!("SELECT {}{}{}", begin.repeat(depth), 1, end.repeat(depth))
            }
            30..200 => format!("SELECT {} FROM city", self.term(3)),
            200..250 => {
                let of: Vec<&str> = self.words.iter().flatten().copied().collect();
                (0..20).map(|_| self.one(&of)).collect()
            }
            _ => self.mutilated(),
        }
    }

    /// Calculations with numbers at the ends of their types.
    fn term(&mut self, depth: usize) -> String {
        if depth == 0 {
            let column = ["id", "people", "name", "founded", "area", "height"];
            return match self.numbers.below(3) {
                0 => self.one(&column).to_owned(),
                _ => self.one(&EXTREMES).to_owned(),
            };
        }
        let left = self.term(depth - 1);
        match self.numbers.below(4) {
            0 => {
                let kind = self.one(&["bigint", "text", "numeric", "double precision", "date"]);
                format!("CAST({left} AS {kind})")
            }
            1 => {
                let function = self.one(&["abs", "round", "length", "upper", "sum", "avg", "-"]);
                format!("{function}({left})")
            }
            _ => {
                let operator = self.one(&["+", "-", "*", "/", "%", "||", "=", "<", "LIKE", "AND"]);
                format!("({left} {operator} {})", self.term(depth - 1))
            }
        }
    }

    fn mutilated(&mut self) -> String {
        let mut text = self.words[self.numbers.below(self.words.len())].clone();
        for _ in 0..=self.numbers.below(4) {
            let at = self.numbers.below(text.len());
            match self.numbers.below(5) {
                0 => drop(text.remove(at)),
                1 => text.truncate(at + 1),
                2 => text.insert(at, text[at]),
                3 => {
                    let other = &self.words[self.numbers.below(self.words.len())];
                    text[at] = other[self.numbers.below(other.len())];
                }
                _ => {
                    const WORDS: [&str; 8] =
                        ["?", "'", "((", "NULL ", "\"", "-", "\u{fc}\0", "1e999 "];
                    text[at] = WORDS[self.numbers.below(8)];
                }
            }
            if text.is_empty() {
                text.push("SELECT");
            }
        }
        text.concat()
    }
}

/// Runs a statement within a transaction that is taken back; says whether it had no error.
fn runs(db: &Connection, text: &str) -> bool {
    db.execute("BEGIN", ()).unwrap();
    let outcome = db.query(text, [1_i64]).or_else(|error| match error {
        Error::Parameter { .. } => db.query(text, ()),
        error => Err(error),
    });
    if let Err(error) = &outcome {
        assert!(!error.shown_in(text).is_empty(), "{text}");
    }
    if db.is_in_transaction() {
        db.execute("ROLLBACK", ()).unwrap();
    }
    outcome.is_ok()
}

#[test]
fn hostile_statements_never_panic_and_take_little_memory() {
    let number = |name| std::env::var(name).ok().and_then(|it| it.parse().ok());
    let seed = number("SQL_SEED").unwrap_or(20_261_129);
    let statements = number("SQL_STATEMENTS").unwrap_or(10_000);
    println!(
        "seed {seed}; replay: SQL_SEED={seed} SQL_STATEMENTS={statements} cargo test -p \
         lightning-db-sql hostile"
    );
    let mut hostile = Hostile::new(seed);
    let db = cities();
    let (mut failed, mut run) = (0, 0);
    for round in 0..statements {
        let text = hostile.statement();
        MEMORY.reset_peak_usage();
        let before = MEMORY.current_usage();
        if runs(&db, &text) {
            run += 1;
        } else {
            failed += 1;
        }
        let grown = MEMORY.peak_usage().saturating_sub(before);
        assert!(grown < MEMORY_MAX, "round {round}: {grown} bytes for {text:.200}");
    }
    assert!(failed > statements / 3 && run > statements / 100, "{failed} failed, {run} ran");
    assert_eq!(shown(&db.query("SELECT count(*) FROM city", ()).unwrap()), "5");
}

#[test]
fn deep_nesting_is_refused() {
    let db = cities();
    let repeated = |begin: &str, middle: &str, end: &str, count: usize| {
        format!("SELECT {}{middle}{}", begin.repeat(count), end.repeat(count))
    };
    for count in [50, 1_000, 100_000] {
        for text in [
            repeated("(", "1", ")", count),
            repeated("- ", "1", "", count),
            repeated("NOT ", "TRUE", "", count),
            repeated("CASE WHEN TRUE THEN ", "1", " END", count),
            repeated("(SELECT ", "1", ")", count),
            repeated("abs(", "1", ")", count),
            repeated("", "1", "::bigint", count * 10),
            repeated("", "1", " + 1", count * 10),
            repeated("", "'a'", " || 'a'", count * 10),
            repeated("", "1", " IS NULL", count * 10),
            repeated("", "1", " UNION SELECT 1", count * 10),
            repeated("1 IN (", "1", ")", count),
        ] {
            // Where the parser takes a keyword for a name, that is what is wrong.
            let error = db.query(&text, ()).unwrap_err();
            assert!(matches!(error, Error::Syntax { .. } | Error::Unknown { .. }), "{error}");
        }
    }
}

#[test]
fn nesting_within_the_bounds_runs() {
    let db = cities();
    for text in [
        format!("SELECT {}1{}", "(".repeat(20), ")".repeat(20)),
        format!("SELECT 1{}", " + 1".repeat(190)),
        format!("SELECT 1 WHERE 1 = 1{}", " AND 1 = 1".repeat(1_500)),
        format!("SELECT 1 WHERE 1 = 2{} OR 1 = 1", " OR 1 = 2".repeat(1_500)),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(100)),
    ] {
        let rows = db.query(&text, ()).unwrap_or_else(|error| panic!("{error}: {}", &text[..60]));
        assert!(!rows.is_empty());
    }
}

#[test]
fn long_lists_and_texts() {
    let db = cities();
    let list: Vec<String> = (0..20_000).map(|number| number.to_string()).collect();
    let text = format!("SELECT count(*) FROM city WHERE id IN ({})", list.join(", "));
    assert_eq!(shown(&db.query(&text, ()).unwrap()), "5");
    let text = format!("SELECT length('{}')", "x".repeat(1_000_000));
    assert_eq!(shown(&db.query(&text, ()).unwrap()), "1000000");
    let text = format!("SELECT '{}'", "x".repeat(5_000_000));
    assert!(matches!(db.query(&text, ()), Err(Error::Syntax { .. })));
}

#[test]
fn numbers_at_their_bounds() {
    let db = cities();
    for text in [
        "SELECT 9223372036854775807 + 1",
        "SELECT -(-9223372036854775807 - 1)",
        "SELECT -9223372036854775808 / -1",
        "SELECT abs(-9223372036854775808)",
        "SELECT 1 % 0",
        "SELECT 1.5 / 0",
        "SELECT CAST(1e300 AS BIGINT)",
        "SELECT CAST('x' AS BIGINT)",
        "SELECT CAST(-1 AS BIGINT UNSIGNED)",
        "SELECT 99999999999999999999999999999999999999 * 10",
        "SELECT sum(x) FROM (VALUES (9223372036854775807), (1)) t(x)",
        "SELECT substring('abc' FROM 1 FOR -1)",
        "SELECT DATE '9999-99-99'",
        "SELECT DATE '2024-01-01' + 9223372036854775807",
        "SELECT 1e999",
        "SELECT (SELECT id FROM city)",
    ] {
        assert!(db.query(text, ()).is_err(), "{text}");
    }
}
