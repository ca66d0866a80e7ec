//! Comparing every file of a store with its checksums.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lightning_db_types::{OpenMode, Vfs};

use crate::blob::Blobs;
use crate::catalog::{self, Catalog, State};
use crate::engine::Engine;
use crate::entry::{EntryRef, Kind};
use crate::error::{Error, Result};
use crate::options::StoreOptions;
use crate::progress::{Meter, Observer, Stage};
use crate::store::Store;
use crate::table::{BlockCache, Table};
use crate::wal::replay;

/// How much of a store a check reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Depth {
    /// Heads, indexes and the log: bounded by the number of files and the length of the log.
    #[default]
    Quick,
    /// Every block and every blob besides: every byte of the store.
    Deep,
}

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
    fn note(&mut self, path: PathBuf, bytes: u64, outcome: Result<u64>) -> Result<()> {
        self.files += 1;
        self.bytes += bytes;
        match outcome {
            Ok(blocks) => self.blocks += blocks,
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(error) => {
                let source = std::error::Error::source(&error);
                let source = source.map_or_else(String::new, |source| format!(": {source}"));
                self.problems.push(Problem { path, detail: format!("{error}{source}") });
            }
        }
        Ok(())
    }
}

impl Store {
    /// Checks the files of a store that is not open here, or cannot be opened; changes nothing, and
    /// may run beside a process that writes.
    ///
    /// # Errors
    /// [`Error::NotFound`]; damage is in the report.
    pub fn check_files(options: StoreOptions, depth: Depth) -> Result<CheckReport> {
        check_beside_a_writer(options, depth, &mut Meter::unobserved())
    }

    /// [`check_files`](Self::check_files) under an observer. If a writer replaces files under the
    /// check, it starts again, and the stage too.
    ///
    /// # Errors
    /// As [`check_files`](Self::check_files); [`Error::Cancelled`].
    pub fn check_files_with(
        options: StoreOptions,
        depth: Depth,
        observer: &mut Observer<'_>,
    ) -> Result<CheckReport> {
        check_beside_a_writer(options, depth, &mut Meter::new(observer))
    }
}

/// How often a check starts again when files are replaced under it.
const CHECK_TRIES: usize = 5;

pub(super) fn check_beside_a_writer(
    options: StoreOptions,
    depth: Depth,
    meter: &mut Meter<'_>,
) -> Result<CheckReport> {
    let options = options.read_only(true);
    let mut tries = CHECK_TRIES;
    loop {
        let before = manifest_bytes(&options);
        let report = check_files(&options, depth, meter)?;
        tries -= 1;
        // A writer that replaced files meanwhile looks like damage: look again.
        if report.is_ok() || tries == 0 || manifest_bytes(&options) == before {
            return Ok(report);
        }
    }
}

/// The manifest as it is now; `None` if it cannot be read.
fn manifest_bytes(options: &StoreOptions) -> Option<Vec<u8>> {
    let path = options.path.join(catalog::MANIFEST);
    let file = options.vfs.open(&path, OpenMode::Read).ok()?;
    let mut bytes = vec![0; usize::try_from(file.len().ok()?).ok()?];
    file.read_exact_at(&mut bytes, 0).ok()?;
    Some(bytes)
}

impl Engine {
    pub(crate) fn check(&self, depth: Depth, meter: &mut Meter<'_>) -> Result<CheckReport> {
        // Merges wait. Flushes go on while the tables are read, or writers would wait as well.
        let _merge = self.work.merge_turn.lock();
        let options = self.options.clone().read_only(true);
        let mut report = CheckReport::default();
        if open_manifest(&options, &mut report)?.is_none() {
            return Ok(report);
        }
        let (state, _held) = self.hold_tables();
        let mut check = Check::new(&options, depth, meter, report);
        check.begin(&state)?;
        check.tables(&state)?;
        let _flush = self.work.flush_turn.lock();
        let state = self.catalog.lock().state().clone();
        check.log(&state)?;
        check.end()
    }
}

fn check_files(options: &StoreOptions, depth: Depth, meter: &mut Meter<'_>) -> Result<CheckReport> {
    let mut report = CheckReport::default();
    let Some(catalog) = open_manifest(options, &mut report)? else { return Ok(report) };
    let mut check = Check::new(options, depth, meter, report);
    check.begin(catalog.state())?;
    check.tables(catalog.state())?;
    check.log(catalog.state())?;
    check.end()
}

