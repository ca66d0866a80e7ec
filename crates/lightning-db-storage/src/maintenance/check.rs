//! Comparing every file of a store with its checksums.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use lightning_db_types::{OpenMode, Vfs};

use crate::blob::Blobs;
use crate::catalog::Catalog;
use crate::engine::Engine;
use crate::entry::{EntryRef, Kind};
use crate::error::{Error, Result};
use crate::options::StoreOptions;
use crate::store::Store;
use crate::table::{BlockCache, RunCursor, Table};
use crate::wal::replay;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CheckReport {
    /// Files looked at.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blocks whose checksums were compared.
    pub blocks: u64,
    /// Commits of the log that were read.
    pub commits: u64,
    /// Damage, one item for each file; empty if all is well.
    pub problems: Vec<Problem>,
}

/// A damaged file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub detail: String,
}

impl CheckReport {
    /// Whether no damage was found.
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty()
    }

    /// Notes a file, and what is wrong with it.
    fn note(&mut self, path: PathBuf, bytes: u64, outcome: Result<u64>) {
        self.files += 1;
        self.bytes += bytes;
        match outcome {
            Ok(blocks) => self.blocks += blocks,
            Err(error) => {
                let source = std::error::Error::source(&error);
                let source = source.map_or_else(String::new, |source| format!(": {source}"));
                self.problems.push(Problem { path, detail: format!("{error}{source}") });
            }
        }
    }
}

impl Store {
    /// Checks the files of a store that is not open here, or cannot be opened; changes nothing, and
    /// may run beside a process that writes.
    ///
    /// # Errors
    /// [`Error::NotFound`]; damage is in the report.
    pub fn check_files(options: StoreOptions, deep: bool) -> Result<CheckReport> {
        let options = options.read_only(true);
        let mut tries = CHECK_TRIES;
        loop {
            let before = manifest_bytes(&options);
            let report = check_files(&options, deep)?;
            tries -= 1;
            // A writer that replaced files meanwhile looks like damage: look again.
            if report.is_ok() || tries == 0 || manifest_bytes(&options) == before {
                return Ok(report);
            }
        }
    }
}

/// How often a check starts again when files are replaced under it.
const CHECK_TRIES: usize = 5;

/// The manifest as it is now; `None` if it cannot be read.
fn manifest_bytes(options: &StoreOptions) -> Option<Vec<u8>> {
    let path = options.path.join(crate::catalog::MANIFEST);
    let file = options.vfs.open(&path, OpenMode::Read).ok()?;
    let mut bytes = vec![0; usize::try_from(file.len().ok()?).ok()?];
    file.read_exact_at(&mut bytes, 0).ok()?;
    Some(bytes)
}

impl Engine {
    pub(crate) fn check(&self, deep: bool) -> Result<CheckReport> {
        // Neither a flush nor a merge may replace files while they are read.
        let _merge = self.work.merge_turn.lock();
        let _flush = self.work.flush_turn.lock();
        check_files(&self.options.clone().read_only(true), deep)
    }
}

fn check_files(options: &StoreOptions, deep: bool) -> Result<CheckReport> {
    let mut report = CheckReport::default();
    let manifest = options.path.join(crate::catalog::MANIFEST);
    let catalog = match Catalog::open(options) {
        Ok(Some((catalog, _))) => catalog,
        Ok(None) if is_empty_folder(options)? => {
            return Err(Error::NotFound { path: options.path.clone() });
        }
        Ok(None) => {
            let missing = Error::corrupt(&manifest, 0, "the manifest is missing");
            report.note(manifest, 0, Err(missing));
            return Ok(report);
        }
        Err(error) => {
            report.note(manifest, 0, Err(error));
            return Ok(report);
        }
    };
    report.note(manifest, 0, Ok(0));
    let blobs = Blobs::new(Arc::clone(&options.vfs), options.path.join("blobs"));
    let mut references = BTreeSet::new();
    check_tables(options, &catalog, deep, &mut references, &mut report);
    let wal = options.path.join("wal");
    let known = catalog.state().known_of_log();
    let replayed = replay(&*options.vfs, &wal, known, false, &mut |seq, ops| {
        // Blobs of a keyspace that was dropped are gone, whatever the log still says of them.
        let keyspaces = &catalog.state().keyspaces;
        for op in ops.flatten().filter(|op| keyspaces.contains_key(&op.keyspace_id)) {
            let entry = EntryRef::decode_without_seq(seq, op.entry);
            let blob = entry.filter(|entry| entry.kind == Kind::Blob);
            references.extend(blob.map(|entry| entry.value.to_vec()));
        }
        Ok(())
    });
    match replayed {
        Ok(replayed) => {
            report.commits = replayed.commits;
            for segment in &replayed.segments {
                report.note(segment.path.clone(), segment.header.capacity, Ok(0));
            }
        }
        Err(error) => report.note(wal, 0, Err(error)),
    }
    if deep {
        for reference in references {
            check_blob(&blobs, &reference, &mut report);
        }
    }
    Ok(report)
}

fn is_empty_folder(options: &StoreOptions) -> Result<bool> {
    let vfs: &dyn Vfs = &*options.vfs;
    let path = &options.path;
    if !vfs.exists(path).map_err(Error::io("look at", path))? {
        return Ok(true);
    }
    let tables = path.join("tables");
    let names = vfs.read_dir(&tables).unwrap_or_default();
    Ok(names.is_empty())
}

fn check_tables(
    options: &StoreOptions,
    catalog: &Catalog,
    deep: bool,
    references: &mut BTreeSet<Vec<u8>>,
    report: &mut CheckReport,
) {
    let cache = Arc::new(BlockCache::new(0));
    for (id, record) in &catalog.state().tables {
        let path = options.path.join("tables").join(format!("{id:016x}.table"));
        let opened = Table::open(&*options.vfs, &path, record.meta.clone(), Arc::clone(&cache));
        let outcome = opened.and_then(|table| {
            let blocks = table.verify(deep)?;
            if deep && !record.meta.blobs.is_empty() {
                collect_references(table, references)?;
            }
            Ok(blocks)
        });
        report.note(path, record.meta.file_len, outcome);
    }
}

fn collect_references(table: Table, references: &mut BTreeSet<Vec<u8>>) -> Result<()> {
    let mut cursor = RunCursor::new(Arc::from([Arc::new(table)]));
    cursor.seek_first()?;
    while let Some(entry) = cursor.entry() {
        let entry = EntryRef::decode(entry).filter(|entry| entry.kind == Kind::Blob);
        references.extend(entry.map(|entry| entry.value.to_vec()));
        cursor.next()?;
    }
    Ok(())
}

fn check_blob(blobs: &Blobs, reference: &[u8], report: &mut CheckReport) {
    let (id, len) = crate::blob::parse_reference(reference).unwrap_or_default();
    report.note(blobs.path(id), len, blobs.verify(reference).map(|()| 0));
}
