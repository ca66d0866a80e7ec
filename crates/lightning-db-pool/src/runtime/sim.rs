//! A runtime whose time stands still until nothing else can happen: for tests that replay.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use parking_lot::Mutex;

use super::{BoxFuture, Runtime, next_random};

/// One thread, a simulated clock, and tasks that run in an order drawn from a seed.
///
/// [`run`](Self::run) runs a future and all tasks. When none of them can go on, time jumps to the
/// next timer. The same seed gives the same run.
#[derive(Clone)]
pub struct SimRuntime {
    world: Arc<Mutex<World>>,
    seed: u64,
}

struct World {
    now: Duration,
    tasks: BTreeMap<u64, Arc<Task>>,
    ready: Vec<u64>,
    timers: BTreeMap<(Duration, u64), Option<Waker>>,
    next: u64,
    random: u64,
}

struct Task {
    id: u64,
    future: Mutex<Option<BoxFuture<()>>>,
    /// The world holds its tasks.
    world: Weak<Mutex<World>>,
}

struct Sleep {
    key: (Duration, u64),
    world: Arc<Mutex<World>>,
}

struct Flag(Mutex<bool>);

impl SimRuntime {
    /// A runtime at time zero.
    pub fn new(seed: u64) -> Self {
        let world = World {
            now: Duration::ZERO,
            tasks: BTreeMap::new(),
            ready: Vec::new(),
            timers: BTreeMap::new(),
            next: 0,
            random: seed,
        };
        Self { world: Arc::new(Mutex::new(world)), seed }
    }

    /// Runs a future to its end, and tasks as far as they come meanwhile. `None` if it can never
    /// end: nothing is ready, and no timer is left.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = std::pin::pin!(future);
        let flag = Arc::new(Flag(Mutex::new(true)));
        let waker = Waker::from(Arc::clone(&flag));
        let mut context = Context::from_waker(&waker);
        loop {
            if std::mem::take(&mut *flag.0.lock())
                && let Poll::Ready(value) = future.as_mut().poll(&mut context)
            {
                return Some(value);
            }
            let woken = *flag.0.lock();
            if !self.step() && !woken && !self.advance() {
                return None;
            }
        }
    }

    /// Tasks that have not ended.
    #[cfg(test)]
    pub(crate) fn tasks(&self) -> usize {
        self.world.lock().tasks.len()
    }

    /// Runs one task that is ready; says whether there was one.
    fn step(&self) -> bool {
        let task = {
            let mut world = self.world.lock();
            if world.ready.is_empty() {
                return false;
            }
            let count = world.ready.len() as u64;
            let drawn = usize::try_from(next_random(&mut world.random) % count).unwrap_or(0);
            let id = world.ready.swap_remove(drawn);
            world.tasks.get(&id).cloned()
        };
        if let Some(task) = task {
            task.run();
        }
        true
    }

    /// Jumps to the next timer; says whether there was one.
    fn advance(&self) -> bool {
        let waker = {
            let mut world = self.world.lock();
            let Some(((at, _), waker)) = world.timers.pop_first() else { return false };
            world.now = world.now.max(at);
            waker
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }
}

impl Runtime for SimRuntime {
    fn now(&self) -> Duration {
        self.world.lock().now
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        let mut world = self.world.lock();
        world.next += 1;
        let key = (world.now.saturating_add(duration), world.next);
        world.timers.insert(key, None);
        Box::pin(Sleep { key, world: Arc::clone(&self.world) })
    }

    fn spawn(&self, task: BoxFuture<()>) {
        let mut world = self.world.lock();
        world.next += 1;
        let id = world.next;
        let (future, world_handle) = (Mutex::new(Some(task)), Arc::downgrade(&self.world));
        world.tasks.insert(id, Arc::new(Task { id, future, world: world_handle }));
        world.ready.push(id);
    }

    fn seed(&self) -> u64 {
        self.seed
    }
}

impl fmt::Debug for SimRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let world = self.world.lock();
        f.debug_struct("SimRuntime")
            .field("seed", &self.seed)
            .field("now", &world.now)
            .field("tasks", &world.tasks.len())
            .finish()
    }
}

impl Task {
    fn run(self: Arc<Self>) {
        let Some(mut future) = self.future.lock().take() else { return };
        let waker = Waker::from(Arc::clone(&self));
        let mut context = Context::from_waker(&waker);
        let run = std::panic::AssertUnwindSafe(|| future.as_mut().poll(&mut context));
        if let Ok(Poll::Pending) = std::panic::catch_unwind(run) {
            *self.future.lock() = Some(future);
        } else if let Some(world) = self.world.upgrade() {
            let ended = world.lock().tasks.remove(&self.id);
            drop(ended);
        }
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let Some(world) = self.world.upgrade() else { return };
        let mut world = world.lock();
        if !world.ready.contains(&self.id) {
            world.ready.push(self.id);
        }
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        *self.0.lock() = true;
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut world = self.world.lock();
        if world.now >= self.key.0 {
            return Poll::Ready(());
        }
        world.timers.insert(self.key, Some(context.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.world.lock().timers.remove(&self.key);
    }
}
