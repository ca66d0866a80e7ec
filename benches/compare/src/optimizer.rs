//! The optimizer against the truth: how far its estimates are off, what that costs, and how long
//! planning takes.
//!
//! Scenario `q_error_scan`: the conditions of each table of the TPC-H queries. Scenario
//! `q_error_join`: all connected sub-plans of two or more tables. `SQLite` counts the rows on the
//! same data. `plan_error`: what the chosen plans of the inner joins cost under these counts, over
//! the best plans. `learning`: a load whose values hang together, five times while what was counted
//! is learned: what its plans cost under the true counts, over those of the first time. Its
//! statistics know columns one by one; those of `learning_sampled` have samples, references and
//! what joins have in common too, and `learning_tpch` are the joins of TPC-H by the former.
//! `linearised`: orders that are found without looking at all, over the best, for each shape.
//! `plan_job`: planning the Join Order Benchmark.

mod job;
mod orders;
mod quality;
mod queries;
mod skewed;
mod subplans;
pub(crate) mod tpch;

use anyhow::{Context as _, Result};
use lightning_db_optimizer::{Catalog, TableDefinition, q_error};
use lightning_db_types::{Value, ValueType};
use rusqlite::types::Value as Sqlite;
use serde_json::json;

use crate::comparison::{Case, Comparison, Entry, Metric, OURS, head};
use crate::progress;
use crate::report::{Outputs, Report};
use crate::stats::Sample;
use quality::{Bare, Known};
use subplans::{Joins, SubPlan};
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
    /// Graphs of each shape (default 1000; quick 50)
    #[arg(long)]
    graphs: Option<u64>,
    /// Only these parts
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Folder with the queries of the Join Order Benchmark; none are planned if it is not there
    #[arg(long, default_value = "../shared/data/sql/job")]
    job: std::path::PathBuf,
    /// So many of the worst sub-plans are shown
    #[arg(long, default_value_t = 5)]
    worst: usize,
    #[command(flatten)]
    outputs: Outputs,
}

/// A part of the subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Estimates and plans of the TPC-H queries
    Tpch,
    /// Learning on a skewed load
    Learning,
    /// Linearised orders of graphs
    Orders,
    /// Planning the Join Order Benchmark
    Job,
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
    let wanted = |part: Part| args.only.is_empty() || args.only.contains(&part);
    if wanted(Part::Tpch) {
        add_tpch(&mut report, args, scale)?;
    }
    if wanted(Part::Learning) {
        add_skewed(&mut report, args)?;
    }
    if wanted(Part::Orders) {
        add_orders(&mut report, args)?;
    }
    if wanted(Part::Job) {
        add_job(&mut report, args)?;
    }
    report.finish()
}

/// Estimates and plans of TPC-H.
fn add_tpch(report: &mut Report, args: &Args, scale: f64) -> Result<()> {
    progress(&format!("making TPC-H at scale factor {scale}"));
    let mut sqlite = rusqlite::Connection::open_in_memory()?;
    let tpch =
        load(&mut sqlite, &tpch::definitions(), |keep| Tpch::generate(scale, args.seed, keep))?;
    let (mut checked, mut known) = (Vec::new(), Vec::new());
    for joins in &queries::ALL {
        let (one, plans) = counted(&sqlite, joins, &tpch)?;
        for (plan, rows) in plans.into_iter().zip(&one.rows) {
            let actual = *rows as f64;
            let error = q_error(plan.part.by_statistics.point, actual);
            checked.push(Checked { plan, actual, error });
        }
        if one.joins.is_inner() {
            known.push(one);
        }
    }
    for (scenario, joins) in [("q_error_scan", false), ("q_error_join", true)] {
        let of_kind = checked.iter().filter(|it| (it.plan.relations > 1) == joins);
        let mut of_kind: Vec<&Checked> = of_kind.collect();
        of_kind.sort_by(|left, right| left.error.total_cmp(&right.error));
        let errors: Vec<f64> = of_kind.iter().map(|it| it.error).collect();
        add(report, scenario, "q-error", &errors)?;
        for Checked { plan, actual, error } in of_kind.iter().rev().take(args.worst) {
            let estimated = plan.part.by_statistics;
            let (name, point, source) = (&plan.name, estimated.point, estimated.source);
            progress(&format!("{scenario} {error:.2}: {name}: {point:.1} ({source}) for {actual}"));
        }
    }
    progress(&format!("planning {} joins under the truth", known.len()));
    let errors = quality::plan_errors(&known, &quality::indexed(&tpch))?;
    add(report, "plan_error", "x the best", &errors)?;
    let bare = Bare::new(&tpch);
    add_learning(report, "learning_tpch", &known, &quality::indexed(&bare))
}

