//! Counts of a pool, exact at the moment they are read.

use std::time::Duration;

/// Counts and times of a pool, all of one moment.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Statistics {
    /// Connections that exist: idle, in use, being made, checked, reset or closed.
    pub size: usize,
    /// Connections that nobody uses.
    pub idle: usize,
    /// Connections that are given out, or on the way to a waiter.
    pub in_use: usize,
    /// Connects that are under way.
    pub connecting: usize,
    /// Checks and resets that are under way.
    pub checking: usize,
    /// Connections that are being closed.
    pub closing: usize,
    /// Callers that wait.
    pub waiting: usize,
    /// What has happened since the pool was made.
    pub counts: Counts,
    /// How long callers waited; those who did not wait are counted with zero.
    pub wait: Histogram,
    /// How long connections were in use, counted when they are given back.
    pub usage: Histogram,
    /// The backends, in the order they were given.
    pub backends: Vec<BackendStatistics>,
}

/// What has happened since the pool was made. Each is counted under the pool's lock, at the moment
/// the event takes effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Connections that were given out, counted when they are.
    pub acquired: u64,
    /// Of these, those whose caller had to wait.
    pub waited: u64,
    /// Connections that were given back.
    pub released: u64,
    /// Callers whose time ran out.
    pub timed_out: u64,
    /// Callers that gave up: their future was dropped while it waited.
    pub cancelled: u64,
    /// Connections that were made.
    pub connected: u64,
    /// Attempts to connect that failed.
    pub connect_errors: u64,
    /// Checks that were made, of any kind.
    pub checks: u64,
    /// Of these, those that failed.
    pub check_errors: u64,
    /// Connections that were closed, for any reason.
    pub closed: u64,
    /// Connections that were taken out for good; see
    /// [`PooledConnection::detach`](crate::PooledConnection::detach).
    pub detached: u64,
    /// Connections that were reported to be in use for too long.
    pub leaks: u64,
}

/// Counts of one backend.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct BackendStatistics {
    /// Its name.
    pub name: String,
    /// Its circuit.
    pub circuit: Circuit,
    /// Whether it is paused.
    pub paused: bool,
    /// Its idle connections.
    pub idle: usize,
    /// Its connections in use, and connects to it under way.
    pub busy: usize,
    /// Connections of it that were given out.
    pub acquired: u64,
    /// Errors one after the other, up to now.
    pub errors: u32,
    /// How often its circuit opened.
    pub ejections: u64,
}

/// Whether a backend is used, after errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Circuit {
    /// It is.
    #[default]
    Closed,
    /// It is not, until some time has passed.
    Open,
    /// One connect tries it; the others wait for what it finds.
    HalfOpen,
}

/// Times by powers of two of a nanosecond, each in eight steps: at most 12.5 % off.
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: Box<[u64; BUCKETS]>,
    count: u64,
    sum_ns: u128,
}

const STEP_BITS: u32 = 3;
const STEPS: usize = 1 << STEP_BITS;
const BUCKETS: usize = 64 * STEPS;

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: Box::new([0; BUCKETS]), count: 0, sum_ns: 0 }
    }
}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count)
            .field("p50", &self.quantile(0.5))
            .field("p99", &self.quantile(0.99))
            .field("max", &self.quantile(1.0))
            .finish_non_exhaustive()
    }
}

impl Histogram {
    pub(crate) fn record(&mut self, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(ns)] += 1;
        self.count += 1;
        self.sum_ns += u128::from(ns);
    }

    /// Number of times recorded.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Sum of all times.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(u64::try_from(self.sum_ns).unwrap_or(u64::MAX))
    }

    /// The time that so large a share, 0 to 1, does not exceed: the upper end of its step. Zero if
    /// nothing was recorded.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a count is one"
    )]
    pub fn quantile(&self, share: f64) -> Duration {
        let wanted = ((self.count as f64 * share.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_nanos(upper(bucket));
            }
        }
        Duration::ZERO
    }

    /// Steps that hold something, ascending: upper end and count.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        let held = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        held.map(|(bucket, count)| (Duration::from_nanos(upper(bucket)), *count))
    }
}

fn bucket(ns: u64) -> usize {
    if ns < STEPS as u64 {
        return usize::try_from(ns).unwrap_or(0);
    }
    let power = ns.ilog2();
    let step = usize::try_from((ns >> (power - STEP_BITS)) & (STEPS as u64 - 1)).unwrap_or(0);
    (power - STEP_BITS + 1) as usize * STEPS + step
}

/// The largest number of a bucket.
fn upper(bucket: usize) -> u64 {
    if bucket < STEPS {
        return bucket as u64;
    }
    let (power, step) = (bucket / STEPS - 1, (bucket % STEPS) as u64);
    let next = (u128::from(step) + STEPS as u128 + 1) << power;
    u64::try_from(next - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_in_the_bucket_whose_end_is_near_above() {
        let mut ns = 0_u64;
        while ns < u64::MAX / 3 {
            let end = upper(bucket(ns));
            assert!(end >= ns, "{ns}: {end}");
            assert!(end - ns <= ns / 8, "{ns}: {end}");
            assert!(bucket(ns) < BUCKETS);
            ns += ns / 7 + 1;
        }
        assert_eq!(upper(bucket(u64::MAX)), u64::MAX);
    }

    #[test]
    fn quantiles_are_those_of_the_recorded_times() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), Duration::ZERO);
        (1..=100).for_each(|ms| histogram.record(Duration::from_millis(ms)));
        let half = histogram.quantile(0.5).as_secs_f64();
        assert!((0.050..0.0563).contains(&half), "{half}");
        assert_eq!(histogram.count(), 100);
        assert_eq!(histogram.sum(), Duration::from_millis(5050));
        assert_eq!(histogram.buckets().map(|(_, count)| count).sum::<u64>(), 100);
    }
}
