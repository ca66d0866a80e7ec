//! The same table in SQL, with the plan of a statement.

use lightning_db::sql::SqlEngine;
use lightning_db::tables::{Tables, Value};

use super::{Tour, ensure};
use crate::failure::Failure;
use crate::shell::{Mode, render};
use crate::text;

/// The question of the step before, as a condition.
const CONDITION: &str = "match(name, 'saint*')
        AND st_dwithin(at, point(2.35, 48.86), 60000) AND country = 'FR'";
const COLUMNS: &str = "name, CAST(st_distance(at, point(2.35, 48.86)) / 1000 AS BIGINT) AS km";
const ORDER: &str = "st_distance(at, point(2.35, 48.86)) LIMIT 5";
/// How often the statement runs.
const RUNS: u64 = 100;

impl Tour<'_> {
    /// Asks again, of a table in which so many rows are the answer.
    pub(super) fn ask_in_sql(&mut self, tables: &Tables, expected: usize) -> Result<(), Failure> {
        self.report.start("Ask the same in SQL")?;
        let connection = SqlEngine::new(tables).connect();
        let run = |text: &str| {
            connection.query(text, ()).map_err(|error| Failure::Sql(error.shown_in(text)))
        };
        let count = run(&format!("SELECT count(*) FROM cities WHERE {CONDITION}"))?;
        let count = count.first().map(|row| row.values().to_vec());
        let expected = i64::try_from(expected).unwrap_or(i64::MAX);
        ensure(count == Some(vec![Value::I64(expected)]), "SQL finds the same places")?;

        let text =
            format!("SELECT {COLUMNS}\n  FROM cities\n WHERE {CONDITION}\n ORDER BY {ORDER}");
        for line in text.lines() {
            self.report.line(&format!("     {line}"))?;
        }
        let nearest = run(&text)?;
        for line in render(&nearest, Mode::Box).lines() {
            self.report.line(&format!("   {line}"))?;
        }
        ensure(nearest.len() == 5, "the five nearest of them are found")?;
        self.report.fact("count", &text::number(expected.unsigned_abs()))?;
        for row in run(&format!("EXPLAIN {text}"))?.values() {
            if let Some(Value::Text(line)) = row.first()
                && !line.trim_start().starts_with("not ")
            {
                self.report.line(&format!("     {line}"))?;
            }
        }
        let ((), time) = self.timed(|| (0..RUNS).try_for_each(|_| run(&text).map(drop)))?;
        self.report.timing("run again", time, Some((RUNS, "statements")))?;
        self.report.end("a statement is planned once, by what the indexes expect to find")
    }
}
