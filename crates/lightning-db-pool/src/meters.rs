//! Statistics through the `metrics` facade. Published by maintenance: the hot path pays nothing.

use std::time::Duration;

use metrics::{Counter, Gauge, counter, gauge};
use parking_lot::Mutex;

use crate::statistics::{Histogram, Statistics};

/// Most values of one step of a histogram that are recorded at once.
const RECORDED_MAX: u64 = 10_000;

/// Handles of one pool's metrics.
#[derive(Debug)]
pub(crate) struct Meters {
    acquired: Counter,
    waited: Counter,
    timed_out: Counter,
    cancelled: Counter,
    connected: Counter,
    connect_errors: Counter,
    check_errors: Counter,
    closed: Counter,
    leaks: Counter,
    idle: Gauge,
    in_use: Gauge,
    waiting: Gauge,
    wait: Mutex<Published>,
    usage: Mutex<Published>,
}

/// What of a histogram has been published.
#[derive(Debug)]
struct Published {
    to: metrics::Histogram,
    before: Vec<(Duration, u64)>,
}

impl Meters {
    pub(crate) fn new(pool: &str) -> Self {
        let count = |name: &'static str| counter!(name, "pool" => pool.to_owned());
        let level = |name: &'static str| gauge!(name, "pool" => pool.to_owned());
        let times = |name: &'static str| {
            let to = metrics::histogram!(name, "pool" => pool.to_owned());
            Mutex::new(Published { to, before: Vec::new() })
        };
        Self {
            acquired: count("pool_acquired_total"),
            waited: count("pool_waited_total"),
            timed_out: count("pool_timeouts_total"),
            cancelled: count("pool_cancelled_total"),
            connected: count("pool_connections_opened_total"),
            connect_errors: count("pool_connect_errors_total"),
            check_errors: count("pool_check_errors_total"),
            closed: count("pool_connections_closed_total"),
            leaks: count("pool_leaks_total"),
            idle: level("pool_idle_connections"),
            in_use: level("pool_in_use_connections"),
            waiting: level("pool_waiting_callers"),
            wait: times("pool_wait_duration_seconds"),
            usage: times("pool_use_duration_seconds"),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    pub(crate) fn publish(&self, statistics: &Statistics) {
        let counts = &statistics.counts;
        self.acquired.absolute(counts.acquired);
        self.waited.absolute(counts.waited);
        self.timed_out.absolute(counts.timed_out);
        self.cancelled.absolute(counts.cancelled);
        self.connected.absolute(counts.connected);
        self.connect_errors.absolute(counts.connect_errors);
        self.check_errors.absolute(counts.check_errors);
        self.closed.absolute(counts.closed);
        self.leaks.absolute(counts.leaks);
        self.idle.set(statistics.idle as f64);
        self.in_use.set(statistics.in_use as f64);
        self.waiting.set(statistics.waiting as f64);
        self.wait.lock().publish(&statistics.wait);
        self.usage.lock().publish(&statistics.usage);
    }
}

impl Published {
    /// Records what has come since the last time, at the upper end of each step; of very many, a
    /// share that keeps their proportions.
    fn publish(&mut self, histogram: &Histogram) {
        let now: Vec<(Duration, u64)> = histogram.buckets().collect();
        let before = |end: Duration| {
            let at = self.before.binary_search_by_key(&end, |(end, _)| *end);
            at.map_or(0, |at| self.before[at].1)
        };
        let new: Vec<_> = now.iter().map(|(end, count)| (*end, count - before(*end))).collect();
        let most = new.iter().map(|(_, count)| *count).max().unwrap_or(0);
        let divisor = most.div_ceil(RECORDED_MAX).max(1);
        for (end, count) in new {
            let times = usize::try_from(count.div_ceil(divisor)).unwrap_or(usize::MAX);
            if times > 0 {
                self.to.record_many(end.as_secs_f64(), times);
            }
        }
        self.before = now;
    }
}
