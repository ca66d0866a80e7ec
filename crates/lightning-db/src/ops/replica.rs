//! How far a named reader of changes is behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lightning_db_ops::metrics::{Metrics, SourceRegistration};
use lightning_db_storage::Store;
use metrics::{Gauge, gauge};

/// A reader of changes by its name: it tells what it has applied, and its lag is a metric for as
/// long as this is there.
#[derive(Debug)]
pub struct Replica {
    progress: Arc<Progress>,
    _source: SourceRegistration,
}

#[derive(Debug)]
struct Progress {
    store: Store,
    lag: Gauge,
    applied_lsn: AtomicU64,
    /// When it had applied everything for the last time, by the store's clock.
    level_ns: AtomicU64,
}

impl Replica {
    pub(super) fn new(store: &Store, metrics: &Metrics, name: &str) -> Self {
        let lag = metrics
            .with(|| gauge!("lightningdb_replication_lag_seconds", "replica" => name.to_owned()));
        lag.set(0.0);
        let (applied_lsn, level_ns) = (AtomicU64::new(0), AtomicU64::new(now_ns(store)));
        let store = store.clone();
        let progress = Arc::new(Progress { store, lag, applied_lsn, level_ns });
        let source = {
            let progress = Arc::clone(&progress);
            metrics.register(move || progress.lag.set(progress.lag().as_secs_f64()))
        };
        Self { progress, _source: source }
    }

    /// Says that it has applied all commits up to this one.
    pub fn applied(&self, lsn: u64) {
        self.progress.applied_lsn.fetch_max(lsn, Ordering::AcqRel);
        self.progress.lag();
    }

    /// How long ago it had applied everything for the last time; zero while it has.
    pub fn lag(&self) -> Duration {
        self.progress.lag()
    }
}

impl Progress {
    fn lag(&self) -> Duration {
        // The time first: what is committed behind it is not part of what was level at it.
        let now_ns = now_ns(&self.store);
        if self.applied_lsn.load(Ordering::Acquire) >= self.store.last_lsn() {
            self.level_ns.fetch_max(now_ns, Ordering::AcqRel);
        }
        Duration::from_nanos(now_ns.saturating_sub(self.level_ns.load(Ordering::Acquire)))
    }
}

fn now_ns(store: &Store) -> u64 {
    u64::try_from(store.clock().monotonic().as_nanos()).unwrap_or(u64::MAX)
}
