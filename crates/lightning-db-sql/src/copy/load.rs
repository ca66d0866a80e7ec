//! COPY FROM: all rows of a file in one commit, or none.

use std::fs::File;
use std::io::Read;

use lightning_db_query::build::nearest;
use lightning_db_table::{ColumnType, Table, TableTransaction};
use lightning_db_types::Value;
use sqlparser::ast::{self, CopySource};

use super::options::{Format, Options};
use crate::connection::Session;
use crate::error::{Error, Result};
#[cfg(feature = "vector")]
use crate::files::ParquetRows;
use crate::files::{self, Cell, Columns, Nulls, Record, Records, RowFormat};
use crate::names::{self, at, folded, unknown};
use crate::planned::{Given, Host};
use crate::prepared::ATTEMPTS_MAX;

/// Where the rows come from.
pub(super) enum Input<'a> {
    File(&'a str),
    /// They can be read once.
    Given(Option<Box<dyn Read>>),
}

impl Input<'_> {
    fn name(&self) -> &str {
        match self {
            Self::File(path) => path,
            Self::Given(_) => "STDIN",
        }
    }

    fn open(&mut self) -> Result<Box<dyn Read>> {
        match self {
            Self::File(path) => match File::open(&**path) {
                Ok(file) => Ok(Box::new(file)),
                Err(source) => {
                    Err(Error::File { operation: "open", path: (*path).to_owned(), source })
                }
            },
            Self::Given(rows) => rows.take().ok_or(Error::Conflict),
        }
    }
}

/// Loads the rows; gives their number.
pub(super) fn run(
    source: &CopySource,
    options: &Options,
    mut input: Input<'_>,
    (host, session, given): (&Host<'_>, &mut Session, &Given<'_>),
) -> Result<u64> {
    let CopySource::Table { table_name, columns } = source else {
        return Err(Error::unsupported("COPY of a query FROM a file", None));
    };
    if let Some(transaction) = session.writable()? {
        let savepoint = transaction.savepoint();
        let load = Load::new(transaction, table_name, columns, options);
        let loaded = load.and_then(|load| load.run(transaction, &mut input, given));
        if loaded.is_err() {
            transaction.rollback_to(savepoint)?;
        }
        let released = transaction.storage().release(savepoint);
        released.map_err(lightning_db_table::Error::from)?;
        return loaded;
    }
    for attempt in 0..ATTEMPTS_MAX {
        let mut transaction = host.tables().transaction_with(session.options);
        let load = Load::new(&transaction, table_name, columns, options)?;
        let loaded = load.run(&mut transaction, &mut input, given)?;
        if transaction.commit()?.is_committed() {
            return Ok(loaded);
        }
        host.tables().store().back_off(attempt);
    }
    let error = lightning_db_storage::Error::Contention { attempts: ATTEMPTS_MAX };
    Err(lightning_db_table::Error::from(error).into())
}

/// A row that cannot be loaded.
fn refused(input: &Input<'_>, line: u64, detail: String) -> Error {
    Error::Line { path: input.name().to_owned(), line, detail }
}

struct Load<'a> {
    table: Table,
    /// Columns that the file may have, by name, in the order of the list or the table.
    columns: Vec<(String, ColumnType)>,
    /// Whether they are those of a list.
    listed: bool,
    options: &'a Options,
}

impl<'a> Load<'a> {
    fn new(
        transaction: &TableTransaction,
        name: &ast::ObjectName,
        listed: &[ast::Ident],
        options: &'a Options,
    ) -> Result<Self> {
        let (name, place) = names::table(name)?;
        let table = transaction.table(&name).map_err(|error| match error {
            lightning_db_table::Error::NotFound { .. } => {
                unknown("table", &name, transaction.names(), place)
            }
            error => error.into(),
        })?;
        let taken = table.columns().filter(|column| column.generated.is_none());
        let taken: Vec<_> = taken.map(|column| (column.name.clone(), column.column_type)).collect();
        let mut columns: Vec<(String, ColumnType)> = Vec::with_capacity(taken.len());
        for ident in listed {
            let wanted = folded(ident);
            let found = taken.iter().find(|(name, _)| *name == wanted);
            let known = taken.iter().map(|(name, _)| name);
            let found = found.ok_or_else(|| unknown("column", &wanted, known, at(ident)))?;
            if columns.contains(found) {
                return Err(Error::invalid(format!("column {wanted} is named twice"), at(ident)));
            }
            columns.push(found.clone());
        }
        let is_listed = !columns.is_empty();
        let columns = if is_listed { columns } else { taken };
        Ok(Self { table, columns, listed: is_listed, options })
    }

