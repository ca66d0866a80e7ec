//! Texts that nobody meant: an error each, or rows, and never a panic.

use lightning_db_sql::Error;

use crate::{Numbers, cities, shown};

/// Statements that are cut, doubled and mixed by the next test.
const TEXTS: [&str; 12] = [
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
];

#[test]
fn mutilated_statements_never_panic() {
    let seed = std::env::var("SQL_SEED").ok().and_then(|it| it.parse().ok()).unwrap_or(20_261_129);
    println!("seed {seed}; replay: SQL_SEED={seed} cargo test -p lightning-db-sql mutilated");
    let mut numbers = Numbers(seed);
    let db = cities();
    let words: Vec<Vec<&str>> =
        TEXTS.iter().map(|text| text.split_inclusive([' ', '(', ',', ')']).collect()).collect();
    let (mut failed, mut run) = (0, 0);
    for round in 0..3_000 {
        let mut text = words[numbers.below(words.len())].clone();
        for _ in 0..=numbers.below(4) {
            let at = numbers.below(text.len());
            match numbers.below(5) {
                0 => drop(text.remove(at)),
                1 => text.truncate(at + 1),
                2 => text.insert(at, text[at]),
                3 => {
                    let other = &words[numbers.below(words.len())];
                    text[at] = other[numbers.below(other.len())];
                }
                _ => {
                    const WORDS: [&str; 8] =
                        ["?", "'", "((", "NULL ", "\"", "-", "\u{fc}\0", "1e999 "];
                    text[at] = WORDS[numbers.below(8)];
                }
            }
            if text.is_empty() {
                text.push("SELECT");
            }
        }
        let text = text.concat();
        // Each round begins outside of a transaction, and leaves the data alone.
        db.execute("BEGIN", ()).unwrap();
        let outcome = db.query(&text, [1_i64]).or_else(|error| match error {
            Error::Parameter { .. } => db.query(&text, ()),
            error => Err(error),
        });
        match outcome {
            Ok(_) => run += 1,
            Err(error) => {
                failed += 1;
                assert!(!error.shown_in(&text).is_empty(), "round {round}: {text}");
            }
        }
        if db.is_in_transaction() {
            db.execute("ROLLBACK", ()).unwrap();
        }
    }
    assert!(failed > 1_000 && run > 20, "{failed} failed, {run} ran");
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
