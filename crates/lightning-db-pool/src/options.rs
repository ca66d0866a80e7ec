//! How a pool behaves. Every option has a default that suits a service with one database.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::hooks::Hooks;
use crate::manager::{Backend, Manager};
use crate::pool::Pool;
use crate::runtime::Runtime;

/// Which of several backends a connection is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Strategy {
    /// One after the other.
    #[default]
    RoundRobin,
    /// The one that was not used for the longest time.
    LeastRecentlyUsed,
    /// Any.
    Random,
    /// By weight, evenly spread over time (smooth weighted round-robin).
    Weighted,
    /// The one of two drawn at random that has fewer connections in use.
    LeastLoaded,
    /// The one of two drawn at random with the lower product of recent time of use and connections
    /// in use; a peak counts at once and fades over ten seconds.
    PeakEwma,
}

/// How errors of a backend open its circuit, and when it is tried again.
#[derive(Debug, Clone, PartialEq)]
pub struct BreakerOptions {
    /// Errors one after the other that open it.
    pub errors: u32,
    /// How long it stays open the first time; the n-th time in a row, n times as long.
    pub open: Duration,
    /// The longest time it stays open.
    pub open_max: Duration,
    /// Largest share of backends that are open at once, 0 to 1; at least one may always be, if
    /// there are several. With a single backend the circuit opens regardless.
    pub share_max: f64,
}

/// How a connect that fails is tried again.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryOptions {
    /// Attempts in all, at least one.
    pub attempts: u32,
    /// Wait before the second attempt.
    pub first: Duration,
    /// Each further wait is so many times longer.
    pub factor: f64,
    /// The longest wait.
    pub max: Duration,
}

/// Options of a pool; see [`Pool::builder`].
#[must_use = "a pool is made by `build`"]
pub struct PoolOptions<M: Manager> {
    pub(crate) manager: M,
    pub(crate) backends: Vec<Backend>,
    pub(crate) runtime: Option<Arc<dyn Runtime>>,
    pub(crate) settings: Settings,
    pub(crate) hooks: Hooks<M::Connection>,
}

impl<M: Manager> fmt::Debug for PoolOptions<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolOptions")
            .field("backends", &self.backends)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// What of the options the pool reads while it runs.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) max_size: usize,
    pub(crate) min_idle: usize,
    pub(crate) acquire_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) check_timeout: Duration,
    pub(crate) check_after: Duration,
    pub(crate) keepalive: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) max_lifetime: Option<Duration>,
    pub(crate) lifetime_jitter: f64,
    pub(crate) connects_max: usize,
    pub(crate) maintenance_interval: Duration,
    pub(crate) leak_after: Option<Duration>,
    pub(crate) retry: RetryOptions,
    pub(crate) breaker: BreakerOptions,
    pub(crate) strategy: Strategy,
    pub(crate) zone: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            name: "pool".to_owned(),
            max_size: 10,
            min_idle: 0,
            acquire_timeout: seconds(30),
            connect_timeout: seconds(5),
            check_timeout: seconds(2),
            check_after: seconds(30),
            keepalive: Some(seconds(120)),
            idle_timeout: Some(seconds(600)),
            max_lifetime: Some(seconds(1800)),
            lifetime_jitter: 0.1,
            connects_max: 4,
            maintenance_interval: seconds(1),
            leak_after: None,
            retry: RetryOptions {
                attempts: 3,
                first: Duration::from_millis(100),
                factor: 2.0,
                max: seconds(30),
            },
            breaker: BreakerOptions {
                errors: 5,
                open: seconds(10),
                open_max: seconds(300),
                share_max: 0.5,
            },
            strategy: Strategy::default(),
            zone: None,
        }
    }
}

/// A setter that takes a value, for each option that is one.
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $kind:ty,)*) => {
        $(
            $(#[$doc])*
            pub fn $name(mut self, $name: $kind) -> Self {
                self.settings.$name = $name;
                self
            }
        )*
    };
}

impl<M: Manager> PoolOptions<M> {
    pub(crate) fn new(manager: M) -> Self {
        let (backends, settings) = (Vec::new(), Settings::default());
        Self { manager, backends, runtime: None, settings, hooks: Hooks::default() }
    }

