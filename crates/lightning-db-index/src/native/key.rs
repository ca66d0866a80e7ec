//! How rows become keys of an ordered index, and values of a query parts of such keys.
//!
//! A key is its parts, each with its type ([`KeyEncoder`]). So that a query for the number two
//! finds it whatever its type, the index remembers which types each part has had: in memory, and
//! under a key of its own, which starts with a zero byte and so lies before all entries. The types
//! are only ever too many, after a rollback, which costs a look in vain.

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use lightning_db_expression::{
    Columns, Expression,
    number::{self, Fit, NUMBERS},
};
use lightning_db_storage::{KEY_LEN_MAX, Keyspace};
use lightning_db_types::{
    ColumnOrder, KeyDecoder, KeyEncoder, Value, ValueRef, ValueType, prefix_end,
};
use parking_lot::Mutex;

use super::query::{KeyQuery, Next};
use crate::definition::IndexDefinition;
use crate::error::{Error, Result};
use crate::row::RowStore;

/// Where the types are kept.
const TYPES_KEY: [u8; 1] = [0x00];

/// Below all entries, and above what is kept beside them.
pub(super) const FIRST: [u8; 1] = [0x01];

/// Stored values are put inline by the store below this length, and taken in bulk.
pub(super) const VALUE_LEN_MAX: usize = (1 << 20) - 1;

/// Encodes the keys of one index.
#[derive(Debug)]
pub(super) struct KeyPlan {
    pub(super) definition: Arc<IndexDefinition>,
    pub(super) keyspace: Keyspace,
    pub(super) orders: Box<[ColumnOrder]>,
    /// Types that each part may have, one bit for each.
    possible: Box<[u16]>,
    /// Types that each part has had, one bit for each.
    seen: Box<[AtomicU16]>,
    growing: Mutex<()>,
}

/// In which types a value is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Types {
    /// Those that the part has had.
    Seen,
    /// All: where a transaction must notice a value that comes, it may be of a new type.
    Any,
}

/// The bits are on the disk: they go by the places in `ValueType::ALL`.
const fn bit(value_type: ValueType) -> u16 {
    1 << value_type as u16
}

const _: () = {
    let mut place = 0;
    while place < ValueType::ALL.len() {
        assert!(bit(ValueType::ALL[place]) == 1 << place);
        place += 1;
    }
};

/// The types as which values are equal to one of this type.
fn alike(value_type: ValueType) -> u16 {
    if number::is_number(value_type) {
        return NUMBERS.into_iter().fold(0, |types, one| types | bit(one));
    }
    bit(value_type)
}

/// A range of encoded keys.
pub(super) type KeyRange = (Vec<u8>, Bound<Vec<u8>>);

/// All keys that begin with `prefix`.
pub(super) fn prefixed(prefix: Vec<u8>) -> KeyRange {
    let end = behind(prefix.clone());
    (prefix, end)
}

fn behind(mut prefix: Vec<u8>) -> Bound<Vec<u8>> {
    if prefix_end(&mut prefix) { Bound::Excluded(prefix) } else { Bound::Unbounded }
}

impl KeyPlan {
    pub(super) fn open(
        definition: &Arc<IndexDefinition>,
        keyspace: Keyspace,
        rows: &dyn RowStore,
    ) -> Result<Self> {
        let parts = definition.parts.len();
        let stored = keyspace.get(TYPES_KEY)?.filter(|types| types.len() == 2 * parts);
        let unknown = stored.is_none() && !keyspace.is_empty()?;
        let seen = (0..parts).map(|part| {
            let types = stored.as_deref().and_then(|types| types.get(2 * part..2 * part + 2));
            let types = types.and_then(|types| types.try_into().ok()).map(u16::from_le_bytes);
            // Entries without a note of their types have had any.
            AtomicU16::new(types.unwrap_or(if unknown { u16::MAX } else { 0 }))
        });
        let possible = definition.parts.iter().map(|part| match part.expression {
            Expression::Column(column) => rows
                .column_type(column)
                .map_or(u16::MAX, |value_type| bit(value_type) | bit(ValueType::Null)),
            _ => u16::MAX,
        });
        Ok(Self {
            definition: Arc::clone(definition),
            possible: possible.collect(),
            orders: definition.parts.iter().map(|part| part.order).collect(),
            seen: seen.collect(),
            growing: Mutex::new(()),
            keyspace,
        })
    }

