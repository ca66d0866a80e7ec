//! The pool's lock and how a thread waits: `parking_lot`'s and the standard library's, or loom's
//! under `--cfg loom`, with the same calls, so that the models run the code that the pool runs.

#[cfg(not(loom))]
pub(crate) use parking_lot::Mutex;
#[cfg(not(loom))]
pub(crate) use real::Signal;

#[cfg(loom)]
pub(crate) use modelled::{Mutex, Signal};

#[cfg(not(loom))]
mod real {
    use std::thread::Thread;

    /// What one thread, which made it, waits for.
    #[derive(Debug)]
    pub(crate) struct Signal(Thread);

    impl Signal {
        pub(crate) fn new() -> Self {
            Self(std::thread::current())
        }

        /// Waits until it is set; may return earlier.
        #[expect(clippy::unused_self, reason = "a thread waits for itself alone")]
        pub(crate) fn wait(&self) {
            // A wake before this makes it return at once.
            std::thread::park();
        }

        pub(crate) fn set(&self) {
            self.0.unpark();
        }
    }
}

#[cfg(loom)]
mod modelled {
    use std::sync::PoisonError;

    #[derive(Debug)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    /// Not by loom's parking, which forgets that a thread was woken when it waits for a lock next.
    #[derive(Debug)]
    pub(crate) struct Signal {
        is_set: Mutex<bool>,
        changed: loom::sync::Condvar,
    }

    impl Signal {
        pub(crate) fn new() -> Self {
            Self { is_set: Mutex::new(false), changed: loom::sync::Condvar::new() }
        }

        pub(crate) fn wait(&self) {
            let mut is_set = self.is_set.lock();
            while !*is_set {
                is_set = self.changed.wait(is_set).unwrap_or_else(PoisonError::into_inner);
            }
            *is_set = false;
        }

        pub(crate) fn set(&self) {
            *self.is_set.lock() = true;
            self.changed.notify_one();
        }
    }
}
