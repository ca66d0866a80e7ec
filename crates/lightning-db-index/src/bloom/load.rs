//! Keys of a table in bulk.

use std::ops::ControlFlow;

use lightning_db_expression::Columns;

use super::BloomIndex;
use crate::error::{Error, Result};
use crate::loader::{Loaded, Loader, Loading, Resumed};
use crate::reader::Reader;
use crate::row::RowStore;
use crate::row_set::RowSet;
use crate::runs::Runs;

/// Hashes of a run that are put into the filter under one lock.
const HASHES_AT_ONCE: usize = 4096;

/// Puts rows into the filter. A run holds the hashes of keys; too many of them do no harm.
pub(super) struct BloomLoader<'a> {
    index: &'a BloomIndex,
    hashes: Vec<u64>,
    runs: Runs<'a>,
}

impl<'a> BloomLoader<'a> {
    pub(super) fn new(index: &'a BloomIndex, loading: Loading) -> Result<Self> {
        let runs = Runs::open(&index.store, &index.definition, loading)?;
        Ok(Self { index, hashes: Vec::new(), runs })
    }

    fn spill(&mut self) -> Result<()> {
        let mut hashes = std::mem::take(&mut self.hashes);
        hashes.sort_unstable();
        hashes.dedup();
        self.runs.write(hashes.into_iter().map(|hash| (hash.to_be_bytes(), b"")), Vec::new())
    }

    fn insert_runs(&self) -> Result<()> {
        let mut hashes = Vec::with_capacity(HASHES_AT_ONCE);
        for entry in self.runs.merge() {
            hashes.extend(entry?.0.first_chunk().map(|hash| u64::from_be_bytes(*hash)));
            if hashes.len() == HASHES_AT_ONCE {
                self.index.follower.insert_all(hashes.drain(..));
            }
        }
        self.index.follower.insert_all(hashes);
        Ok(())
    }

    /// Rows that have changed since they were read may have keys that no run has.
    fn insert_left_out(&self, reader: Reader<'_>) -> Result<()> {
        let BloomIndex { definition, follower, .. } = self.index;
        let rows: &dyn RowStore = &*follower.rows;
        for row_id in self.runs.left_out().iter() {
            rows.get(reader, row_id, &mut |row| {
                if definition.holds(row)? {
                    follower.insert_all([follower.hash(row)?]);
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

impl Loader for BloomLoader<'_> {
    fn add(&mut self, row_id: u64, row: &dyn Columns) -> Result<()> {
        let hash = self.index.follower.hash(row)?;
        if (self.hashes.len() + 1) * size_of::<u64>() > self.runs.budget() {
            self.spill()?;
        }
        self.hashes.push(hash);
        self.runs.pass(row_id);
        Ok(())
    }

    fn pass(&mut self, row_id: u64) {
        self.runs.pass(row_id);
    }

    fn resumed(&self) -> Option<Resumed> {
        self.runs.resumed()
    }

    fn leave_out(&mut self, rows: &RowSet) {
        self.runs.leave_out(rows);
    }

    fn finish(
        mut self: Box<Self>,
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<Loaded> {
        let entries = self.runs.entries() + self.hashes.len() as u64;
        if progress(0, entries).is_break() {
            return Err(Error::Cancelled { index: self.index.definition.name.clone() });
        }
        let snapshot = self.index.store.snapshot();
        let mut inserted = self.insert_left_out(Reader::Snapshot(&snapshot));
        if !self.runs.is_empty() {
            // The hashes in memory go to a run too: the next try need not read their rows.
            inserted = inserted.and_then(|()| self.spill()).and_then(|()| self.insert_runs());
        }
        self.index.follower.insert_all(std::mem::take(&mut self.hashes));
        self.runs.end().and(inserted)?;
        self.index.follower.vouch_from(snapshot.lsn());
        let _ended = progress(entries, entries);
        Ok(Loaded { entries, ..Loaded::default() })
    }
}
