//! Planning queries over the tables of a store.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use lightning_db_optimizer::cache::CacheCounters;
use lightning_db_optimizer::{Context, Hints, Optimizer, Plan, Query, QueryBuilder, Settings};
use lightning_db_table::{Table, Tables};
use lightning_db_types::Clock;

use crate::catalog::TableCatalog;
use crate::error::Result;
use crate::execute::{ColumnCache, ColumnCacheStatistics};
use crate::learn::Learned;
use crate::source::Source;
use crate::statement::{Statement, Variants};

/// By how much the rows of a table may grow or shrink before statistics are looked at again.
const DRIFT: f64 = 1.5;
/// Rows that a table may have more or less in any case.
const DRIFT_ROWS: u64 = 1_000;

/// How an engine plans and runs.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Bytes that a run may keep for sorts, groups and sides of joins: 256 MiB by default.
    pub memory_limit: usize,
    /// Bytes of decoded columns that scans keep for the next ones, 64 MiB by default; with zero
    /// each scan decodes what it reads. They are kept beside what the store keeps in memory.
    pub column_cache: usize,
    /// How plans are made. They are for one worker and this cache of columns.
    pub settings: Settings,
    /// Whether rows are counted in a few runs of each statement, and plans follow what was counted:
    /// so by default.
    pub learning: bool,
    /// Whether statements have plans of their own for values of parameters that leave few rows and
    /// for those that leave many: so by default.
    pub variants: bool,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            memory_limit: 256 << 20,
            column_cache: 64 << 20,
            settings: Settings::default(),
            learning: true,
            variants: true,
        }
    }
}

/// Plans and runs queries over tables. Cheap to clone; any thread may use it.
#[derive(Debug, Clone)]
pub struct QueryEngine {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) tables: Tables,
    pub(crate) optimizer: Optimizer,
    pub(crate) memory_limit: usize,
    pub(crate) columns: ColumnCache,
    /// What runs have taught, if they do.
    pub(crate) learned: Option<Learned>,
    /// Plans for values of parameters, if there are such.
    pub(crate) variants: Option<Variants>,
    /// The newest definitions and statistics, as long as these are near.
    catalog: ArcSwapOption<TableCatalog>,
}

impl QueryEngine {
    /// An engine over the tables of a store.
    pub fn new(tables: &Tables) -> Self {
        Self::with_options(tables, EngineOptions::default())
    }

    /// An engine with options.
    pub fn with_options(tables: &Tables, options: EngineOptions) -> Self {
        let EngineOptions { memory_limit, column_cache, settings, learning, variants } = options;
        let columns = ColumnCache::new(column_cache);
        let optimizer = Optimizer::new(Settings { workers: 1, column_cache, ..settings });
        let learned = learning.then(|| Learned::open(tables.store()));
        let variants = variants.then(Variants::new);
        let (tables, catalog) = (tables.clone(), ArcSwapOption::empty());
        let inner = Inner { tables, optimizer, memory_limit, columns, learned, variants, catalog };
        Self { inner: Arc::new(inner) }
    }

    /// Bytes of rows that a query may keep.
    pub fn memory_limit(&self) -> usize {
        self.inner.memory_limit
    }

    /// How often scans found decoded columns of earlier ones, and what these take.
    pub fn column_cache(&self) -> ColumnCacheStatistics {
        self.inner.columns.statistics()
    }

    /// The tables.
    pub fn tables(&self) -> &Tables {
        &self.inner.tables
    }

    /// Definitions and statistics of the tables as they are now.
    ///
    /// # Errors
    /// Those of the tables.
    pub fn catalog(&self) -> Result<Arc<TableCatalog>> {
        self.inner.catalog()
    }

    /// Keeps what was learned in the store, a commit of its own: engines that are made later begin
    /// with it. Without learning it does nothing.
    ///
    /// # Errors
    /// Those of the store.
    pub fn save_learned(&self) -> Result<()> {
        match &self.inner.learned {
            Some(learned) => learned.save(self.tables().store()),
            None => Ok(()),
        }
    }

    /// How often runs found a plan for the values of their parameters, and how often they did not:
    /// of statements that have something to choose, since the engine was made.
    pub fn plan_cache(&self) -> CacheCounters {
        self.inner.variants.as_ref().map(Variants::counters).unwrap_or_default()
    }

    /// Plans a query, to be run any number of times.
    ///
    /// # Errors
    /// [`Error::Query`](crate::Error::Query) if it names what is not there or compares what does
    /// not compare; [`Error::Unsupported`](crate::Error::Unsupported).
    pub fn prepare(&self, query: &QueryBuilder) -> Result<Statement> {
        self.prepare_with(query, Hints::default())
    }

    /// [`prepare`](Self::prepare), with hints of what the plan should be like. Those that no plan
    /// can follow are left out, and shown with the plan.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub fn prepare_with(&self, query: &QueryBuilder, hints: Hints) -> Result<Statement> {
        Statement::new(&self.inner, (query.clone(), hints), &*self.inner.catalog()?)
    }

    /// [`prepare_with`](Self::prepare_with), for the definitions that a source sees, which may be
    /// older than the newest ones.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub fn prepare_for<'s>(
        &self,
        source: impl Into<Source<'s>>,
        query: &QueryBuilder,
        hints: Hints,
    ) -> Result<Statement> {
        let catalog = self.inner.catalog_of(source.into())?;
        Statement::new(&self.inner, (query.clone(), hints), &catalog)
    }
}

impl Inner {
    pub(crate) fn catalog(&self) -> Result<Arc<TableCatalog>> {
        let snapshot = self.tables.snapshot();
        if let Some(known) = &*self.catalog.load()
            && known.is_near(Source::from(&snapshot))
        {
            return Ok(Arc::clone(known));
        }
        let catalog = Arc::new(TableCatalog::new(&snapshot)?);
        self.catalog.store(Some(Arc::clone(&catalog)));
        Ok(catalog)
    }

    /// The definitions that a source sees.
    pub(crate) fn catalog_of(&self, source: Source<'_>) -> Result<Arc<TableCatalog>> {
        let newest = self.catalog()?;
        if newest.is_version(source) {
            return Ok(newest);
        }
        Ok(Arc::new(TableCatalog::of(source, None)?))
    }

    /// The best plan of a query: the one that is hinted at, or by what was learned.
    pub(crate) fn plan(
        &self,
        (query, hints): (&Query, &Hints),
        catalog: &TableCatalog,
    ) -> Result<Plan> {
        match &self.learned {
            Some(learned) if hints.is_empty() => learned.plan(&self.optimizer, query, catalog),
            _ => {
                let context = Context::new(catalog).with_hints(hints);
                Ok(self.optimizer.optimize_with(query, &context)?)
            }
        }
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        self.tables.store().clock()
    }
}

/// What statistics of a table something was made for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    rows: u64,
    analyses: u64,
}

impl Seen {
    pub(crate) fn new(rows: u64, analyses: u64) -> Self {
        Self { rows, analyses }
    }

    /// Whether a table is about as large as it was, and was not analyzed since.
    #[inline]
    pub(crate) fn is_near(self, table: &Table, rows: u64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "counts of rows need not be exact")]
        let (low, high) = (self.rows.min(rows) as f64, self.rows.max(rows) as f64);
        let is_as_large = self.rows.abs_diff(rows) <= DRIFT_ROWS || high <= low * DRIFT;
        is_as_large && self.analyses == table.analyses()
    }
}
