//! Subject `ops`: the operations kit beside other recorders of metrics.
//!
//! What metrics cost where they are counted, what they leave in memory, what a scrape takes, what
//! the meters add to a get of the store, and how long shutdowns take.

mod contenders;
mod get;
mod measure;
mod shutdown;
mod upkeep;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::clock::settle;
use crate::comparison::{Case, Comparison, Entry, Metric, OURS, head};
use crate::report::{Outputs, Report};
use crate::stats::Sample;
use contenders::{CONTENDERS, Contender, Scraped, Work};
use get::Build;

const CPU: Metric = Metric::lower("cpu_ns_per_op", "ns");
const SCRAPE: Metric = Metric::lower("cpu_ms_per_scrape", "ms");
const SHUTDOWN: Metric = Metric::lower("shutdown_ms", "ms");
const BEHIND: Metric = Metric::lower("behind_deadline_ms", "ms");
/// The name of the gets without meters among the peers.
const WITHOUT: &str = "without_meters";

/// Options of the subject.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// One short round
    #[arg(long)]
    quick: bool,
    /// Scenarios, several with commas (default all)
    #[arg(long, value_delimiter = ',')]
    scenario: Vec<String>,
    /// Rounds (default 5; quick 1)
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    repeats: Option<u32>,
    /// Values recorded in the scenario `growth` (default 10000000; quick 1000000)
    #[arg(long)]
    records: Option<u64>,
    /// Folder for the stores of the scenario `get`
    #[arg(long, default_value = "target/compare-data")]
    dir: PathBuf,
    #[command(flatten)]
    outputs: Outputs,
}

/// What a process of this program does for the subject.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ChildArgs {
    #[command(subcommand)]
    task: Task,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Task {
    /// Gets keys of a store
    Get(get::ChildArgs),
    /// Records values
    Record(measure::ChildArgs),
}

/// How much is measured.
#[derive(Clone, Debug)]
struct Scale {
    /// Time that each measurement takes at least.
    time: Duration,
    /// Values recorded and not read.
    records: u64,
    /// Gets whose instructions are counted.
    gets: u64,
    /// The deadline of a shutdown that hangs.
    deadline: Duration,
    dir: PathBuf,
}

