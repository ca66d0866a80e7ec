//! What all commands share: how to open the store, and where to print what.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use lightning_db::tables::{Table, Tables};
use lightning_db::types::{Clock, SystemClock};
use lightning_db::{Durability, Keyspace, KeyspaceOptions, Store, StoreOptions};
use serde_json::Value;

use crate::args::Global;
use crate::failure::Failure;
use crate::spelling::did_you_mean;

/// Bytes of results that are gathered before they are written.
const OUTPUT_BUFFER: usize = 64 << 10;

/// Why a command on tables cannot work on a store.
const NO_TABLES: &str =
    "find a table: the store has none; `lightning import FILE --table NAME` makes one";

/// The options of every command, and what follows from them.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) db: PathBuf,
    pub(crate) json: bool,
    pub(crate) durability: Durability,
    read_only: bool,
    quiet: bool,
    clock: SystemClock,
}

/// Standard output, buffered.
pub(crate) type Output = BufWriter<StdoutLock<'static>>;

impl Context {
    pub(crate) fn new(global: Global) -> Self {
        Self {
            db: global.db,
            json: global.json,
            durability: global.durability.into(),
            read_only: global.read_only,
            quiet: global.quiet,
            clock: SystemClock::new(),
        }
    }

    /// Options of the store. It is not made if it is not there.
    pub(crate) fn options(&self) -> StoreOptions {
        StoreOptions::new(&self.db)
            .durability(self.durability)
            .read_only(self.read_only)
            .create(false)
    }

    /// Opens the store that is there.
    pub(crate) fn open(&self) -> Result<Store, Failure> {
        self.open_with(self.options())
    }

    /// Opens the store and a keyspace that are there.
    pub(crate) fn open_keyspace(&self, name: &str) -> Result<(Store, Keyspace), Failure> {
        let store = self.open()?;
        let keyspace = store.open_keyspace(name)?;
        Ok((store, keyspace))
    }

    /// Opens the store that is there, with its tables.
    pub(crate) fn open_tables(&self) -> Result<(Store, Tables), Failure> {
        let store = self.open()?;
        let tables = self.tables_of(&store)?;
        let tables = tables.ok_or_else(|| Failure::NotFound(NO_TABLES.to_owned()))?;
        Ok((store, tables))
    }

    /// The tables of a store; `None` if it has none.
    pub(crate) fn tables_of(&self, store: &Store) -> Result<Option<Tables>, Failure> {
        if !Tables::are_in(store) {
            return Ok(None);
        }
        let (tables, report) = Tables::open(store)?;
        if !report.unfinished_indexes.is_empty() && !self.read_only {
            self.note(&format!(
                "the build of {} had not ended, and is ended now",
                report.unfinished_indexes.join(", ")
            ));
            tables.finish_builds(&mut |_| ControlFlow::Continue(()))?;
        }
        Ok(Some(tables))
    }

    /// Opens the store, and makes it and the place of its tables if they are not there.
    pub(crate) fn make_tables(&self) -> Result<(Store, Tables), Failure> {
        if self.read_only {
            return Err(lightning_db::Error::ReadOnly.into());
        }
        let store = self.open_with(self.options().create(true))?;
        let tables = match self.tables_of(&store)? {
            Some(tables) => tables,
            None => Tables::open(&store)?.0,
        };
        Ok((store, tables))
    }

    /// Opens the store and a keyspace, and makes what is not there.
    pub(crate) fn make_keyspace(&self, name: &str) -> Result<(Store, Keyspace), Failure> {
        if self.read_only {
            // Refused before anything is looked for: the command can never work.
            return Err(lightning_db::Error::ReadOnly.into());
        }
        let store = self.open_with(self.options().create(true))?;
        let keyspace = store.keyspace(name, KeyspaceOptions::new())?;
        Ok((store, keyspace))
    }

    fn open_with(&self, options: StoreOptions) -> Result<Store, Failure> {
        let (store, report) = options.open()?;
        if report.torn_tail {
            self.note(
                "the log ended in an unfinished record, which was never acknowledged and was left \
                 out",
            );
        }
        Ok(store)
    }

    /// Prints one result: the object with `--json`, the text without.
    pub(crate) fn print(&self, text: &str, json: &Value) -> Result<(), Failure> {
        let mut output = output();
        let written =
            if self.json { writeln!(output, "{json}") } else { output.write_all(text.as_bytes()) };
        written.and_then(|()| output.flush()).map_err(Failure::Output)
    }

    /// Prints a result that is worth a line to people and an object to programs.
    pub(crate) fn print_summary(&self, text: &str, json: &Value) -> Result<(), Failure> {
        if self.json || !self.quiet {
            self.print(&format!("{text}\n"), json)?;
        }
        Ok(())
    }

    /// Says something on standard error that is neither a result nor an error.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            complain(&format!("note: {text}"));
        }
    }

    /// Whether nothing is to be changed.
    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Whether progress is shown: to people, and not to programs.
    pub(crate) fn shows_progress(&self) -> bool {
        !self.quiet && !self.json && io::stderr().is_terminal()
    }

    /// Time since the command started.
    pub(crate) fn elapsed(&self) -> Duration {
        self.clock.monotonic()
    }
}

/// A table of a name, or what may have been meant.
pub(crate) fn table(tables: &Tables, name: &str) -> Result<Table, Failure> {
    match tables.table(name) {
        Ok(table) => Ok(table),
        Err(lightning_db::tables::Error::NotFound { .. }) => {
            let names = tables.names();
            let meant = did_you_mean(name, names.iter().map(String::as_str));
            Err(Failure::NotFound(format!("find table {name}: there is none of this name{meant}")))
        }
        Err(error) => Err(error.into()),
    }
}

/// Standard output, with a buffer that is to be flushed at the end.
pub(crate) fn output() -> Output {
    BufWriter::with_capacity(OUTPUT_BUFFER, io::stdout().lock())
}

/// Says something on standard error.
pub(crate) fn complain(line: &str) {
    // Without standard error there is nobody to tell.
    let _ = writeln!(io::stderr(), "{line}");
}
