//! Keys back to values. The bytes may be damaged: all are checked, and only those are accepted that
//! encoding writes.

use super::escape::{self, Found};
use super::{ColumnOrder, NULL_FIRST, NULL_LAST, type_of};
use crate::error::{Error, Result};
use crate::value::decimal::Scientific;
use crate::value::{Decimal, Value, ValueType, float};
use std::cmp::Ordering;

/// Takes columns from the front of a key.
///
/// # Examples
/// ```
/// use lightning_db_types::{ColumnOrder, KeyDecoder, KeyEncoder, Value, ValueType};
/// let mut key = Vec::new();
/// let mut encoder = KeyEncoder::new(&mut key);
/// encoder.push("a", ColumnOrder::ASCENDING);
/// encoder.push(7_u64, ColumnOrder::DESCENDING);
/// key.extend_from_slice(b"row id");
///
/// let mut decoder = KeyDecoder::new(&key);
/// assert_eq!(decoder.skip(ColumnOrder::ASCENDING)?, ValueType::Text);
/// assert_eq!(decoder.column(ColumnOrder::DESCENDING)?, Value::U64(7));
/// assert_eq!(decoder.rest(), b"row id");
/// # Ok::<(), lightning_db_types::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct KeyDecoder<'k> {
    key: &'k [u8],
    offset: usize,
}

/// A column as it stands in the key.
struct RawColumn<'k> {
    value_type: ValueType,
    /// Without the end mark.
    payload: &'k [u8],
    /// `FF` if the column is descending and so inverted, else zero.
    mask: u8,
}

impl<'k> KeyDecoder<'k> {
    /// A decoder at the start of a key.
    pub fn new(key: &'k [u8]) -> Self {
        Self { key, offset: 0 }
    }

    /// Bytes taken so far.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The bytes not taken yet.
    pub fn rest(&self) -> &'k [u8] {
        self.key.get(self.offset..).unwrap_or_default()
    }

    /// Takes the next column. A decimal comes back with its smallest scale, the zero of a float
    /// without its sign, and any NaN as the one NaN: equal values, if not the same bits.
    ///
    /// # Errors
    /// [`Error::KeyTruncated`], [`Error::KeyTag`], [`Error::KeyEscape`], [`Error::KeyText`] or
    /// [`Error::KeyPayload`] if the bytes are not those of a column under this order. The decoder
    /// stays where it was.
    #[inline]
    pub fn column(&mut self, order: ColumnOrder) -> Result<Value> {
        let start = self.offset;
        let (raw, end) = self.raw(order)?;
        let value = match raw.value_type {
            ValueType::Text => raw.to_text(start)?,
            ValueType::Bytes => Value::Bytes(escape::unescape(raw.payload, raw.mask)),
            value_type => match raw.to_fixed() {
                Some(value) => value,
                None => return Err(Error::KeyPayload { offset: start, value_type }),
            },
        };
        self.offset = end;
        Ok(value)
    }

    /// Passes the next column over without making its value, and says its type. The payload is not
    /// looked at further than to find its end.
    ///
    /// # Errors
    /// [`Error::KeyTruncated`], [`Error::KeyTag`] or [`Error::KeyEscape`].
    #[inline]
    pub fn skip(&mut self, order: ColumnOrder) -> Result<ValueType> {
        let (raw, end) = self.raw(order)?;
        self.offset = end;
        Ok(raw.value_type)
    }

    /// The next column and where it ends.
    #[inline]
    fn raw(&self, order: ColumnOrder) -> Result<(RawColumn<'k>, usize)> {
        let Some((&first, rest)) = self.rest().split_first() else {
            return Err(self.truncated());
        };
        let mask = if order.descending { 0xFF } else { 0 };
        if first == if order.nulls_first { NULL_FIRST } else { NULL_LAST } {
            let raw = RawColumn { value_type: ValueType::Null, payload: &[], mask };
            return Ok((raw, self.offset + 1));
        }
        let tag = first ^ mask;
        let Some(value_type) = type_of(tag) else {
            return Err(Error::KeyTag { offset: self.offset, tag });
        };
        let (len, end_len) = match payload_len(value_type) {
            Some(len) => (len, 0),
            None => (self.escaped_len(rest, mask)?, escape::END.len()),
        };
        let Some(payload) = rest.get(..len) else { return Err(self.truncated()) };
        Ok((RawColumn { value_type, payload, mask }, self.offset + 1 + len + end_len))
    }

    /// Length of an escaped string, without its end mark.
    fn escaped_len(&self, bytes: &[u8], mask: u8) -> Result<usize> {
        match escape::find_end(bytes, mask) {
            Found::End { len } => Ok(len),
            Found::Truncated => Err(self.truncated()),
            Found::BadEscape { at } => {
                let byte = bytes.get(at).map_or(0, |byte| byte ^ mask);
                Err(Error::KeyEscape { offset: self.offset + 1 + at, byte })
            }
        }
    }

    #[cold]
    fn truncated(&self) -> Error {
        Error::KeyTruncated { offset: self.offset, len: self.key.len() }
    }
}

