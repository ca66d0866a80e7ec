//! Rows that a write gives back.

use std::sync::Arc;

use lightning_db_expression::{Columns, Expression};
use lightning_db_query::ResultColumn;
use lightning_db_types::Value;

use super::scalar::Frame;
use crate::error::Result;

/// What is given back of each written row.
#[derive(Debug)]
pub(crate) struct Returning {
    pub(crate) columns: Arc<[ResultColumn]>,
    /// Over the row and the parameters.
    pub(crate) items: Vec<Expression>,
}

impl Returning {
    pub(crate) fn row(&self, row: &dyn Columns, parameters: &[Value]) -> Result<Vec<Value>> {
        let frame = Frame { row: Some(row), excluded: &[], parameters };
        self.items.iter().map(|item| Ok(item.evaluate(&frame)?)).collect()
    }
}

/// What a write did.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// Rows inserted, changed or removed.
    pub(crate) count: u64,
    /// What it gives back.
    pub(crate) rows: Vec<Vec<Value>>,
}

impl Written {
    /// Counts a row, and keeps what is given back of it.
    pub(crate) fn add(
        &mut self,
        returning: Option<&Returning>,
        row: Option<&dyn Columns>,
        parameters: &[Value],
    ) -> Result<()> {
        self.count += 1;
        if let (Some(returning), Some(row)) = (returning, row) {
            self.rows.push(returning.row(row, parameters)?);
        }
        Ok(())
    }
}
