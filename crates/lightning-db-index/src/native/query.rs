//! What is asked of an ordered or hash index.

use std::ops::{Bound, RangeBounds};

use lightning_db_types::Value;

use super::key::{FIRST, KeyPlan, KeyRange, Types, prefixed};
use super::lookup::Forms;
use crate::error::{Error, Result};

/// Bytes that the part of a key most often has, at most.
const PART_LEN_TYPICAL: usize = 16;

/// Keys of an index: equal in their first parts, and between bounds in the next.
///
/// Numbers are compared as numbers, whatever their types. A null among equal values stands for a
/// key part that is null; a range holds no nulls. A value of a type that the index does not hold
/// matches nothing.
///
/// # Examples
/// ```
/// use lightning_db_index::KeyQuery;
/// use lightning_db_types::Value;
/// // City of Zurich, and a population from 1,000 on, largest keys first, at most ten.
/// let query = KeyQuery::equal(["Zurich"]).range(Value::from(1_000_i64)..).reverse().limit(10);
/// assert_eq!(query, query.clone());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct KeyQuery {
    /// First parts of the keys; one of these. All have the same length.
    pub(super) keys: Vec<Vec<Value>>,
    pub(super) next: Next,
    pub(super) reverse: bool,
    pub(super) limit: Option<usize>,
}

/// What is asked of the part behind the equal ones.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Next {
    Anything,
    Range(Bound<Value>, Bound<Value>),
    StartsWith(Value),
}

/// Where [`OrderedIndex::seek`](crate::OrderedIndex::seek) looks, in the order of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seek {
    /// The first key that is not before.
    AtOrAfter,
    /// The last key that is not behind; keys that begin with the given values are not behind.
    AtOrBefore,
}

impl KeyQuery {
    /// All keys.
    pub fn all() -> Self {
        Self::equal::<Value>([])
    }

    /// Keys whose first parts have these values.
    pub fn equal<V: Into<Value>>(values: impl IntoIterator<Item = V>) -> Self {
        Self::any_of([values])
    }

    /// Keys whose first parts have one of these lists of values (`IN`).
    pub fn any_of<V: Into<Value>, K: IntoIterator<Item = V>>(
        keys: impl IntoIterator<Item = K>,
    ) -> Self {
        let keys = keys.into_iter().map(|key| key.into_iter().map(Into::into).collect()).collect();
        Self { keys, next: Next::Anything, reverse: false, limit: None }
    }

    /// Of these, keys whose next part is between bounds, and not null. Bounds are smaller and
    /// larger values, whichever way the index sorts.
    #[must_use]
    pub fn range(self, bounds: impl RangeBounds<Value>) -> Self {
        let next = Next::Range(bounds.start_bound().cloned(), bounds.end_bound().cloned());
        Self { next, ..self }
    }

    /// Of these, keys whose next part is a text (or bytes) that starts so.
    #[must_use]
    pub fn starts_with(self, prefix: impl Into<Value>) -> Self {
        Self { next: Next::StartsWith(prefix.into()), ..self }
    }

    /// Last keys first.
    #[must_use]
    pub fn reverse(self) -> Self {
        Self { reverse: true, ..self }
    }

    /// At most so many, the first ones.
    #[must_use]
    pub fn limit(self, limit: usize) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// The query without its limit, and the limit; `None` if it has none.
    pub(super) fn take_limit(&self) -> Option<(Self, usize)> {
        let limit = self.limit?;
        Some((Self { limit: None, ..self.clone() }, limit))
    }

    /// The keys that are asked for, if that is by the value of all their parts, and for all rows.
    pub(crate) fn whole_keys(&self, parts: usize) -> Option<&[Vec<Value>]> {
        (self.is_whole(parts) && self.limit.is_none()).then_some(&self.keys)
    }

    /// Whether all parts of a key are asked for by value.
    pub(super) fn is_whole(&self, parts: usize) -> bool {
        self.next == Next::Anything && self.keys.iter().all(|key| key.len() == parts)
    }
}

