//! Where a shutdown is, and where each component is in it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a shutdown is. It only goes forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It has not begun.
    Running,
    /// Components prepare; the service goes on, and says that it is not ready for more.
    Prepare,
    /// No operation begins; those that are open, and what components have in hand, end.
    Drain,
    /// Components save their state and stop.
    Shutdown,
    /// Everything ended as it should.
    Complete,
    /// It is over, and something failed, was left open or was forced.
    Failed,
}

impl Phase {
    /// Whether the shutdown is over.
    pub fn is_over(self) -> bool {
        self >= Self::Complete
    }
}

/// Which components go first within a phase: the critical ones, then the high ones, and so on. A
/// component that others use goes no earlier than they do, whatever its priority.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// First.
    Critical,
    /// Second.
    High,
    /// Third.
    #[default]
    Normal,
    /// Fourth.
    Low,
    /// Last.
    Background,
}

/// Where a component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// No shutdown has begun.
    Active,
    /// It takes part in [`Phase::Prepare`].
    Preparing,
    /// It takes part in [`Phase::Drain`].
    Draining,
    /// It takes part in [`Phase::Shutdown`].
    Shutting,
    /// It has gone through all phases without a failure.
    Completed,
    /// A callback of it failed, panicked, ran out of time, or it was forced.
    Failed,
}

/// The callbacks of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// In [`Phase::Prepare`].
    Prepare,
    /// In [`Phase::Drain`].
    Drain,
    /// In [`Phase::Shutdown`], behind the component's `persist`.
    Shutdown,
    /// In place of `Shutdown` for a component that has failed, and for all when the time is up.
    Force,
}

/// How a callback ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As it should.
    Ok,
    /// With this error.
    Error(String),
    /// By a panic with this message.
    Panicked(String),
    /// It did not end in time, and is no longer waited for.
    TimedOut,
    /// It was not called: the phase ran out of time before its turn.
    Skipped,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::Prepare => "prepare",
            Self::Drain => "drain",
            Self::Shutdown => "shutdown",
            Self::Complete => "complete",
            Self::Failed => "failed",
        })
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
            Self::Background => "background",
        })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Active => "active",
            Self::Preparing => "preparing",
            Self::Draining => "draining",
            Self::Shutting => "shutting",
            Self::Completed => "completed",
            Self::Failed => "failed",
        })
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Prepare => "prepare",
            Self::Drain => "drain",
            Self::Shutdown => "shutdown",
            Self::Force => "force",
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("ok"),
            Self::Error(detail) => write!(f, "error: {detail}"),
            Self::Panicked(message) => write!(f, "panicked: {message}"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Skipped => f.write_str("skipped"),
        }
    }
}
