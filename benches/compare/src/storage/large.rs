//! More data than memory: each engine alone in a process of its own, so that memory is its own.
//!
//! A first process loads the keys one commit at a time, reads, closes and reports. Then the files
//! are dropped from the page cache, and a second process opens the store cold and reads again.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::engine::{Engine, Level, Session as _, Setup};
use super::engines::{Contestant, by_name};
use super::plan::LARGE;
use crate::child::{answer, latencies, millis, sample};
use crate::clock::{nanos_u64, now, settle};
use crate::comparison::{Case, Comparison, Entry, Metric};
use crate::process::{Memory, disk_usage, evict};
use crate::stats::{Percentiles, histogram};
use crate::workload::{KEY_LEN, VALUE_LEN, Values, random_key};

/// A load with a sync for each of millions of commits would measure the disk alone.
const LEVEL: Level = Level::Buffered;

const MIB: f64 = 1_048_576.0;

/// What both processes of an engine report, in the order in which it is printed.
const METRICS: &[Metric] = &[
    Metric::higher("load_ops_per_s", "ops/s"),
    Metric::higher("load_drained_ops_per_s", "ops/s"),
    Metric::lower("longest_stall_ms", "ms"),
    Metric::lower("rss_mib", "MiB"),
    Metric::lower("rss_anonymous_mib", "MiB"),
    Metric::lower("rss_peak_mib", "MiB"),
    Metric::lower("disk_mib", "MiB"),
    Metric::lower("disk_to_logical", "x"),
    Metric::higher("read_ops_per_s", "ops/s"),
    Metric::lower("close_ms", "ms"),
    Metric::lower("cold_open_ms", "ms"),
    Metric::higher("cold_read_ops_per_s", "ops/s"),
];

/// A finished load.
#[derive(Debug)]
pub(crate) struct Fill {
    /// Keys that were inserted; fewer than asked for where the time was over.
    pub keys: u64,
    /// How long it took until the last insert was accepted.
    pub elapsed: Duration,
    /// Latencies of the inserts.
    pub latency: Histogram<u64>,
}

/// Inserts up to `keys` random keys one by one on one thread.
pub(crate) fn fill<E: Engine>(
    engine: &E,
    keys: u64,
    values: &Values,
    limit: Duration,
) -> Result<Fill> {
    let mut session = engine.session()?;
    let mut latency = histogram()?;
    let start = now();
    let mut last = start;
    let mut inserted = 0;
    while inserted < keys && last - start < limit {
        session.put(&random_key(inserted), values.of(inserted))?;
        inserted += 1;
        let time = now();
        latency.saturating_record(nanos_u64(time - last).max(1));
        last = time;
    }
    Ok(Fill { keys: inserted, elapsed: last - start, latency })
}

/// How much the scenario does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LargePlan {
    /// Bytes for caches and write buffers together.
    pub memory: u64,
    /// When a load that is not finished ends.
    pub load_max: Duration,
    /// How long reads are measured.
    pub read_time: Duration,
}

impl LargePlan {
    /// A plan with `memory` bytes.
    pub(crate) const fn new(memory: u64, quick: bool) -> Self {
        let (load, read) = if quick { (20, 1) } else { (1_800, 10) };
        let (load_max, read_time) = (Duration::from_secs(load), Duration::from_secs(read));
        Self { memory, load_max, read_time }
    }
}

/// The arguments of a process for one engine. The program starts itself with them.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ChildArgs {
    /// Engine.
    #[arg(long)]
    engine: String,
    /// Keys.
    #[arg(long)]
    keys: u64,
    /// Folder of the store.
    #[arg(long)]
    dir: PathBuf,
    /// Bytes for caches and write buffers.
    #[arg(long)]
    memory: u64,
    /// Seconds after which a load ends.
    #[arg(long)]
    load_s: u64,
    /// Milliseconds of reading.
    #[arg(long)]
    read_ms: u64,
    /// Open what is there instead of loading it.
    #[arg(long)]
    cold: bool,
}

impl ChildArgs {
    fn setup(&self) -> Setup {
        Setup { level: LEVEL, memory: self.memory, value_len: VALUE_LEN }
    }
}

/// Runs as one of the processes and writes its report to standard output.
///
/// # Errors
///
/// When the engine fails.
pub(crate) fn child(args: &ChildArgs) -> Result<()> {
    let contestant = by_name(&args.engine)?;
    let report = if args.cold { cold(args, contestant)? } else { load(args, contestant)? };
    writeln!(std::io::stdout(), "{report}")?;
    Ok(())
}

