//! Power cuts at every step, and at every step of the recovery from them.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use lightning_db_types::{Persistence, SimClock, SimVfs};

use crate::driver::{Driver, Failure, Ledger, store_options};
use crate::image::{check_image, open_checked};
use crate::workload::{Kinds, Plan};

/// What a power cut keeps of what was not synced.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// How much.
    pub persistence: Persistence,
    /// Makes two policies of one kind keep different parts.
    pub salt: u64,
}

/// What each cut is tried with.
pub const POLICIES: [Policy; 6] = [
    Policy { persistence: Persistence::None, salt: 0 },
    Policy { persistence: Persistence::All, salt: 0 },
    Policy { persistence: Persistence::Prefix, salt: 0 },
    Policy { persistence: Persistence::Random, salt: 0 },
    Policy { persistence: Persistence::Random, salt: 1 },
    Policy { persistence: Persistence::Random, salt: 2 },
];

impl Policy {
    /// The disk as it is found after the cut.
    pub(crate) fn apply(&self, disk: &SimVfs, seed: u64) -> SimVfs {
        let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ disk.steps() << 8 ^ self.salt;
        disk.crashed(self.persistence, mixed)
    }

    /// Number of commits that must be there.
    pub(crate) fn promised(&self, ledger: &Ledger) -> usize {
        match self.persistence {
            // The process alone has ended.
            Persistence::All => ledger.buffered.max(ledger.synced),
            _ => ledger.synced,
        }
    }
}

/// Seeds to run: as many as asked for, from `LIGHTNING_CRASH_START` on if `LIGHTNING_CRASH_SEEDS`
/// is set.
pub fn seeds_of(count: u64) -> Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let start: u64 = number("LIGHTNING_CRASH_START").unwrap_or(0);
    let count = number("LIGHTNING_CRASH_SEEDS").unwrap_or(count);
    start..start.saturating_add(count)
}

/// Does independent jobs on all processors and adds up what they count.
///
/// # Errors
/// The failure of the first job, in their order, that was seen to fail.
pub fn parallel(
    jobs: Range<u64>,
    job: impl Fn(u64) -> Result<u64, String> + Sync,
) -> Result<u64, String> {
    let (next, total) = (AtomicU64::new(jobs.start), AtomicU64::new(0));
    let failed: Mutex<Option<(u64, String)>> = Mutex::new(None);
    let worker = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= jobs.end {
                return;
            }
            match job(at) {
                Ok(count) => drop(total.fetch_add(count, Ordering::Relaxed)),
                Err(text) => {
                    next.store(jobs.end, Ordering::Relaxed);
                    if let Ok(mut failed) = failed.lock()
                        && failed.as_ref().is_none_or(|(first, _)| at < *first)
                    {
                        *failed = Some((at, text));
                    }
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(worker);
        }
    });
    match failed.into_inner().unwrap_or(None) {
        Some((_, text)) => Err(text),
        None => Ok(total.into_inner()),
    }
}

/// One workload, cut at its steps.
#[derive(Debug, Clone, Copy)]
pub struct Sweep {
    /// Seed of the workload.
    pub seed: u64,
    /// Calls of the workload.
    pub ops: usize,
    /// Which calls.
    pub kinds: Kinds,
    /// Every how many steps the power is cut.
    pub stride: u64,
}

impl Sweep {
    /// Runs the workload once without a cut, compared with the model call by call, then once for
    /// each step, cut there, and opens what each policy leaves. Returns the number of those.
    ///
    /// # Errors
    /// The first thing that is wrong, with how to see it again.
    pub fn run(&self) -> Result<u64, String> {
        let (plan, steps) = self.plan()?;
        parallel(0..steps.div_ceil(self.stride), |job| {
            let step = job * self.stride;
            let (disk, ledger) = cut(&plan, step).map_err(|text| self.failure(step, &text))?;
            for policy in POLICIES {
                let image = policy.apply(&disk, plan.seed);
                let checked = check_image(&image, &plan, &ledger, policy.promised(&ledger));
                checked.map_err(|text| self.failure(step, &format!("{policy:?}: {text}")))?;
            }
            Ok(POLICIES.len() as u64)
        })
    }

