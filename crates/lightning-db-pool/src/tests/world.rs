//! A simulated runtime, and a manager whose connections fail as they are told.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::runtime::{Runtime, SimRuntime, next_random};
use crate::{Backend, Manager, Pool, PoolOptions};

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// How connections fail: probabilities, 0 to 1.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    pub(super) connect_errors: f64,
    pub(super) check_errors: f64,
    pub(super) hangs: f64,
    pub(super) panics: f64,
    /// How long connects and checks take at most.
    pub(super) slow: Duration,
    /// A backend that refuses.
    pub(super) bad_backend: Option<String>,
}

#[derive(Debug, Default)]
struct Counters {
    created: AtomicUsize,
    live: AtomicUsize,
    live_max: AtomicUsize,
}

#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) runtime: SimRuntime,
    faults: Arc<Mutex<Faults>>,
    random: Arc<Mutex<u64>>,
    counters: Arc<Counters>,
}

/// A connection; while it exists it counts as live.
#[derive(Debug)]
pub(super) struct Link {
    counters: Arc<Counters>,
    pub(super) is_dirty: bool,
    pub(super) is_dead: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("refused by the test")]
pub(super) struct Refused;

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            runtime: SimRuntime::new(seed),
            faults: Arc::default(),
            random: Arc::new(Mutex::new(seed)),
            counters: Arc::default(),
        }
    }

    pub(super) fn pool(
        &self,
        set: impl FnOnce(PoolOptions<World>) -> PoolOptions<World>,
    ) -> Pool<World> {
        let options = Pool::builder(self.clone()).runtime(Arc::new(self.runtime.clone()));
        set(options.backend(Backend::new("a"))).build().unwrap()
    }

    pub(super) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.run(future).expect("something can go on")
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(Box::pin(task));
    }

    pub(super) async fn sleep(&self, time: Duration) {
        self.runtime.sleep(time).await;
    }

    pub(super) fn now(&self) -> Duration {
        self.runtime.now()
    }

    pub(super) fn since(&self, moment: Duration) -> Duration {
        self.now().saturating_sub(moment)
    }

    pub(super) fn faults(&self, set: impl FnOnce(&mut Faults)) {
        set(&mut self.faults.lock());
    }

    pub(super) fn created(&self) -> usize {
        self.counters.created.load(Ordering::Relaxed)
    }

    pub(super) fn live(&self) -> usize {
        self.counters.live.load(Ordering::Relaxed)
    }

    pub(super) fn live_max(&self) -> usize {
        self.counters.live_max.load(Ordering::Relaxed)
    }

    /// A number below `below`.
    pub(super) fn draw(&self, below: u64) -> u64 {
        next_random(&mut self.random.lock()) % below.max(1)
    }

    pub(super) fn happens(&self, probability: f64) -> bool {
        f64::from(u32::try_from(self.draw(1_000_000)).unwrap()) < probability * 1_000_000.0
    }

    async fn trouble(&self) {
        let faults = self.faults.lock().clone();
        assert!(!self.happens(faults.panics), "planted panic");
        if self.happens(faults.hangs) {
            std::future::pending::<()>().await;
        }
        let micros = u64::try_from(faults.slow.as_micros()).unwrap();
        if micros > 0 {
            self.sleep(Duration::from_micros(self.draw(micros))).await;
        }
    }
}

impl Manager for World {
    type Connection = Link;
    type Error = Refused;

    async fn connect(&self, backend: &Backend) -> Result<Link, Refused> {
        self.trouble().await;
        let faults = self.faults.lock().clone();
        if self.happens(faults.connect_errors) || faults.bad_backend.as_ref() == Some(&backend.name)
        {
            return Err(Refused);
        }
        let counters = Arc::clone(&self.counters);
        counters.created.fetch_add(1, Ordering::Relaxed);
        let live = counters.live.fetch_add(1, Ordering::Relaxed) + 1;
        counters.live_max.fetch_max(live, Ordering::Relaxed);
        Ok(Link { counters, is_dirty: false, is_dead: false })
    }

    async fn check(&self, _: &mut Link) -> Result<(), Refused> {
        self.trouble().await;
        let errors = self.faults.lock().check_errors;
        if self.happens(errors) { Err(Refused) } else { Ok(()) }
    }

    fn is_broken(&self, link: &Link) -> bool {
        link.is_dead
    }

    fn needs_reset(&self, link: &Link) -> bool {
        link.is_dirty
    }

    async fn reset(&self, link: &mut Link) -> Result<(), Refused> {
        self.check(link).await?;
        link.is_dirty = false;
        Ok(())
    }

    async fn close(&self, link: Link) {
        self.trouble().await;
        drop(link);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.counters.live.fetch_sub(1, Ordering::Relaxed);
    }
}
