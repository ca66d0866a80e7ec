//! The options of a shutdown.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::coordinator::Coordinator;
use super::machine::Limits;
#[cfg(feature = "systemd")]
use super::systemd::Systemd;
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result};

/// How a service is shut down.
///
/// # Examples
/// ```
/// use lightning_db_ops::ShutdownOptions;
/// use std::time::Duration;
/// let coordinator = ShutdownOptions::new()
///     .graceful_timeout(Duration::from_secs(20))
///     .readiness_delay(Duration::from_secs(5))
///     .build()?;
/// # drop(coordinator);
/// # Ok::<(), lightning_db_ops::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct ShutdownOptions {
    pub(super) limits: Limits,
    pub(super) state_file: Option<PathBuf>,
    pub(super) notifies_clients: bool,
    pub(super) clock: Arc<dyn Clock>,
    #[cfg(feature = "systemd")]
    pub(super) systemd: Option<Arc<Systemd>>,
}

impl Default for ShutdownOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl ShutdownOptions {
    /// 30 s for everything, 10 s of it for draining, 10 callbacks at once, no readiness delay, no
    /// state file.
    pub fn new() -> Self {
        Self {
            limits: Limits {
                graceful: Duration::from_secs(30),
                drain: Duration::from_secs(10),
                force_after: Duration::from_mins(1),
                readiness_delay: Duration::ZERO,
                concurrent: 10,
            },
            state_file: None,
            notifies_clients: true,
            clock: Arc::new(SystemClock::new()),
            #[cfg(feature = "systemd")]
            systemd: None,
        }
    }

    /// The one deadline of all phases together, counted from the start: 30 s otherwise. What one
    /// phase does not use is left for the next. At its end whatever has not ended is forced.
    pub fn graceful_timeout(mut self, timeout: Duration) -> Self {
        self.limits.graceful = timeout;
        self
    }

    /// How long draining may take: 10 s otherwise. What is open then is left open.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.limits.drain = timeout;
        self
    }

    /// When also forced callbacks are no longer waited for, counted from the start: 60 s otherwise.
    pub fn force_after(mut self, timeout: Duration) -> Self {
        self.limits.force_after = timeout;
        self
    }

    /// How long the service goes on before it drains, while it says that it is not ready: until
    /// nobody sends it anything new. None otherwise; 5 s behind the usual load balancers.
    pub fn readiness_delay(mut self, delay: Duration) -> Self {
        self.limits.readiness_delay = delay;
        self
    }

    /// Callbacks that run at once, unless the shutdown is forced: 10 otherwise.
    pub fn max_concurrent_shutdowns(mut self, count: usize) -> Self {
        self.limits.concurrent = count;
        self
    }

    /// The file that tells the next process how this one ended and what its components saved. It
    /// is written when the coordinator is made, too, so that a crash is found.
    pub fn save_state(mut self, path: impl Into<PathBuf>) -> Self {
        self.state_file = Some(path.into());
        self
    }

    /// Whether subscribers are told of each phase, as they are otherwise, or of the end alone.
    pub fn notify_clients(mut self, notifies: bool) -> Self {
        self.notifies_clients = notifies;
        self
    }

    /// The time to go by.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Whom to tell of readiness and of the shutdown's phases.
    #[cfg(feature = "systemd")]
    pub fn systemd(mut self, systemd: Systemd) -> Self {
        self.systemd = Some(Arc::new(systemd));
        self
    }

    /// A coordinator with these options.
    ///
    /// # Errors
    /// [`Error::Option`]; [`Error::Io`] if the state file can be neither read nor written.
    pub fn build(self) -> Result<Coordinator> {
        let refuse = |option, value, reason| Err(Error::Option { option, value, reason });
        let Limits { graceful, force_after, readiness_delay, concurrent, .. } = self.limits;
        if concurrent == 0 {
            return refuse("max_concurrent_shutdowns", "0".to_owned(), "nothing would end");
        }
        if force_after < graceful {
            let value = format!("{force_after:?}");
            return refuse("force_after", value, "it comes before graceful_timeout");
        }
        if readiness_delay >= graceful && !graceful.is_zero() {
            let value = format!("{readiness_delay:?}");
            return refuse("readiness_delay", value, "it leaves nothing of graceful_timeout");
        }
        Coordinator::open(self)
    }
}
