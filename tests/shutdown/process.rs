//! The child process as the tests see it.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A running child, which is killed when this is dropped.
pub(crate) struct Child {
    process: std::process::Child,
    lines: BufReader<ChildStdout>,
}

impl Child {
    pub(crate) fn start(what: &str, files: &[&Path]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shutdown-child"));
        let mut process = command.arg(what).args(files).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        Self { process, lines }
    }

    /// The next line that it prints.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "the child has ended: {:?}", self.process.wait());
        line.trim_end().to_owned()
    }

    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
    }

    /// How it ends, and its report.
    pub(crate) fn end(mut self) -> (ExitStatus, Value) {
        let report = serde_json::from_str(&self.line()).unwrap();
        (self.process.wait().unwrap(), report)
    }

    pub(crate) fn is_aborted(&mut self) -> bool {
        self.process.wait().unwrap().signal() == Some(Signal::ABORT.as_raw())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // One that has ended cannot be killed, and need not be.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
