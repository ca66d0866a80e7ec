//! Some rows of a table at once: copied as they are stored, and decoded column by column.
//!
//! Whoever reads much decodes a column in one loop, in which its type and place are known, and
//! only for the rows that are still wanted by then.

use std::ops::ControlFlow;

use lightning_db_index::row_id_of;
use lightning_db_storage::{Offer, Segment, Visitor};
use lightning_db_types::{Decimal, ValueRef};

use crate::catalog::Schema;
use crate::error::{Error, Result};
use crate::layout::{Layout, Slot};
use crate::row::RowView;
use crate::schema::ColumnType;
use crate::snapshot::TableReader;

/// Rows of the first chunk: whoever wants few does not wait for many.
const FIRST_ROWS: usize = 64;
/// Texts up to so many bytes are copied as if they had as many.
const SHORT_LEN: usize = 32;
/// Bytes after which a chunk ends, whatever its rows.
const CHUNK_BYTES: usize = 4 << 20;

/// Rows of a table, by their places from zero.
#[derive(Debug)]
pub struct RowChunk<'a> {
    schema: &'a Schema,
    /// All rows have this one.
    layout: &'a Layout,
    bytes: Vec<u8>,
    /// Where each row begins, and behind them where the last ends.
    bounds: Vec<usize>,
    row_ids: Vec<u64>,
    /// The null bits of all rows together.
    nulls: Vec<u8>,
    segment: Option<Segment>,
}

/// Takes the rows of a table in chunks.
pub trait ChunkVisitor<E> {
    /// Takes a segment without its rows, if it has kept what it needs of them: rows that it was
    /// given in a chunk of this [`segment`](RowChunk::segment). `None` if it has not.
    ///
    /// # Errors
    /// Its own.
    fn known(&mut self, segment: Segment) -> Result<Option<ControlFlow<()>>, E>;

    /// Takes a chunk.
    ///
    /// # Errors
    /// Its own.
    fn chunk(&mut self, chunk: &RowChunk<'_>) -> Result<ControlFlow<()>, E>;
}

/// A column of the rows of a chunk.
#[derive(Debug)]
pub enum ChunkColumn<'c> {
    /// Rows that are older than the column have its default.
    Same(ValueRef<'c>),
    /// Values where they are stored.
    Stored(StoredColumn<'c>),
}

/// Values of a column where they are stored. Rows are named by their places in the chunk; a null
/// of fixed width is read as zero.
#[derive(Debug)]
pub struct StoredColumn<'c> {
    layout: &'c Layout,
    slot: Slot,
    bytes: &'c [u8],
    bounds: &'c [usize],
    has_nulls: bool,
}

impl<'a> RowChunk<'a> {
    fn new(schema: &'a Schema, layout: &'a Layout) -> Self {
        let (bytes, row_ids) = (Vec::new(), Vec::new());
        let (bounds, nulls) = (vec![0], Vec::new());
        Self { schema, layout, bytes, bounds, row_ids, nulls, segment: None }
    }

    /// The segment whose rows these are, if they are all rows of one and stay so: stored columns of
    /// theirs may be kept.
    pub fn segment(&self) -> Option<Segment> {
        self.segment
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.row_ids.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.row_ids.is_empty()
    }

    /// Numbers of the rows in their table.
    pub fn row_ids(&self) -> &[u64] {
        &self.row_ids
    }

    /// Whether the rows have a column themselves: older ones have its default.
    pub fn is_stored(&self, id: usize) -> bool {
        self.layout.has(id)
    }

    /// A column, by id.
    pub fn column(&self, id: usize) -> ChunkColumn<'_> {
        match self.layout.slot(id) {
            Some(slot) => ChunkColumn::Stored(StoredColumn {
                layout: self.layout,
                slot,
                bytes: &self.bytes,
                bounds: &self.bounds,
                has_nulls: slot.is_set_in(&self.nulls),
            }),
            None => ChunkColumn::Same(self.schema.older(self.layout, id)),
        }
    }

    #[inline]
    fn push(&mut self, row: &RowView<'_>) {
        self.bytes.extend_from_slice(row.stored());
        self.bounds.push(self.bytes.len());
        self.row_ids.push(row.row_id());
        let nulls = self.layout.null_bits(row.stored());
        if self.nulls.is_empty() {
            self.nulls.extend_from_slice(nulls);
        } else {
            self.nulls.iter_mut().zip(nulls).for_each(|(all, nulls)| *all |= nulls);
        }
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.bounds.truncate(1);
        self.row_ids.clear();
        self.nulls.clear();
    }
}

impl<'c> StoredColumn<'c> {
    /// Type of the values.
    pub fn column_type(&self) -> ColumnType {
        self.slot.column_type()
    }

