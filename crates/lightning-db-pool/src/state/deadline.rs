//! Who is answered because time is over, and when to look.

use std::time::Duration;

use super::{Actions, State};
use crate::error::Error;

/// Shortest time between two looks.
const SWEEP_MIN: Duration = Duration::from_millis(1);

impl<C> State<C> {
    /// Answers all whose time is over.
    pub(crate) fn expire(&mut self, now: Duration, actions: &mut Actions<C>) {
        for key in self.queue.overdue(now) {
            self.counts.timed_out += 1;
            let waited = now.saturating_sub(self.queue.waiter(key).since);
            let waiting = self.queue.len() - 1;
            let (in_use, max_size) = (self.lent.len(), self.settings.max_size);
            let error = Error::Timeout { waited, in_use, max_size, waiting };
            actions.wake(self.queue.answer(key, Err(error)));
        }
    }

    /// Notes that those in line are to be looked at by a deadline. Gives the number of the sweep to
    /// start, unless one is planned that comes early enough; it takes over from that one.
    pub(crate) fn plan_sweep(&mut self, deadline: Duration) -> Option<u64> {
        if self.sweep_at.is_some_and(|planned| planned <= deadline) {
            return None;
        }
        self.sweep_at = Some(deadline);
        self.sweep += 1;
        Some(self.sweep)
    }

    /// Looks at those in line; gives when to look again, or nothing if nobody is left or another
    /// sweep has taken over.
    pub(crate) fn sweep(
        &mut self,
        number: u64,
        now: Duration,
        actions: &mut Actions<C>,
    ) -> Option<Duration> {
        if number != self.sweep {
            return None;
        }
        self.expire(now, actions);
        self.sweep_at = self.queue.next_deadline().map(|next| next.max(now + SWEEP_MIN));
        self.sweep_at
    }
}
