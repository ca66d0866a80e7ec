//! Running the program on a store of its own.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with a store `db` in it.
pub(crate) struct Shell {
    dir: TempDir,
}

/// What a run of the program left.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Shell {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The same as an argument.
    pub(crate) fn arg(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Makes a file in the folder; gives its path as an argument.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), bytes).unwrap();
        self.arg(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        String::from_utf8(fs::read(self.path(name)).unwrap()).unwrap()
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lightning"));
        command.env_remove("LIGHTNING_DB").current_dir(self.dir.path());
        command.arg("--db").arg(self.path("db"));
        command
    }

    pub(crate) fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Outcome {
        Outcome::of(self.command().args(args))
    }

    /// Runs with something on standard input.
    pub(crate) fn run_with_input<A: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
        input: &[u8],
    ) -> Outcome {
        let mut command = self.command();
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A program that ends early closes its input, which is no failure of the test.
        let _ = child.stdin.take().unwrap().write_all(input);
        Outcome::from(child.wait_with_output().unwrap())
    }

    /// Runs what must succeed; gives its output.
    pub(crate) fn ok<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> String {
        let outcome = self.run(args);
        assert_eq!(outcome.code, 0, "{outcome:?}");
        outcome.out
    }

    /// Runs what must succeed with `--json`; gives the objects that it prints.
    pub(crate) fn json(&self, args: &[&str]) -> Vec<Value> {
        parse_lines(&self.ok(args.iter().copied().chain(["--json"])))
    }

    /// Runs what must fail; gives what it says on standard error.
    pub(crate) fn fails<A: AsRef<OsStr>>(
        &self,
        code: i32,
        args: impl IntoIterator<Item = A>,
    ) -> String {
        let outcome = self.run(args);
        assert_eq!(outcome.code, code, "{outcome:?}");
        outcome.err
    }

    pub(crate) fn pipe(&self, args: &[&str]) -> Pipe {
        let mut command = self.command();
        let command = command.arg("pipe").arg("k").args(args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take();
        let output = child.stdout.take().map(BufReader::new);
        Pipe { child, input, output }
    }

    /// Flips a bit in the middle of the largest file of a folder.
    pub(crate) fn flip_a_bit(&self, folder: &str) {
        let files = fs::read_dir(self.path(folder)).unwrap().map(|entry| entry.unwrap().path());
        let largest = files.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
        let mut bytes = fs::read(&largest).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(largest, bytes).unwrap();
    }
}

impl Outcome {
    pub(crate) fn of(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).output().unwrap().into()
    }
}

impl From<std::process::Output> for Outcome {
    fn from(output: std::process::Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// One text made of many.
pub(crate) fn texts(numbers: Range<u64>, text: impl Fn(u64) -> String) -> String {
    numbers.map(text).collect::<Vec<_>>().concat()
}

pub(crate) fn parse_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A `pipe` that runs.
pub(crate) struct Pipe {
    child: Child,
    input: Option<ChildStdin>,
    output: Option<BufReader<ChildStdout>>,
}

impl Pipe {
    /// Sends a line and waits for its answer.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.send(format!("{line}\n").as_bytes());
        self.answer()
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.input.as_mut().unwrap().write_all(bytes).unwrap();
    }

    pub(crate) fn answer(&mut self) -> String {
        let mut answer = String::new();
        self.output.as_mut().unwrap().read_line(&mut answer).unwrap();
        answer.trim_end_matches('\n').to_owned()
    }

    /// Ends the input; gives the answers that are left and the exit code.
    pub(crate) fn end(mut self) -> (Vec<String>, i32) {
        drop(self.input.take());
        let answers = std::iter::from_fn(|| Some(self.answer()).filter(|it| !it.is_empty()));
        let answers = answers.collect();
        (answers, self.child.wait().unwrap().code().unwrap())
    }

    /// Takes the input, for a thread that writes while answers are read.
    pub(crate) fn take_input(&mut self) -> ChildStdin {
        self.input.take().unwrap()
    }

    /// Kills the process; gives what it had printed that was not read.
    pub(crate) fn kill_and_take_output(mut self) -> BufReader<ChildStdout> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.output.take().unwrap()
    }

    /// Ends the process at once, as a crash does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // Fine if it has ended: a failed test must not leave it behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn exists(path: &Path) -> bool {
    path.try_exists().unwrap()
}