    #[inline]
    fn row(&self, row: usize) -> &'c [u8] {
        &self.bytes[self.bounds[row]..self.bounds[row + 1]]
    }

    /// Whether the value of any row is null.
    pub fn has_nulls(&self) -> bool {
        self.has_nulls
    }

    /// Whether the value of a row is null.
    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        self.slot.is_null(self.row(row))
    }

    /// The value of a row, whatever its type.
    #[inline]
    pub fn value(&self, row: usize) -> ValueRef<'c> {
        self.layout.value(self.row(row), self.slot).unwrap_or_default()
    }

    /// Appends the bytes of a text, of which nobody has checked that they are UTF-8; none of a
    /// null.
    #[inline]
    pub fn append_bytes(&self, row: usize, to: &mut Vec<u8>) {
        let range = self.layout.range(self.row(row), self.slot).unwrap_or_default();
        let bytes = self.bytes.get(self.bounds[row] + range.start..).unwrap_or_default();
        append(bytes, range.len(), to);
    }

    /// The same of all rows, with where each ends.
    pub fn append_all_bytes(&self, to: &mut Vec<u8>, ends: &mut Vec<usize>) {
        let (bytes, layout, slot) = (self.bytes, self.layout, self.slot);
        for bounds in self.bounds.windows(2) {
            let stored = bytes.get(bounds[0]..).unwrap_or_default();
            let range = layout.range(stored, slot).unwrap_or_default();
            append(stored.get(range.start..).unwrap_or_default(), range.len(), to);
            ends.push(to.len());
        }
    }

    /// The bytes of a value of fixed width; zeros if it has fewer.
    #[inline]
    fn fixed<const N: usize>(&self, row: usize) -> [u8; N] {
        let Some(at) = self.slot.fixed_at() else { return [0; N] };
        // Rows were checked to have all columns of fixed width.
        let bytes = self.bytes.get(self.bounds[row] + at..).and_then(<[u8]>::first_chunk);
        bytes.copied().unwrap_or([0; N])
    }

    /// The value as 64 bits: of an `i64`, `u64`, `f64` or timestamp.
    #[inline]
    pub fn bits(&self, row: usize) -> u64 {
        u64::from_le_bytes(self.fixed(row))
    }

    /// The value of a date.
    #[inline]
    pub fn date(&self, row: usize) -> i32 {
        i32::from_le_bytes(self.fixed(row))
    }

    /// Mantissa and scale of a decimal; `None` if the mantissa takes more than 64 bits.
    #[inline]
    pub fn decimal(&self, row: usize) -> Option<(i64, u8)> {
        short_decimal(&self.fixed(row))
    }

    /// The bytes of the values of fixed width of all rows.
    fn all_fixed<const N: usize>(&self) -> impl Iterator<Item = [u8; N]> + use<'c, N> {
        let (bytes, at) = self.slot.fixed_at().map_or((&[][..], 0), |at| (self.bytes, at));
        self.bounds[1..].iter().zip(self.bounds).map(move |(_, start)| {
            let bytes = bytes.get(start + at..).and_then(<[u8]>::first_chunk);
            bytes.copied().unwrap_or([0; N])
        })
    }

    /// The values of all rows as [`bits`](Self::bits).
    pub fn all_bits(&self) -> impl Iterator<Item = u64> + use<'c> {
        self.all_fixed().map(u64::from_le_bytes)
    }

    /// The values of all rows as [`date`](Self::date).
    pub fn all_dates(&self) -> impl Iterator<Item = i32> + use<'c> {
        self.all_fixed().map(i32::from_le_bytes)
    }

    /// The values of all rows as [`decimal`](Self::decimal).
    pub fn all_decimals(&self) -> impl Iterator<Item = Option<(i64, u8)>> + use<'c> {
        self.all_fixed().map(|bytes| short_decimal(&bytes))
    }
}

#[inline]
fn short_decimal(bytes: &[u8; 17]) -> Option<(i64, u8)> {
    let half = |at: usize| bytes[at..].first_chunk().map_or(0, |it| i64::from_le_bytes(*it));
    let (low, high) = (half(0), half(8));
    (high == low >> 63 && bytes[16] <= Decimal::SCALE_MAX).then_some((low, bytes[16]))
}

/// Appends the first `len` bytes, of rows that were checked to have them.
///
/// Most texts are short. A copy of known length, of which what is too much is cut off again, costs
/// less than a call.
#[inline]
fn append(from: &[u8], len: usize, to: &mut Vec<u8>) {
    let end = to.len() + len;
    match from.first_chunk::<SHORT_LEN>().filter(|_| len <= SHORT_LEN) {
        Some(chunk) => to.extend_from_slice(chunk),
        None => to.extend_from_slice(from.get(..len).unwrap_or_default()),
    }
    to.truncate(end);
}

