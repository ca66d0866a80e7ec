//! What a store holds and does, in numbers.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::engine::Engine;
use crate::table::Portion;
use crate::times::Times;
use crate::wal::Log;

/// Numbers of a store at one moment; counters run since it was opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Statistics {
    /// Number of the newest commit.
    pub last_lsn: u64,
    /// Newest commit known to be on the disk.
    pub synced_lsn: u64,
    /// Newest commit that is in tables; those above it are replayed at the next open.
    pub flushed_lsn: u64,
    /// Oldest commit that a change reader can start from.
    pub oldest_change_lsn: u64,
    /// Bytes on the disk.
    pub disk: DiskUsage,
    /// Bytes in memory.
    pub memory: MemoryUsage,
    /// Keyspaces, by name.
    pub keyspaces: Vec<KeyspaceStatistics>,
    /// Commits by their durability level, counted when they are visible.
    pub commits: CommitCounts,
    /// Syncs of the log.
    pub syncs: u64,
    /// How long commits at level `Sync` waited for theirs.
    pub sync_waits: Times,
    /// Flushes of memtables.
    pub flushes: u64,
    /// Merges of runs, from their first step to their last.
    pub merges: u64,
    /// Steps of merges: each writes a slice of the keys again, and gives back the space of the
    /// tables that have ended in it.
    pub merge_steps: u64,
    /// How long these took.
    pub merge_step_times: Times,
    /// Bytes of entries that these have read.
    pub merge_bytes: u64,
    /// Bytes of tables that merges under way have still to read.
    pub merge_bytes_left: u64,
    /// Bytes of tables written by flushes and merges.
    pub table_bytes_written: u64,
    /// Writes that gave way to a flush that was falling behind.
    pub paced: u64,
    /// Writes that had to wait for a flush.
    pub stalls: u64,
    /// Time that they waited, together.
    pub stall_time: Duration,
    /// The longest such wait.
    pub stall_time_max: Duration,
    /// Open snapshots, iterators and transactions.
    pub snapshots: usize,
    /// Age of the oldest of them.
    pub oldest_snapshot_age: Option<Duration>,
    /// Block reads answered from memory.
    pub cache_hits: u64,
    /// Block reads that went to the disk.
    pub cache_misses: u64,
    /// Reads of keys that the cache of rows answered.
    pub row_cache_hits: u64,
    /// Reads of keys that it was asked for and did not answer.
    pub row_cache_misses: u64,
}

/// Commits by durability level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CommitCounts {
    /// At level `Memory`.
    pub memory: u64,
    /// At level `Buffered`.
    pub buffered: u64,
    /// At level `Sync`.
    pub sync: u64,
    /// Number of the newest of the last two: it is to be on the disk within 50 ms. Zero if there
    /// was none since the store was opened.
    pub promised_lsn: u64,
}

/// Bytes on the disk by kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DiskUsage {
    /// Tables that hold the data.
    pub tables: u64,
    /// Tables that were replaced, kept for readers that are still open.
    pub obsolete_tables: u64,
    /// Log segments, allocated in full.
    pub log: u64,
    /// Large values.
    pub blobs: u64,
}

impl DiskUsage {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.tables + self.obsolete_tables + self.log + self.blobs
    }
}

/// Bytes in memory by owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MemoryUsage {
    /// Memtables that take writes.
    pub active_memtables: u64,
    /// Memtables that wait for their flush.
    pub frozen_memtables: u64,
    /// Decoded blocks.
    pub block_cache: u64,
    /// Cached rows.
    pub row_cache: u64,
    /// Indexes and filters of tables.
    pub table_indexes: u64,
}

