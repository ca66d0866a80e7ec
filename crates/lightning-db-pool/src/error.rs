//! Why no connection is given.

use std::sync::Arc;
use std::time::Duration;

/// Result of a pool.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of a manager, or of a hook.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Why no connection is given.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// None became free in time.
    #[error(
        "get a connection within {waited:?}: {in_use} of {max_size} are in use and {waiting} wait \
         for one; give them back earlier, or raise max_size"
    )]
    Timeout {
        /// How long it was waited.
        waited: Duration,
        /// Connections in use.
        in_use: usize,
        /// Most connections there may be.
        max_size: usize,
        /// Waiters, this one apart.
        waiting: usize,
    },

    /// A connection could not be made.
    #[error("connect to {backend}, {attempts} attempts")]
    Connect {
        /// The backend of the last attempt.
        backend: String,
        /// Number of attempts.
        attempts: u32,
        /// Why the last one failed.
        source: Cause,
    },

    /// No backend may be connected to now: all are paused or have their circuit open.
    #[error("find a backend: {paused} are paused and {ejected} ejected after errors")]
    Unavailable {
        /// Backends that are paused.
        paused: usize,
        /// Backends that are ejected.
        ejected: usize,
        /// The last error of one of them, if there was one.
        source: Option<Cause>,
    },

    /// A hook refused the connection, which was closed.
    #[error("run the {hook} hook")]
    Hook {
        /// Which hook.
        hook: &'static str,
        /// Why.
        source: Cause,
    },

    /// The pool is closed, or closing.
    #[error("get a connection: the pool is closed")]
    Closed,

    /// An option that cannot be.
    #[error("set {option}: {detail}")]
    Option {
        /// The option.
        option: &'static str,
        /// What is wrong with it, and what would be right.
        detail: String,
    },
}

impl Error {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::Connect { .. } | Self::Unavailable { .. })
    }
}

/// A check, a reset or a connect that took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no answer within {0:?}")]
pub(crate) struct TooSlow(pub(crate) Duration);

/// A task that ended without an answer: it panicked, or its runtime went away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the task ended without an answer")]
pub(crate) struct Lost;
