//! `index_regret`: what the chosen way to a table costs over the best way that hints can force.
//!
//! One table with indexes of every kind over values of many selectivities, asked with warm caches.
//! A way that a plan does not follow is left out. The bars are a mean of 1.15 and a worst of 4.

use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lightning_db_sql::types::ValueRef;
use lightning_db_sql::{Connection, SqlEngine, Statement};
use lightning_db_table::{Tables, Value};

use crate::clock::thread_cpu;
use crate::comparison::{Case, Comparison, Metric};
use crate::contest::{Turns, alone};
use crate::workload::mix;

/// Name of the scenario.
pub(super) const NAME: &str = "index_regret";

/// Rows of the tables, each of which is a case of its own.
const SIZES: [u64; 3] = [1_000, 30_000, 300_000];
const QUICK_SIZES: [u64; 2] = [1_000, 10_000];
/// Different values of the columns for equality.
const DISTINCT: [u64; 4] = [2, 20, 200, 2_000];
/// Parts of the table that ranges and circles find.
const PARTS: [f64; 8] = [1e-5, 1e-4, 1e-3, 0.01, 0.05, 0.2, 0.5, 1.0];
/// Width and height of the square that points lie in.
const SQUARE: u64 = 1_000;
/// Rows of one commit of the load.
const CHUNK: usize = 1_000;

/// A condition, and the ways to its rows.
struct Question {
    condition: String,
    /// Hints; a way without one is what the optimizer chooses.
    ways: Vec<String>,
}

fn question(condition: String, indexes: &[&str]) -> Question {
    let ways = indexes.iter().map(|names| match *names {
        "scan" => "scan(r)".to_owned(),
        names => format!("index(r {names})"),
    });
    Question { condition, ways: ways.collect() }
}

/// Times of one question, in nanoseconds.
struct Answer {
    chosen: f64,
    best: f64,
    best_way: String,
}

impl Answer {
    fn regret(&self) -> f64 {
        self.chosen / self.best.min(self.chosen).max(1.0)
    }
}

/// Measures all sizes; gives mean and worst of each.
///
/// # Errors
///
/// When two ways give different answers, or a statement fails.
pub(super) fn run(dir: &std::path::Path, quick: bool, turns: Turns) -> Result<Vec<Comparison>> {
    let sizes = if quick { &QUICK_SIZES[..] } else { &SIZES[..] };
    let mut found = Vec::new();
    for rows in sizes {
        let folder = dir.join(format!("regret-{rows}"));
        std::fs::create_dir(&folder)?;
        let tables = crate::indexes::lightning::tables(&folder)?;
        let db = SqlEngine::new(&tables).connect();
        fill(&tables, &db, *rows)?;
        let mut regrets = Vec::new();
        for question in questions(*rows) {
            let answer = measure(&db, &question, turns).context(question.condition.clone())?;
            crate::progress(&format!(
                "{NAME} {rows}: {:.2} for {}{}",
                answer.regret(),
                question.condition,
                if answer.regret() > 1.15 {
                    format!("; {}", answer.best_way)
                } else {
                    String::new()
                },
            ));
            regrets.push(answer.regret());
        }
        let case = Case { subject: "sql", scenario: NAME, level: "none", keys: *rows, threads: 1 };
        let mean = regrets.iter().sum::<f64>() / regrets.len() as f64;
        let worst = regrets.iter().copied().fold(1.0, f64::max);
        found.push(alone(case.clone(), Metric::lower("regret_mean", "times"), mean));
        found.push(alone(case, Metric::lower("regret_worst", "times"), worst));
    }
    Ok(found)
}

