//! The pool's handle.

use std::fmt;
use std::future::poll_fn;
use std::panic::Location;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::connection::PooledConnection;
use crate::error::{Error, Result};
use crate::get::{Get, in_time};
use crate::manager::Manager;
use crate::options::PoolOptions;
use crate::runtime::{BoxFuture, Runtime, ThreadRuntime, block_on, within};
use crate::shared::Shared;
use crate::state::State;
use crate::statistics::Statistics;
use crate::sync::Mutex;

/// Connections that are kept and given out, one user at a time. Handles are cheap to clone; the
/// last one that is dropped closes what is idle, and connections in use are closed when they come
/// back.
pub struct Pool<M: Manager>(Arc<Handle<M>>);

/// What ends with the last handle.
struct Handle<M: Manager> {
    shared: Arc<Shared<M>>,
}

/// How the end of a pool went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseReport {
    /// Connections that were in use when it began.
    pub in_use: usize,
    /// Of these, those that had not come back by the deadline. They are closed when they do.
    pub left: usize,
}

impl<M: Manager> Pool<M> {
    /// Options of a pool over a manager.
    pub fn builder(manager: M) -> PoolOptions<M> {
        PoolOptions::new(manager)
    }

    pub(crate) fn start(options: PoolOptions<M>) -> Self {
        let PoolOptions { manager, backends, runtime, settings, hooks } = options;
        let runtime = runtime.unwrap_or_else(default_runtime);
        #[cfg(feature = "metrics")]
        let meters = crate::meters::Meters::new(&settings.name);
        let interval = settings.maintenance_interval;
        let state = State::new(settings, backends.clone(), runtime.seed());
        let shared = Arc::new(Shared {
            manager,
            hooks,
            runtime: Arc::clone(&runtime),
            state: Mutex::new(state),
            backends,
            #[cfg(feature = "metrics")]
            meters,
        });
        shared.change(State::refill);
        let maintained = Shared::maintain(Arc::downgrade(&shared), Arc::clone(&runtime), interval);
        runtime.spawn(Box::pin(maintained));
        Self(Arc::new(Handle { shared }))
    }

    /// A connection, as soon as one is free: at once if one is idle, and otherwise in the order of
    /// calls. Waits for at most [`acquire_timeout`](PoolOptions::acquire_timeout).
    ///
    /// Takes one short lock; without waiting it allocates nothing. `cargo xtask compare pool`
    /// measures it.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Connect`] if no connection could be made and none is in use,
    /// [`Error::Unavailable`], [`Error::Hook`], [`Error::Closed`].
    #[track_caller]
    pub fn get(&self) -> Get<M> {
        Get::new(Arc::clone(&self.0.shared), Location::caller())
    }

    /// A connection that comes in time, or `None`.
    ///
    /// # Errors
    /// Those of [`get`](Self::get), but for the timeout.
    #[track_caller]
    pub fn get_timeout(
        &self,
        timeout: Duration,
    ) -> impl Future<Output = Result<Option<PooledConnection<M>>>> + Send + use<M> {
        let get = self.get().timeout(timeout);
        async move { in_time(get.await) }
    }

    /// A connection if one is idle and nobody waits for it. None is checked or made.
    ///
    /// # Errors
    /// [`Error::Hook`], [`Error::Closed`].
    #[track_caller]
    pub fn try_get(&self) -> Result<Option<PooledConnection<M>>> {
        let shared = &self.0.shared;
        let now = shared.now();
        let lease = {
            let mut state = shared.state.lock();
            if state.is_closed() {
                return Err(Error::Closed);
            }
            state.try_acquire(now, Location::caller())
        };
        lease.map(|lease| PooledConnection::begin(Arc::clone(shared), lease)).transpose()
    }

    /// As [`get`](Self::get), on this thread, which sleeps meanwhile.
    ///
    /// # Errors
    /// Those of [`get`](Self::get).
    #[track_caller]
    pub fn get_blocking(&self) -> Result<PooledConnection<M>> {
        self.get().wait()
    }

    /// Ends when [`min_idle`](PoolOptions::min_idle) connections have been made, for the first
    /// time: a service is ready then.
    ///
    /// # Errors
    /// [`Error::Connect`] if one could not be made; calling again waits for the next attempt.
    /// [`Error::Closed`].
    pub async fn ready(&self) -> Result<()> {
        let shared = &self.0.shared;
        poll_fn(|context| match shared.state.lock().poll_ready(context.waker()) {
            Some(answer) => Poll::Ready(answer),
            None => Poll::Pending,
        })
        .await
    }

