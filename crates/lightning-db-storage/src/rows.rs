//! Cached rows: the newest version in tables of keys that were flushed or read.
//!
//! A hit answers a read that the memtables do not, without index, filter and block search. The
//! cache holds versions, so it serves every reader that is not older than the cached version;
//! older ones go to the tables.
//!
//! It must never hold a version when the tables hold a newer one. A flush writes its versions into
//! the cache before readers see its tables, and a reader that found a version in tables may only
//! add it if no flush was under way when it took its view, and none began since: see
//! [`KeyspaceRows::admit`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::entry::{self, Entry};
use crate::hits::Hits;

/// Locks that keep a flush and readers apart, by hash.
const GATES: usize = 64;
/// Of the rows that come to a full cache this share gets in.
const ADMIT_ONE_IN: u64 = 8;
/// Memory that a row takes beside its bytes.
const ROW_OVERHEAD: u64 = 96;
/// Odd, so that no two generations are as far apart: 2^64 by the golden ratio.
const PLACES_APART: u64 = 0x9e37_79b9_7f4a_7c15;
/// Longer entries are left to the block cache.
const ROW_LEN_MAX: usize = 4 << 10;

#[derive(Debug, Clone)]
struct Weight;

impl Weighter<u64, Row> for Weight {
    fn weight(&self, _: &u64, row: &Row) -> u64 {
        row.len() as u64 + ROW_OVERHEAD
    }
}

/// The whole encoding of a version.
type Row = Arc<[u8]>;

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct RowCache {
    /// By place, see [`KeyspaceRows::place`]. Few bytes for each, so that many stand together.
    rows: Cache<u64, Row, Weight, foldhash::fast::RandomState>,
    gates: Box<[Mutex<()>]>,
    hits: Hits,
    /// Rows that came to a full cache.
    turned_away: AtomicU64,
    capacity: AtomicU64,
}

/// The part of a keyspace in the cache.
#[derive(Debug)]
pub(crate) struct KeyspaceRows {
    cache: Arc<RowCache>,
    /// Keyspace, and how often all its rows became void: part of their places.
    generation: AtomicU64,
    /// Goes up when a flush begins and when it ends: odd while one is under way.
    flushes: AtomicU64,
}

impl RowCache {
    pub(crate) fn new(capacity: u64) -> Arc<Self> {
        let rows = usize::try_from(capacity / 256).unwrap_or(usize::MAX);
        Arc::new(Self {
            rows: Cache::with(
                rows.max(1),
                capacity,
                Weight,
                foldhash::fast::RandomState::default(),
                quick_cache::sync::DefaultLifecycle::default(),
            ),
            hits: Hits::default(),
            turned_away: AtomicU64::new(0),
            gates: (0..GATES).map(|_| Mutex::default()).collect(),
            capacity: AtomicU64::new(capacity),
        })
    }

    /// Reads that it answered, and those that it did not.
    pub(crate) fn hits(&self) -> [u64; 2] {
        self.hits.read()
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> u64 {
        self.rows.weight()
    }

    fn gate(&self, hash: u64) -> &Mutex<()> {
        &self.gates[usize::try_from(hash % GATES as u64).unwrap_or(0)]
    }

    fn has_room(&self) -> bool {
        let capacity = self.capacity.load(Ordering::Relaxed);
        self.rows.weight() < capacity - capacity / 32
    }

    /// Holds so many bytes from now on; what is too much goes.
    pub(crate) fn set_capacity(&self, capacity: u64) {
        if self.capacity.swap(capacity, Ordering::Relaxed) != capacity {
            self.rows.set_capacity(capacity);
        }
    }
}

/// When a reader took its view, as far as flushes are concerned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket(u64);

impl KeyspaceRows {
    pub(crate) fn new(cache: &Arc<RowCache>, keyspace_id: u32) -> Self {
        Self {
            cache: Arc::clone(cache),
            generation: AtomicU64::new(u64::from(keyspace_id) << 32),
            flushes: AtomicU64::new(0),
        }
    }

    /// Where the row of a key stands, by the hash of the key. One key has different places in all
    /// keyspaces and generations of them; the row itself tells which of the keys of a place it is.
    #[inline]
    fn place(&self, hash: u64) -> u64 {
        let generation = self.generation.load(Ordering::Acquire);
        hash.wrapping_add(generation.wrapping_mul(PLACES_APART))
    }

    /// To be taken before the view.
    #[inline]
    pub(crate) fn ticket(&self) -> Ticket {
        Ticket(self.flushes.load(Ordering::Acquire))
    }

