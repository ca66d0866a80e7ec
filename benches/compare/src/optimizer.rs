//! The optimizer against the truth: how far its estimates are off.
//!
//! Scenario `q_error_scan`: the conditions of each table of the TPC-H queries. Scenario
//! `q_error_join`: all connected sub-plans of two or more tables. `SQLite` counts the rows on the
//! same data.

mod queries;
mod subplans;
mod tpch;

use anyhow::{Context as _, Result};
use lightning_db_optimizer::{TableDefinition, q_error};
use lightning_db_types::{Value, ValueType};
use rusqlite::types::Value as Sqlite;
use serde_json::json;

use crate::comparison::{Case, Comparison, Entry, Metric, OURS, head};
use crate::progress;
use crate::report::{Outputs, Report};
use crate::stats::Sample;
use subplans::{Plan, SubPlan};
use tpch::Tpch;

/// Options of the subject `optimizer`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// TPC-H scale factor (default 0.1; quick 0.01)
    #[arg(long)]
    scale: Option<f64>,
    /// A short run that shows that everything works
    #[arg(long)]
    quick: bool,
    /// Seed of the samples
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// So many of the worst sub-plans are shown
    #[arg(long, default_value_t = 5)]
    worst: usize,
    #[command(flatten)]
    outputs: Outputs,
}

/// A sub-plan and its rows.
struct Checked {
    plan: SubPlan,
    actual: f64,
    error: f64,
}

/// Runs the subject.
///
/// # Errors
///
/// When the data cannot be made or counted, or an output cannot be written.
pub(crate) fn run(args: &Args) -> Result<()> {
    let scale = args.scale.unwrap_or(if args.quick { 0.01 } else { 0.1 });
    let settings = json!({
        "data": format!("TPC-H, scale factor {scale}, by tpchgen {}", version("tpchgen")),
        "truth": format!("SQLite, rusqlite {}", version("rusqlite")),
        "quick": args.quick,
        "seed": args.seed,
    });
    let mut report = Report::new(&args.outputs, head("optimizer", &settings))?;
    progress(&format!("making TPC-H at scale factor {scale}"));
    let mut sqlite = rusqlite::Connection::open_in_memory()?;
    let tpch = load(&mut sqlite, scale, args.seed)?;
    let mut checked = Vec::new();
    for joins in &queries::ALL {
        progress(&format!("counting the sub-plans of {}", joins.name));
        let plan = Plan::new(joins, &tpch)?;
        for plan in plan.sub_plans(&tpch) {
            let count = sqlite.query_row(&plan.sql, [], |row| row.get::<_, i64>(0));
            let actual = count.with_context(|| plan.sql.clone())? as f64;
            let error = q_error(plan.estimated.point, actual);
            checked.push(Checked { plan, actual, error });
        }
    }
    for (scenario, joins) in [("q_error_scan", false), ("q_error_join", true)] {
        let of_kind = checked.iter().filter(|it| (it.plan.relations > 1) == joins);
        let mut of_kind: Vec<&Checked> = of_kind.collect();
        of_kind.sort_by(|left, right| left.error.total_cmp(&right.error));
        add(&mut report, scenario, &of_kind)?;
        for Checked { plan, actual, error } in of_kind.iter().rev().take(args.worst) {
            let (name, point, source) = (&plan.name, plan.estimated.point, plan.estimated.source);
            progress(&format!("{scenario} {error:.2}: {name}: {point:.1} ({source}) for {actual}"));
        }
    }
    report.finish()
}

fn version(package: &str) -> &'static str {
    crate::locked_version(package).unwrap_or("unknown")
}

/// Percentiles of errors that are sorted.
fn add(report: &mut Report, scenario: &'static str, checked: &[&Checked]) -> Result<()> {
    let Some(last) = checked.len().checked_sub(1) else { return Ok(()) };
    for (name, share) in [("p50", 50), ("p90", 90), ("p95", 95), ("p99", 99), ("max", 100)] {
        let value = checked[last * share / 100].error;
        report.add(Comparison {
            case: Case {
                subject: "optimizer",
                scenario,
                level: "none",
                keys: checked.len() as u64,
                threads: 1,
            },
            metric: Metric::lower(name, "q-error"),
            entries: vec![Entry {
                engine: OURS,
                weaker: false,
                sample: Sample { value, latency: None },
            }],
        })?;
    }
    Ok(())
}

