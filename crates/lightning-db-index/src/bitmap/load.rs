//! Sets as a whole: bulk builds, import and export.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use lightning_db_expression::Columns;
use lightning_db_storage::{Slice, Transaction};
use lightning_db_types::Value;

use super::chunk::{self, Chunk};
use super::key::{self, parse};
use super::sets::ChunkError;
use super::types::SeenTypes;
use super::{BitmapEncoding, BitmapIndex};
use crate::error::{Error, Result};
use crate::loader::{Loaded, Loader, Loading, Resumed};
use crate::reader::Reader;
use crate::row_set::portable::{Container, walk, write_bitmap};
use crate::row_set::{RowSet, Rows};
use crate::runs::{Merge, Place, Runs, ingest};

/// Memory of a set besides its rows, roughly.
const SET_BYTES: usize = 96;
/// Memory of a row in a set, at most.
const ROW_BYTES: usize = 2;

/// Gathers the sets of a bitmap index in memory, compressed as they will be on the disk. A run has
/// the chunks of the rows from one checkpoint to the next: where these meet, a chunk is in both.
pub(super) struct BitmapLoader<'a> {
    index: &'a BitmapIndex,
    sets: BTreeMap<Vec<u8>, Rows>,
    bytes: usize,
    runs: Runs<'a>,
}

impl<'a> BitmapLoader<'a> {
    pub(super) fn new(index: &'a BitmapIndex, loading: Loading) -> Result<Self> {
        let runs = Runs::open(&index.store, &index.definition, loading)?;
        if runs.is_again() {
            index.keyspace.clear()?;
        }
        Ok(Self { index, sets: BTreeMap::new(), bytes: 0, runs })
    }

    fn spill(&mut self) -> Result<()> {
        self.bytes = 0;
        self.runs.write(chunks_of(std::mem::take(&mut self.sets)), Vec::new())
    }
}

impl Loader for BitmapLoader<'_> {
    fn add(&mut self, row_id: u64, row: &dyn Columns) -> Result<()> {
        let sets = self.index.sets_of(row)?;
        if self.bytes > self.runs.budget() {
            self.spill()?;
        }
        for set in sets {
            self.bytes += ROW_BYTES;
            let rows = self.sets.entry(set).or_insert_with_key(|set| {
                self.bytes += SET_BYTES + set.len();
                Rows::default()
            });
            rows.push(row_id);
        }
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
        let BitmapIndex { store, definition, keyspace, .. } = self.index;
        let to = Place { store, definition, keyspace };
        if self.runs.is_empty() {
            let mut sets = self.sets;
            for rows in sets.values_mut() {
                rows.take_out(self.runs.left_out().held());
            }
            let total = sets.values().map(Rows::containers).sum();
            return ingest(to, chunks_of(sets).map(Ok), total, progress);
        }
        if !self.sets.is_empty() {
            self.spill()?;
        }
        let joined = Joined::new(self.index, self.runs.merge(), self.runs.left_out());
        let written = ingest(to, joined, self.runs.entries(), progress);
        let loaded = self.runs.end().and(written)?;
        // What was read before a crash has types that this process has not met.
        self.index.types.add_all(&SeenTypes::find(keyspace)?);
        Ok(loaded)
    }
}

/// Keys and values of the chunks of sets.
fn chunks_of(sets: BTreeMap<Vec<u8>, Rows>) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    sets.into_iter().flat_map(|(set, mut rows)| {
        rows.optimize();
        let mut chunks = Vec::new();
        each_chunk(&rows, &mut |chunk, rows, container| {
            chunks.push((key::base_key(&set, chunk), chunk::encode(rows, container, false)));
        });
        chunks
    })
}

/// Chunks of several runs as one, without rows that are left out.
struct Joined<'a> {
    index: &'a BitmapIndex,
    chunks: Merge,
    ahead: Option<(Slice, Slice)>,
    /// By chunk.
    left_out: BTreeMap<u64, Vec<u16>>,
    few: Vec<u8>,
    scratch: Chunk,
}

impl<'a> Joined<'a> {
    fn new(index: &'a BitmapIndex, chunks: Merge, left_out: &RowSet) -> Self {
        let mut by_chunk = BTreeMap::<u64, Vec<u16>>::new();
        for row_id in left_out.iter() {
            let row = u16::try_from(row_id & 0xFFFF).unwrap_or(0);
            by_chunk.entry(row_id >> 16).or_default().push(row);
        }
        let (few, scratch) = (Vec::new(), Chunk::new());
        Self { index, chunks, ahead: None, left_out: by_chunk, few, scratch }
    }

    fn unite(&mut self, stored: &[u8], is_first: bool) -> Result<()> {
        let (_, container) =
            chunk::container(stored, &mut self.few).map_err(|detail| self.index.corrupt(detail))?;
        if is_first {
            self.scratch.set(Some(container));
        } else {
            self.scratch.add(container);
        }
        Ok(())
    }

    /// The next chunk; of no value if none of its rows is wanted.
    fn join(&mut self) -> Result<Option<(Slice, Option<Slice>)>> {
        let first = match self.ahead.take() {
            Some(first) => Some(first),
            None => self.chunks.next().transpose()?,
        };
        let Some((key, first)) = first else { return Ok(None) };
        let of = parse(&key).ok_or_else(|| self.index.of_chunk(ChunkError::Key))?;
        let chunk = of.chunk;
        let mut is_alone = true;
        while let Some((next, more)) = self.chunks.next().transpose()? {
            if next != key {
                self.ahead = Some((next, more));
                break;
            }
            if std::mem::take(&mut is_alone) {
                self.unite(&first, true)?;
            }
            self.unite(&more, false)?;
        }
        if is_alone && !self.left_out.contains_key(&chunk) {
            return Ok(Some((key, Some(first))));
        }
        if is_alone {
            self.unite(&first, true)?;
        }
        for row in self.left_out.get(&chunk).into_iter().flatten() {
            self.scratch.change(*row, false);
        }
        let (rows, container) = self.scratch.container();
        let value = (rows > 0).then(|| chunk::encode(rows, container, false).into());
        Ok(Some((key, value)))
    }
}

impl Iterator for Joined<'_> {
    type Item = Result<(Slice, Slice)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.join().transpose()? {
                Ok((key, Some(value))) => return Some(Ok((key, value))),
                Ok((_, None)) => {}
                Err(error) => return Some(Err(error)),
            }
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
