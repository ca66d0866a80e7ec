//! What a serializable transaction has read.
//!
//! Reads are noted far more often than they are looked at, which is once, at the commit. So numbers
//! of rows are only written down one after the other, and thinned out when they have become twice
//! as many: a set of hashes would be a cache miss for each. Other keys stand in hash sets, ranges
//! by where they begin, each as far as it was read, and the places of ranges that are read just now
//! are used again.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::engine::KeyspaceInner;
use crate::entry;
use crate::error::Result;
use crate::keyspace::Keyspace;
use crate::planted;
use crate::range::{Bounds, before_end};
use crate::slice::Slice;

/// Numbers below so many are not thinned out: 32 KiB.
const NUMBERS_MIN: usize = 4 << 10;

/// Places for numbers that were noted lately: 16 KiB.
const LATELY: usize = 2 << 10;

/// Keys and ranges, by keyspace.
#[derive(Debug, Default)]
pub(crate) struct ReadSet {
    /// By number of the keyspace, ascending.
    keyspaces: Vec<(u32, Reads)>,
    /// Place of the one that was read last: mostly it is read next.
    last: usize,
    /// Ranges that are being read, and places for more.
    open: Vec<RangeRead>,
    /// Places that no range has.
    free: Vec<usize>,
}

/// What was read of a keyspace.
#[derive(Debug)]
struct Reads {
    keyspace: Arc<KeyspaceInner>,
    /// Keys of eight bytes, as rows of tables have, as numbers in their order.
    numbers: Numbers,
    keys: HashSet<Slice, RandomState>,
    /// By where they begin: up to where they were read.
    ranges: HashMap<Bound<Vec<u8>>, Bound<Vec<u8>>, RandomState>,
}

/// Numbers, some of them more than once.
#[derive(Debug, Default)]
struct Numbers {
    noted: Vec<u64>,
    /// How many of them are ascending and different.
    distinct: usize,
    /// Some that are noted, each at the place of its lowest bits: rows that are read again and
    /// again are found here. Empty until there are many.
    lately: Box<[u64]>,
}

impl Numbers {
    #[inline]
    fn add(&mut self, number: u64) {
        if self.noted.last() == Some(&number) {
            return;
        }
        let lowest = usize::try_from(number % LATELY as u64).unwrap_or(0);
        if let Some(lately) = self.lately.get_mut(lowest)
            && std::mem::replace(lately, number) == number
        {
            return;
        }
        if self.noted.len() >= NUMBERS_MIN && self.noted.len() >= self.distinct * 2 {
            self.thin_out();
        }
        self.noted.push(number);
    }

    /// Leaves each number once, in order.
    #[cold]
    #[expect(clippy::stable_sort_primitive, reason = "it takes the part that is sorted as it is")]
    fn thin_out(&mut self) {
        self.noted.sort();
        self.noted.dedup();
        self.distinct = self.noted.len();
        if self.lately.is_empty()
            && let Some(first) = self.noted.first()
        {
            // What stands there has to be noted.
            self.lately = vec![*first; LATELY].into();
        }
    }

