//! Rows of files: CSV and its like, JSON Lines, and with the feature `vector` Parquet, which COPY
//! reads and writes.
//!
//! Reading is in bounded memory whatever stands in a file: a row is at most 16 MiB. What is wrong
//! with a row is a [`BadRow`], and reading goes on behind it; what is wrong with a file is an
//! error. Values are written so that they are read back the same.

mod cells;
mod json_lines;
mod new_file;
#[cfg(feature = "vector")]
mod parquet;
mod records;
mod separated;
mod tape;

use std::io;

pub use cells::{from_text, to_text, value_of, write_csv, write_json};
pub use json_lines::JsonLines;
pub use new_file::NewFile;
#[cfg(feature = "vector")]
pub use parquet::{ParquetRows, ParquetWriter};
pub use records::{Cell, Nulls, Record, Records};
pub use separated::{Columns, Separated, Separators};
pub use tape::ROW_LEN_MAX;

use crate::error::Error;

/// How the rows of a file are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowFormat {
    /// Columns with a separator between them.
    Separated(Separators, Columns),
    /// One JSON object a line.
    JsonLines,
}

impl RowFormat {
    /// Columns below a header, quoted as CSV is.
    pub fn below_header(delimiter: u8) -> Self {
        Self::Separated(Separators { delimiter, quote: b'"' }, Columns::Header)
    }
}

/// A row that cannot be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// Its line in the file, from 1.
    pub line: u64,
    /// Why.
    pub reason: String,
    /// Its bytes in the file, without the end of the line.
    pub original: Vec<u8>,
}

/// For `map_err` on an operation of a file.
fn failed(operation: &'static str, file: &str) -> impl FnOnce(io::Error) -> Error {
    let path = file.to_owned();
    move |source| Error::File { operation, path, source }
}