    fn run(
        &self,
        transaction: &mut TableTransaction,
        input: &mut Input<'_>,
        given: &Given<'_>,
    ) -> Result<u64> {
        #[cfg(feature = "vector")]
        if self.options.format == Format::Parquet {
            return self.run_batches(transaction, input, given);
        }
        let source = input.open()?;
        let (format, null) = self.format();
        let mut records = Records::new(source, format, input.name(), Nulls::Unquoted(null))?;
        let mut places = Vec::new();
        let mut loaded = 0;
        while let Some(record) = records.next_record()? {
            given.go_on()?;
            let refused = |line, detail| refused(input, line, detail);
            let record = record.map_err(|bad| refused(bad.line, bad.reason))?;
            let line = record.line;
            for name in &records.names()[places.len()..] {
                places.push(self.place(name).map_err(|detail| refused(line, detail))?);
            }
            let row = self.row(&places, &record).map_err(|detail| refused(line, detail))?;
            self.insert(transaction, row, (input, line))?;
            given.read(1);
            loaded += 1;
        }
        Ok(loaded)
    }

    /// Loads the rows of a Parquet file.
    #[cfg(feature = "vector")]
    fn run_batches(
        &self,
        transaction: &mut TableTransaction,
        input: &Input<'_>,
        given: &Given<'_>,
    ) -> Result<u64> {
        let Input::File(path) = *input else {
            let hint = "it is read from its end: name a file";
            return Err(Error::unsupported_hint("COPY of Parquet FROM STDIN", hint, None));
        };
        let listed: Vec<&str> = self.columns.iter().map(|(name, _)| &**name).collect();
        let mut batches = ParquetRows::open(path, self.listed.then_some(&listed))?;
        let places = batches.columns().iter().map(|(name, _)| self.place(name));
        let places = places.collect::<Result<Vec<_>, _>>();
        let places = places.map_err(|detail| refused(input, 1, detail))?;
        let mut loaded = 0;
        while let Some(rows) = batches.next_rows()? {
            given.go_on()?;
            for row in rows {
                let named = places.iter().map(|place| &*self.columns[*place].0).zip(row);
                self.insert(transaction, named.collect(), (input, loaded + 1))?;
                given.read(1);
                loaded += 1;
            }
        }
        Ok(loaded)
    }

    /// Adds a row of a line of the file.
    fn insert(
        &self,
        transaction: &mut TableTransaction,
        row: Vec<(&str, Value)>,
        (input, line): (&Input<'_>, u64),
    ) -> Result<()> {
        let inserted = transaction.insert(&self.table, row).map_err(|error| match error {
            lightning_db_table::Error::Storage(_) => error.into(),
            error => refused(input, line, error.to_string()),
        });
        inserted.map(drop)
    }

    fn format(&self) -> (RowFormat, &str) {
        let Format::Csv { separators, header, null } = &self.options.format else {
            return (RowFormat::JsonLines, "");
        };
        let columns = if *header && !self.listed {
            Columns::Header
        } else {
            let names = self.columns.iter().map(|(name, _)| name.clone()).collect();
            Columns::Named { names, below_header: *header }
        };
        (RowFormat::Separated(*separators, columns), null)
    }

    /// Which of the columns a name of the file is.
    fn place(&self, name: &str) -> Result<usize, String> {
        let found = self.columns.iter().position(|(known, _)| known == name);
        found.ok_or_else(|| {
            let meant = nearest(name, self.columns.iter().map(|(known, _)| known));
            let meant = meant.map_or_else(String::new, |name| format!("; did you mean {name}?"));
            let whose = if self.listed { "the list" } else { self.table.name() };
            format!("{whose} has no column {name}{meant}")
        })
    }

    fn row(&self, places: &[usize], record: &Record) -> Result<Vec<(&str, Value)>, String> {
        let mut row = Vec::with_capacity(record.cells.len());
        for (cell, place) in record.cells.iter().zip(places) {
            let (name, column_type) = &self.columns[*place];
            let value = match cell {
                Cell::Missing => continue,
                // An empty text that is no null is a text, and nothing else.
                Cell::Plain(text) => files::from_text(text, *column_type),
                cell => files::value_of(cell, *column_type),
            };
            let value = value.map_err(|reason| format!("column {name}: {reason}"))?;
            row.push((&**name, value));
        }
        Ok(row)
    }
}
