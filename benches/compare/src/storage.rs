//! Subject `storage`: the storage core and six engines of its kind.
//!
//! Within a round, each scenario is run by all engines one after another, in an order that
//! rotates from scenario to scenario, and rounds repeat: a machine that slows down slows down
//! everybody. A result is the median over the rounds.

pub(crate) mod engine;
pub(crate) mod engines;
pub(crate) mod lane;
mod large;
pub(crate) mod plan;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::clock::{settle, sync_file_system};
use crate::comparison::{Comparison, Entry, head};
use crate::report::{Outputs, Report, format};
use crate::stats::Sample;
use engine::Setup;
use engines::Contestant;
use lane::Lane;
use large::LargePlan;
use plan::{ACTS, Act, LARGE, Load, METRIC, Plan, Selection, Step};

pub(crate) use large::{ChildArgs, child};

const MIB: u64 = 1 << 20;

/// Options of the subject.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Keys in the store, several with commas (default 100000,1000000; quick 100000;
    /// large 5000000,20000000)
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    keys: Vec<u64>,
    /// One short round: a first look in less than five minutes
    #[arg(long)]
    quick: bool,
    /// Scenarios by the start of their names, several with commas (default all but `large`)
    #[arg(long, value_delimiter = ',')]
    scenario: Vec<String>,
    /// Engines, several with commas (default all of this build)
    #[arg(long, value_delimiter = ',')]
    engines: Vec<String>,
    /// Folder for the stores, on the disk to be measured
    #[arg(long, default_value = "target/compare-data")]
    dir: PathBuf,
    /// Rounds (default 3; quick 1)
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    repeats: Option<u32>,
    /// MiB for caches and write buffers of each engine (default 512; `large` 256)
    #[arg(long, value_parser = clap::value_parser!(u64).range(16..=1 << 20))]
    memory: Option<u64>,
    #[command(flatten)]
    outputs: Outputs,
}

impl Args {
    fn repeats(&self) -> u32 {
        self.repeats.unwrap_or(if self.quick { 1 } else { 3 })
    }

    fn keys_or(&self, quick: &[u64], full: &[u64]) -> Vec<u64> {
        let default = if self.quick { quick } else { full };
        if self.keys.is_empty() { default.to_vec() } else { self.keys.clone() }
    }

    fn contestants(&self) -> Result<Vec<Contestant>> {
        if self.engines.is_empty() {
            return Ok(engines::ALL.to_vec());
        }
        self.engines.iter().map(|name| engines::by_name(name)).collect()
    }

    fn settings(&self, contestants: &[Contestant]) -> Value {
        let version = |one: &Contestant| {
            let version = crate::locked_version(one.package).unwrap_or("unknown");
            (one.name.to_owned(), Value::from(format!("{} {version}", one.package)))
        };
        let engines: serde_json::Map<_, _> = contestants.iter().map(version).collect();
        json!({
            "engines": engines,
            "quick": self.quick,
            "repeats": self.repeats(),
            "memory_mib": self.memory.unwrap_or(512),
            "memory_large_mib": self.memory.unwrap_or(256),
            "key_bytes": crate::workload::KEY_LEN,
            "value_bytes": crate::workload::VALUE_LEN,
            "keys": "sequential: 16 decimal digits; random: 16 hex digits, uniform",
            "values": "half random, half repeated",
        })
    }
}

/// Runs the subject.
///
/// # Errors
///
/// When an option names what does not exist, when a folder or an output cannot be written, and
/// at the end when an engine failed in a scenario.
pub(crate) fn run(args: &Args) -> Result<()> {
    let selection = Selection::new(&args.scenario)?;
    let contestants = args.contestants()?;
    for (name, reason) in engines::SKIPPED {
        crate::progress(&format!("{name}: {reason}"));
    }
    std::fs::create_dir_all(&args.dir)
        .with_context(|| format!("make the folder {}", args.dir.display()))?;
    // A folder of its own, so that an existing one is never emptied.
    let dir = args.dir.join(format!("run-{}", std::process::id()));
    std::fs::create_dir(&dir)?;
    let head = head("storage", &args.settings(&contestants));
    let mut report = Report::new(&args.outputs, head)?;
    let mut failures = Vec::new();
    let outcome = all(args, &selection, &contestants, &dir, &mut report, &mut failures);
    std::fs::remove_dir_all(&dir)?;
    outcome?;
    report.finish()?;
    ensure!(failures.is_empty(), "engines failed:\n{}", failures.join("\n"));
    Ok(())
}

