//! Subject `indexes`: every kind of index against the raw library beneath it and against `SQLite`.
//!
//! A contest first asks all contenders the same questions and compares the answers; only then are
//! they timed, one after another in an order that rotates from round to round. Figures are medians
//! over the rounds. What is told of processor time counts the thread that asks, or where
//! background threads take part, the process.

mod bitmap;
mod bloom;
mod data;
mod kinds;
pub(crate) mod lightning;
mod native;
mod recovery;
mod relevance;
mod spatial;
pub(crate) mod sqlite;
mod text;

pub(crate) use recovery::{ChildArgs, child};

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::comparison::{Case, Comparison, head};
use crate::contest::{self, Turning, Turns};
use crate::report::{Outputs, Report};
use crate::storage::noted;

/// Options of the subject.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Fewer rows and rounds: a first look in less than five minutes
    #[arg(long)]
    quick: bool,
    /// Groups of scenarios by the start of their names, several with commas (default all)
    #[arg(long, value_delimiter = ',')]
    scenario: Vec<String>,
    /// Folder with the data sets that nobody here wrote
    #[arg(long, default_value = "../shared/data")]
    data: PathBuf,
    /// Folder for the stores, on the disk to be measured
    #[arg(long, default_value = "target/compare-data")]
    dir: PathBuf,
    /// Rounds (default 5; quick 3)
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    repeats: Option<u32>,
    #[command(flatten)]
    outputs: Outputs,
}

/// A group of scenarios over the same data.
struct Group {
    name: &'static str,
    run: fn(&mut Bench) -> Result<()>,
}

const GROUPS: &[Group] = &[
    Group { name: "native", run: native::run },
    Group { name: "bitmap", run: bitmap::run },
    Group { name: "spatial", run: spatial::run },
    Group { name: "text", run: text::run },
    Group { name: "relevance", run: relevance::run },
    Group { name: "bloom", run: bloom::run },
    Group { name: "kinds", run: kinds::run },
    Group { name: "recovery", run: recovery::run },
];

/// What a group works with, and where it puts its results.
#[derive(Debug)]
pub(crate) struct Bench {
    /// Whether to do less of the same.
    quick: bool,
    rounds: usize,
    /// An empty folder on the disk to be measured.
    dir: PathBuf,
    data: PathBuf,
    report: Report,
    failures: Vec<String>,
}

impl Bench {
    /// One of two amounts.
    fn pick<T>(&self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }

    /// The shortest time over which a contender is measured in a round.
    fn time_min(&self) -> Duration {
        Duration::from_millis(self.pick(60, 300))
    }

    /// A folder of its own for one store, empty.
    fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.dir.join(name);
        std::fs::create_dir(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(path)
    }

    /// A data set that nobody here wrote; without it the group that asks has no result, and the
    /// run ends with an error that says so.
    fn set(&self, name: &str) -> Result<PathBuf> {
        let path = self.data.join(name);
        ensure!(path.exists(), "no data set {}: name its folder with --data", path.display());
        Ok(path)
    }

    fn case(scenario: &'static str, level: &'static str, keys: u64) -> Case {
        Case { subject: "indexes", scenario, level, keys, threads: 1 }
    }

    fn add(&mut self, comparisons: impl IntoIterator<Item = Comparison>) -> Result<()> {
        comparisons.into_iter().try_for_each(|one| self.report.add(one))
    }
}

impl Turning for Bench {
    fn turns(&self) -> Turns {
        Turns { rounds: self.rounds, time_min: self.time_min() }
    }
}

impl Args {
    fn groups(&self) -> Result<Vec<&'static Group>> {
        let names: Vec<&str> = GROUPS.iter().map(|group| group.name).collect();
        for want in &self.scenario {
            if !names.iter().any(|name| name.starts_with(want.as_str())) {
                bail!("unknown scenario {want}, there are {}", names.join(", "));
            }
        }
        let wants = |group: &&Group| {
            self.scenario.is_empty()
                || self.scenario.iter().any(|want| group.name.starts_with(want.as_str()))
        };
        Ok(GROUPS.iter().filter(wants).collect())
    }

    fn rounds(&self) -> u32 {
        self.repeats.unwrap_or(if self.quick { 3 } else { 5 })
    }

    fn settings(&self) -> Value {
        let version = |package: &str| crate::locked_version(package).unwrap_or("unknown");
        let sqlite = format!("rusqlite {}, SQLite {}", version("rusqlite"), rusqlite::version());
        json!({
            "peers": {
                "roaring": version("roaring"),
                "rstar": version("rstar"),
                "tantivy": version("tantivy"),
                "bloomfilter": version("bloomfilter"),
                "sqlite": sqlite,
            },
            "quick": self.quick,
            "repeats": self.rounds(),
        })
    }
}

/// Runs the subject.
///
/// # Errors
///
/// When an option names what does not exist, when a folder or an output cannot be written, and at
/// the end when a group failed: a data set is not there, or contenders gave different answers.
pub(crate) fn run(args: &Args) -> Result<()> {
    let groups = args.groups()?;
    std::fs::create_dir_all(&args.dir)
        .with_context(|| format!("make the folder {}", args.dir.display()))?;
    // A folder of its own, so that an existing one is never emptied.
    let dir = args.dir.join(format!("run-{}", std::process::id()));
    let mut bench = Bench {
        quick: args.quick,
        rounds: args.rounds() as usize,
        dir: dir.clone(),
        data: args.data.clone(),
        report: Report::new(&args.outputs, head("indexes", &args.settings()))?,
        failures: Vec::new(),
    };
    for group in groups {
        crate::progress(&format!("{}:", group.name));
        std::fs::create_dir(&dir)?;
        let outcome = (group.run)(&mut bench);
        std::fs::remove_dir_all(&dir)?;
        noted(outcome, group.name, &mut bench.failures);
    }
    let failures = std::mem::take(&mut bench.failures);
    bench.report.finish()?;
    ensure!(failures.is_empty(), "groups failed:\n{}", failures.join("\n"));
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A quick bench of one round with its folder in `dir`.
    pub(crate) fn bench(dir: &std::path::Path) -> Bench {
        Bench {
            quick: true,
            rounds: 1,
            dir: dir.to_owned(),
            data: dir.join("nothing"),
            report: Report::new(&Outputs::default(), json!({})).unwrap(),
            failures: Vec::new(),
        }
    }

    fn args(scenario: &[&str]) -> Args {
        Args {
            quick: true,
            scenario: scenario.iter().map(|name| (*name).to_owned()).collect(),
            data: PathBuf::new(),
            dir: PathBuf::new(),
            repeats: None,
            outputs: Outputs::default(),
        }
    }

    #[test]
    fn groups_are_named_by_their_beginning() {
        let names = |scenario: &[&str]| {
            let groups = args(scenario).groups()?;
            Ok::<_, anyhow::Error>(groups.iter().map(|group| group.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).unwrap().len(), GROUPS.len());
        assert_eq!(names(&["b", "text"]).unwrap(), ["bitmap", "text", "bloom"]);
        assert!(names(&["nothing"]).unwrap_err().to_string().contains("bitmap"));
    }

    #[test]
    fn a_data_set_that_is_not_there_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = bench(dir.path()).set("geo/places").unwrap_err().to_string();
        assert!(error.contains("nothing/geo/places") && error.contains("--data"), "{error}");
    }

    #[test]
    fn every_peer_has_a_locked_version() {
        let settings = args(&[]).settings();
        let peers = settings["peers"].as_object().unwrap();
        assert!(peers.values().all(|version| !version.to_string().contains("unknown")));
    }
}
