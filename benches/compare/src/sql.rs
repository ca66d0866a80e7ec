//! Subject `sql`: statements of SQL against the same statements on `SQLite`.
//!
//! Both engines hold the same TPC-H tables with the same indexes and fresh statistics; look-ups
//! and inserts have them with whole numbers and texts alone, queries over much of them as [`tpch`]
//! says, and `DuckDB` beside them where it is there. Each question is first asked of all and the
//! answers are compared; only then are they timed, in turns that rotate from round to round.
//! Figures are medians over the rounds.

mod data;
mod duckdb;
#[cfg(test)]
mod random;
mod reads;
mod regret;
mod tpch;
mod writes;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use lightning_db_sql::{Connection, SqlEngine};
use lightning_db_table::Tables;
use serde_json::{Value, json};

use self::duckdb::{DUCKDB, Wheel};
use crate::comparison::{Case, head};
use crate::contest::{Contest, Turns};
use crate::indexes::{lightning, sqlite};
use crate::report::{Outputs, Report};
use crate::storage::noted;

/// Name of the peer in all scenarios.
const SQLITE: &str = "sqlite";

/// Options of the subject.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Fewer rows and rounds: a first look
    #[arg(long)]
    quick: bool,
    /// Scenarios by the start of their names, several with commas (default all)
    #[arg(long, value_delimiter = ',')]
    scenario: Vec<String>,
    /// Scale of the TPC-H tables, 1 is 6 million line items (default 0.1; quick 0.01)
    #[arg(long)]
    scale: Option<f64>,
    /// Folder for the stores, on the disk to be measured
    #[arg(long, default_value = "target/compare-data")]
    dir: PathBuf,
    /// Rounds (default 5; quick 3)
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    repeats: Option<u32>,
    #[command(flatten)]
    outputs: Outputs,
}

/// A scenario: all of the engines `E` run the same statements.
struct Scenario<E: 'static> {
    name: &'static str,
    contest: for<'a> fn(&'a E, Case) -> Result<Contest<'a>>,
}

const SCENARIOS: &[Scenario<Both>] = &[
    Scenario { name: "key_prepared", contest: reads::key_prepared },
    Scenario { name: "key_from_text", contest: reads::key_from_text },
    Scenario { name: "key_from_same_text", contest: reads::key_from_same_text },
    Scenario { name: "secondary_10", contest: reads::secondary },
    Scenario { name: "range_100", contest: reads::range },
    Scenario { name: "join_2", contest: reads::join_of_two },
    Scenario { name: "join_6", contest: reads::join_of_six },
    Scenario { name: "insert_1", contest: writes::one },
    Scenario { name: "insert_1000", contest: writes::thousand },
];

/// The two engines over the same rows.
struct Both {
    ours: Connection,
    theirs: rusqlite::Connection,
    /// Rows of the largest table.
    rows: u64,
    /// Keys that are there, in no order.
    keys: data::Keys,
    _tables: Tables,
}

impl Both {
    /// Opens both in an empty folder, and fills them.
    fn new(dir: &Path, scale: f64) -> Result<Self> {
        let (at, of) = (dir.join("lightning"), dir.join("sqlite"));
        std::fs::create_dir(&at)?;
        std::fs::create_dir(&of)?;
        let tables = lightning::tables(&at)?;
        let ours = SqlEngine::new(&tables).connect();
        let theirs = sqlite::open(&of)?;
        let (rows, keys) = data::fill(&tables, &ours, &theirs, scale)?;
        Ok(Self { ours, theirs, rows, keys, _tables: tables })
    }
}

impl Args {
    /// Fails when no scenario has a name that is asked for.
    fn check(&self) -> Result<()> {
        let names = SCENARIOS.iter().map(|scenario| scenario.name);
        let names = names.chain(tpch::SCENARIOS.iter().map(|scenario| scenario.name));
        let names: Vec<&str> = names.chain([regret::NAME]).collect();
        for want in &self.scenario {
            if !names.iter().any(|name| name.starts_with(want.as_str())) {
                bail!("unknown scenario {want}, there are {}", names.join(", "));
            }
        }
        Ok(())
    }

