//! SQL: a prompt, or statements from the command line, a file or standard input.
//!
//! A statement ends with a semicolon; a line that begins with a dot is a command of the shell
//! itself, see [`dot`]. Statements that are not typed by somebody end at the first that fails.

mod dot;
mod interrupt;
mod pager;
mod prompt;
mod render;
mod split;
mod watch;
mod words;

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Cursor, IsTerminal, Read, Write};
use std::path::Path;

use lightning_db::Store;
use lightning_db::sql::{Connection, CopyStream, Outcome, Rows, SqlEngine};
use lightning_db::tables::Tables;

use crate::args::Sql;
use crate::context::{self, Context};
use crate::failure::Failure;
use crate::text;
pub(crate) use render::{Mode, render};
use split::split;
use watch::Watcher;

/// Runs what was asked for on the store of the context.
pub(crate) fn run(context: &Context, sql: &Sql) -> Result<(), Failure> {
    let is_script = !sql.command.is_empty() || sql.file.is_some();
    let is_typed = !is_script && io::stdin().is_terminal();
    let mut shell = Shell::open(context, mode_of(context, sql, is_typed), is_typed)?;
    let done = if is_script {
        let file = sql.file.iter().try_for_each(|path| shell.read_file(path));
        file.and_then(|()| sql.command.iter().try_for_each(|text| shell.script(text)))
    } else if is_typed {
        prompt::run(&mut shell)
    } else {
        shell.read(BufReader::new(io::stdin())).map(drop)
    };
    let closed = shell.close();
    done.and(closed)
}

fn mode_of(context: &Context, sql: &Sql, is_typed: bool) -> Mode {
    match sql.mode.as_deref().and_then(Mode::named) {
        Some(mode) => mode,
        None if sql.csv => Mode::Csv,
        None if context.json => Mode::JsonLines,
        None if is_typed || io::stdout().is_terminal() => Mode::Box,
        None => Mode::Table,
    }
}

/// Names of modes, for the command line.
pub(crate) fn mode_names() -> [&'static str; 8] {
    Mode::ALL.map(|(name, _)| name)
}

/// What the statements of one run share.
pub(crate) struct Shell<'c> {
    context: &'c Context,
    store: Store,
    tables: Tables,
    connection: Connection,
    mode: Mode,
    /// Whether somebody types, who is told what was done.
    is_typed: bool,
    switches: Switches,
    /// Shows how far a statement is, where somebody looks.
    watcher: Option<Watcher>,
    /// Where results go, if not to standard output.
    output: Option<File>,
    /// The lines that statements are read from, unless they are typed or given as an argument.
    lines: Option<Box<dyn BufRead>>,
    /// Files that are being read, one from another.
    reading: usize,
    /// Whether the end was asked for.
    is_over: bool,
}

/// What is on or off.
struct Switches {
    /// Whether the time of each statement is told.
    timer: bool,
    /// Whether results that are longer than the screen go through a pager.
    pager: bool,
}

/// Files that may be read one from another.
const READING_MAX: usize = 16;

impl<'c> Shell<'c> {
    fn open(context: &'c Context, mode: Mode, is_typed: bool) -> Result<Self, Failure> {
        let (store, tables) =
            if context.is_read_only() { context.open_tables()? } else { context.make_tables()? };
        let connection = SqlEngine::new(&tables).connect();
        let (output, reading, is_over) = (None, 0, false);
        let watcher = context.shows_progress().then(|| Watcher::new(connection.progress_handle()));
        let watcher = watcher.transpose()?;
        Ok(Self {
            context,
            store,
            tables,
            connection,
            mode,
            is_typed,
            switches: Switches { timer: false, pager: is_typed },
            watcher,
            output,
            lines: None,
            reading,
            is_over,
        })
    }

    fn close(self) -> Result<(), Failure> {
        drop((self.connection, self.tables));
        Ok(self.store.close()?)
    }

    /// Runs the statements of a file.
    fn read_file(&mut self, path: &Path) -> Result<(), Failure> {
        if self.reading == READING_MAX {
            let path = path.display();
            return Err(Failure::Refused(format!("read {path}: it is read from itself")));
        }
        let file = File::open(path).map_err(Failure::file("open", path))?;
        self.reading += 1;
        let done = self.read(BufReader::new(file));
        self.reading -= 1;
        done
    }

    /// Runs the statements and commands of lines, up to the first that fails.
    fn read(&mut self, lines: impl BufRead + 'static) -> Result<(), Failure> {
        let around = self.lines.replace(Box::new(lines));
        let done = self.read_lines();
        self.lines = around;
        done
    }

    fn read_lines(&mut self) -> Result<(), Failure> {
        let mut pending = String::new();
        while let Some(line) = self.next_line()? {
            let line = line.strip_suffix('\n').unwrap_or(&line);
            self.line(line.strip_suffix('\r').unwrap_or(line), &mut pending)?;
            if self.is_over {
                return Ok(());
            }
        }
        self.script(&pending)
    }

    /// The next line of what is read, or of standard input where a statement asks for rows, with
    /// its end.
    fn next_line(&mut self) -> Result<Option<String>, Failure> {
        let mut line = String::new();
        let read = match &mut self.lines {
            Some(lines) => lines.read_line(&mut line),
            None => io::stdin().read_line(&mut line),
        };
        if read.map_err(Failure::Input)? == 0 {
            return Ok(None);
        }
        Ok(Some(line))
    }

