//! Small summaries of many values: how many are distinct, which are frequent, how they spread.
//!
//! All of them take values one by one in a bounded space, and two of a kind that saw parts of a
//! whole are merged into the one that would have seen it all.

mod common;
mod distinct;
mod histogram;
mod sample;

pub use common::MostCommon;
pub use distinct::HyperLogLog;
pub use histogram::Histogram;
pub use sample::Sample;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::value::{ValueRef, float};

/// A hash of a value that is the same on every machine and in every version. Equal values have
/// equal hashes; values of different types have different ones, but for collisions.
pub fn value_hash(value: ValueRef<'_>) -> u64 {
    let seed = value.value_type() as u64;
    let hash = |bytes: &[u8]| xxh3_64_with_seed(bytes, seed);
    match value {
        ValueRef::Null => hash(&[]),
        ValueRef::Bool(value) => hash(&[u8::from(value)]),
        ValueRef::I64(value) | ValueRef::Timestamp(value) => hash(&value.to_le_bytes()),
        ValueRef::U64(value) => hash(&value.to_le_bytes()),
        ValueRef::F64(value) => hash(&float::to_ordered(value).to_le_bytes()),
        ValueRef::Decimal(value) => {
            // 1.0 and 1.00 are equal.
            let (mut mantissa, mut scale) = (value.mantissa(), value.scale());
            while scale > 0 && mantissa % 10 == 0 {
                mantissa /= 10;
                scale -= 1;
            }
            let mut bytes = [0; 17];
            bytes[..16].copy_from_slice(&mantissa.to_le_bytes());
            bytes[16] = scale;
            hash(&bytes)
        }
        ValueRef::Text(value) => hash(value.as_bytes()),
        ValueRef::Bytes(value) => hash(value),
        ValueRef::Date(value) => hash(&value.to_le_bytes()),
        ValueRef::Uuid(value) => hash(&value),
        ValueRef::Point { x, y } => {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&float::to_ordered(x).to_le_bytes());
            bytes[8..].copy_from_slice(&float::to_ordered(y).to_le_bytes());
            hash(&bytes)
        }
    }
}

#[cfg(test)]
mod tests;
