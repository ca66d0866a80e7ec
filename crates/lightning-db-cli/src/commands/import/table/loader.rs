//! Rows into a table, in batches; what it refuses goes to the rejects.

use std::mem;

use lightning_db::Durability;
use lightning_db::sql::files::BadRow;
use lightning_db::storage::TransactionOptions;
use lightning_db::tables::{self, ColumnType, Table, Tables, Value};

use super::columns;
use crate::args::Import;
use crate::commands::import::rejects::{Rejected, Rejects};
use crate::context::Context;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::spelling::did_you_mean;

/// Rows of one commit.
const BATCH_ROWS: usize = 1_000;

/// A row that is to be loaded.
pub(super) struct Row {
    pub(super) line: u64,
    /// What stands in the file.
    pub(super) original: Vec<u8>,
    /// Values by the place of their column in the table.
    pub(super) values: Vec<(usize, Value)>,
}

/// Commits rows in batches.
pub(super) struct Loader<'a> {
    tables: &'a Tables,
    table: &'a Table,
    columns: Vec<(String, ColumnType)>,
    /// Whether a row takes the place of one with its key.
    replace: bool,
    level: Durability,
    rejects: Rejects,
    progress: &'a Progress,
    batch: Vec<Row>,
    loaded: u64,
}

impl<'a> Loader<'a> {
    pub(super) fn new(
        (context, import): (&Context, &Import),
        (tables, table): (&'a Tables, &'a Table),
        progress: &'a Progress,
    ) -> Self {
        Self {
            tables,
            table,
            columns: columns(table),
            replace: import.replace,
            level: context.durability.min(Durability::Buffered),
            rejects: Rejects::new(import),
            progress,
            batch: Vec::new(),
            loaded: 0,
        }
    }

    /// Takes a row, or what is wrong with it.
    pub(super) fn take(&mut self, row: Result<Row, BadRow>) -> Result<(), Failure> {
        match row {
            Ok(row) => self.batch.push(row),
            Err(bad) => self.rejects.add(&bad, self.progress)?,
        }
        if self.batch.len() >= BATCH_ROWS { self.commit() } else { Ok(()) }
    }

    /// Commits what is left; gives the number of rows that were loaded, and what was rejected.
    pub(super) fn finish(mut self) -> Result<(u64, Rejected), Failure> {
        self.commit()?;
        Ok((self.loaded, self.rejects.finish()?))
    }

    /// The columns of the table.
    pub(super) fn columns(&self) -> &[(String, ColumnType)] {
        &self.columns
    }

    /// Which column of the table one of the file is.
    pub(super) fn place(&self, name: &str) -> Result<usize, String> {
        let names = || self.columns.iter().map(|(known, _)| known.as_str());
        let found = names().position(|known| known == name);
        found.ok_or_else(|| {
            let (table, meant) = (self.table.name(), did_you_mean(name, names()));
            format!("table {table} has no column {name}{meant}")
        })
    }

    /// Commits the rows that are there, but those that the table refuses.
    fn commit(&mut self) -> Result<(), Failure> {
        let batch = mem::take(&mut self.batch);
        let rejected = self.insert(&batch)?;
        self.loaded += (batch.len() - rejected.len()) as u64;
        for bad in rejected {
            self.rejects.add(&bad, self.progress)?;
        }
        self.progress.set_rows(self.loaded);
        Ok(())
    }

    /// Adds rows in one commit; gives those that the table refuses.
    fn insert(&self, batch: &[Row]) -> Result<Vec<BadRow>, Failure> {
        let durability = Some(self.level);
        let options = TransactionOptions { durability, ..TransactionOptions::default() };
        let rejected = self.tables.run_with(options, |transaction| {
            let mut rejected = Vec::new();
            for row in batch {
                let values = row.values.iter();
                let values: Vec<(&str, Value)> =
                    values.map(|(at, value)| (&*self.columns[*at].0, value.clone())).collect();
                let written = if self.replace {
                    transaction.upsert(self.table, values)
                } else {
                    transaction.insert(self.table, values)
                };
                match written {
                    Ok(_) => {}
                    Err(error) if is_refusal(&error) => rejected.push(BadRow {
                        line: row.line,
                        reason: error.to_string(),
                        original: row.original.clone(),
                    }),
                    Err(error) => return Err(error),
                }
            }
            Ok(rejected)
        });
        Ok(rejected?)
    }
}

/// Whether the row is to blame.
fn is_refusal(error: &tables::Error) -> bool {
    matches!(
        error,
        tables::Error::Value { .. }
            | tables::Error::Check { .. }
            | tables::Error::ForeignKey { .. }
            | tables::Error::Duplicate { .. }
            | tables::Error::Unique { .. }
            | tables::Error::Index { .. }
    )
}
