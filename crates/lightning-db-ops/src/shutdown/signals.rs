//! Signals of the operating system as the beginning, the forcing and the abort of a shutdown.

use std::fmt;
use std::thread::JoinHandle;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use super::coordinator::Coordinator;
use super::report::Cause;
use crate::error::{Error, Result};

/// A thread that listens for Ctrl-C and SIGTERM until this is dropped. Such signals do nothing
/// after that: their handlers stay.
#[must_use = "signals are heard until this is dropped"]
pub struct SignalListener {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Coordinator {
    /// From now on the first Ctrl-C or SIGTERM begins the shutdown, the second forces it, and the
    /// third aborts the process. One that comes when the shutdown has begun or is forced without
    /// a signal goes on from there.
    ///
    /// # Errors
    /// [`Error::Start`].
    pub fn listen_for_signals(&self) -> Result<SignalListener> {
        let start = |source| Error::Start { what: "listening for signals", source };
        let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(start)?;
        let handle = signals.handle();
        let coordinator = self.clone();
        let listen = move || {
            for (count, signal) in signals.forever().enumerate() {
                let name = if signal == SIGINT { "SIGINT" } else { "SIGTERM" };
                if coordinator.begin(Cause::Signal(name.to_owned())) {
                    continue;
                }
                if count >= 2 || coordinator.is_forced() {
                    std::process::abort();
                }
                coordinator.force();
            }
        };
        let thread = std::thread::Builder::new().name("ops-signals".to_owned());
        let thread = thread.spawn(listen).map_err(start)?;
        Ok(SignalListener { handle, thread: Some(thread) })
    }
}

impl Drop for SignalListener {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // It ends without a panic, or there is nothing to be done about it.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for SignalListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalListener").finish_non_exhaustive()
    }
}
