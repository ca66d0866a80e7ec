//! What becomes of connects, checks, resets and closes when they end.

use std::time::Duration;

use super::{Actions, Held, Meta, Phase, Seat, State};
use crate::error::{Cause, Error};
use crate::hooks::CloseReason;
use crate::statistics::Circuit;

impl<C> State<C> {
    /// A connect succeeded.
    pub(crate) fn connected(&mut self, held: Held<C>, now: Duration, actions: &mut Actions<C>) {
        let seat = &mut self.seats[held.meta.seat];
        self.connecting -= 1;
        seat.busy -= 1;
        seat.health.succeed();
        self.counts.connected += 1;
        self.start_error = None;
        self.place(held, now, actions);
    }

    /// A number in 0 to 1.
    pub(crate) fn draw_share(&mut self) -> f64 {
        f64::midpoint(self.balancer.draw_signed(), 1.0)
    }

    /// The identity of a connection that is made now.
    pub(crate) fn new_meta(&mut self, seat: usize, now: Duration) -> Meta {
        self.next_id += 1;
        let ends_at = self.settings.max_lifetime.map_or(Duration::MAX, |life| {
            let spread = 1.0 + self.settings.lifetime_jitter * self.balancer.draw_signed();
            now.saturating_add(
                Duration::try_from_secs_f64(life.as_secs_f64() * spread).unwrap_or(life),
            )
        });
        let generation = self.generation;
        Meta { id: self.next_id, seat, generation, ends_at, used_at: now, worked_at: now }
    }

    /// An attempt to connect failed.
    pub(crate) fn attempt_failed(&mut self, seat: usize, now: Duration, cause: Cause) {
        self.counts.connect_errors += 1;
        self.blame(seat, now, cause);
    }

    /// A connect is tried again, at a backend that is chosen anew.
    pub(crate) fn retry(&mut self, seat: usize, now: Duration) -> Option<usize> {
        if self.phase != Phase::Open {
            return None;
        }
        self.find_eligible(|seat| seat.health.may_connect(now));
        if self.eligible.is_empty() {
            return None;
        }
        let next = self.balancer.pick(&mut self.seats, &self.eligible, now);
        self.seats[seat].busy -= 1;
        self.seats[next].busy += 1;
        self.seats[next].health.begin(now);
        Some(next)
    }

    /// A connect is given up.
    pub(crate) fn connect_failed(
        &mut self,
        seat: usize,
        now: Duration,
        error: Error,
        actions: &mut Actions<C>,
    ) {
        self.connecting -= 1;
        self.seats[seat].busy -= 1;
        self.seats[seat].health.abandon();
        // Those who can count on another connection go on waiting for it.
        if self.queue.len() > self.connecting + self.checking + self.lent.len()
            && let Some(key) = self.queue.front()
        {
            actions.wake(self.queue.answer(key, Err(error.clone())));
        }
        if !self.is_ready {
            self.start_error = Some(error);
        }
        self.notify(actions);
        self.dispatch(now, actions);
    }

    /// A check or a reset ended well.
    pub(crate) fn checked(&mut self, mut held: Held<C>, now: Duration, actions: &mut Actions<C>) {
        self.checking -= 1;
        self.counts.checks += 1;
        self.seats[held.meta.seat].health.succeed();
        held.meta.worked_at = now;
        self.place(held, now, actions);
    }

    /// A check or a reset failed; the connection is to be closed.
    pub(crate) fn check_failed(
        &mut self,
        held: Held<C>,
        now: Duration,
        cause: Cause,
        actions: &mut Actions<C>,
    ) {
        self.counts.check_errors += 1;
        self.counts.checks += 1;
        self.checking -= 1;
        self.blame(held.meta.seat, now, cause);
        self.end(held, CloseReason::Failed, actions);
        self.dispatch(now, actions);
    }

    /// A connection is closed.
    pub(crate) fn closed(&mut self, now: Duration, actions: &mut Actions<C>) {
        self.closing -= 1;
        self.dispatch(now, actions);
        self.notify(actions);
    }

    fn blame(&mut self, seat: usize, now: Duration, cause: Cause) {
        let count = self.seats.len();
        let is_open = |seat: &&Seat<C>| seat.health.circuit(now) != Circuit::Closed;
        let open = self.seats.iter().filter(is_open).count();
        let breaker = &self.settings.breaker;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a small count"
        )]
        let open_max = ((count as f64 * breaker.share_max) as usize).max(1);
        self.seats[seat].health.fail(now, cause, breaker, count == 1 || open < open_max);
    }
}
