//! The runtime of tokio.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use super::{BoxFuture, Runtime};

/// Tasks and timers of a tokio runtime, which must have its timers enabled (`enable_time`, or
/// `#[tokio::main]`). Under a paused clock the pool's time stands still as well.
#[derive(Debug, Clone)]
pub struct TokioRuntime {
    handle: Handle,
    start: Instant,
}

impl TokioRuntime {
    /// The runtime that this is called in; `None` outside of one.
    pub fn current() -> Option<Self> {
        Handle::try_current().ok().map(Self::new)
    }

    /// A runtime by its handle.
    pub fn new(handle: Handle) -> Self {
        let start = Instant::now();
        Self { handle, start }
    }
}

impl Runtime for TokioRuntime {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        // A timer belongs to the runtime that it is made in.
        let _guard = self.handle.enter();
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.handle.spawn(task);
    }

    fn seed(&self) -> u64 {
        super::threads::process_seed()
    }
}
