//! What a reader of one keyspace sees: memtables and runs of tables, newest first.

use std::sync::Arc;

use crate::entry::{Entry, EntryRef, Kind};
use crate::error::Result;
use crate::memtable::Memtable;
use crate::merge::{Merger, Source};
use crate::table::{Portion, RunCursor, Table, hash_key};

pub(crate) mod switch;

/// Tables of disjoint, ascending key ranges.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// Age: higher is newer.
    pub(crate) order: u64,
    pub(crate) tables: Arc<[Portion]>,
    seq_max: u64,
}

impl Run {
    pub(crate) fn new(order: u64, tables: Arc<[Portion]>) -> Self {
        let seq_max = tables.iter().map(|table| table.meta().seq_max).max().unwrap_or(0);
        Self { order, tables, seq_max }
    }

    /// Bytes of its files.
    pub(crate) fn len(&self) -> u64 {
        self.tables.iter().map(|table| table.meta().file_len).sum()
    }

    pub(crate) fn seq_max(&self) -> u64 {
        self.seq_max
    }

    /// The tables that end at `from` or behind it.
    pub(crate) fn tables_from(&self, from: &[u8]) -> &[Portion] {
        &self.tables[self.tables.partition_point(|table| table.last_key() < from)..]
    }

    /// Whether a key from `from` to `to`, both included, may be in its tables.
    pub(crate) fn overlaps(&self, from: &[u8], to: &[u8]) -> bool {
        self.tables_from(from).first().is_some_and(|table| table.first_key() <= to)
    }

    fn table_of(&self, key: &[u8]) -> Option<&Table> {
        let at = self.tables.partition_point(|table| table.last_key() < key);
        self.tables.get(at).filter(|table| table.first_key() <= key).map(|table| &*table.table)
    }
}

/// See the head of this file. For one key, every version in an earlier place is newer than every
/// version in a later one.
///
/// How one view takes the place of another is in [`switch`].
#[derive(Debug)]
pub(crate) struct View<M = Memtable, R = Run> {
    /// Takes the writes.
    pub(crate) active: Arc<M>,
    /// Waiting for their flush, newest first.
    pub(crate) frozen: Vec<Arc<M>>,
    /// Newest first.
    pub(crate) runs: Vec<R>,
    /// Commits that emptied the keyspace, ascending.
    pub(crate) floors: Vec<u64>,
}

impl<M, R> View<M, R> {
    /// Below this sequence number nothing exists for a reader at `seq`.
    #[inline]
    pub(crate) fn floor_at(&self, seq: u64) -> u64 {
        if self.floors.is_empty() {
            return 0;
        }
        self.floors.iter().copied().filter(|floor| *floor <= seq).max().unwrap_or(0)
    }
}

impl View {
    /// The table that may hold a key, if all tables make up one run.
    #[inline]
    pub(crate) fn single_table_of(&self, key: &[u8]) -> Option<&Table> {
        match &self.runs[..] {
            [run] => run.table_of(key),
            _ => None,
        }
    }

    /// Newest version of a key with a sequence number of at most `seq_max` in the tables, of any
    /// kind. `hash` is [`hash_key`] of the key.
    pub(crate) fn get_in_tables(
        &self,
        key: &[u8],
        hash: u64,
        seq_max: u64,
    ) -> Result<Option<Entry>> {
        for run in &self.runs {
            let Some(table) = run.table_of(key) else { continue };
            if let Some(found) = table.get(key, hash, seq_max)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Highest sequence number in the tables.
    pub(crate) fn tables_seq_max(&self) -> u64 {
        self.runs.iter().map(Run::seq_max).max().unwrap_or(0)
    }

    /// Whether the key has a version above `seq`. Looks only where such a version can be.
    pub(crate) fn changed_since(&self, key: &[u8], seq: u64) -> Result<bool> {
        if self.floors.last().is_some_and(|floor| *floor > seq) {
            return Ok(true);
        }
        let hash = hash_key(key);
        for memtable in std::iter::once(&self.active).chain(&self.frozen) {
            // An empty memtable tells nothing about those behind it.
            if memtable.seq_max() <= seq && !memtable.is_empty() {
                return Ok(false);
            }
            if let Some(found) = memtable.newest(key, hash) {
                return Ok(found.seq() > seq);
            }
        }
        // Not up to the first run without such versions: a run of which a merge has written a part
        // again may hold older ones than the run behind it.
        for run in self.runs.iter().filter(|run| run.seq_max() > seq) {
            let Some(table) = run.table_of(key) else { continue };
            if let Some(found) = table.get(key, hash, u64::MAX)? {
                return Ok(found.seq() > seq);
            }
        }
        Ok(false)
    }

    /// A merger over everything that may hold versions above `seq`.
    pub(crate) fn merger_since(&self, seq: u64) -> Merger {
        let memtables = std::iter::once(&self.active).chain(&self.frozen);
        let mut sources = Vec::new();
        for memtable in memtables.filter(|memtable| memtable.seq_max() > seq) {
            sources.extend(memtable.scan_cursors().map(Source::Memory));
        }
        // Tables without entries have no sequence number; ingested and merged ones may hold zero.
        for run in self.runs.iter().filter(|run| seq == 0 || run.seq_max() > seq) {
            sources.push(Source::table(RunCursor::new(Arc::clone(&run.tables))));
        }
        Merger::new(sources)
    }

    /// A merger over everything.
    pub(crate) fn merger(&self) -> Merger {
        self.merger_since(0)
    }

    /// See [`Keyspace::approximate_len`](crate::Keyspace::approximate_len).
    pub(crate) fn approximate_len(&self) -> u64 {
        let floor = self.floors.last().copied().unwrap_or(0);
        let memtables = std::iter::once(&self.active).chain(&self.frozen);
        let in_memory: usize = memtables.map(|memtable| memtable.keys()).sum();
        let tables = self.runs.iter().flat_map(|run| run.tables.iter()).map(Portion::meta);
        let in_tables = tables.filter(|meta| floor == 0 || meta.seq_max >= floor);
        // A deletion stands for itself and for the key that it removes.
        let keys =
            in_tables.map(|meta| (meta.entries - meta.older).saturating_sub(2 * meta.tombstones));
        in_memory as u64 + keys.sum::<u64>()
    }
}

/// Whether a version is a value for a reader: not a deletion, not emptied, not expired. `now_ms` is
/// asked for only if the version has an expiry.
#[inline]
pub(crate) fn is_value(entry: &EntryRef<'_>, floor: u64, now_ms: impl FnOnce() -> u64) -> bool {
    if entry.seq < floor || entry.kind == Kind::Delete {
        return false;
    }
    if entry.expires_at_ms == 0 || crate::planted::is("keep-expired") {
        return true;
    }
    !entry.expired(now_ms())
}
