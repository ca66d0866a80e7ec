//! Merging runs of tables, so that reads look in few places and dropped versions give back space.
//!
//! Runs of similar size are merged, so that an entry is written again a logarithmic number of times
//! (tiering); when the newer runs have grown to the size of the oldest one, all are merged, which
//! bounds dead space by about half. See docs/decisions/0001 for the measurements.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::flush::is_closing;
use super::retain::Retain;
use super::writer::RunWriter;
use crate::catalog::TableRecord;
use crate::engine::{Engine, KeyspaceInner, Obsolete};
use crate::error::Result;
use crate::merge::{Merger, Source};
use crate::table::{RunCursor, TableMeta};
use crate::view::{Run, View};

/// Runs of similar size that are merged into one.
const FAN_IN: usize = 4;
/// Bytes up to which a keyspace is small.
const SMALL_LEN: u64 = 128 << 20;
/// Most runs of a keyspace before the newest are merged whatever their sizes.
const RUNS_MAX: usize = 12;

impl Engine {
    /// Does one merge that is worth doing; says whether there was one.
    pub(crate) fn merge_step(&self) -> Result<bool> {
        let _turn = self.work.merge_turn.lock();
        for keyspace in self.live_keyspaces() {
            let view = keyspace.view.load_full();
            let now_ms = self.clock.now_unix_ms();
            if let Some(runs) = pick(&view, now_ms, self.snapshots.live().first().copied()) {
                return match self.merge_runs(&keyspace, &view.runs[runs]) {
                    Err(error) if is_closing(&error) => Ok(false),
                    outcome => outcome.map(|()| true),
                };
            }
        }
        Ok(false)
    }

    /// Merges all runs of all keyspaces, or of one.
    pub(crate) fn merge_all(&self, only: Option<&KeyspaceInner>) -> Result<()> {
        let _turn = self.work.merge_turn.lock();
        for keyspace in self.live_keyspaces() {
            if only.is_some_and(|only| only.id != keyspace.id) {
                continue;
            }
            let view = keyspace.view.load_full();
            if !view.runs.is_empty() {
                self.merge_runs(&keyspace, &view.runs)?;
            }
        }
        self.remove_obsolete();
        Ok(())
    }

