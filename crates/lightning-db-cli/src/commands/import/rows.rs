//! Rows of a file, whatever its format.

use std::io::Read;
use std::path::Path;

use lightning_db::storage::KEY_LEN_MAX;

use super::json_lines::JsonLines;
use super::separated::Separated;
use crate::failure::Failure;
use crate::format::RowFormat;

/// A row as it was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// One that can be stored.
    Good {
        /// What the key column holds.
        key: Vec<u8>,
        /// The row as a JSON object.
        value: Vec<u8>,
    },
    /// One that cannot.
    Bad(BadRow),
}

/// A row that cannot be stored.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadRow {
    /// Its line in the file, from 1.
    pub(super) line: u64,
    /// Why.
    pub(super) reason: String,
    /// Its bytes in the file, without the end of the line.
    pub(super) original: Vec<u8>,
}

impl Row {
    pub(super) fn bad(line: u64, reason: impl Into<String>, original: &[u8]) -> Self {
        Self::Bad(BadRow { line, reason: reason.into(), original: original.to_vec() })
    }
}

/// Reads the rows of a file, one after the other.
pub(super) enum Rows {
    Separated(Box<Separated>),
    JsonLines(JsonLines),
}

impl Rows {
    /// Starts to read a file; fails if its header has no column `key`.
    pub(super) fn new(
        source: Box<dyn Read>,
        format: RowFormat,
        key: &str,
        path: &Path,
    ) -> Result<Self, Failure> {
        Ok(match format {
            RowFormat::Separated { by } => {
                Self::Separated(Box::new(Separated::new(source, by, key, path)?))
            }
            RowFormat::JsonLines => Self::JsonLines(JsonLines::new(source, key, path)),
        })
    }

    /// The next row; `None` behind the last one.
    pub(super) fn next_row(&mut self) -> Result<Option<Row>, Failure> {
        match self {
            Self::Separated(rows) => rows.next_row(),
            Self::JsonLines(rows) => rows.next_row(),
        }
    }
}

/// Why the store takes no such key, if it does not.
pub(super) fn refuse_key(key: &[u8]) -> Option<String> {
    match key.len() {
        0 => Some("the key is empty".to_owned()),
        len if len > KEY_LEN_MAX => {
            Some(format!("the key has {len} bytes, more than the limit of {KEY_LEN_MAX}"))
        }
        _ => None,
    }
}
