//! What the meters cost a get: the same gets with and without, in a process of their own.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lightning_db::ops::{Meters, ServiceOptions};
use lightning_db::{Durability, Keyspace, KeyspaceOptions, Slice, StoreOptions};
use lightning_db_ops::metrics::{Keeping, MetricsOptions};
use serde_json::json;

use crate::child;
use crate::clock::thread_cpu;
use crate::comparison::Metric;

pub(super) const INSTRUCTIONS: Metric = Metric::lower("instructions_per_get", "instructions");
pub(super) const TIME: Metric = Metric::lower("cpu_ns_per_get", "ns");

const KEYS: u32 = 10_000;

/// Whether gets go through the meters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Build {
    /// Gets of the keyspace: a build without meters has the same.
    Without,
    /// Gets through the meters of a service.
    With,
}

/// The arguments of the process that gets. The program starts itself with them.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ChildArgs {
    #[arg(long)]
    build: Build,
    /// Gets.
    #[arg(long)]
    count: u64,
    /// Whether the time is taken: not under valgrind, which does not bear the clock.
    #[arg(long)]
    timed: bool,
    /// Folder of the store.
    #[arg(long)]
    dir: PathBuf,
}

/// Loads a store, gets keys of it in no order, and reports the processor time of a get.
pub(super) fn child(args: &ChildArgs) -> Result<()> {
    let (store, _) = StoreOptions::new(&args.dir).durability(Durability::Memory).open()?;
    let keyspace = store.keyspace("keys", KeyspaceOptions::new())?;
    // Both have a service, so that they differ in their gets alone.
    let metrics = MetricsOptions::new().keeping(Keeping::Bounded);
    let service = ServiceOptions::new().metrics(metrics).start(&store)?;
    let key = |number: u32| format!("{:016x}", number.wrapping_mul(2_654_435_761)).into_bytes();
    let keys: Vec<Vec<u8>> = (0..KEYS).map(key).collect();
    for key in &keys {
        keyspace.insert(key, [7; 100])?;
    }
    let meters = service.meters();
    let mut found = 0_u64;
    let clock = || if args.timed { thread_cpu() } else { Duration::ZERO };
    let start = clock();
    for key in keys.iter().cycle().take(usize::try_from(args.count)?) {
        let value = match args.build {
            Build::Without => counted_without(&keyspace, key)?,
            Build::With => counted_with(&meters, &keyspace, key)?,
        };
        found += u64::from(black_box(value).is_some());
    }
    let spent = clock().saturating_sub(start);
    ensure!(found == args.count, "of {} keys {found} were there", args.count);
    let report = json!({ TIME.name: spent.as_nanos() as f64 / args.count.max(1) as f64 });
    std::io::Write::write_all(&mut std::io::stdout(), format!("{report}\n").as_bytes())?;
    Ok(())
}

/// Callgrind counts the instructions of functions of this name, on any thread.
const COUNTED: &str = "*counted_with*";

#[inline(never)]
fn counted_without(keyspace: &Keyspace, key: &[u8]) -> lightning_db::Result<Option<Slice>> {
    keyspace.get(key)
}

#[inline(never)]
fn counted_with(
    meters: &Meters,
    keyspace: &Keyspace,
    key: &[u8],
) -> lightning_db::Result<Option<Slice>> {
    meters.get(keyspace, key)
}

fn arguments(build: Build, count: u64, dir: &Path) -> Vec<String> {
    let build = if build == Build::With { "with" } else { "without" };
    ["ops-child", "get", "--build", build, "--count", &count.to_string(), "--dir"]
        .into_iter()
        .map(str::to_owned)
        .chain([dir.display().to_string()])
        .collect()
}

/// The processor time of a get, in nanoseconds.
pub(super) fn time(build: Build, count: u64, dir: &Path) -> Result<f64> {
    let program = std::env::current_exe()?;
    let report =
        child::answer(Command::new(program).args(arguments(build, count, dir)).arg("--timed"))?;
    report[TIME.name].as_f64().context("its process reported no time")
}

/// Whether instructions can be counted here.
pub(super) fn has_valgrind() -> bool {
    let mut command = Command::new("valgrind");
    let command = command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Instructions of a get, as callgrind counts them: those of the gets alone, since what threads
/// behind the store do in the meantime differs from run to run.
pub(super) fn instructions(build: Build, count: u64, dir: &Path) -> Result<f64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"]);
    command.arg(format!("--toggle-collect={COUNTED}"));
    command.arg(std::env::current_exe()?).args(arguments(build, count, dir));
    let output = command.stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "valgrind ended with {}: {text}", output.status);
    let counted = text.lines().find_map(|line| line.split("Collected : ").nth(1));
    let counted: f64 = counted.context("callgrind counted nothing")?.trim().parse()?;
    ensure!(counted > 0.0, "callgrind knows no function {COUNTED}");
    Ok(counted / count as f64)
}
