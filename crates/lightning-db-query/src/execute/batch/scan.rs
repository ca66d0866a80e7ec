//! Rows of tables in batches.

use std::ops::{ControlFlow, Deref};
use std::sync::Arc;

use lightning_db_table::{ChunkColumn, ChunkVisitor, ColumnType, RowChunk, Segment, StoredColumn};
use lightning_db_types::ValueRef;

use super::super::{MORE, Run};
use super::vector::{Texts, Values, Vector};
use super::{BATCH_ROWS, Batch, BatchSink, Collector, give};
use crate::error::{Error, Result};
use crate::program::{Access, Path, ROW_ID};

impl Run<'_> {
    /// Rows of a table for which conditions are true.
    pub(super) fn scanned(
        &self,
        access: &Access,
        outer: &[ValueRef<'_>],
        sink: &mut BatchSink<'_>,
    ) -> Result<ControlFlow<()>> {
        let reader = &self.readers[access.table];
        if !self.passes(reader, access, outer)? {
            return MORE;
        }
        if matches!(access.path, Path::All) {
            let mut scan = Scan { run: self, access, outer, sink, places: Vec::new() };
            return reader.visit_chunks(BATCH_ROWS, &mut scan);
        }
        let (ids, mut rows) = (&access.read[..], Collector::new(access.read.len()));
        let give = &mut |batch: &Batch<'_>| {
            self.go_on_behind(batch.rows.len())?;
            let all = Batch { ids: Some(ids), ..batch.with_rows(batch.rows) };
            let (rows, failed) = self.filtered(&access.filter, &all, outer);
            let columns = access.columns.iter().filter_map(|id| all.column(*id)).collect();
            give(&Batch { columns, ids: None, rows: &rows, len: all.len }, failed, sink)
        };
        let read = self.path(reader, &access.path, outer, &mut |row| {
            rows.push(|place: usize| row.column(ids[place]), give)
        });
        rows.end(read, give)
    }
}

/// A scan of a whole table.
struct Scan<'s> {
    run: &'s Run<'s>,
    access: &'s Access,
    outer: &'s [ValueRef<'s>],
    sink: &'s mut BatchSink<'s>,
    /// Places of rows, from the first on.
    places: Vec<u32>,
}

/// A column of a batch.
enum Column {
    Own(Vector),
    Kept(Arc<Vector>),
}

impl Deref for Column {
    type Target = Vector;

    fn deref(&self) -> &Vector {
        match self {
            Self::Own(vector) => vector,
            Self::Kept(vector) => vector,
        }
    }
}

impl ChunkVisitor<Error> for Scan<'_> {
    fn known(&mut self, segment: Segment) -> Result<Option<ControlFlow<()>>> {
        let Access { columns, looked_at, .. } = self.access;
        let others = columns.iter().filter(|id| !looked_at.contains(id));
        let ids = looked_at.iter().chain(others).copied();
        let Some((kept, len)) = self.run.columns.all(segment, ids) else { return Ok(None) };
        self.run.go_on_behind(len)?;
        let mut kept = kept.into_iter();
        // They are asked for in this order.
        self.batch(len, |_, _, _| kept.next().map(Column::Kept)).map(Some)
    }

    fn chunk(&mut self, chunk: &RowChunk<'_>) -> Result<ControlFlow<()>> {
        let (cache, len) = (&self.run.columns, chunk.len());
        self.run.go_on_behind(len)?;
        let segment = chunk.segment();
        if let Some(segment) = segment
            && self.access.columns.is_empty()
            && self.access.looked_at.is_empty()
        {
            cache.keep_len(segment, len);
        }
        // Columns that are wanted of a few rows only are decoded as a whole once others are found:
        // who comes back for these comes back for those.
        let mut comes_back = false;
        self.batch(len, |id, rows, all| {
            let Some(segment) = segment.filter(|_| chunk.is_stored(id) || id == ROW_ID) else {
                return Some(Column::Own(decoded(chunk, id, rows)));
            };
            if let Some(kept) = cache.get(segment, id) {
                comes_back = true;
                return Some(Column::Kept(kept));
            }
            if rows.len() < len && !comes_back {
                return Some(Column::Own(decoded(chunk, id, rows)));
            }
            Some(Column::Kept(cache.keep(segment, id, decoded(chunk, id, all))))
        })
    }
}

impl Scan<'_> {
    /// Gives the rows for which conditions are true. Columns are asked for with the rows for which
    /// they are wanted and all rows: those that conditions look at for all, and then the others
    /// for the rows that are left.
    fn batch(
        &mut self,
        len: usize,
        mut column: impl FnMut(usize, &[u32], &[u32]) -> Option<Column>,
    ) -> Result<ControlFlow<()>> {
        let Self { run, access, outer, sink, places } = self;
        let known = u32::try_from(places.len()).unwrap_or(u32::MAX);
        places.extend(known..u32::try_from(len).unwrap_or(u32::MAX));
        let (ids, all) = (&access.looked_at[..], &places[..len]);
        let looked_at: Vec<Column> = ids.iter().filter_map(|id| column(*id, all, all)).collect();
        let columns = looked_at.iter().map(Deref::deref).collect();
        let batch = Batch { columns, ids: Some(ids), rows: all, len };
        let (rows, failed) = run.filtered(&access.filter, &batch, outer);
        let others: Vec<Option<Column>> = (access.columns.iter())
            .map(|id| if ids.contains(id) { None } else { column(*id, &rows, all) })
            .collect();
        let columns = access.columns.iter().zip(&others);
        let columns = columns.filter_map(|(id, other)| match other {
            Some(other) => Some(&**other),
            None => batch.column(*id),
        });
        let columns = columns.collect();
        give(&Batch { columns, ids: None, rows: &rows, len }, failed, *sink)
    }
}