    /// Each once, ascending.
    fn in_order(&self) -> Vec<u64> {
        let mut numbers = self.noted.clone();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}

/// A range and how far it was read from each end.
#[derive(Debug)]
struct RangeRead {
    /// Number of the keyspace.
    keyspace: u32,
    bounds: Bounds,
    front: Mark,
    back: Mark,
    whole: bool,
}

/// A key up to which a range was read. Its memory is used again.
#[derive(Debug)]
struct Mark {
    is_set: bool,
    at: Bound<Vec<u8>>,
}

impl Default for Mark {
    fn default() -> Self {
        Self { is_set: false, at: Bound::Included(Vec::new()) }
    }
}

impl Mark {
    fn set(&mut self, key: &[u8]) {
        self.is_set = true;
        if let Bound::Included(at) = &mut self.at {
            set(at, key);
        }
    }
}

fn set(to: &mut Vec<u8>, from: &[u8]) {
    to.clear();
    to.extend_from_slice(from);
}

/// Takes a bound over, into the memory of the one before where that has some.
fn set_bound(to: &mut Bound<Vec<u8>>, from: &Bound<Vec<u8>>) {
    match (to, from) {
        (Bound::Included(to), Bound::Included(from))
        | (Bound::Excluded(to), Bound::Excluded(from)) => set(to, from),
        (to, from) => *to = from.clone(),
    }
}

/// Order of the ends of ranges.
fn compare_ends(one: &Bound<Vec<u8>>, other: &Bound<Vec<u8>>) -> Ordering {
    let parts = |end: &Bound<Vec<u8>>| match end {
        Bound::Excluded(_) => 0,
        Bound::Included(_) => 1,
        Bound::Unbounded => 2,
    };
    match (one, other) {
        (
            Bound::Included(left) | Bound::Excluded(left),
            Bound::Included(right) | Bound::Excluded(right),
        ) => left.cmp(right).then_with(|| parts(one).cmp(&parts(other))),
        _ => parts(one).cmp(&parts(other)),
    }
}

impl ReadSet {
    fn of(&mut self, keyspace: &Keyspace) -> &mut Reads {
        let id = keyspace.inner.id;
        if self.keyspaces.get(self.last).is_none_or(|(last, _)| *last != id) {
            self.last = self.place_of(keyspace);
        }
        &mut self.keyspaces[self.last].1
    }

    fn place_of(&mut self, keyspace: &Keyspace) -> usize {
        let id = keyspace.inner.id;
        match self.keyspaces.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(at) => at,
            Err(at) => {
                let reads = Reads {
                    keyspace: Arc::clone(&keyspace.inner),
                    numbers: Numbers::default(),
                    keys: HashSet::default(),
                    ranges: HashMap::default(),
                };
                self.keyspaces.insert(at, (id, reads));
                at
            }
        }
    }

    pub(super) fn add_key(&mut self, keyspace: &Keyspace, key: &[u8]) {
        let reads = self.of(keyspace);
        if let Ok(number) = key.try_into() {
            reads.numbers.add(u64::from_be_bytes(number));
        } else if !reads.keys.contains(key) {
            reads.keys.insert(Slice::from(key));
        }
    }

    /// Notes a range that was read as a whole.
    pub(super) fn add_whole(&mut self, keyspace: &Keyspace, bounds: &Bounds) {
        self.of(keyspace).add(&bounds.0, &bounds.1);
    }

    /// Starts a range of which nothing has been read; returns its place.
    pub(super) fn add_range(&mut self, keyspace: &Keyspace, bounds: &Bounds) -> usize {
        self.of(keyspace);
        if let Some(slot) = self.free.pop() {
            let range = &mut self.open[slot];
            range.keyspace = keyspace.inner.id;
            set_bound(&mut range.bounds.0, &bounds.0);
            set_bound(&mut range.bounds.1, &bounds.1);
            return slot;
        }
        self.open.push(RangeRead {
            keyspace: keyspace.inner.id,
            bounds: bounds.clone(),
            front: Mark::default(),
            back: Mark::default(),
            whole: false,
        });
        self.open.len() - 1
    }

    /// Notes that a range was read up to `key` from its start, or to its other end.
    pub(super) fn note_front(&mut self, slot: usize, key: Option<&[u8]>) {
        // After the commit there is nothing to be noted any more.
        let Some(range) = self.open.get_mut(slot) else { return };
        match key {
            Some(key) => range.front.set(key),
            None => range.whole = true,
        }
    }

    /// Notes that a range was read down to `key` from its end, or to its start.
    pub(super) fn note_back(&mut self, slot: usize, key: Option<&[u8]>) {
        let Some(range) = self.open.get_mut(slot) else { return };
        match key {
            Some(key) => range.back.set(key),
            None => range.whole = true,
        }
    }

