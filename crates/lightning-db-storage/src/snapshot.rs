//! Repeatable reads over all keyspaces.

use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::engine::OpenEngine;
use crate::error::Result;
use crate::keyspace::Keyspace;
use crate::range::{Range, bounds_of, prefix_bounds};
use crate::slice::Slice;
use crate::sync::{AtomicU64, Mutex};

/// Sequence numbers at which somebody reads: flushes and merges keep what these can see.
#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    live: Mutex<BTreeMap<u64, Live>>,
}

#[derive(Debug)]
struct Live {
    count: usize,
    since: Duration,
}

impl Snapshots {
    /// Registers a reader at the newest visible commit. The number is read under the lock: a merge
    /// that looks at the live ones either sees this one, or has seen a visible number that is not
    /// above it.
    pub(crate) fn open(&self, visible: &AtomicU64, now: impl FnOnce() -> Duration) -> u64 {
        let mut live = self.live.lock();
        let seq = visible.load(Ordering::Acquire);
        live.entry(seq).or_insert_with(|| Live { count: 0, since: now() }).count += 1;
        seq
    }

    pub(crate) fn close(&self, seq: u64) {
        let mut live = self.live.lock();
        if let Some(entry) = live.get_mut(&seq) {
            entry.count -= 1;
            if entry.count == 0 {
                live.remove(&seq);
            }
        }
    }

    /// Numbers that are read at, ascending.
    pub(crate) fn live(&self) -> Vec<u64> {
        self.live.lock().keys().copied().collect()
    }

    /// Numbers at which versions are read, or may be by readers that open from now on, ascending.
    /// The versions go up to `seq_max`, and those below `floor`, which the caller has taken from
    /// the view before, are about to be dropped: a bulk ingest is in the tables, and a commit that
    /// empties a keyspace in the view, a moment before it is visible.
    pub(crate) fn live_below(&self, visible: &AtomicU64, seq_max: u64, floor: u64) -> Vec<u64> {
        let live = self.live.lock();
        let newest = visible.load(Ordering::Acquire);
        let mut numbers: Vec<u64> = live.keys().copied().collect();
        if newest < seq_max.max(floor) && numbers.last() != Some(&newest) {
            numbers.push(newest);
        }
        numbers
    }

    /// No reader, open now or later, reads below this number.
    pub(crate) fn oldest_lsn(&self, visible: &AtomicU64) -> u64 {
        let live = self.live.lock();
        let newest = visible.load(Ordering::Acquire);
        live.first_key_value().map_or(newest, |(oldest, _)| newest.min(*oldest))
    }

    /// Since when the oldest is open, by the monotonic clock.
    pub(crate) fn oldest(&self) -> Option<Duration> {
        self.live.lock().first_key_value().map(|(_, live)| live.since)
    }

    /// How many are open.
    pub(crate) fn count(&self) -> usize {
        self.live.lock().values().map(|live| live.count).sum()
    }
}

/// A registered reader: released on drop.
#[derive(Debug)]
pub(crate) struct ReadPoint {
    pub(crate) engine: Arc<OpenEngine>,
    pub(crate) seq: u64,
    /// Time by which expiry is judged, so that reads repeat.
    pub(crate) now_ms: u64,
}

impl ReadPoint {
    pub(crate) fn new(engine: &Arc<OpenEngine>) -> Arc<Self> {
        let engine = Arc::clone(engine);
        let seq = engine.snapshots.open(&engine.visible, || engine.clock.monotonic());
        let now_ms = engine.clock.now_unix_ms();
        Arc::new(Self { engine, seq, now_ms })
    }
}

impl Drop for ReadPoint {
    fn drop(&mut self) {
        self.engine.snapshots.close(self.seq);
    }
}

/// The state of all keyspaces at one commit; it never changes.
///
/// Making one takes a short lock and copies nothing. An open snapshot keeps flushes and merges from
/// dropping the versions that it sees: the age of the oldest is in
/// [`Statistics`](crate::Statistics). Expiry is judged by the time at which it was made.
#[derive(Debug, Clone)]
pub struct Snapshot {
    point: Arc<ReadPoint>,
}

impl Snapshot {
    pub(crate) fn new(engine: &Arc<OpenEngine>) -> Self {
        Self::of(ReadPoint::new(engine))
    }

    pub(crate) fn of(point: Arc<ReadPoint>) -> Self {
        Self { point }
    }

    /// Number of the last commit that it sees.
    pub fn lsn(&self) -> u64 {
        self.point.seq
    }

    /// Time by which it judges expiry, in milliseconds since 1970.
    pub fn unix_ms(&self) -> u64 {
        self.point.now_ms
    }

    /// Value of a key.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt), [`Error::Io`](crate::Error::Io).
    pub fn get(&self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> Result<Option<Slice>> {
        keyspace.read_at(&self.point, key.as_ref())
    }

    /// Whether a key has a value.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn contains(&self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> Result<bool> {
        Ok(keyspace.find_at(&self.point, key.as_ref())?.is_some())
    }

    /// Keys and values within bounds, in key order, from both ends.
    pub fn range<K: AsRef<[u8]>>(&self, keyspace: &Keyspace, range: impl RangeBounds<K>) -> Range {
        Range::new(Arc::clone(&self.point), keyspace, bounds_of(&range))
    }

    /// As [`range`](Self::range), with bounds that it takes over.
    pub fn range_owned(
        &self,
        keyspace: &Keyspace,
        bounds: (Bound<Vec<u8>>, Bound<Vec<u8>>),
    ) -> Range {
        Range::new(Arc::clone(&self.point), keyspace, bounds)
    }

    /// Keys and values whose keys start with `prefix`.
    pub fn prefix(&self, keyspace: &Keyspace, prefix: impl AsRef<[u8]>) -> Range {
        Range::new(Arc::clone(&self.point), keyspace, prefix_bounds(prefix.as_ref()))
    }

    /// All keys and values.
    pub fn iter(&self, keyspace: &Keyspace) -> Range {
        self.range::<&[u8]>(keyspace, ..)
    }

    /// Number of keys, by counting them.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn len(&self, keyspace: &Keyspace) -> Result<u64> {
        self.iter(keyspace).count_values()
    }
}
