//! Time as a value: [`SystemClock`] is the machine's, [`SimClock`] moves only when told.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A source of time.
///
/// # Examples
/// ```
/// use lightning_db_types::{Clock, SystemClock};
/// let clock = SystemClock::new();
/// let before = clock.monotonic();
/// assert!(clock.monotonic() >= before);
/// ```
pub trait Clock: Debug + Send + Sync {
    /// Wall clock in milliseconds since 1970-01-01T00:00:00Z. It may jump, also backwards: use it
    /// for expiry and stamps, never to measure.
    fn now_unix_ms(&self) -> u64;

    /// Time since an arbitrary origin of this clock. Never runs backwards.
    fn monotonic(&self) -> Duration;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now_unix_ms(&self) -> u64 {
        (**self).now_unix_ms()
    }

    fn monotonic(&self) -> Duration {
        (**self).monotonic()
    }
}

/// The clock of the machine. Its monotonic origin is the moment it was made.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
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
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system")]
    fn now_unix_ms(&self) -> u64 {
        // A machine set before 1970 reads as 1970; the cast would overflow in 584 million years.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// A clock that stands still until it is moved. Clones share the time.
///
/// # Examples
/// ```
/// use lightning_db_types::{Clock, SimClock};
/// use std::time::Duration;
/// let clock = SimClock::new(1_000);
/// let shared = clock.clone();
/// clock.advance(Duration::from_millis(5));
/// assert_eq!(shared.now_unix_ms(), 1_005);
/// assert_eq!(shared.monotonic(), Duration::from_millis(5));
/// ```
#[derive(Debug, Clone)]
pub struct SimClock {
    times: Arc<SimTimes>,
}

#[derive(Debug)]
struct SimTimes {
    /// Wall clock at monotonic zero, as a wrapping number: a clock set back needs a negative one.
    wall_base_us: AtomicU64,
    monotonic_ns: AtomicU64,
}

impl SimClock {
    /// A clock at `unix_ms` on the wall and at zero on the monotonic side.
    pub fn new(unix_ms: u64) -> Self {
        let wall_base_us = AtomicU64::new(unix_ms.wrapping_mul(1_000));
        Self { times: Arc::new(SimTimes { wall_base_us, monotonic_ns: AtomicU64::new(0) }) }
    }

    /// Moves both times on. Monotonic time stops at 584 years.
    pub fn advance(&self, by: Duration) {
        let by_ns = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        let step = |now: u64| Some(now.saturating_add(by_ns));
        // The closure always gives a value, so there is no failure to handle.
        let _ = self.times.monotonic_ns.fetch_update(Ordering::SeqCst, Ordering::SeqCst, step);
    }

    /// Sets the wall clock, also backwards, as an operator would. Monotonic time stays.
    pub fn set_unix_ms(&self, unix_ms: u64) {
        let run_us = self.times.monotonic_ns.load(Ordering::SeqCst) / 1_000;
        let base_us = unix_ms.wrapping_mul(1_000).wrapping_sub(run_us);
        self.times.wall_base_us.store(base_us, Ordering::SeqCst);
    }
}

impl Default for SimClock {
    /// The first second of 2025, so that expiry sums do not underflow by accident.
    fn default() -> Self {
        Self::new(1_735_689_600_000)
    }
}

impl Clock for SimClock {
    fn now_unix_ms(&self) -> u64 {
        let run_us = self.times.monotonic_ns.load(Ordering::SeqCst) / 1_000;
        self.times.wall_base_us.load(Ordering::SeqCst).wrapping_add(run_us) / 1_000
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.times.monotonic_ns.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, SimClock, SystemClock};
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn system_clock_is_past_2024_and_never_runs_back() {
        let clock = SystemClock::default();
        assert!(clock.now_unix_ms() > 1_700_000_000_000);
        let mut last = clock.monotonic();
        for _ in 0..1_000 {
            let now = clock.monotonic();
            assert!(now >= last);
            last = now;
        }
    }

    #[test]
    fn simulated_wall_clock_can_be_set_back_while_monotonic_goes_on() {
        let clock = SimClock::new(10_000);
        clock.advance(Duration::from_secs(5));
        clock.set_unix_ms(3);
        assert_eq!(clock.now_unix_ms(), 3);
        assert_eq!(clock.monotonic(), Duration::from_secs(5));
        clock.advance(Duration::from_micros(2_500));
        assert_eq!(clock.now_unix_ms(), 5);
    }

    #[test]
    fn simulated_clock_stops_at_its_end() {
        let clock = SimClock::default();
        clock.advance(Duration::MAX);
        clock.advance(Duration::from_secs(1));
        assert_eq!(clock.monotonic(), Duration::from_nanos(u64::MAX));
    }

    #[test]
    fn a_clock_can_be_shared_as_an_object() {
        let sim = SimClock::new(7);
        let clock: Arc<dyn Clock> = Arc::new(sim.clone());
        sim.advance(Duration::from_millis(1));
        assert_eq!(clock.now_unix_ms(), 8);
    }
}