/// The questions about a table of so many rows.
fn questions(rows: u64) -> Vec<Question> {
    let mut all = Vec::new();
    for part in PARTS {
        let last = (rows as f64 * part).ceil();
        all.push(question(format!("u < {last}"), &["scan", "r_u"]));
        let radius = (part / std::f64::consts::PI).sqrt() * SQUARE as f64;
        all.push(question(circle(radius), &["scan", "r_at"]));
        // Many points and few equal values: a tree of points that hides its selectivity misleads.
        all.push(question(
            format!("{} AND k2000 = 7", circle(radius)),
            &["scan", "r_at", "r_b2000", "r_h2000", "r_at r_b2000"],
        ));
        all.push(question(format!("match(note, 'x7') AND u < {last}"), &["r_note", "r_note r_u"]));
    }
    for distinct in DISTINCT {
        let names = ["b", "h", "m"].map(|kind| format!("r_{kind}{distinct}"));
        let [btree, hash, bitmap] = names.each_ref().map(String::as_str);
        all.push(question(format!("k{distinct} = 1"), &["scan", btree, hash, bitmap]));
        let both = format!("{bitmap} r_m20");
        let condition = format!("k{distinct} = 1 AND k20 = 3 AND v < 900");
        if distinct != 20 {
            all.push(question(condition, &["scan", btree, hash, "r_b20", &both]));
        }
        all.push(question(
            format!("k{distinct} = 1 AND match(note, 'x7')"),
            &["r_note", &format!("r_note {btree}"), &format!("r_note {bitmap}")],
        ));
    }
    // Two columns that say the same.
    all.push(question(
        "k20 = 3 AND same20 = 3".to_owned(),
        &["scan", "r_b20", "r_same", "r_m20 r_same"],
    ));
    for word in ["w1", "x7", "y77", "z777"] {
        all.push(question(format!("match(note, '{word}')"), &["r_note"]));
    }
    all
}

fn circle(radius: f64) -> String {
    format!("plane_dwithin(at, point({0}, {0}), {radius:.4})", SQUARE / 2)
}

/// Makes the table with all its indexes.
fn fill(tables: &Tables, db: &Connection, rows: u64) -> Result<()> {
    let columns = DISTINCT.map(|distinct| format!("k{distinct} BIGINT NOT NULL, ")).concat();
    db.execute_batch(&format!(
        "CREATE TABLE r (id BIGINT PRIMARY KEY, u BIGINT NOT NULL, {columns}same20 BIGINT NOT NULL,
             v BIGINT NOT NULL, at POINT NOT NULL, note TEXT NOT NULL)"
    ))?;
    // An order in which neighbours are far apart.
    let mut order: Vec<u64> = (0..rows).collect();
    order.sort_by_key(|id| mix(*id));
    let mut chunk = Vec::new();
    for (id, u) in (0..rows).zip(order) {
        chunk.push(row(id, u));
        if chunk.len() == CHUNK {
            tables.insert_many("r", std::mem::take(&mut chunk))?;
        }
    }
    tables.insert_many("r", chunk)?;
    for distinct in DISTINCT {
        for (name, kind) in [("b", "btree"), ("h", "hash"), ("m", "bitmap")] {
            db.execute(
                &format!("CREATE INDEX r_{name}{distinct} ON r USING {kind} (k{distinct})"),
                (),
            )?;
        }
    }
    db.execute_batch(
        "CREATE INDEX r_u ON r (u);
         CREATE INDEX r_same ON r USING bitmap (same20);
         CREATE INDEX r_at ON r USING rtree (at);
         CREATE INDEX r_note ON r USING fulltext (note) WITH (analyzer = simple);
         ANALYZE",
    )?;
    tables.store().checkpoint()?;
    Ok(())
}

fn row(id: u64, u: u64) -> Vec<Value> {
    let drawn = |of: u64, below: u64| mix(id ^ (of << 40)) % below;
    let whole = |number: u64| Value::I64(number.cast_signed());
    let mut row = vec![whole(id), whole(u)];
    row.extend(DISTINCT.map(|distinct| whole(drawn(distinct, distinct))));
    let coordinate = |of| drawn(of, SQUARE << 10) as f64 / 1_024.0;
    let words = [("w", 4), ("x", 40), ("y", 400), ("z", 4_000)];
    let words = words.map(|(name, below)| format!("{name}{}", drawn(below, below)));
    row.extend([
        whole(drawn(20, 20)),
        whole(drawn(5, 1_000)),
        Value::Point { x: coordinate(6), y: coordinate(7) },
        Value::Text(words.join(" ")),
    ]);
    row
}

