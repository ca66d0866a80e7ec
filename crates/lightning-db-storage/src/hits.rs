//! Hits and misses of a cache.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crossbeam::utils::CachePadded;

const STRIPES: usize = 16;

/// How often a cache was asked, and how often it knew.
///
/// Threads count on lines of their own: a shared one would be written by every read of every core.
/// Counting is a load and a store, so that of more than 16 threads two that count on one line at
/// the same moment may count once.
#[derive(Debug, Default)]
pub(crate) struct Hits {
    stripes: [CachePadded<[AtomicU64; 2]>; STRIPES],
}

impl Hits {
    #[inline]
    pub(crate) fn count(&self, is_hit: bool) {
        let counter = &self.stripes[stripe()][usize::from(is_hit)];
        counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// Hits and misses.
    pub(crate) fn read(&self) -> [u64; 2] {
        let all = |at: usize| {
            self.stripes.iter().map(|stripe| stripe[at].load(Ordering::Relaxed)).sum::<u64>()
        };
        [all(1), all(0)]
    }
}

/// The line of this thread.
#[inline]
fn stripe() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static STRIPE: usize = THREADS.fetch_add(1, Ordering::Relaxed) % STRIPES;
    }
    STRIPE.with(|stripe| *stripe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_count_together() {
        let hits = Hits::default();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    (0..100).for_each(|number| hits.count(number % 4 == 0));
                });
            }
        });
        let [found, missed] = hits.read();
        // Other tests have threads too, two of which may be of one line.
        assert!((25..=50).contains(&found) && (75..=150).contains(&missed), "{found} {missed}");
    }
}
