//! Rows that stay, counted against the memory of the query.

use std::cmp::Ordering;
use std::collections::HashMap;

use foldhash::fast::FixedState;
use lightning_db_types::{Value, ValueRef};

use super::Run;
use crate::error::Result;

/// A row that stays.
pub(super) type Row = Box<[Value]>;

/// Bytes that a row takes in a table or list besides its values.
const ROW_BYTES: usize = 48;

pub(super) fn row_of(row: &[ValueRef<'_>]) -> Row {
    row.iter().map(|value| value.to_value()).collect()
}

/// Bytes of a row, about.
pub(super) fn bytes_of(row: &[Value]) -> usize {
    let heap = |value: &Value| match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    ROW_BYTES + size_of_val(row) + row.iter().map(heap).sum::<usize>()
}

/// Bytes that are counted as long as it lives.
pub(super) struct Charge<'a> {
    run: &'a Run<'a>,
    bytes: usize,
}

impl<'a> Charge<'a> {
    pub(super) fn new(run: &'a Run<'_>) -> Self {
        Self { run, bytes: 0 }
    }

    pub(super) fn add(&mut self, bytes: usize) -> Result<()> {
        self.run.keep(bytes)?;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Charge<'_> {
    fn drop(&mut self) {
        self.run.release(self.bytes);
    }
}

/// A list of rows.
pub(super) struct Kept<'a> {
    run: &'a Run<'a>,
    rows: Vec<Row>,
    bytes: usize,
}

impl<'a> Kept<'a> {
    pub(super) fn new(run: &'a Run<'_>) -> Self {
        Self { run, rows: Vec::new(), bytes: 0 }
    }

    pub(super) fn push(&mut self, row: &[ValueRef<'_>]) -> Result<()> {
        self.push_row(row_of(row))
    }

    pub(super) fn push_row(&mut self, row: Row) -> Result<()> {
        let bytes = bytes_of(&row);
        self.run.keep(bytes)?;
        self.bytes += bytes;
        self.rows.push(row);
        Ok(())
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub(super) fn first(&self) -> Option<&Row> {
        self.rows.first()
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Stable.
    pub(super) fn sort_by(&mut self, compare: impl Fn(&[Value], &[Value]) -> Ordering) {
        self.rows.sort_by(|one, other| compare(one, other));
    }

    pub(super) fn truncate(&mut self, len: usize) {
        let gone: usize = self.rows.iter().skip(len).map(|row| bytes_of(row)).sum();
        self.rows.truncate(len);
        self.bytes -= gone;
        self.run.release(gone);
    }

    pub(super) fn clear(&mut self) {
        self.truncate(0);
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.run.release(self.bytes);
    }
}

/// Rows with how often each was seen.
pub(super) struct RowSet<'a> {
    run: &'a Run<'a>,
    counts: HashMap<Row, u64, FixedState>,
    bytes: usize,
}

impl<'a> RowSet<'a> {
    pub(super) fn new(run: &'a Run<'_>) -> Self {
        Self { run, counts: HashMap::default(), bytes: 0 }
    }

    /// Adds one of a row.
    pub(super) fn count(&mut self, row: &[ValueRef<'_>]) -> Result<()> {
        self.insert(row).map(drop)
    }

    /// Adds one of a row; says whether it is the first.
    pub(super) fn insert(&mut self, row: &[ValueRef<'_>]) -> Result<bool> {
        let row = row_of(row);
        let bytes = bytes_of(&row);
        if let Some(count) = self.counts.get_mut(&row) {
            *count += 1;
            return Ok(false);
        }
        self.run.keep(bytes)?;
        self.bytes += bytes;
        self.counts.insert(row, 1);
        Ok(true)
    }

    /// Whether a row is there; with `one`, one of it goes.
    pub(super) fn take(&mut self, row: &[ValueRef<'_>], one: bool) -> bool {
        match self.counts.get_mut(&row_of(row)) {
            Some(count) if *count > 0 => {
                *count -= u64::from(one);
                true
            }
            _ => false,
        }
    }
}

impl Drop for RowSet<'_> {
    fn drop(&mut self) {
        self.run.release(self.bytes);
    }
}
