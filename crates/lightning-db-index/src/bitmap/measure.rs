//! Sums and extremes from bit slices, and counts by value, without touching a row.

use std::ops::Bound;

use lightning_db_types::{ColumnOrder, Decimal, KeyDecoder, Value, ValueType};

use super::key::VALUES_START;
use super::query::Slices;
use super::slices::{self, Number};
use super::{BitmapEncoding, BitmapIndex};
use crate::error::Result;
use crate::reader::Reader;
use crate::row_set::RowSet;

/// Which end of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extreme {
    Min,
    Max,
}

impl BitmapIndex {
    /// Sum of the numbers of some rows, or of all; nulls count for nothing. By one intersection for
    /// each bit of the numbers.
    ///
    /// # Errors
    /// [`Error::Query`](crate::Error::Query) for an index of values, for floats, dates and moments,
    /// and for a sum of more than 38 digits; those of the store.
    pub fn sum(&self, reader: Reader<'_>, of: Option<&RowSet>) -> Result<Decimal> {
        let scale = self.need_slices()?;
        let overflow = || self.refuse_query("the sum has more than 38 digits");
        let (mut whole, mut scaled) = (0_i128, 0_i128);
        for value_type in slices::TYPES {
            let numbers = self.slices_of(reader, value_type)?;
            let side = |rows: &RowSet| of.map_or_else(|| rows.clone(), |of| rows.and(of));
            let (positive, negative) = (side(&numbers.positive), side(&numbers.negative));
            if positive.is_empty() && negative.is_empty() {
                continue;
            }
            let to = match value_type {
                ValueType::I64 | ValueType::U64 => &mut whole,
                ValueType::Decimal => &mut scaled,
                other => return Err(self.refuse_query(format!("there is no sum of {other}s"))),
            };
            for plane in numbers.planes() {
                let slice = RowSet::shared(numbers.plane(plane)?);
                if slice.is_empty() {
                    continue;
                }
                let rows =
                    i128::from(positive.and_len(&slice)) - i128::from(negative.and_len(&slice));
                let weight = 1_i128.checked_shl(u32::from(plane)).filter(|weight| *weight > 0);
                let part = weight.and_then(|weight| rows.checked_mul(weight));
                *to = part.and_then(|part| to.checked_add(part)).ok_or_else(overflow)?;
            }
        }
        let power = 10_i128.checked_pow(u32::from(scale)).filter(|_| whole != 0);
        let whole = if whole == 0 { Some(0) } else { power.and_then(|by| whole.checked_mul(by)) };
        let sum = whole.and_then(|whole| whole.checked_add(scaled)).ok_or_else(overflow)?;
        let sum = Decimal::new(sum, scale).map_err(|_| overflow())?;
        Ok(sum.normalized())
    }

    /// Smallest value of some rows, or of all; `None` if they have none but null.
    ///
    /// # Errors
    /// [`Error::Query`](crate::Error::Query) for an index of values; those of the store.
    pub fn min(&self, reader: Reader<'_>, of: Option<&RowSet>) -> Result<Option<Value>> {
        self.extreme(reader, of, Extreme::Min)
    }

    /// Largest value of some rows, or of all; `None` if they have none but null.
    ///
    /// # Errors
    /// As [`min`](Self::min).
    pub fn max(&self, reader: Reader<'_>, of: Option<&RowSet>) -> Result<Option<Value>> {
        self.extreme(reader, of, Extreme::Max)
    }

    /// The values that rows have, ascending, each with the number of its rows; null is not among
    /// them.
    ///
    /// # Errors
    /// [`Error::Query`](crate::Error::Query) for an index of bit slices; those of the store.
    pub fn counts(&self, reader: Reader<'_>) -> Result<Vec<(Value, u64)>> {
        self.need_values("counting by value")?;
        let mut counts = Vec::new();
        let bounds = (Bound::Included(&[VALUES_START][..]), Bound::Unbounded);
        self.each_set(reader, bounds, &mut |set| {
            let rows = self.stored_len(reader, set)?;
            if rows > 0 {
                let value = KeyDecoder::new(set).column(ColumnOrder::ASCENDING);
                let value = value.map_err(|error| self.corrupt(error.to_string()))?;
                counts.push((value, rows));
            }
            Ok(true)
        })?;
        Ok(counts)
    }

    fn need_slices(&self) -> Result<u8> {
        match self.encoding {
            BitmapEncoding::Slices { decimal_scale } => Ok(decimal_scale),
            BitmapEncoding::Values => Err(self.refuse_query("this needs an index of bit slices")),
        }
    }

    fn extreme(
        &self,
        reader: Reader<'_>,
        of: Option<&RowSet>,
        end: Extreme,
    ) -> Result<Option<Value>> {
        let scale = self.need_slices()?;
        let mut types = slices::TYPES;
        if end == Extreme::Max {
            types.reverse();
        }
        for value_type in types {
            let numbers = self.slices_of(reader, value_type)?;
            let side = |rows: &RowSet| of.map_or_else(|| rows.clone(), |of| rows.and(of));
            let (positive, negative) = (side(&numbers.positive), side(&numbers.negative));
            // The smallest is furthest below zero, or nearest above it.
            let (rows, is_negative) = match end {
                Extreme::Min if !negative.is_empty() => (negative, true),
                Extreme::Max if positive.is_empty() => (negative, true),
                _ => (positive, false),
            };
            if rows.is_empty() {
                continue;
            }
            let furthest = is_negative == (end == Extreme::Min);
            let magnitude = numbers.end_of(rows, furthest)?;
            let number = Number { negative: is_negative, magnitude };
            let value = number.to_value(value_type, scale);
            return value.map(Some).ok_or_else(|| self.corrupt("slices of no value"));
        }
        Ok(None)
    }
}

impl Slices<'_> {
    /// Largest or smallest magnitude of some rows.
    fn end_of(&self, mut rows: RowSet, largest: bool) -> Result<u128> {
        let mut magnitude = 0;
        for plane in self.planes() {
            let slice = RowSet::shared(self.plane(plane)?);
            let parted = if largest { rows.and(&slice) } else { rows.and_not(&slice) };
            let kept = !parted.is_empty();
            if kept {
                rows = parted;
            }
            if kept == largest {
                magnitude |= 1 << plane;
            }
        }
        Ok(magnitude)
    }
}
