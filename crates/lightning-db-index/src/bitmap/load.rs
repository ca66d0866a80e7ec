//! Sets as a whole: bulk builds, import and export.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use lightning_db_expression::Columns;
use lightning_db_storage::{Error as StorageError, Transaction};
use lightning_db_types::Value;

use super::chunk;
use super::key::{self, parse};
use super::{BitmapEncoding, BitmapIndex};
use crate::error::{Error, Result};
use crate::loader::{Loaded, Loader};
use crate::reader::Reader;
use crate::row_set::portable::{Container, walk, write_bitmap};
use crate::row_set::{RowSet, Rows};

/// Gathers the sets of a bitmap index in memory, compressed as they will be on the disk.
pub(super) struct BitmapLoader<'a> {
    index: &'a BitmapIndex,
    sets: BTreeMap<Vec<u8>, Rows>,
}

impl<'a> BitmapLoader<'a> {
    pub(super) fn new(index: &'a BitmapIndex) -> Self {
        Self { index, sets: BTreeMap::new() }
    }
}

impl Loader for BitmapLoader<'_> {
    fn add(&mut self, row_id: u64, row: &dyn Columns) -> Result<()> {
        for set in self.index.sets_of(row)? {
            self.sets.entry(set).or_default().push(row_id);
        }
        Ok(())
    }

    fn finish(
        self: Box<Self>,
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<Loaded> {
        let Self { index, sets } = *self;
        if sets.is_empty() {
            return Ok(Loaded::default());
        }
        let cancelled = || Error::Cancelled { index: index.definition.name.clone() };
        let all = sets.len() as u64;
        if progress(0, all).is_break() {
            return Err(cancelled());
        }
        let mut broken = false;
        let entries = sets.into_iter().enumerate().flat_map(|(done, (set, mut rows))| {
            broken = broken || progress(done as u64 + 1, all).is_break();
            if broken {
                // Out of order, which makes the store refuse all of it.
                return vec![(Vec::new(), Vec::new()); 2];
            }
            rows.optimize();
            let mut chunks = Vec::new();
            each_chunk(&rows, &mut |chunk, rows, container| {
                chunks.push((key::base_key(&set, chunk), chunk::encode(rows, container, false)));
            });
            chunks
        });
        match index.keyspace.ingest(entries) {
            Ok(report) => Ok(Loaded { entries: report.entries, ..Loaded::default() }),
            Err(StorageError::NotSorted { .. }) if broken => Err(cancelled()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Calls `visit` with each chunk of a set.
pub(super) fn each_chunk(rows: &Rows, visit: &mut dyn FnMut(u64, u32, Container<'_>)) {
    let mut bytes = Vec::new();
    for (high, bitmap) in rows.parts() {
        bytes.clear();
        write_bitmap(bitmap, &mut bytes);
        // What was just written can be read.
        let _infallible = walk(&bytes, false, &mut |key, rows, container| {
            visit(u64::from(high) << 16 | u64::from(key), rows, container);
        });
    }
}

impl BitmapIndex {
    /// The rows with exactly this value, of its type or null, shared with the index's memory: the
    /// fastest way to a set that is combined again and again.
    ///
    /// # Errors
    /// [`Error::Query`] for an index of bit slices; those of the store.
    pub fn rows_with(&self, reader: Reader<'_>, value: &Value) -> Result<RowSet> {
        self.need_values("the rows of one value")?;
        let rows = super::sets::with_value_set(value, |set| self.set(reader, set))?;
        Ok(RowSet::shared(rows))
    }

    /// The rows with a value in the portable Roaring format of 64-bit numbers, run-optimized; see
    /// [`RowSet`] for that of 32-bit numbers.
    ///
    /// # Errors
    /// As [`rows_with`](Self::rows_with).
    pub fn export(&self, reader: Reader<'_>, value: &Value) -> Result<Vec<u8>> {
        Ok(self.rows_with(reader, value)?.optimized().to_portable_64())
    }

    /// Makes a set, of whatever origin, the rows with a value, in a transaction. The rows
    /// themselves are not looked at, so that this is for data that comes as bitmaps: a row may then
    /// have several values, and a check reports what the table does not bear out.
    ///
    /// Chunks are written as a whole, so that transactions on single rows of them, open at the same
    /// time, conflict with this one if it is serializable.
    ///
    /// # Errors
    /// [`Error::Query`] for an index of bit slices, [`Error::Value`] if the value is too long;
    /// those of the store.
    pub fn import(
        &self,
        transaction: &mut Transaction,
        value: &Value,
        rows: &RowSet,
    ) -> Result<()> {
        self.need_values("an import")?;
        let mut set = Vec::new();
        key::value_set(value, &mut set);
        if set.len() > key::SET_LEN_MAX {
            let detail = format!("a value of {} bytes", set.len());
            return Err(Error::Value { index: self.definition.name.clone(), detail });
        }
        self.types.add(value.value_type());
        let all = self.set(Reader::Transaction(transaction), key::EXISTENCE)?;
        let all = RowSet::shared(all).or(rows);
        self.replace(transaction, key::EXISTENCE, all.held())?;
        self.replace(transaction, &set, rows.held())
    }

    /// Writes all chunks of a set anew.
    fn replace(&self, transaction: &mut Transaction, set: &[u8], rows: &Rows) -> Result<()> {
        let mut chunks = BTreeSet::new();
        let mut deltas = Vec::new();
        for entry in Reader::Transaction(transaction).prefix(&self.keyspace, set) {
            let (key, _) = entry?;
            match parse(&key) {
                Some(parsed) if parsed.delta.is_none() => {
                    chunks.insert(parsed.chunk);
                }
                _ => deltas.push(key),
            }
        }
        for key in deltas {
            transaction.remove(&self.keyspace, key)?;
        }
        let mut written = Ok(());
        let mut rows = rows.clone();
        rows.optimize();
        each_chunk(&rows, &mut |chunk, rows, container| {
            chunks.remove(&chunk);
            let value = chunk::encode(rows, container, false);
            let key = key::base_key(set, chunk);
            if written.is_ok() {
                written = transaction.insert(&self.keyspace, key, value);
            }
        });
        written?;
        // Removing a chunk would look like a fold: those that are gone are written empty. One chunk
        // is written in any case, so that who keeps the set in memory learns of it.
        let chunks =
            if rows.is_empty() && chunks.is_empty() { BTreeSet::from([0]) } else { chunks };
        for chunk in chunks {
            let empty = chunk::encode(0, Container::Array(&[]), false);
            transaction.insert(&self.keyspace, key::base_key(set, chunk), empty)?;
        }
        Ok(())
    }

    pub(super) fn need_values(&self, what: &str) -> Result<()> {
        match self.encoding {
            BitmapEncoding::Values => Ok(()),
            BitmapEncoding::Slices { .. } => {
                Err(self.refuse_query(format!("{what} needs an index of values")))
            }
        }
    }

    pub(super) fn refuse_query(&self, detail: impl Into<String>) -> Error {
        Error::Query { index: self.definition.name.clone(), detail: detail.into() }
    }
}