fn all(
    args: &Args,
    selection: &Selection,
    contestants: &[Contestant],
    dir: &Path,
    report: &mut Report,
    failures: &mut Vec<String>,
) -> Result<()> {
    let memory = args.memory.map(|mib| mib * MIB);
    let mut once = true;
    for keys in args.keys_or(&[100_000], &[100_000, 1_000_000]) {
        let acts: Vec<&Act> = ACTS
            .iter()
            .filter(|act| act.per_keys || once)
            .filter(|act| act.steps.iter().any(|step| selection.has(step.name)))
            .collect();
        once = false;
        if acts.is_empty() {
            continue;
        }
        let load = Load::new(Plan::new(keys, args.quick));
        let memory = memory.unwrap_or(512 * MIB);
        let game = Game { selection, contestants, dir, load: &load, memory };
        for act in acts {
            for comparison in game.play(act, args.repeats() as usize, failures)? {
                report.add(comparison)?;
            }
        }
    }
    if selection.has(LARGE) {
        let plan = LargePlan::new(memory.unwrap_or(256 * MIB), args.quick);
        for keys in args.keys_or(&[500_000], &[5_000_000, 20_000_000]) {
            for comparison in large::compare(keys, &plan, contestants, dir, failures)? {
                report.add(comparison)?;
            }
        }
    }
    Ok(())
}

/// What all acts of one number of keys share.
struct Game<'a> {
    selection: &'a Selection,
    contestants: &'a [Contestant],
    dir: &'a Path,
    load: &'a Load,
    memory: u64,
}

/// An engine in one act of one round.
struct Player {
    contestant: Contestant,
    /// `None` after a failure: the rest of the act would measure a broken store.
    lane: Option<Box<dyn Lane>>,
}

impl Game<'_> {
    fn play(
        &self,
        act: &Act,
        rounds: usize,
        failures: &mut Vec<String>,
    ) -> Result<Vec<Comparison>> {
        let mut samples = vec![vec![Vec::new(); self.contestants.len()]; act.steps.len()];
        for round in 0..rounds {
            self.round(act, round, &mut samples, failures)?;
        }
        let comparison = |(step, samples): (&Step, &Vec<Vec<Sample>>)| {
            let entries = self.contestants.iter().zip(samples).filter_map(|(one, samples)| {
                let weaker = one.weaker.contains(&act.level);
                Some(Entry { engine: one.name, weaker, sample: Sample::median(samples)? })
            });
            let case = self.load.plan.case(*step, act.level);
            Comparison { case, metric: METRIC, entries: entries.collect() }
        };
        let selected = act.steps.iter().zip(&samples);
        let selected = selected.filter(|(step, _)| self.selection.has(step.name));
        Ok(selected.map(comparison).collect())
    }

    fn round(
        &self,
        act: &Act,
        round: usize,
        samples: &mut [Vec<Vec<Sample>>],
        failures: &mut Vec<String>,
    ) -> Result<()> {
        let mut players = Vec::new();
        for contestant in self.contestants {
            let dir = self.dir.join(contestant.name);
            std::fs::create_dir(&dir)?;
            let setup = Setup { level: act.level, memory: self.memory, value_len: act.value_len };
            let opened = (contestant.open)(&dir, &setup);
            let lane = noted(opened, &format!("{}: open", contestant.name), failures);
            players.push(Player { contestant: *contestant, lane });
        }
        if act.level == engine::Level::Sync {
            sync_file_system(self.dir)?;
        }
        for (position, step) in act.steps.iter().enumerate() {
            // The first step fills the store, so it runs even where it is not asked for.
            if position > 0 && !self.selection.has(step.name) {
                continue;
            }
            for turn in 0..players.len() {
                let player = (turn + position + round) % players.len();
                let sample = self.turn(&mut players[player], *step, round, failures);
                samples[position][player].extend(sample);
            }
        }
        for player in players {
            let closed = player.lane.map_or(Ok(()), Lane::close);
            noted(closed, &format!("{}: close", player.contestant.name), failures);
            std::fs::remove_dir_all(self.dir.join(player.contestant.name))?;
        }
        Ok(())
    }

    fn turn(
        &self,
        player: &mut Player,
        step: Step,
        round: usize,
        failures: &mut Vec<String>,
    ) -> Option<Sample> {
        let lane = player.lane.as_ref()?;
        let (name, keys) = (player.contestant.name, self.load.plan.keys);
        settle(self.load.plan.settle_max);
        let result = lane.run(step, self.load);
        let what = format!("{name}: {}, {} threads, {keys} keys", step.name, step.threads);
        let sample = noted(result, &what, failures);
        if let Some(sample) = sample {
            let value = format::quantity(sample.value);
            crate::progress(&format!("round {}: {what}: {value}/s", round + 1));
        } else {
            player.lane = None;
        }
        sample
    }
}

/// The value of `result`; a failure is noted with `what` failed.
pub(crate) fn noted<T>(result: Result<T>, what: &str, failures: &mut Vec<String>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            let failure = format!("{what}: {error:#}");
            crate::progress(&failure);
            failures.push(failure);
            None
        }
    }
}

#[cfg(test)]
mod tests;
