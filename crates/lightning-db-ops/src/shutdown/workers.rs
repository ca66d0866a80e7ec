//! Threads for callbacks: as many as run at once. One whose callback hangs is given up.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Threads that are started when there is work for them, and end when this is dropped.
pub(crate) struct Workers {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    idle: usize,
    is_over: bool,
}

impl Workers {
    pub(crate) fn new() -> Self {
        Self { shared: Arc::new(Shared::default()) }
    }

    /// Runs a job soon. Without threads it is dropped.
    pub(crate) fn run(&self, job: Job) {
        let is_short = {
            let mut queue = self.shared.queue.lock();
            queue.jobs.push_back(job);
            queue.jobs.len() > queue.idle
        };
        if !is_short {
            self.shared.changed.notify_one();
            return;
        }
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name("ops-callback".to_owned());
        if thread.spawn(move || shared.work()).is_err() {
            // Another thread may come to it; if they all hang, its time runs out.
            self.shared.changed.notify_one();
        }
    }
}

impl Shared {
    fn work(&self) {
        loop {
            let job = {
                let mut queue = self.queue.lock();
                loop {
                    if let Some(job) = queue.jobs.pop_front() {
                        break job;
                    }
                    if queue.is_over {
                        return;
                    }
                    queue.idle += 1;
                    self.changed.wait(&mut queue);
                    queue.idle -= 1;
                }
            };
            job();
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.queue.lock().is_over = true;
        self.shared.changed.notify_all();
    }
}
