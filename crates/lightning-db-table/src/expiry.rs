//! Rows that end at a moment of their own.
//!
//! A row is gone for every reader from the moment in its column of expiry on. It is removed, with
//! its entries in all indexes, by a later [`Tables::remove_ended`], a bounded number at a time.

use lightning_db_index::{RowSet, row_id_of};
use lightning_db_types::Value;

use crate::catalog::IndexRole;
use crate::error::{Error, Result};
use crate::kinds;
use crate::row::RowView;
use crate::snapshot::{TableReader, ended};
use crate::tables::Tables;

/// Rows removed in one commit.
const REMOVED_AT_ONCE: usize = 1_000;

/// Microseconds since 1970, of milliseconds.
pub(crate) fn micros(ms: u64) -> i64 {
    i64::try_from(ms.saturating_mul(1_000)).unwrap_or(i64::MAX)
}

/// Rows that have ended and are not removed yet.
pub(crate) fn ended_rows(table: &TableReader<'_>) -> Result<RowSet> {
    let Some(column) = table.table.schema.record.expires_at else { return Ok(RowSet::new()) };
    let Some(index) = table.table.index_of(IndexRole::Expiry) else {
        return ended_by_scan(table, column);
    };
    let query = kinds::at_most(Value::Timestamp(micros(table.now_ms)));
    index.rows(table.reader, &query).map_err(Error::of_index(table.table.name()))
}

/// While the index is being repaired.
fn ended_by_scan(table: &TableReader<'_>, column: usize) -> Result<RowSet> {
    let mut found = RowSet::new();
    for item in table.reader.range::<&[u8]>(&table.table.rows.keyspace, ..) {
        let (key, stored) = item.map_err(Error::of_index(table.table.name()))?;
        let row_id = row_id_of(&key).unwrap_or(0);
        let row = RowView::new(&table.table.schema, row_id, &stored)?;
        if ended(&row, column, table.now_ms) {
            found.insert(row_id);
        }
    }
    Ok(found)
}

impl Tables {
    /// Removes rows that have ended, up to 1,000 of a table in a commit; says how many.
    ///
    /// # Errors
    /// Those of the store.
    pub fn remove_ended(&self) -> Result<u64> {
        let mut removed = 0;
        let state = self.inner.state.load_full();
        for (name, table) in &state.tables {
            if table.schema.record.expires_at.is_none() {
                continue;
            }
            loop {
                let count = self.run(|transaction| {
                    let table = transaction.table(name)?;
                    let ended = ended_rows(&transaction.read(&table)?)?;
                    let some: Vec<u64> = ended.iter().take(REMOVED_AT_ONCE).collect();
                    for row_id in &some {
                        transaction.remove_row(&table, *row_id)?;
                    }
                    Ok(some.len())
                })?;
                removed += count as u64;
                if count < REMOVED_AT_ONCE {
                    break;
                }
            }
        }
        Ok(removed)
    }
}
