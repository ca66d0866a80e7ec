//! Where the columns of a stored row stand.
//!
//! | offset | size | what |
//! |---|---|---|
//! | 0 | 2 | schema version that wrote the row, little-endian |
//! | 2 | one bit a column | set where the column is null, in column order |
//! | .. | by type | columns of fixed width, in column order; zeros where null |
//! | .. | 4 each | where each column of variable width ends in the data, little-endian |
//! | .. | rest | data of the columns of variable width, one after the other |
//!
//! Widths: bool 1, date 4, i64, u64, f64 and timestamp 8, uuid and point 16, decimal 17. A column
//! is found without looking at the ones before it: one look at the layout, one at the row.

use std::ops::Range;

use lightning_db_types::{Decimal, ValueRef};

use crate::schema::ColumnType;

/// Bytes before the null bits.
const VERSION_LEN: usize = 2;

/// The columns of one schema version.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    version: u16,
    /// By column id; `None` for a column that the version does not have.
    slots: Vec<Option<Slot>>,
    /// Bytes of null bits.
    null_bytes: usize,
    /// Where the end offsets begin.
    ends_at: usize,
    /// Where the data of variable width begins.
    data_at: usize,
}

/// Where one column stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    null_bit: usize,
    place: Place,
    column_type: ColumnType,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    /// Offset in the row.
    Fixed(usize),
    /// Position among the columns of variable width.
    Variable(usize),
}

impl Slot {
    pub(crate) fn column_type(self) -> ColumnType {
        self.column_type
    }

    #[inline]
    pub(crate) fn is_null(self, row: &[u8]) -> bool {
        row.get(VERSION_LEN..).is_some_and(|bits| self.is_set_in(bits))
    }

    /// Whether its bit is set in the null bits of rows.
    #[inline]
    pub(crate) fn is_set_in(self, bits: &[u8]) -> bool {
        let bits = bits.get(self.null_bit / 8).copied().unwrap_or(0);
        bits >> (self.null_bit % 8) & 1 == 1
    }

    /// Where a value of fixed width begins.
    #[inline]
    pub(crate) fn fixed_at(self) -> Option<usize> {
        match self.place {
            Place::Fixed(at) => Some(at),
            Place::Variable(_) => None,
        }
    }
}

fn fixed_width(column_type: ColumnType) -> Option<usize> {
    Some(match column_type {
        ColumnType::Bool => 1,
        ColumnType::Date => 4,
        ColumnType::I64 | ColumnType::U64 | ColumnType::F64 | ColumnType::Timestamp => 8,
        ColumnType::Uuid | ColumnType::Point => 16,
        ColumnType::Decimal => 17,
        ColumnType::Text | ColumnType::Bytes | ColumnType::Json => return None,
    })
}

impl Layout {
    /// Lays out the columns of a version: their types by id, `None` where it has none.
    pub(crate) fn new(version: u16, columns: &[Option<ColumnType>]) -> Self {
        let stored = columns.iter().flatten().count();
        let null_bytes = stored.div_ceil(8);
        let mut fixed_at = VERSION_LEN + null_bytes;
        let (mut null_bit, mut variable) = (0, 0);
        let mut slots = Vec::with_capacity(columns.len());
        for column in columns {
            slots.push(column.map(|column_type| {
                let place = if let Some(width) = fixed_width(column_type) {
                    fixed_at += width;
                    Place::Fixed(fixed_at - width)
                } else {
                    variable += 1;
                    Place::Variable(variable - 1)
                };
                null_bit += 1;
                Slot { null_bit: null_bit - 1, place, column_type }
            }));
        }
        let data_at = fixed_at + 4 * variable;
        Self { version, slots, null_bytes, ends_at: fixed_at, data_at }
    }

    /// The version that wrote a row.
    #[inline]
    pub(crate) fn version_of(row: &[u8]) -> Option<u16> {
        row.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
    }

    /// Whether the version has a column.
    pub(crate) fn has(&self, id: usize) -> bool {
        matches!(self.slots.get(id), Some(Some(_)))
    }

