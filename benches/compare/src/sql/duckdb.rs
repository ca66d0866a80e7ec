//! `DuckDB` in a process of its own: an interpreter of Python that has its wheel, where one is.
//!
//! The process keeps a database open and answers one line for each request (`child.py`). It works
//! on one thread, so that processor times can be compared, and ends with [`Database`].

use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde_json::{Value, json};

/// Name of the peer.
pub(super) const DUCKDB: &str = "duckdb";

/// Names the interpreter; without it, it is `python3`.
const PYTHON: &str = "LIGHTNING_PYTHON";

const SCRIPT: &str = include_str!("duckdb/child.py");

/// An interpreter that has the wheel.
#[derive(Clone, Debug)]
pub(super) struct Wheel {
    python: OsString,
    pub version: String,
}

impl Wheel {
    /// Looks for the wheel, and says so where it is absent.
    pub(super) fn find() -> Option<Self> {
        let python = std::env::var_os(PYTHON).unwrap_or_else(|| "python3".into());
        let found = Self::of(python);
        if let Err(error) = &found {
            crate::progress(&format!("{DUCKDB}: left out, {error:#}"));
        }
        found.ok()
    }

    /// The wheel of an interpreter.
    ///
    /// # Errors
    ///
    /// When there is none.
    fn of(python: OsString) -> Result<Self> {
        let name = python.to_string_lossy().into_owned();
        let import = "import duckdb; print(duckdb.__version__)";
        let output = Command::new(&python).args(["-c", import]).stdin(Stdio::null()).output();
        let output = output.with_context(|| format!("cannot start {name}"))?;
        ensure!(output.status.success(), "{name} has no such module ({PYTHON} names another)");
        let version = String::from_utf8(output.stdout)?.trim().to_owned();
        Ok(Self { python, version })
    }
}

/// A database that a process keeps open.
pub(super) struct Database {
    process: RefCell<Process>,
    /// What it used for all runs so far.
    cpu: Cell<Duration>,
}

impl Database {
    /// Makes a database in `dir` that takes so many bytes of memory.
    ///
    /// # Errors
    ///
    /// When the process cannot be started.
    pub(super) fn new(wheel: &Wheel, dir: &Path, memory: u64) -> Result<Self> {
        let mut command = Command::new(&wheel.python);
        command.args(["-c", SCRIPT]).arg(dir.join("bench.duckdb"));
        Self::start(command.arg(format!("{}MiB", memory >> 20)))
    }

    fn start(command: &mut Command) -> Result<Self> {
        let process = RefCell::new(Process::start(command)?);
        Ok(Self { process, cpu: Cell::default() })
    }

    /// Executes statements.
    ///
    /// # Errors
    ///
    /// When a statement fails, or the process has ended.
    pub(super) fn load(&self, texts: &[&str]) -> Result<()> {
        self.request("load", texts).map(drop)
    }

    /// Takes the rows of `table`, which is there, as lines with bars between the columns.
    ///
    /// # Errors
    ///
    /// When their file cannot be made in `dir`.
    pub(super) fn loader(&self, table: &str, dir: &Path) -> Result<Loader<'_>> {
        let path = dir.join(format!("{table}.csv"));
        let file = BufWriter::new(File::create(&path)?);
        Ok(Loader { database: self, table: table.to_owned(), path, file })
    }

    /// The rows of a query: texts, numbers and nulls, with days as texts.
    ///
    /// # Errors
    ///
    /// When the query fails, or the process has ended.
    pub(super) fn ask(&self, text: &str) -> Result<Vec<Value>> {
        let mut answer = self.request("ask", &[text])?;
        let rows = answer.get_mut("rows").and_then(Value::as_array_mut);
        Ok(std::mem::take(rows.context("the answer has no rows")?))
    }

    /// Runs queries one after the other; gives the number of their rows, all of which are fetched.
    ///
    /// # Errors
    ///
    /// When a query fails, or the process has ended.
    pub(super) fn run(&self, texts: &[&str]) -> Result<u64> {
        let answer = self.request("run", texts)?;
        let number = |name| answer[name].as_u64().with_context(|| format!("no {name} in {answer}"));
        self.cpu.set(self.cpu.get() + Duration::from_nanos(number("cpu_ns")?));
        number("rows")
    }

    /// Processor time that the process used for all runs so far.
    pub(super) fn cpu(&self) -> Duration {
        self.cpu.get()
    }

    fn request(&self, request: &str, texts: &[&str]) -> Result<Value> {
        let request = json!({ "request": request, "texts": texts });
        let answer = self.process.borrow_mut().exchange(&request)?;
        if let Some(error) = answer["error"].as_str() {
            let query = answer["query"].as_str().unwrap_or_default().trim();
            bail!("{DUCKDB} cannot run {query}: {error}");
        }
        Ok(answer)
    }
}

/// Rows on their way into a table: they stand in a file until they are all there.
pub(super) struct Loader<'a> {
    database: &'a Database,
    table: String,
    path: PathBuf,
    file: BufWriter<File>,
}

impl Loader<'_> {
    /// Adds a row; a bar behind the last column is no column.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub(super) fn add(&mut self, line: &str) -> Result<()> {
        Ok(writeln!(self.file, "{}", line.strip_suffix('|').unwrap_or(line))?)
    }

    /// Loads the file, and removes it.
    ///
    /// # Errors
    ///
    /// When the file cannot be written or loaded.
    pub(super) fn finish(mut self) -> Result<()> {
        self.file.flush()?;
        let path = self.path.to_str().context("the folder's name is no text")?;
        let copy = format!(
            "COPY {} FROM '{}' (FORMAT csv, DELIMITER '|', HEADER false, AUTO_DETECT false, \
             QUOTE '', ESCAPE '')",
            self.table,
            path.replace('\'', "''")
        );
        self.database.load(&[&copy])?;
        Ok(std::fs::remove_file(&self.path)?)
    }
}

/// The process, and its ends of both pipes.
struct Process {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Process {
    fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let requests = child.stdin.take().context("its input is no pipe")?;
        let answers = BufReader::new(child.stdout.take().context("its output is no pipe")?);
        Ok(Self { child, requests, answers })
    }

    /// Sends a request and waits for its answer, or for the end of the process.
    fn exchange(&mut self, request: &Value) -> Result<Value> {
        let mut line = String::new();
        let sent = self.requests.write_all(format!("{request}\n").as_bytes());
        let answered = sent.and_then(|()| self.answers.read_line(&mut line));
        if answered.is_ok() && line.ends_with('\n') {
            let answer = serde_json::from_str(&line);
            return answer.with_context(|| format!("{DUCKDB} says {}", line.trim()));
        }
        // A pipe has no other end any more: the process ends, or would be of no use.
        let _ = self.child.kill();
        let status = self.child.wait()?;
        Err(anyhow!("the process of {DUCKDB} has ended with {status}, instead of an answer"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nobody needs what it keeps; it may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests;
