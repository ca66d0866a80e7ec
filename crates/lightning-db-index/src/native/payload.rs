//! Stored columns of a covering index: any of them is read without the others being made.
//!
//! A column is a byte, whose lower half is the type and whose upper half is a length or the value
//! itself, and what follows:
//!
//! | type | upper half | follows |
//! |---|---|---|
//! | null | 0 | nothing |
//! | bool | the value | nothing |
//! | i64, u64, date, timestamp | length | the lowest bytes, little-endian; zigzag if signed |
//! | f64, uuid, point | 0 | 8, 16, 16 bytes |
//! | decimal | 0 | scale; 16 bytes, little-endian |
//! | text, bytes | length below 15, or 15 | the length if it is 15, seven bits a byte; the bytes |

use lightning_db_types::{Decimal, ValueRef, ValueType};

/// Upper half that says that the length follows.
const LONG: u8 = 15;

fn head(value_type: ValueType, upper: u8) -> u8 {
    let place = ValueType::ALL.iter().position(|&one| one == value_type).unwrap_or(0);
    u8::try_from(place).unwrap_or(0) | (upper << 4)
}

/// Appends a column.
pub(super) fn push(value: ValueRef<'_>, out: &mut Vec<u8>) {
    let value_type = value.value_type();
    match value {
        ValueRef::Null => out.push(head(value_type, 0)),
        ValueRef::Bool(value) => out.push(head(value_type, value.into())),
        ValueRef::I64(value) | ValueRef::Timestamp(value) => whole(value_type, zigzag(value), out),
        ValueRef::U64(value) => whole(value_type, value, out),
        ValueRef::Date(value) => whole(value_type, zigzag(value.into()), out),
        ValueRef::F64(value) => {
            out.push(head(value_type, 0));
            out.extend_from_slice(&value.to_le_bytes());
        }
        ValueRef::Decimal(value) => {
            out.extend_from_slice(&[head(value_type, 0), value.scale()]);
            out.extend_from_slice(&value.mantissa().to_le_bytes());
        }
        ValueRef::Text(text) => bytes(value_type, text.as_bytes(), out),
        ValueRef::Bytes(value) => bytes(value_type, value, out),
        ValueRef::Uuid(value) => {
            out.push(head(value_type, 0));
            out.extend_from_slice(&value);
        }
        ValueRef::Point { x, y } => {
            out.push(head(value_type, 0));
            out.extend_from_slice(&x.to_le_bytes());
            out.extend_from_slice(&y.to_le_bytes());
        }
    }
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

fn whole(value_type: ValueType, value: u64, out: &mut Vec<u8>) {
    let len = (64 - value.leading_zeros()).div_ceil(8);
    out.push(head(value_type, u8::try_from(len).unwrap_or(8)));
    out.extend_from_slice(&value.to_le_bytes()[..len as usize]);
}

fn bytes(value_type: ValueType, value: &[u8], out: &mut Vec<u8>) {
    match u8::try_from(value.len()) {
        Ok(len) if len < LONG => out.push(head(value_type, len)),
        _ => {
            out.push(head(value_type, LONG));
            let mut len = value.len();
            while len >= 0x80 {
                out.push(u8::try_from(len & 0x7F).unwrap_or(0) | 0x80);
                len >>= 7;
            }
            out.push(u8::try_from(len).unwrap_or(0));
        }
    }
    out.extend_from_slice(value);
}

/// Takes columns from the front.
#[derive(Debug, Clone)]
pub(super) struct Payload<'a> {
    rest: &'a [u8],
}

impl<'a> Payload<'a> {
    #[inline]
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The column at a position; `None` if the bytes are damaged or end before it.
    #[inline]
    pub(super) fn column(mut self, position: usize) -> Option<ValueRef<'a>> {
        for _ in 0..position {
            self.raw()?;
        }
        self.next()
    }

    /// Type, upper half of the first byte, and what follows it.
    #[inline]
    fn raw(&mut self) -> Option<(ValueType, u8, &'a [u8])> {
        let (&head, rest) = self.rest.split_first()?;
        let (value_type, upper) = (*ValueType::ALL.get(usize::from(head & 15))?, head >> 4);
        let len = match value_type {
            ValueType::Null | ValueType::Bool => 0,
            ValueType::I64 | ValueType::U64 | ValueType::Date | ValueType::Timestamp => {
                usize::from(upper)
            }
            ValueType::F64 => 8,
            ValueType::Decimal => 17,
            ValueType::Uuid | ValueType::Point => 16,
            ValueType::Text | ValueType::Bytes if upper < LONG => usize::from(upper),
            ValueType::Text | ValueType::Bytes => {
                let (len, rest) = length(rest)?;
                let (bytes, rest) = rest.split_at_checked(len)?;
                self.rest = rest;
                return Some((value_type, upper, bytes));
            }
        };
        let (bytes, rest) = rest.split_at_checked(len)?;
        self.rest = rest;
        Some((value_type, upper, bytes))
    }
}