    /// Keeps what was read of a range, and gives its place free.
    pub(super) fn end_range(&mut self, slot: usize) {
        let Some(range) = self.open.get_mut(slot) else { return };
        let at = self.keyspaces.binary_search_by_key(&range.keyspace, |(id, _)| *id);
        if let Some((_, reads)) = at.ok().and_then(|at| self.keyspaces.get_mut(at)) {
            range.each_part(|start, end| reads.add(start, end));
        }
        range.front.is_set = false;
        range.back.is_set = false;
        range.whole = false;
        self.free.push(slot);
    }

    /// How many keys and ranges are kept, and for how many ranges there is a place.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        let reads = || self.keyspaces.iter().map(|(_, reads)| reads);
        let keys = reads().map(|reads| reads.numbers.in_order().len() + reads.keys.len()).sum();
        (keys, reads().map(|reads| reads.ranges.len()).sum(), self.open.len())
    }

    /// All of it, for a commit; ranges that are read on are noted no further.
    pub(super) fn take(&mut self) -> Self {
        let mut taken = std::mem::take(self);
        for slot in 0..taken.open.len() {
            if !taken.free.contains(&slot) {
                taken.end_range(slot);
            }
        }
        taken
    }

    /// Whether nothing of it has a version above `seq`.
    pub(super) fn unchanged_since(&self, seq: u64) -> Result<bool> {
        for (_, reads) in &self.keyspaces {
            if !reads.unchanged_since(seq)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Reads {
    /// Adds a range to those that begin where it does.
    fn add(&mut self, start: &Bound<Vec<u8>>, end: &Bound<Vec<u8>>) {
        match self.ranges.get_mut(start) {
            Some(known) => {
                if compare_ends(known, end).is_lt() {
                    set_bound(known, end);
                }
            }
            None => {
                self.ranges.insert(start.clone(), end.clone());
            }
        }
    }

    fn unchanged_since(&self, seq: u64) -> Result<bool> {
        let view = self.keyspace.view.load();
        // In order, so that blocks are read as they lie, and runs repeat.
        for number in self.numbers.in_order() {
            if view.changed_since(&number.to_be_bytes(), seq)? {
                return Ok(false);
            }
        }
        let mut keys: Vec<&Slice> = self.keys.iter().collect();
        keys.sort_unstable();
        for key in keys {
            if view.changed_since(key, seq)? {
                return Ok(false);
            }
        }
        if planted::is("ignore-range-reads") {
            return Ok(true);
        }
        let mut ranges: Vec<_> = self.ranges.iter().collect();
        ranges.sort_unstable_by(|(one, _), (other, _)| start_key(one).cmp(start_key(other)));
        for (start, end) in ranges {
            if !range_unchanged(&self.keyspace, start, end, seq)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn start_key(start: &Bound<Vec<u8>>) -> &[u8] {
    match start {
        Bound::Included(key) | Bound::Excluded(key) => key,
        Bound::Unbounded => &[],
    }
}

impl RangeRead {
    /// The parts that were read: from the start to `front`, from `back` to the end, or all.
    fn each_part(&self, mut part: impl FnMut(&Bound<Vec<u8>>, &Bound<Vec<u8>>)) {
        if self.whole {
            return part(&self.bounds.0, &self.bounds.1);
        }
        if self.front.is_set {
            part(&self.bounds.0, &self.front.at);
        }
        if self.back.is_set {
            part(&self.back.at, &self.bounds.1);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_room_for_twice_the_different_ones() {
        let mut numbers = Numbers::default();
        for read in 0..100_000_u64 {
            numbers.add(read % 10);
            numbers.add(7);
        }
        assert!(numbers.noted.len() <= NUMBERS_MIN, "{}", numbers.noted.len());
        assert!(numbers.in_order().into_iter().eq(0..10));
        for read in 0..100_000_u64 {
            numbers.add(read * 3 % 20_000);
            assert!(numbers.noted.len() <= NUMBERS_MIN.max(2 * 20_000), "{read}");
        }
        assert!(numbers.in_order().into_iter().eq(0..20_000));
    }
}
