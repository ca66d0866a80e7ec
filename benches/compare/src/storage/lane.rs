//! An open store as the scenarios see it: one virtual call for a whole scenario, none inside.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::engine::{Engine, Session as _, Setup, missing};
use super::plan::{GROUP_LEN, Load, Step, TRANSACTION_LEN, Work};
use crate::measure::{Pace, Run, run, run_at_least};
use crate::stats::{Percentiles, Sample};
use crate::workload::{Key, Rng, Values, random_key, touch};

/// An open store of any engine.
pub(crate) trait Lane {
    /// Runs one scenario.
    fn run(&self, step: Step, load: &Load) -> Result<Sample>;

    /// Inserts random keys one by one, up to `keys` or until `limit` is over, without keeping
    /// them in memory.
    fn fill(&self, keys: u64, values: &Values, limit: Duration) -> Result<super::large::Fill>;

    /// Reads random ones of `keys` random keys for `time`.
    fn read_for(&self, keys: u64, time: Duration) -> Result<Sample>;

    /// Compares the value of every one of `keys` with what a load from `values` wrote.
    fn verify(&self, keys: &[Key], values: &Values) -> Result<()>;

    /// See [`Engine::flush`].
    fn flush(&self) -> Result<()>;

    /// See [`Engine::close`].
    fn close(self: Box<Self>) -> Result<()>;
}

/// Opens a store of engine `E` as a lane.
pub(crate) fn open<E: Engine>(dir: &Path, setup: &Setup) -> Result<Box<dyn Lane>> {
    Ok(Box::new(E::open(dir, setup)?))
}

impl<E: Engine> Lane for E {
    fn run(&self, step: Step, load: &Load) -> Result<Sample> {
        let plan = &load.plan;
        let shuffled = &load.keys.shuffled;
        match step.work {
            Work::SeqWrite => write(self, &load.keys.sequential, &load.small),
            Work::RandWrite => write(self, &load.keys.random, &load.small),
            Work::LargeWrite => write(self, &load.large_keys.random, &load.large),
            Work::SeqRead => read(self, &load.keys.sequential, step.threads, load),
            Work::RandRead => read(self, shuffled, step.threads, load),
            Work::LargeRead => read(self, &load.large_keys.shuffled, step.threads, load),
            Work::Mixed(percent) => mixed(self, percent, step.threads, load),
            Work::Scan => scan(self, load),
            Work::Update => update(self, shuffled, plan.transactions),
            Work::Batch => batch(self, load),
            Work::Durable => durable(self, step.threads, load),
        }
    }

    fn fill(&self, keys: u64, values: &Values, limit: Duration) -> Result<super::large::Fill> {
        super::large::fill(self, keys, values, limit)
    }

    fn read_for(&self, keys: u64, time: Duration) -> Result<Sample> {
        let reads = run(1, Pace::For(time), |_| {
            let mut session = self.session()?;
            let mut rng = Rng::new(keys);
            Ok(move |_| {
                let key = random_key(rng.below(keys));
                black_box(session.get_with(&key, touch)?.ok_or_else(|| missing(&key))?);
                Ok(())
            })
        })?;
        Ok(sample(&reads, &reads))
    }

    fn verify(&self, keys: &[Key], values: &Values) -> Result<()> {
        verify(self, keys, values, 1)
    }

    fn flush(&self) -> Result<()> {
        Engine::flush(self)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Engine::close(*self)
    }
}

/// The rate of one run with the latencies of another.
fn sample(throughput: &Run, clocked: &Run) -> Sample {
    Sample { value: throughput.rate(), latency: Percentiles::of(&clocked.latency) }
}

/// A write that is new can be done once only, so its rate and its latencies come from one pass,
/// which costs each operation one clock reading (about 25 ns).
fn write<E: Engine>(engine: &E, keys: &[Key], values: &Values) -> Result<Sample> {
    let writes = run(1, Pace::Clocked(keys.len() as u64), |_| {
        let mut session = engine.session()?;
        let mut keys = keys.iter();
        Ok(move |index| match keys.next() {
            Some(key) => session.put(key, values.of(index)),
            None => Ok(()),
        })
    })?;
    // A thousand of them: a fast wrong answer is no result.
    verify(engine, keys, values, keys.len() / 1_000 + 1)?;
    Ok(sample(&writes, &writes))
}

/// Compares the value of every `step`th key with what was written.
fn verify<E: Engine>(engine: &E, keys: &[Key], values: &Values, step: usize) -> Result<()> {
    let mut session = engine.session()?;
    for (index, key) in keys.iter().enumerate().step_by(step) {
        let expected = values.of(index as u64);
        let same = session.get_with(key, |value| value == expected)?.ok_or_else(|| missing(key))?;
        ensure!(same, "key {} has a wrong value", String::from_utf8_lossy(key));
    }
    Ok(())
}