    /// Appends the key of a row; says whether a part is null.
    pub(super) fn encode(&self, row: &dyn Columns, key: &mut Vec<u8>) -> Result<bool> {
        let mut null = false;
        for (part, seen) in self.definition.parts.iter().zip(&self.seen) {
            let value = part.expression.evaluated(row)?;
            let value = value.as_value_ref();
            let of_type = bit(value.value_type());
            null |= value.is_null();
            KeyEncoder::new(key).push(value, part.order);
            if seen.load(Ordering::Relaxed) & of_type == 0 {
                self.grow(seen, of_type)?;
            }
        }
        let (len, max) = (key.len() + 8, KEY_LEN_MAX);
        if len > max {
            let detail = format!("a key of {len} bytes is longer than the limit of {max} bytes");
            return Err(Error::Value { index: self.definition.name.clone(), detail });
        }
        Ok(null)
    }

    /// Notes a new type of a part: in the store first, so that no entry is there without it.
    #[cold]
    fn grow(&self, seen: &AtomicU16, of_type: u16) -> Result<()> {
        let more = self.seen.iter().map(|one| if std::ptr::eq(one, seen) { of_type } else { 0 });
        let more: Vec<u8> = more.flat_map(u16::to_le_bytes).collect();
        self.note_types(&more)
    }

    /// Types that each part has had, as they are noted.
    pub(super) fn seen_types(&self) -> Vec<u8> {
        self.seen.iter().flat_map(|one| one.load(Ordering::Relaxed).to_le_bytes()).collect()
    }

    /// Adds to the types that parts have had, and notes them all; of none there is no note.
    pub(super) fn note_types(&self, more: &[u8]) -> Result<()> {
        let _growing = self.growing.lock();
        let mut types = self.seen_types();
        types.iter_mut().zip(more).for_each(|(seen, more)| *seen |= more);
        if types.iter().any(|seen| *seen != 0) {
            self.keyspace.insert(TYPES_KEY, &types)?;
        }
        for (seen, types) in self.seen.iter().zip(types.as_chunks().0) {
            seen.fetch_or(u16::from_le_bytes(*types), Ordering::Relaxed);
        }
        Ok(())
    }

    pub(super) fn admits(&self, part: usize, value_type: ValueType, types: Types) -> bool {
        match types {
            Types::Seen => self.has_seen(part, value_type),
            Types::Any => self.possible.get(part).is_some_and(|it| it & bit(value_type) != 0),
        }
    }

    /// Whether keys that match a query may come to have types that no key has had.
    pub(super) fn has_unseen(&self, query: &KeyQuery) -> bool {
        let is_range = matches!(query.next, Next::Range(..));
        let reaches = |part: usize| is_range && self.unseen(part) & !bit(ValueType::Null) != 0;
        query.keys.iter().any(|key| self.has_unseen_values(key) || reaches(key.len()))
    }

    /// The same for keys by the values of their first parts.
    pub(super) fn has_unseen_values(&self, values: &[Value]) -> bool {
        let mut parts = values.iter().enumerate();
        parts.any(|(part, value)| self.unseen(part) & alike(value.value_type()) != 0)
    }

    fn unseen(&self, part: usize) -> u16 {
        let (possible, seen) = (self.possible.get(part), self.seen.get(part));
        possible.zip(seen).map_or(0, |(all, seen)| all & !seen.load(Ordering::Relaxed))
    }

    fn has_seen(&self, part: usize, value_type: ValueType) -> bool {
        let seen = self.seen.get(part).map_or(0, |seen| seen.load(Ordering::Relaxed));
        seen & bit(value_type) != 0
    }

