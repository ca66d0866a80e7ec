//! What a serializable transaction has read.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::engine::KeyspaceInner;
use crate::entry;
use crate::error::Result;
use crate::keyspace::Keyspace;
use crate::planted;
use crate::range::{Bounds, before_end};

/// Keys and ranges, by keyspace.
#[derive(Debug, Default)]
pub(crate) struct ReadSet {
    keys: BTreeMap<u32, (Arc<KeyspaceInner>, BTreeSet<Vec<u8>>)>,
    ranges: Vec<RangeRead>,
}

/// A range and how far it was read from each end.
#[derive(Debug)]
struct RangeRead {
    keyspace: Arc<KeyspaceInner>,
    bounds: Bounds,
    front: Option<Vec<u8>>,
    back: Option<Vec<u8>>,
    whole: bool,
}

impl ReadSet {
    pub(super) fn add_key(&mut self, keyspace: &Keyspace, key: &[u8]) {
        let inner = &keyspace.inner;
        let (_, keys) =
            self.keys.entry(inner.id).or_insert_with(|| (Arc::clone(inner), BTreeSet::new()));
        if !keys.contains(key) {
            keys.insert(key.to_vec());
        }
    }

    /// Starts a range of which nothing has been read; returns its place.
    pub(super) fn add_range(&mut self, keyspace: &Keyspace, bounds: Bounds) -> usize {
        let keyspace = Arc::clone(&keyspace.inner);
        self.ranges.push(RangeRead { keyspace, bounds, front: None, back: None, whole: false });
        self.ranges.len() - 1
    }

    /// Notes that a range was read up to `key` from its start, or to its other end.
    pub(super) fn note_front(&mut self, slot: usize, key: Option<&[u8]>) {
        let range = &mut self.ranges[slot];
        match key {
            Some(key) => range.front = Some(key.to_vec()),
            None => range.whole = true,
        }
    }

    /// Notes that a range was read down to `key` from its end, or to its start.
    pub(super) fn note_back(&mut self, slot: usize, key: Option<&[u8]>) {
        let range = &mut self.ranges[slot];
        match key {
            Some(key) => range.back = Some(key.to_vec()),
            None => range.whole = true,
        }
    }

    /// Whether nothing of it has a version above `seq`.
    pub(super) fn unchanged_since(&self, seq: u64) -> Result<bool> {
        for (keyspace, keys) in self.keys.values() {
            let view = keyspace.view.load();
            for key in keys {
                if view.changed_since(key, seq)? {
                    return Ok(false);
                }
            }
        }
        if planted::is("ignore-range-reads") {
            return Ok(true);
        }
        for range in &self.ranges {
            for (start, end) in range.read_parts() {
                if !range_unchanged(&range.keyspace, &start, &end, seq)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

impl RangeRead {
    /// The parts that were read: from the start to `front`, from `back` to the end, or all.
    fn read_parts(&self) -> Vec<Bounds> {
        if self.whole {
            return vec![self.bounds.clone()];
        }
        let front = self.front.clone().map(|key| (self.bounds.0.clone(), Bound::Included(key)));
        let back = self.back.clone().map(|key| (Bound::Included(key), self.bounds.1.clone()));
        front.into_iter().chain(back).collect()
    }
}

fn range_unchanged(
    keyspace: &KeyspaceInner,
    start: &Bound<Vec<u8>>,
    end: &Bound<Vec<u8>>,
    seq: u64,
) -> Result<bool> {
    let view = keyspace.view.load();
    if view.floors.last().is_some_and(|floor| *floor > seq) {
        return Ok(false);
    }
    let mut merger = view.merger_since(seq);
    match start {
        Bound::Unbounded => merger.seek_first()?,
        Bound::Included(start) => merger.seek(start, u64::MAX)?,
        Bound::Excluded(start) => merger.seek(&[&start[..], &[0]].concat(), u64::MAX)?,
    }
    while let Some(bytes) = merger.entry() {
        if !before_end(entry::key_of(bytes), end) {
            break;
        }
        if entry::seq_of(bytes) > seq {
            return Ok(false);
        }
        merger.step()?;
    }
    Ok(true)
}
