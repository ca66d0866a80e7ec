//! Ctrl-C at the prompt: it ends the statement that runs, and not the program.

use std::thread::JoinHandle;

use lightning_db::sql::InterruptHandle;
use signal_hook::consts::SIGINT;
use signal_hook::iterator::{Handle, Signals};

use crate::failure::Failure;

/// A thread that waits for Ctrl-C until this is dropped.
pub(super) struct Listener {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// From now on Ctrl-C ends what the connection runs.
    pub(super) fn new(statement: InterruptHandle) -> Result<Self, Failure> {
        let mut signals = Signals::new([SIGINT]).map_err(Failure::Input)?;
        let handle = signals.handle();
        let listen = move || signals.forever().for_each(|_| statement.interrupt());
        let thread = std::thread::Builder::new().name("interrupts".to_owned()).spawn(listen);
        Ok(Self { handle, thread: Some(thread.map_err(Failure::Input)?) })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // It ends without a panic, or there is nothing to be done about it.
            let _ = thread.join();
        }
    }
}
