//! What outlives the process: whether it ended well, what its components saved, and the report.
//!
//! One JSON object, replaced whole: written beside it, synced, renamed over it, and the folder
//! synced. While the process runs it says so, and that is what the next one finds after a crash.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::component::SavedState;
use super::report::Report;
use crate::error::{Error, Result};

const VERSION: u32 = 1;

/// The file of one service.
#[derive(Debug)]
pub(crate) struct StateFile {
    path: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Content {
    version: u32,
    /// Whether the process that wrote it still had to end.
    running: bool,
    process: u32,
    written_unix_ms: u64,
    /// What components saved, by their names.
    saved: BTreeMap<String, SavedState>,
    report: Option<Report>,
}

/// What the process before this one left behind.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PreviousRun {
    /// Whether it came to the end of a shutdown in which nothing failed.
    pub was_clean: bool,
    /// When the file was written, in milliseconds since 1970: at its start if it did not come to
    /// the end of a shutdown.
    pub written_unix_ms: u64,
    /// Its process number.
    pub process: u32,
    /// What components saved, by their names. Of a process that did not come to the end, what it
    /// had found itself.
    pub saved: BTreeMap<String, SavedState>,
    /// Its report, if it came to the end of a shutdown.
    pub report: Option<Report>,
    /// Why the file could not be understood; it is replaced then.
    pub damage: Option<String>,
}

impl StateFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// What the file says; nothing if there is none.
    pub(crate) fn read(&self) -> Result<Option<PreviousRun>> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(self.error("read", source)),
        };
        let run = match serde_json::from_slice::<Content>(&bytes) {
            Ok(content) if content.version == VERSION => PreviousRun {
                was_clean: !content.running
                    && content.report.as_ref().is_some_and(Report::is_clean),
                written_unix_ms: content.written_unix_ms,
                process: content.process,
                saved: content.saved,
                report: content.report,
                damage: None,
            },
            Ok(content) => PreviousRun::damaged(format!(
                "its version is {}, and this is {VERSION}",
                content.version
            )),
            Err(error) => PreviousRun::damaged(error.to_string()),
        };
        Ok(Some(run))
    }

    /// Says that the process runs.
    pub(crate) fn write_running(&self, previous: Option<&PreviousRun>, unix_ms: u64) -> Result<()> {
        let saved = previous.map(|run| run.saved.clone()).unwrap_or_default();
        self.write(true, unix_ms, saved, None)
    }

    /// Says how the process ended.
    pub(crate) fn write_end(
        &self,
        report: &Report,
        saved: BTreeMap<String, SavedState>,
        unix_ms: u64,
    ) -> Result<()> {
        self.write(false, unix_ms, saved, Some(report.clone()))
    }

    fn write(
        &self,
        running: bool,
        written_unix_ms: u64,
        saved: BTreeMap<String, SavedState>,
        report: Option<Report>,
    ) -> Result<()> {
        let process = std::process::id();
        let version = VERSION;
        let content = Content { version, running, process, written_unix_ms, saved, report };
        let mut bytes = serde_json::to_vec_pretty(&content)
            .map_err(|error| self.error("write", error.into()))?;
        bytes.push(b'\n');
        self.replace(&bytes).map_err(|source| self.error("write", source))
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let mut name = self.path.file_name().map(OsString::from).unwrap_or_default();
        name.push(".new");
        let beside = self.path.with_file_name(name);
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&beside, &self.path)?;
        let folder = match self.path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        File::open(folder)?.sync_all()
    }

    fn error(&self, action: &'static str, source: io::Error) -> Error {
        Error::Io { action, path: self.path.clone(), source }
    }
}

impl PreviousRun {
    fn damaged(damage: String) -> Self {
        Self {
            was_clean: false,
            written_unix_ms: 0,
            process: 0,
            saved: BTreeMap::new(),
            report: None,
            damage: Some(damage),
        }
    }
}

#[cfg(test)]
mod tests;
