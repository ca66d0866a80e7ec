//! Subject `sql`: statements of SQL against the same statements on `SQLite`.
//!
//! Both engines hold the same TPC-H tables with the same indexes and fresh statistics; look-ups
//! and inserts have them with whole numbers and texts alone, queries over much of them as [`tpch`]
//! says. Each question is first asked of both and the answers are compared; only then are they
//! timed, in turns that rotate from round to round. Figures are medians over the rounds.

mod data;
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

use crate::comparison::{Case, head};
use crate::contest::{Contest, Turns};
use crate::indexes::{lightning, sqlite};
use crate::report::{Outputs, Report};
use crate::storage::noted;

/// Name of the peer.
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

/// A scenario: both engines run the same statements.
struct Scenario {
    name: &'static str,
    contest: for<'a> fn(&'a Both, Case) -> Result<Contest<'a>>,
}

const SCENARIOS: &[Scenario] = &[
    Scenario { name: "key_prepared", contest: reads::key_prepared },
    Scenario { name: "key_from_text", contest: reads::key_from_text },
    Scenario { name: "key_from_same_text", contest: reads::key_from_same_text },
    Scenario { name: "secondary_10", contest: reads::secondary },
    Scenario { name: "range_100", contest: reads::range },
    Scenario { name: "join_2", contest: reads::join_of_two },
    Scenario { name: "join_6", contest: reads::join_of_six },
    Scenario { name: "insert_1", contest: writes::one },
    Scenario { name: "insert_1000", contest: writes::thousand },
    Scenario { name: "scan_lineitem", contest: tpch::scan },
    Scenario { name: "tpch_all", contest: tpch::all },
    Scenario { name: "tpch_q01", contest: tpch::query },
    Scenario { name: "tpch_q02", contest: tpch::query },
    Scenario { name: "tpch_q03", contest: tpch::query },
    Scenario { name: "tpch_q04", contest: tpch::query },
    Scenario { name: "tpch_q05", contest: tpch::query },
    Scenario { name: "tpch_q06", contest: tpch::query },
    Scenario { name: "tpch_q07", contest: tpch::query },
    Scenario { name: "tpch_q08", contest: tpch::query },
    Scenario { name: "tpch_q09", contest: tpch::query },
    Scenario { name: "tpch_q10", contest: tpch::query },
    Scenario { name: "tpch_q11", contest: tpch::query },
    Scenario { name: "tpch_q12", contest: tpch::query },
    Scenario { name: "tpch_q13", contest: tpch::query },
    Scenario { name: "tpch_q14", contest: tpch::query },
    Scenario { name: "tpch_q15", contest: tpch::query },
    Scenario { name: "tpch_q16", contest: tpch::query },
    Scenario { name: "tpch_q17", contest: tpch::query },
    Scenario { name: "tpch_q18", contest: tpch::query },
    Scenario { name: "tpch_q19", contest: tpch::query },
    Scenario { name: "tpch_q20", contest: tpch::query },
    Scenario { name: "tpch_q21", contest: tpch::query },
    Scenario { name: "tpch_q22", contest: tpch::query },
];

/// The two engines over the same rows.
struct Both {
    ours: Connection,
    theirs: rusqlite::Connection,
    /// Rows of the largest table.
    rows: u64,
    /// Keys that are there, in no order.
    keys: data::Keys,
    /// The same tables with decimals and dates, for queries over much of them.
    tpch: tpch::Filled,
    dir: PathBuf,
    scale: f64,
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
        let (tpch, dir) = (tpch::Filled::default(), dir.to_owned());
        Ok(Self { ours, theirs, rows, keys, tpch, dir, scale, _tables: tables })
    }
}

impl Args {
    fn scenarios(&self) -> Result<Vec<&'static Scenario>> {
        let names = SCENARIOS.iter().map(|scenario| scenario.name).chain([regret::NAME]);
        let names: Vec<&str> = names.collect();
        for want in &self.scenario {
            if !names.iter().any(|name| name.starts_with(want.as_str())) {
                bail!("unknown scenario {want}, there are {}", names.join(", "));
            }
        }
        Ok(SCENARIOS.iter().filter(|scenario| self.wants(scenario.name)).collect())
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

    fn settings(&self) -> Value {
        let version = crate::locked_version("rusqlite").unwrap_or("unknown");
        json!({
            "peers": { SQLITE: format!("rusqlite {version}, SQLite {}", rusqlite::version()) },
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
    let scenarios = args.scenarios()?;
    std::fs::create_dir_all(&args.dir)
        .with_context(|| format!("make the folder {}", args.dir.display()))?;
    // A folder of its own, so that an existing one is never emptied.
    let dir = args.dir.join(format!("run-{}", std::process::id()));
    std::fs::create_dir(&dir)?;
    let mut report = Report::new(&args.outputs, head("sql", &args.settings()))?;
    let outcome = contests(args, &scenarios, &dir, &mut report);
    std::fs::remove_dir_all(&dir)?;
    let failures = outcome?;
    report.finish()?;
    ensure!(failures.is_empty(), "scenarios failed:\n{}", failures.join("\n"));
    Ok(())
}

/// Fills both engines and runs the scenarios; gives what failed.
fn contests(
    args: &Args,
    scenarios: &[&Scenario],
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
    if scenarios.is_empty() {
        return Ok(failures);
    }
    crate::progress("filling the tables");
    let both = Both::new(dir, args.scale())?;
    for Scenario { name, contest } in scenarios {
        let (subject, level, keys) = ("sql", lightning::LEVEL, both.rows);
        let case = Case { subject, scenario: name, level, keys, threads: 1 };
        let measured = contest(&both, case).and_then(|contest| contest.run(&args.turns()));
        if let Some(comparisons) = noted(measured, name, &mut failures) {
            comparisons.into_iter().try_for_each(|one| report.add(one))?;
        }
    }
    Ok(failures)
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

    #[test]
    fn both_engines_give_the_same_answers_in_each_scenario() {
        let dir = tempfile::tempdir().unwrap();
        let both = Both::new(dir.path(), tpch::SCALE_MIN).unwrap();
        let turns = Turns { rounds: 1, time_min: Duration::from_millis(1) };
        for Scenario { name, contest } in SCENARIOS {
            let case = Case { subject: "sql", scenario: name, level: "none", keys: 1, threads: 1 };
            let [ops, cpu] = contest(&both, case).unwrap().run(&turns).unwrap();
            for comparison in [ops, cpu] {
                let engines: Vec<&str> = comparison.entries.iter().map(|it| it.engine).collect();
                assert_eq!(engines, [OURS, SQLITE], "{name}");
            }
        }
    }

    #[test]
    fn scenarios_are_named_by_their_beginning() {
        let names = |scenario: &[&str]| {
            let scenarios = args(scenario).scenarios()?;
            Ok::<_, anyhow::Error>(scenarios.iter().map(|it| it.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).unwrap().len(), SCENARIOS.len());
        assert_eq!(names(&["join"]).unwrap(), ["join_2", "join_6"]);
        assert!(names(&["nothing"]).unwrap_err().to_string().contains("range_100"));
    }

    #[test]
    fn the_peer_has_a_locked_version() {
        assert!(!args(&[]).settings()["peers"].to_string().contains("unknown"));
    }
}
