//! An open store as a service: shut down in order, measured, and asked for its health.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lightning_db_ops::metrics::{Metrics, MetricsOptions};
use lightning_db_ops::{
    Component, Coordinator, Endpoint, EndpointOptions, Health, Priority, Registered, Registration,
    Report, Result, ShutdownOptions,
};
use lightning_db_storage::{Error, Store};
use parking_lot::Mutex;

use super::checks::{self, Limits};
use super::meters::Meters;
use super::names::METRICS;
use super::replica::Replica;
use super::sources::{IndexTypes, StoreSource};

/// How a store becomes a service.
#[derive(Debug, Clone)]
#[must_use]
pub struct ServiceOptions {
    shutdown: ShutdownOptions,
    metrics: MetricsOptions,
    endpoint: Option<EndpointOptions>,
    limits: Limits,
    slow_after: Option<Duration>,
}

/// An open store with its coordinator, metrics, health checks and endpoint.
///
/// The store is shut down behind everything that is registered with it: closed, so that all
/// commits are on the disk. Dropping the service ends the endpoint and the checks; it neither
/// begins a shutdown nor closes the store.
///
/// # Examples
/// ```
/// use lightning_db::ops::{EndpointOptions, ServiceOptions, metrics::Format};
/// use lightning_db::{KeyspaceOptions, Store};
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("shop.db");
///
/// let (store, _) = Store::open(path)?;
/// let service = ServiceOptions::new()
///     .endpoint(EndpointOptions::new(([127, 0, 0, 1], 0).into()))
///     .start(&store)?;
/// let stock = store.keyspace("stock", KeyspaceOptions::new())?;
/// service.coordinator().set_ready(true);
///
/// stock.insert("apples", "7")?;
/// assert!(service.meters().get(&stock, "apples")?.is_some());
/// let text = service.metrics().render(Format::Text); // and at http://ADDRESS/metrics
/// assert!(text.contains("lightningdb_operations_total{operation=\"insert\"} 1"));
/// assert!(text.contains("lightningdb_operations_total{operation=\"get\"} 1"));
///
/// let report = service.shutdown_blocking(); // or a signal: `coordinator().listen_for_signals()`
/// assert!(report.is_clean(), "{report}");
/// assert!(stock.insert("pears", "3").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Service {
    coordinator: Coordinator,
    metrics: Metrics,
    health: Health,
    meters: Meters,
    endpoint: Option<Endpoint>,
    store: Store,
    #[cfg(feature = "tables")]
    tables: Arc<Mutex<Vec<lightning_db_table::Tables>>>,
    _source: StoreSource,
    _checks: [Registered; 4],
    parts: Mutex<Parts>,
}

/// What goes with the service.
struct Parts {
    registrations: Vec<Registration>,
    #[cfg(any(feature = "pool", feature = "sql"))]
    sources: Vec<lightning_db_ops::metrics::SourceRegistration>,
}

impl Default for ServiceOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl ServiceOptions {
    /// The usual shutdown, no endpoint, not healthy below 64 MiB of free disk or with a commit that
    /// is 5 s late on the disk, and no log of slow operations.
    pub fn new() -> Self {
        Self {
            shutdown: ShutdownOptions::new(),
            metrics: MetricsOptions::new(),
            endpoint: None,
            limits: Limits { disk_free_min: 64 << 20, wal_lag_max: Duration::from_secs(5) },
            slow_after: None,
        }
    }

    /// How it is shut down.
    pub fn shutdown(mut self, options: ShutdownOptions) -> Self {
        self.shutdown = options;
        self
    }

    /// How its metrics are kept; those of the database are added.
    pub fn metrics(mut self, options: MetricsOptions) -> Self {
        self.metrics = options;
        self
    }

    /// Where metrics, health and probes are served.
    pub fn endpoint(mut self, options: EndpointOptions) -> Self {
        self.endpoint = Some(options);
        self
    }

    /// Bytes of free disk below which the service is not healthy.
    pub fn disk_free_min(mut self, bytes: u64) -> Self {
        self.limits.disk_free_min = bytes;
        self
    }

