//! Many rows at once, column by column: what scans over large tables read.

use lightning_db_types::{Decimal, ValueRef};

use crate::error::{Error, Result};
use crate::row::RowView;
use crate::schema::ColumnType;
use crate::snapshot::TableReader;

/// Values of one column of a batch of rows, one behind the other. A null stands as a zero or an
/// empty text, with its bit of `valid` unset.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnVector {
    /// One bit a row, lowest first: whether the value is there.
    pub valid: Vec<u64>,
    /// The values.
    pub values: VectorValues,
}

/// The values of a [`ColumnVector`], by type.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum VectorValues {
    /// Booleans.
    Bool(Vec<bool>),
    /// Signed whole numbers.
    I64(Vec<i64>),
    /// Unsigned whole numbers.
    U64(Vec<u64>),
    /// Doubles.
    F64(Vec<f64>),
    /// Decimals.
    Decimal(Vec<Decimal>),
    /// Texts, JSON too: where each ends, and all bytes.
    Text {
        /// End of each value in `bytes`.
        ends: Vec<u32>,
        /// The values, one behind the other; each is UTF-8.
        bytes: Vec<u8>,
    },
    /// Bytes: where each value ends, and all of them.
    Bytes {
        /// End of each value in `bytes`.
        ends: Vec<u32>,
        /// The values, one behind the other.
        bytes: Vec<u8>,
    },
    /// Days since 1970-01-01.
    Date(Vec<i32>),
    /// Microseconds since 1970-01-01.
    Timestamp(Vec<i64>),
    /// Identifiers.
    Uuid(Vec<[u8; 16]>),
    /// Points, as (x, y).
    Point(Vec<(f64, f64)>),
}

/// A batch of rows, column by column.
#[derive(Debug, Clone, PartialEq)]
pub struct RowBatch {
    /// Numbers of the rows.
    pub row_ids: Vec<u64>,
    /// The columns that were asked for, in that order.
    pub columns: Vec<ColumnVector>,
}

impl ColumnVector {
    /// A vector without values.
    pub fn new(column_type: ColumnType) -> Self {
        let values = match column_type {
            ColumnType::Bool => VectorValues::Bool(Vec::new()),
            ColumnType::I64 => VectorValues::I64(Vec::new()),
            ColumnType::U64 => VectorValues::U64(Vec::new()),
            ColumnType::F64 => VectorValues::F64(Vec::new()),
            ColumnType::Decimal => VectorValues::Decimal(Vec::new()),
            ColumnType::Text | ColumnType::Json => {
                VectorValues::Text { ends: Vec::new(), bytes: Vec::new() }
            }
            ColumnType::Bytes => VectorValues::Bytes { ends: Vec::new(), bytes: Vec::new() },
            ColumnType::Date => VectorValues::Date(Vec::new()),
            ColumnType::Timestamp => VectorValues::Timestamp(Vec::new()),
            ColumnType::Uuid => VectorValues::Uuid(Vec::new()),
            ColumnType::Point => VectorValues::Point(Vec::new()),
        };
        Self { valid: Vec::new(), values }
    }

    /// Whether the value of a row is there.
    pub fn is_valid(&self, row: usize) -> bool {
        self.valid.get(row / 64).is_some_and(|bits| bits >> (row % 64) & 1 == 1)
    }

    /// Adds the value of row `row`, behind that of the row before it: null, or of the column's
    /// type.
    pub fn push(&mut self, row: usize, value: ValueRef<'_>) {
        if row.is_multiple_of(64) {
            self.valid.push(0);
        }
        if !value.is_null()
            && let Some(bits) = self.valid.last_mut()
        {
            *bits |= 1 << (row % 64);
        }
        match (&mut self.values, value) {
            (VectorValues::Bool(to), value) => to.push(matches!(value, ValueRef::Bool(true))),
            (VectorValues::I64(to), ValueRef::I64(value))
            | (VectorValues::Timestamp(to), ValueRef::Timestamp(value)) => to.push(value),
            (VectorValues::I64(to) | VectorValues::Timestamp(to), _) => to.push(0),
            (VectorValues::U64(to), ValueRef::U64(value)) => to.push(value),
            (VectorValues::U64(to), _) => to.push(0),
            (VectorValues::F64(to), ValueRef::F64(value)) => to.push(value),
            (VectorValues::F64(to), _) => to.push(0.0),
            (VectorValues::Decimal(to), ValueRef::Decimal(value)) => to.push(value),
            (VectorValues::Decimal(to), _) => to.push(Decimal::from(0)),
            (VectorValues::Text { ends, bytes }, ValueRef::Text(value)) => {
                push_bytes(ends, bytes, value.as_bytes());
            }
            (VectorValues::Bytes { ends, bytes }, ValueRef::Bytes(value)) => {
                push_bytes(ends, bytes, value);
            }
            (VectorValues::Text { ends, bytes } | VectorValues::Bytes { ends, bytes }, _) => {
                push_bytes(ends, bytes, &[]);
            }
            (VectorValues::Date(to), ValueRef::Date(value)) => to.push(value),
            (VectorValues::Date(to), _) => to.push(0),
            (VectorValues::Uuid(to), ValueRef::Uuid(value)) => to.push(value),
            (VectorValues::Uuid(to), _) => to.push([0; 16]),
            (VectorValues::Point(to), ValueRef::Point { x, y }) => to.push((x, y)),
            (VectorValues::Point(to), _) => to.push((0.0, 0.0)),
        }
    }

