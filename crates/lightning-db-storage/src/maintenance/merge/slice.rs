//! One step of a merge: the next slice of the keys.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::retain::Retain;
use super::super::writer::{Limit, RunWriter};
use super::Job;
use super::pick::Rules;
use crate::catalog::TableRecord;
use crate::engine::{Engine, KeyspaceInner, Obsolete};
use crate::error::Result;
use crate::merge::{Merger, Source};
use crate::planted;
use crate::table::{Portion, RunCursor, Table, TableMeta};
use crate::view::{Run, View};

/// Where a slice lies.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    /// First key to read. Tables before it stay as they are.
    from: Vec<u8>,
    /// Key at which a table begins that stays as it is.
    until: Option<Vec<u8>>,
    /// Whether no table is left behind `from`.
    is_end: bool,
}

/// What a slice has read and written.
struct Written {
    metas: Vec<TableMeta>,
    /// First key behind the slice; `None` at the end of the runs.
    end: Option<Vec<u8>>,
    bytes: u64,
}

/// What a step has done.
pub(super) struct Step {
    /// Bytes of the entries that it has read; `None` if it has changed nothing.
    pub(super) bytes: Option<u64>,
    /// Bytes of the tables of which nothing is left: on disk they are fewer than their entries.
    pub(super) used_up: u64,
    /// Whether the merge has come to its end.
    pub(super) is_last: bool,
}

/// What becomes of the runs.
#[derive(Default)]
struct Change {
    /// Each run by its order. The first one takes up what the slice has written.
    runs: Vec<Run>,
    /// Tables that go over to the first run as they are.
    moved: Vec<u64>,
    /// Tables that count from the end of the slice on.
    bounded: Vec<u64>,
    /// Tables of which nothing is left.
    removed: Vec<Arc<Table>>,
}

impl Engine {
    /// Merges the next slice of runs, and makes it real. The caller holds the merge turn.
    pub(super) fn merge_slice(&self, job: &mut Job) -> Result<Step> {
        let keyspace = Arc::clone(&job.keyspace);
        let view = keyspace.view.load_full();
        let runs = job.runs(&view);
        if runs.is_empty() || keyspace.is_dropped() {
            return Ok(Step { bytes: None, used_up: 0, is_last: true });
        }
        let place = place(&runs, &job.from, &self.rules(&keyspace, &view));
        let written = if place.is_end {
            Written { metas: Vec::new(), end: None, bytes: 0 }
        } else {
            self.write_slice(&keyspace, &view, &runs, &place)?
        };
        let end = written.end.as_deref();
        let tables = self.open_tables(&written.metas);
        let tables = tables.inspect_err(|_| self.discard_tables(&written.metas))?;
        let change = change(&runs, &place.from, end, &tables);
        let is_last = end.is_none();
        if change.is_empty() && tables.is_empty() {
            return Ok(Step { bytes: None, used_up: 0, is_last });
        }
        job.from = end.unwrap_or_default().to_vec();
        let used_up = change.removed.iter().map(|table| table.meta().file_len).sum();
        self.install_slice(&keyspace, change, &written)?;
        Ok(Step { bytes: Some(written.bytes), used_up, is_last })
    }

    fn write_slice(
        &self,
        keyspace: &KeyspaceInner,
        view: &View,
        runs: &[&Run],
        place: &Place,
    ) -> Result<Written> {
        let floor = view.floors.last().copied().unwrap_or(0);
        let cursors = runs.iter().map(|run| {
            Source::table(RunCursor::new(Arc::clone(&run.tables)).with_cache_fill(false))
        });
        let mut merger = Merger::new(cursors.collect());
        merger.seek(&place.from, u64::MAX)?;
        let filter = keyspace.merge_filter.read().clone();
        let now_ms = self.clock.now_unix_ms();
        let seq_max = runs.iter().map(|run| run.seq_max()).max().unwrap_or(0);
        let snapshots = self.snapshots.live_below(&self.visible, seq_max, floor);
        let bottom = is_bottom(view, runs, &place.from);
        let mut retain = Retain::new(snapshots, bottom, floor, now_ms, filter);
        let mut writer = RunWriter::new(self, keyspace);
        let limit = Limit { bytes: self.options.merge_slice_size, until: place.until.as_deref() };
        let bytes = writer.add_retained(&mut merger, &mut retain, limit)?;
        let end = merger.entry().map(|entry| crate::entry::key_of(entry).to_vec());
        let metas = writer.finish()?;
        if let Err(error) = self.sync_tables_dir() {
            self.discard_tables(&metas);
            return Err(error);
        }
        Ok(Written { metas, end, bytes })
    }