    /// Adds a backend. At least one is needed.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backends.push(backend);
        self
    }

    /// Sets where tasks run; by default the tokio runtime that `build` is called in, or else two
    /// threads of the pool's own.
    pub fn runtime(mut self, runtime: Arc<dyn Runtime>) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Sets the name, which labels metrics.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// Sets the hooks.
    pub fn hooks(mut self, hooks: Hooks<M::Connection>) -> Self {
        self.hooks = hooks;
        self
    }

    /// Prefers backends of a zone as long as one of them may be used.
    pub fn zone(mut self, zone: impl Into<String>) -> Self {
        self.settings.zone = Some(zone.into());
        self
    }

    setters! {
        /// Sets the most connections that exist at any moment: idle, in use, being made, checked
        /// and closed. 10 by default.
        max_size: usize,
        /// Sets how many idle connections are kept, and made before [`Pool::ready`] ends. 0.
        min_idle: usize,
        /// Sets how long [`Pool::get`] waits. 30 s.
        acquire_timeout: Duration,
        /// Sets how long one attempt to connect may take. 5 s.
        connect_timeout: Duration,
        /// Sets how long a check, a reset or a close may take. 2 s.
        check_timeout: Duration,
        /// Sets after how long without use or check a connection is checked before it is given
        /// out; zero for always. 30 s.
        check_after: Duration,
        /// Sets after how long without use or check an idle connection is checked in the
        /// background. 120 s.
        keepalive: Option<Duration>,
        /// Sets after how long without use an idle connection beyond `min_idle` is closed. 600 s.
        idle_timeout: Option<Duration>,
        /// Sets after how long a connection is closed when it is not in use. 1,800 s.
        max_lifetime: Option<Duration>,
        /// Sets by which share each lifetime is drawn longer or shorter, so that connections made
        /// together do not end together: 0 to 1. 0.1.
        lifetime_jitter: f64,
        /// Sets how many connects run at once. 4.
        connects_max: usize,
        /// Sets how often idle times, lifetimes, `min_idle` and leaks are looked after. 1 s.
        maintenance_interval: Duration,
        /// Sets after how long in use a connection is reported to the leak hook. Never.
        leak_after: Option<Duration>,
        /// Sets how failed connects are tried again: 3 attempts, 100 ms, times 2, at most 30 s.
        retry: RetryOptions,
        /// Sets when backends are left alone: 5 errors, 10 s, at most 300 s, half of them.
        breaker: BreakerOptions,
        /// Sets which of several backends is taken. Round-robin.
        strategy: Strategy,
    }

    /// Makes the pool and starts its first connects.
    ///
    /// # Errors
    /// [`Error::Option`], for an option that cannot be.
    pub fn build(self) -> Result<Pool<M>> {
        self.settings.validate(&self.backends)?;
        Ok(Pool::start(self))
    }
}

impl Settings {
    fn validate(&self, backends: &[Backend]) -> Result<()> {
        let refuse = |option: &'static str, detail: String| Err(Error::Option { option, detail });
        if backends.is_empty() {
            return refuse("backend", "a pool needs at least one".to_owned());
        }
        if let Some(zero) = backends.iter().find(|backend| backend.weight == 0) {
            let name = &zero.name;
            return refuse("weight", format!("it is 0 for {name}; pause a backend that rests"));
        }
        for (position, backend) in backends.iter().enumerate() {
            if backends[..position].iter().any(|other| other.name == backend.name) {
                return refuse("backend", format!("two are named {}", backend.name));
            }
        }
        if self.max_size == 0 {
            return refuse("max_size", "it is 0, and must be at least 1".to_owned());
        }
        if self.min_idle > self.max_size {
            let (min, max) = (self.min_idle, self.max_size);
            return refuse("min_idle", format!("it is {min}, more than max_size, {max}"));
        }
        if self.connects_max == 0 {
            return refuse("connects_max", "it is 0, and must be at least 1".to_owned());
        }
        if self.retry.attempts == 0 {
            return refuse("retry.attempts", "it is 0, and must be at least 1".to_owned());
        }
        if self.breaker.errors == 0 {
            return refuse("breaker.errors", "it is 0, and must be at least 1".to_owned());
        }
        let factor = self.retry.factor;
        if !(factor.is_finite() && factor >= 1.0) {
            return refuse("retry.factor", format!("it is {factor}, and must be at least 1"));
        }
        let shares = [
            ("lifetime_jitter", self.lifetime_jitter),
            ("breaker.share_max", self.breaker.share_max),
        ];
        for (option, share) in shares {
            if !(0.0..=1.0).contains(&share) {
                return refuse(option, format!("it is {share}, and must be from 0 to 1"));
            }
        }
        let times = [
            ("acquire_timeout", self.acquire_timeout),
            ("connect_timeout", self.connect_timeout),
            ("check_timeout", self.check_timeout),
            ("maintenance_interval", self.maintenance_interval),
        ];
        for (option, time) in times {
            if time.is_zero() {
                return refuse(option, "it is zero".to_owned());
            }
        }
        Ok(())
    }
}