    /// For how long a commit at level buffered or sync may be seen waiting for the disk before the
    /// service is not healthy.
    pub fn wal_lag_max(mut self, time: Duration) -> Self {
        self.limits.wal_lag_max = time;
        self
    }

    /// From which time on an operation that is timed is logged, through `tracing` at level warn.
    pub fn slow_after(mut self, time: Duration) -> Self {
        self.slow_after = Some(time);
        self
    }

    /// Starts the service of an open store. It is not ready until
    /// [`set_ready`](Coordinator::set_ready).
    ///
    /// # Errors
    /// Those of the options: [`ShutdownOptions::build`], [`MetricsOptions::build`],
    /// [`EndpointOptions::start`].
    pub fn start(self, store: &Store) -> Result<Service> {
        let coordinator = self.shutdown.build()?;
        let metrics = self.metrics.metrics(METRICS).build()?;
        let health = Health::new();
        let endpoint = self
            .endpoint
            .map(|options| options.start(&metrics, &health, &coordinator))
            .transpose()?;
        let mut registrations = vec![coordinator.register(component(store))?];
        if let Some(endpoint) = &endpoint {
            registrations.push(coordinator.register(endpoint.component())?);
        }
        #[cfg(feature = "tables")]
        let tables = Arc::new(Mutex::new(Vec::new()));
        #[cfg(feature = "tables")]
        let index_types: IndexTypes = {
            let tables = Arc::clone(&tables);
            Arc::new(move || index_types(&tables.lock()))
        };
        #[cfg(not(feature = "tables"))]
        let index_types: IndexTypes = Arc::new(Vec::new);
        Ok(Service {
            _source: StoreSource::new(store, &metrics, &coordinator, index_types),
            _checks: checks::register(store, &coordinator, &health, self.limits),
            meters: Meters::new(&metrics, store.clock(), self.slow_after),
            store: store.clone(),
            #[cfg(feature = "tables")]
            tables,
            parts: Mutex::new(Parts {
                registrations,
                #[cfg(any(feature = "pool", feature = "sql"))]
                sources: Vec::new(),
            }),
            coordinator,
            metrics,
            health,
            endpoint,
        })
    }
}

impl Service {
    /// What ends the service.
    pub fn coordinator(&self) -> &Coordinator {
        &self.coordinator
    }

    /// Its metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Its health checks: `store` (open, not poisoned), `disk` (space), `wal` (commits that are
    /// late on the disk) and `shutdown` (none has begun), and what is added.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// What counts and times operations.
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Where the endpoint listens, if there is one.
    pub fn address(&self) -> Option<SocketAddr> {
        self.endpoint.as_ref().map(Endpoint::address)
    }

    /// Adds a component that uses the store: it goes before it in each phase. It stays registered
    /// for as long as the service is there.
    ///
    /// # Errors
    /// Those of [`Coordinator::register`].
    pub fn register(&self, component: Component) -> Result<()> {
        let registration = self.coordinator.register(component.depends_on(["store"]))?;
        self.parts.lock().registrations.push(registration);
        Ok(())
    }

    /// Tells changes of the indexes of these tables apart by their kind.
    #[cfg(feature = "tables")]
    pub fn add_tables(&self, tables: &lightning_db_table::Tables) {
        self.tables.lock().push(tables.clone());
    }

    /// Adds a pool: drained in the shutdown, before the store, and counted.
    ///
    /// # Errors
    /// Those of [`Coordinator::register`].
    #[cfg(feature = "pool")]
    pub fn add_pool<M: lightning_db_pool::Manager>(
        &self,
        name: &str,
        pool: &lightning_db_pool::Pool<M>,
    ) -> Result<()> {
        use std::sync::atomic::{AtomicU64, Ordering};
        let closing = pool.clone();
        self.register(Component::new(name).on_drain(move |context| {
            let report = closing.close_blocking(context.remaining());
            match report.left {
                0 => Ok(()),
                left => Err(format!("{left} connections are still in use").into()),
            }
        }))?;
        let pool = pool.clone();
        let (waits, timeouts, in_use) = self.metrics.with(|| {
            (
                metrics::counter!("lightningdb_pool_waits_total"),
                metrics::counter!("lightningdb_pool_timeouts_total"),
                metrics::gauge!("lightningdb_active_connections"),
            )
        });
        // Several pools add up, so each brings what has changed since it was asked last.
        let before = [const { AtomicU64::new(0) }; 3];
        let source = self.metrics.register(move || {
            let statistics = pool.statistics();
            let now =
                [statistics.counts.waited, statistics.counts.timed_out, statistics.in_use as u64];
            let [waited, timed_out, used_before] =
                [0, 1, 2].map(|at: usize| before[at].swap(now[at], Ordering::AcqRel));
            waits.increment(now[0].saturating_sub(waited));
            timeouts.increment(now[1].saturating_sub(timed_out));
            in_use.increment(super::sources::float(now[2]) - super::sources::float(used_before));
        });
        self.parts.lock().sources.push(source);
        Ok(())
    }