/// A join with the rows of all of its sub-plans.
fn counted(
    sqlite: &rusqlite::Connection,
    joins: &queries::Joins,
    catalog: &dyn Catalog,
) -> Result<(Known, Vec<SubPlan>)> {
    progress(&format!("counting the sub-plans of {}", joins.name));
    let joins = Joins::new(joins, catalog)?;
    let plans = joins.sub_plans(catalog);
    let mut rows = Vec::new();
    for plan in &plans {
        let count = sqlite.query_row(&plan.sql, [], |row| row.get::<_, i64>(0));
        rows.push(u64::try_from(count.with_context(|| plan.sql.clone())?)?);
    }
    Ok((Known { joins, rows }, plans))
}

/// Learning on a load whose values hang together.
fn add_skewed(report: &mut Report, args: &Args) -> Result<()> {
    let size = skewed::Size::thousands(if args.quick { 4 } else { 40 });
    progress("making the skewed load");
    let mut sqlite = rusqlite::Connection::open_in_memory()?;
    let catalog =
        load(&mut sqlite, &skewed::definitions()?, |keep| skewed::generate(size, args.seed, keep))?;
    let known = skewed::LOAD.iter().map(|joins| Ok(counted(&sqlite, joins, &catalog)?.0));
    let known = known.collect::<Result<Vec<Known>>>()?;
    let indexed = quality::indexed(&catalog);
    add_learning(report, "learning", &known, &Bare::new(&indexed))?;
    add_learning(report, "learning_sampled", &known, &indexed)
}

/// What the plans of five rounds cost under the truth while what was counted is learned.
fn add_learning(
    report: &mut Report,
    scenario: &'static str,
    known: &[Known],
    catalog: &dyn Catalog,
) -> Result<()> {
    progress(&format!("{scenario}: {} joins", known.len()));
    let rounds = quality::rounds(known, catalog)?;
    let sum = |round: usize| rounds.iter().map(|costs| costs[round]).sum::<f64>();
    let last = quality::ROUNDS - 1;
    for (one, costs) in known.iter().zip(&rounds) {
        let factors: Vec<String> =
            costs.iter().map(|cost| format!("{:.2}", cost / costs[0])).collect();
        progress(&format!("{scenario} {}: {}", one.joins.name(), factors.join(" ")));
    }
    let worst = rounds.iter().flat_map(|costs| costs.iter().map(|cost| cost / costs[0]));
    let of = |name| Metric::lower(name, "x round 1");
    let keys = rounds.len() as u64;
    let case = || Case { subject: "optimizer", scenario, level: "none", keys, threads: 1 };
    for (metric, value) in
        [(of("round_5"), sum(last) / sum(0)), (of("worst_plan"), worst.fold(0.0, f64::max))]
    {
        report.add(ours(case(), metric, value))?;
    }
    Ok(())
}

fn add_orders(report: &mut Report, args: &Args) -> Result<()> {
    for (shape, most) in orders::SHAPES {
        progress(&format!("ordering graphs: {shape}"));
        let seeds = args.graphs.unwrap_or(if args.quick { 50 } else { 1_000 });
        let scenario = match shape {
            "chain" => "linearised_chain",
            "star" => "linearised_star",
            "cycle" => "linearised_cycle",
            "tree" => "linearised_tree",
            _ => "linearised_clique",
        };
        add(report, scenario, "x the best", &orders::losses(shape, most, seeds)?)?;
    }
    Ok(())
}

fn add_job(report: &mut Report, args: &Args) -> Result<()> {
    if !args.job.is_dir() {
        progress(&format!("plan_job: skipped, no folder {}", args.job.display()));
        return Ok(());
    }
    let (catalog, queries) = job::load(&args.job)?;
    progress(&format!("planning {} queries of the Join Order Benchmark", queries.len()));
    let repeats = if args.quick { 3 } else { 15 };
    let mut times = job::times(&catalog, &queries, repeats)?;
    times.sort_by(|left, right| left.1.total_cmp(&right.1));
    for (name, time) in times.iter().rev().take(args.worst) {
        progress(&format!("plan_job {time:.0} us: {name}"));
    }
    let times: Vec<f64> = times.into_iter().map(|(_, time)| time).collect();
    add(report, "plan_job", "us", &times)
}

fn ours(case: Case, metric: Metric, value: f64) -> Comparison {
    let sample = Sample { value, latency: None };
    Comparison { case, metric, entries: vec![Entry { engine: OURS, weaker: false, sample }] }
}

fn version(package: &str) -> &'static str {
    crate::locked_version(package).unwrap_or("unknown")
}

