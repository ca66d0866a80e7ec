//! What is asked of the pool, and done to it, from outside the life of one connection.

use std::panic::Location;
use std::task::Waker;
use std::time::Duration;

use super::{Action, Actions, Identity, Meta, Phase, State};
use crate::error::Error;
use crate::hooks::CloseReason;
use crate::statistics::{BackendStatistics, Circuit, Statistics};

/// A connection that has been in use for long: the connection, where it was acquired, how long.
pub(crate) type Overdue = (Identity, &'static Location<'static>, Duration);

impl<C> State<C> {
    /// Looks after idle connections: lifetimes, idle times, checks, and how many there are.
    pub(crate) fn maintain(&mut self, now: Duration, actions: &mut Actions<C>) {
        let mut spare = self.idle.saturating_sub(self.settings.min_idle);
        for position in 0..self.seats.len() {
            // The first ones were used last longest ago.
            let all = std::mem::take(&mut self.seats[position].idle);
            self.idle -= all.len();
            for held in all {
                match self.fate(&held.meta, now, spare > 0) {
                    Fate::Keep => {
                        self.seats[position].idle.push(held);
                        self.idle += 1;
                    }
                    Fate::Check => {
                        self.checking += 1;
                        actions.push(Action::Check(held));
                    }
                    Fate::Close(reason) => {
                        spare = spare.saturating_sub(1);
                        self.end(held, reason, actions);
                    }
                }
            }
        }
        self.shrink(actions);
        self.refill(now, actions);
        self.dispatch(now, actions);
        self.notify(actions);
    }

    fn fate(&self, meta: &Meta, now: Duration, is_spare: bool) -> Fate {
        let since = |moment: Duration| now.saturating_sub(moment);
        if self.is_spent(meta, now) || self.phase != Phase::Open {
            let reason = self.reason_to_close(meta, now).unwrap_or(CloseReason::Lifetime);
            return Fate::Close(reason);
        }
        let idle_timeout = self.settings.idle_timeout;
        if is_spare && idle_timeout.is_some_and(|limit| since(meta.used_at) >= limit) {
            return Fate::Close(CloseReason::Idle);
        }
        let keepalive = self.settings.keepalive;
        if keepalive.is_some_and(|limit| since(meta.worked_at) >= limit) {
            return Fate::Check;
        }
        Fate::Keep
    }

    /// Closes idle connections that are too many.
    fn shrink(&mut self, actions: &mut Actions<C>) {
        while self.size() - self.closing > self.settings.max_size {
            let most = (0..self.seats.len()).max_by_key(|seat| self.seats[*seat].idle.len());
            let Some(held) = most.and_then(|seat| self.take_idle(seat)) else { break };
            self.end(held, CloseReason::Size, actions);
        }
    }

    /// Begins connects until there will be `min_idle` connections that nobody uses.
    pub(crate) fn refill(&mut self, now: Duration, actions: &mut Actions<C>) {
        while self.idle + self.connecting + self.checking < self.settings.min_idle
            && self.may_grow()
        {
            self.find_eligible(|seat| seat.health.may_connect(now));
            if self.eligible.is_empty() {
                break;
            }
            let seat = self.balancer.pick(&mut self.seats, &self.eligible, now);
            self.begin_connect(seat, now, actions);
        }
    }

    /// Connections in use for so long that they are reported, each once.
    pub(crate) fn leaks(&mut self, now: Duration) -> Vec<Overdue> {
        let Some(limit) = self.settings.leak_after else { return Vec::new() };
        let mut found = Vec::new();
        for (_, lent) in &mut self.lent {
            let in_use = now.saturating_sub(lent.since);
            if in_use >= limit && !lent.is_reported {
                lent.is_reported = true;
                found.push((lent.identity, lent.site, in_use));
            }
        }
        self.counts.leaks += found.len() as u64;
        found
    }

    /// Sets how many there may be and how many idle ones are kept.
    pub(crate) fn resize(
        &mut self,
        max_size: usize,
        min_idle: usize,
        now: Duration,
        actions: &mut Actions<C>,
    ) {
        self.settings.max_size = max_size;
        self.settings.min_idle = min_idle;
        self.maintain(now, actions);
    }

