//! Turning frozen memtables into tables.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::FrozenSet;
use super::retain::Retain;
use super::writer::{Limit, RunWriter};
use crate::catalog::TableRecord;
use crate::engine::{Engine, KeyspaceInner, Obsolete};
use crate::entry::key_of;
use crate::error::{Error, Result};
use crate::memtable::Memtable;
use crate::merge::{Merger, Source};
use crate::planted;
use crate::table::{Portion, TableMeta};
use crate::view::{Run, View};

/// What a flush made of one memtable.
struct Flushed<'a> {
    keyspace: &'a Arc<KeyspaceInner>,
    memtable: &'a Arc<Memtable>,
    metas: Vec<TableMeta>,
    /// Opened before the manifest names them: behind that moment nothing may fail.
    tables: Arc<[Portion]>,
    dropped_blobs: Vec<u64>,
}

impl Engine {
    /// Flushes the oldest frozen memtables; says whether there were any.
    ///
    /// Order: tables on the disk, then the manifest that names them and the commit up to which the
    /// log is no longer needed, then the readers' views, then the log. A crash between any two
    /// leaves a store that opens with every commit.
    pub(crate) fn flush_oldest(&self) -> Result<bool> {
        let _turn = self.work.flush_turn.lock();
        let Some(set) = self.work.oldest_frozen() else { return Ok(false) };
        let log = self.log()?;
        // Memtables that have piled up get back what they have lent.
        self.balance_caches();
        // Tables must not be ahead of the log: after a power cut they would hold commits above a
        // gap.
        log.sync_to(set.last_seq)?;
        if planted::is("drop-frozen-memtable-early") {
            for (keyspace, memtable) in &set.memtables {
                self.update_view(keyspace, |view| {
                    view.frozen.retain(|frozen| !Arc::ptr_eq(frozen, memtable));
                });
            }
        }
        let mut flushed = Vec::new();
        let written = self.write_tables(&set, &mut flushed).and_then(|()| {
            flushed.iter_mut().try_for_each(|part| {
                part.tables = self.open_tables(&part.metas)?;
                Ok(())
            })
        });
        if let Err(error) = written {
            for part in &flushed {
                self.discard_tables(&part.metas);
            }
            return Err(error);
        }
        if planted::is("release-log-before-flush") {
            log.release(set.last_seq, 0)?;
        }
        self.record_flush(&set, &flushed)?;
        self.install_flush(&set, flushed);
        self.count_table_bytes();
        self.work.pop_frozen();
        self.balance_caches();
        log.release(set.last_seq, self.options.change_log_limit)?;
        self.work.counters.flushes.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }

