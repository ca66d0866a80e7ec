//! COPY of Parquet: batches of a file into a table, and row groups of bounded size into a file.

use std::fs::File;
use std::io::{self, Write};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use lightning_db_query::ResultColumn;
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

use super::unload::{RowWriter, Target};
use crate::error::{Error, Result};
use crate::vector::arrow;

/// Rows of a batch that is read or written.
const BATCH_ROWS: usize = 1_024;
/// Bytes of texts of a batch that is written, of each column.
const BATCH_BYTES: usize = 16 << 20;
/// Bytes of a row group, as they are kept before it is written.
const GROUP_BYTES: usize = 32 << 20;

/// The rows of a file, batch by batch.
pub(super) struct Batches<'a> {
    path: &'a str,
    names: Vec<String>,
    reader: ParquetRecordBatchReader,
}

impl<'a> Batches<'a> {
    /// Opens a file: all of its columns, or those of a list, by their names.
    pub(super) fn open(path: &'a str, listed: Option<&[&str]>) -> Result<Self> {
        let opened = File::open(path);
        let file = opened.map_err(|source| failed("open", path, source))?;
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
        let (roots, names): (Vec<usize>, Vec<String>) =
            roots.map(|(root, field)| (root, field.name().clone())).unzip();
        let wanted = ProjectionMask::roots(builder.parquet_schema(), roots);
        let builder = builder.with_projection(wanted).with_batch_size(BATCH_ROWS);
        let reader = guarded(path, || builder.build())?;
        Ok(Self { path, names, reader })
    }

    /// Names of the columns that are read.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The rows of the next batch; `None` behind the last.
    pub(super) fn next_rows(&mut self) -> Result<Option<Vec<Vec<Value>>>> {
        let (path, reader) = (self.path, &mut self.reader);
        let batch = guarded(path, || reader.next().transpose())?;
        let rows = batch.map(|batch| arrow::rows(&batch)).transpose();
        rows.map_err(|failure| corrupt(path, failure.to_string()))
    }
}

/// Runs what decodes a file: not all that may stand in one is an error of the decoder.
fn guarded<T, E: ToString>(path: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| corrupt(path, error.to_string())),
        Err(_) => Err(corrupt(path, "it cannot be decoded".to_owned())),
    }
}

fn corrupt(path: &str, detail: String) -> Error {
    failed("read", path, io::Error::new(io::ErrorKind::InvalidData, detail))
}

fn failed(operation: &'static str, path: &str, source: io::Error) -> Error {
    Error::File { operation, path: path.to_owned(), source }
}

/// Writes rows as Parquet.
pub(super) struct ParquetWriter<'a> {
    target: Target<'a>,
    /// Types of the columns, or none if they are not known before the first row.
    types: Vec<ColumnType>,
    schema: SchemaRef,
    columns: Vec<ColumnVector>,
    /// Rows of `columns`.
    rows: usize,
    writer: Option<ArrowWriter<Buffer>>,
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
    pub(super) fn new(types: Vec<ColumnType>, target: Target<'a>) -> Self {
        let (schema, buffer) = (Arc::new(Schema::empty()), Buffer::default());
        Self { target, types, schema, columns: Vec::new(), rows: 0, writer: None, buffer }
    }

    fn failed(&self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        failed("write", self.target.file, io::Error::other(error))
    }

    /// Encodes the rows that were gathered.
    fn encode(&mut self) -> Result<()> {
        let columns = self.types.iter().map(|of| ColumnVector::new(*of)).collect();
        let columns = mem::replace(&mut self.columns, columns);
        let rows = mem::take(&mut self.rows);
        let arrays = columns.into_iter().map(|column| arrow::array(column, rows));
        let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays);
        let batch = batch.map_err(|error| self.failed(error))?;
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let mut written = writer.write(&batch);
        if writer.in_progress_size() >= GROUP_BYTES {
            written = written.and_then(|()| writer.flush());
        }
        written.map_err(|error| self.failed(error))?;
        self.give()
    }

    /// Gives what is encoded to the target.
    fn give(&mut self) -> Result<()> {
        let encoded = mem::take(&mut *self.buffer.0.lock());
        let written = self.target.output.write_all(&encoded);
        written.map_err(|source| failed("write", self.target.file, source))
    }
}

impl RowWriter for ParquetWriter<'_> {
    fn head(&mut self, columns: &[ResultColumn]) -> Result<()> {
        if self.types.is_empty() {
            let of = |column: &ResultColumn| {
                let mut all = ColumnType::ALL.into_iter();
                // A column of nulls alone has no type.
                all.find(|it| it.value_type() == column.value_type).unwrap_or(ColumnType::Text)
            };
            self.types = columns.iter().map(of).collect();
        }
        let fields = columns.iter().zip(&self.types);
        let fields =
            fields.map(|(column, of)| Field::new(&column.name, arrow::data_type(*of), true));
        self.schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        self.columns = self.types.iter().map(|of| ColumnVector::new(*of)).collect();
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let (buffer, schema) = (self.buffer.clone(), Arc::clone(&self.schema));
        let writer = ArrowWriter::try_new(buffer, schema, Some(properties));
        self.writer = Some(writer.map_err(|error| self.failed(error))?);
        Ok(())
    }

    fn row(&mut self, columns: &[ResultColumn], row: &[ValueRef<'_>]) -> Result<()> {
        for ((value, of), (to, column)) in
            row.iter().zip(&self.types).zip(self.columns.iter_mut().zip(columns))
        {
            if value.is_null() || value.value_type() == of.value_type() {
                to.push(self.rows, *value);
                continue;
            }
            let value = of.coerce(value.to_value());
            let value = value.map_err(|detail| {
                Error::invalid(format!("column {}: {detail}", column.name), None)
            })?;
            to.push(self.rows, value.as_value_ref());
        }
        self.rows += 1;
        let is_large = self.columns.iter().any(|column| column.data_len() >= BATCH_BYTES);
        if self.rows >= BATCH_ROWS || is_large { self.encode() } else { Ok(()) }
    }

    fn finish(&mut self) -> Result<()> {
        if self.rows > 0 {
            self.encode()?;
        }
        if let Some(writer) = self.writer.take() {
            writer.close().map_err(|error| self.failed(error))?;
        }
        self.give()
    }
}
