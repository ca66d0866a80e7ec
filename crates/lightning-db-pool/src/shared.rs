//! What the handles of a pool share, and the tasks that own connections.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::error::{Cause, Error, Lost, TooSlow};
use crate::hooks::{CloseReason, ConnectionInfo, Hooks, Leak};
use crate::manager::Manager;
use crate::options::{RetryOptions, Settings};
use crate::runtime::{Runtime, within};
use crate::state::{Action, Actions, Held, Identity, Lease, State, Verdict};
use crate::sync::Mutex;

pub(crate) struct Shared<M: Manager> {
    pub(crate) manager: M,
    pub(crate) hooks: Hooks<M::Connection>,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) state: Mutex<State<M::Connection>>,
    /// Names of the backends, by position.
    pub(crate) backends: Vec<crate::manager::Backend>,
    #[cfg(feature = "metrics")]
    pub(crate) meters: crate::meters::Meters,
}

impl<M: Manager> Shared<M> {
    pub(crate) fn now(&self) -> Duration {
        self.runtime.now()
    }

    /// Changes the state, then does what is to be done outside of the lock.
    #[inline]
    pub(crate) fn change<T>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut State<M::Connection>, Duration, &mut Actions<M::Connection>) -> T,
    ) -> T {
        let mut actions = Actions::new();
        let now = self.now();
        let result = change(&mut self.state.lock(), now, &mut actions);
        self.run(actions);
        result
    }

    /// Does what a change of the state asks for.
    #[inline]
    pub(crate) fn run(self: &Arc<Self>, actions: Actions<M::Connection>) {
        let others = actions.wake_all();
        if !others.is_empty() {
            self.act(others);
        }
    }

    fn act(self: &Arc<Self>, actions: Vec<Action<M::Connection>>) {
        for action in actions {
            match action {
                Action::Connect(seat) => {
                    let under_way =
                        Connecting { shared: Arc::clone(self), seat: Some(seat), attempts: 0 };
                    self.runtime.spawn(Box::pin(under_way.connect()));
                }
                Action::Check(held) => self.look_after(held, Care::Check),
                Action::Reset(held) => self.look_after(held, Care::Reset),
                Action::Close(held, reason) => {
                    let closing = Closing { shared: Arc::clone(self) };
                    self.runtime.spawn(Box::pin(closing.close(held, reason)));
                }
            }
        }
    }

    fn look_after(self: &Arc<Self>, held: Held<M::Connection>, care: Care) {
        let checking = Checking { shared: Arc::clone(self), held: Some(held) };
        self.runtime.spawn(Box::pin(checking.check(care)));
    }

    /// What hooks are told of a connection.
    pub(crate) fn describe(&self, of: Identity) -> ConnectionInfo<'_> {
        let backend = &self.backends[of.seat].name;
        ConnectionInfo { id: of.id, backend, generation: of.generation }
    }

    /// Takes a connection back from its user.
    pub(crate) fn release(self: &Arc<Self>, mut lease: Lease<M::Connection>, is_broken: bool) {
        let Held { connection, meta } = &mut lease.held;
        let verdict = if is_broken || self.manager.is_broken(connection) {
            Verdict::Bad(CloseReason::Broken)
        } else if self.hooks.released(connection, || self.describe(meta.identity())).is_err() {
            Verdict::Bad(CloseReason::Hook)
        } else if self.manager.needs_reset(connection) {
            Verdict::NeedsReset
        } else {
            Verdict::Good
        };
        self.change(|state, now, actions| state.release(lease, now, verdict, actions));
    }

    /// Starts the sweep of that number: it answers those whose time is over.
    pub(crate) fn start_sweep(self: &Arc<Self>, number: u64, mut at: Duration) {
        let shared = Arc::clone(self);
        self.runtime.spawn(Box::pin(async move {
            loop {
                let wait = at.saturating_sub(shared.now());
                shared.runtime.sleep(wait).await;
                match shared.change(|state, now, actions| state.sweep(number, now, actions)) {
                    Some(next) => at = next,
                    None => return,
                }
            }
        }));
    }

    /// Looks after idle connections as long as there are handles.
    pub(crate) async fn maintain(
        shared: Weak<Self>,
        runtime: Arc<dyn Runtime>,
        interval: Duration,
    ) {
        loop {
            runtime.sleep(interval).await;
            let Some(shared) = shared.upgrade() else { return };
            let leaks = shared.change(|state, now, actions| {
                state.maintain(now, actions);
                state.leaks(now)
            });
            for (identity, acquired_at, in_use) in leaks {
                let connection = shared.describe(identity);
                shared.hooks.leaking(Leak { connection, acquired_at, in_use });
            }
            #[cfg(feature = "metrics")]
            shared.meters.publish(&shared.state.lock().statistics(shared.now()));
            if shared.state.lock().is_closed() {
                return;
            }
        }
    }

    fn settings(&self) -> Settings {
        self.state.lock().settings().clone()
    }
}

impl<M: Manager> fmt::Debug for Shared<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("backends", &self.backends).finish_non_exhaustive()
    }
}

/// A connect that is under way. Dropped before it ended, it is a connect that failed: the place in
/// the pool is never lost.
struct Connecting<M: Manager> {
    shared: Arc<Shared<M>>,
    /// Position of the backend; `None` once it has ended.
    seat: Option<usize>,
    attempts: u32,
}

