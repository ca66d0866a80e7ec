//! The ordered side of a memtable: pushed versions wait unsorted until somebody asks for order.

use std::cmp::Ordering as Order;
use std::mem;
use std::sync::Arc;

use parking_lot::Mutex;

use super::chunk::{ChunkCursor, ChunkRun};
use crate::entry::{self, Entry};

/// Versions of a memtable in order, made lazily.
///
/// Scans get them as runs of packed chunks: an entry is copied once into its sorted place, after
/// which a scan walks memory in a line and touches one reference count a chunk, as it does in a
/// table's block. Sizes of runs at least halve from one to the next, so that each version is moved
/// a logarithmic number of times, however often scans and writes alternate. A flush that comes
/// before any scan sorts pointers and copies nothing.
#[derive(Debug, Default)]
pub(crate) struct Ordered {
    pending: Mutex<Vec<Arc<[u8]>>>,
    runs: Mutex<Vec<Arc<ChunkRun>>>,
}

impl Ordered {
    /// One uncontended lock and one push.
    pub(crate) fn push(&self, encoded: Arc<[u8]>) {
        self.pending.lock().push(encoded);
    }

    /// Sorts what is pending and returns all runs, largest first.
    pub(crate) fn runs(&self) -> Vec<Arc<ChunkRun>> {
        let mut runs = self.runs.lock();
        let pending = mem::take(&mut *self.pending.lock());
        if !pending.is_empty() {
            let mut newest = ChunkRun::copy(&PointerRun::sort(&pending));
            while let Some(last) = runs.pop_if(|last| last.len() < 2 * newest.len()) {
                newest = ChunkRun::merge(&last, &newest);
            }
            runs.push(Arc::new(newest));
        }
        runs.clone()
    }

    /// Cursors over all versions, for a flush: what is pending is sorted where it is.
    pub(crate) fn cursors(&self) -> Vec<MemCursor> {
        let runs = self.runs.lock();
        let sorted = PointerRun::sort(&self.pending.lock());
        let chunks = runs.iter().map(|run| MemCursor::chunks(Arc::clone(run)));
        chunks.chain([MemCursor::Pointers(PointerCursor { run: sorted, at: usize::MAX })]).collect()
    }
}

/// First 16 bytes of a key as a number, in key order: compares most keys without a cache miss.
#[inline]
pub(crate) fn prefix_of(key: &[u8]) -> u128 {
    if let Some(prefix) = key.first_chunk() {
        return u128::from_be_bytes(*prefix);
    }
    let mut prefix = [0; 16];
    prefix[..key.len()].copy_from_slice(key);
    u128::from_be_bytes(prefix)
}

#[derive(Debug)]
struct Item {
    prefix: u128,
    encoded: Arc<[u8]>,
}

impl Item {
    #[inline]
    fn compare(&self, other: &Self) -> Order {
        let prefix = self.prefix.cmp(&other.prefix);
        prefix.then_with(|| entry::compare(&self.encoded, &other.encoded))
    }
}

/// Versions in entry order, where they are.
#[derive(Debug)]
pub(crate) struct PointerRun(Vec<Item>);

impl PointerRun {
    fn sort(pending: &[Arc<[u8]>]) -> Self {
        let item = |encoded: &Arc<[u8]>| Item {
            prefix: prefix_of(entry::key_of(encoded)),
            encoded: Arc::clone(encoded),
        };
        let mut items: Vec<Item> = pending.iter().map(item).collect();
        // Loads in key order arrive sorted, and the check is one pass.
        if !items.is_sorted_by(|a, b| a.compare(b) != Order::Greater) {
            items.sort_unstable_by(Item::compare);
        }
        Self(items)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|item| &*item.encoded)
    }

    fn position(&self, key: &[u8], seq: u64) -> usize {
        self.0.partition_point(|item| entry::compare_at(&item.encoded, key, seq) == Order::Less)
    }
}

/// A place in a pointer run.
#[derive(Debug)]
pub(crate) struct PointerCursor {
    run: PointerRun,
    /// `usize::MAX` stands before the first, the length after the last.
    at: usize,
}

/// A place in a sorted run of a memtable.
#[derive(Debug)]
pub(crate) enum MemCursor {
    /// Sorted pointers: for a flush.
    Pointers(PointerCursor),
    /// Packed chunks: for scans.
    Chunks(ChunkCursor),
}

impl MemCursor {
    pub(crate) fn chunks(run: Arc<ChunkRun>) -> Self {
        Self::Chunks(ChunkCursor::new(run))
    }

    /// Whether some key may have several versions.
    pub(crate) fn repeats(&self) -> bool {
        match self {
            Self::Pointers(_) => true,
            Self::Chunks(cursor) => cursor.repeats(),
        }
    }

    pub(crate) fn seek_first(&mut self) {
        match self {
            Self::Pointers(cursor) => cursor.at = 0,
            Self::Chunks(cursor) => cursor.stand(0),
        }
    }

    pub(crate) fn seek_last(&mut self) {
        match self {
            Self::Pointers(cursor) => cursor.at = cursor.run.0.len().wrapping_sub(1),
            Self::Chunks(cursor) => cursor.stand(cursor.len().wrapping_sub(1)),
        }
    }

    /// To the first version at or after (key, seq).
    pub(crate) fn seek(&mut self, key: &[u8], seq: u64) {
        match self {
            Self::Pointers(cursor) => cursor.at = cursor.run.position(key, seq),
            Self::Chunks(cursor) => cursor.stand(cursor.position(key, seq)),
        }
    }

    /// To the last version before (key, seq).
    pub(crate) fn seek_back(&mut self, key: &[u8], seq: u64) {
        match self {
            Self::Pointers(cursor) => cursor.at = cursor.run.position(key, seq).wrapping_sub(1),
            Self::Chunks(cursor) => cursor.stand(cursor.position(key, seq).wrapping_sub(1)),
        }
    }

    #[inline]
    pub(crate) fn next(&mut self) {
        match self {
            Self::Pointers(cursor) => cursor.at = cursor.at.wrapping_add(1),
            Self::Chunks(cursor) => cursor.next(),
        }
    }

    #[inline]
    pub(crate) fn prev(&mut self) {
        match self {
            Self::Pointers(cursor) => cursor.at = cursor.at.wrapping_sub(1),
            Self::Chunks(cursor) => cursor.prev(),
        }
    }

    #[inline]
    pub(crate) fn entry(&self) -> Option<&[u8]> {
        match self {
            Self::Pointers(cursor) => cursor.run.0.get(cursor.at).map(|item| &*item.encoded),
            Self::Chunks(cursor) => cursor.entry(),
        }
    }

    #[inline]
    pub(crate) fn to_entry(&self) -> Option<Entry> {
        match self {
            Self::Pointers(cursor) => {
                let item = cursor.run.0.get(cursor.at)?;
                Some(Entry::whole(Arc::clone(&item.encoded)))
            }
            Self::Chunks(cursor) => cursor.to_entry(),
        }
    }
}
