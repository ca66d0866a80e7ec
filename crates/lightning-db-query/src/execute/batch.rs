//! Running nodes over batches of rows, column by column: what reads much.
//!
//! A node that reads whole tables, or much of them, gives its rows in batches of up to
//! [`BATCH_ROWS`]: one [`Vector`] a column, and the rows that count. Conditions and calculations
//! are loops over vectors of one type; groups and hash joins keep vectors as well. That costs a
//! tenth of what it takes to walk each expression for each row. A node that gives rows can be read
//! in batches, and the reverse, so each does what it is best at.
//!
//! Loops over vectors are only a faster way to the same rows: where one cannot have an answer, as
//! when a number does not fit, its batch is gone through row by row, as by the other nodes. The
//! rows before the one that fails are given first, so errors are the same too.

mod aggregate;
mod arithmetic;
mod columns;
mod compare;
mod join;
mod kernel;
mod keys;
mod scan;
mod state;
mod vector;

use std::ops::ControlFlow;

use lightning_db_expression::Columns;
use lightning_db_optimizer::PlanId;
use lightning_db_types::ValueRef;

use super::values::with_values;
use super::{MORE, Run, Sink};
use crate::error::{Error, Result};
use crate::program::{Computed, Step};
pub(crate) use columns::ColumnCache;
pub use columns::ColumnCacheStatistics;
use vector::Vector;

/// Rows of a batch: their vectors stay in the caches of a core.
const BATCH_ROWS: usize = 1_024;
/// Rows of the first batch of a node: whoever wants few rows does not pay for many.
const FIRST_ROWS: usize = 64;

/// Who takes batches; it may have enough.
pub(super) type BatchSink<'s> = dyn FnMut(&Batch<'_>) -> Result<ControlFlow<()>> + 's;

/// Rows of a node.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    /// Each has a value for each row that counts.
    columns: Vec<&'a Vector>,
    /// Numbers of the columns, if these are not their places.
    ids: Option<&'a [usize]>,
    /// Places of the rows that count, ascending.
    rows: &'a [u32],
    /// No place is above.
    len: usize,
}

impl<'a> Batch<'a> {
    fn column(&self, number: usize) -> Option<&'a Vector> {
        let place = match self.ids {
            None => number,
            Some(ids) => ids.iter().position(|id| *id == number)?,
        };
        self.columns.get(place).copied()
    }

    /// The same columns with other rows that count.
    fn with_rows<'b>(&'b self, rows: &'b [u32]) -> Batch<'b> {
        Batch { columns: self.columns.clone(), ids: self.ids, rows, len: self.len }
    }
}

/// A row of a batch.
struct BatchRow<'a>(&'a Batch<'a>, usize);

impl Columns for BatchRow<'_> {
    fn column(&self, number: usize) -> ValueRef<'_> {
        self.0.column(number).map_or(ValueRef::Null, |vector| vector.value(self.1))
    }
}

/// Rows that become batches.
struct Collector {
    vectors: Vec<Vector>,
    count: usize,
    /// Rows of the next batch.
    wanted: usize,
    places: Vec<u32>,
}

impl Collector {
    fn new(columns: usize) -> Self {
        let vectors = vec![Vector::default(); columns];
        Self { vectors, count: 0, wanted: FIRST_ROWS, places: Vec::new() }
    }

    /// Takes a row; gives the batch if it is whole.
    #[inline]
    fn push<'r>(
        &mut self,
        value: impl Fn(usize) -> ValueRef<'r>,
        give: &mut BatchSink<'_>,
    ) -> Result<ControlFlow<()>> {
        for (place, vector) in self.vectors.iter_mut().enumerate() {
            vector.push(value(place));
        }
        self.count += 1;
        if self.count < self.wanted { MORE } else { self.give(give) }
    }

    /// Gives the rows that are there.
    fn give(&mut self, give: &mut BatchSink<'_>) -> Result<ControlFlow<()>> {
        let len = std::mem::take(&mut self.count);
        if len == 0 {
            return MORE;
        }
        let known = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.extend(known..u32::try_from(len).unwrap_or(u32::MAX));
        let columns = self.vectors.iter().collect();
        let flow = give(&Batch { columns, ids: None, rows: &self.places[..len], len })?;
        self.vectors.iter_mut().for_each(Vector::clear);
        self.wanted = (self.wanted * 4).min(BATCH_ROWS);
        Ok(flow)
    }

    /// Gives what is left after all rows have been pushed, or as many as there were before an
    /// error.
    fn end(
        &mut self,
        read: Result<ControlFlow<()>>,
        give: &mut BatchSink<'_>,
    ) -> Result<ControlFlow<()>> {
        // What a sink has broken off or failed with leaves nothing here.
        let flow = self.give(give)?;
        if flow.is_break() { Ok(flow) } else { read }
    }
}

