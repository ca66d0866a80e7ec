//! How long things took, counted by powers of two.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Steps: the first ends at 1,024 ns, the last holds all that is longer than half an hour.
const STEPS: usize = 32;
const FIRST_BITS: u32 = 10;

/// How long things of one kind took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    counts: [u64; STEPS],
    sum: Duration,
}

/// The counters of [`Times`]: one more thing costs two additions.
#[derive(Debug, Default)]
pub(crate) struct TimeCounters {
    counts: [AtomicU64; STEPS],
    sum_ns: AtomicU64,
}

impl Times {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How long they took together.
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// The steps, ascending: those of a step took less than its end, and no less than half of it
    /// but in the first.
    pub fn steps(&self) -> impl Iterator<Item = (Duration, u64)> {
        let ends = (0..).map(|step: u32| Duration::from_nanos(1 << (FIRST_BITS + step)));
        ends.zip(self.counts)
    }
}

impl TimeCounters {
    pub(crate) fn add(&self, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let bits = (u64::BITS - ns.leading_zeros()).saturating_sub(FIRST_BITS);
        let step = usize::try_from(bits).unwrap_or(STEPS).min(STEPS - 1);
        self.counts[step].fetch_add(1, Ordering::Relaxed);
        self.sum_ns.fetch_add(ns, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Times {
        let counts = self.counts.each_ref().map(|count| count.load(Ordering::Relaxed));
        Times { counts, sum: Duration::from_nanos(self.sum_ns.load(Ordering::Relaxed)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_in_the_step_that_ends_behind_it() {
        let counters = TimeCounters::default();
        let all = [0, 1, 1_023, 1_024, 2_047, 2_048, 1 << 40, u64::MAX];
        for ns in all {
            counters.add(Duration::from_nanos(ns));
        }
        let times = counters.read();
        let held: Vec<_> = times.steps().filter(|(_, count)| *count > 0).collect();
        let ends = held.iter().map(|(end, count)| (end.as_nanos(), *count)).collect::<Vec<_>>();
        assert_eq!(ends, [(1_024, 3), (2_048, 2), (4_096, 1), (1 << 41, 2)]);
        assert_eq!(times.count(), 8);
    }
}
