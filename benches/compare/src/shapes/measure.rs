//! What is measured of a shape, in the two processes that measure it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{LEVEL, by_name};
use crate::child::{answer, latencies, millis};
use crate::clock::{now, settle};
use crate::comparison::Metric;
use crate::process::{bytes_written, disk_usage, evict};
use crate::stats::Sample;
use crate::storage::engine::Setup;
use crate::storage::engines::Contestant;
use crate::storage::plan::{Load, Plan, Step, Work};
use crate::workload::{KEY_LEN, VALUE_LEN};

const MIB: f64 = 1_048_576.0;

/// How long background work may go on before the next figure is taken.
const SETTLE_MAX: Duration = Duration::from_mins(10);

/// What both processes report, in the order in which it is printed.
pub(super) const METRICS: &[Metric] = &[
    Metric::higher("load_ops_per_s", "ops/s"),
    Metric::higher("load_drained_ops_per_s", "ops/s"),
    Metric::higher("read_ops_per_s", "ops/s"),
    Metric::higher("scan_100_ops_per_s", "ops/s"),
    Metric::lower("write_amplification", "x"),
    Metric::lower("disk_mib", "MiB"),
    Metric::lower("disk_to_logical", "x"),
    Metric::lower("close_ms", "ms"),
    Metric::lower("cold_open_ms", "ms"),
];

/// How much is measured, the same for every shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    /// Keys in the store.
    pub keys: u64,
    /// Whether reads and scans are short.
    pub quick: bool,
    /// Bytes for caches and write buffers together.
    pub memory: u64,
}

/// The arguments of a process for one store. The program starts itself with them.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ChildArgs {
    /// Shape.
    #[arg(long)]
    shape: String,
    /// Keys.
    #[arg(long)]
    keys: u64,
    /// Folder of the store.
    #[arg(long)]
    dir: PathBuf,
    /// Bytes for caches and write buffers.
    #[arg(long)]
    memory: u64,
    /// Short reads and scans.
    #[arg(long)]
    quick: bool,
    /// Open what is there and compare it instead of loading it.
    #[arg(long)]
    reopen: bool,
}

/// Runs as one of the processes and writes its report to standard output.
///
/// # Errors
///
/// When the store fails, or lost what was written.
pub(crate) fn child(args: &ChildArgs) -> Result<()> {
    let contestant = by_name(&args.shape)?;
    let task = Task { keys: args.keys, quick: args.quick, memory: args.memory };
    let report = if args.reopen {
        reopened(contestant, &task, &args.dir)?
    } else {
        loaded(contestant, &task, &args.dir)?
    };
    writeln!(std::io::stdout(), "{report}")?;
    Ok(())
}

fn setup(task: &Task) -> Setup {
    Setup { level: LEVEL, memory: task.memory, value_len: VALUE_LEN }
}

/// Loads, reads, scans and closes a new store.
pub(super) fn loaded(contestant: Contestant, task: &Task, dir: &Path) -> Result<Value> {
    let load = Load::new(Plan::new(task.keys, task.quick));
    let step = |name, work| Step { name, work, threads: 1 };
    let before = bytes_written();
    let lane = (contestant.open)(dir, &setup(task))?;
    let start = now();
    let writes = lane.run(step("load", Work::RandWrite), &load)?;
    lane.flush()?;
    settle(SETTLE_MAX);
    let drained = start.elapsed();
    let reads = lane.run(step("read", Work::RandRead), &load)?;
    let scans = lane.run(step("scan_100", Work::Scan), &load)?;
    settle(SETTLE_MAX);
    let start = now();
    lane.close()?;
    let close = start.elapsed();
    let written = before.zip(bytes_written()).map(|(before, after)| (after - before) as f64);
    let disk = disk_usage(dir)? as f64;
    let logical = (task.keys * (KEY_LEN + VALUE_LEN) as u64) as f64;
    let mut report = json!({
        "load_drained_ops_per_s": task.keys as f64 / drained.as_secs_f64().max(1e-9),
        "disk_mib": disk / MIB,
        "disk_to_logical": disk / logical,
        "close_ms": millis(close),
    });
    // A file system in memory counts nothing, and zero would look like a triumph.
    if let Some(written) = written.filter(|written| *written > 0.0) {
        report["write_amplification"] = json!(written / logical);
    }
    let mut timed = |name: &str, sample: &Sample| {
        report[name] = json!(sample.value);
        report["latency"][name] = latencies(sample.latency);
    };
    timed("load_ops_per_s", &writes);
    timed("read_ops_per_s", &reads);
    timed("scan_100_ops_per_s", &scans);
    Ok(report)
}

/// Opens the store again and compares every value.
pub(super) fn reopened(contestant: Contestant, task: &Task, dir: &Path) -> Result<Value> {
    let load = Load::new(Plan::new(task.keys, task.quick));
    let (first, all) = (load.keys.random.get(..1).unwrap_or_default(), &load.keys.random);
    let start = now();
    let lane = (contestant.open)(dir, &setup(task))?;
    // An open that puts its work off until the first read does not count as open.
    lane.verify(first, &load.small)?;
    let open = start.elapsed();
    lane.verify(all, &load.small).context("after the reopen")?;
    lane.close()?;
    Ok(json!({ "cold_open_ms": millis(open) }))
}

/// Measures the shape called `name` in processes of its own, with its files dropped from the page
/// cache between them.
pub(super) fn measured(name: &str, task: &Task, dir: &Path) -> Result<Value> {
    let mut report = answer(&mut command(name, task, dir)?)?;
    evict(dir)?;
    let reopened = answer(command(name, task, dir)?.arg("--reopen"))?;
    report["cold_open_ms"] = reopened["cold_open_ms"].clone();
    Ok(report)
}

fn command(name: &str, task: &Task, dir: &Path) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["shapes-child", "--shape", name, "--keys", &task.keys.to_string()]);
    command.arg("--dir").arg(dir);
    command.args(["--memory", &task.memory.to_string()]);
    if task.quick {
        command.arg("--quick");
    }
    Ok(command)
}
