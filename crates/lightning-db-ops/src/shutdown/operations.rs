//! What the service has in hand: operations that are counted while they last.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use slab::Slab;

use super::report::OpenOperation;
use crate::clock::Clock;
use crate::sync::Mutex;

/// Operations that are open, and whether new ones may begin.
pub(crate) struct Operations {
    state: Mutex<State>,
    /// Called without the lock when the last one has ended of those that were waited for.
    on_drained: Box<dyn Fn() + Send + Sync>,
}

#[derive(Debug, Default)]
struct State {
    open: Slab<Open>,
    stopped_at: Option<Duration>,
    /// Operations that have begun.
    begun: u64,
    /// Of them, those that were open at the stop.
    open_at_stop: usize,
    /// Operations that were refused.
    refused: u64,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    name: &'static str,
    since: Duration,
}

/// The answer of [`Coordinator::begin_operation`](super::Coordinator::begin_operation) when
/// operations no longer begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("begin an operation: the service is being shut down")]
pub struct Draining;

/// An operation that lasts until this is dropped. The shutdown waits for it.
#[must_use = "the operation ends when this is dropped"]
pub struct OperationGuard {
    operations: Arc<Operations>,
    key: usize,
}

/// Counts of operations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperationCounts {
    /// Open now.
    pub open: usize,
    /// Begun so far.
    pub begun: u64,
    /// Refused so far, because the service was being shut down.
    pub refused: u64,
    /// Open when new ones were stopped; zero before.
    pub open_at_stop: usize,
}

impl Operations {
    pub(crate) fn new(on_drained: impl Fn() + Send + Sync + 'static) -> Self {
        Self { state: Mutex::new(State::default()), on_drained: Box::new(on_drained) }
    }

    pub(crate) fn begin(
        self: &Arc<Self>,
        name: &'static str,
        clock: &dyn Clock,
    ) -> Result<OperationGuard, Draining> {
        let since = clock.now();
        let mut state = self.state.lock();
        if state.stopped_at.is_some() {
            state.refused += 1;
            return Err(Draining);
        }
        state.begun += 1;
        let key = state.open.insert(Open { name, since });
        drop(state);
        Ok(OperationGuard { operations: Arc::clone(self), key })
    }

    /// From now on none begins.
    pub(crate) fn stop(&self, now: Duration) {
        let mut state = self.state.lock();
        if state.stopped_at.is_none() {
            state.stopped_at = Some(now);
            state.open_at_stop = state.open.len();
        }
    }

    /// Whether none begins any more and none is open; once it is so, it stays so.
    pub(crate) fn is_drained(&self) -> bool {
        let state = self.state.lock();
        state.stopped_at.is_some() && state.open.is_empty()
    }

    pub(crate) fn counts(&self) -> OperationCounts {
        let state = self.state.lock();
        OperationCounts {
            open: state.open.len(),
            begun: state.begun,
            refused: state.refused,
            open_at_stop: state.open_at_stop,
        }
    }

    /// Those that are open for at least so long, oldest first.
    pub(crate) fn open(&self, now: Duration, min_age: Duration) -> Vec<OpenOperation> {
        let mut open: Vec<_> = {
            let state = self.state.lock();
            let all = state.open.iter().map(|(_, open)| OpenOperation {
                name: open.name.to_owned(),
                age: now.saturating_sub(open.since),
            });
            all.filter(|open| open.age >= min_age).collect()
        };
        open.sort_by(|a, b| b.age.cmp(&a.age).then_with(|| a.name.cmp(&b.name)));
        open
    }
}

impl Drop for OperationGuard {
    fn drop(&mut self) {
        let is_drained = {
            let mut state = self.operations.state.lock();
            state.open.remove(self.key);
            state.stopped_at.is_some() && state.open.is_empty()
        };
        if is_drained {
            (self.operations.on_drained)();
        }
    }
}

impl fmt::Debug for OperationGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationGuard").field("key", &self.key).finish_non_exhaustive()
    }
}

impl fmt::Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operations").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

#[cfg(all(test, loom))]
mod models {
    use std::sync::Arc;

    use loom::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::clock::SimClock;

    /// Two operations meet the stop: each is refused or waited for, whoever comes first, and the
    /// one who waits is told of the end whenever it was not there yet at the stop.
    #[test]
    fn models_no_operation_is_lost_and_no_end_goes_unnoticed() {
        loom::model(|| {
            let told = Arc::new(AtomicUsize::new(0));
            let on_drained = {
                let told = Arc::clone(&told);
                move || {
                    told.fetch_add(1, Ordering::SeqCst);
                }
            };
            let operations = Arc::new(Operations::new(on_drained));
            let working = Arc::new(AtomicUsize::new(0));
            let workers: Vec<_> = (0..2)
                .map(|_| {
                    let (operations, working) = (Arc::clone(&operations), Arc::clone(&working));
                    loom::thread::spawn(move || {
                        let Ok(guard) = operations.begin("work", &SimClock::new()) else { return };
                        working.fetch_add(1, Ordering::SeqCst);
                        working.fetch_sub(1, Ordering::SeqCst);
                        drop(guard);
                    })
                })
                .collect();
            operations.stop(Duration::ZERO);
            let was_drained = operations.is_drained();
            if was_drained {
                assert_eq!(working.load(Ordering::SeqCst), 0);
            }
            for worker in workers {
                worker.join().unwrap();
            }
            assert!(operations.is_drained());
            assert!(was_drained || told.load(Ordering::SeqCst) == 1);
            let counts = operations.counts();
            assert_eq!(counts.begun + counts.refused, 2);
        });
    }
}
