//! Parquet: batches of the rows of a file, and row groups of bounded size into one.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use lightning_db_query::build::nearest;
use lightning_db_table::{ColumnType, ColumnVector};
use lightning_db_types::{Value, ValueRef};
use parking_lot::Mutex;
use parquet::arrow::ArrowWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use crate::error::{Error, Result};
use crate::vector::arrow;

/// Rows of a batch that is read or written.
const BATCH_ROWS: usize = 1_024;
/// Bytes of texts of a batch that is written, of each column.
const BATCH_BYTES: usize = 16 << 20;
/// Bytes of a row group, as they are kept before it is written.
const GROUP_BYTES: usize = 32 << 20;

/// The rows of a Parquet file, batch by batch.
pub struct ParquetRows {
    path: String,
    columns: Vec<(String, Option<ColumnType>)>,
    row_count: u64,
    reader: ParquetRecordBatchReader,
}

impl ParquetRows {
    /// Opens a file: all of its columns, or those of a list, by their names.
    ///
    /// # Errors
    /// [`Error::File`], also where the file has no such column.
    pub fn open(path: &str, listed: Option<&[&str]>) -> Result<Self> {
        let file = File::open(path).map_err(super::failed("open", path))?;
        // Types as Parquet has them, not as the program that wrote the file did.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder =
            guarded(path, || ParquetRecordBatchReaderBuilder::try_new_with_options(file, options))?;
        let fields = builder.schema().fields();
        let is_there = |name: &&&str| fields.iter().any(|field| field.name() == **name);
        if let Some(name) = listed.into_iter().flatten().find(|name| !is_there(name)) {
            let meant = nearest(name, fields.iter().map(|field| field.name()));
            let meant = meant.map_or_else(String::new, |name| format!("; did you mean {name}?"));
            return Err(corrupt(path, format!("it has no column {name}{meant}")));
        }
        let is_wanted = |name: &str| listed.is_none_or(|listed| listed.contains(&name));
        let roots = fields.iter().enumerate().filter(|(_, field)| is_wanted(field.name()));
        let column = |field: &Field| (field.name().clone(), column_type(field));
        let (roots, columns): (Vec<usize>, Vec<_>) =
            roots.map(|(root, field)| (root, column(field))).unzip();
        let row_count = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
        let wanted = ProjectionMask::roots(builder.parquet_schema(), roots);
        let builder = builder.with_projection(wanted).with_batch_size(BATCH_ROWS);
        let reader = guarded(path, || builder.build())?;
        Ok(Self { path: path.to_owned(), columns, row_count, reader })
    }

    /// The columns that are read, with the types that tables have for them; none where they have
    /// no such values.
    pub fn columns(&self) -> &[(String, Option<ColumnType>)] {
        &self.columns
    }

    /// How many rows the file says that it has.
    pub fn row_count(&self) -> u64 {
        self.row_count
    }

    /// The rows of the next batch; `None` behind the last.
    ///
    /// # Errors
    /// [`Error::File`] for what cannot be decoded, and for values that tables do not have.
    pub fn next_rows(&mut self) -> Result<Option<Vec<Vec<Value>>>> {
        let (path, reader) = (&*self.path, &mut self.reader);
        let batch = guarded(path, || reader.next().transpose())?;
        let rows = batch.map(|batch| arrow::rows(&batch)).transpose();
        rows.map_err(|failure| corrupt(path, failure.to_string()))
    }
}

impl fmt::Debug for ParquetRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParquetRows").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The type of columns that hold what stands in a field.
fn column_type(field: &Field) -> Option<ColumnType> {
    let value_type = arrow::value_type(field.data_type());
    ColumnType::ALL.into_iter().find(|of| of.value_type() == value_type)
}

/// Runs what decodes a file: not all that may stand in one is an error of the decoder.
fn guarded<T, E: ToString>(path: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| corrupt(path, error.to_string())),
        Err(_) => Err(corrupt(path, "it cannot be decoded".to_owned())),
    }
}

fn corrupt(path: &str, detail: String) -> Error {
    super::failed("read", path)(io::Error::new(io::ErrorKind::InvalidData, detail))
}

/// Writes rows as Parquet: batches are encoded, and given on with each row group that is complete.
pub struct ParquetWriter<'a> {
    output: &'a mut dyn Write,
    /// What errors call the output.
    file: &'a str,
    /// The columns of the file.
    named: Vec<(String, ColumnType)>,
    schema: SchemaRef,
    columns: Vec<ColumnVector>,
    /// Rows of `columns`.
    rows: usize,
    writer: ArrowWriter<Buffer>,
    buffer: Buffer,
}

/// What was encoded and not yet given to the target.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> ParquetWriter<'a> {
    /// Begins a file with these columns.
    ///
    /// # Errors
    /// [`Error::File`] for columns that cannot be.
    pub fn new(
        named: Vec<(String, ColumnType)>,
        output: &'a mut dyn Write,
        file: &'a str,
    ) -> Result<Self> {
        let fields = named.iter().map(|(name, of)| Field::new(name, arrow::data_type(*of), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let buffer = Buffer::default();
        let writer = ArrowWriter::try_new(buffer.clone(), Arc::clone(&schema), Some(properties));
        let writer = writer.map_err(|error| unwritten(file, error))?;
        let columns = vectors(&named);
        Ok(Self { output, file, named, schema, columns, rows: 0, writer, buffer })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a value that its column cannot hold; [`Error::File`].
    pub fn row(&mut self, row: &[ValueRef<'_>]) -> Result<()> {
        for ((value, (name, of)), to) in row.iter().zip(&self.named).zip(&mut self.columns) {
            if value.is_null() || value.value_type() == of.value_type() {
                to.push(self.rows, *value);
                continue;
            }
            let value = of.coerce(value.to_value());
            let value =
                value.map_err(|detail| Error::invalid(format!("column {name}: {detail}"), None))?;
            to.push(self.rows, value.as_value_ref());
        }
        self.rows += 1;
        let is_large = self.columns.iter().any(|column| column.data_len() >= BATCH_BYTES);
        if self.rows >= BATCH_ROWS || is_large { self.encode() } else { Ok(()) }
    }

    /// Writes what is left, and the end of the file.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn finish(mut self) -> Result<()> {
        if self.rows > 0 {
            self.encode()?;
        }
        let finished = self.writer.finish();
        finished.map_err(|error| unwritten(self.file, error))?;
        self.give()
    }

    /// Encodes the rows that were gathered.
    fn encode(&mut self) -> Result<()> {
        let columns = mem::replace(&mut self.columns, vectors(&self.named));
        let rows = mem::take(&mut self.rows);
        let arrays = columns.into_iter().map(|column| arrow::array(column, rows));
        let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays);
        let batch = batch.map_err(|error| unwritten(self.file, error))?;
        let mut written = self.writer.write(&batch);
        if self.writer.in_progress_size() >= GROUP_BYTES {
            written = written.and_then(|()| self.writer.flush());
        }
        written.map_err(|error| unwritten(self.file, error))?;
        self.give()
    }

    /// Gives what is encoded to the output.
    fn give(&mut self) -> Result<()> {
        let encoded = mem::take(&mut *self.buffer.0.lock());
        self.output.write_all(&encoded).map_err(super::failed("write", self.file))
    }
}

impl fmt::Debug for ParquetWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParquetWriter").field("file", &self.file).finish_non_exhaustive()
    }
}

fn vectors(named: &[(String, ColumnType)]) -> Vec<ColumnVector> {
    named.iter().map(|(_, of)| ColumnVector::new(*of)).collect()
}

fn unwritten(file: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    super::failed("write", file)(io::Error::other(error))
}