/// Numbers of one keyspace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct KeyspaceStatistics {
    /// Its name.
    pub name: String,
    /// Number of keys, roughly.
    pub approximate_len: u64,
    /// Runs of tables: places that a read may have to look at.
    pub runs: usize,
    /// Tables.
    pub tables: usize,
    /// Bytes of tables on the disk.
    pub table_bytes: u64,
    /// Bytes of keys and values in tables before compression, replaced versions among them.
    pub raw_bytes: u64,
    /// Deletions in tables, and versions with an expiry: what a merge may give back.
    pub tombstones: u64,
    /// Entries with an expiry, in tables.
    pub expiring: u64,
}

impl Statistics {
    pub(crate) fn of(engine: &Engine) -> Self {
        // Before the catalog's lock, which comes behind this one.
        let commits = engine.commit.lock().commits;
        let log = engine.log.get();
        let counters = &engine.work.counters;
        let cache = engine.cache.stats();
        let [row_cache_hits, row_cache_misses] = engine.rows.hits();
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let mut keyspaces = engine.live_keyspaces();
        keyspaces.sort_by(|a, b| a.name.cmp(&b.name));
        let views: Vec<_> = keyspaces.iter().map(|keyspace| keyspace.view.load_full()).collect();
        let tables = || views.iter().flat_map(|view| &view.runs).flat_map(|run| run.tables.iter());
        let visible = engine.visible();
        let now = engine.clock.monotonic();
        Self {
            last_lsn: visible,
            synced_lsn: log.map_or(visible, Log::synced),
            flushed_lsn: engine.catalog.lock().state().flushed_seq,
            oldest_change_lsn: log.map_or(0, Log::oldest_seq),
            disk: DiskUsage {
                tables: tables().map(|table| table.meta().file_len).sum(),
                obsolete_tables: engine
                    .obsolete
                    .lock()
                    .iter()
                    .map(|gone| gone.table.meta().file_len)
                    .sum(),
                log: log.map_or(0, Log::len),
                blobs: engine.blobs.bytes(),
            },
            memory: MemoryUsage {
                active_memtables: views.iter().map(|view| view.active.bytes()).sum(),
                frozen_memtables: engine.work.frozen_bytes(),
                block_cache: cache.bytes,
                row_cache: engine.rows.bytes(),
                table_indexes: tables().map(|part| part.table.memory() as u64).sum(),
            },
            keyspaces: keyspaces
                .iter()
                .zip(&views)
                .map(|(keyspace, view)| keyspace_statistics(&keyspace.name, view))
                .collect(),
            commits,
            syncs: log.map_or(0, Log::syncs),
            sync_waits: engine.work.counters.sync_waits.read(),
            flushes: count(&counters.flushes),
            merges: count(&counters.merges),
            merge_steps: count(&counters.merge_steps),
            merge_step_times: counters.merge_step_times.read(),
            merge_bytes: count(&counters.merge_bytes),
            merge_bytes_left: count(&counters.merge_bytes_left),
            table_bytes_written: count(&counters.table_bytes_written),
            paced: count(&counters.paced),
            stalls: count(&counters.stalls),
            stall_time: Duration::from_nanos(count(&counters.stall_ns)),
            stall_time_max: Duration::from_nanos(count(&counters.stall_ns_max)),
            snapshots: engine.snapshots.count(),
            oldest_snapshot_age: engine.snapshots.oldest().map(|since| now.saturating_sub(since)),
            cache_hits: cache.hits,
            cache_misses: cache.misses,
            row_cache_hits,
            row_cache_misses,
        }
    }
}

fn keyspace_statistics(name: &str, view: &crate::view::View) -> KeyspaceStatistics {
    let tables = || view.runs.iter().flat_map(|run| run.tables.iter()).map(Portion::meta);
    KeyspaceStatistics {
        name: name.to_owned(),
        approximate_len: view.approximate_len(),
        runs: view.runs.len(),
        tables: tables().count(),
        table_bytes: tables().map(|meta| meta.file_len).sum(),
        raw_bytes: tables().map(|meta| meta.raw_len).sum(),
        tombstones: tables().map(|meta| meta.tombstones).sum(),
        expiring: tables().map(|meta| meta.expiring).sum(),
    }
}