    /// The encoded forms in which a value may stand in a part, appended to `before`.
    pub(super) fn forms(
        &self,
        part: usize,
        value: ValueRef<'_>,
        types: Types,
        before: &[u8],
    ) -> Vec<Vec<u8>> {
        let order = self.orders[part];
        let encoded = |value: ValueRef<'_>| {
            let mut key = Vec::with_capacity(before.len() + 20);
            key.extend_from_slice(before);
            KeyEncoder::new(&mut key).push(value, order);
            key
        };
        let own = value.value_type();
        if !number::is_number(own) {
            return self.admits(part, own, types).then(|| encoded(value)).into_iter().collect();
        }
        let seen = NUMBERS.into_iter().filter(|one| self.admits(part, *one, types));
        seen.filter_map(|value_type| {
            if value_type == own {
                return Some(encoded(value));
            }
            number::convert(value, value_type).map(|value| encoded(value.as_value_ref()))
        })
        .collect()
    }

    /// The ranges, behind `before`, of the values of a part between two bounds.
    ///
    /// # Errors
    /// [`Error::Query`] if the bounds do not compare with each other.
    pub(super) fn between(
        &self,
        part: usize,
        (low, high): (Bound<&Value>, Bound<&Value>),
        types: Types,
        before: &[u8],
    ) -> Result<Vec<KeyRange>> {
        let type_of = |bound: Bound<&Value>| match bound {
            Bound::Included(value) | Bound::Excluded(value) => Some(value.value_type()),
            Bound::Unbounded => None,
        };
        let (low_type, high_type) = (type_of(low), type_of(high));
        let Some(of_type) = low_type.or(high_type) else {
            return Ok(vec![self.not_null(part, before)]);
        };
        if [low_type, high_type].contains(&Some(ValueType::Null)) {
            // Nothing is known to be below or above null.
            return Ok(Vec::new());
        }
        let class = |value_type| if number::is_number(value_type) { &NUMBERS[..] } else { &[] };
        let other = high_type.unwrap_or(of_type);
        if other != of_type && !class(of_type).contains(&other) {
            let detail = format!("the bounds are a {of_type} and a {other}");
            return Err(Error::Query { index: self.definition.name.clone(), detail });
        }
        let one = [of_type];
        let wanted = if number::is_number(of_type) { &NUMBERS[..] } else { &one };
        let seen = wanted.iter().filter(|one| self.admits(part, **one, types));
        Ok(seen
            .filter_map(|&value_type| {
                let low = fitted(low, value_type, false)?;
                let high = fitted(high, value_type, true)?;
                Some(self.of_type(part, value_type, (low, high), before))
            })
            .filter(|(start, end)| match end {
                Bound::Excluded(end) | Bound::Included(end) => start < end,
                Bound::Unbounded => true,
            })
            .collect())
    }

    /// All of a part but nulls.
    fn not_null(&self, part: usize, before: &[u8]) -> KeyRange {
        let mut null = before.to_vec();
        KeyEncoder::new(&mut null).push(ValueRef::Null, self.orders[part]);
        if self.orders[part].nulls_first {
            let end = behind(before.to_vec());
            prefix_end(&mut null);
            return (null, end);
        }
        // What is kept beside the entries lies before them all.
        let start = if before.is_empty() { FIRST.to_vec() } else { before.to_vec() };
        (start, Bound::Excluded(null))
    }

    /// Values of one type between bounds of that type.
    fn of_type(
        &self,
        part: usize,
        value_type: ValueType,
        (low, high): (Bound<Value>, Bound<Value>),
        before: &[u8],
    ) -> KeyRange {
        let order = self.orders[part];
        let (first, last) = if order.descending { (high, low) } else { (low, high) };
        let encoded = |value: &Value| {
            let mut key = before.to_vec();
            KeyEncoder::new(&mut key).push(value, order);
            key
        };
        let mut tag = before.to_vec();
        KeyEncoder::new(&mut tag).push(sample(value_type), order);
        tag.truncate(before.len() + 1);
        let start = match first {
            Bound::Included(value) => encoded(&value),
            Bound::Excluded(value) => {
                let mut key = encoded(&value);
                prefix_end(&mut key);
                key
            }
            Bound::Unbounded => tag.clone(),
        };
        let end = match last {
            Bound::Included(value) => behind(encoded(&value)),
            Bound::Excluded(value) => Bound::Excluded(encoded(&value)),
            Bound::Unbounded => behind(tag),
        };
        (start, end)
    }

    /// All keys that are not before the first parts of a key, or, for `before`, not behind them.
    pub(super) fn nearest(&self, values: &[Value], before: bool) -> KeyRange {
        let mut key = Vec::new();
        for (part, (value, order)) in values.iter().zip(&self.orders).enumerate() {
            match self.neighbour(part, value.as_value_ref()) {
                None => KeyEncoder::new(&mut key).push(value, *order),
                Some(Fit::Exact(same)) => KeyEncoder::new(&mut key).push(&same, *order),
                Some(Fit::Between(low, high)) => {
                    // What comes next in the wanted direction, whatever its further parts are.
                    let next = if before == order.descending { high } else { low };
                    return self.beside(&key, part, next.as_ref(), before);
                }
            }
        }
        if before {
            return (FIRST.to_vec(), behind(key));
        }
        (key.max(FIRST.to_vec()), Bound::Unbounded)
    }

    /// A number as one of the type that a part holds, if it holds one type of numbers only.
    fn neighbour(&self, part: usize, value: ValueRef<'_>) -> Option<Fit> {
        let mut seen = NUMBERS.into_iter().filter(|&value_type| self.has_seen(part, value_type));
        let value_type = seen.next().filter(|_| seen.next().is_none())?;
        number::fit(value, value_type)
    }

    /// As [`nearest`](Self::nearest), at a value between two, or at the end of its type.
    fn beside(&self, key: &[u8], part: usize, next: Option<&Value>, before: bool) -> KeyRange {
        let order = self.orders[part];
        let mut place = key.to_vec();
        if let Some(next) = next {
            KeyEncoder::new(&mut place).push(next, order);
        } else {
            let held = NUMBERS.into_iter().find(|&one| self.has_seen(part, one));
            KeyEncoder::new(&mut place).push(sample(held.unwrap_or(ValueType::I64)), order);
            place.truncate(key.len() + 1);
        }
        match (before, next.is_some()) {
            (true, true) => (FIRST.to_vec(), behind(place)),
            (true, false) => (FIRST.to_vec(), Bound::Excluded(place)),
            (false, true) => (place, Bound::Unbounded),
            (false, false) => {
                prefix_end(&mut place);
                (place, Bound::Unbounded)
            }
        }
    }

    /// The range of the texts or bytes that start with `prefix`.
    ///
    /// # Errors
    /// [`Error::Query`] if it is neither.
    pub(super) fn starting_with(
        &self,
        part: usize,
        prefix: &Value,
        before: &[u8],
    ) -> Result<KeyRange> {
        let mut key = before.to_vec();
        let mut encoder = KeyEncoder::new(&mut key);
        match prefix {
            Value::Text(text) => encoder.push_text_prefix(text, self.orders[part]),
            Value::Bytes(bytes) => encoder.push_bytes_prefix(bytes, self.orders[part]),
            other => {
                let detail = format!("a {} has no prefix", other.value_type());
                return Err(Error::Query { index: self.definition.name.clone(), detail });
            }
        }
        Ok(prefixed(key))
    }

    /// Where the first, second, ... part of a key ends.
    pub(super) fn ends<'a>(&'a self, key: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
        let mut decoder = KeyDecoder::new(key);
        self.orders.iter().map_while(move |order| {
            decoder.skip(*order).ok()?;
            Some(decoder.offset())
        })
    }

    /// Values of a key, and what stands behind them.
    pub(super) fn decode<'k>(&self, key: &'k [u8]) -> Result<(Vec<Value>, &'k [u8])> {
        let mut decoder = KeyDecoder::new(key);
        let values = self.orders.iter().map(|order| decoder.column(*order));
        let values = values.collect::<Result<_, _>>().map_err(|error| self.corrupt(&error))?;
        Ok((values, decoder.rest()))
    }

    pub(super) fn corrupt(&self, detail: &dyn std::fmt::Display) -> Error {
        Error::Corrupt { index: self.definition.name.clone(), detail: detail.to_string() }
    }

    /// A key for people.
    pub(super) fn text(&self, key: &[u8]) -> String {
        match self.decode(key) {
            Ok((values, _)) => text_of(&values),
            Err(error) => error.to_string(),
        }
    }
}