    /// Those of the scenarios that are asked for.
    fn wanted<E>(&self, scenarios: &'static [Scenario<E>]) -> Vec<&'static Scenario<E>> {
        scenarios.iter().filter(|scenario| self.wants(scenario.name)).collect()
    }

    fn wants(&self, name: &str) -> bool {
        self.scenario.is_empty() || self.scenario.iter().any(|want| name.starts_with(want.as_str()))
    }

    fn turns(&self) -> Turns {
        let (rounds, millis) = if self.quick { (3, 60) } else { (5, 300) };
        let rounds = self.repeats.map_or(rounds, |repeats| repeats as usize);
        Turns { rounds, time_min: Duration::from_millis(millis) }
    }

    fn scale(&self) -> f64 {
        self.scale.unwrap_or(if self.quick { 0.01 } else { 0.1 })
    }

    fn settings(&self, wheel: Option<&Wheel>) -> Value {
        let version = crate::locked_version("rusqlite").unwrap_or("unknown");
        let sqlite = format!("rusqlite {version}, SQLite {}", rusqlite::version());
        let mut peers = json!({ SQLITE: sqlite });
        if let Some(wheel) = wheel {
            peers[DUCKDB] = json!(format!("DuckDB {}, one thread", wheel.version));
        }
        json!({
            "peers": peers,
            "quick": self.quick,
            "scale": self.scale(),
            "repeats": self.turns().rounds,
        })
    }
}

/// Runs the subject.
///
/// # Errors
///
/// When an option names what does not exist, when a folder or an output cannot be written, and at
/// the end when a scenario failed, such as by different answers.
pub(crate) fn run(args: &Args) -> Result<()> {
    args.check()?;
    std::fs::create_dir_all(&args.dir)
        .with_context(|| format!("make the folder {}", args.dir.display()))?;
    // A folder of its own, so that an existing one is never emptied.
    let dir = args.dir.join(format!("run-{}", std::process::id()));
    std::fs::create_dir(&dir)?;
    let wheel = if args.wanted(tpch::SCENARIOS).is_empty() { None } else { Wheel::find() };
    let mut report = Report::new(&args.outputs, head("sql", &args.settings(wheel.as_ref())))?;
    let outcome = contests(args, wheel.as_ref(), &dir, &mut report);
    std::fs::remove_dir_all(&dir)?;
    let failures = outcome?;
    report.finish()?;
    ensure!(failures.is_empty(), "scenarios failed:\n{}", failures.join("\n"));
    Ok(())
}

/// Fills the engines and runs the scenarios; gives what failed.
fn contests(
    args: &Args,
    wheel: Option<&Wheel>,
    dir: &Path,
    report: &mut Report,
) -> Result<Vec<String>> {
    let mut failures = Vec::new();
    if args.wants(regret::NAME) {
        let measured = regret::run(dir, args.quick, args.turns());
        if let Some(comparisons) = noted(measured, regret::NAME, &mut failures) {
            comparisons.into_iter().try_for_each(|one| report.add(one))?;
        }
    }
    let scenarios = args.wanted(SCENARIOS);
    if !scenarios.is_empty() {
        crate::progress("filling the tables");
        let both = Both::new(dir, args.scale())?;
        measured(args, (&both, both.rows), &scenarios, report, &mut failures)?;
    }
    let scenarios = args.wanted(tpch::SCENARIOS);
    if !scenarios.is_empty() {
        let filled = tpch::Engines::new(dir, args.scale(), wheel);
        if let Some(engines) = noted(filled, "TPC-H", &mut failures) {
            let rows = engines.lineitems as u64;
            measured(args, (&engines, rows), &scenarios, report, &mut failures)?;
        }
    }
    Ok(failures)
}

/// Runs scenarios over `engines`, which hold so many rows.
fn measured<E>(
    args: &Args,
    (engines, rows): (&E, u64),
    scenarios: &[&Scenario<E>],
    report: &mut Report,
    failures: &mut Vec<String>,
) -> Result<()> {
    for Scenario { name, contest } in scenarios {
        let (subject, level) = ("sql", lightning::LEVEL);
        let case = Case { subject, scenario: name, level, keys: rows, threads: 1 };
        let measured = contest(engines, case).and_then(|contest| contest.run(&args.turns()));
        if let Some(comparisons) = noted(measured, name, failures) {
            comparisons.into_iter().try_for_each(|one| report.add(one))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::OURS;

    fn args(scenario: &[&str]) -> Args {
        Args {
            quick: true,
            scenario: scenario.iter().map(|name| (*name).to_owned()).collect(),
            scale: Some(0.001),
            dir: PathBuf::new(),
            repeats: Some(1),
            outputs: Outputs::default(),
        }
    }

    /// Who takes part in each of the scenarios.
    fn check<E>(engines: &E, scenarios: &[Scenario<E>], expected: &[&str]) {
        let turns = Turns { rounds: 1, time_min: Duration::from_millis(1) };
        for Scenario { name, contest } in scenarios {
            let case = Case { subject: "sql", scenario: name, level: "none", keys: 1, threads: 1 };
            let [ops, cpu] = contest(engines, case).unwrap().run(&turns).unwrap();
            for comparison in [ops, cpu] {
                let engines: Vec<&str> = comparison.entries.iter().map(|it| it.engine).collect();
                assert_eq!(engines, expected, "{name}");
            }
        }
    }

    #[test]
    fn both_engines_give_the_same_answers_in_each_scenario() {
        let dir = tempfile::tempdir().unwrap();
        check(&Both::new(dir.path(), 0.002).unwrap(), SCENARIOS, &[OURS, SQLITE]);
        let wheel = Wheel::find();
        for wheel in [None].into_iter().chain(wheel.as_ref().map(Some)) {
            let dir = tempfile::tempdir().unwrap();
            let engines = tpch::Engines::new(dir.path(), tpch::SCALE_MIN, wheel).unwrap();
            let expected = [OURS, SQLITE, DUCKDB];
            check(&engines, tpch::SCENARIOS, &expected[..2 + usize::from(wheel.is_some())]);
        }
    }

    #[test]
    fn scenarios_are_named_by_their_beginning() {
        let names = |scenario: &[&str]| {
            let args = args(scenario);
            args.check()?;
            let names = args.wanted(SCENARIOS).into_iter().map(|it| it.name);
            let of_tpch = args.wanted(tpch::SCENARIOS).into_iter().map(|it| it.name);
            Ok::<_, anyhow::Error>(names.chain(of_tpch).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).unwrap().len(), SCENARIOS.len() + tpch::SCENARIOS.len());
        assert_eq!(names(&["join"]).unwrap(), ["join_2", "join_6"]);
        let scans = ["scan_lineitem", "scan_lineitem_kept", "tpch_all"];
        assert_eq!(names(&["scan", "tpch_a"]).unwrap(), scans);
        assert!(names(&["nothing"]).unwrap_err().to_string().contains("range_100"));
    }

    #[test]
    fn the_peers_have_versions_and_only_those_that_are_there() {
        let peers = |wheel| args(&[]).settings(wheel)["peers"].clone();
        assert!(!peers(None).to_string().contains("unknown"));
        assert!(peers(None).get(DUCKDB).is_none());
        if let Some(wheel) = Wheel::find() {
            let version = peers(Some(&wheel))[DUCKDB].to_string();
            assert!(version.contains(&wheel.version), "{version}");
        }
    }
}
