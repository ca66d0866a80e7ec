//! Locks and atomics of the parts that loom checks: group commit, the views of keyspaces, the
//! registry of snapshots, waiting for visible commits, and the requests to the threads.
//!
//! Outside of `--cfg loom` these are `parking_lot`'s, `arc_swap`'s and the standard library's.
//! Under it they are loom's, with the same calls, so that the models run the code that the store
//! runs.

#[cfg(not(loom))]
pub(crate) use arc_swap::ArcSwap;
#[cfg(not(loom))]
pub(crate) use parking_lot::{Condvar, Mutex};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, fence};

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, fence};
#[cfg(loom)]
pub(crate) use modelled::{ArcSwap, Condvar, Mutex};

/// Loom's locks behind the calls of `parking_lot`: no poisoning, and waiting takes the guard by
/// reference.
#[cfg(loom)]
mod modelled {
    use std::ops::{Deref, DerefMut};
    use std::sync::{Arc, PoisonError};
    use std::time::Duration;

    use arc_swap::Guard;

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    /// `None` only while its owner waits.
    pub(crate) struct MutexGuard<'a, T>(Option<loom::sync::MutexGuard<'a, T>>);

    #[derive(Debug, Default)]
    pub(crate) struct Condvar(loom::sync::Condvar);

    /// A wait that ended: in a model time stands still.
    pub(crate) struct WaitTimeoutResult;

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            MutexGuard(Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)))
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.0.as_ref().unwrap()
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.0.as_mut().unwrap()
        }
    }

    impl Condvar {
        pub(crate) fn new() -> Self {
            Self::default()
        }

        pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            let waiting = guard.0.take().unwrap();
            guard.0 = Some(self.0.wait(waiting).unwrap_or_else(PoisonError::into_inner));
        }

        pub(crate) fn wait_for<T>(
            &self,
            guard: &mut MutexGuard<'_, T>,
            _timeout: Duration,
        ) -> WaitTimeoutResult {
            self.wait(guard);
            WaitTimeoutResult
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }

    impl WaitTimeoutResult {
        pub(crate) fn timed_out(&self) -> bool {
            false
        }
    }

    /// A value that is replaced as a whole, in a lock: loom looks at every order of two locks, and
    /// of a load beside a thread that loads and then stores it leaves some out.
    #[derive(Debug)]
    pub(crate) struct ArcSwap<T>(Mutex<Arc<T>>);

    impl<T> ArcSwap<T> {
        pub(crate) fn from_pointee(value: T) -> Self {
            Self(Mutex::new(Arc::new(value)))
        }

        pub(crate) fn load_full(&self) -> Arc<T> {
            Arc::clone(&self.0.lock())
        }

        pub(crate) fn load(&self) -> Guard<Arc<T>> {
            Guard::from_inner(self.load_full())
        }

        pub(crate) fn store(&self, value: Arc<T>) {
            *self.0.lock() = value;
        }
    }
}