    /// Cuts the power during the recovery from some of the cuts, and again during the recovery
    /// from that, `depth` times. Returns the number of recoveries that were cut.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_recoveries(&self, depth: u32) -> Result<u64, String> {
        let (plan, steps) = self.plan()?;
        parallel(0..steps.div_ceil(self.stride), |job| {
            let step = job * self.stride;
            let (disk, ledger) = cut(&plan, step).map_err(|text| self.failure(step, &text))?;
            let at = usize::try_from(job).unwrap_or(0) % POLICIES.len();
            let policy = POLICIES[at];
            let image = policy.apply(&disk, plan.seed);
            recover_in_steps(&image, &plan, &ledger, policy.promised(&ledger), depth)
                .map_err(|text| self.failure(step, &format!("{policy:?}: {text}")))
        })
    }

    /// The plan, and the number of steps that it takes.
    fn plan(&self) -> Result<(Plan, u64), String> {
        let plan = Plan::new(self.seed, self.ops, self.kinds);
        let disk = SimVfs::with_seed(self.seed);
        let mut driver = Driver::new(&plan, Arc::new(disk.clone())).verified();
        let outcome = driver.run();
        outcome
            .map_err(|failure| self.failure(disk.steps(), &format!("without a cut: {failure}")))?;
        let steps = disk.steps();
        Ok((plan, steps))
    }

    fn failure(&self, step: u64, text: &str) -> String {
        let Self { seed, .. } = self;
        format!(
            "seed {seed}, power cut at step {step}: {text}\nreplay: LIGHTNING_CRASH_START={seed} \
             LIGHTNING_CRASH_SEEDS=1 cargo test -p lightning-db-tests --test crash"
        )
    }
}

/// Runs a plan up to a power cut: the disk, still off, and the account.
fn cut(plan: &Plan, step: u64) -> Result<(SimVfs, Ledger), String> {
    let disk = SimVfs::with_seed(plan.seed);
    disk.cut_at_step(step);
    let mut driver = Driver::new(plan, Arc::new(disk.clone()));
    match driver.run() {
        Err(Failure::Wrong(text)) => Err(text),
        Err(Failure::Refused(_)) if !disk.is_powered_off() => {
            Err("a call failed before the cut".to_owned())
        }
        _ => Ok((disk, driver.ledger())),
    }
}

/// Cuts the power at each step of the opening of a crashed store, and checks what is left; below
/// the first level at a few steps of each. Returns the number of recoveries that were cut.
///
/// # Errors
/// What is wrong with one of them.
pub fn recover_in_steps(
    image: &SimVfs,
    plan: &Plan,
    ledger: &Ledger,
    promised: usize,
    depth: u32,
) -> Result<u64, String> {
    let first = image.steps();
    let whole = image.crashed(Persistence::All, 0);
    let (store, found) = open_checked(&whole, plan, ledger, promised)?;
    let last = whole.steps();
    // Once it has opened, what was found is durable, whether or not it was before.
    let again = whole.crashed(Persistence::None, 0);
    drop(store);
    let (store, second) = open_checked(&again, plan, ledger, found.commits)?;
    drop(store);
    if second != found {
        return Err(format!("the second opening found {second:?}, the first {found:?}"));
    }
    let mut cuts = 0;
    for step in first..last {
        let disk = image.crashed(Persistence::All, 0);
        disk.cut_at_step(step);
        let clock = SimClock::new(ledger.now_ms);
        drop(store_options(Arc::new(disk.clone()), &clock, plan.seed, step).open());
        let at = usize::try_from(step).unwrap_or(0) % POLICIES.len();
        let after = POLICIES[at].apply(&disk, plan.seed);
        let text = |text| format!("cut at step {} of {}: {text}", step - first, last - first);
        check_image(&after.crashed(Persistence::All, 0), plan, ledger, promised).map_err(text)?;
        cuts += 1;
        if depth > 1 && step % 7 == plan.seed % 7 {
            cuts += recover_in_steps(&after, plan, ledger, promised, depth - 1).map_err(text)?;
        }
    }
    Ok(cuts)
}
