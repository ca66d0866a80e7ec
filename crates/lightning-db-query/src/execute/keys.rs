//! Hash tables over keys of several values, looked up without making a key.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::FixedState;
use lightning_db_expression::number;
use lightning_db_types::{Value, ValueRef};

/// Positions of rows by the hash of their keys; the keys themselves are with the rows.
#[derive(Debug, Default)]
pub(super) struct KeyTable {
    /// Those of one hash together: nearly always one key.
    positions: HashMap<u64, Vec<u32>, FixedState>,
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
        let positions = self.positions.entry(self.hash(key)).or_default();
        let is_it = |position: &&u32| is_same(key_at(**position as usize), key);
        if let Some(found) = positions.iter().find(is_it) {
            return *found as usize;
        }
        // Rows of 2^32 groups do not fit into the memory of a query.
        positions.push(u32::try_from(next).unwrap_or(u32::MAX));
        next
    }

    /// The position of a key.
    pub(super) fn find<'k>(
        &self,
        key: &[ValueRef<'_>],
        key_at: impl Fn(usize) -> &'k [Value],
    ) -> Option<usize> {
        let positions = self.positions.get(&self.hash(key))?;
        let is_it = |position: &&u32| is_same(key_at(**position as usize), key);
        positions.iter().find(is_it).map(|position| *position as usize)
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
