//! The thread that drives a shutdown: does what the machine asks for, and waits for what is next.

use std::any::Any;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::bulletin::{Notice, block_on};
use super::component::{CallbackResult, Callbacks, Context, SavedState, Work};
use super::coordinator::Inner;
use super::machine::{Action, Id};
use super::phase::{Outcome, Phase, Stage};
use super::report::{Cause, Report};
use super::workers::Workers;

impl Inner {
    /// Runs the shutdown, which has begun, to its end.
    pub(super) fn drive(self: Arc<Self>) {
        // Whoever changes the machine before this is set is seen by the first step.
        let _ = self.driver.set(std::thread::current());
        let workers = Workers::new();
        loop {
            let now = self.options.clock.now();
            let (actions, next) = {
                let mut machine = self.machine.lock();
                machine.step(now, &self.operations);
                (machine.take_actions(), machine.next_time(now))
            };
            let is_over = actions.contains(&Action::Conclude);
            for action in actions {
                match action {
                    Action::Call { id, stage, until } => self.call(&workers, id, stage, until),
                    Action::Notify { phase, deadline, is_forced } => {
                        self.publish(Notice { phase, deadline, is_forced }, now);
                    }
                    Action::Conclude => self.conclude(),
                }
            }
            if is_over {
                return;
            }
            self.options.clock.park_until(next);
        }
    }

    fn publish(&self, notice: Notice, now: Duration) {
        #[cfg(feature = "systemd")]
        if let Some(systemd) = &self.options.systemd {
            systemd.notice(notice, now);
        }
        #[cfg(not(feature = "systemd"))]
        let _ = now;
        if self.options.notifies_clients {
            self.bulletin.publish(notice);
        }
    }

    /// Has a callback called by a worker, or as a task.
    fn call(self: &Arc<Self>, workers: &Workers, id: Id, stage: Stage, until: Duration) {
        let ending = Ending { inner: Arc::clone(self), id, stage, is_told: false };
        let (callback, persist, runtime) = {
            let mut all = self.callbacks.lock();
            // A component that has just been unregistered has none, and nobody waits for it.
            let Some(callbacks) = all.get_mut(&id) else { return };
            let persist = (stage == Stage::Shutdown && self.state_file.is_some())
                .then(|| callbacks.persist.take())
                .flatten();
            #[cfg(feature = "tokio")]
            let runtime = callbacks.runtime.clone();
            #[cfg(not(feature = "tokio"))]
            let runtime = ();
            (callbacks.take(stage), persist, runtime)
        };
        let context = Context { stage, until, clock: Arc::clone(&self.options.clock) };
        let name = self.name_of(id);
        workers.run(Box::new(move || {
            let work = catch_unwind(AssertUnwindSafe(|| {
                if let Some(persist) = persist {
                    let mut saved = SavedState::new();
                    let result = persist(&mut saved);
                    ending.inner.saved.lock().insert(name, saved);
                    if let Err(error) = result {
                        return Work::Done(Err(error));
                    }
                }
                callback.map_or(Work::Done(Ok(())), |callback| callback(context))
            }));
            match work {
                Err(panic) => ending.tell(Outcome::Panicked(message(&*panic))),
                Ok(Work::Done(result)) => ending.tell(outcome(result)),
                Ok(Work::Later(future)) => {
                    let task = async move {
                        let outcome = catching(future).await;
                        ending.tell(outcome);
                    };
                    run_task(runtime, task);
                }
            }
        }));
    }

    fn name_of(&self, id: Id) -> String {
        self.machine.lock().name(id).unwrap_or_default().to_owned()
    }

    /// Saves the state, makes the report and tells everybody.
    fn conclude(&self) {
        let clock = &self.options.clock;
        let saved: BTreeMap<_, _> = std::mem::take(&mut *self.saved.lock());
        let mut report = self.make_report();
        if let Some(file) = &self.state_file
            && let Err(error) = file.write_end(&report, saved, clock.unix_ms())
        {
            report.phase = Phase::Failed;
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            report.state_error = Some(format!("{error}: {}", cause.unwrap_or_default()));
        }
        let mut machine = self.machine.lock();
        machine.conclude(report.phase);
        let last = machine.take_actions();
        drop(machine);
        for action in last {
            let Action::Notify { phase, deadline, is_forced } = action else { continue };
            let notice = Notice { phase, deadline, is_forced };
            #[cfg(feature = "systemd")]
            if let Some(systemd) = &self.options.systemd {
                systemd.notice(notice, clock.now());
            }
            self.bulletin.end(notice, Arc::new(report.clone()));
        }
        // What callbacks that were never called own goes now, and not when the last handle does.
        let left: Vec<Callbacks> = self.callbacks.lock().drain().map(|(_, it)| it).collect();
        drop(left);
    }

    fn make_report(&self) -> Report {
        let now = self.options.clock.now();
        let operations_left = self.operations.open(now, Duration::ZERO);
        let machine = self.machine.lock();
        Report {
            phase: machine.outcome(operations_left.is_empty()),
            cause: machine.cause().unwrap_or(Cause::Requested),
            forced: machine.is_forced(),
            time: now.saturating_sub(machine.begun_at().unwrap_or(now)),
            phases: machine.phases(),
            components: machine.components(),
            operations_at_stop: self.operations.counts().open_at_stop,
            operations_left,
            state_error: None,
        }
    }
}

/// Tells the machine how a call ended, exactly once: also when its task is dropped.
struct Ending {
    inner: Arc<Inner>,
    id: Id,
    stage: Stage,
    is_told: bool,
}

impl Ending {
    fn tell(mut self, outcome: Outcome) {
        self.is_told = true;
        self.inner.end(self.id, self.stage, outcome);
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if !self.is_told {
            let outcome = Outcome::Error("its task was dropped before it ended".to_owned());
            self.inner.end(self.id, self.stage, outcome);
        }
    }
}

impl Inner {
    fn end(&self, id: Id, stage: Stage, outcome: Outcome) {
        self.machine.lock().ended(id, stage, outcome, self.options.clock.now());
        self.wake();
    }
}

fn outcome(result: CallbackResult) -> Outcome {
    match result {
        Ok(()) => Outcome::Ok,
        Err(error) => Outcome::Error(error.to_string()),
    }
}

/// Runs a future as a task of the runtime, or on this thread.
#[cfg(feature = "tokio")]
fn run_task(
    runtime: Option<tokio::runtime::Handle>,
    task: impl Future<Output = ()> + Send + 'static,
) {
    match runtime {
        Some(runtime) => drop(runtime.spawn(task)),
        None => block_on(task),
    }
}

/// Runs a future on this thread.
#[cfg(not(feature = "tokio"))]
fn run_task((): (), task: impl Future<Output = ()>) {
    block_on(task);
}

/// How a future ends, if by a panic too.
async fn catching(future: impl Future<Output = CallbackResult>) -> Outcome {
    let mut future = pin!(future);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(Poll::Ready(result)) => Poll::Ready(outcome(result)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(panic) => Poll::Ready(Outcome::Panicked(message(&*panic))),
    })
    .await
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "without a message".to_owned())
}
