//! Hash tables over keys of several values, looked up without making a key.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::FixedState;
use lightning_db_expression::number;
use lightning_db_types::{Value, ValueRef};

/// Where no position follows.
const END: u32 = u32::MAX;

/// Positions of rows by the hash of their keys; the keys themselves are with the rows.
#[derive(Debug, Default)]
pub(super) struct KeyTable {
    /// The newest of each hash.
    newest: HashMap<u64, u32, FixedState>,
    /// For each position the one before of its hash: nearly always none.
    before: Vec<u32>,
    hasher: FixedState,
}

impl KeyTable {
    fn hash(&self, key: &[ValueRef<'_>]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        for value in key {
            value.hash(&mut hasher);
        }
        hasher.finish()
    }

    /// The position of a key; `next`, which is noted for it, if it is not known. `key_at` gives the
    /// key of a position.
    pub(super) fn find_or_insert<'k>(
        &mut self,
        key: &[ValueRef<'_>],
        next: usize,
        key_at: impl Fn(usize) -> &'k [Value],
    ) -> usize {
        let hash = self.hash(key);
        if let Some(found) = self.find_hash(hash, key, key_at) {
            return found;
        }
        // Rows of 2^32 groups do not fit into the memory of a query.
        let before = self.newest.insert(hash, u32::try_from(next).unwrap_or(END));
        self.before.resize(next, END);
        self.before.push(before.unwrap_or(END));
        next
    }

    /// The position of a key.
    pub(super) fn find<'k>(
        &self,
        key: &[ValueRef<'_>],
        key_at: impl Fn(usize) -> &'k [Value],
    ) -> Option<usize> {
        self.find_hash(self.hash(key), key, key_at)
    }

    fn find_hash<'k>(
        &self,
        hash: u64,
        key: &[ValueRef<'_>],
        key_at: impl Fn(usize) -> &'k [Value],
    ) -> Option<usize> {
        let mut position = self.newest.get(&hash).copied()?;
        while position != END {
            if is_same(key_at(position as usize), key) {
                return Some(position as usize);
            }
            position = self.before.get(position as usize).copied()?;
        }
        None
    }
}

fn is_same(known: &[Value], key: &[ValueRef<'_>]) -> bool {
    known.iter().zip(key).all(|(known, value)| known.as_value_ref() == *value)
}

/// A key that equals another if its values compare as equal: equal numbers have one form.
/// `None` if one is null, which equals nothing.
pub(super) fn canonical(key: &mut [Value]) -> Option<&[Value]> {
    for value in key.iter_mut() {
        if value.is_null() {
            return None;
        }
        if let Some(same) = number::canonical(value.as_value_ref()) {
            *value = same;
        }
    }
    Some(key)
}
