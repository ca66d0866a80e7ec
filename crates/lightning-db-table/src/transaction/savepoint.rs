//! Places in a transaction to go back to: its writes, and what it has changed of the tables.

use std::sync::Arc;

use lightning_db_storage::Savepoint;

use super::TableTransaction;
use crate::error::Result;
use crate::tables::State;

impl TableTransaction {
    /// Marks a place to go back to.
    pub fn savepoint(&mut self) -> Savepoint {
        let savepoint = self.transaction.savepoint();
        self.savepoints.push((savepoint, Arc::clone(&self.state)));
        savepoint
    }

    /// Takes back all writes and definitions behind a savepoint, which stays.
    ///
    /// # Errors
    /// [`SavepointGone`](lightning_db_storage::Error::SavepointGone).
    pub fn rollback_to(&mut self, savepoint: Savepoint) -> Result<()> {
        self.transaction.rollback_to(savepoint)?;
        let found = self.savepoints.iter().position(|(known, _)| *known == savepoint);
        if let Some(found) = found {
            self.savepoints.truncate(found + 1);
            let state = Arc::clone(&self.savepoints[found].1);
            self.return_to(state);
        }
        Ok(())
    }

    /// Forgets a savepoint and those behind it, whose writes stay.
    ///
    /// # Errors
    /// As [`rollback_to`](Self::rollback_to).
    pub fn release(&mut self, savepoint: Savepoint) -> Result<()> {
        self.transaction.release(savepoint)?;
        let found = self.savepoints.iter().position(|(known, _)| *known == savepoint);
        self.savepoints.truncate(found.unwrap_or(self.savepoints.len()));
        Ok(())
    }

    /// Sees the tables as they are in a state from here on.
    pub(super) fn return_to(&mut self, state: Arc<State>) {
        if let Some(defined) = &self.defined {
            defined.read_as_in(&state);
        }
        self.written.retain(|id, written| match state.by_id(*id) {
            Some(now) => {
                written.table = Arc::clone(now);
                true
            }
            None => false,
        });
        self.state = state;
    }
}
