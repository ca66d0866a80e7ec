//! Code of the user that runs when connections come and go, and may fail.

use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Cause, Error, Lost};

/// What is known of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionInfo<'a> {
    /// Number of the connection, unique in its pool.
    pub id: u64,
    /// Name of its backend.
    pub backend: &'a str,
    /// Generation of the pool that it was made in; see
    /// [`Pool::invalidate`](crate::Pool::invalidate).
    pub generation: u64,
}

/// Why a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// It was idle for too long.
    Idle,
    /// It reached the end of its life.
    Lifetime,
    /// The manager says that it is broken, or its user did.
    Broken,
    /// A check or a reset failed.
    Failed,
    /// A hook refused it.
    Hook,
    /// It is of an earlier generation.
    Generation,
    /// There are more than there may be.
    Size,
    /// The pool closes.
    Closed,
}

/// A connection that has been in use for long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leak<'a> {
    /// The connection.
    pub connection: ConnectionInfo<'a>,
    /// Where it was acquired.
    pub acquired_at: &'static Location<'static>,
    /// For how long it has been in use.
    pub in_use: Duration,
}

type Use<C> = dyn Fn(&mut C, ConnectionInfo<'_>) -> Result<(), Cause> + Send + Sync;
type Closing = dyn Fn(ConnectionInfo<'_>, CloseReason) + Send + Sync;
type Leaking = dyn Fn(Leak<'_>) + Send + Sync;

/// Hooks of a pool. One that fails or panics has its connection closed, and harms nothing else.
pub struct Hooks<C> {
    connect: Option<Arc<Use<C>>>,
    acquire: Option<Arc<Use<C>>>,
    release: Option<Arc<Use<C>>>,
    close: Option<Arc<Closing>>,
    leak: Option<Arc<Leaking>>,
}

impl<C> Hooks<C> {
    /// No hooks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs on each connection that has been made. An error counts as a failed connect.
    #[must_use]
    pub fn on_connect(
        mut self,
        hook: impl Fn(&mut C, ConnectionInfo<'_>) -> Result<(), Cause> + Send + Sync + 'static,
    ) -> Self {
        self.connect = Some(Arc::new(hook));
        self
    }

    /// Runs on each connection before its user gets it. An error goes to the user.
    #[must_use]
    pub fn on_acquire(
        mut self,
        hook: impl Fn(&mut C, ConnectionInfo<'_>) -> Result<(), Cause> + Send + Sync + 'static,
    ) -> Self {
        self.acquire = Some(Arc::new(hook));
        self
    }

    /// Runs on each connection that is given back.
    #[must_use]
    pub fn on_release(
        mut self,
        hook: impl Fn(&mut C, ConnectionInfo<'_>) -> Result<(), Cause> + Send + Sync + 'static,
    ) -> Self {
        self.release = Some(Arc::new(hook));
        self
    }

    /// Runs when a connection is about to be closed.
    #[must_use]
    pub fn on_close(
        mut self,
        hook: impl Fn(ConnectionInfo<'_>, CloseReason) + Send + Sync + 'static,
    ) -> Self {
        self.close = Some(Arc::new(hook));
        self
    }

    /// Runs once for each connection that is in use for longer than
    /// [`leak_after`](crate::PoolOptions::leak_after).
    #[must_use]
    pub fn on_leak(mut self, hook: impl Fn(Leak<'_>) + Send + Sync + 'static) -> Self {
        self.leak = Some(Arc::new(hook));
        self
    }

    pub(crate) fn connected(
        &self,
        connection: &mut C,
        of: ConnectionInfo<'_>,
    ) -> Result<(), Error> {
        run(self.connect.as_deref(), "connect", connection, of)
    }

    #[inline]
    pub(crate) fn acquired<'a>(
        &self,
        connection: &mut C,
        of: impl FnOnce() -> ConnectionInfo<'a>,
    ) -> Result<(), Error> {
        match &self.acquire {
            None => Ok(()),
            Some(hook) => run(Some(&**hook), "acquire", connection, of()),
        }
    }

    #[inline]
    pub(crate) fn released<'a>(
        &self,
        connection: &mut C,
        of: impl FnOnce() -> ConnectionInfo<'a>,
    ) -> Result<(), Error> {
        match &self.release {
            None => Ok(()),
            Some(hook) => run(Some(&**hook), "release", connection, of()),
        }
    }

    pub(crate) fn closing(&self, of: ConnectionInfo<'_>, reason: CloseReason) {
        if let Some(hook) = &self.close {
            // Its connection is closed either way.
            let _ = catch_unwind(AssertUnwindSafe(|| hook(of, reason)));
        }
    }

    pub(crate) fn leaking(&self, leak: Leak<'_>) {
        if let Some(hook) = &self.leak {
            // Nothing depends on the report.
            let _ = catch_unwind(AssertUnwindSafe(|| hook(leak)));
        }
    }
}

fn run<C>(
    hook: Option<&Use<C>>,
    name: &'static str,
    connection: &mut C,
    of: ConnectionInfo<'_>,
) -> Result<(), Error> {
    let Some(hook) = hook else { return Ok(()) };
    let ran = catch_unwind(AssertUnwindSafe(|| hook(connection, of)));
    let refused = |source| Error::Hook { hook: name, source };
    ran.unwrap_or_else(|_| Err(Arc::new(Lost))).map_err(refused)
}

impl<C> Default for Hooks<C> {
    fn default() -> Self {
        Self { connect: None, acquire: None, release: None, close: None, leak: None }
    }
}

impl<C> fmt::Debug for Hooks<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("connect", &self.connect.is_some())
            .field("acquire", &self.acquire.is_some())
            .field("release", &self.release.is_some())
            .field("close", &self.close.is_some())
            .field("leak", &self.leak.is_some())
            .finish()
    }
}