/// Reads the manifest and its copy; `None` if there is none that can be read, which is noted.
fn open_manifest(options: &StoreOptions, report: &mut CheckReport) -> Result<Option<Catalog>> {
    let manifest = options.path.join(catalog::MANIFEST);
    let catalog = match Catalog::open(options) {
        Ok(Some((catalog, _))) => catalog,
        Ok(None) if is_empty_folder(options)? => {
            return Err(Error::NotFound { path: options.path.clone() });
        }
        Ok(None) => {
            let missing = Error::corrupt(&manifest, 0, "the manifest is missing");
            report.note(manifest, 0, Err(missing))?;
            return Ok(None);
        }
        Err(error) => {
            report.note(manifest, 0, Err(error))?;
            return Ok(None);
        }
    };
    report.note(manifest, 0, Ok(0))?;
    if let Some(copy) = catalog::read_copy(&*options.vfs, &options.path).transpose() {
        let path = options.path.join(catalog::MANIFEST_COPY);
        report.note(path, 0, copy.map(|_| 0))?;
    }
    Ok(Some(catalog))
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

/// Bytes of the files of a folder; none if it cannot be listed, which whoever reads them reports.
pub(super) fn bytes_in(vfs: &dyn Vfs, dir: &Path) -> u64 {
    vfs.read_dir(dir).unwrap_or_default().iter().map(|entry| entry.len).sum()
}

/// A check under way.
struct Check<'a, 'm> {
    options: &'a StoreOptions,
    depth: Depth,
    meter: &'a mut Meter<'m>,
    report: CheckReport,
    /// References to blobs that have been read.
    read_blobs: BTreeSet<Vec<u8>>,
}

impl<'a, 'm> Check<'a, 'm> {
    fn new(
        options: &'a StoreOptions,
        depth: Depth,
        meter: &'a mut Meter<'m>,
        report: CheckReport,
    ) -> Self {
        Self { options, depth, meter, report, read_blobs: BTreeSet::new() }
    }

    fn bytes_in(&self, dir: &str) -> u64 {
        bytes_in(&*self.options.vfs, &self.options.path.join(dir))
    }

    fn begin(&mut self, state: &State) -> Result<()> {
        let tables: u64 = state.tables.values().map(|table| table.meta.file_len).sum();
        let blobs = if self.depth == Depth::Deep { self.bytes_in("blobs") } else { 0 };
        self.meter.begin(Stage::Check, tables + self.bytes_in("wal") + blobs)
    }

    fn end(self) -> Result<CheckReport> {
        self.meter.end()?;
        Ok(self.report)
    }

    /// Checks the tables of a state, and the blobs that they refer to.
    fn tables(&mut self, state: &State) -> Result<()> {
        let deep = self.depth == Depth::Deep;
        let cache = Arc::new(BlockCache::new(0));
        let vfs = &*self.options.vfs;
        let mut references = BTreeSet::new();
        for (id, record) in &state.tables {
            let path = self.options.path.join("tables").join(format!("{id:016x}.table"));
            let opened = Table::open(vfs, &path, record.meta.clone(), Arc::clone(&cache));
            let outcome = opened.and_then(|table| {
                let blocks = table.verify(deep)?;
                if deep && !record.meta.blobs.is_empty() {
                    collect_references(vfs, &path, &record.from, &mut references)?;
                }
                Ok(blocks)
            });
            let len = record.meta.file_len;
            self.report.note(path, len, outcome)?;
            self.meter.advance(len)?;
        }
        self.blobs(references)
    }

    /// Checks the log, and the blobs that it refers to.
    fn log(&mut self, state: &State) -> Result<()> {
        let wal = self.options.path.join("wal");
        let len = self.bytes_in("wal");
        let mut references = BTreeSet::new();
        let known = state.known_of_log();
        let replayed = replay(&*self.options.vfs, &wal, known, false, &mut |seq, ops| {
            // Blobs of a keyspace that was dropped are gone, whatever the log still says of them.
            let keyspaces = &state.keyspaces;
            for op in ops.flatten().filter(|op| keyspaces.contains_key(&op.keyspace_id)) {
                let entry = EntryRef::decode_without_seq(seq, op.entry);
                let blob = entry.filter(|entry| entry.kind == Kind::Blob);
                references.extend(blob.map(|entry| entry.value.to_vec()));
            }
            Ok(())
        });
        match replayed {
            Ok(replayed) => {
                self.report.commits = replayed.commits;
                for segment in &replayed.segments {
                    self.report.note(segment.path.clone(), segment.header.capacity, Ok(0))?;
                }
            }
            Err(error) => self.report.note(wal, 0, Err(error))?,
        }
        self.meter.advance(len)?;
        self.blobs(references)
    }

    /// Reads the blobs that have not been read, in a deep check.
    fn blobs(&mut self, references: BTreeSet<Vec<u8>>) -> Result<()> {
        let deep = self.depth == Depth::Deep;
        for reference in references.into_iter().filter(|_| deep) {
            if !self.read_blobs.contains(&reference) {
                self.blob(&reference)?;
                self.read_blobs.insert(reference);
            }
        }
        Ok(())
    }

    fn blob(&mut self, reference: &[u8]) -> Result<()> {
        let blobs = Blobs::new(Arc::clone(&self.options.vfs), self.options.path.join("blobs"));
        let (id, len) = crate::blob::parse_reference(reference).unwrap_or_default();
        let outcome = blobs.verify(reference, &mut |bytes| self.meter.advance(bytes));
        self.report.note(blobs.path(id), len, outcome.map(|()| 0))
    }
}

/// References to blobs in a table that is whole, from the first key on that counts.
fn collect_references(
    vfs: &dyn Vfs,
    path: &Path,
    from: &[u8],
    references: &mut BTreeSet<Vec<u8>>,
) -> Result<()> {
    Table::salvage(vfs, path, &mut |entry| {
        let entry = EntryRef::decode(entry);
        let entry = entry.filter(|entry| entry.kind == Kind::Blob && entry.key >= from);
        references.extend(entry.map(|entry| entry.value.to_vec()));
        Ok(())
    })
    .map(drop)
}