/// A length of seven bits a byte, and what is behind it.
fn length(mut bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut len = 0_usize;
    for shift in (0..56).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        bytes = rest;
        len |= usize::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Some((len, bytes));
        }
    }
    None
}

fn unsigned(from: &[u8]) -> Option<u64> {
    let mut bytes = [0; 8];
    bytes.get_mut(..from.len())?.copy_from_slice(from);
    Some(u64::from_le_bytes(bytes))
}

fn signed(from: &[u8]) -> Option<i64> {
    let value = unsigned(from)?;
    Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
}

fn float(from: &[u8]) -> Option<f64> {
    from.first_chunk().map(|bytes| f64::from_le_bytes(*bytes))
}

impl<'a> Iterator for Payload<'a> {
    type Item = ValueRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<ValueRef<'a>> {
        let (value_type, upper, bytes) = self.raw()?;
        Some(match value_type {
            ValueType::Null => ValueRef::Null,
            ValueType::Bool => ValueRef::Bool(upper != 0),
            ValueType::I64 => ValueRef::I64(signed(bytes)?),
            ValueType::U64 => ValueRef::U64(unsigned(bytes)?),
            ValueType::F64 => ValueRef::F64(float(bytes)?),
            ValueType::Decimal => {
                let (&scale, mantissa) = bytes.split_first()?;
                let mantissa = i128::from_le_bytes(mantissa.try_into().ok()?);
                ValueRef::Decimal(Decimal::new(mantissa, scale).ok()?)
            }
            ValueType::Text => ValueRef::Text(std::str::from_utf8(bytes).ok()?),
            ValueType::Bytes => ValueRef::Bytes(bytes),
            ValueType::Date => ValueRef::Date(i32::try_from(signed(bytes)?).ok()?),
            ValueType::Timestamp => ValueRef::Timestamp(signed(bytes)?),
            ValueType::Uuid => ValueRef::Uuid(bytes.try_into().ok()?),
            ValueType::Point => ValueRef::Point { x: float(bytes)?, y: float(bytes.get(8..)?)? },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lightning_db_types::{Rng, SeededRng, Value};

    #[test]
    fn columns_come_back_and_damage_never_panics() {
        let long = "x".repeat(300);
        let values = [
            Value::Null,
            Value::Bool(true),
            Value::I64(0),
            Value::I64(-1),
            Value::I64(i64::MIN),
            Value::U64(u64::MAX),
            Value::F64(-2.5),
            Value::Decimal("-12.50".parse().unwrap()),
            Value::from(""),
            Value::from("fourteen bytes"),
            Value::from("fifteen of them"),
            Value::from(long.as_str()),
            Value::from(&b"\0\xFF"[..]),
            Value::Date(i32::MIN),
            Value::Timestamp(i64::MAX),
            Value::Uuid([7; 16]),
            Value::Point { x: 1.0, y: -1.0 },
        ];
        let mut bytes = Vec::new();
        for value in &values {
            push(value.into(), &mut bytes);
        }
        for (position, value) in values.iter().enumerate() {
            let found = Payload::new(&bytes).column(position).unwrap();
            assert_eq!(found.to_value(), *value);
        }
        assert_eq!(Payload::new(&bytes).column(values.len()), None);
        let rng = SeededRng::new(1);
        for _ in 0..20_000 {
            let mut damaged = bytes.clone();
            let len = damaged.len() as u64;
            damaged[usize::try_from(rng.below(len)).unwrap()] = rng.next_u64().to_le_bytes()[0];
            damaged.truncate(usize::try_from(rng.below(len + 1)).unwrap());
            assert!(Payload::new(&damaged).count() <= damaged.len());
        }
        let mut small = Vec::new();
        push(ValueRef::I64(-3), &mut small);
        assert_eq!(small.len(), 2);
    }
}
