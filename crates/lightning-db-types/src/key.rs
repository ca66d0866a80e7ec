//! Keys whose byte order is that of the rows: column after column, each self-delimiting.
//!
//! A column is a tag and a payload. The tag is the type, so that any type may stand in any column:
//!
//! | type | tag | payload |
//! |---|---|---|
//! | null | `01` if nulls come first, else `FE`; never inverted | none |
//! | bool | `11` | `00` or `01` |
//! | i64, timestamp | `12`, `19` | 8 bytes, big-endian, sign bit flipped |
//! | u64 | `13` | 8 bytes, big-endian |
//! | f64 | `14` | 8 bytes: sign bit flipped if positive, else all bits |
//! | decimal | `15` | 18 bytes: sign, exponent, digits; see below |
//! | text, bytes | `16`, `17` | the bytes, `00` written as `00 FF`, then `00 01` |
//! | date | `18` | 4 bytes, big-endian, sign bit flipped |
//! | uuid | `1A` | 16 bytes |
//! | point | `1B` | x, y as f64 |
//!
//! A decimal has one byte for its sign, `00` below zero, `01` for zero, `02` above; one for the
//! place of its first digit before the point, plus 38; and 16 for its digits, with zeros after them
//! to make 38. Below zero the last two parts are inverted; for zero they are zeros.
//!
//! A descending column has all its bytes inverted, tag included, but for a null.

mod decode;
mod escape;

pub use decode::{KeyDecoder, decode_row};

use crate::error::{Error, Result};
use crate::value::{Decimal, ValueRef, ValueType, float};
use std::cmp::Ordering;

const NULL_FIRST: u8 = 0x01;
const NULL_LAST: u8 = 0xFE;

/// How one column of a key sorts.
///
/// The default is ascending with nulls first, which is the order of [`Value`](crate::Value).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ColumnOrder {
    /// Whether larger values come first.
    pub descending: bool,
    /// Whether nulls come before all values, in either direction; after them otherwise.
    pub nulls_first: bool,
}

impl ColumnOrder {
    /// Smallest first, nulls before all.
    pub const ASCENDING: Self = Self { descending: false, nulls_first: true };

    /// Largest first, nulls after all: the exact reverse of [`ASCENDING`](Self::ASCENDING).
    pub const DESCENDING: Self = Self { descending: true, nulls_first: false };

    /// The same direction with nulls before all values.
    #[must_use]
    pub fn with_nulls_first(self) -> Self {
        Self { nulls_first: true, ..self }
    }

    /// The same direction with nulls after all values.
    #[must_use]
    pub fn with_nulls_last(self) -> Self {
        Self { nulls_first: false, ..self }
    }

    /// Compares two values under this order, as their keys compare byte by byte.
    pub fn compare(self, left: ValueRef<'_>, right: ValueRef<'_>) -> Ordering {
        let nulls = match (left.is_null(), right.is_null()) {
            (true, true) => return Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) if self.descending => return right.cmp(&left),
            (false, false) => return left.cmp(&right),
        };
        if self.nulls_first { nulls } else { nulls.reverse() }
    }
}

impl Default for ColumnOrder {
    fn default() -> Self {
        Self::ASCENDING
    }
}

/// Appends columns to a key.
///
/// The bytes go to the end of a buffer of the caller's, which allocates only to grow: cleared and
/// used again, it does not allocate at all (`tests/key_order.rs`).
///
/// # Examples
/// ```
/// use lightning_db_types::{ColumnOrder, KeyEncoder};
/// let mut key = b"index-7/".to_vec();
/// let mut encoder = KeyEncoder::new(&mut key);
/// encoder.push("Zurich", ColumnOrder::ASCENDING);
/// encoder.push(1998_i64, ColumnOrder::DESCENDING);
/// assert_eq!(key.len(), 8 + (1 + 6 + 2) + (1 + 8));
/// ```
#[derive(Debug)]
pub struct KeyEncoder<'b> {
    key: &'b mut Vec<u8>,
}

impl<'b> KeyEncoder<'b> {
    /// An encoder that writes after what `key` holds.
    pub fn new(key: &'b mut Vec<u8>) -> Self {
        Self { key }
    }

