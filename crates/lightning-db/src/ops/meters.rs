//! Operations that are counted and timed: cached handles, no look-up on use.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lightning_db_ops::metrics::{Labelled, Metrics, SourceRegistration};
use lightning_db_storage::{Keyspace, Result, Slice};
use lightning_db_types::Clock;
use metrics::{Counter, Histogram, counter, histogram};

use super::errors::ErrorType;
use super::names::{ERROR_TYPES, MEASURED};
#[cfg(feature = "tables")]
use super::names::{INDEX_TYPES, QUERY_TYPES};
#[cfg(feature = "tables")]
use super::sources::index_type;

/// Of so many gets one is timed: two clock readings cost as much as a get from memory.
const TIMED_GETS: u64 = 64;

/// What is counted by its own name, in the order of the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A look-up of one key.
    Get,
    /// A walk over keys in order.
    Scan,
    /// A question to one index.
    Find,
    /// A statement.
    Query,
    /// A transaction with all its reads and writes.
    Transaction,
}

/// Counts and times operations. Cheap to clone.
#[derive(Clone)]
pub struct Meters(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    slow_after: Option<Duration>,
    operations: [Meter; 5],
    /// Gets that the counter does not have yet: it takes them when the metrics are read, so that a
    /// get is counted by one instruction.
    gets: Arc<AtomicU64>,
    _gets_source: SourceRegistration,
    errors: Labelled<Counter>,
    #[cfg(feature = "tables")]
    queries: Labelled<Histogram>,
    #[cfg(feature = "tables")]
    finds: Labelled<Counter>,
}

struct Meter {
    name: &'static str,
    count: Counter,
    time: Histogram,
}

impl Meters {
    pub(super) fn new(
        metrics: &Metrics,
        clock: &Arc<dyn Clock>,
        slow_after: Option<Duration>,
    ) -> Self {
        let operations: [Meter; 5] = metrics.with(|| {
            std::array::from_fn(|operation| {
                let name = MEASURED[operation];
                Meter {
                    name,
                    count: counter!("lightningdb_operations_total", "operation" => name),
                    time: histogram!("lightningdb_operation_duration_seconds", "operation" => name),
                }
            })
        });
        let gets = Arc::new(AtomicU64::new(0));
        let uncounted = Arc::clone(&gets);
        let counter = operations[Operation::Get as usize].count.clone();
        let source = move || counter.increment(uncounted.swap(0, Ordering::Relaxed));
        let error = |kind| counter!("lightningdb_errors_total", "error_type" => kind);
        #[cfg(feature = "tables")]
        let find = |kind| {
            let name = "lightningdb_index_operations_total";
            counter!(name, "index_type" => kind, "operation" => "find")
        };
        #[cfg(feature = "tables")]
        let query = |kind| histogram!("lightningdb_query_duration_seconds", "query_type" => kind);
        Self(Arc::new(Inner {
            clock: Arc::clone(clock),
            slow_after,
            operations,
            gets,
            _gets_source: metrics.register(source),
            errors: metrics.with(|| Labelled::new(ERROR_TYPES, error)),
            #[cfg(feature = "tables")]
            queries: metrics.with(|| Labelled::new(QUERY_TYPES, query)),
            #[cfg(feature = "tables")]
            finds: metrics.with(|| Labelled::new(INDEX_TYPES, find)),
        }))
    }

