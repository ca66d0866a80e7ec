//! Sets of a bitmap index as a reader sees them: from memory, or put together from chunks and the
//! changes behind them.

use std::ops::Bound;
use std::sync::Arc;

use lightning_db_storage::{Slice, Transaction};
use lightning_db_types::prefix_end;

use super::BitmapIndex;
use super::cache::Cached;
use super::chunk::{self, Chunk};
use super::key::{self, parse};
use crate::error::{Error, Result};
use crate::key_buffer::with_key_buffer;
use crate::reader::Reader;
use crate::row_set::portable::{Container, SetWriter};
use crate::row_set::union::Union;
use crate::row_set::{Rows, SharedRows};

/// A chunk with the changes behind it, as they stand in the store.
#[derive(Debug, Default)]
pub(super) struct StoredChunk {
    pub(super) chunk: u64,
    pub(super) base: Option<Slice>,
    pub(super) deltas: Vec<(u16, bool)>,
}

/// Puts entries together to chunks; see [`StoredChunk`].
pub(super) struct Chunks<I> {
    entries: I,
    ahead: Option<(Slice, Slice)>,
}

impl<I: Iterator<Item = Result<(Slice, Slice)>>> Chunks<I> {
    pub(super) fn new(entries: I) -> Self {
        Self { entries, ahead: None }
    }

    /// The next chunk, with its set.
    pub(super) fn next_chunk(&mut self) -> Result<Option<(Vec<u8>, StoredChunk)>, ChunkError> {
        let first = match self.ahead.take() {
            Some(entry) => entry,
            None => match self.entries.next().transpose()? {
                Some(entry) => entry,
                None => return Ok(None),
            },
        };
        let of = parse(&first.0).ok_or(ChunkError::Key)?;
        let (set, mut stored) = (of.set.to_vec(), StoredChunk::default());
        stored.chunk = of.chunk;
        stored.add(of.delta, first.1)?;
        while let Some(entry) = self.entries.next().transpose()? {
            let next = parse(&entry.0).ok_or(ChunkError::Key)?;
            if next.chunk != stored.chunk || next.set != set {
                self.ahead = Some(entry);
                break;
            }
            stored.add(next.delta, entry.1)?;
        }
        Ok(Some((set, stored)))
    }
}

/// Why entries do not make a chunk.
#[derive(Debug)]
pub(super) enum ChunkError {
    Store(Error),
    Key,
    Change,
}

impl From<Error> for ChunkError {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl StoredChunk {
    fn add(&mut self, delta: Option<u16>, value: Slice) -> Result<(), ChunkError> {
        match (delta, &*value) {
            (None, _) => self.base = Some(value),
            (Some(row), b"+") => self.deltas.push((row, true)),
            (Some(row), b"-") => self.deltas.push((row, false)),
            _ => return Err(ChunkError::Change),
        }
        Ok(())
    }

    /// The rows, with the changes applied in `scratch`.
    pub(super) fn container<'a>(
        &'a self,
        scratch: &'a mut Scratch,
    ) -> Result<(u32, Container<'a>), &'static str> {
        let Scratch { few, changed } = scratch;
        let base = self.base.as_deref().map(|base| chunk::container(base, few)).transpose()?;
        match base {
            Some(base) if self.deltas.is_empty() => Ok(base),
            _ => {
                changed.set(base.map(|(_, container)| container));
                for (row, add) in &self.deltas {
                    changed.change(*row, *add);
                }
                Ok(changed.container())
            }
        }
    }
}

/// Room for a chunk.
#[derive(Debug)]
pub(super) struct Scratch {
    few: Vec<u8>,
    changed: Chunk,
}

impl Scratch {
    pub(super) fn new() -> Self {
        Self { few: Vec::new(), changed: Chunk::new() }
    }
}

impl BitmapIndex {
    pub(super) fn corrupt(&self, detail: impl Into<String>) -> Error {
        Error::Corrupt { index: self.definition.name.clone(), detail: detail.into() }
    }

    pub(super) fn of_chunk(&self, error: ChunkError) -> Error {
        match error {
            ChunkError::Store(error) => error,
            ChunkError::Key => self.corrupt("a key that is none of a bitmap index"),
            ChunkError::Change => self.corrupt("a change that is neither + nor -"),
        }
    }

    /// The rows of a set.
    pub(super) fn set(&self, reader: Reader<'_>, set: &[u8]) -> Result<Arc<SharedRows>> {
        match reader {
            Reader::Snapshot(snapshot) => self.cached(reader, set, snapshot.lsn()),
            Reader::Transaction(transaction) => self.own_set(transaction, set),
        }
    }

    /// The rows of a set for a snapshot, from memory if it can be.
    fn cached(&self, snapshot: Reader<'_>, set: &[u8], lsn: u64) -> Result<Arc<SharedRows>> {
        let cache = &self.shared.cache;
        let rows = match cache.get(set, lsn) {
            Cached::Hit(rows) => return Ok(rows),
            Cached::Behind(rows, changes) => {
                let mut rows = Rows::clone(&rows);
                apply(&mut rows, changes);
                rows
            }
            Cached::Miss => self.load(snapshot, set)?,
        };
        let rows = SharedRows::new(rows);
        cache.insert(set, lsn, &rows);
        Ok(rows)
    }

