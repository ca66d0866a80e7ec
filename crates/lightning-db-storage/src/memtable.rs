//! Recent versions of one keyspace, in memory: a hash map for points, sorted runs for ranges.
//!
//! A write costs one hash map update and one push; sorting is left to the first scan or to the
//! flush, because an ordered insert on the write path is what bounds other engines
//! (docs/decisions/0001). Versions are never overwritten: the map knows the newest of each key, the
//! runs keep all of them until the flush, which is what snapshots read.

mod chunk;
mod ordered;

use std::borrow::Borrow;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry as Slot;

use crate::entry::{self, Entry};
use crate::table::hash_key;

use ordered::Ordered;
pub(crate) use ordered::{MemCursor, prefix_of};

/// Memory that an entry takes beside its own bytes: allocation headers, hash bucket, run slot.
pub(crate) const ENTRY_OVERHEAD: u64 = 96;
/// Shards of the hash map: small, so that growing one takes microseconds.
const SHARDS: usize = 128;

/// A key and its hash: what the hash map compares. The hash is computed once for a call, and kept
/// in the bucket, so that growing a shard touches no entry.
trait Keyed {
    fn hash_value(&self) -> u64;
    fn key(&self) -> &[u8];
}

/// A key that is looked up.
struct Wanted<'a> {
    hash: u64,
    key: &'a [u8],
}

impl Keyed for Wanted<'_> {
    fn hash_value(&self) -> u64 {
        self.hash
    }

    fn key(&self) -> &[u8] {
        self.key
    }
}

/// Shared bytes of an encoded entry, hashed and compared by key alone.
#[derive(Debug)]
struct ByKey {
    hash: u64,
    encoded: Arc<[u8]>,
}

impl Keyed for ByKey {
    fn hash_value(&self) -> u64 {
        self.hash
    }

    fn key(&self) -> &[u8] {
        entry::key_of(&self.encoded)
    }
}

impl<'a> Borrow<dyn Keyed + 'a> for ByKey {
    fn borrow(&self) -> &(dyn Keyed + 'a) {
        self
    }
}

impl Hash for dyn Keyed + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash_value());
    }
}

impl PartialEq for dyn Keyed + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.hash_value() == other.hash_value() && self.key() == other.key()
    }
}

impl Eq for dyn Keyed + '_ {}

impl Hash for ByKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl PartialEq for ByKey {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.key() == other.key()
    }
}

impl Eq for ByKey {}

/// Hands on a hash that is computed already.
#[derive(Debug, Default)]
struct Computed(u64);

impl Hasher for Computed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        debug_assert!(bytes.is_empty(), "only whole hashes are written");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Memtable {
    newest: DashMap<ByKey, (), BuildHasherDefault<Computed>>,
    ordered: Ordered,
    bytes: AtomicU64,
    seq_max: AtomicU64,
}

impl Memtable {
    pub(crate) fn new() -> Self {
        Self {
            newest: DashMap::with_hasher_and_shard_amount(BuildHasherDefault::default(), SHARDS),
            ordered: Ordered::default(),
            bytes: AtomicU64::new(0),
            seq_max: AtomicU64::new(0),
        }
    }

    /// Adds a version. Called in commit order, one caller at a time, so that the newest version of
    /// a key is the last one inserted.
    pub(crate) fn insert(&self, encoded: Arc<[u8]>) {
        let bytes = encoded.len() as u64 + ENTRY_OVERHEAD;
        self.bytes.store(self.bytes.load(Ordering::Relaxed) + bytes, Ordering::Relaxed);
        self.seq_max.store(entry::seq_of(&encoded), Ordering::Release);
        self.ordered.push(Arc::clone(&encoded));
        let hash = hash_key(entry::key_of(&encoded));
        match self.newest.entry(ByKey { hash, encoded }) {
            Slot::Occupied(slot) => {
                slot.replace_entry(());
            }
            Slot::Vacant(slot) => {
                slot.insert(());
            }
        }
    }

    /// Newest version of a key, whatever its sequence number. `hash` is [`hash_key`] of the key.
    #[inline]
    pub(crate) fn newest(&self, key: &[u8], hash: u64) -> Option<Entry> {
        // As most are that were flushed: no lock is taken.
        if self.is_empty() {
            return None;
        }
        let slot = self.newest.get(&Wanted { hash, key } as &dyn Keyed)?;
        Some(Entry::whole(Arc::clone(&slot.key().encoded)))
    }

    /// Newest version with a sequence number of at most `seq_max`. Two cache misses where the
    /// newest version is old enough; a binary search in each sorted run otherwise.
    #[inline]
    pub(crate) fn get(&self, key: &[u8], hash: u64, seq_max: u64) -> Option<Entry> {
        let newest = self.newest(key, hash)?;
        if newest.seq() <= seq_max { Some(newest) } else { self.get_older(key, seq_max) }
    }

    #[cold]
    fn get_older(&self, key: &[u8], seq_max: u64) -> Option<Entry> {
        let runs = self.ordered.runs();
        let older = runs.iter().filter_map(|run| run.first_from(key, seq_max));
        older.filter(|found| found.key() == key).max_by_key(Entry::seq)
    }

    /// Calls `visit` with hash and newest version of each key.
    pub(crate) fn for_each_newest(&self, mut visit: impl FnMut(u64, &Entry)) {
        for slot in &self.newest {
            let ByKey { hash, encoded } = slot.key();
            visit(*hash, &Entry::whole(Arc::clone(encoded)));
        }
    }

    /// Cursors over all versions, for scans; what was pushed since the last call is sorted now.
    pub(crate) fn scan_cursors(&self) -> impl Iterator<Item = MemCursor> {
        self.ordered.runs().into_iter().map(MemCursor::chunks)
    }

    /// Cursors over all versions, for a flush.
    pub(crate) fn flush_cursors(&self) -> Vec<MemCursor> {
        self.ordered.cursors()
    }

    /// Memory held, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Highest sequence number; zero while empty.
    pub(crate) fn seq_max(&self) -> u64 {
        self.seq_max.load(Ordering::Acquire)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.seq_max() == 0
    }

    /// Number of distinct keys.
    pub(crate) fn keys(&self) -> usize {
        self.newest.len()
    }
}

#[cfg(test)]
mod tests;
