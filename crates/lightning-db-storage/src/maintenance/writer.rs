//! Writing the result of a flush or merge as tables of bounded size.

use std::sync::Arc;

use super::retain::{Retain, Verdict};
use crate::engine::{Engine, KeyspaceInner};
use crate::entry::{EntryRef, Kind, key_of};
use crate::error::{Error, Result};
use crate::merge::Merger;
use crate::table::{Table, TableMeta, TableOptions, TableWriter};

/// A table is closed when it has grown to this many bytes, at the next key.
pub(super) const TABLE_LEN: u64 = 32 << 20;

/// Writes entries in order, starting new tables as needed.
pub(super) struct RunWriter<'a> {
    engine: &'a Engine,
    keyspace: &'a KeyspaceInner,
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
            current: None,
            started: Vec::new(),
            last_key: Vec::new(),
            scratch: Vec::new(),
            done: Vec::new(),
        }
    }

    /// Adds an encoded entry.
    pub(super) fn add(&mut self, encoded: &[u8]) -> Result<()> {
        let key = key_of(encoded);
        let full =
            self.current.as_ref().is_some_and(|table| table.file_len_estimate() >= TABLE_LEN);
        // All versions of a key are in one table.
        if full && key != self.last_key {
            self.close_table()?;
        }
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        if self.current.is_none() {
            let table_id = self.engine.catalog.lock().take_table_id();
            self.started.push(table_id);
            self.current = Some(new_table(self.engine, self.keyspace, table_id)?);
        }
        self.current.as_mut().map_or(Ok(()), |table| table.add(encoded))
    }

    /// Adds what `retain` keeps of everything in a merger.
    pub(super) fn add_retained(&mut self, merger: &mut Merger, retain: &mut Retain) -> Result<()> {
        let mut since_look = 0_u32;
        while let Some(bytes) = merger.entry() {
            let Some(entry) = EntryRef::decode(bytes) else { break };
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
        Ok(())
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
        for table_id in &self.started {
            let _ = self.engine.vfs.remove_file(&self.engine.table_path(*table_id));
        }
    }
}

fn new_table(engine: &Engine, keyspace: &KeyspaceInner, table_id: u64) -> Result<TableWriter> {
    let options = TableOptions {
        table_id,
        keyspace_id: keyspace.id,
        block_size: engine.options.block_size,
        compression: keyspace.compression,
        created_unix_ms: engine.clock.now_unix_ms(),
    };
    TableWriter::create(&*engine.vfs, &engine.table_path(table_id), options)
}

impl Engine {
    /// Opens tables that were just written, as one run.
    pub(super) fn open_tables(&self, metas: &[TableMeta]) -> Result<Arc<[Arc<Table>]>> {
        let tables = metas.iter().map(|meta| self.open_table(meta).map(Arc::new));
        tables.collect::<Result<Vec<_>>>().map(Arc::from)
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
        for meta in metas {
            // A file that stays is removed by the next open: the manifest does not name it.
            let _ = self.vfs.remove_file(&self.table_path(meta.table_id));
        }
    }
}
