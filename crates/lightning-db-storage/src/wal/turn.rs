//! Turns: one thread does the work for all that asked by then.

use std::sync::atomic::Ordering;

use crate::sync::{AtomicU64, Condvar, Mutex};

/// Work that brings everything up to a number to the disk, shared by those who wait for it.
#[derive(Debug)]
pub(super) struct Turn {
    /// Number up to which it is done.
    done: AtomicU64,
    /// Whether a thread is working for all.
    taken: Mutex<bool>,
    over: Condvar,
}

impl Turn {
    pub(super) fn new(done: u64) -> Self {
        Self { done: AtomicU64::new(done), taken: Mutex::new(false), over: Condvar::new() }
    }

    pub(super) fn done(&self) -> u64 {
        self.done.load(Ordering::Acquire)
    }

    /// Returns when everything up to `seq` is done.
    ///
    /// The first caller takes the turn and works for all; those that come meanwhile wait for the
    /// next turn, which one of them takes. So n callers share each turn. `work` returns the number
    /// up to which it was done, which it takes before it begins. `check` fails once work has failed
    /// for good, which `fail` notes: nobody waits for it, or tries it, again.
    pub(super) fn reach<E>(
        &self,
        seq: u64,
        check: impl Fn() -> Result<(), E>,
        work: impl Fn() -> Result<u64, E>,
        fail: impl Fn(&E),
    ) -> Result<(), E> {
        if self.done() >= seq {
            return Ok(());
        }
        let mut taken = self.taken.lock();
        loop {
            check()?;
            if self.done() >= seq {
                return Ok(());
            }
            if *taken {
                self.over.wait(&mut taken);
                continue;
            }
            *taken = true;
            drop(taken);
            let outcome = work();
            taken = self.taken.lock();
            *taken = false;
            match &outcome {
                Ok(done) => {
                    self.done.fetch_max(*done, Ordering::AcqRel);
                }
                Err(cause) => fail(cause),
            }
            self.over.notify_all();
            outcome?;
        }
    }
}

#[cfg(all(test, loom))]
mod models;
