//! The pool under its one lock: who waits, what is idle, what is under way.
//!
//! Plain data and transitions, without futures or locks. A transition that needs something done
//! outside adds it to [`Actions`], which the caller runs after it has let go of the lock. A free
//! connection goes to the first waiter at once and never through the idle ones, so that nobody who
//! comes later can take it.

mod action;
mod balance;
mod deadline;
mod health;
mod outcome;
mod queue;
mod report;
mod seat;

use std::panic::Location;
use std::task::Waker;
use std::time::Duration;

use slab::Slab;

pub(crate) use self::action::{Action, Actions};
use self::balance::Balancer;
pub use self::queue::Priority;
use self::queue::Queue;
use self::seat::Seat;
pub(crate) use self::seat::{Held, Identity, Meta};
use crate::error::Error;
use crate::hooks::CloseReason;
use crate::manager::Backend;
use crate::options::{Settings, Strategy};
use crate::statistics::{Circuit, Counts, Histogram};

/// A connection that is given out. It is moved often: what can be looked up stands in [`Lent`].
#[derive(Debug)]
pub(crate) struct Lease<C> {
    pub(crate) held: Held<C>,
    /// Its place among those given out.
    lent: usize,
}

/// What is known of a connection that is given out.
#[derive(Debug)]
struct Lent {
    site: &'static Location<'static>,
    /// When it was given out.
    since: Duration,
    /// How long its user waited for it.
    waited: Duration,
    identity: Identity,
    is_reported: bool,
}

/// What the last user found of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may be used again.
    Good,
    /// After a reset.
    NeedsReset,
    /// It may not.
    Bad(CloseReason),
}

/// How far the pool's end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    Closing,
}

/// The pool under its lock.
#[derive(Debug)]
pub(crate) struct State<C> {
    settings: Settings,
    phase: Phase,
    generation: u64,
    next_id: u64,
    seats: Vec<Seat<C>>,
    queue: Queue<Result<Lease<C>, Error>>,
    lent: Slab<Lent>,
    idle: usize,
    connecting: usize,
    checking: usize,
    closing: usize,
    balancer: Balancer,
    counts: Counts,
    wait: Histogram,
    usage: Histogram,
    /// Whether there were `min_idle` connections once.
    is_ready: bool,
    /// Why the first connects failed, until one succeeds.
    start_error: Option<Error>,
    /// Woken by readiness and by the end.
    watchers: Vec<Waker>,
    /// When the next look at deadlines is due, if one is planned.
    sweep_at: Option<Duration>,
    /// Number of the sweep that looks; those before it have nothing left to do.
    sweep: u64,
    /// The choice that the next one in line is to be served by.
    chosen: Option<usize>,
    eligible: Vec<usize>,
}

