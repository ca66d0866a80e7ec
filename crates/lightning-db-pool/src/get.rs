//! Waiting for a connection.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::connection::PooledConnection;
use crate::error::{Error, Result};
use crate::manager::Manager;
use crate::shared::Shared;
use crate::state::{Lease, Priority};

/// A connection that is on its way: what [`Pool::get`](crate::Pool::get) gives.
///
/// # Cancel safety
/// Dropped, it leaves the line. A connection that was handed to it meanwhile goes to the next one,
/// and what was begun for it goes on for others: nothing is lost, and nothing is closed.
#[must_use = "it does nothing until it is awaited"]
pub struct Get<M: Manager> {
    shared: Arc<Shared<M>>,
    priority: Priority,
    timeout: Option<Duration>,
    site: &'static Location<'static>,
    /// Its place in line; `None` before it waits and after it was answered.
    place: Option<usize>,
}

impl<M: Manager> Get<M> {
    pub(crate) fn new(shared: Arc<Shared<M>>, site: &'static Location<'static>) -> Self {
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

    fn begin(&mut self, context: &Context<'_>) -> Poll<Result<Lease<M::Connection>>> {
        let shared = &self.shared;
        let mut actions = Vec::new();
        let (answer, deadline) = {
            let now = shared.now();
            let mut state = shared.state.lock();
            if let Some(lease) = state.try_acquire(now, self.site) {
                return Poll::Ready(Ok(lease));
            }
            let timeout = self.timeout.unwrap_or(state.settings().acquire_timeout);
            let deadline = now.saturating_add(timeout);
            let waker = context.waker().clone();
            let joined = state.join(self.priority, now, deadline, self.site, waker, &mut actions);
            let place = match joined {
                Ok(place) => place,
                Err(error) => return Poll::Ready(Err(error)),
            };
            // It may have been served while it got in line.
            let answer = state.poll(place, context.waker());
            self.place = answer.is_none().then_some(place);
            (answer, deadline)
        };
        shared.run(actions);
        if let Some(answer) = answer {
            return Poll::Ready(answer);
        }
        shared.plan_sweep(deadline);
        Poll::Pending
    }
}

impl<M: Manager> Future for Get<M> {
    type Output = Result<PooledConnection<M>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match self.place {
            None => self.begin(context),
            Some(place) => {
                let answer = self.shared.state.lock().poll(place, context.waker());
                match answer {
                    None => return Poll::Pending,
                    Some(answer) => {
                        self.place = None;
                        Poll::Ready(answer)
                    }
                }
            }
        };
        answer.map(|answer| {
            let shared = Arc::clone(&self.shared);
            answer.and_then(|lease| PooledConnection::begin(shared, lease))
        })
    }
}

impl<M: Manager> Drop for Get<M> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.shared.change(|state, now, actions| state.cancel(place, now, actions));
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
