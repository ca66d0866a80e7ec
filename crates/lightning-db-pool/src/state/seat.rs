//! One backend in the pool: its idle connections, its load and its health.

use std::time::Duration;

use super::balance::Peak;
use super::health::Health;
use crate::manager::Backend;

/// A connection that the pool holds, or has given out.
#[derive(Debug)]
pub(crate) struct Held<C> {
    pub(crate) connection: C,
    pub(crate) meta: Meta,
}

/// What the pool knows of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meta {
    pub(crate) id: u64,
    /// Position of its backend.
    pub(crate) seat: usize,
    pub(crate) generation: u64,
    /// When its life ends.
    pub(crate) ends_at: Duration,
    /// When it was last used.
    pub(crate) used_at: Duration,
    /// When it was last used, checked or made: it worked then.
    pub(crate) worked_at: Duration,
}

/// Which connection it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) id: u64,
    /// Position of its backend.
    pub(crate) seat: usize,
    pub(crate) generation: u64,
}

impl Meta {
    pub(crate) fn identity(&self) -> Identity {
        Identity { id: self.id, seat: self.seat, generation: self.generation }
    }
}

/// A backend in the pool.
#[derive(Debug)]
pub(super) struct Seat<C> {
    pub(super) backend: Backend,
    /// Idle connections; the last one was used last, and is taken first.
    pub(super) idle: Vec<Held<C>>,
    /// Connections in use, and connects under way.
    pub(super) busy: usize,
    pub(super) is_paused: bool,
    pub(super) health: Health,
    /// Connections that were given out.
    pub(super) acquired: u64,
    /// When the balancer chose it last, in choices.
    pub(super) last_turn: u64,
    /// What the weighted strategy owes it.
    pub(super) credit: i64,
    /// How long its connections are in use.
    pub(super) peak: Peak,
}

impl<C> Seat<C> {
    pub(super) fn new(backend: Backend) -> Self {
        Self {
            backend,
            idle: Vec::new(),
            busy: 0,
            is_paused: false,
            health: Health::default(),
            acquired: 0,
            last_turn: 0,
            credit: 0,
            peak: Peak::default(),
        }
    }
}
