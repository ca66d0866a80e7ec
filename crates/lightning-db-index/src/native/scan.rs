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

    /// The entry, lent.
    #[inline]
    pub fn lend(&self) -> HitRef<'_> {
        let Self { index, row_id, key, value } = self;
        HitRef { index, row_id: *row_id, key, value }
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
    #[inline]
    pub fn key_value(&self, part: usize) -> Result<Value> {
        self.lend().key_value(part)
    }

    /// Values of all parts of the key.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt).
    pub fn key_values(&self) -> Result<Vec<Value>> {
        self.lend().key_values()
    }

    /// Value of a stored column, by its position in
    /// [`OrderedOptions::include`](crate::OrderedOptions::include), exactly as it was in the row.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt), also if there is no such column.
    #[inline]
    pub fn included(&self, position: usize) -> Result<ValueRef<'_>> {
        self.lend().included(position)
    }

    /// Values of all stored columns, in one pass.
    pub fn all_included(&self) -> impl Iterator<Item = ValueRef<'_>> {
        self.lend().all_included()
    }
}

/// An entry of an ordered index where it stands; see [`Scan::lend_next`].
#[derive(Debug, Clone, Copy)]
pub struct HitRef<'s> {
    index: &'s OrderedIndex,
    row_id: u64,
    key: &'s [u8],
    value: &'s [u8],
}

impl<'s> HitRef<'s> {
    /// As [`Hit::row_id`].
    #[inline]
    pub fn row_id(self) -> u64 {
        self.row_id
    }

    /// As [`Hit::key`].
    pub fn key(self) -> &'s [u8] {
        self.key
    }

    /// As [`Hit::key_value`].
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn key_value(self, part: usize) -> Result<Value> {
        let plan = self.index.plan();
        let Some((order, before)) = plan.orders.get(..=part).and_then(<[_]>::split_last) else {
            return Err(plan.corrupt(&format_args!("it has no part {part}")));
        };
        let mut decoder = KeyDecoder::new(self.key);
        for order in before {
            decoder.skip(*order).map_err(|error| plan.corrupt(&error))?;
        }
        decoder.column(*order).map_err(|error| plan.corrupt(&error))
    }

    /// As [`Hit::key_values`].
    ///
    /// # Errors
    /// As there.
    pub fn key_values(self) -> Result<Vec<Value>> {
        Ok(self.index.plan().decode(self.key)?.0)
    }

    /// As [`Hit::included`].
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn included(self, position: usize) -> Result<ValueRef<'s>> {
        match self.payload().column(position) {
            Some(value) => Ok(value),
            None => Err(self.no_column(position)),
        }
    }

    #[cold]
    fn no_column(self, position: usize) -> Error {
        self.index.plan().corrupt(&format_args!("there is no stored column {position}"))
    }

    /// As [`Hit::all_included`].
    pub fn all_included(self) -> impl Iterator<Item = ValueRef<'s>> {
        self.payload()
    }

    #[inline]
    fn payload(self) -> Payload<'s> {
        Payload::new(self.index.payload_of(self.value))
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
    /// The entry that is lent, if it does not stand where the front does.
    lent: Option<(Slice, Slice)>,
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
        let (front, back, gathered) = (None, None, None);
        Self { index, reader, reverse, left, front, back, targets, gathered, lent: None }
    }

    /// As `next`, but the entry is lent until the next call: nothing of it is copied or counted.
    ///
    /// # Errors
    /// As an item.
    #[inline]
    pub fn lend_next(&mut self) -> Result<Option<HitRef<'_>>> {
        if !self.step()? {
            return Ok(None);
        }
        let index = self.index;
        let entry = match (&self.lent, &self.front) {
            (Some((key, value)), _) => Some((&key[..], &value[..])),
            (None, Some(range)) => range.current(),
            _ => None,
        };
        let Some((key, value)) = entry else { return Ok(None) };
        match index.row_id_of(key, value) {
            Some(row_id) => Ok(Some(HitRef { index, row_id, key, value })),
            None => Err(index.too_short()),
        }
    }

    /// Goes to the next entry; says whether there is one.
    #[inline]
    fn step(&mut self) -> Result<bool> {
        if self.lent.is_some() {
            self.lent = None;
        }
        if self.left == 0 {
            return Ok(false);
        }
        if !self.reverse && self.gathered.is_none() {
            loop {
                if let Some(range) = &mut self.front
                    && range.advance()?
                {
                    self.left -= 1;
                    return Ok(true);
                }
                // A key of its own is read below, as are entries that the other end has begun.
                let is_range = |target: &mut Target| matches!(target, Target::Range(_));
                let Some(Target::Range((start, end))) = self.targets.pop_front_if(is_range) else {
                    break;
                };
                let (keyspace, bounds) =
                    (&self.index.plan().keyspace, (Bound::Included(start), end));
                self.front = Some(self.reader.range_owned(keyspace, bounds));
            }
        }
        let Some(hit) = self.advance_slowly(self.reverse) else { return Ok(false) };
        let Hit { key, value, .. } = hit?;
        self.lent = Some((key, value));
        Ok(true)
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
                    *near = Some(self.reader.range_owned(keyspace, bounds));
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
