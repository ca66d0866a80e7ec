//! Waiting for commits to become visible, at no cost to commits that nobody waits for.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::sync::{AtomicU64, AtomicUsize, Condvar, Mutex, fence};

/// Wakes those who wait for the visible commit to move.
#[derive(Debug, Default)]
pub(crate) struct Published {
    waiters: AtomicUsize,
    lock: Mutex<()>,
    moved: Condvar,
}

impl Published {
    /// Called after `visible` was stored: one fence and one load while nobody waits.
    #[inline]
    pub(crate) fn notify(&self) {
        // Pairs with the fence of a waiter: one of the two sees the other's store.
        fence(Ordering::SeqCst);
        if self.waiters.load(Ordering::Relaxed) > 0 {
            drop(self.lock.lock());
            self.moved.notify_all();
        }
    }

    /// Waits until `visible` is at least `seq`; says whether it is.
    /// `now` tells the time by a clock that only goes forward.
    pub(crate) fn wait_past(
        &self,
        visible: &AtomicU64,
        seq: u64,
        timeout: Duration,
        now: impl Fn() -> Duration,
    ) -> bool {
        let reached = || visible.load(Ordering::Acquire) >= seq;
        if reached() {
            return true;
        }
        self.waiters.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let deadline = now().saturating_add(timeout);
        let mut turn = self.lock.lock();
        while !reached() {
            let left = deadline.saturating_sub(now());
            if left.is_zero() || self.moved.wait_for(&mut turn, left).timed_out() {
                break;
            }
        }
        drop(turn);
        self.waiters.fetch_sub(1, Ordering::Relaxed);
        reached()
    }
}

#[cfg(all(test, loom))]
mod models;
