//! Statistics through the `metrics` facade. Published by maintenance: the hot path pays nothing.

use std::time::Duration;

use metrics::{
    Counter, Gauge, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
};
use parking_lot::Mutex;

use crate::statistics::{Histogram, Statistics};

/// Most values of one step of a histogram that are recorded at once.
const RECORDED_MAX: u64 = 10_000;

type Described = (&'static str, &'static str);

const ACQUIRED: Described = ("pool_acquired_total", "Connections that were given out.");
const WAITED: Described =
    ("pool_waited_total", "Connections that were given out to callers who had to wait.");
const TIMED_OUT: Described = ("pool_timeouts_total", "Callers whose time ran out.");
const CANCELLED: Described =
    ("pool_cancelled_total", "Callers that gave up: their future was dropped while it waited.");
const CONNECTED: Described = ("pool_connections_opened_total", "Connections that were made.");
const CONNECT_ERRORS: Described = ("pool_connect_errors_total", "Attempts to connect that failed.");
const CHECK_ERRORS: Described = ("pool_check_errors_total", "Checks of connections that failed.");
const CLOSED: Described =
    ("pool_connections_closed_total", "Connections that were closed, for any reason.");
const LEAKS: Described =
    ("pool_leaks_total", "Connections that were reported to be in use for too long.");
const IDLE: Described = ("pool_idle_connections", "Connections that nobody uses.");
const IN_USE: Described =
    ("pool_in_use_connections", "Connections that are given out, or on the way to a waiter.");
const WAITING: Described = ("pool_waiting_callers", "Callers that wait.");
const WAIT: Described = (
    "pool_wait_duration_seconds",
    "How long callers waited, zero for those who did not. Of very many a share is recorded.",
);
const USAGE: Described = (
    "pool_use_duration_seconds",
    "How long connections were in use, when they are given back. Of very many a share is recorded.",
);

/// Tells the recorder what the metrics say, and in which units.
fn describe() {
    let counters = [
        ACQUIRED,
        WAITED,
        TIMED_OUT,
        CANCELLED,
        CONNECTED,
        CONNECT_ERRORS,
        CHECK_ERRORS,
        CLOSED,
        LEAKS,
    ];
    for (name, help) in counters {
        describe_counter!(name, Unit::Count, help);
    }
    for (name, help) in [IDLE, IN_USE, WAITING] {
        describe_gauge!(name, Unit::Count, help);
    }
    for (name, help) in [WAIT, USAGE] {
        describe_histogram!(name, Unit::Seconds, help);
    }
}

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
        describe();
        Self {
            acquired: count(ACQUIRED.0),
            waited: count(WAITED.0),
            timed_out: count(TIMED_OUT.0),
            cancelled: count(CANCELLED.0),
            connected: count(CONNECTED.0),
            connect_errors: count(CONNECT_ERRORS.0),
            check_errors: count(CHECK_ERRORS.0),
            closed: count(CLOSED.0),
            leaks: count(LEAKS.0),
            idle: level(IDLE.0),
            in_use: level(IN_USE.0),
            waiting: level(WAITING.0),
            wait: times(WAIT.0),
            usage: times(USAGE.0),
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
