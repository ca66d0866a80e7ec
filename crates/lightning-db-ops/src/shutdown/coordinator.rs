//! The handle that a service holds: components, operations, and the beginning of the end.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;

use parking_lot::Mutex;

use super::bulletin::{Bulletin, Subscription, block_on};
use super::component::{Callbacks, Component, SavedState};
use super::machine::{Id, Machine};
use super::operations::{Draining, OperationCounts, OperationGuard, Operations};
use super::options::ShutdownOptions;
use super::phase::Phase;
use super::report::{Cause, ComponentReport, OpenOperation, Report};
use super::state_file::{PreviousRun, StateFile};
use crate::error::Result;

/// Ends a service: its components phase by phase, when nothing is in hand any more.
///
/// Handles are cheap to clone. Dropping all of them ends nothing.
#[derive(Clone)]
pub struct Coordinator(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) options: ShutdownOptions,
    pub(super) machine: Mutex<Machine>,
    pub(super) callbacks: Mutex<HashMap<Id, Callbacks>>,
    pub(super) operations: Arc<Operations>,
    pub(super) bulletin: Arc<Bulletin>,
    pub(super) state_file: Option<StateFile>,
    pub(super) saved: Mutex<BTreeMap<String, SavedState>>,
    /// The thread that drives the shutdown, once it does.
    pub(super) driver: Arc<OnceLock<Thread>>,
    previous: Option<PreviousRun>,
    is_ready: AtomicBool,
    has_started: AtomicBool,
}

/// A component that takes part in the shutdown until this is dropped, also while it is under way:
/// nobody waits for it then.
#[must_use = "the component is unregistered when this is dropped"]
pub struct Registration {
    coordinator: Coordinator,
    id: Id,
}

/// Begins the shutdown when it is dropped: for the thread or task without which the service is
/// nothing, however it ends.
#[must_use = "the shutdown begins when this is dropped"]
pub struct ShutdownGuard {
    coordinator: Coordinator,
    name: Option<String>,
}

impl Coordinator {
    /// A coordinator with the usual options.
    ///
    /// # Errors
    /// None that depends on anything; see [`ShutdownOptions::build`].
    pub fn new() -> Result<Self> {
        ShutdownOptions::new().build()
    }

    pub(super) fn open(options: ShutdownOptions) -> Result<Self> {
        let state_file = options.state_file.clone().map(StateFile::new);
        let mut previous = None;
        if let Some(file) = &state_file {
            previous = file.read()?;
            file.write_running(previous.as_ref(), options.clock.unix_ms())?;
        }
        let driver = Arc::new(OnceLock::<Thread>::new());
        let on_drained = {
            let driver = Arc::clone(&driver);
            move || driver.get().into_iter().for_each(Thread::unpark)
        };
        Ok(Self(Arc::new(Inner {
            machine: Mutex::new(Machine::new(options.limits)),
            callbacks: Mutex::new(HashMap::new()),
            operations: Arc::new(Operations::new(on_drained)),
            bulletin: Arc::new(Bulletin::default()),
            state_file,
            saved: Mutex::new(BTreeMap::new()),
            driver,
            previous,
            is_ready: AtomicBool::new(false),
            has_started: AtomicBool::new(false),
            options,
        })))
    }

    /// What the process before this one left in the state file.
    pub fn previous(&self) -> Option<&PreviousRun> {
        self.0.previous.as_ref()
    }

    /// Takes a component in. During a shutdown it begins with the phase that is going on.
    ///
    /// # Errors
    /// [`NameTaken`](crate::Error::NameTaken), [`Cycle`](crate::Error::Cycle),
    /// [`Over`](crate::Error::Over).
    pub fn register(&self, component: Component) -> Result<Registration> {
        let Component { spec, mut callbacks } = component;
        callbacks.enter_runtime();
        let id = {
            // The driver looks for callbacks only after it has let go of the machine.
            let mut machine = self.0.machine.lock();
            let id = machine.register(spec)?;
            self.0.callbacks.lock().insert(id, callbacks);
            id
        };
        self.0.wake();
        Ok(Registration { coordinator: self.clone(), id })
    }

    /// Begins an operation that the shutdown waits for: a request, a job. Takes one short lock
    /// and reads the clock.
    ///
    /// # Errors
    /// [`Draining`] from [`Phase::Drain`] on.
    pub fn begin_operation(&self, name: &'static str) -> Result<OperationGuard, Draining> {
        self.0.operations.begin(name, &*self.0.options.clock)
    }

    /// Counts of operations.
    pub fn operations(&self) -> OperationCounts {
        self.0.operations.counts()
    }

    /// Operations that have been open for at least so long, oldest first: those that go on for
    /// ever, or whose guards somebody keeps. Looks at each operation that is open.
    pub fn open_operations(&self, min_age: Duration) -> Vec<OpenOperation> {
        self.0.operations.open(self.0.options.clock.now(), min_age)
    }