impl<C> State<C> {
    pub(crate) fn new(settings: Settings, backends: Vec<Backend>, seed: u64) -> Self {
        let balancer = Balancer::new(settings.strategy, seed);
        let is_ready = settings.min_idle == 0;
        Self {
            settings,
            phase: Phase::Open,
            generation: 0,
            next_id: 0,
            seats: backends.into_iter().map(Seat::new).collect(),
            queue: Queue::new(),
            lent: Slab::new(),
            idle: 0,
            connecting: 0,
            checking: 0,
            closing: 0,
            balancer,
            counts: Counts::default(),
            wait: Histogram::default(),
            usage: Histogram::default(),
            is_ready,
            start_error: None,
            watchers: Vec::new(),
            sweep_at: None,
            sweep: 0,
            chosen: None,
            eligible: Vec::new(),
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// All that exist, or are on the way to or from it.
    fn size(&self) -> usize {
        self.idle + self.lent.len() + self.connecting + self.checking + self.closing
    }

    /// A connection that can be used at once, if nobody waits for one.
    #[inline]
    pub(crate) fn try_acquire(
        &mut self,
        now: Duration,
        site: &'static Location<'static>,
    ) -> Option<Lease<C>> {
        if self.phase != Phase::Open || self.queue.len() > 0 {
            return None;
        }
        let seat = self.choose(now)?;
        let is_fresh =
            |held: &Held<C>| !self.is_spent(&held.meta, now) && !self.wants_check(&held.meta, now);
        if !self.seats[seat].idle.last().is_some_and(is_fresh) {
            // Whoever gets in line now gets what this choice leads to.
            self.chosen = Some(seat);
            return None;
        }
        let held = self.take_idle(seat)?;
        let lease = self.lend(held, now, Duration::ZERO, site);
        self.count(&lease);
        Some(lease)
    }

    /// Counts a connection whose user has it now.
    fn count(&mut self, lease: &Lease<C>) {
        self.counts.acquired += 1;
        self.seats[lease.held.meta.seat].acquired += 1;
        self.wait.record(self.lent[lease.lent].waited);
    }

    /// Gets in line.
    ///
    /// # Errors
    /// If the pool is closed.
    pub(crate) fn join(
        &mut self,
        class: Priority,
        now: Duration,
        deadline: Duration,
        site: &'static Location<'static>,
        waker: Waker,
        actions: &mut Actions<C>,
    ) -> Result<usize, Error> {
        if self.phase != Phase::Open {
            return Err(Error::Closed);
        }
        let key = self.queue.join(class, site, now, deadline, waker);
        self.dispatch(now, actions);
        Ok(key)
    }

    /// The answer to one who waits, if there is one.
    pub(crate) fn poll(&mut self, key: usize, waker: &Waker) -> Option<Result<Lease<C>, Error>> {
        let answer = self.queue.poll(key, waker)?;
        if let Ok(lease) = &answer {
            self.counts.waited += 1;
            self.count(lease);
        }
        Some(answer)
    }

    /// One who waits gives up. A connection that was on its way goes to the next.
    pub(crate) fn cancel(&mut self, key: usize, now: Duration, actions: &mut Actions<C>) {
        self.counts.cancelled += 1;
        if let Some(Ok(lease)) = self.queue.leave(key) {
            self.lent.remove(lease.lent);
            self.seats[lease.held.meta.seat].busy -= 1;
            self.place(lease.held, now, actions);
        }
    }

    /// Takes a connection back.
    #[inline]
    pub(crate) fn release(
        &mut self,
        lease: Lease<C>,
        now: Duration,
        verdict: Verdict,
        actions: &mut Actions<C>,
    ) {
        let Lease { mut held, lent } = lease;
        let since = self.lent.remove(lent).since;
        let seat = &mut self.seats[held.meta.seat];
        seat.busy -= 1;
        let used = now.saturating_sub(since);
        if self.settings.strategy == Strategy::PeakEwma {
            seat.peak.record(now, used);
        }
        self.counts.released += 1;
        self.usage.record(used);
        (held.meta.used_at, held.meta.worked_at) = (now, now);
        match verdict {
            Verdict::Good => self.place(held, now, actions),
            Verdict::NeedsReset => {
                self.checking += 1;
                actions.push(Action::Reset(held));
            }
            Verdict::Bad(reason) => {
                self.end(held, reason, actions);
                self.dispatch(now, actions);
            }
        }
    }

    /// Takes a connection out for good.
    pub(crate) fn detach(&mut self, lease: Lease<C>, now: Duration, actions: &mut Actions<C>) -> C {
        self.lent.remove(lease.lent);
        self.seats[lease.held.meta.seat].busy -= 1;
        self.counts.detached += 1;
        self.dispatch(now, actions);
        self.notify(actions);
        lease.held.connection
    }

    /// Gives a connection to the first waiter, or keeps it.
    fn place(&mut self, held: Held<C>, now: Duration, actions: &mut Actions<C>) {
        if let Some(reason) = self.reason_to_close(&held.meta, now) {
            self.end(held, reason, actions);
            return self.dispatch(now, actions);
        }
        let seat = &self.seats[held.meta.seat];
        let is_usable = !seat.is_paused && seat.health.circuit(now) == Circuit::Closed;
        if is_usable && let Some(key) = self.queue.front() {
            return self.deliver(key, held, now, actions);
        }
        self.seats[held.meta.seat].idle.push(held);
        self.idle += 1;
        self.notify(actions);
        if !is_usable {
            self.dispatch(now, actions);
        }
    }

    fn deliver(&mut self, key: usize, held: Held<C>, now: Duration, actions: &mut Actions<C>) {
        let (site, since) = (self.queue.waiter(key).site, self.queue.waiter(key).since);
        let lease = self.lend(held, now, now.saturating_sub(since), site);
        actions.wake(self.queue.answer(key, Ok(lease)));
    }

    fn lend(
        &mut self,
        held: Held<C>,
        now: Duration,
        waited: Duration,
        site: &'static Location<'static>,
    ) -> Lease<C> {
        self.seats[held.meta.seat].busy += 1;
        let (since, identity) = (now, held.meta.identity());
        let lent = self.lent.insert(Lent { site, since, waited, identity, is_reported: false });
        Lease { held, lent }
    }

    fn take_idle(&mut self, seat: usize) -> Option<Held<C>> {
        let held = self.seats[seat].idle.pop()?;
        self.idle -= 1;
        Some(held)
    }

    fn end(&mut self, held: Held<C>, reason: CloseReason, actions: &mut Actions<C>) {
        self.closing += 1;
        self.counts.closed += 1;
        actions.push(Action::Close(held, reason));
    }

    fn reason_to_close(&self, meta: &Meta, now: Duration) -> Option<CloseReason> {
        if self.phase != Phase::Open {
            Some(CloseReason::Closed)
        } else if meta.generation != self.generation {
            Some(CloseReason::Generation)
        } else if meta.ends_at <= now {
            Some(CloseReason::Lifetime)
        } else if self.size() - self.closing >= self.settings.max_size {
            // The one at hand is not counted any more: with it there is one too many.
            Some(CloseReason::Size)
        } else {
            None
        }
    }

    fn is_spent(&self, meta: &Meta, now: Duration) -> bool {
        meta.generation != self.generation || meta.ends_at <= now
    }

    /// Whether a connection must be checked before it is given out.
    fn wants_check(&self, meta: &Meta, now: Duration) -> bool {
        now.saturating_sub(meta.worked_at) >= self.settings.check_after
            || self.seats[meta.seat].health.circuit(now) != Circuit::Closed
    }

    fn may_grow(&self) -> bool {
        self.phase == Phase::Open
            && self.connecting < self.settings.connects_max
            && self.size() < self.settings.max_size
    }

    /// The backend that the next connection should be of: an idle one, or else a new one.
    fn choose(&mut self, now: Duration) -> Option<usize> {
        if let [only] = &self.seats[..] {
            // Most pools have one backend, and most of the time it has something idle.
            let is_usable = !only.is_paused && only.health.circuit(now) == Circuit::Closed;
            if is_usable && !only.idle.is_empty() {
                return Some(0);
            }
        }
        let may_grow = self.may_grow();
        self.find_eligible(|seat| {
            seat.health.circuit(now) == Circuit::Closed && (may_grow || !seat.idle.is_empty())
        });
        if self.eligible.is_empty() {
            // A backend with errors is better than none: its idle connections are checked first.
            self.find_eligible(|seat| {
                !seat.idle.is_empty() || (may_grow && seat.health.may_connect(now))
            });
        }
        let chosen = self.chosen.take();
        if chosen.is_some_and(|seat| self.eligible.contains(&seat)) {
            return chosen;
        }
        if self.eligible.is_empty() {
            return None;
        }
        Some(self.balancer.pick(&mut self.seats, &self.eligible, now))
    }

    /// Notes the backends that may be used and pass; those of the zone alone if one of them does.
    fn find_eligible(&mut self, passes: impl Fn(&Seat<C>) -> bool) {
        let (seats, zone) = (&self.seats, &self.settings.zone);
        let find = |eligible: &mut Vec<usize>, wanted: Option<&String>| {
            let fits = |seat: &Seat<C>| {
                !seat.is_paused
                    && (wanted.is_none() || seat.backend.zone.as_ref() == wanted)
                    && passes(seat)
            };
            eligible.clear();
            eligible.extend((0..seats.len()).filter(|position| fits(&seats[*position])));
        };
        find(&mut self.eligible, zone.as_ref());
        if self.eligible.is_empty() && zone.is_some() {
            find(&mut self.eligible, None);
        }
    }

    /// Starts what those in line need, as far as it is allowed, and answers those for whom nothing
    /// can be done.
    fn dispatch(&mut self, now: Duration, actions: &mut Actions<C>) {
        // What is under way will serve as many; for the others, something must begin.
        while self.queue.len() > self.connecting + self.checking {
            if self.idle == 0 && !self.may_grow() {
                break;
            }
            let Some(seat) = self.choose(now) else { break };
            match self.take_idle(seat) {
                Some(held) if self.is_spent(&held.meta, now) => {
                    let reason = self.reason_to_close(&held.meta, now);
                    self.end(held, reason.unwrap_or(CloseReason::Lifetime), actions);
                }
                Some(held) if self.wants_check(&held.meta, now) => {
                    self.checking += 1;
                    actions.push(Action::Check(held));
                }
                Some(held) => match self.queue.front() {
                    Some(key) => self.deliver(key, held, now, actions),
                    None => break,
                },
                None => self.begin_connect(seat, now, actions),
            }
        }
        if self.queue.len() > 0 && self.size() == 0 {
            self.refuse_all(now, actions);
        }
    }

    fn begin_connect(&mut self, seat: usize, now: Duration, actions: &mut Actions<C>) {
        self.connecting += 1;
        self.seats[seat].busy += 1;
        self.seats[seat].health.begin(now);
        actions.push(Action::Connect(seat));
    }

    /// There is no connection, and none can be made: if that is because of errors, everyone is
    /// told so instead of waiting for a time that may not come.
    fn refuse_all(&mut self, now: Duration, actions: &mut Actions<C>) {
        let paused = self.seats.iter().filter(|seat| seat.is_paused).count();
        let broken = |seat: &&Seat<C>| !seat.is_paused && !seat.health.may_connect(now);
        let ejected = self.seats.iter().filter(broken).count();
        if ejected == 0 || paused + ejected < self.seats.len() {
            return;
        }
        let source = self.seats.iter().find_map(|seat| seat.health.last_error.clone());
        while let Some(key) = self.queue.front() {
            let error = Error::Unavailable { paused, ejected, source: source.clone() };
            actions.wake(self.queue.answer(key, Err(error)));
        }
    }
}