impl TableReader<'_> {
    /// Gives all rows, in the order of their numbers, in chunks of up to `rows_max`, or of a
    /// segment, until the visitor breaks. The first chunks are smaller. Rows that were read before
    /// an error are given first.
    ///
    /// # Errors
    /// Those of the store, and those of the visitor.
    pub fn visit_chunks<E: From<Error>>(
        &self,
        rows_max: usize,
        visitor: &mut dyn ChunkVisitor<E>,
    ) -> Result<ControlFlow<()>, E> {
        let mut range = self.reader.range::<&[u8]>(&self.table.rows.keyspace, ..);
        let mut chunks = Chunks {
            reader: self,
            chunk: None,
            wanted: FIRST_ROWS.min(rows_max),
            rows_max,
            segment: None,
            visitor,
            failed: None,
        };
        // Rows that end by a column are there for some readers and not for others.
        let visited = if self.table.schema.record.expires_at.is_none() {
            range.visit_segments(&mut chunks)
        } else {
            range.visit(|key, stored| chunks.visit(key, stored))
        };
        let failed = match (visited, chunks.failed.take()) {
            (_, Some(Failed::Visit(error))) => return Err(error),
            (_, Some(Failed::Row(error))) => Some(error),
            (Ok(ControlFlow::Break(())), None) => return Ok(ControlFlow::Break(())),
            (Ok(ControlFlow::Continue(())), None) => None,
            (Err(error), None) => Some(Error::of_index(self.table.name())(error)),
        };
        chunks.segment = None;
        if chunks.give()?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        failed.map_or(Ok(ControlFlow::Continue(())), |error| Err(error.into()))
    }
}

/// Rows that are gathered, and given as chunks.
struct Chunks<'r, 'v, E> {
    reader: &'r TableReader<'r>,
    chunk: Option<RowChunk<'r>>,
    /// Rows that the next chunk is to have.
    wanted: usize,
    rows_max: usize,
    /// The segment that is being read, as long as its rows fit into one chunk.
    segment: Option<Segment>,
    visitor: &'v mut dyn ChunkVisitor<E>,
    failed: Option<Failed<E>>,
}

/// Why no more rows are gathered.
enum Failed<E> {
    /// What has been gathered is given before.
    Row(Error),
    Visit(E),
}

impl<E> Visitor for Chunks<'_, '_, E> {
    #[inline]
    fn visit(&mut self, key: &[u8], stored: &[u8]) -> ControlFlow<()> {
        let added = self.add(key, stored);
        self.flow(added)
    }

    fn enter(&mut self, segment: Segment) -> Offer {
        let known = self.give().and_then(|flow| match flow {
            ControlFlow::Continue(()) => self.visitor.known(segment),
            ControlFlow::Break(()) => Ok(Some(flow)),
        });
        match known {
            Ok(Some(ControlFlow::Continue(()))) => Offer::Pass,
            Ok(Some(ControlFlow::Break(()))) => Offer::Break,
            Ok(None) => {
                // Whoever wants few rows does not wait for a whole segment.
                self.segment = (self.wanted == self.rows_max).then_some(segment);
                Offer::Read
            }
            Err(error) => {
                self.failed = Some(Failed::Visit(error));
                Offer::Break
            }
        }
    }

    fn leave(&mut self) -> ControlFlow<()> {
        let given = self.give().map_err(Failed::Visit);
        self.segment = None;
        self.flow(given)
    }
}

impl<E> Chunks<'_, '_, E> {
    #[inline]
    fn flow(&mut self, given: Result<ControlFlow<()>, Failed<E>>) -> ControlFlow<()> {
        given.unwrap_or_else(|failed| {
            self.failed = Some(failed);
            ControlFlow::Break(())
        })
    }

    /// Adds a row; gives the chunk if it is full, or the row has another layout.
    #[inline]
    fn add(&mut self, key: &[u8], stored: &[u8]) -> Result<ControlFlow<()>, Failed<E>> {
        let schema = &*self.reader.table.schema;
        let number = row_id_of(key).unwrap_or(0);
        let same = self.chunk.as_ref().is_some_and(|chunk| chunk.layout.is_of(stored));
        if !same {
            let layout = Layout::version_of(stored).and_then(|it| schema.layout_of(it));
            let Some(layout) = layout else {
                let refused = RowView::new(schema, number, stored).map_err(Failed::Row);
                return refused.map(|_| ControlFlow::Continue(()));
            };
            if self.give_part()?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            self.chunk = Some(RowChunk::new(schema, layout));
        }
        let Some(chunk) = &mut self.chunk else { return Ok(ControlFlow::Continue(())) };
        let row = RowView::of(schema, chunk.layout, number, stored).map_err(Failed::Row)?;
        if self.reader.is_over(&row) {
            return Ok(ControlFlow::Continue(()));
        }
        chunk.push(&row);
        if chunk.bytes.len() < CHUNK_BYTES && (chunk.len() < self.wanted || self.segment.is_some())
        {
            return Ok(ControlFlow::Continue(()));
        }
        self.give_part()
    }

    /// Gives what has been gathered, where more may come of its segment.
    fn give_part(&mut self) -> Result<ControlFlow<()>, Failed<E>> {
        if self.chunk.as_ref().is_some_and(|chunk| !chunk.is_empty()) {
            self.segment = None;
        }
        self.give().map_err(Failed::Visit)
    }

    /// Gives what has been gathered, if there is something.
    fn give(&mut self) -> Result<ControlFlow<()>, E> {
        let Some(chunk) = self.chunk.as_mut().filter(|chunk| !chunk.is_empty()) else {
            return Ok(ControlFlow::Continue(()));
        };
        chunk.segment = self.segment;
        let flow = self.visitor.chunk(chunk)?;
        chunk.clear();
        self.wanted = (self.wanted * 4).min(self.rows_max);
        Ok(flow)
    }
}