/// Values for people.
pub(super) fn text_of(values: &[Value]) -> String {
    let shown = values
        .iter()
        .map(|value| lightning_db_expression::Expression::Literal(value.clone()).to_string());
    shown.collect::<Vec<_>>().join(", ")
}

/// A bound as one of another type: at the same number, or at its neighbour inside the range. `None`
/// if no number of that type is inside.
fn fitted(bound: Bound<&Value>, value_type: ValueType, high: bool) -> Option<Bound<Value>> {
    let value = match bound {
        Bound::Included(value) | Bound::Excluded(value) => value,
        Bound::Unbounded => return Some(Bound::Unbounded),
    };
    if value.value_type() == value_type {
        return Some(bound.cloned());
    }
    match number::fit(value.as_value_ref(), value_type)? {
        Fit::Exact(value) if matches!(bound, Bound::Included(_)) => Some(Bound::Included(value)),
        Fit::Exact(value) => Some(Bound::Excluded(value)),
        Fit::Between(below, above) => (if high { below } else { above }).map(Bound::Included),
    }
}

/// Any value of a type, to learn how the type is written.
fn sample(value_type: ValueType) -> ValueRef<'static> {
    match value_type {
        ValueType::Null => ValueRef::Null,
        ValueType::Bool => ValueRef::Bool(false),
        ValueType::I64 => ValueRef::I64(0),
        ValueType::U64 => ValueRef::U64(0),
        ValueType::F64 => ValueRef::F64(0.0),
        ValueType::Decimal => ValueRef::Decimal(lightning_db_types::Decimal::ZERO),
        ValueType::Text => ValueRef::Text(""),
        ValueType::Bytes => ValueRef::Bytes(b""),
        ValueType::Date => ValueRef::Date(0),
        ValueType::Timestamp => ValueRef::Timestamp(0),
        ValueType::Uuid => ValueRef::Uuid([0; 16]),
        ValueType::Point => ValueRef::Point { x: 0.0, y: 0.0 },
    }
}