    /// Makes a slice real: in the manifest, then in the view.
    fn install_slice(
        &self,
        keyspace: &KeyspaceInner,
        change: Change,
        written: &Written,
    ) -> Result<()> {
        let order = change.runs.first().map_or(0, |run| run.order);
        let bytes: u64 = written.metas.iter().map(|meta| meta.file_len).sum();
        self.work.counters.table_bytes_written.fetch_add(bytes, Ordering::Relaxed);
        let mut catalog = self.catalog.lock();
        if !catalog.state().keyspaces.contains_key(&keyspace.id) {
            // It was dropped meanwhile, and all of its tables with it.
            drop((catalog, change));
            self.discard_tables(&written.metas);
            return Ok(());
        }
        let recorded = catalog.edit(|state| {
            for table in &change.removed {
                state.tables.remove(&table.meta().table_id);
            }
            for id in &change.moved {
                state.tables.entry(*id).and_modify(|record| record.order = order);
            }
            let from = written.end.clone().unwrap_or_default();
            for id in change.bounded.iter().filter(|_| !planted::is("merge-forgets-bound")) {
                state.tables.entry(*id).and_modify(|record| record.from.clone_from(&from));
            }
            for meta in &written.metas {
                state.tables.insert(meta.table_id, TableRecord::whole(order, meta.clone()));
            }
        });
        self.poison_on(recorded)?;
        // A blob of a dropped version stays as long as a table refers to it, also before its bound:
        // a backup copies what tables refer to.
        let mut blobs: BTreeSet<u64> =
            change.removed.iter().flat_map(|table| table.meta().blobs.iter().copied()).collect();
        if !blobs.is_empty() {
            for id in catalog.state().tables.values().flat_map(|table| &table.meta.blobs) {
                blobs.remove(id);
            }
        }
        self.update_view(keyspace, |view| {
            for run in &mut view.runs {
                if let Some(changed) = change.runs.iter().find(|other| other.order == run.order) {
                    *run = changed.clone();
                }
            }
            view.runs.retain(|run| !run.tables.is_empty());
        });
        if keyspace.merge_filter.read().is_some() {
            // The filter may have dropped rows that are cached.
            keyspace.rows.clear();
        }
        let mut blobs = Some(blobs.into_iter().collect());
        let obsolete = change
            .removed
            .into_iter()
            .map(|table| Obsolete { table, blobs: blobs.take().unwrap_or_default() });
        // Under the catalog's lock: a keyspace that is dropped now must find all of this done.
        self.obsolete.lock().extend(obsolete);
        drop(catalog);
        self.count_table_bytes();
        self.balance_caches();
        Ok(())
    }
}

impl Change {
    fn is_empty(&self) -> bool {
        self.moved.is_empty() && self.bounded.is_empty() && self.removed.is_empty()
    }
}

/// Finds the next slice of runs that are merged before `from`.
fn place(runs: &[&Run], from: &[u8], rules: &Rules) -> Place {
    let mut from = from.to_vec();
    loop {
        let next = runs.iter().enumerate();
        let next = next.filter_map(|(at, run)| Some((at, run.tables_from(&from).first()?)));
        let next = next.min_by(|a, b| a.1.first_key().cmp(b.1.first_key()));
        let Some((at, portion)) = next else {
            return Place { from, until: None, is_end: true };
        };
        if portion.first_key() < &from[..] || !rules.keeps(portion, at, runs) {
            break;
        }
        from = [portion.last_key(), &[0]].concat();
    }
    let tables = runs.iter().enumerate();
    let tables = tables
        .flat_map(|(at, run)| run.tables_from(&from).iter().map(move |portion| (at, portion)));
    let kept = tables
        .filter(|(at, portion)| portion.first_key() > &from[..] && rules.keeps(portion, *at, runs));
    let until = kept.map(|(_, portion)| portion.first_key()).min().map(<[u8]>::to_vec);
    Place { from, until, is_end: false }
}

/// Whether no run that is older than these has a key from `from` to their last one: deletions
/// behind `from` have nothing left to hide then.
fn is_bottom(view: &View, runs: &[&Run], from: &[u8]) -> bool {
    let oldest = runs.last().map_or(0, |run| run.order);
    let ends = runs.iter().filter_map(|run| run.tables.last());
    let last = ends.map(Portion::last_key).max().unwrap_or_default();
    let mut older = view.runs.iter().skip_while(|run| run.order != oldest).skip(1);
    older.all(|run| !run.overlaps(from, last))
}

/// What becomes of runs when what lies between two keys is in new tables.
fn change(runs: &[&Run], from: &[u8], end: Option<&[u8]>, written: &[Portion]) -> Change {
    let mut out = Change::default();
    let mut first = Vec::new();
    for (at, run) in runs.iter().enumerate() {
        let mut rest = Vec::new();
        for portion in &*run.tables {
            let id = portion.meta().table_id;
            if portion.last_key() < from {
                if at > 0 {
                    out.moved.push(id);
                }
                first.push(portion.clone());
            } else if let Some(end) = end.filter(|end| portion.last_key() >= *end) {
                if portion.first_key() < end {
                    out.bounded.push(id);
                    rest.push(Portion::new(Arc::clone(&portion.table), end));
                } else {
                    rest.push(portion.clone());
                }
            } else {
                out.removed.push(Arc::clone(&portion.table));
            }
        }
        if at == 0 {
            first.append(&mut rest);
        } else {
            out.runs.push(Run::new(run.order, rest.into()));
        }
    }
    first.extend_from_slice(written);
    first.sort_by(|a, b| a.first_key().cmp(b.first_key()));
    if let Some(run) = runs.first() {
        out.runs.insert(0, Run::new(run.order, first.into()));
    }
    out
}