    fn write_tables<'a>(&self, set: &'a FrozenSet, flushed: &mut Vec<Flushed<'a>>) -> Result<()> {
        // Writers are faster than flushes, and what follows waits: compression is left to the merge
        // where there will be one.
        let pressed = self.work.frozen_len() > 1;
        for (keyspace, memtable) in &set.memtables {
            if keyspace.is_dropped() {
                continue;
            }
            let sources = memtable.flush_cursors().into_iter().map(Source::Memory);
            let mut merger = Merger::new(sources.collect());
            let view = keyspace.view.load();
            let will_merge = overlaps(&view, &mut merger)?;
            merger.seek_first()?;
            let floor = view.floors.last().copied().unwrap_or(0);
            let now_ms = self.clock.now_unix_ms();
            let filter = keyspace.merge_filter.read().clone();
            let snapshots = self.snapshots.live_below(&self.visible, set.last_seq, floor);
            let mut retain = Retain::new(snapshots, false, floor, now_ms, filter);
            let writer = RunWriter::new(self, keyspace);
            let raw = pressed && will_merge;
            let mut writer = if raw { writer.uncompressed() } else { writer };
            let added = writer.add_retained(&mut merger, &mut retain, Limit::NONE);
            let finished = added.and_then(|_| writer.finish());
            let dropped_blobs = retain.dropped_blobs;
            let (metas, tables) = (finished?, Arc::default());
            flushed.push(Flushed { keyspace, memtable, metas, tables, dropped_blobs });
        }
        self.sync_tables_dir()
    }

    fn record_flush(&self, set: &FrozenSet, flushed: &[Flushed<'_>]) -> Result<()> {
        let recorded = self.catalog.lock().edit(|state| {
            state.flushed_seq = set.last_seq;
            for part in flushed.iter().filter(|part| !part.keyspace.is_dropped()) {
                for meta in &part.metas {
                    let table = TableRecord::whole(set.last_seq, meta.clone());
                    state.tables.insert(meta.table_id, table);
                }
            }
        });
        self.poison_on(recorded)
    }

    /// Nothing is known about the manifest on the disk after a failed change: no write may build
    /// on it.
    pub(crate) fn poison_on<T>(&self, outcome: Result<T>) -> Result<T> {
        if let (Err(error), Ok(log)) = (&outcome, self.log()) {
            log.poison(error);
        }
        outcome
    }

    fn install_flush(&self, set: &FrozenSet, flushed: Vec<Flushed<'_>>) {
        for part in flushed {
            let tables = part.tables;
            // Before the tables are seen: a cached row must never be older than they are.
            part.keyspace.rows.begin_flush();
            part.memtable.for_each_newest(|hash, newest| part.keyspace.rows.replace(hash, newest));
            let bytes: u64 = part.metas.iter().map(|meta| meta.file_len).sum();
            self.work.counters.table_bytes_written.fetch_add(bytes, Ordering::Relaxed);
            self.work.counters.flushed_bytes.fetch_add(bytes, Ordering::Relaxed);
            // A keyspace is dropped under this lock too: that finds these tables in the view, or it
            // has happened before.
            let catalog = self.catalog.lock();
            if part.keyspace.is_dropped() {
                self.obsolete.lock().extend(tables.iter().map(Obsolete::dropped));
            }
            self.update_view(part.keyspace, |view| {
                let run = (!tables.is_empty()).then(|| Run::new(set.last_seq, tables));
                view.install(part.memtable, run);
            });
            drop(catalog);
            part.keyspace.rows.end_flush();
            self.blobs.retire(&part.dropped_blobs);
        }
    }

    /// Commit up to which everything is in tables.
    fn flushed_seq(&self) -> u64 {
        self.catalog.lock().state().flushed_seq
    }

    /// Brings every commit made so far into tables.
    pub(crate) fn checkpoint(&self) -> Result<()> {
        self.check_open()?;
        self.log()?.check()?;
        let seq = {
            let mut state = self.commit.lock();
            self.freeze(&mut state);
            // A commit that empties a keyspace stands in no memtable: it is recorded by itself, or
            // a backup would end before it.
            let covered = self.work.newest_frozen().unwrap_or_else(|| self.flushed_seq());
            if covered < state.last_seq {
                self.work.push_frozen(Vec::new(), state.last_seq);
            }
            state.last_seq
        };
        while self.work.oldest_frozen().is_some_and(|set| set.last_seq <= seq) {
            self.flush_oldest()?;
        }
        Ok(())
    }
}

/// Whether a run has keys among those of a memtable: tables that lie apart are not merged.
fn overlaps(view: &View, memtable: &mut Merger) -> Result<bool> {
    memtable.seek_last()?;
    let last = memtable.entry().map(|entry| key_of(entry).to_vec()).unwrap_or_default();
    memtable.seek_first()?;
    let first = memtable.entry().map(key_of).unwrap_or_default();
    Ok(view.runs.iter().any(|run| run.overlaps(first, &last)))
}

/// Whether an error means that the store is closing, so that work ends early and nothing is wrong.
pub(super) fn is_closing(error: &Error) -> bool {
    matches!(error, Error::Closed)
}
