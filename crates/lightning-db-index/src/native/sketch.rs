//! What is known of the keys of an index without reading them: how many there are, how many
//! different ones in their first parts, and a sample.
//!
//! A change adds to it when its transaction has been committed, and not if it never is. Keys that
//! are removed are taken from the count alone, until all is read anew from the index: by upkeep
//! once a fifth has changed, or by the first estimate after the index was opened.

mod known;

use std::sync::Arc;

use lightning_db_storage::{Snapshot, Store, Transaction};
use parking_lot::Mutex;

pub(super) use known::{Known, Observed};

use super::query::Target;
use crate::error::Result;

/// Shared with the transactions that change entries.
#[derive(Debug)]
pub(super) struct Sketch {
    state: Mutex<State>,
    /// Held by the one who reads all keys.
    reading: Mutex<()>,
    parts: usize,
}

#[derive(Debug)]
struct State {
    now: Known,
    /// Commits behind the snapshot whose keys are being read.
    meanwhile: Option<(u64, Known)>,
    /// Commits since all keys were read.
    changes: u64,
    unchanged: u64,
    /// Whether it knows enough for an estimate.
    is_ready: bool,
    /// Whether every entry has been counted.
    is_exact: bool,
}

impl Sketch {
    /// One for keys of so many parts. If there are entries, they must be read.
    pub(super) fn new(parts: usize, entries: u64) -> Arc<Self> {
        let mut now = Known::new(parts);
        now.entries = i64::try_from(entries).unwrap_or(i64::MAX);
        let is_new = entries == 0;
        let state = State {
            now,
            meanwhile: None,
            changes: 0,
            unchanged: 0,
            is_ready: is_new,
            is_exact: is_new,
        };
        Arc::new(Self { state: Mutex::new(state), reading: Mutex::new(()), parts })
    }

    pub(super) fn is_ready(&self) -> bool {
        self.state.lock().is_ready
    }

    /// Whether it is worth the reading of all keys to make it anew.
    pub(super) fn is_stale(&self) -> bool {
        let state = self.state.lock();
        let many = state.changes > 1_000 + state.entries() / 5;
        !state.is_ready || !state.is_exact || many
    }

    pub(super) fn entries(&self) -> u64 {
        self.state.lock().entries()
    }

    /// Whether [`entries`](Self::entries) is what the newest commit has.
    pub(super) fn is_exact(&self) -> bool {
        self.state.lock().is_exact
    }

    /// Changes of rows that left the entries as they were.
    pub(super) fn unchanged(&self) -> u64 {
        self.state.lock().unchanged
    }

    pub(super) fn memory_bytes(&self) -> u64 {
        self.state.lock().now.memory_bytes()
    }

    /// Notes a change of a transaction: so many entries more, and a key that is new.
    pub(super) fn change(
        self: &Arc<Self>,
        transaction: &mut Transaction,
        more: i64,
        observed: Option<Observed>,
    ) {
        let sketch = Arc::clone(self);
        transaction.after_commit(move |lsn| {
            let mut state = sketch.state.lock();
            state.changes += 1;
            state.now.apply(more, observed.as_ref());
            if let Some((after, known)) = &mut state.meanwhile
                && lsn > *after
            {
                known.apply(more, observed.as_ref());
            }
        });
    }

    /// Notes a change of a row that left its entry as it was.
    pub(super) fn leave(self: &Arc<Self>, transaction: &mut Transaction) {
        let sketch = Arc::clone(self);
        transaction.after_commit(move |_| sketch.state.lock().unchanged += 1);
    }

    /// Adds what was loaded in bulk. Rows that changed meanwhile count twice or not at all, if
    /// there were any, until all keys are read. `is_whole` says whether all that was loaded is
    /// known.
    pub(super) fn load(&self, loaded: &Known, entries: u64, is_whole: bool) {
        let mut state = self.state.lock();
        state.is_ready &= is_whole;
        state.is_exact &= is_whole && state.entries() == 0 && state.changes == 0;
        state.now.merge(loaded);
        state.now.entries += i64::try_from(entries).unwrap_or(i64::MAX);
        // Whoever reads the keys has not seen these.
        state.meanwhile = None;
    }

    /// Forgets that it knows how many entries there are.
    pub(super) fn doubt(&self) {
        self.state.lock().is_exact = false;
    }

    /// Makes it anew; `read` adds all keys of a snapshot, and counts the entries.
    pub(super) fn rebuild(
        &self,
        store: &Store,
        read: impl FnOnce(&Snapshot, &mut Known) -> Result<u64>,
    ) -> Result<()> {
        let _only_one = self.reading.lock();
        let snapshot = {
            // What a change has added before is in the snapshot, and what comes is compared.
            let mut state = self.state.lock();
            let snapshot = store.snapshot();
            state.meanwhile = Some((snapshot.lsn(), Known::new(self.parts)));
            state.changes = 0;
            snapshot
        };
        let mut known = Known::new(self.parts);
        let entries = read(&snapshot, &mut known);
        let mut state = self.state.lock();
        let Some((_, meanwhile)) = state.meanwhile.take() else { return entries.map(drop) };
        known.entries = i64::try_from(entries?).unwrap_or(i64::MAX);
        known.merge(&meanwhile);
        state.now = known;
        (state.is_ready, state.is_exact) = (true, true);
        Ok(())
    }

    /// Different keys of the first `parts` parts; one if these are none.
    pub(super) fn distinct(&self, parts: usize) -> f64 {
        self.state.lock().now.distinct(parts)
    }

    /// Keys of the sample within targets, and keys in it.
    pub(super) fn sampled(&self, targets: &[Target]) -> (usize, usize) {
        let sorted = self.state.lock().now.sorted();
        let within = targets.iter().map(|target| {
            let start = sorted.partition_point(|key| **key < *target.start());
            let rest = &sorted[start..];
            rest.partition_point(|key| target.reaches(key))
        });
        (within.sum(), sorted.len())
    }
}

impl State {
    fn entries(&self) -> u64 {
        u64::try_from(self.now.entries).unwrap_or(0)
    }
}