/// The statement of a way; `None` if the plan does not follow it.
fn statement<'c>(db: &'c Connection, condition: &str, way: &str) -> Result<Option<Statement<'c>>> {
    let text = format!("SELECT /*+ {way} */ count(*), sum(v) FROM r WHERE {condition}");
    let plan = db.query(&format!("EXPLAIN (FORMAT JSON) {text}"), ())?;
    let lines: Vec<String> = plan.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?;
    let plan: serde_json::Value = serde_json::from_str(&lines.join("\n"))?;
    let unmet = plan["unmet_hints"].as_array().context("the plan has no list of unmet hints")?;
    if unmet.is_empty() { Ok(Some(db.prepare(&text)?)) } else { Ok(None) }
}

/// Times all ways to the rows of a question, in turns.
fn measure(db: &Connection, question: &Question, turns: Turns) -> Result<Answer> {
    db.execute("BEGIN", ())?;
    let outcome = measure_within(db, question, turns);
    db.execute("ROLLBACK", ())?;
    outcome
}

fn measure_within(db: &Connection, question: &Question, turns: Turns) -> Result<Answer> {
    let mut ways = vec![(String::new(), statement(db, &question.condition, "")?)];
    for way in &question.ways {
        ways.push((way.clone(), statement(db, &question.condition, way)?));
    }
    let ways: Vec<(String, Statement<'_>)> =
        ways.into_iter().filter_map(|(way, found)| Some((way, found?))).collect();
    let expected = answer(&ways[0].1)?;
    let mut times = vec![Vec::new(); ways.len()];
    for round in 0..turns.rounds {
        for turn in 0..ways.len() {
            let at = (turn + round) % ways.len();
            let (way, statement) = &ways[at];
            ensure!(answer(statement)? == expected, "{way} gives another answer");
            times[at].push(time(statement, turns.time_min)?);
        }
    }
    let medians: Vec<f64> = times
        .into_iter()
        .map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        })
        .collect();
    let best = (0..ways.len()).min_by(|one, other| medians[*one].total_cmp(&medians[*other]));
    let best = best.context("there is no way")?;
    Ok(Answer { chosen: medians[0], best: medians[best], best_way: ways[best].0.clone() })
}

/// Processor time of a run, in nanoseconds, over at least so long.
fn time(statement: &Statement<'_>, time_min: Duration) -> Result<f64> {
    let (start, mut runs) = (thread_cpu(), 0_u32);
    loop {
        answer(statement)?;
        runs += 1;
        let used = thread_cpu().saturating_sub(start);
        if used >= time_min {
            return Ok(used.as_secs_f64() * 1e9 / f64::from(runs));
        }
    }
}

fn answer(statement: &Statement<'_>) -> Result<Vec<String>> {
    let mut found = Vec::new();
    statement.for_each((), |row| {
        found.extend(row.iter().map(|value: &ValueRef<'_>| format!("{value:?}")));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_forced_and_give_the_same_answers() {
        let dir = tempfile::tempdir().unwrap();
        let tables = crate::indexes::lightning::tables(dir.path()).unwrap();
        let db = SqlEngine::new(&tables).connect();
        fill(&tables, &db, 500).unwrap();
        let turns = Turns { rounds: 1, time_min: Duration::from_micros(1) };
        let mut forced = 0;
        for question in questions(500) {
            let answer = measure(&db, &question, turns).unwrap();
            assert!(answer.regret() >= 1.0);
            for way in &question.ways {
                forced += usize::from(statement(&db, &question.condition, way).unwrap().is_some());
            }
        }
        assert!(forced > 60, "{forced}");
        assert!(statement(&db, "u < 3", "index(r r_at)").unwrap().is_none());
    }
}