    /// Counts how often statements of this engine find a plan and how often one is made, and the
    /// same of its decoded columns, with what these take.
    #[cfg(feature = "sql")]
    pub fn add_sql(&self, engine: &lightning_db_sql::SqlEngine) {
        let (counters, bytes) = self.metrics.with(|| {
            let counters = [
                metrics::counter!("lightningdb_plan_cache_hits_total"),
                metrics::counter!("lightningdb_plan_cache_misses_total"),
                metrics::counter!("lightningdb_column_cache_hits_total"),
                metrics::counter!("lightningdb_column_cache_misses_total"),
            ];
            (counters, metrics::gauge!("lightningdb_column_cache_bytes"))
        });
        let counts = |engine: &lightning_db_sql::SqlEngine| {
            let (plans, columns) = (engine.plan_counts(), engine.queries().column_cache());
            ([plans.hits, plans.misses, columns.known, columns.read], columns.bytes)
        };
        let (engine, before) = (engine.clone(), Mutex::new((counts(engine).0, 0)));
        // Several engines add up, so each brings what has changed since it was asked last.
        let source = self.metrics.register(move || {
            let (now, mut before) = (counts(&engine), before.lock());
            for (counter, (now, before)) in counters.iter().zip(now.0.iter().zip(before.0)) {
                counter.increment(now.saturating_sub(before));
            }
            bytes.increment(super::sources::float(now.1) - super::sources::float(before.1));
            *before = now;
        });
        self.parts.lock().sources.push(source);
    }

    /// A named reader of changes whose lag is a metric.
    pub fn replica(&self, name: &str) -> Replica {
        Replica::new(&self.store, &self.metrics, name)
    }

    /// Shuts the service down and waits for the end.
    ///
    /// # Cancel safety
    /// Dropped before its end, the shutdown goes on.
    pub async fn shutdown(&self) -> Arc<Report> {
        self.coordinator.shutdown().await
    }

    /// As [`shutdown`](Self::shutdown), on this thread.
    pub fn shutdown_blocking(&self) -> Arc<Report> {
        self.coordinator.shutdown_blocking()
    }
}

/// The store as a component. What uses it goes first; then all commits are brought to the disk
/// while others still end, and at last it is closed.
fn component(store: &Store) -> Component {
    let (draining, closing, forcing) = (store.clone(), store.clone(), store.clone());
    Component::new("store")
        .priority(Priority::Low)
        .on_drain(move |_| match draining.sync() {
            // Nothing was committed that could be synced.
            Err(Error::ReadOnly) => Ok(()),
            synced => Ok(synced?),
        })
        .on_shutdown(move |_| Ok(closing.close()?))
        .on_force(move |_| Ok(forcing.close()?))
}

#[cfg(feature = "tables")]
fn index_types(tables: &[lightning_db_table::Tables]) -> Vec<(u64, &'static str)> {
    let mut types = Vec::new();
    for tables in tables {
        let names = tables.names();
        for table in names.iter().filter_map(|name| tables.table(name).ok()) {
            let of_table = table.indexes().filter_map(|(index, _)| {
                let definition = index.definition();
                let number = definition.keyspace_prefix().split('/').nth(1)?.parse().ok()?;
                Some((number, super::sources::index_type(&definition.kind)))
            });
            types.extend(of_table);
        }
    }
    types
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("store", &self.store.path())
            .field("address", &self.address())
            .field("phase", &self.coordinator.phase())
            .finish_non_exhaustive()
    }
}
