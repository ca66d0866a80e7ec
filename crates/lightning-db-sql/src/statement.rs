//! Prepared statements of a connection.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use lightning_db_types::ValueRef;

use crate::connection::Connection;
use crate::copy::CopyStream;
use crate::error::Result;
use crate::parameters::Parameters;
use crate::prepared::{Outcome, Prepared};
use crate::rows::Rows;

/// A statement that is read once and run any number of times; see [`Connection::prepare`].
///
/// Its plan is made when it first runs, for the types of the parameters, and made anew when
/// definitions of tables have changed.
pub struct Statement<'c> {
    connection: &'c Connection,
    prepared: Arc<Prepared>,
}

impl fmt::Debug for Statement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Statement").field(&self.prepared.text()).finish()
    }
}

impl<'c> Statement<'c> {
    pub(crate) fn new(connection: &'c Connection, prepared: Arc<Prepared>) -> Self {
        Self { connection, prepared }
    }

    /// The text that it was made from.
    pub fn text(&self) -> &str {
        self.prepared.text()
    }

    /// How many parameters it has.
    pub fn parameter_count(&self) -> usize {
        self.prepared.parameter_count()
    }

    /// Which stream it copies, if it is a COPY of STDIN or STDOUT; see
    /// [`Connection::copy_in`] and [`Connection::copy_out`].
    pub fn copies(&self) -> Option<CopyStream> {
        self.prepared.copies()
    }

    /// Runs it; gives the number of rows that it wrote.
    ///
    /// # Errors
    /// As [`Connection::execute`].
    pub fn execute(&self, parameters: impl Parameters) -> Result<u64> {
        Ok(self.run(parameters)?.count())
    }

    /// Runs it; gives its rows.
    ///
    /// # Errors
    /// As [`Connection::execute`].
    pub fn query(&self, parameters: impl Parameters) -> Result<Rows> {
        Ok(self.run(parameters)?.into_rows())
    }

    fn run(&self, parameters: impl Parameters) -> Result<Outcome> {
        parameters.with(|values| self.connection.run_prepared(&self.prepared, values))
    }

    /// Runs it and calls `visit` with each row until that breaks. On the point path the values are
    /// borrowed from the tables, and nothing is copied.
    ///
    /// # Errors
    /// As [`Connection::execute`], and those of `visit`. [`Error::Busy`](crate::Error::Busy) for a
    /// statement of the same connection that `visit` runs.
    pub fn for_each(
        &self,
        parameters: impl Parameters,
        mut visit: impl FnMut(&[ValueRef<'_>]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        parameters.with(|values| {
            let mut session = self.connection.begin()?;
            self.prepared.for_each(self.connection.host(), &mut session, values, &mut visit)
        })
    }
}