impl<M: Manager> Connecting<M> {
    async fn connect(mut self) {
        let settings = self.shared.settings();
        while let Some(seat) = self.seat {
            self.attempts += 1;
            let attempts = self.attempts;
            let cause = match self.attempt(seat, settings.connect_timeout).await {
                Ok(held) => {
                    self.seat = None;
                    let shared = &self.shared;
                    return shared
                        .change(|state, now, actions| state.connected(held, now, actions));
                }
                Err(cause) => cause,
            };
            let reason = Arc::clone(&cause);
            self.shared.change(|state, now, _| state.attempt_failed(seat, now, reason));
            let next = if attempts < settings.retry.attempts {
                self.pause(&settings.retry, attempts).await;
                self.shared.change(|state, now, _| state.retry(seat, now))
            } else {
                None
            };
            self.seat = next.or(Some(seat));
            if next.is_none() {
                let backend = self.shared.backends[seat].name.clone();
                let error = Error::Connect { backend, attempts, source: cause };
                return self.fail(error);
            }
        }
    }

    async fn attempt(&self, seat: usize, limit: Duration) -> Result<Held<M::Connection>, Cause> {
        let shared = &self.shared;
        // It is of the generation in which it was begun.
        let mut meta = shared.change(|state, now, _| state.new_meta(seat, now));
        let connect = shared.manager.connect(&shared.backends[seat]);
        let mut connection = match within(&*shared.runtime, limit, connect).await {
            Some(Ok(connection)) => connection,
            Some(Err(error)) => return Err(Arc::new(error)),
            None => return Err(Arc::new(TooSlow(limit))),
        };
        meta.worked_at = shared.now();
        meta.used_at = meta.worked_at;
        match shared.hooks.connected(&mut connection, shared.describe(meta.identity())) {
            Ok(()) => Ok(Held { connection, meta }),
            Err(error) => {
                // Its end is not waited for longer than a check would be.
                let limit = shared.settings().check_timeout;
                within(&*shared.runtime, limit, shared.manager.close(connection)).await;
                Err(Arc::new(error))
            }
        }
    }

    /// Waits before the next attempt: longer each time, and between half of it and all.
    async fn pause(&self, retry: &RetryOptions, attempts: u32) {
        let exponent = i32::try_from(attempts - 1).unwrap_or(i32::MAX);
        let seconds = retry.first.as_secs_f64() * retry.factor.powi(exponent);
        let longest = Duration::try_from_secs_f64(seconds).unwrap_or(retry.max).min(retry.max);
        let share = self.shared.state.lock().draw_share();
        self.shared.runtime.sleep(longest.mul_f64(0.5 + share / 2.0)).await;
    }

    fn fail(&mut self, error: Error) {
        if let Some(seat) = self.seat.take() {
            self.shared
                .change(|state, now, actions| state.connect_failed(seat, now, error, actions));
        }
    }
}

impl<M: Manager> Drop for Connecting<M> {
    fn drop(&mut self) {
        if let Some(seat) = self.seat {
            let backend = self.shared.backends[seat].name.clone();
            let attempts = self.attempts;
            self.fail(Error::Connect { backend, attempts, source: Arc::new(Lost) });
        }
    }
}

/// What is done with a connection that nobody uses.
#[derive(Clone, Copy)]
enum Care {
    Check,
    Reset,
}

/// A check or a reset that is under way.
struct Checking<M: Manager> {
    shared: Arc<Shared<M>>,
    /// The connection; `None` while it is worked on, and once it has ended.
    held: Option<Held<M::Connection>>,
}

impl<M: Manager> Checking<M> {
    async fn check(mut self, care: Care) {
        let shared = Arc::clone(&self.shared);
        let limit = shared.settings().check_timeout;
        let Some(held) = &mut self.held else { return };
        let manager = &shared.manager;
        let answer = match care {
            Care::Check => {
                within(&*shared.runtime, limit, manager.check(&mut held.connection)).await
            }
            Care::Reset => {
                within(&*shared.runtime, limit, manager.reset(&mut held.connection)).await
            }
        };
        let cause: Cause = match answer {
            Some(Ok(())) => return self.end(None),
            Some(Err(error)) => Arc::new(error),
            None => Arc::new(TooSlow(limit)),
        };
        self.end(Some(cause));
    }

    fn end(&mut self, cause: Option<Cause>) {
        let Some(held) = self.held.take() else { return };
        self.shared.change(|state, now, actions| match cause {
            None => state.checked(held, now, actions),
            Some(cause) => state.check_failed(held, now, cause, actions),
        });
    }
}

impl<M: Manager> Drop for Checking<M> {
    fn drop(&mut self) {
        // A check that panicked says that the connection is of no use.
        self.end(Some(Arc::new(Lost)));
    }
}

/// A close that is under way.
struct Closing<M: Manager> {
    shared: Arc<Shared<M>>,
}

impl<M: Manager> Closing<M> {
    async fn close(self, held: Held<M::Connection>, reason: CloseReason) {
        let shared = &self.shared;
        shared.hooks.closing(shared.describe(held.meta.identity()), reason);
        let limit = shared.settings().check_timeout;
        // A close that takes longer is dropped, which ends the connection as well.
        within(&*shared.runtime, limit, shared.manager.close(held.connection)).await;
    }
}

impl<M: Manager> Drop for Closing<M> {
    fn drop(&mut self) {
        self.shared.change(State::closed);
    }
}