impl RawColumn<'_> {
    fn to_text(&self, offset: usize) -> Result<Value> {
        let text = String::from_utf8(escape::unescape(self.payload, self.mask));
        text.map(Value::Text).map_err(|error| Error::KeyText { offset, source: error.utf8_error() })
    }

    /// The value of a type of fixed length, or `None` if it is never written so.
    #[inline]
    fn to_fixed(&self) -> Option<Value> {
        Some(match self.value_type {
            ValueType::Null => Value::Null,
            ValueType::Bool => match self.bytes()? {
                [0] => Value::Bool(false),
                [1] => Value::Bool(true),
                _ => return None,
            },
            ValueType::I64 => Value::I64(self.signed()?),
            ValueType::U64 => Value::U64(u64::from_be_bytes(self.bytes()?)),
            ValueType::F64 => Value::F64(float::from_ordered(u64::from_be_bytes(self.bytes()?))?),
            ValueType::Decimal => Value::Decimal(decimal_of(self.bytes()?)?),
            ValueType::Date => {
                let flipped = u32::from_be_bytes(self.bytes()?);
                Value::Date((flipped ^ (1 << 31)).cast_signed())
            }
            ValueType::Timestamp => Value::Timestamp(self.signed()?),
            ValueType::Uuid => Value::Uuid(self.bytes()?),
            ValueType::Point => {
                let both = u128::from_be_bytes(self.bytes()?);
                let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).ok();
                let x = float::from_ordered(half(both >> 64)?)?;
                Value::Point { x, y: float::from_ordered(half(both)?)? }
            }
            ValueType::Text | ValueType::Bytes => return None,
        })
    }

    #[inline]
    fn signed(&self) -> Option<i64> {
        Some((u64::from_be_bytes(self.bytes()?) ^ (1 << 63)).cast_signed())
    }

    /// The payload with the inversion undone.
    #[inline]
    fn bytes<const N: usize>(&self) -> Option<[u8; N]> {
        let mut bytes: [u8; N] = self.payload.try_into().ok()?;
        if self.mask != 0 {
            for byte in &mut bytes {
                *byte ^= self.mask;
            }
        }
        Some(bytes)
    }
}

/// Length of the payload in bytes; `None` for text and bytes, which have an end mark.
#[inline]
fn payload_len(value_type: ValueType) -> Option<usize> {
    Some(match value_type {
        ValueType::Null => 0,
        ValueType::Bool => 1,
        ValueType::I64 | ValueType::U64 | ValueType::F64 | ValueType::Timestamp => 8,
        ValueType::Decimal => 18,
        ValueType::Date => 4,
        ValueType::Uuid | ValueType::Point => 16,
        ValueType::Text | ValueType::Bytes => return None,
    })
}

fn decimal_of(payload: [u8; 18]) -> Option<Decimal> {
    let (sign, mask) = match payload[0] {
        0 => (Ordering::Less, 0xFF),
        1 => (Ordering::Equal, 0),
        2 => (Ordering::Greater, 0),
        _ => return None,
    };
    let digits: [u8; 16] = payload[2..].try_into().ok()?;
    let digits = u128::from_be_bytes(digits.map(|byte| byte ^ mask));
    Scientific { sign, exponent: payload[1] ^ mask, digits }.to_decimal()
}

/// Appends the columns of a key to `values`, and gives the number of bytes that they took: what
/// follows, such as a row id, is the caller's.
///
/// # Errors
/// As [`KeyDecoder::column`]; `values` is as it was then.
pub fn decode_row(key: &[u8], columns: &[ColumnOrder], values: &mut Vec<Value>) -> Result<usize> {
    let count = values.len();
    let mut decoder = KeyDecoder::new(key);
    values.reserve(columns.len());
    for &order in columns {
        match decoder.column(order) {
            Ok(value) => values.push(value),
            Err(error) => {
                values.truncate(count);
                return Err(error);
            }
        }
    }
    Ok(decoder.offset())
}