    /// The rows of a set for a transaction: those of its snapshot, with its own changes.
    fn own_set(&self, transaction: &Transaction, set: &[u8]) -> Result<Arc<SharedRows>> {
        let mut own = Vec::new();
        for (key, value) in transaction.writes(&self.keyspace) {
            let Some(parsed) = parse(key).filter(|parsed| parsed.set == set) else { continue };
            match (parsed.row_id(), value) {
                (Some(row_id), Some(sign)) => own.push((row_id, sign == b"+")),
                // It writes chunks itself: an import.
                _ => return self.load(Reader::Transaction(transaction), set).map(SharedRows::new),
            }
        }
        self.watch(transaction, set);
        let snapshot = transaction.snapshot();
        let base = self.cached(Reader::Snapshot(&snapshot), set, snapshot.lsn())?;
        if own.is_empty() {
            return Ok(base);
        }
        let mut rows = Rows::clone(&base);
        apply(&mut rows, own);
        Ok(SharedRows::new(rows))
    }

    fn watch(&self, transaction: &Transaction, set: &[u8]) {
        let mut end = set.to_vec();
        let end = if prefix_end(&mut end) { Bound::Excluded(&end[..]) } else { Bound::Unbounded };
        transaction.watch::<&[u8]>(&self.keyspace, (Bound::Included(set), end));
    }

    /// Reads a set from the store.
    pub(super) fn load(&self, reader: Reader<'_>, set: &[u8]) -> Result<Rows> {
        let mut chunks = Chunks::new(reader.prefix(&self.keyspace, set));
        let mut writer = SetWriter::default();
        let mut scratch = Scratch::new();
        while let Some((_, stored)) = chunks.next_chunk().map_err(|error| self.of_chunk(error))? {
            let (rows, container) =
                stored.container(&mut scratch).map_err(|detail| self.corrupt(detail))?;
            if rows > 0 {
                writer.push(stored.chunk, rows, container).map_err(|error| self.damaged(&error))?;
            }
        }
        writer.finish_plain().map_err(|error| self.damaged(&error))
    }

    /// Number of rows of a set, from the counts of its chunks.
    pub(super) fn stored_len(&self, reader: Reader<'_>, set: &[u8]) -> Result<u64> {
        let mut chunks = Chunks::new(reader.prefix(&self.keyspace, set));
        let mut scratch = Scratch::new();
        let mut len = 0;
        while let Some((_, stored)) = chunks.next_chunk().map_err(|error| self.of_chunk(error))? {
            let rows = match &stored.base {
                Some(base) if stored.deltas.is_empty() => chunk::rows_of(base),
                _ => stored.container(&mut scratch).map(|(rows, _)| rows),
            };
            len += u64::from(rows.map_err(|detail| self.corrupt(detail))?);
        }
        Ok(len)
    }

    fn damaged(&self, error: &Error) -> Error {
        self.corrupt(error.to_string())
    }

    /// Calls `visit` with each set of values within bounds, in order, until it says no.
    pub(super) fn each_set(
        &self,
        reader: Reader<'_>,
        (low, high): (Bound<&[u8]>, Bound<&[u8]>),
        visit: &mut dyn FnMut(&[u8]) -> Result<bool>,
    ) -> Result<()> {
        let mut low = low.map(<[u8]>::to_vec);
        loop {
            let bounds = (low.as_ref().map(|low| &low[..]), high);
            if is_empty_range(bounds) {
                return Ok(());
            }
            let Some(entry) = reader.range::<&[u8]>(&self.keyspace, bounds).next() else {
                return Ok(());
            };
            let (found, _) = entry?;
            let parsed = parse(&found).ok_or_else(|| self.of_chunk(ChunkError::Key))?;
            if !visit(parsed.set)? {
                return Ok(());
            }
            let mut next = parsed.set.to_vec();
            if !prefix_end(&mut next) {
                return Ok(());
            }
            low = Bound::Included(next);
        }
    }

    /// The union of all sets within bounds, read in one pass.
    pub(super) fn load_union(
        &self,
        reader: Reader<'_>,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
    ) -> Result<Rows> {
        if is_empty_range(bounds) {
            return Ok(Rows::default());
        }
        let mut chunks = Chunks::new(reader.range::<&[u8]>(&self.keyspace, bounds));
        let mut scratch = Scratch::new();
        let (mut bytes, mut parts) = (Vec::new(), Vec::new());
        while let Some((_, stored)) = chunks.next_chunk().map_err(|error| self.of_chunk(error))? {
            let read = stored.container(&mut scratch);
            let (rows, container) = read.map_err(|detail| self.corrupt(detail))?;
            container.validate(rows).map_err(|detail| self.corrupt(detail))?;
            if rows > 0 {
                let payload = container.bytes();
                bytes.extend_from_slice(payload);
                parts.push((stored.chunk, rows, container.over(&[]), payload.len()));
            }
        }
        let mut union = Union::default();
        let mut rest = &bytes[..];
        for (chunk, rows, kind, len) in parts {
            let (payload, behind) = rest.split_at(len);
            union.add(chunk, rows, kind.over(payload));
            rest = behind;
        }
        union.finish().map_err(|error| self.damaged(&error))
    }
}

fn apply(rows: &mut Rows, changes: impl IntoIterator<Item = (u64, bool)>) {
    for (row_id, add) in changes {
        if add {
            rows.insert(row_id);
        } else {
            rows.remove(row_id);
        }
    }
}

/// Whether no key can be within bounds; the store wants no such range.
pub(super) fn is_empty_range(bounds: (Bound<&[u8]>, Bound<&[u8]>)) -> bool {
    match bounds {
        (Bound::Included(low) | Bound::Excluded(low), Bound::Excluded(high))
        | (Bound::Excluded(low), Bound::Included(high)) => low >= high,
        (Bound::Included(low), Bound::Included(high)) => low > high,
        _ => false,
    }
}

/// The set of a value, for a moment.
pub(super) fn with_value_set<T>(
    value: &lightning_db_types::Value,
    read: impl FnOnce(&[u8]) -> T,
) -> T {
    with_key_buffer(|set| {
        key::value_set(value, set);
        read(set)
    })
}
