//! Keys of a bitmap index.
//!
//! ```text
//! key   = set, chunk (6 bytes, big-endian), 00, 00 00          -> the chunk, see `chunk`
//!       | set, chunk (6 bytes, big-endian), 01, row (2 bytes)   -> '+' or '-'
//! set   = 00                     all rows of the index (values)
//!       | 01                     rows whose value is null
//!       | 02, type, plane        bit slice (slices)
//!       | value                  rows with this value, encoded as an ascending key column
//! plane = 00..7F                 bit of the magnitude
//!       | 80                     sign: the number is below zero
//!       | 81                     all rows with a value of the type
//! ```
//!
//! A chunk is 65,536 rows. No set is the beginning of another one, so that the keys of a set stand
//! together, each chunk followed by the changes that have not been folded into it.

use lightning_db_types::{ColumnOrder, KeyEncoder, Value, ValueType};

pub(super) const EXISTENCE: &[u8] = &[0x00];
pub(super) const NULLS: &[u8] = &[0x01];
/// First byte of all sets of values.
pub(super) const VALUES_START: u8 = 0x10;
pub(super) const SIGN: u8 = 0x80;
pub(super) const PRESENT: u8 = 0x81;

const CHUNK_LEN: usize = 6;
const SUFFIX_LEN: usize = CHUNK_LEN + 3;
const BASE: u8 = 0;
const DELTA: u8 = 1;

/// Longest set: what is left of the longest key of a store.
pub(super) const SET_LEN_MAX: usize = (64 << 10) - SUFFIX_LEN;

/// A key, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parsed<'a> {
    pub(super) set: &'a [u8],
    pub(super) chunk: u64,
    /// The row within the chunk, if the key is of a change.
    pub(super) delta: Option<u16>,
}

impl Parsed<'_> {
    /// The row that a change is of.
    pub(super) fn row_id(self) -> Option<u64> {
        Some(self.chunk << 16 | u64::from(self.delta?))
    }
}

pub(super) fn parse(key: &[u8]) -> Option<Parsed<'_>> {
    let (set, suffix) = key.split_last_chunk::<SUFFIX_LEN>()?;
    let [c0, c1, c2, c3, c4, c5, kind, r0, r1] = *suffix;
    let chunk = u64::from_be_bytes([0, 0, c0, c1, c2, c3, c4, c5]);
    let row = u16::from_be_bytes([r0, r1]);
    let delta = match kind {
        BASE if row == 0 => None,
        DELTA => Some(row),
        _ => return None,
    };
    (!set.is_empty()).then_some(Parsed { set, chunk, delta })
}

/// What the keys of a chunk, and of its changes, begin with.
pub(super) fn chunk_prefix(set: &[u8], chunk: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(set.len() + SUFFIX_LEN);
    key.extend_from_slice(set);
    key.extend_from_slice(&chunk.to_be_bytes()[8 - CHUNK_LEN..]);
    key
}

/// Set and number of the chunk whose keys begin so.
pub(super) fn parse_prefix(prefix: &[u8]) -> Option<(&[u8], u64)> {
    let (set, chunk) = prefix.split_last_chunk::<CHUNK_LEN>()?;
    let [c0, c1, c2, c3, c4, c5] = *chunk;
    Some((set, u64::from_be_bytes([0, 0, c0, c1, c2, c3, c4, c5])))
}

pub(super) fn base_key(set: &[u8], chunk: u64) -> Vec<u8> {
    let mut key = chunk_prefix(set, chunk);
    key.extend_from_slice(&[BASE, 0, 0]);
    key
}

pub(super) fn delta_key(set: &[u8], row_id: u64) -> Vec<u8> {
    let mut key = chunk_prefix(set, row_id >> 16);
    key.push(DELTA);
    key.extend_from_slice(&row_id.to_be_bytes()[6..]);
    key
}

/// The set of a value.
pub(super) fn value_set(value: &Value, set: &mut Vec<u8>) {
    set.clear();
    KeyEncoder::new(set).push(value, ColumnOrder::ASCENDING);
}

/// A set of the slices of a type.
pub(super) fn plane_set(value_type: ValueType, plane: u8) -> [u8; 3] {
    [0x02, value_type as u8, plane]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of the log before key and value of an operation.
    const LOG_OVERHEAD: usize = 8 + 4;

    #[test]
    fn keys_come_apart_again() {
        let mut set = Vec::new();
        value_set(&Value::from("a\0b"), &mut set);
        let row_id = 0xFFFF_0102_0304_0500;
        let chunk = row_id >> 16;
        let base = base_key(&set, chunk);
        assert_eq!(parse(&base), Some(Parsed { set: &set, chunk, delta: None }));
        let delta = delta_key(&set, row_id);
        assert_eq!(parse(&delta), Some(Parsed { set: &set, chunk, delta: Some(0x0500) }));
        assert_eq!(parse(&delta).and_then(Parsed::row_id), Some(row_id));
        assert!(base < delta && delta < base_key(&set, chunk + 1));
        assert_eq!(parse_prefix(&chunk_prefix(&set, chunk)), Some((&set[..], chunk)));
        value_set(&Value::I64(-1), &mut set);
        let log_bytes = delta_key(&set, row_id).len() + "+".len() + LOG_OVERHEAD;
        assert_eq!(log_bytes, 31, "at most 40 bytes of log for a change");
        assert_eq!(parse(&[0; 9]), None);
        assert_eq!(parse(&[7; 12]), None);
    }
}