    /// Counts and times of this moment.
    pub fn statistics(&self) -> Statistics {
        let shared = &self.0.shared;
        let now = shared.now();
        shared.state.lock().statistics(now)
    }

    /// Whether the pool is open and has a backend that may be used: for health checks.
    pub fn is_available(&self) -> bool {
        let shared = &self.0.shared;
        let now = shared.now();
        shared.state.lock().is_available(now)
    }

    /// Sets how many connections there may be, and how many idle ones are kept. Connections in use
    /// that are too many are closed when they come back.
    ///
    /// # Errors
    /// [`Error::Option`].
    pub fn resize(&self, max_size: usize, min_idle: usize) -> Result<()> {
        if max_size == 0 {
            let detail = "it is 0, and must be at least 1".to_owned();
            return Err(Error::Option { option: "max_size", detail });
        }
        if min_idle > max_size {
            let detail = format!("it is {min_idle}, more than max_size, {max_size}");
            return Err(Error::Option { option: "min_idle", detail });
        }
        let shared = &self.0.shared;
        shared.change(|state, now, actions| state.resize(max_size, min_idle, now, actions));
        Ok(())
    }

    /// Gives out no connection of a backend until it is resumed. Those in use stay with their
    /// users, and callers wait if there is no other backend.
    ///
    /// # Errors
    /// [`Error::Option`] if there is no backend of that name.
    pub fn pause(&self, backend: &str) -> Result<()> {
        self.set_paused(backend, true)
    }

    /// Takes a backend into use again.
    ///
    /// # Errors
    /// [`Error::Option`] if there is no backend of that name.
    pub fn resume(&self, backend: &str) -> Result<()> {
        self.set_paused(backend, false)
    }

    fn set_paused(&self, name: &str, is_paused: bool) -> Result<()> {
        let shared = &self.0.shared;
        if shared.change(|state, now, actions| state.set_paused(name, is_paused, now, actions)) {
            return Ok(());
        }
        let names: Vec<_> = shared.backends.iter().map(|backend| &*backend.name).collect();
        let detail = format!("there is none named {name}, but {}", names.join(", "));
        Err(Error::Option { option: "backend", detail })
    }

    /// Begins a new generation and gives its number: connections made before are closed as soon as
    /// nobody uses them. For credentials that changed, or a failover.
    pub fn invalidate(&self) -> u64 {
        self.0.shared.change(State::invalidate)
    }

    /// Ends the pool: from now on nobody gets a connection, those who wait are told so, and idle
    /// connections are closed. Ends when all connections are closed, or at the deadline; those that
    /// are still in use then are closed when they come back.
    ///
    /// # Cancel safety
    /// Dropped before its end, the pool closes all the same. It may be called again, to wait.
    pub async fn close(&self, deadline: Duration) -> CloseReport {
        let shared = &self.0.shared;
        let in_use = shared.change(|state, _, actions| {
            state.close(actions);
            state.in_use()
        });
        let drained = poll_fn(|context| {
            if shared.state.lock().poll_drained(context.waker()) {
                return Poll::Ready(());
            }
            Poll::Pending
        });
        within(&*shared.runtime, deadline, drained).await;
        CloseReport { in_use, left: shared.state.lock().in_use() }
    }

    /// As [`close`](Self::close), on this thread.
    pub fn close_blocking(&self, deadline: Duration) -> CloseReport {
        block_on(self.close(deadline))
    }

    /// The end of the pool as a function of its deadline, for what stops the parts of a program.
    pub fn closer(&self) -> impl Fn(Duration) -> BoxFuture<CloseReport> + Send + Sync + 'static {
        let pool = self.clone();
        move |deadline| {
            let pool = pool.clone();
            Box::pin(async move { pool.close(deadline).await })
        }
    }
}

/// The runtime that the caller is in, or else threads.
fn default_runtime() -> Arc<dyn Runtime> {
    #[cfg(feature = "tokio")]
    if let Some(runtime) = crate::runtime::TokioRuntime::current() {
        return Arc::new(runtime);
    }
    Arc::new(ThreadRuntime::new(2))
}

impl<M: Manager> Drop for Handle<M> {
    fn drop(&mut self) {
        self.shared.change(|state, _, actions| state.close(actions));
    }
}

impl<M: Manager> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: Manager> fmt::Debug for Pool<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Statistics { size, idle, in_use, waiting, .. } = self.statistics();
        f.debug_struct("Pool")
            .field("size", &size)
            .field("idle", &idle)
            .field("in_use", &in_use)
            .field("waiting", &waiting)
            .finish()
    }
}

#[cfg(all(test, loom))]
mod models;
