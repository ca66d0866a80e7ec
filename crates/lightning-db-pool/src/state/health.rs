//! Errors of one backend: when its circuit opens, and when it is tried again.

use std::time::Duration;

use crate::error::Cause;
use crate::options::BreakerOptions;
use crate::statistics::Circuit;

/// What is known of a backend's health.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// Errors one after the other.
    pub(super) errors: u32,
    /// How often the circuit opened.
    pub(super) ejections: u64,
    pub(super) last_error: Option<Cause>,
    /// Until when the circuit is open; half open from then on, until something succeeds.
    open_until: Option<Duration>,
    /// Openings without a success between them.
    rounds: u32,
    /// Whether the one attempt of a half-open circuit is under way.
    is_tried: bool,
}

impl Health {
    pub(super) fn circuit(&self, now: Duration) -> Circuit {
        match self.open_until {
            None => Circuit::Closed,
            Some(until) if now < until => Circuit::Open,
            Some(_) => Circuit::HalfOpen,
        }
    }

    /// Whether it may be connected to now.
    pub(super) fn may_connect(&self, now: Duration) -> bool {
        match self.circuit(now) {
            Circuit::Closed => true,
            Circuit::Open => false,
            Circuit::HalfOpen => !self.is_tried,
        }
    }

    /// Notes that a connect begins.
    pub(super) fn begin(&mut self, now: Duration) {
        self.is_tried = self.circuit(now) == Circuit::HalfOpen;
    }

    pub(super) fn succeed(&mut self) {
        self.errors = 0;
        self.open_until = None;
        self.rounds = 0;
        self.is_tried = false;
    }

    /// Notes an error; opens the circuit if there were enough and it may be opened.
    pub(super) fn fail(
        &mut self,
        now: Duration,
        cause: Cause,
        options: &BreakerOptions,
        may_open: bool,
    ) {
        self.errors = self.errors.saturating_add(1);
        self.last_error = Some(cause);
        self.is_tried = false;
        let circuit = self.circuit(now);
        let is_due = match circuit {
            Circuit::Closed => self.errors >= options.errors && may_open,
            // Others that were under way when it opened say nothing new.
            Circuit::Open => false,
            Circuit::HalfOpen => true,
        };
        if is_due {
            self.rounds = self.rounds.saturating_add(1);
            let open = options.open.saturating_mul(self.rounds).min(options.open_max);
            self.open_until = Some(now.saturating_add(open));
            self.ejections += 1;
        }
    }

    /// The attempt of a half-open circuit ended without a verdict.
    pub(super) fn abandon(&mut self) {
        self.is_tried = false;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_circuit_opens_longer_each_time_until_something_succeeds() {
        let (open, open_max) = (seconds(10), seconds(25));
        let options = BreakerOptions { errors: 2, open, open_max, share_max: 1.0 };
        let cause: Cause = Arc::new(crate::error::Lost);
        let mut health = Health::default();
        let fail = |health: &mut Health, now| {
            health.fail(seconds(now), Arc::clone(&cause), &options, true);
        };
        fail(&mut health, 0);
        assert_eq!(health.circuit(seconds(0)), Circuit::Closed);
        fail(&mut health, 0);
        assert_eq!(health.circuit(seconds(9)), Circuit::Open);
        assert_eq!(health.circuit(seconds(10)), Circuit::HalfOpen);
        assert!(health.may_connect(seconds(10)));
        health.begin(seconds(10));
        assert!(!health.may_connect(seconds(10)));
        fail(&mut health, 11);
        assert_eq!(health.circuit(seconds(30)), Circuit::Open);
        assert_eq!(health.circuit(seconds(31)), Circuit::HalfOpen);
        health.begin(seconds(31));
        fail(&mut health, 31);
        assert_eq!(health.circuit(seconds(55)), Circuit::Open);
        assert_eq!(health.circuit(seconds(56)), Circuit::HalfOpen);
        health.succeed();
        assert_eq!((health.circuit(seconds(56)), health.errors), (Circuit::Closed, 0));
        assert_eq!(health.ejections, 3);
    }

    #[test]
    fn a_circuit_that_may_not_open_stays_closed() {
        let (open, open_max) = (seconds(10), seconds(25));
        let options = BreakerOptions { errors: 1, open, open_max, share_max: 0.0 };
        let mut health = Health::default();
        health.fail(seconds(0), Arc::new(crate::error::Lost), &options, false);
        assert_eq!(health.circuit(seconds(0)), Circuit::Closed);
    }
}