    /// Merges neighbouring runs. The caller holds the merge turn.
    fn merge_runs(&self, keyspace: &Arc<KeyspaceInner>, runs: &[Run]) -> Result<()> {
        let Some(order) = runs.first().map(|run| run.order) else { return Ok(()) };
        let view = keyspace.view.load_full();
        let bottom = view.runs.last().map(|run| run.order) == runs.last().map(|run| run.order);
        let cursors = runs.iter().map(|run| {
            Source::table(RunCursor::new(Arc::clone(&run.tables)).with_cache_fill(false))
        });
        let mut merger = Merger::new(cursors.collect());
        merger.seek_first()?;
        let floor = view.floors.last().copied().unwrap_or(0);
        drop(view);
        let filter = keyspace.merge_filter.read().clone();
        let now_ms = self.clock.now_unix_ms();
        let seq_max = runs.iter().map(Run::seq_max).max().unwrap_or(0);
        let snapshots = self.snapshots.live_below(&self.visible, seq_max);
        let mut retain = Retain::new(snapshots, bottom, floor, now_ms, filter);
        let mut writer = RunWriter::new(self, keyspace);
        writer.add_retained(&mut merger, &mut retain)?;
        let metas = writer.finish()?;
        if let Err(error) = self.sync_tables_dir() {
            self.discard_tables(&metas);
            return Err(error);
        }
        drop(merger);
        if keyspace.is_dropped() {
            self.discard_tables(&metas);
            return Ok(());
        }
        let replaced: Vec<_> =
            runs.iter().flat_map(|run| run.tables.iter()).map(Arc::clone).collect();
        self.replace_runs(keyspace, order, runs, &metas)?;
        let mut blobs = Some(retain.dropped_blobs);
        let obsolete = replaced
            .into_iter()
            .map(|table| Obsolete { table, blobs: blobs.take().unwrap_or_default() });
        self.obsolete.lock().extend(obsolete);
        self.count_table_bytes();
        self.work.counters.merges.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Makes the result of a merge real: in the manifest, then in the view.
    fn replace_runs(
        &self,
        keyspace: &KeyspaceInner,
        order: u64,
        runs: &[Run],
        metas: &[TableMeta],
    ) -> Result<()> {
        let tables = self.open_tables(metas)?;
        let bytes: u64 = metas.iter().map(|meta| meta.file_len).sum();
        self.work.counters.table_bytes_written.fetch_add(bytes, Ordering::Relaxed);
        let recorded = self.catalog.lock().edit(|state| {
            for table in runs.iter().flat_map(|run| run.tables.iter()) {
                state.tables.remove(&table.meta().table_id);
            }
            // A keyspace that was dropped meanwhile keeps no tables.
            if state.keyspaces.contains_key(&keyspace.id) {
                for meta in metas {
                    let table = TableRecord { order, meta: meta.clone() };
                    state.tables.insert(meta.table_id, table);
                }
            }
        });
        self.poison_on(recorded)?;
        if keyspace.merge_filter.read().is_some() {
            // The filter may have dropped rows that are cached.
            keyspace.rows.clear();
        }
        let merged: Vec<u64> = runs.iter().map(|run| run.order).collect();
        self.update_view(keyspace, |view| {
            let at = view.runs.iter().position(|run| merged.contains(&run.order)).unwrap_or(0);
            view.runs.retain(|run| !merged.contains(&run.order));
            if !tables.is_empty() {
                view.runs.insert(at, Run::new(order, tables));
            }
        });
        Ok(())
    }
}

/// Which runs of a view to merge now, as a range of their positions (newest first).
fn pick(view: &View, now_ms: u64, oldest_snapshot: Option<u64>) -> Option<Range<usize>> {
    let lens: Vec<u64> = view.runs.iter().map(Run::len).collect();
    let runs = lens.len();
    let newer: u64 = lens.iter().rev().skip(1).sum();
    let oldest = lens.last().copied().unwrap_or(0);
    // A small keyspace is merged early: that takes a moment, and a range then reads one run.
    let early = newer + oldest <= SMALL_LEN && newer >= oldest / 4;
    if runs >= 2 && early || runs >= FAN_IN && newer >= oldest {
        return Some(0..runs);
    }
    for from in 0..runs {
        let mut sum = lens[from];
        let mut to = from + 1;
        while to < runs && lens[to] <= 2 * sum / (to - from) as u64 {
            sum += lens[to];
            to += 1;
        }
        if to - from >= FAN_IN {
            return Some(from..to);
        }
    }
    if runs > RUNS_MAX {
        return Some(0..runs.div_ceil(2));
    }
    // A merge of one run gives back space only if no reader needs what it holds.
    let floor = view.floors.last().copied().unwrap_or(0);
    let dead = |run: &Run| {
        oldest_snapshot.is_none_or(|oldest| oldest >= floor) && run.seq_max() < floor
            || oldest_snapshot.is_none() && is_mostly_expired(run, now_ms)
    };
    view.runs.iter().position(dead).map(|at| at..at + 1)
}

/// Whether half of a run's entries have expired.
fn is_mostly_expired(run: &Run, now_ms: u64) -> bool {
    let metas = || run.tables.iter().map(|table| table.meta());
    let entries: u64 = metas().map(|meta| meta.entries).sum();
    let expired = metas().filter(|meta| meta.max_expires_at_ms <= now_ms);
    2 * expired.map(|meta| meta.expiring).sum::<u64>() >= entries.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::KeyspaceInner;

    #[test]
    fn nothing_is_picked_from_an_empty_view() {
        assert_eq!(pick(&KeyspaceInner::empty_view(Vec::new()), 0, None), None);
    }
}
