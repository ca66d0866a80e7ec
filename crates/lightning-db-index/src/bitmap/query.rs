//! Queries of a bitmap index.

use std::ops::Bound;
use std::sync::Arc;

use lightning_db_types::{Value, ValueType};

use super::key::{self, EXISTENCE, NULLS, PRESENT, SIGN, plane_set};
use super::sets::with_value_set;
use super::slices::{self, Number};
use super::types::{KeyRange, key_range};
use super::{BitmapEncoding, BitmapIndex};
use crate::error::Result;
use crate::reader::Reader;
use crate::row_set::{RowSet, Rows, SharedRows, union_of};

/// Up to so many sets of a range are kept in memory, each by itself; more are read in one pass.
const SETS_KEPT_MAX: usize = 256;

/// What is asked of a bitmap index.
///
/// Numbers are compared as numbers, whatever their types; a value of a type that the index does not
/// hold matches nothing. Null equals nothing and is in no range, as in SQL. But `Not` is the
/// complement, without a third truth value: all rows of the index that do not match, those with
/// null among them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BitmapQuery {
    /// All rows of the index.
    All,
    /// Rows with this value.
    Equal(Value),
    /// Rows with one of these values.
    In(Vec<Value>),
    /// Rows whose value is within bounds, which must be numbers both, or of one type.
    Range {
        /// Lower bound.
        low: Bound<Value>,
        /// Upper bound.
        high: Bound<Value>,
    },
    /// Rows whose value is null.
    IsNull,
    /// Rows that do not match.
    Not(Box<BitmapQuery>),
    /// Rows that match all; all rows if there is none.
    And(Vec<BitmapQuery>),
    /// Rows that match one; no row if there is none.
    Or(Vec<BitmapQuery>),
}

impl BitmapQuery {
    /// Rows with this value.
    pub fn equal(value: impl Into<Value>) -> Self {
        Self::Equal(value.into())
    }

    /// Rows within a range, such as `1_i64..10`.
    pub fn range<V: Into<Value> + Clone>(range: impl std::ops::RangeBounds<V>) -> Self {
        let low = range.start_bound().cloned().map(Into::into);
        Self::Range { low, high: range.end_bound().cloned().map(Into::into) }
    }
}

impl std::ops::Not for BitmapQuery {
    type Output = Self;

    fn not(self) -> Self {
        Self::Not(Box::new(self))
    }
}

impl BitmapIndex {
    /// How many rows match: from counts alone, where the query is one value, its complement, or two
    /// values combined.
    ///
    /// # Errors
    /// Those of the store.
    pub fn count(&self, reader: Reader<'_>, query: &BitmapQuery) -> Result<u64> {
        self.watch_unseen(reader);
        match (query, self.encoding) {
            (BitmapQuery::All, BitmapEncoding::Values) => self.len_of(reader, EXISTENCE),
            (BitmapQuery::IsNull, _) => self.len_of(reader, NULLS),
            (BitmapQuery::Equal(value), BitmapEncoding::Values)
                if !value.is_null() && self.types.only_as_is(value) =>
            {
                with_value_set(value, |set| self.len_of(reader, set))
            }
            (BitmapQuery::Not(inner), _) => {
                let all = self.count(reader, &BitmapQuery::All)?;
                // No set holds a row that the index does not hold.
                Ok(all.saturating_sub(self.count(reader, inner)?))
            }
            (BitmapQuery::And(all), _) if all.len() == 2 => {
                Ok(self.select(reader, &all[0])?.and_len(&self.select(reader, &all[1])?))
            }
            _ => Ok(self.select(reader, query)?.len()),
        }
    }

    /// Number of rows of a set: of the copy in memory if there is one.
    fn len_of(&self, reader: Reader<'_>, set: &[u8]) -> Result<u64> {
        match (reader, self.shared.cache.peek(set, reader.lsn())) {
            (Reader::Snapshot(_), Some(rows)) => Ok(rows.len()),
            _ => self.stored_len(reader, set),
        }
    }

    /// The rows that match.
    pub(super) fn select(&self, reader: Reader<'_>, query: &BitmapQuery) -> Result<RowSet> {
        match query {
            BitmapQuery::All => self.all(reader),
            BitmapQuery::IsNull => self.set(reader, NULLS).map(RowSet::shared),
            BitmapQuery::Equal(value) => self.equal(reader, value),
            BitmapQuery::In(values) => {
                let mut sets = Vec::with_capacity(values.len());
                for value in values {
                    sets.push(self.equal(reader, value)?);
                }
                Ok(RowSet::union(&sets))
            }
            BitmapQuery::Range { low, high } => match self.encoding {
                BitmapEncoding::Values => self.value_range(reader, low, high),
                BitmapEncoding::Slices { decimal_scale } => {
                    self.sliced_range(reader, low, high, decimal_scale)
                }
            },
            BitmapQuery::Not(inner) => {
                let matching = self.select(reader, inner)?;
                Ok(self.all(reader)?.and_not(&matching))
            }
            BitmapQuery::And(all) => self.and(reader, all),
            BitmapQuery::Or(any) => match &any[..] {
                [left, right] => Ok(self.select(reader, left)?.or(&self.select(reader, right)?)),
                any => {
                    let sets: Result<Vec<RowSet>> =
                        any.iter().map(|query| self.select(reader, query)).collect();
                    Ok(RowSet::union(&sets?))
                }
            },
        }
    }

