//! Rows as an index sees them: columns by position, and what a change does to them.

use std::fmt;
use std::ops::Bound;

use lightning_db_expression::Columns;
use lightning_db_storage::Keyspace;
use lightning_db_types::ValueType;

use crate::error::Result;
use crate::reader::Reader;

/// Change of one row: inserted (`old` is `None`), removed (`new` is `None`) or replaced.
#[derive(Clone, Copy)]
pub struct RowChange<'a> {
    /// Number of the row; it never changes, and is never used again.
    pub row_id: u64,
    /// The row before.
    pub old: Option<&'a dyn Columns>,
    /// The row after.
    pub new: Option<&'a dyn Columns>,
}

impl fmt::Debug for RowChange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { row_id, old, new } = self;
        let (old, new) = (old.is_some(), new.is_some());
        f.debug_struct("RowChange")
            .field("row", row_id)
            .field("old", &old)
            .field("new", &new)
            .finish()
    }
}

/// How the rows of a table stand in the store: the key of a row is its number, 8 bytes big-endian.
pub trait RowStore: fmt::Debug + Send + Sync {
    /// Where the rows are.
    fn keyspace(&self) -> &Keyspace;

    /// Calls `visit` with the columns of a stored row.
    ///
    /// # Errors
    /// If the bytes are no row, and those of `visit`.
    fn decode(
        &self,
        stored: &[u8],
        visit: &mut dyn FnMut(&dyn Columns) -> Result<()>,
    ) -> Result<()>;

    /// The one type that the values of a column have that are not null, now and ever after; `None`
    /// if they may have several. Indexes then look for no others.
    fn column_type(&self, column: usize) -> Option<ValueType> {
        let _ = column;
        None
    }
}

impl dyn RowStore + '_ {
    /// Calls `visit` with each row of a reader's state, by ascending number.
    ///
    /// # Errors
    /// Those of the store, and those of `visit`, which end the scan.
    pub fn for_each(
        &self,
        reader: Reader<'_>,
        visit: &mut dyn FnMut(u64, &dyn Columns) -> Result<()>,
    ) -> Result<()> {
        self.for_each_after(reader, None, visit)
    }

    /// As `for_each`, of the rows behind one.
    ///
    /// # Errors
    /// Those of the store, and those of `visit`, which end the scan.
    pub fn for_each_after(
        &self,
        reader: Reader<'_>,
        row_id: Option<u64>,
        visit: &mut dyn FnMut(u64, &dyn Columns) -> Result<()>,
    ) -> Result<()> {
        let start = row_id.map_or(Bound::Unbounded, |row_id| Bound::Excluded(row_key(row_id)));
        for item in reader.range(self.keyspace(), (start, Bound::Unbounded)) {
            let (key, stored) = item?;
            let Some(row_id) = row_id_of(&key) else { continue };
            self.decode(&stored, &mut |row| visit(row_id, row))?;
        }
        Ok(())
    }

    /// Calls `visit` with one row; says whether there is one.
    ///
    /// # Errors
    /// Those of the store, and those of `visit`.
    pub fn get(
        &self,
        reader: Reader<'_>,
        row_id: u64,
        visit: &mut dyn FnMut(&dyn Columns) -> Result<()>,
    ) -> Result<bool> {
        let Some(stored) = reader.get(self.keyspace(), row_key(row_id))? else { return Ok(false) };
        self.decode(&stored, visit)?;
        Ok(true)
    }
}

/// Key of a row.
pub fn row_key(row_id: u64) -> [u8; 8] {
    row_id.to_be_bytes()
}

/// Number of the row with this key; `None` if it is no key of a row.
pub fn row_id_of(key: &[u8]) -> Option<u64> {
    key.try_into().ok().map(u64::from_be_bytes)
}