/// Where the keys that match are: one key, or a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Key(Vec<u8>),
    Range(KeyRange),
}

impl Target {
    pub(super) fn start(&self) -> &[u8] {
        match self {
            Self::Key(key) | Self::Range((key, _)) => key,
        }
    }

    pub(super) fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        match self {
            Self::Key(key) => (Bound::Included(key), Bound::Included(key)),
            Self::Range((start, end)) => (Bound::Included(start), end.as_ref().map(Vec::as_slice)),
        }
    }

    /// Whether a key is one of these.
    pub(super) fn holds(&self, key: &[u8]) -> bool {
        key >= self.start() && self.reaches(key)
    }

    /// Whether a key lies before the end.
    pub(super) fn reaches(&self, key: &[u8]) -> bool {
        match self {
            Self::Key(only) => key <= &only[..],
            Self::Range((_, Bound::Excluded(end))) => key < &end[..],
            Self::Range((_, Bound::Included(end))) => key <= &end[..],
            Self::Range((_, Bound::Unbounded)) => true,
        }
    }
}

impl KeyPlan {
    /// Where the keys of a query are, in key order, without overlaps. `unique_nulls` says whether a
    /// whole key with a null in it stands for one row at most; `None` if no key does.
    pub(super) fn targets(
        &self,
        query: &KeyQuery,
        unique_nulls: Option<bool>,
        types: Types,
    ) -> Result<Vec<Target>> {
        let parts = self.orders.len();
        let mut targets = Vec::with_capacity(query.keys.len());
        for values in &query.keys {
            let next = usize::from(query.next != Next::Anything);
            if values.len() + next > parts {
                let detail = format!(
                    "{} parts are asked for, and its keys have {parts}",
                    values.len() + next
                );
                return Err(Error::Query { index: self.definition.name.clone(), detail });
            }
            let null = values.iter().any(Value::is_null);
            let single = values.len() == parts && unique_nulls.is_some_and(|nulls| nulls || !null);
            let mut add = |prefix| {
                self.add_targets(&query.next, values.len(), prefix, (single, types), &mut targets)
            };
            // Nearly always the columns have one type each.
            let mut only = Vec::with_capacity(values.len() * PART_LEN_TYPICAL);
            match self.push_only_key(values, types, &mut only) {
                Forms::None => {}
                Forms::One => add(only)?,
                Forms::Several => self.prefixes(values, types).into_iter().try_for_each(add)?,
            }
        }
        if targets.len() > 1 {
            targets.sort_unstable_by(|left, right| left.start().cmp(right.start()));
            // Ranges of equal prefixes lie in each other or apart.
            targets.dedup_by(|next, last| last.reaches(next.start()));
        }
        Ok(targets)
    }

    /// All encoded forms of the first parts of a key.
    fn prefixes(&self, values: &[Value], types: Types) -> Vec<Vec<u8>> {
        let mut prefixes = vec![Vec::new()];
        for (part, value) in values.iter().enumerate() {
            let form = |before: &Vec<u8>| self.forms(part, value.as_value_ref(), types, before);
            prefixes = prefixes.iter().flat_map(form).collect();
        }
        prefixes
    }

    fn add_targets(
        &self,
        next: &Next,
        part: usize,
        prefix: Vec<u8>,
        (single, types): (bool, Types),
        targets: &mut Vec<Target>,
    ) -> Result<()> {
        match next {
            Next::Anything if single => targets.push(Target::Key(prefix)),
            Next::Anything if prefix.is_empty() => {
                targets.push(Target::Range((FIRST.to_vec(), Bound::Unbounded)));
            }
            Next::Anything => targets.push(Target::Range(prefixed(prefix))),
            Next::Range(low, high) => {
                let ranges = self.between(part, (low.as_ref(), high.as_ref()), types, &prefix)?;
                targets.extend(ranges.into_iter().map(Target::Range));
            }
            Next::StartsWith(start) => {
                targets.push(Target::Range(self.starting_with(part, start, &prefix)?));
            }
        }
        Ok(())
    }
}