    pub(super) fn all(&self, reader: Reader<'_>) -> Result<RowSet> {
        match self.encoding {
            BitmapEncoding::Values => self.set(reader, EXISTENCE).map(RowSet::shared),
            BitmapEncoding::Slices { .. } => {
                let mut sets = vec![self.set(reader, NULLS)?];
                for value_type in slices::TYPES {
                    sets.push(self.set(reader, &plane_set(value_type, PRESENT))?);
                }
                Ok(united(&sets))
            }
        }
    }

    /// The rows with a value, if there is one set of them.
    pub(super) fn shared_equal(
        &self,
        reader: Reader<'_>,
        value: &Value,
    ) -> Result<Option<Arc<SharedRows>>> {
        let is_one = self.encoding == BitmapEncoding::Values
            && !value.is_null()
            && self.types.only_as_is(value);
        if is_one { with_value_set(value, |set| self.set(reader, set)).map(Some) } else { Ok(None) }
    }

    fn equal(&self, reader: Reader<'_>, value: &Value) -> Result<RowSet> {
        if let Some(only) = self.shared_equal(reader, value)? {
            return Ok(RowSet::shared(only));
        }
        match self.encoding {
            _ if value.is_null() => Ok(RowSet::new()),
            BitmapEncoding::Values => {
                let forms = self.types.forms(value);
                let sets =
                    forms.iter().map(|form| with_value_set(form, |set| self.set(reader, set)));
                Ok(united(&sets.collect::<Result<Vec<_>>>()?))
            }
            BitmapEncoding::Slices { decimal_scale } => {
                let bound = Bound::Included(value.clone());
                self.sliced_range(reader, &bound, &bound, decimal_scale)
            }
        }
    }

    /// Rows that match all. Complements are taken out at the end, and not made.
    fn and(&self, reader: Reader<'_>, all: &[BitmapQuery]) -> Result<RowSet> {
        if let [BitmapQuery::Equal(left), BitmapQuery::Equal(right)] = all {
            return Ok(self.equal(reader, left)?.and(&self.equal(reader, right)?));
        }
        let is_not = |query: &&BitmapQuery| matches!(query, BitmapQuery::Not(_));
        let mut sets = Vec::with_capacity(all.len());
        for query in all.iter().filter(|query| !is_not(query)) {
            let set = self.select(reader, query)?;
            if set.is_empty() {
                return Ok(set);
            }
            sets.push(set);
        }
        if sets.len() > 2 {
            sets.sort_by_cached_key(RowSet::len);
        }
        let mut sets = sets.into_iter();
        let mut rows = match (sets.next(), sets.next()) {
            (Some(first), Some(second)) => first.and(&second),
            (Some(only), None) => only,
            _ => self.all(reader)?,
        };
        for set in sets {
            rows = rows.and(&set);
        }
        for query in all {
            if rows.is_empty() {
                break;
            }
            if let BitmapQuery::Not(inner) = query {
                rows = rows.and_not(&self.select(reader, inner)?);
            }
        }
        Ok(rows)
    }

    /// Rows with a value within bounds, by the sets of the values.
    fn value_range(
        &self,
        reader: Reader<'_>,
        low: &Bound<Value>,
        high: &Bound<Value>,
    ) -> Result<RowSet> {
        let ranges = self.ranges(low, high)?;
        let mut sets = Vec::new();
        for range in &ranges {
            self.each_set(reader, borrowed(range), &mut |set| {
                sets.push(set.to_vec());
                Ok(sets.len() <= SETS_KEPT_MAX)
            })?;
        }
        let sets: Result<Vec<_>> = if sets.len() <= SETS_KEPT_MAX {
            sets.iter().map(|set| self.set(reader, set)).collect()
        } else {
            let of = |range| self.load_union(reader, borrowed(range)).map(SharedRows::new);
            ranges.iter().map(of).collect()
        };
        Ok(united(&sets?))
    }

    /// Keys between which the sets of a range are, for each type.
    pub(super) fn ranges(&self, low: &Bound<Value>, high: &Bound<Value>) -> Result<Vec<KeyRange>> {
        let ranges = self.types.between(low, high).map_err(|detail| self.refuse_query(detail))?;
        Ok(ranges.iter().map(key_range).collect())
    }

