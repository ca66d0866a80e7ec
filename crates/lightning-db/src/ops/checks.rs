//! The health checks of a store.

use std::path::Path;
use std::time::Duration;

use lightning_db_ops::{CheckOptions, CheckResult, Coordinator, Health, Phase, Registered};
use lightning_db_storage::{Statistics, Store};
use parking_lot::Mutex;

/// What the checks hold against the store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) disk_free_min: u64,
    pub(super) wal_lag_max: Duration,
}

pub(super) fn register(
    store: &Store,
    coordinator: &Coordinator,
    health: &Health,
    limits: Limits,
) -> [Registered; 4] {
    let options = CheckOptions::default();
    let works = {
        let store = store.clone();
        move || match store.health() {
            Ok(()) => Ok("it takes commits".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    };
    let disk = {
        let path = store.path().to_owned();
        move || {
            let free = free_bytes(&path).map_err(|error| error.to_string())?;
            let detail = format!("{} MiB are free", free >> 20);
            if free < limits.disk_free_min { Err(detail) } else { Ok(detail) }
        }
    };
    let wal = {
        let (store, lag) = (store.clone(), Mutex::new(Lag::default()));
        move || {
            let now = store.clock().monotonic();
            lag.lock().check(&store.statistics(), now, limits.wal_lag_max)
        }
    };
    let running = {
        let coordinator = coordinator.clone();
        move || match coordinator.phase() {
            Phase::Running => Ok("no shutdown has begun".to_owned()),
            phase => Err(format!("the service is being shut down: {phase}")),
        }
    };
    [
        health.register("store", options, works),
        health.register("disk", options, disk),
        health.register("wal", options, wal),
        health.register("shutdown", options, running),
    ]
}

/// Bytes that may still be written to the disk that a folder is on.
fn free_bytes(path: &Path) -> std::io::Result<u64> {
    let disk = rustix::fs::statvfs(path)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// A commit that is to be on the disk and was not, and since when that is known.
#[derive(Debug, Default)]
struct Lag(Option<(u64, Duration)>);

impl Lag {
    fn check(&mut self, statistics: &Statistics, now: Duration, max: Duration) -> CheckResult {
        let (synced, promised) = (statistics.synced_lsn, statistics.commits.promised_lsn);
        self.0 = self.0.filter(|(lsn, _)| synced < *lsn);
        if promised <= synced {
            return Ok("all commits that promise it are on the disk".to_owned());
        }
        let (_, since) = *self.0.get_or_insert((promised, now));
        let lag = now.saturating_sub(since);
        let detail = format!("a commit waits for the disk since {:.1} s", lag.as_secs_f64());
        if lag > max { Err(detail) } else { Ok(detail) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_that_is_late_fails_the_check_until_it_is_there() {
        let mut lag = Lag::default();
        let mut statistics = Statistics::default();
        let mut check = |synced, promised, seconds| {
            (statistics.synced_lsn, statistics.commits.promised_lsn) = (synced, promised);
            let now = Duration::from_secs(seconds);
            lag.check(&statistics, now, Duration::from_secs(5)).is_ok()
        };
        assert!(check(7, 7, 0));
        // Commits at level memory are no lag.
        assert!(check(9, 7, 1));
        assert!(check(9, 10, 2));
        assert!(check(9, 12, 7));
        assert!(!check(9, 14, 8), "commit 10 waits since 2");
        // Another one has not waited for as long.
        assert!(check(10, 14, 9));
        assert!(check(13, 14, 14));
        assert!(!check(13, 14, 15));
        assert!(check(14, 14, 99));
    }
}