    /// Why bytes are no row of this version; nothing if they are one.
    #[inline]
    pub(crate) fn refusal(&self, row: &[u8]) -> Option<&'static str> {
        let Some(data) = row.get(self.data_at..) else { return Some("it is cut short") };
        let (mut last, mut ascend) = (0, true);
        for end in row[self.ends_at..self.data_at].as_chunks().0 {
            let end = u32::from_le_bytes(*end) as usize;
            ascend &= last <= end;
            last = end;
        }
        if !ascend || last > data.len() {
            return Some("a column ends outside of it");
        }
        (last != data.len()).then_some("bytes follow its last column")
    }

    /// Value of a column in a row that was not refused; `None` if the version does not have it.
    #[inline]
    pub(crate) fn column<'a>(&self, row: &'a [u8], id: usize) -> Option<ValueRef<'a>> {
        self.value(row, self.slot(id)?)
    }

    /// Where a column stands; `None` if the version does not have it.
    #[inline]
    pub(crate) fn slot(&self, id: usize) -> Option<Slot> {
        *self.slots.get(id)?
    }

    /// The null bits of a row that was not refused.
    #[inline]
    pub(crate) fn null_bits<'a>(&self, row: &'a [u8]) -> &'a [u8] {
        row.get(VERSION_LEN..VERSION_LEN + self.null_bytes).unwrap_or_default()
    }

    /// Whether it is that of the version that wrote a row.
    #[inline]
    pub(crate) fn is_of(&self, row: &[u8]) -> bool {
        Self::version_of(row) == Some(self.version)
    }

    /// Value of a column in a row that was not refused.
    #[inline]
    pub(crate) fn value<'a>(&self, row: &'a [u8], slot: Slot) -> Option<ValueRef<'a>> {
        if slot.is_null(row) {
            return Some(ValueRef::Null);
        }
        match slot.place {
            Place::Fixed(at) => decode_fixed(row.get(at..)?, slot.column_type),
            Place::Variable(_) => {
                let bytes = self.bytes(row, slot)?;
                Some(match slot.column_type {
                    ColumnType::Bytes => ValueRef::Bytes(bytes),
                    _ => ValueRef::Text(std::str::from_utf8(bytes).ok()?),
                })
            }
        }
    }

    /// Bytes of a value of variable width in a row that was not refused; none of a null.
    #[inline]
    pub(crate) fn bytes<'a>(&self, row: &'a [u8], slot: Slot) -> Option<&'a [u8]> {
        row.get(self.range(row, slot)?)
    }

    /// Where the bytes of a value of variable width stand.
    #[inline]
    pub(crate) fn range(&self, row: &[u8], slot: Slot) -> Option<Range<usize>> {
        let Place::Variable(index) = slot.place else { return None };
        let end_at = self.ends_at + 4 * index;
        let (start, end) = if index == 0 {
            (0, u32::from_le_bytes(*row.get(end_at..)?.first_chunk()?))
        } else {
            let both: &[u8; 8] = row.get(end_at - 4..)?.first_chunk()?;
            let [start, end] = both.as_chunks().0 else { return None };
            (u32::from_le_bytes(*start), u32::from_le_bytes(*end))
        };
        let (start, end) = (start as usize, end as usize);
        Some(self.data_at + start..self.data_at + end)
    }

    /// Appends a row: `value_of` gives each column that the version has, of its type or null.
    pub(crate) fn encode<'v>(&self, value_of: impl Fn(usize) -> ValueRef<'v>, row: &mut Vec<u8>) {
        let start = row.len();
        row.resize(start + self.data_at, 0);
        row[start..start + VERSION_LEN].copy_from_slice(&self.version.to_le_bytes());
        for (id, slot) in self.slots.iter().enumerate() {
            let Some(slot) = slot else { continue };
            let value = value_of(id);
            if value.is_null() {
                row[start + VERSION_LEN + slot.null_bit / 8] |= 1 << (slot.null_bit % 8);
            }
            match slot.place {
                Place::Fixed(at) => encode_fixed(value, &mut row[start + at..]),
                Place::Variable(index) => {
                    match value {
                        ValueRef::Text(text) => row.extend_from_slice(text.as_bytes()),
                        ValueRef::Bytes(bytes) => row.extend_from_slice(bytes),
                        _ => debug_assert!(value.is_null(), "the value is of the column's type"),
                    }
                    let end = row.len() - start - self.data_at;
                    // Rows are values of the store, and those end at 1 GiB.
                    let end = u32::try_from(end).unwrap_or(u32::MAX);
                    let at = start + self.ends_at + 4 * index;
                    row[at..at + 4].copy_from_slice(&end.to_le_bytes());
                }
            }
        }
    }
}