    /// Pauses a backend or resumes it; says whether there is one of that name.
    pub(crate) fn set_paused(
        &mut self,
        name: &str,
        is_paused: bool,
        now: Duration,
        actions: &mut Actions<C>,
    ) -> bool {
        let Some(seat) = self.seats.iter_mut().find(|seat| seat.backend.name == name) else {
            return false;
        };
        seat.is_paused = is_paused;
        self.dispatch(now, actions);
        true
    }

    /// Begins a generation: connections of earlier ones are closed as soon as nobody uses them.
    pub(crate) fn invalidate(&mut self, now: Duration, actions: &mut Actions<C>) -> u64 {
        self.generation += 1;
        self.maintain(now, actions);
        self.generation
    }

    /// Begins the end: nobody gets a connection any more.
    pub(crate) fn close(&mut self, actions: &mut Actions<C>) {
        self.phase = Phase::Closing;
        while let Some(key) = self.queue.front() {
            actions.wake(self.queue.answer(key, Err(Error::Closed)));
        }
        for seat in 0..self.seats.len() {
            while let Some(held) = self.take_idle(seat) {
                self.end(held, CloseReason::Closed, actions);
            }
        }
        self.notify(actions);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.phase != Phase::Open
    }

    /// Whether nothing is left of a closed pool; wakes `waker` when that changes.
    pub(crate) fn poll_drained(&mut self, waker: &Waker) -> bool {
        let is_drained = self.size() == 0;
        if !is_drained {
            self.watchers.push(waker.clone());
        }
        is_drained
    }

    /// Whether the first connections are there; wakes `waker` when that changes.
    pub(crate) fn poll_ready(&mut self, waker: &Waker) -> Option<Result<(), Error>> {
        if self.phase != Phase::Open {
            return Some(Err(Error::Closed));
        }
        if self.is_ready {
            return Some(Ok(()));
        }
        if let Some(error) = self.start_error.take() {
            return Some(Err(error));
        }
        self.watchers.push(waker.clone());
        None
    }

    /// Those in use, for the report of a close that did not wait for them.
    pub(crate) fn in_use(&self) -> usize {
        self.lent.len()
    }

    /// Wakes those who watch for readiness or the end, if something has changed for them.
    #[inline]
    pub(super) fn notify(&mut self, actions: &mut Actions<C>) {
        if !self.is_ready && self.idle + self.lent.len() >= self.settings.min_idle {
            self.is_ready = true;
        }
        if !self.watchers.is_empty() {
            self.watchers.drain(..).for_each(|watcher| actions.wake(Some(watcher)));
        }
    }

    pub(crate) fn statistics(&self, now: Duration) -> Statistics {
        let backend = |seat: &super::Seat<C>| BackendStatistics {
            name: seat.backend.name.clone(),
            circuit: seat.health.circuit(now),
            paused: seat.is_paused,
            idle: seat.idle.len(),
            busy: seat.busy,
            acquired: seat.acquired,
            errors: seat.health.errors,
            ejections: seat.health.ejections,
        };
        Statistics {
            size: self.size(),
            idle: self.idle,
            in_use: self.lent.len(),
            connecting: self.connecting,
            checking: self.checking,
            closing: self.closing,
            waiting: self.queue.len(),
            counts: self.counts,
            wait: self.wait.clone(),
            usage: self.usage.clone(),
            backends: self.seats.iter().map(backend).collect(),
        }
    }

    /// Whether a backend's circuit is closed.
    pub(crate) fn is_available(&self, now: Duration) -> bool {
        let is_usable =
            |seat: &super::Seat<C>| !seat.is_paused && seat.health.circuit(now) == Circuit::Closed;
        self.phase == Phase::Open && self.seats.iter().any(is_usable)
    }
}

/// What becomes of an idle connection.
enum Fate {
    Keep,
    Check,
    Close(CloseReason),
}
