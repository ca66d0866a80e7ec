//! Time as a value: the machine's, or one that moves only when told.

use std::fmt::Debug;
use std::sync::Arc;
use std::thread::Thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

/// What time it is, and waiting for a time.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Time since a moment that does not change; never goes back.
    fn now(&self) -> Duration;

    /// Milliseconds since 1970, for people: it may jump.
    fn unix_ms(&self) -> u64;

    /// Parks this thread until then, or until somebody unparks it; may return earlier. Without a
    /// time it waits to be unparked.
    fn park_until(&self, at: Option<Duration>);
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose time starts now.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system")]
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system")]
    fn unix_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn park_until(&self, at: Option<Duration>) {
        match at {
            Some(at) => std::thread::park_timeout(at.saturating_sub(self.now())),
            None => std::thread::park(),
        }
    }
}

/// A clock that stands still until it is moved. Clones share the time.
///
/// # Examples
/// ```
/// use lightning_db_ops::{Clock, SimClock};
/// use std::time::Duration;
/// let clock = SimClock::new();
/// clock.clone().advance(Duration::from_secs(3));
/// assert_eq!(clock.now(), Duration::from_secs(3));
/// ```
#[derive(Debug, Clone, Default)]
pub struct SimClock {
    times: Arc<Mutex<Times>>,
}

#[derive(Debug, Default)]
struct Times {
    now: Duration,
    parked: Vec<Thread>,
}

impl SimClock {
    /// A clock at zero, which is the first second of 2025 for people.
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the time on, and wakes those who wait for a time.
    pub fn advance(&self, by: Duration) {
        let mut times = self.times.lock();
        times.now = times.now.saturating_add(by);
        times.parked.drain(..).for_each(|thread| thread.unpark());
    }
}

impl Clock for SimClock {
    fn now(&self) -> Duration {
        self.times.lock().now
    }

    fn unix_ms(&self) -> u64 {
        let since = u64::try_from(self.now().as_millis()).unwrap_or(u64::MAX);
        since.saturating_add(1_735_689_600_000)
    }

    fn park_until(&self, at: Option<Duration>) {
        {
            let mut times = self.times.lock();
            if at.is_some_and(|at| at <= times.now) {
                return;
            }
            times.parked.push(std::thread::current());
        }
        // A move of the clock since then has left its mark, and this returns at once.
        std::thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_clock_goes_forward_and_knows_the_year() {
        let clock = SystemClock::default();
        let before = clock.now();
        clock.park_until(Some(Duration::ZERO));
        assert!(clock.now() >= before);
        assert!(clock.unix_ms() > 1_700_000_000_000);
    }

    #[test]
    fn a_parked_thread_wakes_when_its_time_has_come() {
        let clock = SimClock::new();
        let at = Duration::from_secs(5);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while clock.now() < at {
                    clock.park_until(Some(at));
                }
            });
            (0..5).for_each(|_| clock.advance(Duration::from_secs(1)));
        });
        assert_eq!(clock.now(), at);
        clock.park_until(Some(at));
    }
}