    /// [`Keyspace::get`], counted.
    ///
    /// # Errors
    /// Those of the get.
    pub fn get(&self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> Result<Option<Slice>> {
        let before = self.0.gets.fetch_add(1, Ordering::Relaxed);
        let result = if before.is_multiple_of(TIMED_GETS) {
            self.timed_get(keyspace, key.as_ref())
        } else {
            keyspace.get(key)
        };
        if let Err(error) = &result {
            self.count_error(error);
        }
        result
    }

    #[cold]
    fn timed_get(&self, keyspace: &Keyspace, key: &[u8]) -> Result<Option<Slice>> {
        self.timed(Operation::Get, || keyspace.get(key)).0
    }

    /// Does something that counts as this operation, and times it. One that is slower than the
    /// service's threshold is logged.
    ///
    /// # Errors
    /// Those of `body`, which are counted.
    pub fn measure<T, E: ErrorType>(
        &self,
        operation: Operation,
        body: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.counted(operation, body).0
    }

    /// Runs a statement to its last row, counted as a query.
    ///
    /// # Errors
    /// Those of the statement.
    #[cfg(feature = "query")]
    pub fn query<'s>(
        &self,
        statement: &lightning_db_query::Statement,
        source: impl Into<lightning_db_query::Source<'s>>,
        parameters: &[lightning_db_types::Value],
    ) -> lightning_db_query::Result<Vec<Vec<lightning_db_types::Value>>> {
        let body = || statement.rows(source, parameters);
        let (result, time) = self.counted(Operation::Query, body);
        self.record_query("select", time);
        result
    }

    /// Runs a statement of SQL, counted as a query that reads or writes.
    ///
    /// # Errors
    /// Those of the statement.
    #[cfg(feature = "sql")]
    pub fn sql(
        &self,
        connection: &lightning_db_sql::Connection,
        sql: &str,
        parameters: impl lightning_db_sql::Parameters,
    ) -> lightning_db_sql::Result<lightning_db_sql::Outcome> {
        use lightning_db_sql::Outcome;
        let body = || connection.run(sql, parameters);
        let (result, time) = self.counted(Operation::Query, body);
        let kind = match &result {
            Ok(Outcome::Rows(_)) => "select",
            Ok(Outcome::Written { .. }) => "write",
            _ => "other",
        };
        self.record_query(kind, time);
        result
    }

    #[cfg(feature = "tables")]
    fn record_query(&self, kind: &str, time: Duration) {
        if let Some(times) = self.0.queries.get(kind) {
            times.record(time.as_secs_f64());
        }
    }

    /// Asks one index, counted as a question to an index of its kind.
    ///
    /// # Errors
    /// Those of the index.
    #[cfg(feature = "tables")]
    pub fn find(
        &self,
        reader: &lightning_db_table::TableReader<'_>,
        index: &str,
        query: &lightning_db_table::index::IndexQuery,
    ) -> lightning_db_table::Result<lightning_db_table::index::RowSet> {
        let (result, time) = self.counted(Operation::Find, || reader.find(index, query));
        self.record_query("find", time);
        if let Ok(index) = reader.index(index)
            && let Some(finds) = self.0.finds.get(index_type(&index.definition().kind))
        {
            finds.increment(1);
        }
        result
    }

    fn counted<T, E: ErrorType>(
        &self,
        operation: Operation,
        body: impl FnOnce() -> Result<T, E>,
    ) -> (Result<T, E>, Duration) {
        self.0.operations[operation as usize].count.increment(1);
        let (result, time) = self.timed(operation, body);
        if let Err(error) = &result {
            self.count_error(error);
        }
        (result, time)
    }

    fn timed<T>(&self, operation: Operation, body: impl FnOnce() -> T) -> (T, Duration) {
        let Inner { clock, operations, slow_after, .. } = &*self.0;
        let meter = &operations[operation as usize];
        let since = clock.monotonic();
        let result = body();
        let time = clock.monotonic().saturating_sub(since);
        meter.time.record(time.as_secs_f64());
        if slow_after.is_some_and(|limit| time >= limit) {
            tracing::warn!(operation = meter.name, seconds = time.as_secs_f64(), "slow operation");
        }
        (result, time)
    }

    #[cold]
    fn count_error(&self, error: &impl ErrorType) {
        // One of a kind without a name of its own is an error all the same.
        let errors = &self.0.errors;
        if let Some(errors) = errors.get(error.error_type()).or_else(|| errors.get("other")) {
            errors.increment(1);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let count = &self.operations[Operation::Get as usize].count;
        count.increment(self.gets.swap(0, Ordering::Relaxed));
    }
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meters").field("slow_after", &self.0.slow_after).finish_non_exhaustive()
    }
}