/// Percentiles of values that are sorted.
fn add(
    report: &mut Report,
    scenario: &'static str,
    unit: &'static str,
    values: &[f64],
) -> Result<()> {
    let Some(last) = values.len().checked_sub(1) else { return Ok(()) };
    for (name, share) in [("p50", 50), ("p90", 90), ("p95", 95), ("p99", 99), ("max", 100)] {
        let keys = values.len() as u64;
        let case = Case { subject: "optimizer", scenario, level: "none", keys, threads: 1 };
        report.add(ours(case, Metric::lower(name, unit), values[last * share / 100]))?;
    }
    Ok(())
}

/// Takes a row of a table.
type Keep<'a> = dyn FnMut(&TableDefinition, &[Value]) -> Result<()> + 'a;

/// Puts the data that `make` makes into `SQLite`, with an index on each key and reference.
fn load<C>(
    sqlite: &mut rusqlite::Connection,
    definitions: &[TableDefinition],
    make: impl FnOnce(&mut Keep<'_>) -> Result<C>,
) -> Result<C> {
    sqlite.execute_batch("PRAGMA case_sensitive_like = ON")?;
    let transaction = sqlite.transaction()?;
    for definition in definitions {
        transaction.execute_batch(&create(definition))?;
    }
    let made = make(&mut |definition, row| {
        let places = vec!["?"; row.len()].join(",");
        let sql = format!("INSERT INTO {} VALUES ({places})", definition.name);
        let row = row.iter().map(to_sqlite).collect::<Vec<_>>();
        transaction.prepare_cached(&sql)?.execute(rusqlite::params_from_iter(row))?;
        Ok(())
    })?;
    for definition in definitions {
        for (number, columns) in indexed(definition).into_iter().enumerate() {
            let name = &definition.name;
            let sql = format!("CREATE INDEX {name}_{number} ON {name} ({})", columns.join(","));
            transaction.execute_batch(&sql)?;
        }
    }
    transaction.commit()?;
    sqlite.execute_batch("ANALYZE")?;
    Ok(made)
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
        let make = |keep: &mut Keep<'_>| Tpch::generate(0.001, 1, keep);
        let tpch = load(&mut sqlite, &tpch::definitions(), make).unwrap();
        let (mut errors, mut known) = (Vec::new(), Vec::new());
        for joins in &queries::ALL {
            let (one, plans) = counted(&sqlite, joins, &tpch).unwrap();
            for (plan, rows) in plans.iter().zip(&one.rows) {
                let estimated = plan.part.by_statistics;
                assert!(estimated.low <= estimated.point, "{}", plan.name);
                errors.push(q_error(estimated.point, *rows as f64));
            }
            if one.joins.is_inner() {
                known.push(one);
            }
        }
        errors.sort_by(f64::total_cmp);
        assert!(errors.len() > 150, "{}", errors.len());
        // Ten suppliers live in few nations: the worst are far off, the middle is not.
        assert!(errors[errors.len() / 2] < 1.5, "{errors:?}");
        let errors = quality::plan_errors(&known, &quality::indexed(&tpch)).unwrap();
        assert!(errors.len() > 5 && errors[errors.len() / 2] < 1.5, "{errors:?}");
        let bare = Bare::new(&tpch);
        let rounds = quality::rounds(&known, &quality::indexed(&bare)).unwrap();
        let sum = |round: usize| rounds.iter().map(|costs| costs[round]).sum::<f64>();
        assert!(sum(quality::ROUNDS - 1) <= sum(0) * 1.001, "{rounds:?}");
    }

    #[test]
    fn a_skewed_load_is_learned() {
        let mut sqlite = rusqlite::Connection::open_in_memory().unwrap();
        let make = |keep: &mut Keep<'_>| skewed::generate(skewed::Size::thousands(2), 1, keep);
        let catalog = load(&mut sqlite, &skewed::definitions().unwrap(), make).unwrap();
        let known = skewed::LOAD.iter().map(|joins| counted(&sqlite, joins, &catalog).unwrap().0);
        let known: Vec<Known> = known.collect();
        let indexed = quality::indexed(&catalog);
        let rounds = quality::rounds(&known, &Bare::new(&indexed)).unwrap();
        let sum = |round: usize| rounds.iter().map(|costs| costs[round]).sum::<f64>();
        assert!(sum(quality::ROUNDS - 1) < sum(0), "{rounds:?}");
    }

    #[test]
    fn linearised_orders_are_near_the_best() {
        for (shape, _) in orders::SHAPES {
            let losses = orders::losses(shape, 8, 20).unwrap();
            assert!(losses[10] < 1.1, "{shape}: {losses:?}");
        }
    }

    #[test]
    fn values_are_those_that_literals_compare_with() {
        let decimal = Value::Decimal(lightning_db_types::Decimal::new(7, 2).unwrap());
        assert_eq!(to_sqlite(&decimal), Sqlite::Real(0.07));
        let day = tpch::date("1995-03-15").unwrap();
        assert_eq!(to_sqlite(&day), Sqlite::Text("1995-03-15".to_owned()));
    }
}
