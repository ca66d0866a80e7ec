//! Rows that could not be loaded: the first are named, all are copied to a file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use lightning_db::sql::files::BadRow;

use crate::args::Import;
use crate::context;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::text;

/// Rows that are named on standard error; of the others only the number is.
const NAMED_MAX: u64 = 10;

/// Takes rows that could not be loaded.
pub(super) struct Rejects {
    source: PathBuf,
    path: PathBuf,
    /// Made with the first row.
    file: Option<BufWriter<File>>,
    rows: u64,
}

/// What was rejected.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rejected {
    pub(super) rows: u64,
    /// The reject file, if there is one.
    pub(super) path: Option<PathBuf>,
}

impl Rejects {
    pub(super) fn new(import: &Import) -> Self {
        let path = import.rejects.clone().unwrap_or_else(|| {
            let mut name = import.file().as_os_str().to_owned();
            name.push(".rejects");
            PathBuf::from(name)
        });
        Self { source: import.file().to_owned(), path, file: None, rows: 0 }
    }

    /// Takes a row, as it stands in the file.
    pub(super) fn add(&mut self, row: &BadRow, progress: &Progress) -> Result<(), Failure> {
        if self.rows < NAMED_MAX {
            let reason = text::line(row.reason.as_bytes());
            let place = format!("{}:{}", self.source.display(), row.line);
            progress.above(|| context::complain(&format!("{place}: rejected: {reason}")));
        }
        self.rows += 1;
        let file = if let Some(file) = &mut self.file {
            file
        } else {
            let file = File::create(&self.path).map_err(Failure::file("make", &self.path))?;
            self.file.insert(BufWriter::new(file))
        };
        let written = file.write_all(&row.original).and_then(|()| file.write_all(b"\n"));
        written.map_err(Failure::file("write", &self.path))
    }

    /// Completes the file.
    pub(super) fn finish(self) -> Result<Rejected, Failure> {
        if self.rows > NAMED_MAX {
            let more = text::count(self.rows - NAMED_MAX, "more row");
            context::complain(&format!("{}: {more} rejected", self.source.display()));
        }
        let Some(file) = self.file else { return Ok(Rejected { rows: 0, path: None }) };
        let file = file.into_inner().map_err(std::io::IntoInnerError::into_error);
        let synced = file.and_then(|file| file.sync_all());
        synced.map_err(Failure::file("write", &self.path))?;
        Ok(Rejected { rows: self.rows, path: Some(self.path) })
    }
}
