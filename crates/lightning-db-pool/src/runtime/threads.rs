//! A runtime of a few threads, for programs that have none.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::{BoxFuture, Runtime};

/// Threads that run tasks, and one that wakes sleepers. Dropping it ends them, and the tasks that
/// are left.
///
/// A manager whose futures block occupies a thread while it does: give as many as connects should
/// run at once.
pub struct ThreadRuntime {
    shared: Arc<Shared>,
    start: Instant,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    ready: Mutex<Ready>,
    changed: Condvar,
    timers: Mutex<Timers>,
    timers_changed: Condvar,
}

#[derive(Default)]
struct Ready {
    tasks: VecDeque<Arc<Task>>,
    is_over: bool,
}

#[derive(Default)]
struct Timers {
    /// Soonest first; the number tells timers of one moment apart.
    heap: BinaryHeap<Reverse<(Instant, u64)>>,
    wakers: std::collections::HashMap<u64, Waker>,
    next: u64,
    is_over: bool,
}

struct Task {
    /// `None` once it has ended, and while it runs.
    future: Mutex<Option<BoxFuture<()>>>,
    shared: Weak<Shared>,
}

struct Sleep {
    until: Instant,
    shared: Weak<Shared>,
    timer: Option<u64>,
}

impl ThreadRuntime {
    /// A runtime of so many threads, and one for timers.
    #[expect(clippy::disallowed_methods, reason = "this is a clock of the pool")]
    pub fn new(threads: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let run = |name: String, body: fn(&Shared)| {
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new().name(name);
            // Without threads tasks do not run; with one less they run later.
            thread.spawn(move || body(&shared)).ok()
        };
        let workers = (0..threads.max(1)).map(|n| run(format!("pool-{n}"), Shared::work));
        let mut threads: Vec<_> = workers.flatten().collect();
        threads.extend(run("pool-timer".to_owned(), Shared::keep_time));
        Self { shared, start: Instant::now(), threads }
    }
}

impl Runtime for ThreadRuntime {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "this is a clock of the pool")]
    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        let now = Instant::now();
        // A sleep beyond what the clock can count is one of a century.
        let until = now.checked_add(duration).unwrap_or(now + Duration::from_hours(876_000));
        Box::pin(Sleep { until, shared: Arc::downgrade(&self.shared), timer: None })
    }

    fn spawn(&self, task: BoxFuture<()>) {
        let shared = Arc::downgrade(&self.shared);
        self.shared.push(Arc::new(Task { future: Mutex::new(Some(task)), shared }));
    }

    fn seed(&self) -> u64 {
        process_seed()
    }
}

impl fmt::Debug for ThreadRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadRuntime")
            .field("threads", &self.threads.len())
            .finish_non_exhaustive()
    }
}

impl Drop for ThreadRuntime {
    fn drop(&mut self) {
        let left = {
            let mut ready = self.shared.ready.lock();
            ready.is_over = true;
            std::mem::take(&mut ready.tasks)
        };
        self.shared.changed.notify_all();
        self.shared.timers.lock().is_over = true;
        self.shared.timers_changed.notify_all();
        // A task that is dropped may tell the pool so: outside of the lock.
        drop(left);
        let this = std::thread::current().id();
        for thread in self.threads.drain(..) {
            // The last handle may be dropped by a task, on one of these threads.
            if thread.thread().id() != this {
                // A worker that panicked has nothing left to say.
                let _ = thread.join();
            }
        }
    }
}

impl Shared {
    fn push(&self, task: Arc<Task>) {
        let mut ready = self.ready.lock();
        if !ready.is_over {
            ready.tasks.push_back(task);
            drop(ready);
            self.changed.notify_one();
        }
    }

    fn work(&self) {
        loop {
            let task = {
                let mut ready = self.ready.lock();
                loop {
                    if ready.is_over {
                        return;
                    }
                    if let Some(task) = ready.tasks.pop_front() {
                        break task;
                    }
                    self.changed.wait(&mut ready);
                }
            };
            task.run();
        }
    }

    #[expect(clippy::disallowed_methods, reason = "this is a clock of the pool")]
    fn keep_time(&self) {
        let mut timers = self.timers.lock();
        while !timers.is_over {
            let now = Instant::now();
            let mut due = Vec::new();
            while let Some(Reverse((at, timer))) = timers.heap.peek().copied() {
                if at > now {
                    break;
                }
                timers.heap.pop();
                due.extend(timers.wakers.remove(&timer));
            }
            if !due.is_empty() {
                parking_lot::MutexGuard::unlocked(&mut timers, || {
                    due.into_iter().for_each(Waker::wake);
                });
                continue;
            }
            match timers.heap.peek().copied() {
                Some(Reverse((at, _))) => {
                    self.timers_changed.wait_until(&mut timers, at);
                }
                None => self.timers_changed.wait(&mut timers),
            }
        }
    }
}

impl Task {
    fn run(self: Arc<Self>) {
        // Held while it runs: a wake meanwhile queues the task, and the next run waits here.
        let mut place = self.future.lock();
        let Some(mut future) = place.take() else { return };
        let waker = Waker::from(Arc::clone(&self));
        let mut context = Context::from_waker(&waker);
        let run = std::panic::AssertUnwindSafe(|| future.as_mut().poll(&mut context));
        // A task that panics is over; what it owned is dropped, which tells the pool.
        if let Ok(Poll::Pending) = std::panic::catch_unwind(run) {
            *place = Some(future);
        }
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if let Some(shared) = self.shared.upgrade() {
            shared.push(self);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    #[expect(clippy::disallowed_methods, reason = "this is a clock of the pool")]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.until {
            return Poll::Ready(());
        }
        let Some(shared) = self.shared.upgrade() else { return Poll::Ready(()) };
        let mut timers = shared.timers.lock();
        let timer = *self.timer.get_or_insert_with(|| {
            timers.next += 1;
            timers.next
        });
        if timers.wakers.insert(timer, context.waker().clone()).is_none() {
            timers.heap.push(Reverse((self.until, timer)));
            drop(timers);
            shared.timers_changed.notify_one();
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let (Some(timer), Some(shared)) = (self.timer, self.shared.upgrade()) {
            shared.timers.lock().wakers.remove(&timer);
        }
    }
}

/// A number that differs from process to process.
pub(super) fn process_seed() -> u64 {
    RandomState::new().hash_one(std::process::id())
}
