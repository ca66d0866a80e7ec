//! A thread that does something again and again until it is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::{Error, Result};

#[derive(Debug)]
pub(crate) struct Upkeep {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Upkeep {
    pub(crate) fn start(work: impl Fn() + Send + 'static, interval: Duration) -> Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let run = {
            let is_over = Arc::clone(&is_over);
            move || {
                while !is_over.load(Ordering::Acquire) {
                    // May return earlier, which does no harm.
                    std::thread::park_timeout(interval);
                    work();
                }
            }
        };
        let thread = std::thread::Builder::new().name("ops-metrics".to_owned());
        let start = |source| Error::Start { what: "the upkeep of metrics", source };
        Ok(Self { is_over, thread: Some(thread.spawn(run).map_err(start)?) })
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It ends without a panic, or there is nothing to be done about it.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_again_and_again_and_ends_with_the_value() {
        let (sender, done) = std::sync::mpsc::channel();
        let upkeep =
            Upkeep::start(move || sender.send(()).unwrap_or_default(), Duration::from_millis(1));
        (0..3).for_each(|_| done.recv().unwrap());
        drop(upkeep.unwrap());
        // The sender goes with the thread, or this would not end.
        done.iter().for_each(drop);
        assert!(done.recv().is_err());
    }
}
