//! Waiting for a connection.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::connection::PooledConnection;
use crate::error::{Error, Result};
use crate::manager::Manager;
use crate::shared::Shared;
use crate::state::{Actions, Lease, Priority};

/// A connection that is on its way: what [`Pool::get`](crate::Pool::get) gives.
///
/// # Cancel safety
/// Dropped, it leaves the line. A connection that was handed to it meanwhile goes to the next one,
/// and what was begun for it goes on for others: nothing is lost, and nothing is closed.
#[must_use = "it does nothing until it is awaited"]
pub struct Get<M: Manager> {
    /// `None` once it was answered: the connection has it then.
    shared: Option<Arc<Shared<M>>>,
    priority: Priority,
    timeout: Option<Duration>,
    site: &'static Location<'static>,
    /// Its place in line; `None` before it waits and after it was answered.
    place: Option<usize>,
}

impl<M: Manager> Get<M> {
    pub(crate) fn new(shared: Arc<Shared<M>>, site: &'static Location<'static>) -> Self {
        let shared = Some(shared);
        Self { shared, priority: Priority::Normal, timeout: None, site, place: None }
    }

    /// Sets in which class it waits.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Sets how long it waits, instead of the pool's
    /// [`acquire_timeout`](crate::PoolOptions::acquire_timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Waits on this thread, which sleeps meanwhile. No async runtime is needed; inside of one,
    /// this blocks a thread that tasks need.
    ///
    /// # Errors
    /// Those of [`Pool::get`](crate::Pool::get).
    pub fn wait(self) -> Result<PooledConnection<M>> {
        crate::runtime::block_on(self)
    }

    #[inline]
    fn begin(
        &mut self,
        shared: &Arc<Shared<M>>,
        waker: &Waker,
    ) -> Poll<Result<Lease<M::Connection>>> {
        let now = shared.now();
        let mut state = shared.state.lock();
        if let Some(lease) = state.try_acquire(now, self.site) {
            return Poll::Ready(Ok(lease));
        }
        let timeout = self.timeout.unwrap_or(state.settings().acquire_timeout);
        let deadline = now.saturating_add(timeout);
        let mut actions = Actions::new();
        let joined =
            state.join(self.priority, now, deadline, self.site, waker.clone(), &mut actions);
        let place = match joined {
            Ok(place) => place,
            Err(error) => return Poll::Ready(Err(error)),
        };
        // It may have been served while it got in line.
        let answer = state.poll(place, waker);
        self.place = answer.is_none().then_some(place);
        let sweep = if answer.is_none() { state.plan_sweep(deadline) } else { None };
        drop(state);
        shared.run(actions);
        if let Some(sweep) = sweep {
            shared.start_sweep(sweep, deadline);
        }
        answer.map_or(Poll::Pending, Poll::Ready)
    }
}

impl<M: Manager> Future for Get<M> {
    type Output = Result<PooledConnection<M>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        #[expect(clippy::expect_used, reason = "as every future that has ended")]
        let shared = this.shared.take().expect("a future that has ended is not polled again");
        let answer = match this.place {
            None => this.begin(&shared, context.waker()),
            Some(place) => {
                let answer = shared.state.lock().poll(place, context.waker());
                answer.map_or(Poll::Pending, |answer| {
                    this.place = None;
                    Poll::Ready(answer)
                })
            }
        };
        match answer {
            Poll::Ready(Ok(lease)) => Poll::Ready(PooledConnection::begin(shared, lease)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                this.shared = Some(shared);
                Poll::Pending
            }
        }
    }
}

impl<M: Manager> Drop for Get<M> {
    fn drop(&mut self) {
        if let (Some(place), Some(shared)) = (self.place, &self.shared) {
            shared.change(|state, now, actions| state.cancel(place, now, actions));
        }
    }
}

impl<M: Manager> fmt::Debug for Get<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Get")
            .field("priority", &self.priority)
            .field("timeout", &self.timeout)
            .field("is_waiting", &self.place.is_some())
            .finish_non_exhaustive()
    }
}

/// Whether an answer is that there was none in time.
pub(crate) fn in_time<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Err(Error::Timeout { .. }) => Ok(None),
        other => other.map(Some),
    }
}
