//! The scenarios, and how much each of them does.

use std::time::Duration;

use anyhow::{Result, bail};

use super::engine::Level;
use crate::comparison::{Case, Metric};
use crate::workload::{Keys, LARGE_VALUE_LEN, VALUE_LEN, Values};

/// Entries of a batch and of a range scan.
pub(crate) const GROUP_LEN: usize = 100;

/// Keys of a read-modify-write transaction.
pub(crate) const TRANSACTION_LEN: usize = 10;

/// What is done over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Inserts in ascending order.
    SeqWrite,
    /// Reads of all keys in ascending order.
    SeqRead,
    /// Inserts in random order.
    RandWrite,
    /// Reads in random order.
    RandRead,
    /// Reads and overwrites in random order, this many percent of them reads.
    Mixed(u64),
    /// Range scans of [`GROUP_LEN`] entries.
    Scan,
    /// Transactions of [`TRANSACTION_LEN`] read-modify-writes.
    Update,
    /// Batches of [`GROUP_LEN`] new keys.
    Batch,
    /// Inserts of large values.
    LargeWrite,
    /// Reads of large values.
    LargeRead,
    /// Inserts, each synced before it returns.
    Durable,
}

/// One scenario on a number of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The scenario's name in rows, and for `--scenario`.
    pub name: &'static str,
    /// What it does.
    pub work: Work,
    /// On how many threads at once.
    pub threads: usize,
}

const fn step(name: &'static str, work: Work, threads: usize) -> Step {
    Step { name, work, threads }
}

/// Scenarios that follow one another on the same store. The first one fills it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Act {
    /// The scenarios in order.
    pub steps: &'static [Step],
    /// The durability level of the store.
    pub level: Level,
    /// Bytes of a value.
    pub value_len: usize,
    /// Whether the act is played for each number of keys, or once.
    pub per_keys: bool,
}

/// All acts but the one that is larger than memory, which has a file of its own.
pub(crate) const ACTS: &[Act] = &[
    Act {
        steps: &[step("seq_write", Work::SeqWrite, 1), step("seq_read", Work::SeqRead, 1)],
        level: Level::Buffered,
        value_len: VALUE_LEN,
        per_keys: true,
    },
    Act {
        steps: &[
            step("rand_write", Work::RandWrite, 1),
            step("rand_read", Work::RandRead, 1),
            step("threads_read", Work::RandRead, 1),
            step("threads_read", Work::RandRead, 2),
            step("threads_read", Work::RandRead, 4),
            step("threads_read", Work::RandRead, 8),
            step("scan_100", Work::Scan, 1),
            step("mixed_50_50", Work::Mixed(50), 1),
            step("mixed_50_50", Work::Mixed(50), 2),
            step("threads_80_20", Work::Mixed(80), 8),
            step("txn_rmw_10", Work::Update, 1),
            // Last, because it makes the store larger.
            step("batch_100", Work::Batch, 1),
        ],
        level: Level::Buffered,
        value_len: VALUE_LEN,
        per_keys: true,
    },
    Act {
        steps: &[
            step("value_100k_write", Work::LargeWrite, 1),
            step("value_100k_read", Work::LargeRead, 1),
        ],
        level: Level::Buffered,
        value_len: LARGE_VALUE_LEN,
        per_keys: false,
    },
    Act {
        steps: &[
            step("durable_commit", Work::Durable, 1),
            step("durable_commit", Work::Durable, 8),
            step("durable_commit", Work::Durable, 32),
        ],
        level: Level::Sync,
        value_len: VALUE_LEN,
        per_keys: false,
    },
];

/// The scenario that runs only when it is named.
pub(crate) const LARGE: &str = "large";

/// The names of all scenarios in order, each once.
pub(crate) fn scenario_names() -> Vec<&'static str> {
    let mut names: Vec<_> = ACTS.iter().flat_map(|act| act.steps).map(|step| step.name).collect();
    names.dedup();
    names.push(LARGE);
    names
}

/// Which scenarios to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selection(Vec<&'static str>);

impl Selection {
    /// The scenarios whose name starts with one of `wanted`; all but [`LARGE`] for none.
    ///
    /// # Errors
    ///
    /// When one of `wanted` is the start of no name.
    pub(crate) fn new(wanted: &[String]) -> Result<Self> {
        let names = scenario_names();
        if wanted.is_empty() {
            return Ok(Self(names.into_iter().filter(|name| *name != LARGE).collect()));
        }
        for want in wanted {
            if !names.iter().any(|name| name.starts_with(want)) {
                bail!("unknown scenario {want}, there are {}", names.join(", "));
            }
        }
        let wants = |name: &&str| wanted.iter().any(|want| name.starts_with(want));
        Ok(Self(names.into_iter().filter(wants).collect()))
    }