    /// A guard whose end begins the shutdown. Its name stands in the report.
    pub fn guard(&self, name: impl Into<String>) -> ShutdownGuard {
        ShutdownGuard { coordinator: self.clone(), name: Some(name.into()) }
    }

    /// The phases as they begin, from the first.
    pub fn subscribe(&self) -> Subscription {
        Subscription::new(Arc::clone(&self.0.bulletin))
    }

    /// Says that the service can take requests, or that it cannot.
    pub fn set_ready(&self, is_ready: bool) {
        self.0.is_ready.store(is_ready, Ordering::Release);
        self.0.has_started.fetch_or(is_ready, Ordering::AcqRel);
        #[cfg(feature = "systemd")]
        if let (true, Some(systemd)) = (is_ready, &self.0.options.systemd) {
            systemd.ready();
        }
    }

    /// Whether the service takes requests: it has said so, and no shutdown has begun. Requests that
    /// come all the same are served until the drain.
    pub fn is_ready(&self) -> bool {
        self.0.is_ready.load(Ordering::Acquire) && self.phase() == Phase::Running
    }

    /// Whether the service has ever been ready.
    pub fn has_started(&self) -> bool {
        self.0.has_started.load(Ordering::Acquire)
    }

    /// Where the shutdown is.
    pub fn phase(&self) -> Phase {
        self.0.machine.lock().phase()
    }

    /// Whether the graceful part of the shutdown has been cut short.
    pub fn is_forced(&self) -> bool {
        self.0.machine.lock().is_forced()
    }

    /// The components and where they are.
    pub fn components(&self) -> Vec<ComponentReport> {
        self.0.machine.lock().components()
    }

    /// The report, once the shutdown is over.
    pub fn report(&self) -> Option<Arc<Report>> {
        self.0.bulletin.report()
    }

    /// Begins the shutdown and returns; `false` if it had begun.
    pub fn initiate(&self) -> bool {
        self.begin(Cause::Requested)
    }

    /// Begins the shutdown if it has not begun, and ends its graceful part: what runs is no longer
    /// waited for, and the others are forced at once, all together.
    pub fn force(&self) {
        self.initiate();
        self.0.machine.lock().force(self.0.options.clock.now());
        self.0.wake();
    }

    /// Begins the shutdown if it has not begun, and waits for its end.
    ///
    /// # Cancel safety
    /// Dropped before its end, the shutdown goes on.
    pub async fn shutdown(&self) -> Arc<Report> {
        self.initiate();
        self.wait().await
    }

    /// As [`shutdown`](Self::shutdown), on this thread. Called by a component's callback it would
    /// wait for itself.
    pub fn shutdown_blocking(&self) -> Arc<Report> {
        block_on(self.shutdown())
    }

    /// Waits for the end of a shutdown that somebody else begins.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    pub async fn wait(&self) -> Arc<Report> {
        self.0.bulletin.ended().await
    }

    /// As [`wait`](Self::wait), on this thread.
    pub fn wait_blocking(&self) -> Arc<Report> {
        block_on(self.wait())
    }

    pub(super) fn begin(&self, cause: Cause) -> bool {
        if !self.0.machine.lock().begin(cause, self.0.options.clock.now()) {
            return false;
        }
        let inner = Arc::clone(&self.0);
        let thread = std::thread::Builder::new().name("ops-shutdown".to_owned());
        if thread.spawn(move || inner.drive()).is_err() {
            // Where there is no thread to be had, the caller's has to do.
            Arc::clone(&self.0).drive();
        }
        true
    }
}

impl Inner {
    /// Makes the driver look at what has changed.
    pub(super) fn wake(&self) {
        if let Some(driver) = self.driver.get() {
            driver.unpark();
        }
    }
}

impl Registration {
    /// Leaves the component registered for good.
    pub fn detach(self) {
        let mut this = self;
        this.id = Id::MAX;
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let inner = &self.coordinator.0;
        inner.machine.lock().unregister(self.id);
        let callbacks = inner.callbacks.lock().remove(&self.id);
        // They may own anything: dropped without a lock.
        drop(callbacks);
        inner.wake();
    }
}

impl ShutdownGuard {
    /// Lets the guard end without beginning the shutdown.
    pub fn disarm(mut self) {
        self.name = None;
    }
}

impl Drop for ShutdownGuard {
    fn drop(&mut self) {
        if let Some(name) = self.name.take() {
            self.coordinator.begin(Cause::Guard(name));
        }
    }
}

impl fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coordinator")
            .field("phase", &self.phase())
            .field("operations", &self.operations())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for ShutdownGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShutdownGuard").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
