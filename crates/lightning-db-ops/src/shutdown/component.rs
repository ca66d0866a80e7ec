//! A part of the service that takes part in its shutdown.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::machine::Spec;
use super::phase::{Priority, Stage};
use crate::clock::Clock;

/// What a callback fails with.
pub type CallbackError = Box<dyn std::error::Error + Send + Sync>;

/// How a callback ends.
pub type CallbackResult = Result<(), CallbackError>;

/// A callback's work: done when it returns, or a future.
pub(crate) enum Work {
    Done(CallbackResult),
    Later(Pin<Box<dyn Future<Output = CallbackResult> + Send>>),
}

pub(crate) type Callback = Box<dyn FnOnce(Context) -> Work + Send>;
pub(crate) type Persist = Box<dyn FnOnce(&mut SavedState) -> CallbackResult + Send>;

/// What a component saves for the next start: values by name.
pub type SavedState = BTreeMap<String, Value>;

/// How long the callbacks of a component may take. One without a limit may take half of what is
/// left of the whole shutdown, so that something is left for those behind it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// For `prepare`.
    pub prepare: Option<Duration>,
    /// For `drain`.
    pub drain: Option<Duration>,
    /// For `persist` and `shutdown` together, or for `force` in their place.
    pub shutdown: Option<Duration>,
}

/// What a callback is told.
#[derive(Debug, Clone)]
pub struct Context {
    pub(crate) stage: Stage,
    pub(crate) until: Duration,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Context {
    /// What is wanted.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// How long it is still waited for; zero when it no longer is.
    pub fn remaining(&self) -> Duration {
        self.until.saturating_sub(self.clock.now())
    }
}

/// A part of the service: its name, its place in the order, and what it does in each phase.
///
/// A callback that is not given ends at once. Callbacks run on threads of their own and may block;
/// those given as futures are polled there, or with the feature `tokio` as tasks of the runtime
/// that the component was registered in. One that runs out of time is no longer waited for; nothing
/// can end it.
///
/// # Examples
/// ```
/// use lightning_db_ops::{Component, Priority};
/// let store = Component::new("store").priority(Priority::Low).on_shutdown(|_| Ok(()));
/// let server = Component::new("server")
///     .depends_on(["store"])
///     .on_drain_async(|context| async move {
///         assert!(!context.remaining().is_zero());
///         Ok(())
///     });
/// # drop((store, server));
/// ```
#[must_use]
pub struct Component {
    pub(crate) spec: Spec,
    pub(crate) callbacks: Callbacks,
}

/// The callbacks of one component, each of which is taken out when it is called.
#[derive(Default)]
pub(crate) struct Callbacks {
    stages: [Option<Callback>; 4],
    pub(crate) persist: Option<Persist>,
    #[cfg(feature = "tokio")]
    pub(crate) runtime: Option<tokio::runtime::Handle>,
}

impl Callbacks {
    pub(crate) fn take(&mut self, stage: Stage) -> Option<Callback> {
        self.stages[stage as usize].take()
    }

    /// Remembers the runtime that the caller is in.
    #[cfg_attr(not(feature = "tokio"), expect(clippy::unused_self, reason = "there is none"))]
    pub(crate) fn enter_runtime(&mut self) {
        #[cfg(feature = "tokio")]
        {
            self.runtime = tokio::runtime::Handle::try_current().ok();
        }
    }
}

impl Component {
    /// A component that does nothing yet. Names are unique among those registered.
    pub fn new(name: impl Into<String>) -> Self {
        Self { spec: Spec::new(name.into()), callbacks: Callbacks::default() }
    }

    /// Which go before it within a phase; [`Priority::Normal`] otherwise.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.spec.priority = priority;
        self
    }

    /// Names of the components that it uses: in each phase it ends before they begin. Those that
    /// are not registered when the shutdown comes are left out.
    pub fn depends_on<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.spec.depends_on.extend(names.into_iter().map(Into::into));
        self
    }

    /// How long its callbacks may take.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.spec.timeouts = timeouts;
        self
    }

    /// Called first, while the service goes on: for what takes long and disturbs nobody.
    pub fn on_prepare(self, f: impl FnOnce(Context) -> CallbackResult + Send + 'static) -> Self {
        self.on(Stage::Prepare, Box::new(|context| Work::Done(f(context))))
    }

    /// Called when no operation begins any more: takes nothing new, and ends what it has in hand.
    pub fn on_drain(self, f: impl FnOnce(Context) -> CallbackResult + Send + 'static) -> Self {
        self.on(Stage::Drain, Box::new(|context| Work::Done(f(context))))
    }

    /// Called last: lets go of everything.
    pub fn on_shutdown(self, f: impl FnOnce(Context) -> CallbackResult + Send + 'static) -> Self {
        self.on(Stage::Shutdown, Box::new(|context| Work::Done(f(context))))
    }

    /// Called in place of `shutdown` if the component has failed, or when the time is up: lets go
    /// at once, and may lose what is in hand. A callback that hung may still run.
    pub fn on_force(self, f: impl FnOnce(Context) -> CallbackResult + Send + 'static) -> Self {
        self.on(Stage::Force, Box::new(|context| Work::Done(f(context))))
    }

    /// [`on_prepare`](Self::on_prepare) as a future.
    pub fn on_prepare_async<F>(self, f: impl FnOnce(Context) -> F + Send + 'static) -> Self
    where
        F: Future<Output = CallbackResult> + Send + 'static,
    {
        self.on(Stage::Prepare, Box::new(|context| Work::Later(Box::pin(f(context)))))
    }

    /// [`on_drain`](Self::on_drain) as a future.
    pub fn on_drain_async<F>(self, f: impl FnOnce(Context) -> F + Send + 'static) -> Self
    where
        F: Future<Output = CallbackResult> + Send + 'static,
    {
        self.on(Stage::Drain, Box::new(|context| Work::Later(Box::pin(f(context)))))
    }

    /// [`on_shutdown`](Self::on_shutdown) as a future.
    pub fn on_shutdown_async<F>(self, f: impl FnOnce(Context) -> F + Send + 'static) -> Self
    where
        F: Future<Output = CallbackResult> + Send + 'static,
    {
        self.on(Stage::Shutdown, Box::new(|context| Work::Later(Box::pin(f(context)))))
    }

    /// Called before `shutdown`, on the same thread: what it puts down stands in the state file,
    /// for the next start. Without a state file it is not called.
    pub fn on_persist(
        mut self,
        f: impl FnOnce(&mut SavedState) -> CallbackResult + Send + 'static,
    ) -> Self {
        self.callbacks.persist = Some(Box::new(f));
        self.spec.has[Stage::Shutdown as usize] = true;
        self
    }

    fn on(mut self, stage: Stage, callback: Callback) -> Self {
        self.callbacks.stages[stage as usize] = Some(callback);
        self.spec.has[stage as usize] = true;
        self
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component").field("spec", &self.spec).finish_non_exhaustive()
    }
}