    /// Rows with a number within bounds, by slices.
    fn sliced_range(
        &self,
        reader: Reader<'_>,
        low: &Bound<Value>,
        high: &Bound<Value>,
        scale: u8,
    ) -> Result<RowSet> {
        let mut parts = Vec::new();
        let ranges = self.types.between(low, high).map_err(|detail| self.refuse_query(detail))?;
        for (value_type, low, high) in ranges {
            let Some(bounds) = slices::number_bounds(&low, &high, scale) else { continue };
            let rows = self.slices_of(reader, value_type)?.within(bounds)?;
            if !rows.is_empty() {
                parts.push(rows);
            }
        }
        Ok(match parts.pop() {
            Some(only) if parts.is_empty() => only,
            Some(last) => RowSet::union(parts.iter().chain([&last])),
            None => RowSet::new(),
        })
    }

    /// The slices of a type, for a reader.
    pub(super) fn slices_of<'r>(
        &'r self,
        reader: Reader<'r>,
        value_type: ValueType,
    ) -> Result<Slices<'r>> {
        let set = |plane| self.set(reader, &plane_set(value_type, plane)).map(RowSet::shared);
        let (present, negative) = (set(PRESENT)?, set(SIGN)?);
        let positive =
            if negative.is_empty() { present.clone() } else { present.and_not(&negative) };
        Ok(Slices { index: self, reader, value_type, positive, negative })
    }
}

pub(super) fn borrowed((low, high): &KeyRange) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (low.as_ref().map(|key| &key[..]), high.as_ref().map(|key| &key[..]))
}

/// The union of sets, of which nearly always only one holds rows: it is shared then.
fn united(sets: &[Arc<SharedRows>]) -> RowSet {
    let mut some = sets.iter().filter(|set| !set.is_empty());
    match (some.next(), some.next()) {
        (None, _) => RowSet::new(),
        (Some(only), None) => RowSet::shared(Arc::clone(only)),
        _ => union_of(&sets.iter().map(|set| -> &Rows { set }).collect::<Vec<_>>()).into(),
    }
}

/// The slices of one type, for a reader.
pub(super) struct Slices<'r> {
    index: &'r BitmapIndex,
    reader: Reader<'r>,
    value_type: ValueType,
    /// Rows with a number that is not below zero.
    pub(super) positive: RowSet,
    /// Rows with a number below zero.
    pub(super) negative: RowSet,
}

impl Slices<'_> {
    /// Slice of a bit of the magnitude.
    pub(super) fn plane(&self, plane: u8) -> Result<Arc<SharedRows>> {
        self.index.set(self.reader, &key::plane_set(self.value_type, plane))
    }

    /// Bits of the magnitude, highest first.
    pub(super) fn planes(&self) -> impl Iterator<Item = u8> + use<> {
        (0..slices::planes_of(self.value_type)).rev()
    }

    fn within(&self, (low, high): (Bound<Number>, Bound<Number>)) -> Result<RowSet> {
        if self.positive.is_empty() && self.negative.is_empty() {
            return Ok(RowSet::new());
        }
        let (positive, negative) = slices::magnitudes_within(low, high);
        let side = |rows: &RowSet, range: Option<(u128, u128)>| match range {
            Some((min, max)) if !rows.is_empty() => {
                let above = self.at_least(rows.clone(), min)?;
                self.at_most(above, max)
            }
            _ => Ok(RowSet::new()),
        };
        let (positive, negative) =
            (side(&self.positive, positive)?, side(&self.negative, negative)?);
        Ok(if negative.is_empty() { positive } else { positive.or(&negative) })
    }

    /// Of some rows those whose magnitude is at most `max`.
    fn at_most(&self, rows: RowSet, max: u128) -> Result<RowSet> {
        self.compare(rows, max, false)
    }

    /// Of some rows those whose magnitude is at least `min`.
    fn at_least(&self, rows: RowSet, min: u128) -> Result<RowSet> {
        if min == 0 { Ok(rows) } else { self.compare(rows, min, true) }
    }

    /// Rows whose magnitude equals a limit, or is above it, or below. From the highest bit down,
    /// rows that are equal so far are parted by the slice of the bit.
    fn compare(&self, rows: RowSet, limit: u128, above: bool) -> Result<RowSet> {
        let bits = slices::planes_of(self.value_type);
        if limit >> bits != 0 {
            return Ok(if above { RowSet::new() } else { rows });
        }
        // Zeros at the end take nothing away from "at least", nor ones from "at most".
        let idle = if above { limit.trailing_zeros() } else { limit.trailing_ones() };
        let (mut equal, mut decided) = (rows, Vec::new());
        for plane in self.planes().take_while(|plane| u32::from(*plane) >= idle) {
            if equal.is_empty() {
                break;
            }
            let slice = RowSet::shared(self.plane(plane)?);
            let bit = limit >> plane & 1 == 1;
            if slice.is_empty() {
                // All of them have a zero here.
                if bit && !above {
                    decided.push(std::mem::take(&mut equal));
                } else if bit {
                    equal = RowSet::new();
                }
                continue;
            }
            if bit != above {
                let parted = if bit { equal.and_not(&slice) } else { equal.and(&slice) };
                decided.push(parted);
            }
            equal = if bit { equal.and(&slice) } else { equal.and_not(&slice) };
        }
        decided.push(equal);
        Ok(RowSet::union(&decided))
    }
}
