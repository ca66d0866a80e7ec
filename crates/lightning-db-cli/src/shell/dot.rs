//! Commands of the shell itself, which begin with a dot.

use std::fmt::Write as _;
use std::io::{BufWriter, Write};
use std::path::Path;

use lightning_db::storage::Depth;
use lightning_db::tables::Table;

use super::Shell;
use super::render::Mode;
use crate::args::Import;
use crate::commands::{admin, check, export, import, indexes, tables};
use crate::context;
use crate::failure::Failure;
use crate::spelling::did_you_mean;
use crate::text;

/// Their names, with what they take and do.
pub(super) const COMMANDS: &[(&str, &str, &str)] = &[
    (".backup", "DIR", "copy the store into a folder, where a later copy brings only what is new"),
    (".check", "", "check the files of the store; lightning check --deep reads all of them"),
    (".dump", "[TABLE]", "write SQL that makes tables, rows, indexes and views anew"),
    (".exit", "", "end, as .quit"),
    (".explain", "STATEMENT", "show how a statement would run, as EXPLAIN does"),
    (
        ".export",
        "TABLE FILE",
        "write a table to a file: .csv, .tsv, .jsonl, also with .gz or .zst; .parquet",
    ),
    (".help", "", "say what there is"),
    (".import", "FILE TABLE", "load such a file into a table, which is made if it is not there"),
    (".indexes", "[TABLE]", "show indexes with what they hold"),
    (".mode", "[NAME]", "write results as box, table, line, csv, json, jsonl, markdown, insert"),
    (".output", "[FILE]", "write results to a file, or to standard output again"),
    (".pager", "on|off", "show results that are longer than the screen through $PAGER"),
    (".quit", "", "end; a transaction that is open is rolled back"),
    (".read", "FILE", "run the statements of a file"),
    (".schema", "[TABLE]", "show columns, keys and indexes"),
    (".stats", "", "show what the store holds, in numbers"),
    (".tables", "", "show the tables"),
    (".timer", "on|off", "tell the time of each statement"),
];

/// Runs one of them.
pub(super) fn run(shell: &mut Shell<'_>, line: &str) -> Result<(), Failure> {
    let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let argument = Some(argument.trim()).filter(|argument| !argument.is_empty());
    match (name, argument) {
        ("", None) => Ok(()),
        (".help", _) => help(shell),
        (".quit" | ".exit", _) => {
            shell.is_over = true;
            Ok(())
        }
        (".mode", None) => {
            let shown = format!("{}\n", shell.mode.name());
            shell.print(&shown)
        }
        (".mode", Some(name)) => {
            let names = Mode::ALL.map(|(name, _)| name);
            let unknown = || {
                let (meant, all) = (did_you_mean(name, names), names.join(", "));
                Failure::Usage(format!("write results as {name}: there are {all}{meant}"))
            };
            shell.mode = Mode::named(name).ok_or_else(unknown)?;
            Ok(())
        }
        (".timer", Some(state @ ("on" | "off"))) => {
            shell.switches.timer = state == "on";
            Ok(())
        }
        (".pager", Some(state @ ("on" | "off"))) => {
            shell.switches.pager = state == "on";
            Ok(())
        }
        (".dump", table) => dump(shell, table),
        (".explain", Some(statement)) => shell.script(&format!("EXPLAIN {statement}")),
        (".import", Some(both)) => {
            let (file, table) = two(name, both)?;
            let import = Import::into_table(file, table);
            import::table::from_file(shell.context, &import, table, &shell.tables)
        }
        (".export", Some(both)) => {
            let (table, file) = two(name, both)?;
            export::table::to_file(shell.context, &shell.tables, table, (Path::new(file), None))
        }
        (".output", path) => shell.set_output(path.map(Path::new)),
        (".read", Some(path)) => shell.read_file(Path::new(path)),
        (".backup", Some(dir)) => {
            let report = shell.store.backup(dir)?;
            let files = text::count(report.files_copied, "file");
            let bytes = text::bytes(report.bytes_copied);
            shell.print(&format!("copied {files}, {bytes}, to {dir}\n"))
        }
        _ => look(shell, name, argument),
    }
}

/// Runs one that shows what there is.
fn look(shell: &mut Shell<'_>, name: &str, argument: Option<&str>) -> Result<(), Failure> {
    match (name, argument) {
        (".tables", None) => {
            let (shown, _) = tables::overview(&shell.tables)?;
            shell.print(&shown)
        }
        (".schema", table) => {
            let shown = tables::schemas(&chosen(shell, table)?);
            shell.print(&shown)
        }
        (".indexes", table) => {
            let (shown, _) = indexes::sections(&chosen(shell, table)?)?;
            shell.print(&shown)
        }
        (".stats", None) => {
            let shown = admin::statistics_text(&shell.store);
            shell.print(&shown)
        }
        (".check", None) => {
            let report = shell.store.check(Depth::Quick)?;
            shell.print(&check::check_to_text(&report))?;
            if report.is_ok() {
                return Ok(());
            }
            let damaged = text::count(report.problems.len() as u64, "file");
            Err(Failure::Damaged(format!("{damaged} damaged")))
        }
        _ => Err(unknown(name)),
    }
}

/// Writes the dump where results go, past the pager: it is for programs.
fn dump(shell: &mut Shell<'_>, table: Option<&str>) -> Result<(), Failure> {
    let mut terminal = BufWriter::new(context::output());
    let output: &mut dyn Write = match &mut shell.output {
        Some(file) => file,
        None => &mut terminal,
    };
    shell.connection.dump(table, output)?;
    terminal.flush().map_err(Failure::Output)
}

fn help(shell: &mut Shell<'_>) -> Result<(), Failure> {
    let mut shown = "Statements end with a semicolon. Commands of the shell:\n".to_owned();
    for (name, takes, does) in COMMANDS {
        let call = format!("{name} {takes}");
        // Writing to a string cannot fail.
        let _ = writeln!(shown, "  {call:<20} {does}");
    }
    shell.print(&shown)
}

/// Two arguments, of which the first has no space.
fn two<'l>(name: &str, both: &'l str) -> Result<(&'l str, &'l str), Failure> {
    let parts = both.split_once(char::is_whitespace);
    parts.map(|(one, other)| (one, other.trim())).ok_or_else(|| unknown(name))
}

fn chosen(shell: &Shell<'_>, name: Option<&str>) -> Result<Vec<Table>, Failure> {
    match name {
        Some(name) => Ok(vec![context::table(&shell.tables, name)?]),
        None => tables::chosen(&shell.tables, None),
    }
}

fn unknown(name: &str) -> Failure {
    let known = COMMANDS.iter().find(|(known, ..)| *known == name);
    Failure::Usage(match known {
        Some((_, "", _)) => format!("run {name}: it takes nothing"),
        Some((_, takes, _)) => format!("run {name}: it takes {takes}"),
        None => {
            let names = COMMANDS.iter().map(|(name, ..)| *name);
            format!("run {name}: .help says what there is{}", did_you_mean(name, names))
        }
    })
}
