//! What a pool must be able to do to take part, and the pools that do.

use std::future::Future;

use anyhow::Result;

use super::measure::{Scale, Shared, held_over_yield, one_task};
use super::pools::{Bb8, Deadpool, Lightning, R2d2};
use super::storm::{Storm, cancelled};
use super::threads;
use crate::comparison::OURS;

/// How connections of a pool behave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Behaviour {
    /// How often a connect or a check lets others run before it ends.
    pub yields: u32,
    /// Whether each connection is checked before it is given out, where a pool offers the choice.
    pub is_checked: bool,
}

impl Behaviour {
    /// Nothing but the pool itself takes time.
    pub(super) const FAST: Self = Self { yields: 0, is_checked: false };
}

/// A pool whose connections are awaited.
pub(super) trait Awaited: Clone + Send + Sync + 'static {
    /// A connection that is given out.
    type Guard<'a>: Send;

    /// A pool of [`CONNECTIONS`](super::CONNECTIONS) at most, and the counter of those it made.
    fn open(links: super::pools::Links) -> impl Future<Output = Result<Self>> + Send;

    /// A connection.
    fn get(&self) -> impl Future<Output = Result<Self::Guard<'_>>> + Send;
}

/// A pool whose connections a thread waits for.
pub(super) trait Blocking: Clone + Send + Sync + 'static {
    /// A connection that is given out.
    type Guard;

    /// A pool of [`CONNECTIONS`](super::CONNECTIONS).
    fn open() -> Result<Self>;

    /// A connection.
    fn get(&self) -> Result<Self::Guard>;
}

/// A pool that takes part.
pub(super) struct Contender {
    pub name: &'static str,
    /// Its crate.
    pub package: &'static str,
    /// Processor time of an acquire and release by one task, in nanoseconds.
    pub one_task: fn(&Scale) -> Result<f64>,
    /// Many users of few connections: tasks, or threads where there is no other way.
    pub held_over_yield: fn(&Scale) -> Result<Shared>,
    /// The same on threads.
    pub threads: Option<fn(&Scale) -> Result<Shared>>,
    /// Acquires that are given up.
    pub cancelled: Option<fn(&Scale) -> Result<Storm>>,
}

/// All pools, in the order of the tables.
pub(super) const CONTENDERS: &[Contender] = &[
    Contender {
        name: OURS,
        package: "lightning-db-pool",
        one_task: one_task::<Lightning>,
        held_over_yield: held_over_yield::<Lightning>,
        threads: Some(threads::held_over_yield::<Lightning>),
        cancelled: Some(cancelled::<Lightning>),
    },
    Contender {
        name: "bb8",
        package: "bb8",
        one_task: one_task::<Bb8>,
        held_over_yield: held_over_yield::<Bb8>,
        threads: None,
        cancelled: Some(cancelled::<Bb8>),
    },
    Contender {
        name: "deadpool",
        package: "deadpool",
        one_task: one_task::<Deadpool>,
        held_over_yield: held_over_yield::<Deadpool>,
        threads: None,
        cancelled: Some(cancelled::<Deadpool>),
    },
    Contender {
        name: "r2d2",
        package: "r2d2",
        one_task: threads::one_thread::<R2d2>,
        held_over_yield: threads::held_over_yield::<R2d2>,
        threads: Some(threads::held_over_yield::<R2d2>),
        cancelled: None,
    },
];
