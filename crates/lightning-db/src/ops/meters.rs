//! Operations that are counted and timed: cached handles, no look-up on use.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lightning_db_ops::metrics::Metrics;
use lightning_db_storage::{Keyspace, Result, Slice};
use lightning_db_types::Clock;
use metrics::{Counter, Histogram, counter, histogram};

use super::errors::ErrorType;

/// Of so many gets of a thread one is timed: two clock readings cost as much as a get from memory.
const TIMED_GETS: u32 = 16;

thread_local! {
    static GETS: Cell<u32> = const { Cell::new(0) };
}

/// What is counted by its own name.
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

const OPERATIONS: [(Operation, &str); 5] = [
    (Operation::Get, "get"),
    (Operation::Scan, "scan"),
    (Operation::Find, "find"),
    (Operation::Query, "query"),
    (Operation::Transaction, "transaction"),
];

/// Counts and times operations. Cheap to clone.
#[derive(Clone)]
pub struct Meters(Arc<Inner>);

struct Inner {
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    slow_after: Option<Duration>,
    operations: [Meter; 5],
    #[cfg(feature = "query")]
    select_time: Histogram,
    #[cfg(feature = "tables")]
    find_time: Histogram,
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
        let operations = metrics.with(|| {
            OPERATIONS.map(|(_, name)| Meter {
                name,
                count: counter!("lightningdb_operations_total", "operation" => name),
                time: histogram!("lightningdb_operation_duration_seconds", "operation" => name),
            })
        });
        #[cfg(any(feature = "query", feature = "tables"))]
        let query_time = |kind: &'static str| {
            metrics.with(|| histogram!("lightningdb_query_duration_seconds", "query_type" => kind))
        };
        Self(Arc::new(Inner {
            metrics: metrics.clone(),
            clock: Arc::clone(clock),
            slow_after,
            operations,
            #[cfg(feature = "query")]
            select_time: query_time("select"),
            #[cfg(feature = "tables")]
            find_time: query_time("find"),
        }))
    }

    /// [`Keyspace::get`], counted.
    ///
    /// # Errors
    /// Those of the get.
    pub fn get(&self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> Result<Option<Slice>> {
        let number = GETS.get();
        GETS.set(number.wrapping_add(1));
        if number.is_multiple_of(TIMED_GETS) {
            return self.measure(Operation::Get, || keyspace.get(key));
        }
        self.0.operations[Operation::Get as usize].count.increment(1);
        keyspace.get(key).inspect_err(|error| self.count_error(error))
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
        self.timed(operation, body).0
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
        let (result, time) = self.timed(Operation::Query, body);
        self.0.select_time.record(time.as_secs_f64());
        result
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
        let (result, time) = self.timed(Operation::Find, || reader.find(index, query));
        self.0.find_time.record(time.as_secs_f64());
        if let Ok(index) = reader.index(index) {
            let kind = super::sources::index_type(&index.definition().kind);
            let name = "lightningdb_index_operations_total";
            let found = || counter!(name, "index_type" => kind, "operation" => "find");
            let found = self.0.metrics.with(found);
            found.increment(1);
        }
        result
    }

    fn timed<T, E: ErrorType>(
        &self,
        operation: Operation,
        body: impl FnOnce() -> Result<T, E>,
    ) -> (Result<T, E>, Duration) {
        let Inner { clock, operations, slow_after, .. } = &*self.0;
        let meter = &operations[operation as usize];
        let since = clock.monotonic();
        let result = body();
        let time = clock.monotonic().saturating_sub(since);
        meter.count.increment(1);
        meter.time.record(time.as_secs_f64());
        if slow_after.is_some_and(|limit| time >= limit) {
            tracing::warn!(operation = meter.name, seconds = time.as_secs_f64(), "slow operation");
        }
        if let Err(error) = &result {
            self.count_error(error);
        }
        (result, time)
    }

    #[cold]
    fn count_error(&self, error: &impl ErrorType) {
        let kind = error.error_type();
        let errors =
            self.0.metrics.with(|| counter!("lightningdb_errors_total", "error_type" => kind));
        errors.increment(1);
    }
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meters").field("slow_after", &self.0.slow_after).finish_non_exhaustive()
    }
}
