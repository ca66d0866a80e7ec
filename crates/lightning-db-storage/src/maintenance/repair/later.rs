//! Commits that the tables of the state do not hold: those of the log, and, where the state is that
//! of the manifest's copy, those of tables that were flushed behind it.
//!
//! Merges, and the tables that a crash has left of them, hold these commits a second time, with the
//! same numbers; of each key the newest version counts, wherever it stands.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::{Known, Lost, Repair, table_id_of};
use crate::catalog::TableRecord;
use crate::entry::{EntryRef, Kind};
use crate::error::{Error, Result};
use crate::memtable::Memtable;
use crate::merge::{Merger, Source};
use crate::table::{BlockCache, RunCursor, Table, TableMeta, TableWriter};
use crate::wal::{Ops, salvage};

/// What was found, by keyspace.
#[derive(Default)]
pub(super) struct Later {
    /// Whole tables.
    tables: BTreeMap<u32, Vec<Arc<Table>>>,
    /// Versions of damaged tables, which came from the log once.
    salvaged: BTreeMap<u32, Memtable>,
    /// Versions of the log.
    logged: BTreeMap<u32, Memtable>,
    /// Highest number in the tables.
    seq_max: u64,
}

impl Repair<'_, '_> {
    /// Looks at the tables that the state does not name.
    pub(super) fn unnamed_tables(&mut self, later: &mut Later) -> Result<()> {
        let dir = self.options.path.join("tables");
        let cache = Arc::new(BlockCache::new(0));
        for name in self.vfs.read_dir(&dir).map_err(Error::io("list", &dir))? {
            let Some(id) = table_id_of(&name.name) else { continue };
            let path = dir.join(&name.name);
            if self.state.tables.contains_key(&id) || self.made.contains(&path) {
                continue;
            }
            if !self.damaged.contains(&path) {
                self.unnamed_table(&path, &cache, later)?;
            }
            self.meter.advance(name.len)?;
        }
        Ok(())
    }

    fn unnamed_table(
        &mut self,
        path: &Path,
        cache: &Arc<BlockCache>,
        later: &mut Later,
    ) -> Result<()> {
        let whole = Table::read_meta(self.vfs, path).and_then(|meta| {
            if self.is_superseded(&meta) {
                return Ok(None);
            }
            let table = Table::open(self.vfs, path, meta, Arc::clone(cache))?;
            table.verify(true)?;
            Ok(Some(table))
        });
        match whole {
            Ok(None) => Ok(()),
            Ok(Some(table)) => {
                let id = table.meta().keyspace_id;
                if self.has_keyspace(id) {
                    self.report.tables_kept += 1;
                    later.seq_max = later.seq_max.max(table.meta().seq_max);
                    later.tables.entry(id).or_default().push(Arc::new(table));
                }
                Ok(())
            }
            Err(error) if error.is_corruption() => self.salvage_unnamed(path, later),
            Err(error) => Err(error),
        }
    }

    /// Whether a table holds nothing that the tables of the state do not: it was replaced, or is
    /// the result of a merge or bulk ingest that never became real.
    fn is_superseded(&self, meta: &TableMeta) -> bool {
        self.known == Known::Copy && meta.seq_max <= self.state.flushed_seq
    }

    /// Whether a version counts behind those of the state.
    fn is_later(&self, floor_seq: u64, seq: u64) -> bool {
        seq > floor_seq || self.known == Known::Nothing
    }

    fn salvage_unnamed(&mut self, path: &Path, later: &mut Later) -> Result<()> {
        let floor_seq = self.state.flushed_seq;
        let mut entries = Vec::new();
        let salvaged = Table::salvage(self.vfs, path, &mut |bytes| {
            let seq = EntryRef::decode(bytes).map(|entry| entry.seq);
            if seq.is_some_and(|seq| self.is_later(floor_seq, seq)) {
                entries.push(bytes.to_vec());
            }
            Ok(())
        })?;
        if salvaged.meta.as_ref().is_some_and(|meta| self.is_superseded(meta)) {
            return Ok(());
        }
        let keyspace_id = salvaged.keyspace_id;
        if keyspace_id.is_some_and(|id| !self.has_keyspace(id)) {
            return Ok(());
        }
        if salvaged.is_finished {
            let keyspace = keyspace_id.and_then(|id| self.name_of(id));
            for range in salvaged.lost {
                let detail = format!("{} bytes at {} cannot be read", range.len, range.offset);
                let (path, keyspace) = (path.to_owned(), keyspace.clone());
                let (key_after, key_before) = (range.key_after, range.key_before);
                self.report.lost.push(Lost { path, detail, keyspace, key_after, key_before });
            }
            self.report.tables_salvaged += 1;
            self.damaged.push(path.to_owned());
        }
        let Some(id) = keyspace_id else {
            self.lose_nameless(path, entries.len());
            return Ok(());
        };
        self.report.entries_salvaged += entries.len() as u64;
        let memtable = later.salvaged.entry(id).or_insert_with(Memtable::new);
        for bytes in entries {
            later.seq_max = later.seq_max.max(crate::entry::seq_of(&bytes));
            memtable.insert(bytes.into());
        }
        Ok(())
    }