    /// Takes a line: runs what it ends, and leaves the rest in `pending`.
    fn line(&mut self, line: &str, pending: &mut String) -> Result<(), Failure> {
        if pending.trim().is_empty() && line.trim_start().starts_with('.') {
            pending.clear();
            return dot::run(self, line.trim());
        }
        pending.push_str(line);
        pending.push('\n');
        if !line.contains(';') {
            return Ok(());
        }
        let text = std::mem::take(pending);
        for piece in split(&text) {
            if piece.is_ended {
                self.statement(piece)?;
            } else {
                pending.push_str(piece.text);
            }
        }
        Ok(())
    }

    /// Runs all statements of a text; the last one needs no semicolon.
    fn script(&mut self, text: &str) -> Result<(), Failure> {
        if text.trim_start().starts_with('.') {
            return text.lines().try_for_each(|line| dot::run(self, line.trim()));
        }
        split(text).into_iter().try_for_each(|piece| self.statement(piece))
    }

    fn statement(&mut self, piece: split::Piece<'_>) -> Result<(), Failure> {
        if piece.is_empty() {
            return Ok(());
        }
        let text = piece.text.trim();
        let begun = self.context.elapsed();
        let outcome = self.outcome(text)?;
        let time = self.context.elapsed().saturating_sub(begun);
        let said = match outcome {
            Outcome::Rows(rows) => {
                self.print(&self.shown(&rows, text))?;
                text::count(rows.len() as u64, "row")
            }
            Outcome::Written { count, rows } => {
                if let Some(rows) = rows {
                    self.print(&self.shown(&rows, text))?;
                }
                format!("{} written", text::count(count, "row"))
            }
            _ => "done".to_owned(),
        };
        if self.switches.timer {
            self.print(&format!("{said} in {}\n", text::time(time)))
        } else if self.is_typed {
            self.print(&format!("{said}\n"))
        } else {
            Ok(())
        }
    }

    fn outcome(&mut self, text: &str) -> Result<Outcome, Failure> {
        let failed = |error| Failure::of_statement(error, text);
        let begins_copy = text.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("copy"));
        let stream = match begins_copy.then(|| self.connection.prepare(text)) {
            Some(prepared) => prepared.map_err(failed)?.copies(),
            None => None,
        };
        let count = match stream {
            None => return self.watched(|| self.connection.run(text, ())).map_err(failed),
            Some(CopyStream::In { quote }) => {
                let rows = self.rows_below(quote)?;
                self.watched(|| self.connection.copy_in(text, rows)).map_err(failed)?
            }
            Some(CopyStream::Out) => {
                let mut terminal = context::output();
                let output: &mut dyn Write = match &mut self.output {
                    Some(file) => file,
                    None => &mut terminal,
                };
                let count = self.connection.copy_out(text, output).map_err(failed)?;
                output.flush().map_err(Failure::Output)?;
                count
            }
        };
        Ok(Outcome::written(count))
    }

    /// Runs a statement, with a bar if that takes long.
    fn watched<T>(&self, run: impl FnOnce() -> T) -> T {
        match &self.watcher {
            Some(watcher) => watcher.over(run),
            None => run(),
        }
    }

    /// Rows for a statement: what stands below it up to a line `\.`, or all of standard input for
    /// a statement that was given as an argument. Within quotes such a line is a part of a row.
    fn rows_below(&mut self, quote: Option<u8>) -> Result<Box<dyn Read>, Failure> {
        if self.lines.is_none() && !self.is_typed {
            return Ok(Box::new(io::stdin()));
        }
        let (mut rows, mut within) = (String::new(), false);
        while let Some(line) = self.next_line()? {
            if !within && line.trim_end() == "\\." {
                break;
            }
            let quotes = line.bytes().filter(|byte| Some(*byte) == quote).count();
            within ^= quotes % 2 == 1;
            rows.push_str(&line);
        }
        Ok(Box::new(Cursor::new(rows)))
    }

    fn shown(&self, rows: &Rows, text: &str) -> String {
        // The lines of a plan are no cells.
        let is_plan = matches!(self.mode, Mode::Box | Mode::Table)
            && text.get(..7).is_some_and(|word| word.eq_ignore_ascii_case("explain"));
        if is_plan {
            let lines = rows.values().iter().map(|row| match row.first() {
                Some(lightning_db::tables::Value::Text(line)) => format!("{line}\n"),
                _ => String::new(),
            });
            return lines.collect();
        }
        render(rows, self.mode)
    }

    /// Writes a result where results go.
    fn print(&mut self, text: &str) -> Result<(), Failure> {
        if let Some(file) = &mut self.output {
            return file.write_all(text.as_bytes()).map_err(Failure::Output);
        }
        // Without a pager the text is printed as it is.
        if self.switches.pager && pager::show(text).unwrap_or(false) {
            return Ok(());
        }
        let mut output = context::output();
        output.write_all(text.as_bytes()).and_then(|()| output.flush()).map_err(Failure::Output)
    }

    /// Sends results to a file from now on, or back to standard output.
    fn set_output(&mut self, path: Option<&Path>) -> Result<(), Failure> {
        self.output = match path {
            Some(path) => Some(fs::File::create(path).map_err(Failure::file("make", path))?),
            None => None,
        };
        Ok(())
    }
}