    /// Appends one column.
    #[inline]
    pub fn push<'v>(&mut self, value: impl Into<ValueRef<'v>>, order: ColumnOrder) {
        let value = value.into();
        let start = self.key.len();
        match value {
            ValueRef::Null => {
                self.key.push(if order.nulls_first { NULL_FIRST } else { NULL_LAST });
                return;
            }
            ValueRef::Bool(value) => self.fixed(ValueType::Bool, [u8::from(value)]),
            ValueRef::I64(value) => self.fixed(ValueType::I64, ordered_i64(value)),
            ValueRef::U64(value) => self.fixed(ValueType::U64, value.to_be_bytes()),
            ValueRef::F64(value) => self.fixed(ValueType::F64, ordered_f64(value)),
            ValueRef::Decimal(value) => self.fixed(ValueType::Decimal, ordered_decimal(value)),
            ValueRef::Text(value) => self.escaped(ValueType::Text, value.as_bytes()),
            ValueRef::Bytes(value) => self.escaped(ValueType::Bytes, value),
            ValueRef::Date(value) => {
                let flipped = value.cast_unsigned() ^ (1 << 31);
                self.fixed(ValueType::Date, flipped.to_be_bytes());
            }
            ValueRef::Timestamp(value) => self.fixed(ValueType::Timestamp, ordered_i64(value)),
            ValueRef::Uuid(value) => self.fixed(ValueType::Uuid, value),
            ValueRef::Point { x, y } => {
                self.fixed(ValueType::Point, ordered_f64(x));
                self.key.extend_from_slice(&ordered_f64(y));
            }
        }
        self.finish(start, order);
    }

    /// Appends the beginning of a text, without the end mark: the key is then a prefix of the keys
    /// of all texts that begin so, and of no others. Nothing can follow it.
    pub fn push_text_prefix(&mut self, prefix: &str, order: ColumnOrder) {
        self.prefix(ValueType::Text, prefix.as_bytes(), order);
    }

    /// As [`push_text_prefix`](Self::push_text_prefix), for a bytes column.
    pub fn push_bytes_prefix(&mut self, prefix: &[u8], order: ColumnOrder) {
        self.prefix(ValueType::Bytes, prefix, order);
    }

    fn prefix(&mut self, value_type: ValueType, prefix: &[u8], order: ColumnOrder) {
        let start = self.key.len();
        self.key.push(tag_of(value_type));
        escape::escape(prefix, self.key);
        self.finish(start, order);
    }

    #[inline]
    fn fixed<const N: usize>(&mut self, value_type: ValueType, payload: [u8; N]) {
        self.key.reserve(N + 1);
        self.key.push(tag_of(value_type));
        self.key.extend_from_slice(&payload);
    }

    #[inline]
    fn escaped(&mut self, value_type: ValueType, payload: &[u8]) {
        self.key.reserve(payload.len() + 3);
        self.key.push(tag_of(value_type));
        escape::escape(payload, self.key);
        self.key.extend_from_slice(&escape::END);
    }

    #[inline]
    fn finish(&mut self, start: usize, order: ColumnOrder) {
        if order.descending {
            for byte in &mut self.key[start..] {
                *byte = !*byte;
            }
        }
    }
}

/// Appends the key of a row, or of its first columns, to `key`.
///
/// With fewer values than columns the key is a prefix of the keys of all rows that begin with
/// them. Keys compare byte by byte as rows compare column by column under `columns`; a row sorts
/// after its own beginnings.
///
/// # Errors
/// [`Error::ColumnCount`] if there are more values than columns; `key` is unchanged then.
///
/// # Examples
/// ```
/// use lightning_db_types::{ColumnOrder, Value, decode_row, encode_row};
/// let columns = [ColumnOrder::ASCENDING, ColumnOrder::DESCENDING];
/// let (mut older, mut newer) = (Vec::new(), Vec::new());
/// encode_row(&[Value::from("user-1"), Value::Timestamp(1_000)], &columns, &mut older)?;
/// encode_row(&[Value::from("user-1"), Value::Timestamp(2_000)], &columns, &mut newer)?;
/// assert!(newer < older, "newest first");
///
/// let mut row = Vec::new();
/// decode_row(&newer, &columns, &mut row)?;
/// assert_eq!(row, [Value::from("user-1"), Value::Timestamp(2_000)]);
/// # Ok::<(), lightning_db_types::Error>(())
/// ```
#[inline]
pub fn encode_row<'v, V>(values: &'v [V], columns: &[ColumnOrder], key: &mut Vec<u8>) -> Result<()>
where
    &'v V: Into<ValueRef<'v>>,
{
    if values.len() > columns.len() {
        return Err(Error::ColumnCount { values: values.len(), columns: columns.len() });
    }
    let mut encoder = KeyEncoder::new(key);
    for (value, &order) in values.iter().zip(columns) {
        encoder.push(value, order);
    }
    Ok(())
}

/// Makes of a prefix the smallest key above all keys that begin with it. False if there is none,
/// when the prefix is empty or all `FF`; it is empty then.
///
/// # Examples
/// ```
/// use lightning_db_types::prefix_end;
/// let mut key = vec![1, 2, 0xFF];
/// assert!(prefix_end(&mut key));
/// assert_eq!(key, [1, 3]);
/// ```
pub fn prefix_end(prefix: &mut Vec<u8>) -> bool {
    while let Some(last) = prefix.pop() {
        if last < 0xFF {
            prefix.push(last + 1);
            return true;
        }
    }
    false
}

/// Tags are part of the disk format, so they are written out. They lie between the two of null,
/// inverted ones too.
fn tag_of(value_type: ValueType) -> u8 {
    match value_type {
        ValueType::Null => NULL_FIRST,
        ValueType::Bool => 0x11,
        ValueType::I64 => 0x12,
        ValueType::U64 => 0x13,
        ValueType::F64 => 0x14,
        ValueType::Decimal => 0x15,
        ValueType::Text => 0x16,
        ValueType::Bytes => 0x17,
        ValueType::Date => 0x18,
        ValueType::Timestamp => 0x19,
        ValueType::Uuid => 0x1A,
        ValueType::Point => 0x1B,
    }
}

/// The type whose tag this is, other than null, which has tags of its own.
#[inline]
fn type_of(tag: u8) -> Option<ValueType> {
    let index = usize::from(tag.checked_sub(0x10)?);
    ValueType::ALL.get(index).copied().filter(|&value_type| value_type != ValueType::Null)
}

fn ordered_i64(value: i64) -> [u8; 8] {
    (value.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

fn ordered_f64(value: f64) -> [u8; 8] {
    float::to_ordered(value).to_be_bytes()
}

fn ordered_decimal(value: Decimal) -> [u8; 18] {
    let parts = value.scientific();
    let mut payload = [0; 18];
    payload[1] = parts.exponent;
    payload[2..].copy_from_slice(&parts.digits.to_be_bytes());
    match parts.sign {
        Ordering::Less => payload[1..].iter_mut().for_each(|byte| *byte = !*byte),
        Ordering::Equal => payload[0] = 1,
        Ordering::Greater => payload[0] = 2,
    }
    payload
}

#[cfg(test)]
mod tests;