impl Run<'_> {
    /// Gives the rows of a node in batches; says whether the sink had enough.
    pub(super) fn batches(
        &self,
        id: PlanId,
        outer: &[ValueRef<'_>],
        sink: &mut BatchSink<'_>,
    ) -> Result<ControlFlow<()>> {
        if !self.program.is_batched(id) {
            let mut rows = Collector::new(0);
            let read = self.node(id, outer, &mut |row| {
                rows.vectors.resize_with(row.len(), Vector::default);
                rows.push(|place| row[place], sink)
            });
            return rows.end(read, sink);
        }
        let Some(counted) = &self.counted else { return self.batch_step(id, outer, sink) };
        let begun = counted.now();
        let mut rows = 0;
        let outcome = self.batch_step(id, outer, &mut |batch| {
            rows += batch.rows.len() as u64;
            sink(batch)
        });
        counted.add(id, rows, begun);
        outcome
    }

    /// Gives the rows of a node that is run in batches, one by one.
    pub(super) fn rows_of_batches(
        &self,
        id: PlanId,
        outer: &[ValueRef<'_>],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        self.batch_step(id, outer, &mut |batch| {
            for row in batch.rows {
                let value = |place: usize| batch.columns[place].value(*row as usize);
                if with_values(batch.columns.len(), value, &mut *sink)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            MORE
        })
    }

    fn batch_step(
        &self,
        id: PlanId,
        outer: &[ValueRef<'_>],
        sink: &mut BatchSink<'_>,
    ) -> Result<ControlFlow<()>> {
        match self.program.step(id)? {
            Step::Access(access) => self.scanned(access, outer, sink),
            Step::Filter { input, conditions } => self.batches(*input, outer, &mut |batch| {
                self.go_on()?;
                let (rows, failed) = self.filtered(conditions, batch, outer);
                give(&batch.with_rows(&rows), failed, sink)
            }),
            Step::Project { input, columns } => self.batches(*input, outer, &mut |batch| {
                self.go_on()?;
                self.projected(columns, batch, outer, sink)
            }),
            Step::Join(join) => self.batch_join(join, outer, sink),
            Step::Aggregate(grouping) => self.batch_aggregate(grouping, outer, sink),
            _ => Err(Error::unsupported("a node", "it gives no batches")),
        }
    }

    /// The rows for which conditions are true, up to one for which they fail.
    fn filtered(
        &self,
        conditions: &[Computed],
        batch: &Batch<'_>,
        outer: &[ValueRef<'_>],
    ) -> (Vec<u32>, Option<Error>) {
        if let Some(rows) = self.narrowed(conditions, batch, outer) {
            return (rows, None);
        }
        let mut rows = Vec::new();
        for row in batch.rows {
            match self.holds(conditions, &BatchRow(batch, *row as usize), outer) {
                Ok(true) => rows.push(*row),
                Ok(false) => {}
                Err(error) => return (rows, Some(error)),
            }
        }
        (rows, None)
    }

    fn projected(
        &self,
        columns: &[Computed],
        batch: &Batch<'_>,
        outer: &[ValueRef<'_>],
        sink: &mut BatchSink<'_>,
    ) -> Result<ControlFlow<()>> {
        let made = columns.iter().map(|column| match column.position() {
            Some(_) => Some(Vector::default()),
            None => self.vector_of(column, batch, outer),
        });
        let made = made.collect::<Option<Vec<_>>>();
        let (made, rows, failed) = match made {
            Some(made) => (made, batch.rows.len(), None),
            None => self.projected_by_rows(columns, batch, outer),
        };
        let vector = |(column, made): (&Computed, _)| match column.position() {
            Some(position) => batch.column(position),
            None => Some(made),
        };
        let columns = columns.iter().zip(&made).filter_map(vector).collect();
        let rows = &batch.rows[..rows];
        give(&Batch { columns, ids: None, rows, len: batch.len }, failed, sink)
    }

    /// What is computed of the rows, and of how many, up to one for which that fails.
    fn projected_by_rows(
        &self,
        columns: &[Computed],
        batch: &Batch<'_>,
        outer: &[ValueRef<'_>],
    ) -> (Vec<Vector>, usize, Option<Error>) {
        let mut made = vec![Vector::default(); columns.len()];
        for (number, row) in batch.rows.iter().enumerate() {
            let row = *row as usize;
            for (column, vector) in columns.iter().zip(&mut made) {
                match self.value(column, &BatchRow(batch, row), outer) {
                    Ok(value) => vector.put(row, value.as_value_ref()),
                    Err(error) => return (made, number, Some(error)),
                }
            }
        }
        (made, batch.rows.len(), None)
    }
}

/// Gives a batch, and then the error that ended it.
fn give(
    batch: &Batch<'_>,
    failed: Option<Error>,
    sink: &mut BatchSink<'_>,
) -> Result<ControlFlow<()>> {
    if !batch.rows.is_empty() {
        let flow = sink(batch)?;
        if flow.is_break() {
            return Ok(flow);
        }
    }
    failed.map_or(MORE, Err)
}