/// The values of a column for some rows.
fn decoded(chunk: &RowChunk<'_>, id: usize, rows: &[u32]) -> Vector {
    let len = chunk.len();
    if id == ROW_ID {
        return Vector::new(Values::U64(chunk.row_ids().to_vec()));
    }
    let stored = match chunk.column(id) {
        ChunkColumn::Stored(stored) => stored,
        ChunkColumn::Same(value) => return each(rows, |_| value),
    };
    let bits = || stored.all_bits();
    let signed = |row: usize| stored.bits(row).cast_signed();
    let all_signed = || bits().map(u64::cast_signed);
    let values = match stored.column_type() {
        ColumnType::I64 => Values::I64(fixed(len, rows, all_signed(), signed)),
        ColumnType::Timestamp => Values::Timestamp(fixed(len, rows, all_signed(), signed)),
        ColumnType::U64 => Values::U64(fixed(len, rows, bits(), |row| stored.bits(row))),
        ColumnType::F64 => {
            let float = |row| f64::from_bits(stored.bits(row));
            Values::F64(fixed(len, rows, bits().map(f64::from_bits), float))
        }
        ColumnType::Date => {
            Values::Date(fixed(len, rows, stored.all_dates(), |row| stored.date(row)))
        }
        ColumnType::Decimal => match decimals(&stored, len, rows) {
            Some(values) => values,
            None => return each(rows, |row| stored.value(row)),
        },
        ColumnType::Text | ColumnType::Json => return texts(&stored, len, rows),
        _ => return each(rows, |row| stored.value(row)),
    };
    Vector::new(values).with_nulls(nulls(&stored, len, rows))
}

/// Which rows are null; empty if none is.
fn nulls(stored: &StoredColumn<'_>, len: usize, rows: &[u32]) -> Vec<bool> {
    let mut nulls = Vec::new();
    if !stored.has_nulls() {
        return nulls;
    }
    for row in rows {
        if stored.is_null(*row as usize) {
            nulls.resize(len, false);
            nulls[*row as usize] = true;
        }
    }
    nulls
}

/// Texts are checked together; if one is none, each by itself.
fn texts(stored: &StoredColumn<'_>, len: usize, rows: &[u32]) -> Vector {
    let (mut ends, mut bytes) = (Vec::with_capacity(len), Vec::with_capacity(16 * rows.len()));
    if rows.len() == len {
        stored.append_all_bytes(&mut bytes, &mut ends);
    } else {
        for row in rows {
            let row = *row as usize;
            // What is between rows that are wanted is empty.
            ends.resize(row, bytes.len());
            stored.append_bytes(row, &mut bytes);
            ends.push(bytes.len());
        }
    }
    match Texts::new(ends, bytes) {
        Some(texts) => Vector::new(Values::Text(texts)).with_nulls(nulls(stored, len, rows)),
        None => each(rows, |row| stored.value(row)),
    }
}

/// Values of some rows, or `all`, in one loop, if these are all there are.
#[inline]
fn fixed<T: Copy + Default>(
    len: usize,
    rows: &[u32],
    all: impl Iterator<Item = T>,
    value: impl Fn(usize) -> T,
) -> Vec<T> {
    if rows.len() == len {
        return all.collect();
    }
    let mut values = vec![T::default(); len];
    for row in rows {
        values[*row as usize] = value(*row as usize);
    }
    values
}

/// Decimals of one scale; `None` if there are others.
fn decimals(stored: &StoredColumn<'_>, len: usize, rows: &[u32]) -> Option<Values> {
    let is_there = |row: &u32| !stored.is_null(*row as usize);
    let Some(first) = rows.iter().copied().find(is_there) else { return Some(Values::Null(len)) };
    let (_, scale) = stored.decimal(first as usize)?;
    if rows.len() == len && !stored.has_nulls() {
        let same = |value: Option<(i64, u8)>| value.filter(|it| it.1 == scale).map(|it| it.0);
        return Some(Values::Decimal(
            scale,
            stored.all_decimals().map(same).collect::<Option<_>>()?,
        ));
    }
    let mut values = vec![0; len];
    for row in rows {
        let at = *row as usize;
        match stored.decimal(at)? {
            (mantissa, same) if same == scale => values[at] = mantissa,
            _ if stored.is_null(at) => {}
            _ => return None,
        }
    }
    Some(Values::Decimal(scale, values))
}

fn each<'c>(rows: &[u32], value: impl Fn(usize) -> ValueRef<'c>) -> Vector {
    let mut vector = Vector::default();
    for row in rows {
        vector.put(*row as usize, value(*row as usize));
    }
    vector
}
