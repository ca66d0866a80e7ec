//! Checks that say whether the service works: each with a limit of time, asked at most so often.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use serde::Serialize;

use crate::clock::{Clock, SystemClock};

/// What a check finds: a word on what is well, or what is wrong.
pub type CheckResult = Result<String, String>;

type Check = Arc<dyn Fn() -> CheckResult + Send + Sync>;

/// How a check is asked.
#[derive(Debug, Clone, Copy)]
pub struct CheckOptions {
    /// How long its answer is waited for; 1 s by default. Later, it has failed.
    pub timeout: Duration,
    /// How long an answer holds; 1 s by default.
    pub cache_for: Duration,
    /// Whether the service is not ready while it fails, as it is by default.
    pub affects_readiness: bool,
}

impl Default for CheckOptions {
    fn default() -> Self {
        let second = Duration::from_secs(1);
        Self { timeout: second, cache_for: second, affects_readiness: true }
    }
}

/// The checks of a service. Cheap to clone.
///
/// # Examples
/// ```
/// use lightning_db_ops::{CheckOptions, Health};
/// let health = Health::new();
/// let _check = health.register("disk", CheckOptions::default(), || Err("it is full".into()));
/// let report = health.report();
/// assert!(!report.is_healthy);
/// assert_eq!(report.checks["disk"].detail, "it is full");
/// ```
#[derive(Clone)]
pub struct Health {
    checks: Arc<Mutex<Checks>>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Checks {
    by_number: BTreeMap<u64, Arc<Entry>>,
    next: u64,
}

struct Entry {
    name: String,
    options: CheckOptions,
    check: Check,
    state: Mutex<State>,
    answered: Condvar,
}

#[derive(Default)]
struct State {
    is_running: bool,
    last: Option<(Duration, CheckResult)>,
}

/// A check that is asked until this is dropped.
#[must_use = "the check is asked until this is dropped"]
pub struct Registered {
    checks: Arc<Mutex<Checks>>,
    number: u64,
}

/// What all checks found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HealthReport {
    /// Whether none failed.
    pub is_healthy: bool,
    /// Whether none failed that readiness depends on.
    pub is_ready: bool,
    /// The checks, by name.
    pub checks: BTreeMap<String, CheckReport>,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CheckReport {
    /// Whether it did not fail.
    pub is_healthy: bool,
    /// Whether readiness depends on it.
    pub affects_readiness: bool,
    /// What it said.
    pub detail: String,
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl Health {
    /// No checks: healthy.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock::new()))
    }

    /// No checks, and answers that grow old by this clock.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { checks: Arc::default(), clock }
    }

    /// Adds a check. Of two of one name the later one is in the report.
    pub fn register(
        &self,
        name: impl Into<String>,
        options: CheckOptions,
        check: impl Fn() -> CheckResult + Send + Sync + 'static,
    ) -> Registered {
        let (name, check) = (name.into(), Arc::new(check));
        let (state, answered) = (Mutex::default(), Condvar::new());
        let entry = Arc::new(Entry { name, options, check, state, answered });
        let mut checks = self.checks.lock();
        checks.next += 1;
        let number = checks.next;
        checks.by_number.insert(number, entry);
        drop(checks);
        Registered { checks: Arc::clone(&self.checks), number }
    }

    /// Asks all checks whose answers have grown old, side by side, and waits for them, each within
    /// its limit. One that still runs since an earlier time is not asked again.
    pub fn report(&self) -> HealthReport {
        let entries: Vec<_> = self.checks.lock().by_number.values().cloned().collect();
        let now = self.clock.now();
        for entry in &entries {
            Entry::ask(entry, now, &self.clock);
        }
        let checks: BTreeMap<_, _> =
            entries.iter().map(|entry| (entry.name.clone(), entry.report())).collect();
        let is_healthy = checks.values().all(|check| check.is_healthy);
        let is_ready = checks.values().all(|it| it.is_healthy || !it.affects_readiness);
        HealthReport { is_healthy, is_ready, checks }
    }
}

