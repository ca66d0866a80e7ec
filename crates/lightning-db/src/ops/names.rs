//! The metrics of a database, declared once.

use lightning_db_ops::metrics::{Kind, Metric};
use metrics::Unit;

/// Values of labels, in the order in which the handles of their series are made.
pub(super) const OPERATIONS: &[&str] = &[
    "get",
    "scan",
    "find",
    "query",
    "transaction",
    "insert",
    "remove",
    "commit",
    "clear",
    "ingest",
];
/// Operations that are made through the meters, and those that commits count.
pub(super) const MEASURED: &[&str] = OPERATIONS.split_at(5).0;
pub(super) const COMMITTED: &[&str] = OPERATIONS.split_at(5).1;
pub(super) const QUERY_TYPES: &[&str] = &["select", "find", "write", "other"];
pub(super) const INDEX_TYPES: &[&str] = &["ordered", "hash", "bitmap", "spatial", "text", "bloom"];
pub(super) const ERROR_TYPES: &[&str] = &[
    "io",
    "corrupt",
    "poisoned",
    "closed",
    "read_only",
    "limit",
    "contention",
    "not_found",
    "argument",
    "cancelled",
    "other",
];
pub(super) const LEVELS: &[&str] = &["memory", "buffered", "sync"];
pub(super) const CACHES: &[&str] = &["block", "row"];
pub(super) const OWNERS: &[&str] =
    &["active_memtables", "frozen_memtables", "block_cache", "row_cache", "table_indexes"];
pub(super) const FILES: &[&str] = &["tables", "obsolete_tables", "log", "blobs"];

/// All metrics of a [`Service`](super::Service), with their help, units and labels.
pub const METRICS: &[Metric] = &[
    counter(
        "lightningdb_operations_total",
        "Operations. Changes and commits of the store are counted when they are committed, however \
         they were made; reads when they end, if they were made through the meters.",
        &[("operation", OPERATIONS)],
    ),
    histogram(
        "lightningdb_operation_duration_seconds",
        "How long operations took that were made through the meters. Of gets one in 64 \
         is timed; of the others, all.",
        &[("operation", MEASURED)],
    ),
    histogram(
        "lightningdb_query_duration_seconds",
        "How long queries took that were made through the meters: statements that read, that \
         write, and others (such as those that define, and those that fail), and questions to one \
         index.",
        &[("query_type", QUERY_TYPES)],
    ),
    counter(
        "lightningdb_errors_total",
        "Operations made through the meters that ended with an error.",
        &[("error_type", ERROR_TYPES)],
    ),
    counter(
        "lightningdb_index_operations_total",
        "Keys that commits put into indexes and removed from them (a bitmap puts its changes, \
         until they are folded), and questions to indexes that were made through the meters.",
        &[("index_type", INDEX_TYPES), ("operation", &["insert", "remove", "find"])],
    ),
    counter(
        "lightningdb_commits_total",
        "Commits by durability level, counted when they are visible.",
        &[("durability", LEVELS)],
    ),
    histogram(
        "lightningdb_wal_sync_duration_seconds",
        "How long commits at level sync waited for theirs, by powers of two: a value stands for \
         those between its half and itself.",
        &[],
    ),
    counter("lightningdb_wal_syncs_total", "Syncs of the log; commits share them.", &[]),
    gauge(
        "lightningdb_wal_unsynced_commits",
        Unit::Count,
        "Commits that are not known to be on the disk.",
        &[],
    ),
    histogram(
        "lightningdb_compaction_duration_seconds",
        "How long the steps of merges took, by powers of two: a value stands for those between its \
         half and itself.",
        &[],
    ),
    counter("lightningdb_flushes_total", "Memtables written to tables.", &[]),
    counter(
        "lightningdb_table_written_bytes_total",
        "Bytes of tables written by flushes and merges.",
        &[],
    ),
    counter("lightningdb_write_stalls_total", "Writes that waited for a flush.", &[]),
    counter(
        "lightningdb_write_stall_seconds_total",
        "Whole seconds that writes waited for a flush, together.",
        &[],
    ),
    counter("lightningdb_cache_hits_total", "Reads that a cache answered.", &[("cache", CACHES)]),
    counter(
        "lightningdb_cache_misses_total",
        "Reads that a cache did not answer.",
        &[("cache", CACHES)],
    ),
    counter(
        "lightningdb_plan_cache_hits_total",
        "Runs of SQL statements that found the plan of an earlier one, of registered engines.",
        &[],
    ),
    counter(
        "lightningdb_plan_cache_misses_total",
        "Runs of SQL statements for which a plan was made, of registered engines.",
        &[],
    ),
    counter(
        "lightningdb_column_cache_hits_total",
        "Segments of tables of which a scan found all columns decoded, of registered engines.",
        &[],
    ),
    counter(
        "lightningdb_column_cache_misses_total",
        "Segments of tables that a scan read, of registered engines.",
        &[],
    ),
    gauge(
        "lightningdb_column_cache_bytes",
        Unit::Bytes,
        "Bytes of decoded columns that registered engines keep between scans.",
        &[],
    ),
    gauge(
        "lightningdb_memory_usage_bytes",
        Unit::Bytes,
        "Bytes in memory by owner.",
        &[("owner", OWNERS)],
    ),
    gauge(
        "lightningdb_disk_usage_bytes",
        Unit::Bytes,
        "Bytes on the disk by kind of file.",
        &[("kind", FILES)],
    ),
    gauge(
        "lightningdb_open_snapshots",
        Unit::Count,
        "Open snapshots, iterators and transactions.",
        &[],
    ),
    gauge(
        "lightningdb_oldest_snapshot_age_seconds",
        Unit::Seconds,
        "Age of the oldest of them; zero if there is none.",
        &[],
    ),
    gauge(
        "lightningdb_active_connections",
        Unit::Count,
        "Connections of the registered pools that are in use.",
        &[],
    ),
    counter(
        "lightningdb_pool_waits_total",
        "Callers of the registered pools that had to wait.",
        &[],
    ),
    counter(
        "lightningdb_pool_timeouts_total",
        "Callers of the registered pools whose time ran out.",
        &[],
    ),
    gauge(
        "lightningdb_replication_lag_seconds",
        Unit::Seconds,
        "How long ago a named reader of changes had read all of them; zero while it has.",
        &[("replica", &[])],
    ),
    gauge(
        "lightningdb_open_operations",
        Unit::Count,
        "Operations that a shutdown would wait for.",
        &[],
    ),
    gauge(
        "lightningdb_shutdown_phase",
        Unit::Count,
        "0 running, 1 prepare, 2 drain, 3 shutdown, 4 complete, 5 failed.",
        &[],
    ),
];

type Labels = &'static [(&'static str, &'static [&'static str])];

const fn counter(name: &'static str, help: &'static str, labels: Labels) -> Metric {
    Metric { name, kind: Kind::Counter, unit: Unit::Count, help, labels }
}

const fn gauge(name: &'static str, unit: Unit, help: &'static str, labels: Labels) -> Metric {
    Metric { name, kind: Kind::Gauge, unit, help, labels }
}

const fn histogram(name: &'static str, help: &'static str, labels: Labels) -> Metric {
    Metric { name, kind: Kind::Histogram, unit: Unit::Seconds, help, labels }
}