    /// Bytes of the texts in it; zero for values of a fixed width.
    pub fn data_len(&self) -> usize {
        match &self.values {
            VectorValues::Text { bytes, .. } | VectorValues::Bytes { bytes, .. } => bytes.len(),
            _ => 0,
        }
    }
}

fn push_bytes(ends: &mut Vec<u32>, bytes: &mut Vec<u8>, value: &[u8]) {
    bytes.extend_from_slice(value);
    ends.push(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
}

/// A batch ends when a text or bytes column has grown to so many bytes: ends are 32 bits.
const BATCH_BYTES_MAX: usize = 256 << 20;

impl TableReader<'_> {
    /// Reads all rows in batches of up to `batch_rows`, of which only some columns are decoded.
    /// `visit` may end the scan with an error.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a column; those of the store, and those of `visit`.
    pub fn scan_vectors(
        &self,
        columns: &[&str],
        batch_rows: usize,
        visit: &mut dyn FnMut(RowBatch) -> Result<()>,
    ) -> Result<()> {
        let mut from = Some(0);
        while let Some(first) = from {
            let batch = self.read_vectors(columns, first, batch_rows)?;
            let Some(last) = batch.row_ids.last() else { break };
            from = last.checked_add(1);
            visit(batch)?;
        }
        Ok(())
    }

    /// The rows whose numbers are `from` or above, in their order: up to `batch_rows` of them, of
    /// which only some columns are decoded. Empty when there are no more.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a column; those of the store.
    pub fn read_vectors(&self, columns: &[&str], from: u64, batch_rows: usize) -> Result<RowBatch> {
        let mut gather = Gather::new(self, columns, batch_rows)?;
        let keyspace = &self.table.rows.keyspace;
        for item in self.reader().range(keyspace, lightning_db_index::row_key(from)..) {
            let (key, stored) = item.map_err(Error::of_index(self.table.name()))?;
            gather.add(lightning_db_index::row_id_of(&key).unwrap_or(0), &stored)?;
            if gather.is_full() {
                break;
            }
        }
        Ok(gather.batch)
    }

    /// As [`read_vectors`](Self::read_vectors), of the rows of these numbers as far as they are
    /// taken; those that are not there are passed over. Empty when there are no more.
    ///
    /// # Errors
    /// As [`read_vectors`](Self::read_vectors).
    pub fn read_vectors_of(
        &self,
        columns: &[&str],
        row_ids: &mut dyn Iterator<Item = u64>,
        batch_rows: usize,
    ) -> Result<RowBatch> {
        let mut gather = Gather::new(self, columns, batch_rows)?;
        for row_id in row_ids {
            let key = lightning_db_index::row_key(row_id);
            let stored = self.reader().get(&self.table.rows.keyspace, key);
            if let Some(stored) = stored.map_err(Error::of_index(self.table.name()))? {
                gather.add(row_id, &stored)?;
            }
            if gather.is_full() {
                break;
            }
        }
        Ok(gather.batch)
    }
}

/// A batch that is being read.
struct Gather<'a> {
    reader: &'a TableReader<'a>,
    /// The columns that are decoded.
    ids: Vec<usize>,
    rows_max: usize,
    batch: RowBatch,
}

impl<'a> Gather<'a> {
    fn new(reader: &'a TableReader<'a>, columns: &[&str], batch_rows: usize) -> Result<Self> {
        let schema = &reader.table.schema;
        let ids = columns.iter().map(|name| schema.column_id(name)).collect::<Result<Vec<_>>>()?;
        let vectors = ids.iter().map(|id| ColumnVector::new(schema.column(*id).column_type));
        let batch = RowBatch { row_ids: Vec::new(), columns: vectors.collect() };
        Ok(Self { reader, ids, rows_max: batch_rows.max(1), batch })
    }

    /// Adds a row, unless it has ended.
    fn add(&mut self, row_id: u64, stored: &[u8]) -> Result<()> {
        let (schema, batch) = (&self.reader.table.schema, &mut self.batch);
        let view = RowView::new(schema, row_id, stored)?;
        if self.reader.is_over(&view) {
            return Ok(());
        }
        let row = batch.row_ids.len();
        batch.row_ids.push(row_id);
        for (vector, id) in batch.columns.iter_mut().zip(&self.ids) {
            vector.push(row, view.value(*id));
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        let is_large = |vector: &ColumnVector| vector.data_len() > BATCH_BYTES_MAX;
        self.batch.row_ids.len() >= self.rows_max || self.batch.columns.iter().any(is_large)
    }
}