/// Hands out `keys` over and over, from a different place on each thread.
struct Cycle<'k> {
    keys: &'k [Key],
    next: usize,
}

impl<'k> Cycle<'k> {
    fn new(keys: &'k [Key], thread: usize, threads: usize) -> Self {
        Self { keys, next: keys.len() / threads * thread }
    }

    #[inline]
    fn next(&mut self) -> &'k Key {
        let key = &self.keys[self.next];
        self.next += 1;
        if self.next == self.keys.len() {
            self.next = 0;
        }
        key
    }
}

fn read<E: Engine>(engine: &E, keys: &[Key], threads: usize, load: &Load) -> Result<Sample> {
    let reads = |pace| {
        run(threads, pace, |thread| {
            let mut session = engine.session()?;
            let mut keys = Cycle::new(keys, thread, threads);
            Ok(move |_| {
                let key = keys.next();
                black_box(session.get_with(key, touch)?.ok_or_else(|| missing(key))?);
                Ok(())
            })
        })
    };
    let each = share(keys.len() as u64, threads);
    let counted = run_at_least(load.plan.time_min, each, |ops| reads(Pace::Count(ops)))?;
    let clocked = reads(Pace::Clocked(share(load.plan.clocked_ops, threads)))?;
    Ok(sample(&counted, &clocked))
}

/// The operations of one of `threads`, at least one.
fn share(ops: u64, threads: usize) -> u64 {
    (ops / threads as u64).max(1)
}

fn mixed<E: Engine>(engine: &E, percent: u64, threads: usize, load: &Load) -> Result<Sample> {
    let mixed = |pace| {
        run(threads, pace, |thread| {
            let mut session = engine.session()?;
            let mut keys = Cycle::new(&load.keys.shuffled, thread, threads);
            let mut rng = Rng::new(thread as u64);
            Ok(move |_| {
                let key = keys.next();
                if rng.below(100) < percent {
                    black_box(session.get_with(key, touch)?.ok_or_else(|| missing(key))?);
                    return Ok(());
                }
                session.put(key, load.small.of(rng.next()))
            })
        })
    };
    // The second pass overwrites the same keys again, so it does the same work as the first.
    let each = share(load.plan.mixed_ops, threads);
    let counted = mixed(Pace::Count(each))?;
    let clocked = mixed(Pace::Clocked(each))?;
    Ok(sample(&counted, &clocked))
}

fn scan<E: Engine>(engine: &E, load: &Load) -> Result<Sample> {
    let scans = |pace| {
        run(1, pace, |_| {
            let mut session = engine.session()?;
            let mut keys = Cycle::new(&load.keys.shuffled, 0, 1);
            Ok(move |_| {
                let mut sum = 0_u64;
                let start = keys.next();
                let count = session.scan(start, GROUP_LEN, |key, value| {
                    sum = sum.wrapping_add(touch(key)).wrapping_add(touch(value));
                })?;
                black_box(sum);
                // A start near the end finds fewer, but at least itself.
                ensure!((1..=GROUP_LEN).contains(&count), "a scan found {count} entries");
                Ok(())
            })
        })
    };
    let counted = run_at_least(load.plan.time_min, 1_000, |ops| scans(Pace::Count(ops)))?;
    let clocked = scans(Pace::Clocked(5_000))?;
    Ok(sample(&counted, &clocked))
}

fn update<E: Engine>(engine: &E, keys: &[Key], transactions: u64) -> Result<Sample> {
    let updates = run(1, Pace::Clocked(transactions), |_| {
        let mut session = engine.session()?;
        let mut groups = keys.chunks(TRANSACTION_LEN).cycle();
        Ok(move |_| groups.next().map_or(Ok(()), |keys| session.update(keys)))
    })?;
    Ok(sample(&updates, &updates))
}

fn batch<E: Engine>(engine: &E, load: &Load) -> Result<Sample> {
    let entry = |position: u64| {
        let index = load.plan.keys + position;
        (random_key(index), load.small.of(index))
    };
    let entries: Vec<(Key, &[u8])> = (0..load.plan.batches * GROUP_LEN as u64).map(entry).collect();
    let batches = run(1, Pace::Clocked(load.plan.batches), |_| {
        let mut session = engine.session()?;
        let mut groups = entries.chunks(GROUP_LEN);
        Ok(move |_| groups.next().map_or(Ok(()), |entries| session.batch(entries)))
    })?;
    Ok(sample(&batches, &batches))
}

fn durable<E: Engine>(engine: &E, threads: usize, load: &Load) -> Result<Sample> {
    let commits = run(threads, Pace::For(load.plan.durable_time), |thread| {
        let mut session = engine.session()?;
        // Each thread has a range of indices of its own; so has each number of threads.
        let first = (threads as u64) << 48 | (thread as u64) << 40;
        Ok(move |index| session.put(&random_key(first | index), load.small.of(index)))
    })?;
    Ok(sample(&commits, &commits))
}
