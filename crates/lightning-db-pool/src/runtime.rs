//! Where tasks run and what time it is: a value that the pool is given.

#[cfg(feature = "tokio")]
mod on_tokio;
mod sim;
mod threads;

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

#[cfg(feature = "tokio")]
pub use on_tokio::TokioRuntime;
pub use sim::SimRuntime;
pub use threads::ThreadRuntime;

use crate::sync::Signal;

/// A future on the heap.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Tasks, timers and the time.
pub trait Runtime: fmt::Debug + Send + Sync + 'static {
    /// Time since some moment that does not change; never goes back.
    fn now(&self) -> Duration;

    /// Ends after a while.
    fn sleep(&self, duration: Duration) -> BoxFuture<()>;

    /// Runs a task to its end. A task that cannot run any more is dropped.
    fn spawn(&self, task: BoxFuture<()>);

    /// A number to draw others from.
    fn seed(&self) -> u64;
}

/// The result of a future if it ends in time.
pub(crate) async fn within<T>(
    runtime: &dyn Runtime,
    limit: Duration,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut future = pin!(future);
    let mut timer = runtime.sleep(limit);
    std::future::poll_fn(move |context| {
        if let Poll::Ready(value) = future.as_mut().poll(context) {
            return Poll::Ready(Some(value));
        }
        timer.as_mut().poll(context).map(|()| None)
    })
    .await
}

/// Runs a future on this thread, which sleeps while there is nothing to do.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let woken = Arc::new(Woken(Signal::new()));
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        woken.0.wait();
    }
}

struct Woken(Signal);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.set();
    }
}

/// The next of a sequence of numbers, by the method `SplitMix64`.
pub(crate) fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
