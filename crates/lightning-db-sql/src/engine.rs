//! What all connections to the tables of a store share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lightning_db_query::{EngineOptions, QueryEngine};
use lightning_db_table::Tables;
use quick_cache::sync::Cache;

use crate::connection::Connection;
use crate::error::Result;
use crate::lift::Lifted;
use crate::parse;
use crate::past::HeldSnapshots;
use crate::prepared::Prepared;

/// Statements that are kept with their plans, by their text.
const CACHED: usize = 1_000;
/// Bytes of a text up to which it is kept.
const CACHED_LEN_MAX: usize = 16 << 10;

/// SQL over the tables of a store: planner, plan cache, and connections. Cheap to clone; any
/// thread may use it.
///
/// A statement is looked up by its text before that is read: one that was run before is neither
/// parsed nor planned again.
#[derive(Debug, Clone)]
pub struct SqlEngine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    queries: QueryEngine,
    cache: Cache<String, Arc<Prepared>>,
    /// By texts with parameters in the place of values.
    lifted: Cache<String, Lift>,
    plans_found: AtomicU64,
    plans_made: AtomicU64,
    held: HeldSnapshots,
}

/// Plans of statements since the engine was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlanCounts {
    /// Runs that found a plan of an earlier one.
    pub hits: u64,
    /// Runs for which a plan was made.
    pub misses: u64,
}

/// How texts run that differ in their values alone.
#[derive(Debug, Clone)]
pub(crate) enum Lift {
    /// All by one statement.
    Together(Arc<Prepared>),
    /// Each by itself: its plan depends on the values, or it is not run with parameters.
    Alone,
}

impl SqlEngine {
    /// SQL over the tables of a store.
    pub fn new(tables: &Tables) -> Self {
        Self::with_options(tables, EngineOptions::default())
    }

    /// SQL with options for planning and running queries.
    pub fn with_options(tables: &Tables, options: EngineOptions) -> Self {
        let queries = QueryEngine::with_options(tables, options);
        let inner = Inner {
            queries,
            cache: Cache::new(CACHED),
            lifted: Cache::new(CACHED),
            plans_found: AtomicU64::new(0),
            plans_made: AtomicU64::new(0),
            held: HeldSnapshots::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// A connection.
    pub fn connect(&self) -> Connection {
        Connection::new(self.clone())
    }

    /// The tables.
    pub fn tables(&self) -> &Tables {
        self.inner.queries.tables()
    }

    /// Planner and executor of queries.
    pub fn queries(&self) -> &QueryEngine {
        &self.inner.queries
    }

    /// How often a plan was found, and how often one was made.
    pub fn plan_counts(&self) -> PlanCounts {
        let Inner { plans_found, plans_made, .. } = &*self.inner;
        let [hits, misses] = [plans_found, plans_made].map(|it| it.load(Ordering::Relaxed));
        PlanCounts { hits, misses }
    }

    pub(crate) fn count_plan(&self, is_known: bool) {
        let Inner { plans_found, plans_made, .. } = &*self.inner;
        let count = if is_known { plans_found } else { plans_made };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// The states that connections hold.
    pub(crate) fn held(&self) -> &HeldSnapshots {
        &self.inner.held
    }

    /// The statement of a text, from the cache if it was run before.
    pub(crate) fn prepared(&self, text: &str) -> Result<Arc<Prepared>> {
        if let Some(known) = self.inner.cache.get(text) {
            return Ok(known);
        }
        let prepared = Arc::new(Prepared::new(parse::parse_one(text)?));
        if text.len() <= CACHED_LEN_MAX && prepared.is_planned() {
            self.inner.cache.insert(text.to_owned(), Arc::clone(&prepared));
        }
        Ok(prepared)
    }

    /// Whether a text is run by a plan of its own.
    pub(crate) fn is_cached(&self, text: &str) -> bool {
        self.inner.cache.peek(text).is_some()
    }

    /// How texts run that differ from one in their values alone, if that is known.
    pub(crate) fn lifted(&self, lifted: &Lifted) -> Option<Lift> {
        self.inner.lifted.get(&lifted.text)
    }

    pub(crate) fn remember(&self, lifted: Lifted, how: Lift) {
        self.inner.lifted.insert(lifted.text, how);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lift::lift;

    #[test]
    fn texts_share_a_plan_where_rows_are_found_by_a_key() {
        let dir = tempfile::tempdir().unwrap();
        let connection = Connection::open(dir.path()).unwrap();
        let made = connection.execute_batch(
            "CREATE TABLE t (id BIGINT PRIMARY KEY, a BIGINT);
             CREATE INDEX t_a ON t (a);
             INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)",
        );
        made.unwrap();
        let shares = |text: &str| {
            connection.query(text, ()).unwrap();
            let how = connection.engine().lifted(&lift(text).unwrap()).unwrap();
            matches!(how, Lift::Together(_))
        };
        assert!(shares("SELECT a FROM t WHERE id = 1"));
        assert!(shares("UPDATE t SET a = 5 WHERE id = 2"));
        assert!(shares("INSERT INTO t VALUES (4, 4)"));
        assert!(!shares("SELECT id FROM t WHERE a > 1"));
        assert!(!shares("SELECT id FROM t WHERE a = 3"));
        // What is known to need a plan of its own gets it.
        connection.query("SELECT id FROM t WHERE a = 3", ()).unwrap();
        assert!(connection.engine().is_cached("SELECT id FROM t WHERE a = 3"));
        assert!(!connection.engine().is_cached("SELECT a FROM t WHERE id = 1"));
    }

    #[test]
    fn a_plan_is_made_once_and_found_from_then_on() {
        let dir = tempfile::tempdir().unwrap();
        let connection = Connection::open(dir.path()).unwrap();
        connection.execute("CREATE TABLE t (id BIGINT PRIMARY KEY)", ()).unwrap();
        let before = connection.engine().plan_counts();
        for id in 0..5 {
            connection.execute("INSERT INTO t VALUES ($1)", [id]).unwrap();
        }
        let after = connection.engine().plan_counts();
        assert_eq!((after.hits - before.hits, after.misses - before.misses), (4, 1));
    }
}
