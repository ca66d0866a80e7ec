//! What a store, its tables and pools count for themselves, brought into metrics when they are
//! read; and commits, as they are made.

use std::collections::HashMap;
use std::sync::Arc;

use lightning_db_ops::Coordinator;
use lightning_db_ops::metrics::{Metrics, SourceRegistration};
use lightning_db_storage::{Commit, CommitSubscription, Statistics, Store, Times, WholeChange};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use parking_lot::Mutex;

use super::names::{CACHES, COMMITTED, FILES, LEVELS, OWNERS};

/// Counts of commits since they were last read, gathered by a hook under the commit lock.
#[derive(Debug, Default)]
struct Committed {
    commits: u64,
    inserted: u64,
    removed: u64,
    cleared: u64,
    ingested: u64,
    /// By number of the index: entries inserted and removed.
    of_indexes: HashMap<u64, [u64; 2]>,
}

/// Follows the commits of a store and reads its statistics; for as long as it is there.
#[derive(Debug)]
pub(super) struct StoreSource {
    _hook: CommitSubscription,
    _source: SourceRegistration,
}

/// Kinds of indexes by their number, as far as tables have been registered.
pub(super) type IndexTypes = Arc<dyn Fn() -> Vec<(u64, &'static str)> + Send + Sync>;

impl StoreSource {
    pub(super) fn new(
        store: &Store,
        metrics: &Metrics,
        coordinator: &Coordinator,
        index_types: IndexTypes,
    ) -> Self {
        let committed = Arc::new(Mutex::new(Committed::default()));
        let hook = {
            let committed = Arc::clone(&committed);
            store.on_commit(move |commit| committed.lock().add(commit))
        };
        let handles = metrics.with(Handles::new);
        let (store, coordinator) = (store.clone(), coordinator.clone());
        let known = Mutex::new(HashMap::new());
        let source = metrics.register(move || {
            let committed = std::mem::take(&mut *committed.lock());
            if !committed.of_indexes.is_empty() {
                let mut known = known.lock();
                known.extend(index_types());
                publish_index_changes(&committed.of_indexes, &known);
            }
            handles.publish_commits(&committed);
            handles.publish(&store.statistics());
            handles.publish_shutdown(&coordinator);
        });
        Self { _hook: hook, _source: source }
    }
}

impl Committed {
    fn add(&mut self, commit: &Commit<'_>) {
        self.commits += 1;
        match commit.whole() {
            Some(WholeChange::Cleared(_)) => self.cleared += 1,
            Some(WholeChange::Ingested(_)) => self.ingested += 1,
            _ => {}
        }
        for change in commit.changes() {
            let is_removed = change.value.is_none() && !change.in_blob;
            if let Some(index) = index_of(change.keyspace) {
                self.of_indexes.entry(index).or_default()[usize::from(is_removed)] += 1;
            } else if is_removed {
                self.removed += 1;
            } else {
                self.inserted += 1;
            }
        }
    }
}

/// Number of the index that a keyspace belongs to.
fn index_of(keyspace: &str) -> Option<u64> {
    keyspace.strip_prefix("index/")?.split('/').next()?.parse().ok()
}

/// The kind of an index as a label.
#[cfg(feature = "tables")]
pub(super) fn index_type(kind: &lightning_db_table::index::IndexKind) -> &'static str {
    use lightning_db_table::index::IndexKind;
    match kind {
        IndexKind::Ordered(_) => "ordered",
        IndexKind::Hash(_) => "hash",
        IndexKind::Bitmap(_) => "bitmap",
        #[cfg(feature = "spatial")]
        IndexKind::Spatial(_) => "spatial",
        #[cfg(feature = "text")]
        IndexKind::Text(_) => "text",
        IndexKind::Bloom(_) => "bloom",
        _ => "other",
    }
}

fn publish_index_changes(of_indexes: &HashMap<u64, [u64; 2]>, known: &HashMap<u64, &'static str>) {
    for (index, counts) in of_indexes {
        let kind = known.get(index).copied().unwrap_or("other");
        for (operation, count) in ["insert", "remove"].into_iter().zip(counts) {
            let name = "lightningdb_index_operations_total";
            counter!(name, "index_type" => kind, "operation" => operation).increment(*count);
        }
    }
}

/// Cached handles of what a store counts.
struct Handles {
    operations: Box<[Counter]>,
    commits: Box<[Counter]>,
    syncs: Counter,
    unsynced: Gauge,
    sync_waits: Published,
    merge_steps: Published,
    flushes: Counter,
    table_bytes: Counter,
    stalls: Counter,
    stall_seconds: Counter,
    cache_hits: Box<[Counter]>,
    cache_misses: Box<[Counter]>,
    memory: Box<[Gauge]>,
    disk: Box<[Gauge]>,
    snapshots: Gauge,
    oldest_snapshot: Gauge,
    open_operations: Gauge,
    phase: Gauge,
}