fn load(args: &ChildArgs, contestant: Contestant) -> Result<Value> {
    let values = Values::small();
    let lane = (contestant.open)(&args.dir, &args.setup())?;
    let start = now();
    let fill = lane.fill(args.keys, &values, Duration::from_secs(args.load_s))?;
    lane.flush()?;
    settle(Duration::from_mins(10));
    let drained = start.elapsed();
    let memory = Memory::now();
    let reads = lane.read_for(fill.keys, Duration::from_millis(args.read_ms))?;
    let peak = Memory::now().peak;
    let start = now();
    lane.close()?;
    let close = start.elapsed();
    let disk = disk_usage(&args.dir)? as f64;
    let logical = (fill.keys * (KEY_LEN + VALUE_LEN) as u64) as f64;
    let keys = fill.keys as f64;
    Ok(json!({
        "keys": fill.keys,
        "load_ops_per_s": keys / fill.elapsed.as_secs_f64().max(1e-9),
        "load_drained_ops_per_s": keys / drained.as_secs_f64().max(1e-9),
        "longest_stall_ms": fill.latency.max() as f64 / 1e6,
        "rss_mib": memory.resident as f64 / MIB,
        "rss_anonymous_mib": memory.anonymous as f64 / MIB,
        "rss_peak_mib": peak as f64 / MIB,
        "disk_mib": disk / MIB,
        "disk_to_logical": disk / logical,
        "read_ops_per_s": reads.value,
        "close_ms": millis(close),
        "latency": {
            "load_ops_per_s": latencies(Percentiles::of(&fill.latency)),
            "read_ops_per_s": latencies(reads.latency),
        },
    }))
}

fn cold(args: &ChildArgs, contestant: Contestant) -> Result<Value> {
    let start = now();
    let lane = (contestant.open)(&args.dir, &args.setup())?;
    let opened = first_read(lane.as_ref(), args.keys, start)?;
    let reads = lane.read_for(args.keys, Duration::from_millis(args.read_ms))?;
    lane.close()?;
    Ok(json!({
        "cold_open_ms": millis(opened),
        "cold_read_ops_per_s": reads.value,
        "latency": { "cold_read_ops_per_s": latencies(reads.latency) },
    }))
}

/// From `start` until one key was read: an open that puts its work off does not count as open.
fn first_read(lane: &dyn super::lane::Lane, keys: u64, start: Instant) -> Result<Duration> {
    lane.read_for(keys, Duration::ZERO)?;
    Ok(start.elapsed())
}

/// Runs the scenario for all of `contestants` and returns one comparison for each metric. What
/// fails is added to `failures`.
///
/// # Errors
///
/// When a folder cannot be made or removed.
pub(crate) fn compare(
    keys: u64,
    plan: &LargePlan,
    contestants: &[Contestant],
    dir: &Path,
    failures: &mut Vec<String>,
) -> Result<Vec<Comparison>> {
    let mut reports = Vec::new();
    for contestant in contestants {
        crate::progress(&format!("{LARGE}: {keys} keys, {}", contestant.name));
        let store = dir.join(format!("{LARGE}-{}", contestant.name));
        std::fs::create_dir_all(&store)?;
        match both(contestant.name, keys, plan, &store) {
            Ok(report) => reports.push((contestant, report)),
            Err(error) => failures.push(format!("{}: {LARGE}: {error:#}", contestant.name)),
        }
        std::fs::remove_dir_all(&store)?;
    }
    let level = LEVEL.name();
    let case = Case { subject: "storage", scenario: LARGE, level, keys, threads: 1 };
    let comparison = |metric: &Metric| {
        let entries = reports.iter().filter_map(|(one, report)| entry(one, report, metric));
        Comparison { case: case.clone(), metric: *metric, entries: entries.collect() }
    };
    Ok(METRICS.iter().map(comparison).collect())
}

fn entry(contestant: &Contestant, report: &Value, metric: &Metric) -> Option<Entry> {
    let weaker = contestant.weaker.contains(&LEVEL);
    Some(Entry { engine: contestant.name, weaker, sample: sample(report, metric)? })
}

/// Loads in one process, then reads in another after the page cache let go of the files.
fn both(engine: &str, keys: u64, plan: &LargePlan, store: &Path) -> Result<Value> {
    let mut report = start(engine, keys, plan, store, false)?;
    let loaded = report["keys"].as_u64().context("the report names no keys")?;
    if loaded < keys {
        crate::progress(&format!("{LARGE}: {engine} loaded {loaded} of {keys} keys in time"));
    }
    evict(store)?;
    let cold = start(engine, loaded, plan, store, true)?;
    for name in ["cold_open_ms", "cold_read_ops_per_s"] {
        report[name] = cold[name].clone();
    }
    report["latency"]["cold_read_ops_per_s"] = cold["latency"]["cold_read_ops_per_s"].clone();
    Ok(report)
}

fn start(engine: &str, keys: u64, plan: &LargePlan, store: &Path, cold: bool) -> Result<Value> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["storage-child", "--engine", engine, "--keys", &keys.to_string()]);
    command.arg("--dir").arg(store);
    command.args(["--memory", &plan.memory.to_string()]);
    command.args(["--load-s", &plan.load_max.as_secs().to_string()]);
    command.args(["--read-ms", &plan.read_time.as_millis().to_string()]);
    if cold {
        command.arg("--cold");
    }
    answer(&mut command)
}