/// Runs a scenario once: a value for each contender that takes part.
type Measure = fn(&Scale, &mut dyn FnMut(&'static str, f64)) -> Result<()>;

struct Scenario {
    name: &'static str,
    /// Series, keys or components.
    size: u64,
    metric: Metric,
    measure: Measure,
}

const SCENARIOS: &[Scenario] = &[
    scenario("counter", 1, CPU, |scale, take| work(Work::Counter, scale, take)),
    scenario("labelled", 8, CPU, |scale, take| work(Work::Labelled, scale, take)),
    scenario("labelled_value", 8, CPU, |scale, take| work(Work::LabelledValue, scale, take)),
    scenario("histogram", 1, CPU, |scale, take| work(Work::Histogram, scale, take)),
    scenario("growth", 1, measure::GROWTH, |scale, take| {
        each(take, |contender| measure::growth(contender, scale.records))
    }),
    scenario("scrape_counters", 1_000, SCRAPE, |scale, take| {
        each(take, |contender| measure::scrape_ms(contender, Scraped::Counters, scale.time))
    }),
    scenario("scrape_histograms", 1_000, SCRAPE, |scale, take| {
        each(take, |contender| measure::scrape_ms(contender, Scraped::Histograms, scale.time))
    }),
    scenario("get", 10_000, get::INSTRUCTIONS, |scale, take| {
        if !get::has_valgrind() {
            crate::progress("get: instructions skipped, valgrind is not installed");
            return Ok(());
        }
        gets(take, |build| get::instructions(build, scale.gets, &folder(&scale.dir)?))
    }),
    scenario("get", 10_000, get::TIME, |scale, take| {
        gets(take, |build| get::time(build, scale.gets * 100, &folder(&scale.dir)?))
    }),
    scenario("shutdown_idle", 100, SHUTDOWN, |_, take| {
        take(OURS, shutdown::idle()?);
        Ok(())
    }),
    scenario("shutdown_hung", 1, BEHIND, |scale, take| {
        take(OURS, shutdown::hung(scale.deadline)?);
        Ok(())
    }),
];

const fn scenario(name: &'static str, size: u64, metric: Metric, measure: Measure) -> Scenario {
    Scenario { name, size, metric, measure }
}

fn work(work: Work, scale: &Scale, take: &mut dyn FnMut(&'static str, f64)) -> Result<()> {
    each(take, |contender| measure::cpu_ns(contender, work, scale.time))
}

fn each(
    take: &mut dyn FnMut(&'static str, f64),
    measure: impl Fn(&Contender) -> Result<f64>,
) -> Result<()> {
    for contender in CONTENDERS {
        settle(Duration::from_millis(500));
        take(contender.name, measure(contender)?);
    }
    Ok(())
}

fn gets(
    take: &mut dyn FnMut(&'static str, f64),
    measure: impl Fn(Build) -> Result<f64>,
) -> Result<()> {
    take(OURS, measure(Build::With)?);
    take(WITHOUT, measure(Build::Without)?);
    Ok(())
}

/// A folder of its own, removed at the end of the program at the latest.
fn folder(dir: &std::path::Path) -> Result<PathBuf> {
    let folder = dir.join(format!("run-ops-{}", std::process::id()));
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

impl Args {
    fn scenarios(&self) -> Result<Vec<&'static Scenario>> {
        let is_known = |name: &String| SCENARIOS.iter().any(|known| known.name == *name);
        if let Some(unknown) = self.scenario.iter().find(|name| !is_known(name)) {
            let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
            bail!("unknown scenario {unknown}, there are {}", names.join(", "));
        }
        let is_wanted = |scenario: &&Scenario| {
            self.scenario.is_empty() || self.scenario.iter().any(|name| name == scenario.name)
        };
        Ok(SCENARIOS.iter().filter(is_wanted).collect())
    }

    fn rounds(&self) -> usize {
        self.repeats.unwrap_or(if self.quick { 1 } else { 5 }) as usize
    }

    fn scale(&self) -> Scale {
        let (ms, records, gets) =
            if self.quick { (50, 1_000_000, 5_000) } else { (300, 10_000_000, 20_000) };
        Scale {
            time: Duration::from_millis(ms),
            records: self.records.unwrap_or(records),
            gets,
            deadline: Duration::from_millis(400),
            dir: self.dir.clone(),
        }
    }

    fn settings(&self, scale: &Scale) -> Value {
        let version = |contender: &Contender| {
            let version = crate::locked_version(contender.package).unwrap_or("unknown");
            (contender.name.to_owned(), json!(format!("{} {version}", contender.package)))
        };
        let engines: serde_json::Map<String, Value> = CONTENDERS.iter().map(version).collect();
        json!({
            "engines": engines,
            "quick": self.quick,
            "repeats": self.rounds(),
            "records": scale.records,
            "hung_deadline_ms": u64::try_from(scale.deadline.as_millis()).unwrap_or(0),
        })
    }
}

/// Runs the subject.
///
/// # Errors
///
/// When a scenario is unknown, a recorder fails, or an output cannot be written.
pub(crate) fn run(args: &Args) -> Result<()> {
    let scenarios = args.scenarios()?;
    let scale = args.scale();
    let mut report = Report::new(&args.outputs, head("ops", &args.settings(&scale)))?;
    for scenario in scenarios {
        report.add(compare(scenario, args.rounds(), &scale)?)?;
    }
    let folder = folder(&scale.dir)?;
    std::fs::remove_dir_all(folder)?;
    report.finish()
}

/// Runs what a process of the subject is to do.
///
/// # Errors
///
/// Those of the task.
pub(crate) fn child(args: &ChildArgs) -> Result<()> {
    match &args.task {
        Task::Get(args) => get::child(args),
        Task::Record(args) => measure::child(args),
    }
}

/// All contenders one after the other in each round; medians over the rounds.
fn compare(scenario: &Scenario, rounds: usize, scale: &Scale) -> Result<Comparison> {
    let mut measured: Vec<(&'static str, Vec<Sample>)> = Vec::new();
    for _ in 0..rounds {
        (scenario.measure)(scale, &mut |name, value| {
            crate::progress(&format!("{}: {name}: {value:.2}", scenario.name));
            let sample = Sample { value, latency: None };
            match measured.iter_mut().find(|(known, _)| *known == name) {
                Some((_, samples)) => samples.push(sample),
                None => measured.push((name, vec![sample])),
            }
        })?;
    }
    let case = Case {
        subject: "ops",
        scenario: scenario.name,
        level: "none",
        keys: scenario.size,
        threads: 1,
    };
    let entry = |(engine, samples): &(&'static str, Vec<Sample>)| {
        Some(Entry { engine, weaker: false, sample: Sample::median(samples)? })
    };
    Ok(Comparison {
        case,
        metric: scenario.metric,
        entries: measured.iter().filter_map(entry).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_no_process_has_ours_and_its_peers() {
        let scale = Scale {
            time: Duration::from_millis(5),
            records: 1_000,
            gets: 10,
            deadline: Duration::from_millis(40),
            dir: PathBuf::new(),
        };
        for scenario in SCENARIOS {
            // The program of the tests is not the one that would be started.
            if matches!(scenario.name, "growth" | "get") {
                continue;
            }
            let comparison = compare(scenario, 1, &scale).unwrap();
            assert!(comparison.ours().is_some(), "{}", scenario.name);
            let peers = if scenario.name.starts_with("shutdown") { 0 } else { 4 };
            assert_eq!(comparison.peers().count(), peers, "{}", scenario.name);
        }
    }

    #[test]
    fn versions_are_locked_and_unknown_scenarios_are_named() {
        let args = |scenario: &[&str]| Args {
            quick: true,
            scenario: scenario.iter().map(|name| (*name).to_owned()).collect(),
            repeats: None,
            records: Some(7),
            dir: PathBuf::new(),
            outputs: Outputs::default(),
        };
        let settings = args(&[]).settings(&args(&[]).scale());
        assert!(!settings["engines"].to_string().contains("unknown"), "{settings}");
        assert_eq!(settings["records"], 7);
        assert_eq!(args(&["get"]).scenarios().unwrap().len(), 2);
        let error = args(&["sleep"]).scenarios().err().unwrap().to_string();
        assert!(error.contains("there are counter, labelled"), "{error}");
    }
}
