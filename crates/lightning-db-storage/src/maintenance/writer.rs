//! Writing the result of a flush or merge as tables of bounded size.

use std::sync::Arc;

use super::retain::{Retain, Verdict};
use crate::engine::{Engine, KeyspaceInner};
use crate::entry::{EntryRef, Kind, key_of};
use crate::error::{Error, Result};
use crate::merge::Merger;
use crate::table::{Compression, Portion, Table, TableMeta, TableOptions, TableWriter};

/// Where to stop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit<'a> {
    /// At the first key behind this many bytes of entries, or behind half of them if a table ends
    /// there: a short one would follow.
    pub(super) bytes: u64,
    /// At this key.
    pub(super) until: Option<&'a [u8]>,
}

impl Limit<'_> {
    /// At the end.
    pub(super) const NONE: Self = Self { bytes: u64::MAX, until: None };
}

/// Writes entries in order, starting new tables as needed.
pub(super) struct RunWriter<'a> {
    engine: &'a Engine,
    keyspace: &'a KeyspaceInner,
    compression: Compression,
    current: Option<TableWriter>,
    started: Vec<u64>,
    last_key: Vec<u8>,
    scratch: Vec<u8>,
    done: Vec<TableMeta>,
}

impl<'a> RunWriter<'a> {
    pub(super) fn new(engine: &'a Engine, keyspace: &'a KeyspaceInner) -> Self {
        Self {
            engine,
            keyspace,
            compression: keyspace.compression,
            current: None,
            started: Vec::new(),
            last_key: Vec::new(),
            scratch: Vec::new(),
            done: Vec::new(),
        }
    }

    /// Leaves the blocks as they are, in the place of the keyspace's compression.
    pub(super) fn uncompressed(mut self) -> Self {
        self.compression = Compression::Off;
        self
    }

    /// Adds an encoded entry.
    pub(super) fn add(&mut self, encoded: &[u8]) -> Result<()> {
        let key = key_of(encoded);
        // All versions of a key are in one table.
        if self.is_full() && key != self.last_key {
            self.close_table()?;
        }
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        if self.current.is_none() {
            let table_id = self.engine.catalog.lock().take_table_id()?;
            self.started.push(table_id);
            self.current = Some(self.new_table(table_id)?);
        }
        self.current.as_mut().map_or(Ok(()), |table| table.add(encoded))
    }

    /// Adds what `retain` keeps of a merger's entries from where it stands to the limit. The merger
    /// stands behind them then, at the first version of a key. Returns the bytes of these entries.
    pub(super) fn add_retained(
        &mut self,
        merger: &mut Merger,
        retain: &mut Retain,
        limit: Limit<'_>,
    ) -> Result<u64> {
        let mut since_look = 0_u32;
        let mut taken = 0;
        while let Some(bytes) = merger.entry() {
            let Some(entry) = EntryRef::decode(bytes) else { break };
            // All versions of a key are judged together.
            let full = taken >= limit.bytes
                || taken >= limit.bytes / 2 && self.is_full()
                || limit.until.is_some_and(|until| entry.key >= until);
            if full && !retain.is_within(entry.key) {
                break;
            }
            taken += bytes.len() as u64;
            let mut scratch = std::mem::take(&mut self.scratch);
            scratch.clear();
            match retain.judge(&entry) {
                Verdict::Drop => {}
                Verdict::Keep => self.add(bytes)?,
                Verdict::KeepSettled => {
                    EntryRef { seq: 0, ..entry }.encode(&mut scratch);
                    self.add(&scratch)?;
                }
                Verdict::KeepDeleted => {
                    let gone =
                        EntryRef { kind: Kind::Delete, value: &[], expires_at_ms: 0, ..entry };
                    gone.encode(&mut scratch);
                    self.add(&scratch)?;
                }
            }
            self.scratch = scratch;
            merger.step()?;
            since_look += 1;
            if since_look == 4_096 {
                since_look = 0;
                if self.engine.work.is_closing() {
                    return Err(Error::Closed);
                }
            }
        }
        Ok(taken)
    }

    fn is_full(&self) -> bool {
        let size = self.engine.options.table_size;
        self.current.as_ref().is_some_and(|table| table.file_len_estimate() >= size)
    }

    fn new_table(&self, table_id: u64) -> Result<TableWriter> {
        let engine = self.engine;
        let options = TableOptions {
            table_id,
            keyspace_id: self.keyspace.id,
            block_size: engine.options.block_size,
            compression: self.compression,
            created_unix_ms: engine.clock.now_unix_ms(),
        };
        TableWriter::create(&*engine.vfs, &engine.table_path(table_id), options)
    }

    fn close_table(&mut self) -> Result<()> {
        if let Some(table) = self.current.take() {
            self.done.push(table.finish()?);
        }
        Ok(())
    }

    /// Finishes the last table.
    pub(super) fn finish(mut self) -> Result<Vec<TableMeta>> {
        self.close_table()?;
        self.started.clear();
        Ok(std::mem::take(&mut self.done))
    }
}

impl Drop for RunWriter<'_> {
    /// Removes what was written in vain: it would fill the disk that refused the rest.
    fn drop(&mut self) {
        self.current = None;
        if !self.started.is_empty() {
            self.engine.remove_unnamed(self.started.drain(..));
        }
    }
}

impl Engine {
    /// Opens tables that were just written, as one run.
    pub(super) fn open_tables(&self, metas: &[TableMeta]) -> Result<Arc<[Portion]>> {
        metas.iter().map(|meta| Ok(Portion::from(Arc::new(self.open_table(meta)?)))).collect()
    }

    pub(crate) fn open_table(&self, meta: &TableMeta) -> Result<Table> {
        let path = self.table_path(meta.table_id);
        Table::open(&*self.vfs, &path, meta.clone(), Arc::clone(&self.cache))
    }

    /// Brings the names of new tables to the disk.
    pub(super) fn sync_tables_dir(&self) -> Result<()> {
        if crate::planted::is("skip-table-dir-sync") {
            return Ok(());
        }
        let dir = self.tables_dir();
        self.vfs.sync_dir(&dir).map_err(Error::io("sync folder", &dir))
    }

    /// Removes tables that were written for nothing.
    pub(super) fn discard_tables(&self, metas: &[TableMeta]) {
        self.remove_unnamed(metas.iter().map(|meta| meta.table_id));
    }

    /// Removes tables that the manifest does not name.
    fn remove_unnamed(&self, table_ids: impl Iterator<Item = u64>) {
        // Held until they are gone: behind a close these may be the numbers of another process.
        let catalog = self.catalog.lock();
        if catalog.check_open().is_err() {
            return;
        }
        for table_id in table_ids {
            // A file that stays is removed by the next open.
            let _ = self.vfs.remove_file(&self.table_path(table_id));
        }
    }
}
