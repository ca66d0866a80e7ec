//! Merging runs of tables, so that reads look in few places and dropped versions give back space.
//!
//! A merge of neighbouring runs goes through their keys from the first to the last, slice by slice
//! ([`slice`]), and each slice is a step of bounded work with a change of the manifest of its own.
//! The newest of the runs takes up the result: behind each step it holds what was merged, up to a
//! key, and behind that key what it held before; the other runs have lost what lies before it. So
//! no run is added while a merge is under way, and none of its steps leaves anything to be mended:
//! a merge that ended early is a keyspace with other runs, from which the next one is picked
//! ([`pick`]).
//!
//! Between two steps a smaller merge that has become due comes first.

mod pick;
mod slice;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::flush::is_closing;
use crate::engine::{Engine, KeyspaceInner};
use crate::error::Result;
use crate::progress::{Meter, Stage};
use crate::view::{Run, View};
use pick::Rules;

/// How long no commit may have come before merges are made that no write asks for.
const IDLE_AFTER: Duration = Duration::from_secs(2);
/// Bytes of tables that idle merges may read for each byte that flushes write.
const IDLE_READ_MAX: u64 = 2;
/// A due merge comes before one under way if it is smaller by this factor: it is soon done, and the
/// other one is not kept waiting for merges of its own size.
const PREEMPT_FACTOR: u64 = 2;

/// Merges under way, and what is needed to choose the next one.
#[derive(Debug, Default)]
pub(crate) struct Merges {
    /// The last one goes on; those before it wait for it.
    jobs: Vec<Job>,
    /// Newest commit at the last look, and when it was first seen.
    last_seq: u64,
    quiet_since: Duration,
    /// Bytes of tables that idle merges may read besides what flushes have earned: once what was
    /// there.
    idle_start: Option<u64>,
    /// Bytes of tables that idle merges have read.
    idle_read: u64,
}

/// A merge under way.
#[derive(Debug)]
struct Job {
    keyspace: Arc<KeyspaceInner>,
    /// Orders of the runs, newest first.
    orders: Vec<u64>,
    /// Key before which they are merged.
    from: Vec<u8>,
    /// Steps done.
    steps: u64,
    purpose: Purpose,
}

/// Who wants a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Reads and space: it is due.
    Due,
    /// Nobody, but there is time.
    Idle,
    /// A caller, on whose thread it is done.
    Asked,
}

impl Job {
    fn new(keyspace: &Arc<KeyspaceInner>, runs: &[Run], purpose: Purpose) -> Self {
        let orders = runs.iter().map(|run| run.order).collect();
        Self { keyspace: Arc::clone(keyspace), orders, from: Vec::new(), steps: 0, purpose }
    }

    /// The runs as they are now; one that was used up is not among them.
    fn runs<'v>(&self, view: &'v View) -> Vec<&'v Run> {
        view.runs.iter().filter(|run| self.orders.contains(&run.order)).collect()
    }

    /// Bytes of tables that it has still to read.
    fn left(&self) -> u64 {
        let view = self.keyspace.view.load();
        let runs = self.runs(&view);
        let tables = runs.iter().flat_map(|run| run.tables_from(&self.from));
        tables.map(|portion| portion.meta().file_len).sum()
    }
}

impl Merges {
    /// Bytes of tables that merges under way have still to read.
    fn left(&self) -> u64 {
        self.jobs.iter().map(Job::left).sum()
    }

    /// Whether the newest commit is old enough to make merges that no write asks for.
    fn is_quiet(&mut self, last_seq: u64, now: Duration) -> bool {
        if self.last_seq != last_seq {
            (self.last_seq, self.quiet_since) = (last_seq, now);
        }
        now.saturating_sub(self.quiet_since) >= IDLE_AFTER
    }
}

impl Engine {
    /// Does one step of a merge that is worth doing; says whether there was one.
    pub(crate) fn merge_step(&self) -> Result<bool> {
        let mut merges = self.work.merge_turn.lock();
        self.choose(&mut merges);
        if merges.jobs.last().is_none_or(|job| job.purpose == Purpose::Asked) {
            self.note_left(&merges);
            return Ok(false);
        }
        let outcome = self.advance(&mut merges);
        drop(merges);
        match outcome {
            Err(error) if is_closing(&error) => Ok(false),
            outcome => {
                self.remove_obsolete()?;
                outcome.map(|()| true)
            }
        }
    }

    /// See [`Store::compact`](crate::Store::compact).
    pub(crate) fn compact(&self, meter: &mut Meter<'_>) -> Result<()> {
        let views = self.live_keyspaces().into_iter().map(|keyspace| keyspace.view.load_full());
        let active: u64 = views.map(|view| view.active.bytes()).sum();
        meter.begin(Stage::Flush, active + self.work.frozen_bytes())?;
        self.checkpoint()?;
        meter.end()?;
        self.merge_all(meter)
    }

    /// Merges all runs of all keyspaces.
    fn merge_all(&self, meter: &mut Meter<'_>) -> Result<()> {
        let _turn = self.work.compact_turn.lock();
        let keyspaces = self.live_keyspaces();
        let lens = keyspaces.iter().map(|keyspace| pick::len_of(&keyspace.view.load().runs));
        meter.begin(Stage::Merge, lens.sum())?;
        for keyspace in &keyspaces {
            let merged = self.merge_whole(keyspace, meter);
            // After an error the rest is left to be picked again.
            let mut turn = self.work.merge_turn.lock();
            turn.jobs.retain(|job| job.purpose != Purpose::Asked);
            self.note_left(&turn);
            drop(turn);
            merged?;
        }
        self.remove_obsolete()?;
        meter.end()
    }

