//! Entries of an ordered index, in key order.

use std::collections::VecDeque;
use std::ops::Bound;

use lightning_db_storage::Slice;
use lightning_db_types::{KeyDecoder, Value, ValueRef};

use super::ordered::OrderedIndex;
use super::payload::Payload;
use super::query::Target;
use crate::error::{Error, Result};
use crate::reader::{Reader, ReaderRange};

/// An entry of an ordered index. Its values are decoded when they are asked for.
#[derive(Debug, Clone)]
pub struct Hit<'i> {
    index: &'i OrderedIndex,
    row_id: u64,
    key: Slice,
    value: Slice,
}

impl<'i> Hit<'i> {
    pub(super) fn new(index: &'i OrderedIndex, (key, value): (Slice, Slice)) -> Result<Self> {
        let Some(row_id) = index.row_id_of(&key, &value) else {
            return Err(index.too_short());
        };
        Ok(Self { index, row_id, key, value })
    }

    /// Number of the row.
    #[inline]
    pub fn row_id(&self) -> u64 {
        self.row_id
    }

    /// The encoded key, with the row's number behind it unless the index is unique.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Value of a part of the key, by position. Equal to the value in the row: a decimal has its
    /// smallest scale, and the zero of a float no sign.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt), also if there is no such part.
    pub fn key_value(&self, part: usize) -> Result<Value> {
        let plan = self.index.plan();
        let mut decoder = KeyDecoder::new(&self.key);
        for order in &plan.orders[..part.min(plan.orders.len())] {
            decoder.skip(*order).map_err(|error| plan.corrupt(&error))?;
        }
        let Some(order) = plan.orders.get(part) else {
            return Err(plan.corrupt(&format_args!("it has no part {part}")));
        };
        decoder.column(*order).map_err(|error| plan.corrupt(&error))
    }

    /// Values of all parts of the key.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt).
    pub fn key_values(&self) -> Result<Vec<Value>> {
        Ok(self.index.plan().decode(&self.key)?.0)
    }

    /// Value of a stored column, by its position in
    /// [`OrderedOptions::include`](crate::OrderedOptions::include), exactly as it was in the row.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt), also if there is no such column.
    #[inline]
    pub fn included(&self, position: usize) -> Result<ValueRef<'_>> {
        match self.payload().column(position) {
            Some(value) => Ok(value),
            None => Err(self.no_column(position)),
        }
    }

    #[cold]
    fn no_column(&self, position: usize) -> Error {
        self.index.plan().corrupt(&format_args!("there is no stored column {position}"))
    }

    /// Values of all stored columns, in one pass.
    pub fn all_included(&self) -> impl Iterator<Item = ValueRef<'_>> {
        self.payload()
    }

    #[inline]
    fn payload(&self) -> Payload<'_> {
        Payload::new(self.index.payload_of(&self.value))
    }
}

/// Entries that match a query, in its order, from both ends. With a limit, so many in all.
#[derive(Debug)]
pub struct Scan<'i> {
    index: &'i OrderedIndex,
    reader: Reader<'i>,
    reverse: bool,
    left: usize,
    front: Option<ReaderRange>,
    back: Option<ReaderRange>,
    targets: VecDeque<Target>,
    /// All there is, for a transaction with entries that are not in place yet.
    gathered: Option<VecDeque<(Slice, Slice)>>,
}

impl<'i> Scan<'i> {
    pub(super) fn new(
        index: &'i OrderedIndex,
        reader: Reader<'i>,
        targets: Vec<Target>,
        reverse: bool,
        limit: Option<usize>,
    ) -> Self {
        let left = limit.unwrap_or(usize::MAX);
        let targets = VecDeque::from(targets);
        Self { index, reader, reverse, left, front: None, back: None, targets, gathered: None }
    }

    /// The same entries with others between them.
    pub(super) fn with(mut self, others: Vec<(Slice, Slice)>) -> Result<Self> {
        let mut gathered = others;
        while let Some(item) = self.next_item(false) {
            gathered.push(item?);
        }
        gathered.sort();
        self.gathered = Some(gathered.into());
        Ok(self)
    }

    /// The next entry from the start or the end of the keys.
    #[inline]
    fn next_item(&mut self, from_end: bool) -> Option<Result<(Slice, Slice)>> {
        loop {
            let (near, far) = if from_end {
                (&mut self.back, &mut self.front)
            } else {
                (&mut self.front, &mut self.back)
            };
            let taken = |range: &mut ReaderRange| {
                if from_end { range.next_back() } else { range.next() }
            };
            if let Some(range) = near {
                if let Some(item) = taken(range) {
                    return Some(item);
                }
                *near = None;
            }
            let targets = &mut self.targets;
            let target = if from_end { targets.pop_back() } else { targets.pop_front() };
            let keyspace = &self.index.plan().keyspace;
            match target {
                None => return far.as_mut().and_then(taken),
                Some(Target::Range((start, end))) => {
                    let bounds = (Bound::Included(start), end);
                    *near = Some(self.reader.range(keyspace, bounds));
                }
                Some(Target::Key(key)) => match self.reader.get(keyspace, &key) {
                    Ok(Some(value)) => return Some(Ok((Slice::from(&key[..]), value))),
                    Ok(None) => {}
                    Err(error) => return Some(Err(error)),
                },
            }
        }
    }

    #[inline]
    fn advance(&mut self, from_end: bool) -> Option<Result<Hit<'i>>> {
        if self.left == 0 {
            return None;
        }
        // Nearly all entries of nearly all scans come from here, and each copy of one counts.
        if !from_end
            && let Some(ReaderRange::Snapshot(range)) = &mut self.front
            && let Some(item) = range.next()
        {
            self.left -= 1;
            let index = self.index;
            return match item {
                Ok((key, value)) => match index.row_id_of(&key, &value) {
                    Some(row_id) => Some(Ok(Hit { index, row_id, key, value })),
                    None => Some(self.end_with(index.too_short())),
                },
                Err(error) => Some(self.end_with(error.into())),
            };
        }
        self.advance_slowly(from_end)
    }

    #[cold]
    fn end_with(&mut self, error: Error) -> Result<Hit<'i>> {
        self.left = 0;
        Err(error)
    }

    fn advance_slowly(&mut self, from_end: bool) -> Option<Result<Hit<'i>>> {
        let item = match &mut self.gathered {
            None => self.next_item(from_end)?,
            Some(all) => Ok(if from_end { all.pop_back()? } else { all.pop_front()? }),
        };
        let index = self.index;
        let hit = item.and_then(|item| Hit::new(index, item));
        self.left = if hit.is_ok() { self.left - 1 } else { 0 };
        Some(hit)
    }
}

impl<'i> Iterator for Scan<'i> {
    type Item = Result<Hit<'i>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.advance(self.reverse)
    }
}

impl DoubleEndedIterator for Scan<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.advance(!self.reverse)
    }
}
