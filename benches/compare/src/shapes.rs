//! Subject `shapes`: the shape of our storage core against the shapes that it could have had.
//!
//! Two prototypes stand for the roads not taken with sled, a record per key and pages; fjall and
//! `RocksDB` stand for levels. Each store is loaded, read and scanned in a process of its own,
//! then opened cold in a second one, which compares every value with what was written.
//! [The decision](../../../docs/decisions/0001-storage-shape.md) cites the figures.

mod measure;
mod pages;
mod prototype;
mod records;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::child::sample;
use crate::comparison::{Case, Comparison, Entry, OURS, head};
use crate::report::{Outputs, Report};
use crate::stats::Sample;
use crate::storage::engine::Level;
use crate::storage::engines::{self, Contestant};
use crate::storage::lane::open;
use crate::storage::noted;
use measure::{METRICS, Task, measured};
use pages::Pages;
use prototype::Shared;
use records::Records;

pub(crate) use measure::{ChildArgs, child};

/// A sync for each commit would measure the disk, not the shape.
const LEVEL: Level = Level::Buffered;

const SCENARIO: &str = "shape";

/// What each shape is, in the words of the head row.
const SHAPES: &[(&str, &str)] = &[
    (OURS, "mapped log, hash memtable, sorted runs merged by size"),
    ("records", "a record per key and version in sled"),
    ("pages", "16 KiB pages in sled, write-back cache, log in front"),
    ("fjall", "levels"),
    ("rocksdb", "levels"),
];

const PROTOTYPES: &[Contestant] = &[
    Contestant {
        name: "records",
        package: "sled",
        // Its only log is sled's, which a killed process loses the end of.
        weaker: &[Level::Buffered, Level::Sync],
        open: open::<Shared<Records>>,
    },
    Contestant { name: "pages", package: "sled", weaker: &[], open: open::<Shared<Pages>> },
];

/// Options of the subject.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Keys in the store, several with commas (default 100000,1000000; quick 100000)
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    keys: Vec<u64>,
    /// One round, shorter reads
    #[arg(long)]
    quick: bool,
    /// Shapes, several with commas (default all of this build)
    #[arg(long, value_delimiter = ',')]
    shapes: Vec<String>,
    /// Folder for the stores, on the disk to be measured
    #[arg(long, default_value = "target/compare-data")]
    dir: PathBuf,
    /// Rounds (default 3; quick 1)
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    repeats: Option<u32>,
    /// MiB for caches and write buffers of each store, of which fjall and `RocksDB` use at least
    /// 136
    #[arg(long, default_value_t = 192, value_parser = clap::value_parser!(u64).range(16..=1 << 20))]
    memory: u64,
    #[command(flatten)]
    outputs: Outputs,
}

impl Args {
    fn repeats(&self) -> u32 {
        self.repeats.unwrap_or(if self.quick { 1 } else { 3 })
    }

    fn keys(&self) -> Vec<u64> {
        let default: &[u64] = if self.quick { &[100_000] } else { &[100_000, 1_000_000] };
        if self.keys.is_empty() { default.to_vec() } else { self.keys.clone() }
    }

    fn contestants(&self) -> Result<Vec<Contestant>> {
        if self.shapes.is_empty() {
            return Ok(all());
        }
        self.shapes.iter().map(|name| by_name(name)).collect()
    }

    fn settings(&self, contestants: &[Contestant]) -> Value {
        let describe = |one: &Contestant| {
            let version = crate::locked_version(one.package).unwrap_or("unknown");
            let shape = SHAPES.iter().find(|(name, _)| *name == one.name).map_or("", |(_, s)| s);
            (one.name.to_owned(), Value::from(format!("{shape}: {} {version}", one.package)))
        };
        let shapes: serde_json::Map<_, _> = contestants.iter().map(describe).collect();
        json!({
            "shapes": shapes,
            "quick": self.quick,
            "repeats": self.repeats(),
            "memory_mib": self.memory,
            "key_bytes": crate::workload::KEY_LEN,
            "value_bytes": crate::workload::VALUE_LEN,
            "keys": "16 hex digits, uniform",
            "values": "half random, half repeated",
        })
    }
}

