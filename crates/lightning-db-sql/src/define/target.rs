//! Where definitions go.

use std::ops::ControlFlow;

use lightning_db_table::{
    Alteration, BuildOutcome, IndexSpec, TableDefinition, TableTransaction, Tables,
};
use lightning_db_types::Value;

use crate::error::{Error, Result};
use crate::session::Seen;

/// Keys of several rows that an error names.
const SHOWN: usize = 3;

/// Where definitions go: into the transaction that is open, or commits of their own.
pub(crate) enum Target<'a> {
    Commits(&'a Tables),
    Transaction(&'a mut TableTransaction),
}

impl Target<'_> {
    /// The state that a definition is read with.
    pub(crate) fn seen(&self) -> Seen<'_> {
        match self {
            Self::Commits(tables) => Seen::Snapshot(tables.snapshot()),
            Self::Transaction(transaction) => Seen::Transaction(transaction),
        }
    }

    pub(crate) fn create_table(&mut self, definition: TableDefinition) -> Result<()> {
        match self {
            Self::Commits(tables) => tables.create_table(definition)?,
            Self::Transaction(transaction) => transaction.create_table(definition)?,
        };
        Ok(())
    }

    pub(super) fn drop_table(&mut self, name: &str) -> Result<()> {
        match self {
            Self::Commits(tables) => tables.drop_table(name)?,
            Self::Transaction(transaction) => transaction.drop_table(name)?,
        }
        Ok(())
    }

    pub(super) fn alter_table(&mut self, name: &str, alteration: Alteration) -> Result<()> {
        match self {
            Self::Commits(tables) => tables.alter_table(name, alteration)?,
            Self::Transaction(transaction) => transaction.alter_table(name, alteration)?,
        };
        Ok(())
    }

    /// Makes an index: outside of a transaction while others write, in one with its other writes.
    pub(super) fn create_index(&mut self, table: &str, spec: IndexSpec) -> Result<()> {
        let tables = match self {
            Self::Commits(tables) => tables,
            Self::Transaction(transaction) => return Ok(transaction.create_index(table, spec)?),
        };
        let name = spec.name.clone();
        match tables.create_index(table, spec, &mut |_| ControlFlow::Continue(()))? {
            BuildOutcome::Ready { .. } => Ok(()),
            BuildOutcome::Cancelled => Err(Error::Cancelled),
            BuildOutcome::Duplicates(keys) => {
                let shown: Vec<&str> = keys.iter().map(|(key, ..)| &**key).take(SHOWN).collect();
                let more = if keys.len() > SHOWN { ", .." } else { "" };
                let shown = shown.join(", ");
                let detail =
                    format!("unique index {name} of {table}: rows share the keys {shown}{more}");
                Err(Error::invalid(detail, None))
            }
        }
    }

    pub(super) fn drop_index(&mut self, table: &str, name: &str) -> Result<()> {
        match self {
            Self::Commits(tables) => tables.drop_index(table, name)?,
            Self::Transaction(transaction) => transaction.drop_index(table, name)?,
        }
        Ok(())
    }

    /// Adds a row, or replaces the one with its key.
    pub(crate) fn upsert(&mut self, table: &str, row: Vec<Value>) -> Result<()> {
        match self {
            Self::Commits(tables) => tables.upsert(table, row)?,
            Self::Transaction(transaction) => {
                let table = transaction.table(table)?;
                transaction.upsert(&table, row)?
            }
        };
        Ok(())
    }

    pub(crate) fn delete(&mut self, table: &str, key: &[Value]) -> Result<()> {
        match self {
            Self::Commits(tables) => tables.delete(table, key)?,
            Self::Transaction(transaction) => {
                let table = transaction.table(table)?;
                transaction.delete(&table, key)?
            }
        };
        Ok(())
    }
}
