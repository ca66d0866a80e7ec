//! What is to be done behind the commits: who asks for work does not wait for it, no request is
//! lost, and closing ends every thread.
//!
//! Each thread has a condition of its own, so that a request wakes the thread that serves it and no
//! other. A request is a flag or an entry under the lock before its thread is woken; a thread takes
//! the flag down before it begins, so that a request that comes during the work is served by the
//! next round.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use super::merge::Merges;
use super::{Counters, FrozenSet};
use crate::error::{Error, Result};
use crate::sync::{AtomicBool, Condvar, Mutex, fence};

/// How long a failed flush rests before it is tried again without being asked.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How often merges look for expired entries without being asked.
const MERGE_LOOK_EVERY: Duration = Duration::from_secs(5);

/// See the head of this file. `F` is a set of memtables that waits for its flush.
#[derive(Debug)]
pub(crate) struct Work<F = FrozenSet> {
    queue: Mutex<Queue<F>>,
    flush_asked: Condvar,
    merge_asked: Condvar,
    spare_asked: Condvar,
    sync_asked: Condvar,
    /// A flush ended, well or not.
    flush_ended: Condvar,
    /// Whether a sync is asked for: outside of the lock, since every buffered commit looks at it.
    sync: AtomicBool,
    /// One flush at a time: they are in commit order.
    pub(crate) flush_turn: parking_lot::Mutex<()>,
    /// One step of a merge at a time, and the merges under way.
    pub(crate) merge_turn: parking_lot::Mutex<Merges>,
    /// One compaction at a time, from its first step to its last.
    pub(super) compact_turn: parking_lot::Mutex<()>,
    pub(super) threads: parking_lot::Mutex<Vec<JoinHandle<()>>>,
    pub(crate) counters: Counters,
}

#[derive(Debug)]
struct Queue<F> {
    /// Oldest first.
    frozen: VecDeque<Arc<F>>,
    wanted: Wanted,
    closing: bool,
    /// Why the last flush failed, until it is tried again.
    flush_failed: Option<Arc<Error>>,
}

/// What threads were asked for.
#[derive(Debug, Default)]
struct Wanted {
    merge: bool,
    spare: bool,
    /// A flush that failed, tried again at once.
    retry: bool,
}

impl<F> Default for Work<F> {
    fn default() -> Self {
        let queue = Queue {
            frozen: VecDeque::new(),
            wanted: Wanted::default(),
            closing: false,
            flush_failed: None,
        };
        Self {
            queue: Mutex::new(queue),
            flush_asked: Condvar::new(),
            merge_asked: Condvar::new(),
            spare_asked: Condvar::new(),
            sync_asked: Condvar::new(),
            flush_ended: Condvar::new(),
            sync: AtomicBool::new(false),
            flush_turn: parking_lot::Mutex::default(),
            merge_turn: parking_lot::Mutex::default(),
            compact_turn: parking_lot::Mutex::default(),
            threads: parking_lot::Mutex::default(),
            counters: Counters::default(),
        }
    }
}

/// For those who ask.
impl<F> Work<F> {
    /// Asks for a sync of buffered commits. Costs one load while one is already asked for.
    ///
    /// The caller has published its commit: the fence there pairs with the one of
    /// [`next_sync`](Self::next_sync), so that either the sync covers the commit, or this call sees
    /// that it has to ask.
    #[inline]
    pub(crate) fn request_sync(&self) {
        if !self.sync.load(Ordering::Relaxed) && !self.sync.swap(true, Ordering::AcqRel) {
            // A thread that has looked at the flag, and does not wait yet, holds the lock.
            drop(self.queue.lock());
            self.sync_asked.notify_all();
        }
    }

    /// Asks for a log segment to be made ahead.
    pub(crate) fn request_spare(&self) {
        self.queue.lock().wanted.spare = true;
        self.spare_asked.notify_all();
    }

    /// Asks for a look at what is worth merging.
    pub(crate) fn request_merge(&self) {
        self.queue.lock().wanted.merge = true;
        self.merge_asked.notify_all();
    }

    /// Queues memtables for a flush, behind those that are queued.
    pub(super) fn push(&self, frozen: F) {
        self.queue.lock().frozen.push_back(Arc::new(frozen));
        self.flush_asked.notify_all();
    }

    /// How many sets of memtables wait for a flush.
    pub(crate) fn frozen_len(&self) -> usize {
        self.queue.lock().frozen.len()
    }