/// The shapes of this build, ours first.
fn all() -> Vec<Contestant> {
    let prototype = |name| PROTOTYPES.iter().find(|prototype| prototype.name == name).copied();
    let engine = |name| engines::ALL.iter().find(|engine| engine.name == name).copied();
    SHAPES.iter().filter_map(|(name, _)| prototype(*name).or_else(|| engine(*name))).collect()
}

/// The shape called `name`.
///
/// # Errors
///
/// When this build has none of that name.
fn by_name(name: &str) -> Result<Contestant> {
    let all = all();
    if let Some(found) = all.iter().find(|contestant| contestant.name == name) {
        return Ok(*found);
    }
    let names: Vec<&str> = all.iter().map(|contestant| contestant.name).collect();
    bail!("unknown shape {name}, this build has {}", names.join(", "));
}

/// Runs the subject.
///
/// # Errors
///
/// When an option names what does not exist, when a folder or an output cannot be written, and
/// at the end when a shape failed.
pub(crate) fn run(args: &Args) -> Result<()> {
    let contestants = args.contestants()?;
    for (name, reason) in engines::SKIPPED {
        if SHAPES.iter().any(|(shape, _)| shape == name) {
            crate::progress(&format!("{name}: {reason}"));
        }
    }
    std::fs::create_dir_all(&args.dir)
        .with_context(|| format!("make the folder {}", args.dir.display()))?;
    // A folder of its own, so that an existing one is never emptied.
    let dir = args.dir.join(format!("run-{}", std::process::id()));
    std::fs::create_dir(&dir)?;
    let mut report = Report::new(&args.outputs, head("shapes", &args.settings(&contestants)))?;
    let mut failures = Vec::new();
    let outcome = args.keys().into_iter().try_for_each(|keys| {
        for comparison in compare(args, keys, &contestants, &dir, &mut failures)? {
            report.add(comparison)?;
        }
        Ok(())
    });
    std::fs::remove_dir_all(&dir)?;
    outcome.and_then(|()| report.finish())?;
    ensure!(failures.is_empty(), "shapes failed:\n{}", failures.join("\n"));
    Ok(())
}

fn compare(
    args: &Args,
    keys: u64,
    contestants: &[Contestant],
    dir: &Path,
    failures: &mut Vec<String>,
) -> Result<Vec<Comparison>> {
    let mut reports = vec![Vec::new(); contestants.len()];
    let rounds = args.repeats() as usize;
    for round in 0..rounds {
        for turn in 0..contestants.len() {
            let position = (turn + round) % contestants.len();
            let name = contestants[position].name;
            let what = format!("round {}: {name}, {keys} keys", round + 1);
            crate::progress(&what);
            let store = dir.join(name);
            std::fs::create_dir(&store)?;
            let task = Task { keys, quick: args.quick, memory: args.memory << 20 };
            reports[position].extend(noted(measured(name, &task, &store), &what, failures));
            std::fs::remove_dir_all(&store)?;
        }
    }
    Ok(comparisons(keys, contestants, &reports))
}

/// One comparison for each metric, of the medians over the rounds.
fn comparisons(keys: u64, contestants: &[Contestant], reports: &[Vec<Value>]) -> Vec<Comparison> {
    let case =
        Case { subject: "shapes", scenario: SCENARIO, level: LEVEL.name(), keys, threads: 1 };
    let comparison = |metric| {
        let entries = contestants.iter().zip(reports).filter_map(|(one, reports)| {
            let samples: Vec<Sample> =
                reports.iter().filter_map(|report| sample(report, metric)).collect();
            let weaker = one.weaker.contains(&LEVEL);
            Some(Entry { engine: one.name, weaker, sample: Sample::median(&samples)? })
        });
        Comparison { case: case.clone(), metric: *metric, entries: entries.collect() }
    };
    METRICS.iter().map(comparison).collect()
}

#[cfg(test)]
mod tests;