    /// Merges all runs of a keyspace, letting go of the turn between the steps.
    fn merge_whole(&self, keyspace: &Arc<KeyspaceInner>, meter: &mut Meter<'_>) -> Result<()> {
        let mut left = {
            let mut merges = self.work.merge_turn.lock();
            // The runs of others are among those to merge now; what they have merged is found, and
            // left as it is.
            merges.jobs.retain(|job| !Arc::ptr_eq(&job.keyspace, keyspace));
            let job = Job::new(keyspace, &keyspace.view.load().runs, Purpose::Asked);
            let left = job.left();
            merges.jobs.push(job);
            left
        };
        loop {
            let asked = {
                let mut merges = self.work.merge_turn.lock();
                self.choose(&mut merges);
                self.advance(&mut merges)?;
                let asked = merges.jobs.iter().find(|job| job.purpose == Purpose::Asked);
                asked.map(Job::left)
            };
            self.remove_obsolete()?;
            let now_left = asked.unwrap_or(0);
            meter.advance(left.saturating_sub(now_left))?;
            left = left.min(now_left);
            if asked.is_none() {
                return Ok(());
            }
        }
    }

    /// Puts the merge to go on with at the end of those under way.
    fn choose(&self, merges: &mut Merges) {
        let quiet = merges.is_quiet(self.visible(), self.clock.monotonic())
            && self.work.oldest_frozen().is_none();
        let start = *merges.idle_start.get_or_insert(self.table_bytes.load(Ordering::Acquire));
        merges.jobs.retain(|job| quiet || job.purpose != Purpose::Idle);
        let due = self.smallest(merges, Purpose::Due, pick::due);
        let left = merges.jobs.last().map(Job::left);
        match (due, left) {
            (Some((_, job)), None) => merges.jobs.push(job),
            (Some((len, job)), Some(left)) if len <= left / PREEMPT_FACTOR => {
                merges.jobs.push(job);
            }
            (None, None) if quiet => {
                let flushed = self.work.counters.flushed_bytes.load(Ordering::Relaxed);
                let earned = start.saturating_add(flushed.saturating_mul(IDLE_READ_MAX));
                let allowed = earned.saturating_sub(merges.idle_read);
                let idle = self.smallest(merges, Purpose::Idle, |runs, whole, rules| {
                    pick::idle(runs, allowed, rules).filter(|_| whole)
                });
                merges.jobs.extend(idle.map(|(_, job)| job));
            }
            _ => {}
        }
    }

    /// The smallest merge that `pick` picks in any keyspace, and its bytes. It is given the runs
    /// that are newer than those of merges under way, whether these are all, and the rules.
    fn smallest(
        &self,
        merges: &Merges,
        purpose: Purpose,
        pick: impl Fn(&[Run], bool, &Rules) -> Option<std::ops::Range<usize>>,
    ) -> Option<(u64, Job)> {
        let mut smallest: Option<(u64, Job)> = None;
        for keyspace in self.live_keyspaces() {
            let view = keyspace.view.load();
            let under_way = |run: &Run| {
                let jobs = merges.jobs.iter();
                let mut jobs = jobs.filter(|job| Arc::ptr_eq(&job.keyspace, &keyspace));
                jobs.any(|job| job.orders.contains(&run.order))
            };
            let free = view.runs.iter().position(under_way).unwrap_or(view.runs.len());
            let whole = free == view.runs.len();
            let rules = self.rules(&keyspace, &view);
            if let Some(range) = pick(&view.runs[..free], whole, &rules) {
                let runs = &view.runs[range];
                let len = pick::len_of(runs);
                if smallest.as_ref().is_none_or(|(other, _)| len < *other) {
                    smallest = Some((len, Job::new(&keyspace, runs, purpose)));
                }
            }
        }
        smallest
    }

    fn rules(&self, keyspace: &KeyspaceInner, view: &View) -> Rules {
        Rules {
            floor: view.floors.last().copied().unwrap_or(0),
            filtered: keyspace.merge_filter.read().is_some(),
            now_ms: self.clock.now_unix_ms(),
            oldest_snapshot: self.snapshots.live().first().copied(),
            table_size: self.options.table_size,
            pressed: self.work.frozen_len() > 0,
        }
    }

    /// Does the next step of the last merge under way. After an error it is no longer under way:
    /// what it has done stays, and the rest is picked again.
    fn advance(&self, merges: &mut Merges) -> Result<()> {
        let Some(mut job) = merges.jobs.pop() else { return Ok(()) };
        let since = self.clock.monotonic();
        let step = self.merge_slice(&mut job).inspect_err(|_| self.note_left(merges))?;
        let counters = &self.work.counters;
        if let Some(bytes) = step.bytes {
            counters.merge_step_times.add(self.clock.monotonic().saturating_sub(since));
            job.steps += 1;
            counters.merge_steps.fetch_add(1, Ordering::Relaxed);
            counters.merge_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        if job.purpose == Purpose::Idle {
            merges.idle_read += step.used_up;
        }
        if !step.is_last {
            merges.jobs.push(job);
        } else if job.steps > 0 {
            counters.merges.fetch_add(1, Ordering::Relaxed);
        }
        self.note_left(merges);
        Ok(())
    }

    /// Counts for the statistics what merges under way have still to read.
    fn note_left(&self, merges: &Merges) {
        self.work.counters.merge_bytes_left.store(merges.left(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