    /// Looks at the sets that wait, oldest first.
    pub(super) fn with_frozen<T>(&self, look: impl FnOnce(&VecDeque<Arc<F>>) -> T) -> T {
        look(&self.queue.lock().frozen)
    }

    pub(crate) fn oldest_frozen(&self) -> Option<Arc<F>> {
        self.queue.lock().frozen.front().map(Arc::clone)
    }

    /// Takes the oldest set away: it is in tables.
    pub(crate) fn pop_frozen(&self) {
        let mut queue = self.queue.lock();
        queue.frozen.pop_front();
        let rests = queue.flush_failed.take().is_some();
        drop(queue);
        self.flush_ended.notify_all();
        if rests {
            // The thread rests after a failure, and another one did its work.
            self.flush_asked.notify_all();
        }
    }

    /// Notes why a flush failed, for those who wait for it.
    pub(super) fn note_failure(&self, error: Error) {
        self.queue.lock().flush_failed = Some(Arc::new(error));
        self.flush_ended.notify_all();
    }

    /// Waits until fewer than `frozen_max` sets wait for a flush.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`Error::Flush`] after a flush failed, which is tried again then.
    pub(super) fn wait_for_flush(&self, frozen_max: usize) -> Result<()> {
        let mut queue = self.queue.lock();
        while queue.frozen.len() >= frozen_max {
            if queue.closing {
                return Err(Error::Closed);
            }
            if let Some(source) = &queue.flush_failed {
                let source = Arc::clone(source);
                queue.wanted.retry = true;
                drop(queue);
                self.flush_asked.notify_all();
                return Err(Error::Flush { source });
            }
            self.flush_ended.wait(&mut queue);
        }
        Ok(())
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.queue.lock().closing
    }

    /// Tells the threads to end.
    pub(super) fn close(&self) {
        self.queue.lock().closing = true;
        let conditions = [
            &self.flush_asked,
            &self.merge_asked,
            &self.spare_asked,
            &self.sync_asked,
            &self.flush_ended,
        ];
        for condition in conditions {
            condition.notify_all();
        }
    }
}

/// For the threads: each of these waits for work of one kind, and says `false` when the store
/// closes.
impl<F> Work<F> {
    /// A set of memtables waits for its flush. One that failed rests for a while first, or until
    /// somebody asks.
    pub(super) fn next_flush(&self) -> bool {
        let mut queue = self.queue.lock();
        while queue.frozen.is_empty() && !queue.closing {
            self.flush_asked.wait(&mut queue);
        }
        while queue.flush_failed.is_some() && !queue.wanted.retry && !queue.closing {
            if self.flush_asked.wait_for(&mut queue, RETRY_AFTER).timed_out() {
                break;
            }
        }
        // From now on writers wait for what this try comes to.
        queue.flush_failed = None;
        queue.wanted.retry = false;
        !queue.closing
    }

    /// Somebody asked for merges, or it is time to look by itself.
    pub(super) fn next_merge(&self) -> bool {
        let mut queue = self.queue.lock();
        while !queue.wanted.merge && !queue.closing {
            if self.merge_asked.wait_for(&mut queue, MERGE_LOOK_EVERY).timed_out() {
                break;
            }
        }
        queue.wanted.merge = false;
        !queue.closing
    }

    /// Somebody asked for a log segment.
    pub(super) fn next_spare(&self) -> bool {
        let mut queue = self.queue.lock();
        while !queue.wanted.spare && !queue.closing {
            self.spare_asked.wait(&mut queue);
        }
        queue.wanted.spare = false;
        !queue.closing
    }

    /// Somebody asked for a sync. Commits gather for a while, so that one sync serves many; closing
    /// cuts the wait short.
    pub(super) fn next_sync(&self, gather: Duration) -> bool {
        let mut queue = self.queue.lock();
        while !self.sync.load(Ordering::Acquire) && !queue.closing {
            self.sync_asked.wait(&mut queue);
        }
        while !queue.closing && !gather.is_zero() {
            if self.sync_asked.wait_for(&mut queue, gather).timed_out() {
                break;
            }
        }
        let goes_on = !queue.closing;
        drop(queue);
        self.sync.store(false, Ordering::Release);
        // The sync that follows covers every commit whose request has seen the flag up until now.
        fence(Ordering::SeqCst);
        goes_on
    }
}

#[cfg(all(test, loom))]
mod models;
