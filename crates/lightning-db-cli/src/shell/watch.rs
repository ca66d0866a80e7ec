//! How far a long statement is, while somebody waits for it at a terminal.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use lightning_db::sql::ProgressHandle;

use crate::failure::Failure;
use crate::progress::Progress;

/// Statements that are done earlier show nothing.
const PATIENCE: Duration = Duration::from_millis(500);
/// Time between two looks.
const INTERVAL: Duration = Duration::from_millis(100);

/// A thread that draws a bar while a statement runs.
pub(super) struct Watcher {
    /// One message when a statement begins, and one when it ends; `None` ends the thread.
    to: Option<Sender<()>>,
    /// Says that the bar is gone.
    gone: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    pub(super) fn new(statement: ProgressHandle) -> Result<Self, Failure> {
        let (to, messages) = channel();
        let (done, gone) = channel();
        let watch = move || {
            while messages.recv().is_ok() {
                until_end(&statement, &messages);
                if done.send(()).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(watch);
        let thread = Some(thread.map_err(Failure::Input)?);
        Ok(Self { to: Some(to), gone, thread })
    }

    /// Does the work of a statement with a bar, if it takes long.
    pub(super) fn over<T>(&self, work: impl FnOnce() -> T) -> T {
        let tell = || self.to.as_ref().is_some_and(|to| to.send(()).is_ok());
        let is_seen = tell();
        let done = work();
        // What is printed next stands where the bar was.
        if is_seen && tell() {
            let _ = self.gone.recv();
        }
        done
    }
}

/// Shows how far the statement is, until it ends.
fn until_end(statement: &ProgressHandle, messages: &Receiver<()>) {
    let mut shown: Option<Progress> = None;
    let mut wait = PATIENCE;
    while messages.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
        let now = statement.progress();
        let (read, expected) = (now.rows_read, now.rows_expected);
        shown.get_or_insert_with(|| Progress::of_statement(expected)).set_read(read, expected);
        wait = INTERVAL;
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.to = None;
        if let Some(thread) = self.thread.take() {
            // It ends without a panic, or there is nothing to be done about it.
            let _ = thread.join();
        }
    }
}
