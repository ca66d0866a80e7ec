//! A connection that is given out.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::error::Result;
use crate::hooks::CloseReason;
use crate::manager::Manager;
use crate::shared::Shared;
use crate::state::{Lease, Verdict};

/// A connection of a pool. Dropped, it goes to the next one who waits, or is kept.
pub struct PooledConnection<M: Manager> {
    shared: Arc<Shared<M>>,
    /// `None` only while it is dropped or detached.
    lease: Option<Lease<M::Connection>>,
    is_broken: bool,
}

impl<M: Manager> PooledConnection<M> {
    /// Runs the acquire hook.
    #[inline]
    pub(crate) fn begin(shared: Arc<Shared<M>>, mut lease: Lease<M::Connection>) -> Result<Self> {
        let held = &mut lease.held;
        let of = || shared.describe(held.meta.identity());
        let refused = shared.hooks.acquired(&mut held.connection, of);
        if let Err(error) = refused {
            let verdict = Verdict::Bad(CloseReason::Hook);
            shared.change(|state, now, actions| state.release(lease, now, verdict, actions));
            return Err(error);
        }
        Ok(Self { shared, lease: Some(lease), is_broken: false })
    }

    /// Number of the connection, unique in its pool.
    pub fn id(&self) -> u64 {
        self.lease().held.meta.id
    }

    /// Name of its backend.
    pub fn backend(&self) -> &str {
        &self.shared.backends[self.lease().held.meta.seat].name
    }

    /// Generation of the pool that it was made in.
    pub fn generation(&self) -> u64 {
        self.lease().held.meta.generation
    }

    /// Says that it is of no use any more: it is closed when it is given back.
    pub fn mark_broken(&mut self) {
        self.is_broken = true;
    }

    /// Takes the connection out of the pool for good; the pool may make another in its place.
    #[expect(clippy::missing_panics_doc, reason = "a connection is there until it is dropped")]
    pub fn detach(mut self) -> M::Connection {
        #[expect(clippy::expect_used, reason = "only this and drop take it, and both end it")]
        let lease = self.lease.take().expect("a connection is there until it is dropped");
        self.shared.change(|state, now, actions| state.detach(lease, now, actions))
    }

    fn lease(&self) -> &Lease<M::Connection> {
        #[expect(clippy::expect_used, reason = "only detach and drop take it, and both end it")]
        self.lease.as_ref().expect("a connection is there until it is dropped")
    }
}

impl<M: Manager> Deref for PooledConnection<M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        &self.lease().held.connection
    }
}

impl<M: Manager> DerefMut for PooledConnection<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        #[expect(clippy::expect_used, reason = "only detach and drop take it, and both end it")]
        let lease = self.lease.as_mut().expect("a connection is there until it is dropped");
        &mut lease.held.connection
    }
}

impl<M: Manager> Drop for PooledConnection<M> {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.shared.release(lease, self.is_broken);
        }
    }
}

impl<M: Manager> fmt::Debug for PooledConnection<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PooledConnection")
            .field("id", &self.id())
            .field("backend", &self.backend())
            .finish_non_exhaustive()
    }
}