    /// Whether `name` is to run.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains(&name)
    }
}

/// How much a run does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Keys in the store.
    pub keys: u64,
    /// The shortest time over which a scenario that can be repeated is measured.
    pub time_min: Duration,
    /// Operations of the pass that takes the latencies of reads.
    pub clocked_ops: u64,
    /// Operations of a mixed scenario, over all threads.
    pub mixed_ops: u64,
    /// Transactions of a read-modify-write scenario.
    pub transactions: u64,
    /// Batches of a batch scenario.
    pub batches: u64,
    /// Large values.
    pub large_values: u64,
    /// How long each number of durable writers is measured.
    pub durable_time: Duration,
    /// How long background work of other engines may go on before a scenario starts anyway.
    pub settle_max: Duration,
}

impl Plan {
    /// The plan for `keys` keys. A quick one is for a first look: noisier, the same scenarios.
    pub(crate) fn new(keys: u64, quick: bool) -> Self {
        let full = Self {
            keys,
            time_min: Duration::from_millis(400),
            clocked_ops: keys.clamp(1, 200_000),
            mixed_ops: keys.max(300_000),
            transactions: 5_000,
            batches: 1_000,
            large_values: 1_000,
            durable_time: Duration::from_secs(3),
            settle_max: Duration::from_secs(10),
        };
        if !quick {
            return full;
        }
        Self {
            time_min: Duration::from_millis(100),
            clocked_ops: keys.clamp(1, 50_000),
            mixed_ops: keys,
            transactions: 1_000,
            large_values: 300,
            durable_time: Duration::from_millis(500),
            settle_max: Duration::from_secs(2),
            ..full
        }
    }

    /// The case of `step` in a row. Acts that do not depend on the number of keys name their own.
    pub(crate) fn case(&self, step: Step, level: Level) -> Case {
        let keys = match step.work {
            Work::LargeWrite | Work::LargeRead => self.large_values,
            // The store starts empty and takes what the time allows.
            Work::Durable => 0,
            _ => self.keys,
        };
        let level = level.name();
        Case { subject: "storage", scenario: step.name, level, keys, threads: step.threads }
    }
}

/// The metric of every scenario here.
pub(crate) const METRIC: Metric = Metric::OPS;

/// Everything that scenarios read, made once for each number of keys.
#[derive(Debug)]
pub(crate) struct Load {
    /// How much to do.
    pub plan: Plan,
    /// Keys of ordinary entries.
    pub keys: Keys,
    /// Keys of large values.
    pub large_keys: Keys,
    /// Ordinary values.
    pub small: Values,
    /// Large values.
    pub large: Values,
}

impl Load {
    /// The keys and values of `plan`.
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            plan,
            keys: Keys::new(plan.keys),
            large_keys: Keys::new(plan.large_values),
            small: Values::small(),
            large: Values::large(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_selection_leaves_out_the_large_one() {
        let all = Selection::new(&[]).unwrap();
        assert!(all.has("seq_write") && all.has("durable_commit"));
        assert!(!all.has(LARGE));
    }

    #[test]
    fn a_prefix_selects_every_scenario_that_starts_with_it() {
        let some = Selection::new(&["value".to_owned(), LARGE.to_owned()]).unwrap();
        assert_eq!(some.0, ["value_100k_write", "value_100k_read", LARGE]);
        assert!(Selection::new(&["nothing".to_owned()]).is_err());
    }

    #[test]
    fn the_ten_scenarios_and_the_thread_counts_are_there() {
        let threads = |name: &str| -> Vec<usize> {
            let steps = ACTS.iter().flat_map(|act| act.steps);
            steps.filter(|step| step.name == name).map(|step| step.threads).collect()
        };
        assert_eq!(threads("threads_read"), [1, 2, 4, 8]);
        assert_eq!(threads("mixed_50_50"), [1, 2]);
        assert_eq!(threads("threads_80_20"), [8]);
        assert_eq!(threads("durable_commit"), [1, 8, 32]);
        let names = scenario_names();
        for name in ["seq_write", "rand_write", "seq_read", "rand_read", "batch_100", "scan_100"] {
            assert!(names.contains(&name), "{name}");
        }
        assert_eq!(names.len(), 14);
    }

    #[test]
    fn quick_plans_do_less_of_the_same() {
        let (quick, full) = (Plan::new(100_000, true), Plan::new(100_000, false));
        assert_eq!(quick.batches, full.batches);
        assert!(quick.durable_time < full.durable_time);
        assert!(quick.mixed_ops < full.mixed_ops);
    }
}