impl Entry {
    fn ask(this: &Arc<Self>, now: Duration, clock: &Arc<dyn Clock>) {
        let mut state = this.state.lock();
        let is_fresh = state
            .last
            .as_ref()
            .is_some_and(|(at, _)| now.saturating_sub(*at) < this.options.cache_for);
        if is_fresh || state.is_running {
            return;
        }
        state.is_running = true;
        state.last = None;
        drop(state);
        let (entry, clock) = (Arc::clone(this), Arc::clone(clock));
        let thread = std::thread::Builder::new().name(format!("check-{}", this.name));
        let run = move || {
            let check = std::panic::AssertUnwindSafe(|| (entry.check)());
            let result = std::panic::catch_unwind(check);
            entry.answer(clock.now(), result.unwrap_or_else(|_| Err("it panicked".to_owned())));
        };
        if let Err(error) = thread.spawn(run) {
            this.answer(now, Err(format!("it could not be asked: {error}")));
        }
    }

    fn answer(&self, at: Duration, result: CheckResult) {
        let mut state = self.state.lock();
        state.is_running = false;
        state.last = Some((at, result));
        drop(state);
        self.answered.notify_all();
    }

    fn report(&self) -> CheckReport {
        let mut state = self.state.lock();
        let has_no_answer = |state: &mut State| state.last.is_none();
        self.answered.wait_while_for(&mut state, has_no_answer, self.options.timeout);
        let result = state.last.as_ref().map_or_else(
            || Err(format!("no answer within {:?}", self.options.timeout)),
            |(_, result)| result.clone(),
        );
        let affects_readiness = self.options.affects_readiness;
        match result {
            Ok(detail) => CheckReport { is_healthy: true, affects_readiness, detail },
            Err(detail) => CheckReport { is_healthy: false, affects_readiness, detail },
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let check = self.checks.lock().by_number.remove(&self.number);
        // It may own anything: dropped without the lock.
        drop(check);
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checks = self.checks.lock().by_number.len();
        f.debug_struct("Health").field("checks", &checks).finish_non_exhaustive()
    }
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registered").field("number", &self.number).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc::channel;

    use super::*;
    use crate::clock::SimClock;

    #[test]
    fn answers_hold_for_their_time() {
        let clock = SimClock::new();
        let health = Health::with_clock(Arc::new(clock.clone()));
        let asked = Arc::new(AtomicU64::new(0));
        let check = {
            let asked = Arc::clone(&asked);
            move || match asked.fetch_add(1, Ordering::Relaxed) {
                0 => Ok("fine".to_owned()),
                _ => Err("worn out".to_owned()),
            }
        };
        let options = CheckOptions { affects_readiness: false, ..CheckOptions::default() };
        let kept = health.register("engine", options, check);
        assert!(health.report().is_healthy && health.report().is_healthy);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        clock.advance(Duration::from_secs(1));
        let report = health.report();
        assert!(!report.is_healthy && report.is_ready);
        assert_eq!(report.checks["engine"].detail, "worn out");
        drop(kept);
        assert_eq!(health.report().checks.len(), 0);
    }

    #[test]
    fn a_check_that_hangs_or_panics_fails_alone() {
        let health = Health::new();
        let (release, wait) = channel::<()>();
        let wait = Mutex::new(wait);
        let asked = Arc::new(AtomicU64::new(0));
        let hangs = {
            let asked = Arc::clone(&asked);
            move || {
                asked.fetch_add(1, Ordering::Relaxed);
                let _ = wait.lock().recv();
                Ok(String::new())
            }
        };
        let short = CheckOptions { timeout: Duration::from_millis(5), ..CheckOptions::default() };
        let _kept = [
            health.register("hangs", short, hangs),
            health.register("panics", CheckOptions::default(), || panic!("oh")),
            health.register("fine", CheckOptions::default(), || Ok("yes".to_owned())),
        ];
        for _ in 0..3 {
            let report = health.report();
            assert!(!report.is_ready);
            assert_eq!(report.checks["hangs"].detail, "no answer within 5ms");
            assert_eq!(report.checks["panics"].detail, "it panicked");
            assert!(report.checks["fine"].is_healthy);
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1, "a hung check is not asked again");
        drop(release);
    }
}