#[inline]
fn decode_fixed(bytes: &[u8], column_type: ColumnType) -> Option<ValueRef<'_>> {
    Some(match column_type {
        ColumnType::Bool => ValueRef::Bool(*bytes.first()? != 0),
        ColumnType::Date => ValueRef::Date(i32::from_le_bytes(*bytes.first_chunk()?)),
        ColumnType::I64 => ValueRef::I64(i64::from_le_bytes(*bytes.first_chunk()?)),
        ColumnType::U64 => ValueRef::U64(u64::from_le_bytes(*bytes.first_chunk()?)),
        ColumnType::F64 => ValueRef::F64(f64::from_le_bytes(*bytes.first_chunk()?)),
        ColumnType::Timestamp => ValueRef::Timestamp(i64::from_le_bytes(*bytes.first_chunk()?)),
        ColumnType::Uuid => ValueRef::Uuid(*bytes.first_chunk()?),
        ColumnType::Point => ValueRef::Point {
            x: f64::from_le_bytes(*bytes.first_chunk()?),
            y: f64::from_le_bytes(*bytes.get(8..)?.first_chunk()?),
        },
        ColumnType::Decimal => {
            let mantissa = i128::from_le_bytes(*bytes.first_chunk()?);
            ValueRef::Decimal(Decimal::new(mantissa, *bytes.get(16)?).ok()?)
        }
        ColumnType::Text | ColumnType::Bytes | ColumnType::Json => return None,
    })
}

fn encode_fixed(value: ValueRef<'_>, out: &mut [u8]) {
    let mut put = |bytes: &[u8]| out[..bytes.len()].copy_from_slice(bytes);
    match value {
        ValueRef::Bool(value) => put(&[u8::from(value)]),
        ValueRef::Date(value) => put(&value.to_le_bytes()),
        ValueRef::I64(value) | ValueRef::Timestamp(value) => put(&value.to_le_bytes()),
        ValueRef::U64(value) => put(&value.to_le_bytes()),
        ValueRef::F64(value) => put(&value.to_le_bytes()),
        ValueRef::Uuid(value) => put(&value),
        ValueRef::Point { x, y } => {
            put(&x.to_le_bytes());
            out[8..16].copy_from_slice(&y.to_le_bytes());
        }
        ValueRef::Decimal(value) => {
            put(&value.mantissa().to_le_bytes());
            out[16] = value.scale();
        }
        ValueRef::Null | ValueRef::Text(_) | ValueRef::Bytes(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use lightning_db_types::Value;

    use super::*;

    const TYPES: [ColumnType; 12] = ColumnType::ALL;

    fn values() -> Vec<Value> {
        vec![
            Value::Bool(true),
            Value::I64(-7),
            Value::U64(u64::MAX),
            Value::F64(-0.5),
            Value::Decimal("-12.50".parse().unwrap()),
            Value::from("text"),
            Value::Bytes(vec![0, 255]),
            Value::Date(-1),
            Value::Timestamp(1 << 50),
            Value::Uuid([9; 16]),
            Value::Point { x: 1.5, y: -2.5 },
            Value::from("{\"a\":1}"),
        ]
    }

    fn layout() -> Layout {
        Layout::new(3, &TYPES.map(Some))
    }

    #[test]
    fn every_type_is_read_back_and_so_is_null() {
        let values = values();
        for null in 0..=TYPES.len() {
            let mut row = vec![1, 2, 3];
            let value = |id: usize| {
                if id == null { ValueRef::Null } else { values[id].as_value_ref() }
            };
            layout().encode(value, &mut row);
            let row = &row[3..];
            assert_eq!(Layout::version_of(row), Some(3));
            assert_eq!(layout().refusal(row), None);
            for id in 0..TYPES.len() {
                assert_eq!(layout().column(row, id), Some(value(id)), "column {id}, null {null}");
            }
            assert_eq!(layout().column(row, TYPES.len()), None);
        }
    }

    #[test]
    fn columns_that_a_version_does_not_have_take_no_room() {
        let some = Layout::new(1, &[Some(ColumnType::I64), None, Some(ColumnType::Text)]);
        let mut row = Vec::new();
        some.encode(|id| if id == 0 { ValueRef::I64(5) } else { ValueRef::Text("x") }, &mut row);
        assert_eq!(row.len(), 2 + 1 + 8 + 4 + 1);
        assert_eq!(some.column(&row, 1), None);
        assert_eq!(some.column(&row, 2), Some(ValueRef::Text("x")));
    }

    #[test]
    fn damaged_rows_are_refused_and_never_a_panic() {
        let values = values();
        let mut row = Vec::new();
        layout().encode(|id| values[id].as_value_ref(), &mut row);
        for len in 0..row.len() {
            assert!(layout().refusal(&row[..len]).is_some(), "cut to {len} bytes");
            for id in 0..TYPES.len() {
                let _ = layout().column(&row[..len], id);
            }
        }
        for at in 0..row.len() {
            let mut flipped = row.clone();
            flipped[at] ^= 0x55;
            if layout().refusal(&flipped).is_none() {
                for id in 0..TYPES.len() {
                    let _ = layout().column(&flipped, id);
                }
            }
        }
    }
}
