//! One store through many power cuts, with a workload in each life.

use std::sync::Arc;

use lightning_db_types::{Persistence, Rng, SeededRng, SimVfs};

use crate::driver::{Driver, Failure, Ledger};
use crate::faults::FAULTS;
use crate::image::check_image;
use crate::model::History;
use crate::sweep::POLICIES;
use crate::workload::{Kinds, Plan};

/// Steps of the disk within which the power is cut.
const LIFE_STEPS: u64 = 500;

/// What the workloads of a seed are made of.
const KINDS: [Kinds; 4] = [Kinds::ALL, Kinds::SNAPSHOTS, Kinds::BATCHES, Kinds::BULK];

/// A store that is never closed: each life begins with what the power cut before it left.
#[derive(Debug, Clone, Copy)]
pub struct Lives {
    /// Seed of the workloads and of the cuts.
    pub seed: u64,
    /// Number of power cuts.
    pub lives: u64,
    /// Most calls in one life.
    pub ops: usize,
    /// Whether in some lives a call of the disk fails, which ends them too.
    pub faults: bool,
}

impl Lives {
    /// Runs them. Returns the number of power cuts.
    ///
    /// # Errors
    /// The first thing that is wrong, with how to see it again.
    pub fn run(&self) -> Result<u64, String> {
        let rng = SeededRng::new(self.seed);
        let mut disk = SimVfs::with_seed(self.seed);
        let (mut history, mut ledger) = (History::default(), Ledger::default());
        let kinds = KINDS[usize::try_from(self.seed).unwrap_or(0) % KINDS.len()];
        for life in 0..self.lives {
            let seed = rng.next_u64() >> 32;
            let plan = Plan::after(history, seed, self.ops, kinds, ledger.now_ms);
            disk.cut_at_step(disk.steps() + rng.below(LIFE_STEPS));
            let faulty = self.faults && rng.one_in(2);
            if faulty {
                let fault = FAULTS[usize::try_from(rng.below(3)).unwrap_or(0)];
                disk.fail_at(disk.calls() + rng.below(2 * LIFE_STEPS), fault);
            }
            let mut driver = Driver::resumed(&plan, Arc::new(disk.clone()), ledger);
            let outcome = driver.run();
            ledger = driver.ledger();
            let policy = POLICIES[usize::try_from(rng.below(POLICIES.len() as u64)).unwrap_or(0)];
            let image = policy.apply(&disk, seed);
            let checked = match outcome {
                Err(Failure::Wrong(text)) => Err(text),
                Err(refused) if !disk.is_powered_off() && !faulty => Err(refused.to_string()),
                // The check writes to what it looks at.
                _ => {
                    let copy = image.crashed(Persistence::All, 0);
                    // What was written and not synced may be lost with a sync that fails.
                    let promised = if faulty { ledger.synced } else { policy.promised(&ledger) };
                    check_image(&copy, &plan, &ledger, promised)
                }
            };
            let found = checked.map_err(|text| {
                let Self { seed, .. } = self;
                format!(
                    "seed {seed}, life {life}, {policy:?}: {text}\nreplay: \
                     LIGHTNING_CRASH_START={seed} LIGHTNING_CRASH_SEEDS=1 \
                     cargo test -p lightning-db-tests --test crash lives"
                )
            })?;
            history = plan.history.cut(found.commits, found.applied, found.registries);
            ledger = Ledger::at(found.commits, found.registries, ledger.now_ms);
            disk = image;
        }
        Ok(self.lives)
    }
}