impl Handles {
    fn new() -> Self {
        let operation =
            |name: &'static str| counter!("lightningdb_operations_total", "operation" => name);
        let commits =
            |level: &'static str| counter!("lightningdb_commits_total", "durability" => level);
        let memory =
            |owner: &'static str| gauge!("lightningdb_memory_usage_bytes", "owner" => owner);
        let hits = |cache: &'static str| counter!("lightningdb_cache_hits_total", "cache" => cache);
        let misses =
            |cache: &'static str| counter!("lightningdb_cache_misses_total", "cache" => cache);
        let disk = |kind: &'static str| gauge!("lightningdb_disk_usage_bytes", "kind" => kind);
        Self {
            operations: COMMITTED.iter().copied().map(operation).collect(),
            commits: LEVELS.iter().copied().map(commits).collect(),
            syncs: counter!("lightningdb_wal_syncs_total"),
            unsynced: gauge!("lightningdb_wal_unsynced_commits"),
            sync_waits: Published::new("lightningdb_wal_sync_duration_seconds"),
            merge_steps: Published::new("lightningdb_compaction_duration_seconds"),
            flushes: counter!("lightningdb_flushes_total"),
            table_bytes: counter!("lightningdb_table_written_bytes_total"),
            stalls: counter!("lightningdb_write_stalls_total"),
            stall_seconds: counter!("lightningdb_write_stall_seconds_total"),
            cache_hits: CACHES.iter().copied().map(hits).collect(),
            cache_misses: CACHES.iter().copied().map(misses).collect(),
            memory: OWNERS.iter().copied().map(memory).collect(),
            disk: FILES.iter().copied().map(disk).collect(),
            snapshots: gauge!("lightningdb_open_snapshots"),
            oldest_snapshot: gauge!("lightningdb_oldest_snapshot_age_seconds"),
            open_operations: gauge!("lightningdb_open_operations"),
            phase: gauge!("lightningdb_shutdown_phase"),
        }
    }

    fn publish_commits(&self, committed: &Committed) {
        let Committed { commits, inserted, removed, cleared, ingested, .. } = committed;
        let counts = [inserted, removed, commits, cleared, ingested];
        for (counter, count) in self.operations.iter().zip(counts) {
            counter.increment(*count);
        }
    }

    fn publish(&self, statistics: &Statistics) {
        let Statistics { commits, memory, disk, .. } = statistics;
        set_all(&self.commits, [commits.memory, commits.buffered, commits.sync]);
        set_all(&self.cache_hits, [statistics.cache_hits, statistics.row_cache_hits]);
        set_all(&self.cache_misses, [statistics.cache_misses, statistics.row_cache_misses]);
        let bytes = [
            memory.active_memtables,
            memory.frozen_memtables,
            memory.block_cache,
            memory.row_cache,
            memory.table_indexes,
        ];
        self.memory.iter().zip(bytes).for_each(|(gauge, bytes)| gauge.set(float(bytes)));
        let bytes = [disk.tables, disk.obsolete_tables, disk.log, disk.blobs];
        self.disk.iter().zip(bytes).for_each(|(gauge, bytes)| gauge.set(float(bytes)));
        self.syncs.absolute(statistics.syncs);
        self.unsynced.set(float(statistics.last_lsn.saturating_sub(statistics.synced_lsn)));
        self.sync_waits.publish(&statistics.sync_waits);
        self.merge_steps.publish(&statistics.merge_step_times);
        self.flushes.absolute(statistics.flushes);
        self.table_bytes.absolute(statistics.table_bytes_written);
        self.stalls.absolute(statistics.stalls);
        self.stall_seconds.absolute(statistics.stall_time.as_secs());
        self.snapshots.set(float(statistics.snapshots as u64));
        let age = statistics.oldest_snapshot_age.unwrap_or_default();
        self.oldest_snapshot.set(age.as_secs_f64());
    }

    fn publish_shutdown(&self, coordinator: &Coordinator) {
        self.open_operations.set(float(coordinator.operations().open as u64));
        self.phase.set(f64::from(coordinator.phase() as u8));
    }
}

fn set_all<const N: usize>(counters: &[Counter], counts: [u64; N]) {
    counters.iter().zip(counts).for_each(|(counter, count)| counter.absolute(count));
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

/// A histogram that is brought up to times which somebody else counts.
struct Published {
    to: Histogram,
    before: Mutex<Times>,
}

impl Published {
    fn new(name: &'static str) -> Self {
        Self { to: histogram!(name), before: Mutex::default() }
    }

    /// Records what has come since the last time, at the end of each step.
    fn publish(&self, times: &Times) {
        let mut before = self.before.lock();
        for ((end, now), (_, known)) in times.steps().zip(before.steps()) {
            let new = usize::try_from(now.saturating_sub(known)).unwrap_or(usize::MAX);
            if new > 0 {
                self.to.record_many(end.as_secs_f64(), new);
            }
        }
        *before = *times;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyspaces_of_indexes_are_told_from_others() {
        assert_eq!(index_of("index/17/entries"), Some(17));
        assert_eq!(index_of("index/x/entries"), None);
        assert_eq!(index_of("table/17"), None);
        assert_eq!(index_of("indexes"), None);
    }
}
