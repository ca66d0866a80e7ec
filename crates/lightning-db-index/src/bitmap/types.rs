//! Which types of values an index has, so that a number is found whatever its type.
//!
//! Numbers are compared as numbers: a query for the `u64` two finds rows with the `i64` two. The
//! types are only ever too many, after a rollback, which costs a look in vain.

use std::ops::Bound;
use std::sync::atomic::{AtomicU16, Ordering};

use lightning_db_expression::number::{self, Fit, NUMBERS};
use lightning_db_storage::Keyspace;
use lightning_db_types::{Value, ValueType, prefix_end};

use super::key::{VALUES_START, plane_set, value_set};
use crate::error::Result;

/// A range of values of one type.
pub(super) type TypeRange = (ValueType, Bound<Value>, Bound<Value>);

/// A range of keys.
pub(super) type KeyRange = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// Types that rows of the index have, or had.
#[derive(Debug, Default)]
pub(super) struct SeenTypes(AtomicU16);

const fn bit(value_type: ValueType) -> u16 {
    1 << value_type as u16
}

/// Bits of the types whose values compare with each other.
const NUMBER_BITS: u16 =
    bit(ValueType::I64) | bit(ValueType::U64) | bit(ValueType::F64) | bit(ValueType::Decimal);

impl SeenTypes {
    /// Looks which types there are.
    pub(super) fn find(keyspace: &Keyspace) -> Result<Self> {
        let seen = Self::default();
        for value_type in ValueType::ALL {
            for prefix in prefixes(value_type) {
                if let Some(entry) = keyspace.prefix(prefix).next() {
                    entry?;
                    seen.add(value_type);
                }
            }
        }
        Ok(seen)
    }

    pub(super) fn add(&self, value_type: ValueType) {
        if !self.has(value_type) {
            self.0.fetch_or(bit(value_type), Ordering::Relaxed);
        }
    }

    /// Adds those of another one.
    pub(super) fn add_all(&self, more: &Self) {
        self.0.fetch_or(more.0.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Keys between which the sets of the types are that no row has had, of values or of slices.
    pub(super) fn unseen(&self, is_sliced: bool) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut ranges: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for value_type in ValueType::ALL.into_iter().filter(|one| !self.has(*one)) {
            let [of_values, of_slices] = prefixes(value_type);
            let start = if is_sliced { of_slices } else { of_values };
            let mut end = start.clone();
            prefix_end(&mut end);
            match ranges.last_mut() {
                Some((_, last)) if *last == start => *last = end,
                _ => ranges.push((start, end)),
            }
        }
        ranges
    }

    fn has(&self, value_type: ValueType) -> bool {
        self.0.load(Ordering::Relaxed) & bit(value_type) != 0
    }

    /// Whether a value can only be there as it is, and not as a number of another type.
    pub(super) fn only_as_is(&self, value: &Value) -> bool {
        let own = bit(value.value_type());
        own & NUMBER_BITS == 0 || self.0.load(Ordering::Relaxed) & NUMBER_BITS & !own == 0
    }

    /// The forms in which a value may be there.
    pub(super) fn forms(&self, value: &Value) -> Vec<Value> {
        if !number::is_number(value.value_type()) {
            return vec![value.clone()];
        }
        let seen = NUMBERS.into_iter().filter(|value_type| self.has(*value_type));
        seen.filter_map(|value_type| number::convert(value.as_value_ref(), value_type)).collect()
    }

    /// The ranges of single types that lie between two values; why not, if these do not compare.
    pub(super) fn between(
        &self,
        low: &Bound<Value>,
        high: &Bound<Value>,
    ) -> Result<Vec<TypeRange>, String> {
        let of = |bound: &Bound<Value>| match bound {
            Bound::Included(value) | Bound::Excluded(value) => Some(value.value_type()),
            Bound::Unbounded => None,
        };
        let (low_type, high_type) = (of(low), of(high));
        let Some(of_type) = low_type.or(high_type) else {
            let seen = ValueType::ALL.into_iter().filter(|value_type| self.has(*value_type));
            let seen = seen.filter(|value_type| *value_type != ValueType::Null);
            return Ok(seen.map(|of| (of, Bound::Unbounded, Bound::Unbounded)).collect());
        };
        if [low_type, high_type].contains(&Some(ValueType::Null)) {
            // Nothing is known to be below or above null.
            return Ok(Vec::new());
        }
        let is_number = number::is_number(of_type);
        let other = high_type.unwrap_or(of_type);
        if other != of_type && !(is_number && number::is_number(other)) {
            return Err(format!("the bounds are a {of_type} and a {other}"));
        }
        let wanted = if is_number { &NUMBERS[..] } else { &[of_type] };
        let seen = wanted.iter().filter(|value_type| self.has(**value_type));
        let fitted = seen.filter_map(|value_type| {
            Some((*value_type, fit(low, *value_type, false)?, fit(high, *value_type, true)?))
        });
        Ok(fitted.collect())
    }
}

/// A bound as one of another type; `None` if no value is within it.
fn fit(bound: &Bound<Value>, value_type: ValueType, high: bool) -> Option<Bound<Value>> {
    let value = match bound {
        Bound::Included(value) | Bound::Excluded(value) => value,
        Bound::Unbounded => return Some(Bound::Unbounded),
    };
    match number::fit(value.as_value_ref(), value_type) {
        // No number: the bound is of the type.
        None => Some(bound.clone()),
        Some(Fit::Exact(value)) if matches!(bound, Bound::Included(_)) => {
            Some(Bound::Included(value))
        }
        Some(Fit::Exact(value)) => Some(Bound::Excluded(value)),
        Some(Fit::Between(below, above)) => (if high { below } else { above }).map(Bound::Included),
    }
}

/// What the keys of all sets of a type begin with.
fn prefixes(value_type: ValueType) -> [Vec<u8>; 2] {
    [vec![tag(value_type)], plane_set(value_type, 0)[..2].to_vec()]
}

/// First byte of the sets of the values of a type.
fn tag(value_type: ValueType) -> u8 {
    VALUES_START + value_type as u8
}

/// Keys between which the sets of the values of a range are.
pub(super) fn key_range((value_type, low, high): &TypeRange) -> KeyRange {
    let set_of = |value: &Value| {
        let mut set = Vec::new();
        value_set(value, &mut set);
        set
    };
    // The keys of a set are behind the set itself, and before what follows its beginning.
    let behind = |mut set: Vec<u8>| {
        prefix_end(&mut set);
        set
    };
    let all = vec![tag(*value_type)];
    let low = match low {
        Bound::Unbounded => all.clone(),
        Bound::Included(low) => set_of(low),
        Bound::Excluded(low) => behind(set_of(low)),
    };
    let high = match high {
        Bound::Unbounded => behind(all),
        Bound::Included(high) => behind(set_of(high)),
        Bound::Excluded(high) => set_of(high),
    };
    (Bound::Included(low), Bound::Excluded(high))
}