/// Makes the data, and puts it into `SQLite` with an index on each key and reference.
fn load(sqlite: &mut rusqlite::Connection, scale: f64, seed: u64) -> Result<Tpch> {
    sqlite.execute_batch("PRAGMA case_sensitive_like = ON")?;
    let transaction = sqlite.transaction()?;
    for definition in tpch::definitions() {
        transaction.execute_batch(&create(&definition))?;
    }
    let tpch = Tpch::generate(scale, seed, &mut |definition, row| {
        let places = vec!["?"; row.len()].join(",");
        let sql = format!("INSERT INTO {} VALUES ({places})", definition.name);
        let row = row.iter().map(to_sqlite).collect::<Vec<_>>();
        transaction.prepare_cached(&sql)?.execute(rusqlite::params_from_iter(row))?;
        Ok(())
    })?;
    for definition in tpch::definitions() {
        for (number, columns) in indexed(&definition).into_iter().enumerate() {
            let name = &definition.name;
            let sql = format!("CREATE INDEX {name}_{number} ON {name} ({})", columns.join(","));
            transaction.execute_batch(&sql)?;
        }
    }
    transaction.commit()?;
    sqlite.execute_batch("ANALYZE")?;
    Ok(tpch)
}

/// Columns of keys and references.
fn indexed(definition: &TableDefinition) -> Vec<Vec<&str>> {
    let foreign = definition.foreign_keys.iter().map(|it| &it.columns);
    let all = definition.keys.iter().chain(foreign);
    all.map(|columns| columns.iter().map(|at| definition.columns[*at].name.as_str()).collect())
        .collect()
}

fn create(definition: &TableDefinition) -> String {
    let columns = definition.columns.iter().map(|column| {
        let of = match column.value_type {
            ValueType::I64 => "INTEGER",
            ValueType::Decimal => "REAL",
            _ => "TEXT",
        };
        format!("{} {of}", column.name)
    });
    let columns = columns.collect::<Vec<_>>().join(",");
    format!("CREATE TABLE {} ({columns})", definition.name)
}

/// A value as `SQLite` has it: a decimal as the nearest float, as a literal of the same digits is,
/// and a day as text.
fn to_sqlite(value: &Value) -> Sqlite {
    match value {
        Value::I64(value) => Sqlite::Integer(*value),
        Value::Text(text) => Sqlite::Text(text.clone()),
        Value::Decimal(decimal) => decimal.to_string().parse().map_or(Sqlite::Null, Sqlite::Real),
        Value::Date(_) => {
            let text = lightning_db_expression::Expression::literal(value.clone()).to_string();
            Sqlite::Text(text.trim_start_matches("DATE ").trim_matches('\'').to_owned())
        }
        _ => Sqlite::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_sub_plans_are_counted_and_estimated() {
        let mut sqlite = rusqlite::Connection::open_in_memory().unwrap();
        let tpch = load(&mut sqlite, 0.001, 1).unwrap();
        let mut errors = Vec::new();
        for joins in &queries::ALL {
            for plan in Plan::new(joins, &tpch).unwrap().sub_plans(&tpch) {
                let actual = sqlite.query_row(&plan.sql, [], |row| row.get::<_, i64>(0));
                let actual = actual.unwrap() as f64;
                assert!(plan.estimated.low <= plan.estimated.point, "{}", plan.name);
                errors.push(q_error(plan.estimated.point, actual));
            }
        }
        errors.sort_by(f64::total_cmp);
        assert!(errors.len() > 150, "{}", errors.len());
        // Ten suppliers live in few nations: the worst are far off, the middle is not.
        assert!(errors[errors.len() / 2] < 1.5, "{errors:?}");
    }

    #[test]
    fn values_are_those_that_literals_compare_with() {
        let decimal = Value::Decimal(lightning_db_types::Decimal::new(7, 2).unwrap());
        assert_eq!(to_sqlite(&decimal), Sqlite::Real(0.07));
        let day = tpch::date("1995-03-15").unwrap();
        assert_eq!(to_sqlite(&day), Sqlite::Text("1995-03-15".to_owned()));
    }
}