    /// The newest version in tables, if it is cached and not above `seq_max`.
    #[inline]
    pub(crate) fn get(&self, key: &[u8], hash: u64, seq_max: u64) -> Option<Entry> {
        let row = self.cache.rows.get(&self.place(hash));
        let found = row.filter(|row| entry::seq_of(row) <= seq_max && entry::is_of_key(row, key));
        self.cache.hits.count(found.is_some());
        found.map(Entry::whole)
    }

    /// Adds the newest version in tables that a reader found, unless a flush began since its
    /// ticket. The entry is copied, since it keeps a whole block alive.
    pub(crate) fn admit(&self, ticket: Ticket, hash: u64, found: &Entry) {
        if found.bytes().len() > ROW_LEN_MAX {
            return;
        }
        // In a full cache a row makes room only for one in eight: rows that are read again get in,
        // and reads without a pattern do not pay for moving rows around.
        if !self.cache.has_room()
            && !self.cache.turned_away.fetch_add(1, Ordering::Relaxed).is_multiple_of(ADMIT_ONE_IN)
        {
            return;
        }
        let copy = found.bytes().into();
        // Before the flushes are looked at: a row must not come to a place that is newer than they.
        let place = self.place(hash);
        let _gate = self.cache.gate(hash).lock();
        // A flush counts itself before it comes to any gate: either it is seen here, or it finds
        // this row and replaces it. A reader that came while it was under way may have found a
        // version that the flush has replaced already.
        if ticket.0.is_multiple_of(2) && self.flushes.load(Ordering::Acquire) == ticket.0 {
            self.cache.rows.insert(place, copy);
        }
    }

    /// To be called before the first `replace` of a flush.
    pub(crate) fn begin_flush(&self) {
        self.flushes.fetch_add(1, Ordering::AcqRel);
    }

    /// To be called when readers see the tables of the flush.
    pub(crate) fn end_flush(&self) {
        self.flushes.fetch_add(1, Ordering::AcqRel);
    }

    /// Puts the version that a flush brings into tables in the place of the cached one; while there
    /// is room, also where none is cached.
    pub(crate) fn replace(&self, hash: u64, newest: &Entry) {
        let place = self.place(hash);
        let _gate = self.cache.gate(hash).lock();
        if newest.bytes().len() <= ROW_LEN_MAX && self.cache.has_room() {
            self.cache.rows.insert(place, newest.clone().into_whole());
        } else {
            self.cache.rows.remove(&place);
        }
    }

    /// Forgets all rows of the keyspace. The caller has put new tables into the view before this:
    /// whoever takes a ticket from now on finds no row in the old ones.
    pub(crate) fn clear(&self) {
        self.flushes.fetch_add(2, Ordering::AcqRel);
        self.generation.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{EntryRef, Kind};

    fn row(key: &[u8], seq: u64) -> Entry {
        Entry::new(&EntryRef { key, seq, kind: Kind::Put, expires_at_ms: 0, value: b"v" })
    }

    #[test]
    fn row_serves_readers_that_are_not_older() {
        let rows = KeyspaceRows::new(&RowCache::new(1 << 20), 1);
        rows.admit(rows.ticket(), 7, &row(b"k", 5));
        assert!(rows.get(b"k", 7, 4).is_none());
        assert_eq!(rows.get(b"k", 7, 5).unwrap().seq(), 5);
        assert!(rows.get(b"other key of the same hash", 7, 5).is_none());
        assert_eq!(rows.cache.hits(), [1, 2]);
    }

    #[test]
    fn late_reader_cannot_add_what_a_flush_replaced() {
        let rows = KeyspaceRows::new(&RowCache::new(1 << 20), 1);
        let ticket = rows.ticket();
        rows.begin_flush();
        rows.replace(7, &row(b"k", 9));
        rows.admit(ticket, 7, &row(b"k", 5));
        assert_eq!(rows.get(b"k", 7, 10).unwrap().seq(), 9);
    }

    #[test]
    fn reader_that_came_during_a_flush_adds_nothing() {
        let rows = KeyspaceRows::new(&RowCache::new(1 << 20), 1);
        rows.begin_flush();
        // Its view is still the one without the tables of the flush.
        let ticket = rows.ticket();
        rows.replace(7, &row(b"k", 9));
        rows.admit(ticket, 7, &row(b"k", 5));
        rows.end_flush();
        rows.admit(ticket, 7, &row(b"k", 5));
        assert_eq!(rows.get(b"k", 7, 10).unwrap().seq(), 9);
    }

    #[test]
    fn cleared_rows_are_gone_and_stay_out() {
        let rows = KeyspaceRows::new(&RowCache::new(1 << 20), 1);
        let ticket = rows.ticket();
        rows.admit(ticket, 7, &row(b"k", 5));
        rows.clear();
        rows.admit(ticket, 7, &row(b"k", 5));
        assert!(rows.get(b"k", 7, 10).is_none());
    }
}