    /// Reports entries of which nobody knows the keyspace.
    fn lose_nameless(&mut self, path: &Path, entries: usize) {
        if entries > 0 {
            let detail = format!("{entries} entries: nothing tells which keyspace they are of");
            let (keyspace, key_after, key_before) = (None, None, None);
            let path = path.to_owned();
            self.report.lost.push(Lost { path, detail, keyspace, key_after, key_before });
        }
    }

    /// Reads the commits of the log that can be read.
    pub(super) fn log(&mut self, later: &mut Later, bytes: u64) -> Result<()> {
        let floor = if self.known == Known::Nothing { 0 } else { self.state.flushed_seq };
        let (vfs, wal) = (self.vfs, self.options.path.join("wal"));
        let found = salvage(vfs, &wal, floor, &mut |seq, ops: Ops<'_>| {
            for op in ops.flatten() {
                let entry = EntryRef::decode_without_seq(seq, op.entry);
                let entry = entry.filter(|entry| !matches!(entry.kind, Kind::Clear | Kind::Ingest));
                if let Some(entry) = entry.filter(|_| self.has_keyspace(op.keyspace_id)) {
                    let memtable = later.logged.entry(op.keyspace_id).or_insert_with(Memtable::new);
                    memtable.insert(entry.encode_shared());
                }
            }
            Ok(())
        })?;
        self.report.commits_salvaged = found.commits;
        for (path, detail) in found.lost {
            let (keyspace, key_after, key_before) = (None, None, None);
            self.report.lost.push(Lost { path, detail, keyspace, key_after, key_before });
        }
        later.seq_max = later.seq_max.max(found.last_seq);
        self.meter.advance(bytes)
    }

    /// Writes what was found as the newest run of each keyspace.
    pub(super) fn write_later(&mut self, mut later: Later) -> Result<()> {
        let floor_seq = self.state.flushed_seq;
        // A commit that emptied a keyspace may be lost: no later one may take its number.
        let known = self.state.known_of_log().durable_seq;
        self.state.flushed_seq = known.max(later.seq_max);
        for id in self.state.keyspaces.keys().copied().collect::<Vec<_>>() {
            let mut sources = Vec::new();
            for memtables in [&later.logged, &later.salvaged] {
                let cursors = memtables.get(&id).map(Memtable::flush_cursors).unwrap_or_default();
                sources.extend(cursors.into_iter().map(Source::Memory));
            }
            for table in later.tables.remove(&id).unwrap_or_default() {
                sources.push(Source::table(RunCursor::new(Arc::from([table.into()]))));
            }
            for meta in self.write_newest(id, floor_seq, Merger::new(sources))? {
                let record = TableRecord::whole(self.state.flushed_seq, meta);
                self.state.tables.insert(record.meta.table_id, record);
            }
        }
        Ok(())
    }

    /// Writes the newest version of each key, if it is later than the state's tables and its value
    /// can be read, as tables of bounded size.
    fn write_newest(
        &mut self,
        keyspace_id: u32,
        floor_seq: u64,
        mut merger: Merger,
    ) -> Result<Vec<TableMeta>> {
        let mut done = Vec::new();
        let mut current: Option<TableWriter> = None;
        let mut last: Option<Vec<u8>> = None;
        merger.seek_first()?;
        while let Some(entry) = merger.to_entry() {
            merger.step()?;
            let is_older = last.as_deref() == Some(entry.key());
            if is_older || !self.is_later(floor_seq, entry.seq()) {
                continue;
            }
            if !self.keeps_value(keyspace_id, &entry.get())? {
                continue;
            }
            let full =
                current.take_if(|table| table.file_len_estimate() >= self.options.table_size);
            if let Some(full) = full {
                done.push(full.finish()?);
            }
            let writer = match &mut current {
                Some(writer) => writer,
                empty => empty.insert(self.begin_table(keyspace_id)?),
            };
            writer.add(entry.bytes())?;
            last.get_or_insert_default().clear();
            last.get_or_insert_default().extend_from_slice(entry.key());
        }
        if let Some(last) = current {
            done.push(last.finish()?);
        }
        Ok(done)
    }
}
