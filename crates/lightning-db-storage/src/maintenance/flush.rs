//! Turning frozen memtables into tables.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::FrozenSet;
use super::retain::Retain;
use super::writer::RunWriter;
use crate::catalog::TableRecord;
use crate::engine::{Engine, KeyspaceInner};
use crate::error::{Error, Result};
use crate::memtable::Memtable;
use crate::merge::{Merger, Source};
use crate::planted;
use crate::table::{Table, TableMeta};
use crate::view::Run;

/// What a flush made of one memtable.
struct Flushed<'a> {
    keyspace: &'a Arc<KeyspaceInner>,
    memtable: &'a Arc<Memtable>,
    metas: Vec<TableMeta>,
    /// Opened before the manifest names them: behind that moment nothing may fail.
    tables: Arc<[Arc<Table>]>,
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
        log.release(set.last_seq, self.options.change_log_limit)?;
        self.work.counters.flushes.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }

    fn write_tables<'a>(&self, set: &'a FrozenSet, flushed: &mut Vec<Flushed<'a>>) -> Result<()> {
        for (keyspace, memtable) in &set.memtables {
            if keyspace.is_dropped() {
                continue;
            }
            let sources = memtable.flush_cursors().into_iter().map(Source::Memory);
            let mut merger = Merger::new(sources.collect());
            merger.seek_first()?;
            let view = keyspace.view.load();
            let floor = view.floors.last().copied().unwrap_or(0);
            let now_ms = self.clock.now_unix_ms();
            let filter = keyspace.merge_filter.read().clone();
            let mut retain = Retain::new(self.snapshots.live(), false, floor, now_ms, filter);
            let mut writer = RunWriter::new(self, keyspace);
            let added = writer.add_retained(&mut merger, &mut retain);
            let finished = added.and_then(|()| writer.finish());
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
                    let table = TableRecord { order: set.last_seq, meta: meta.clone() };
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
            self.update_view(part.keyspace, |view| {
                view.frozen.retain(|memtable| !Arc::ptr_eq(memtable, part.memtable));
                if !tables.is_empty() {
                    view.runs.insert(0, Run::new(set.last_seq, tables));
                }
            });
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

/// Whether an error means that the store is closing, so that work ends early and nothing is wrong.
pub(super) fn is_closing(error: &Error) -> bool {
    matches!(error, Error::Closed)
}
