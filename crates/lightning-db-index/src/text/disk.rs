//! The files of a text index, and the one who writes them.
//!
//! They are in the folder `text/<number of the index>` of the store, on its disk; beside a store
//! that may only be read and has none that fit, in memory. Each commit of tantivy carries the
//! number of the commit of the store up to which it holds the rows, and a hash of what the index
//! was made from.

use std::path::PathBuf;
use std::sync::Arc;

use lightning_db_storage::Store;
use lightning_db_types::Vfs;
use tantivy::directory::RamDirectory;
use tantivy::index::SegmentId;
use tantivy::merge_policy::NoMergePolicy;
use tantivy::{
    Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, Searcher, TantivyDocument, Term,
};

use super::directory::{Failure, StoreDirectory};
use super::shape::{DiskSchema, Shape};
use crate::definition::IndexDefinition;
use crate::loader::Resumed;

/// Memory of the writer: the least that tantivy takes.
const WRITER_BYTES: usize = 15_000_000;
/// Memory of the writer while the whole index is made.
const BUILD_BYTES: usize = 64 << 20;
/// Segments above which the smallest are merged.
const SEGMENTS_MAX: usize = 12;
/// Segments of about one size that are merged.
const SEGMENTS_OF_TIER: usize = 4;

/// Where the files are.
#[derive(Debug, Clone)]
pub(super) enum Home {
    Folder { vfs: Arc<dyn Vfs>, path: PathBuf, failure: Failure },
    Memory,
}

impl Home {
    /// Beside the store, on its disk.
    pub(super) fn of(store: &Store, definition: &IndexDefinition, failure: &Failure) -> Self {
        let path = store.path().join("text").join(definition.id.to_string());
        Self::Folder { vfs: Arc::clone(store.vfs()), path, failure: failure.clone() }
    }

    fn directory(&self) -> Option<StoreDirectory> {
        match self {
            Self::Folder { vfs, path, failure } => Some(StoreDirectory::new(vfs, path, failure)),
            Self::Memory => None,
        }
    }

    /// Removes all files.
    pub(super) fn remove(&self) -> std::io::Result<()> {
        self.directory().map_or(Ok(()), |directory| directory.remove())
    }

    /// Removes all files, and starts anew.
    fn create(&self, shape: &Shape, schema: &DiskSchema) -> tantivy::Result<Opened> {
        let directory = self.directory();
        let settings = IndexSettings::default();
        let index = match &directory {
            Some(directory) => {
                directory.create()?;
                Index::create(directory.clone(), schema.schema.clone(), settings)?
            }
            None => Index::create(RamDirectory::create(), schema.schema.clone(), settings)?,
        };
        shape.register(index.tokenizers());
        let reader = manual_reader(&index)?;
        Ok(Opened { index, reader, directory })
    }
}

struct Opened {
    index: Index,
    reader: IndexReader,
    /// `None` in memory.
    directory: Option<StoreDirectory>,
}

/// The index of tantivy, open.
pub(super) struct Disk {
    home: Home,
    index: Option<Opened>,
    writer: Option<IndexWriter>,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { home, writer, .. } = self;
        let writing = writer.is_some();
        f.debug_struct("Disk")
            .field("home", home)
            .field("writing", &writing)
            .finish_non_exhaustive()
    }
}

/// What a commit of tantivy holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// The rows as a commit of the store left them.
    All(u64),
    /// Those of a build up to a row, as far as it had come.
    Part(Resumed),
}

fn payload(holds: Holds, hash: u64) -> String {
    let holds = match holds {
        Holds::All(lsn) => format!("lsn {lsn}"),
        Holds::Part(Resumed { last_row, rows }) => format!("rows {rows} up to {last_row}"),
    };
    format!("lightning text 1 {holds} definition {hash:016x}")
}

fn parse_payload(payload: &str, hash: u64) -> Option<Holds> {
    let (holds, of) = payload.strip_prefix("lightning text 1 ")?.split_once(" definition ")?;
    if of != format!("{hash:016x}") {
        return None;
    }
    if let Some(lsn) = holds.strip_prefix("lsn ") {
        return lsn.parse().ok().map(Holds::All);
    }
    let (rows, last_row) = holds.strip_prefix("rows ")?.split_once(" up to ")?;
    Some(Holds::Part(Resumed { last_row: last_row.parse().ok()?, rows: rows.parse().ok()? }))
}

impl Disk {
    pub(super) fn new(home: Home) -> Self {
        Self { home, index: None, writer: None }
    }

    /// Opens what is there, if it is of this shape; with what it holds.
    pub(super) fn open(&mut self, shape: &Shape, schema: &DiskSchema) -> Option<(Searcher, Holds)> {
        let directory = self.home.directory()?;
        let index = Index::open(directory.clone()).ok()?;
        if index.schema() != schema.schema {
            return None;
        }
        shape.register(index.tokenizers());
        let payload = index.load_metas().ok()?.payload?;
        let holds = parse_payload(&payload, shape.hash)?;
        let reader = manual_reader(&index).ok()?;
        let searcher = reader.searcher();
        self.index = Some(Opened { index, reader, directory: Some(directory) });
        Some((searcher, holds))
    }

    /// Whether there is an index that the generations are of.
    pub(super) fn is_open(&self) -> bool {
        self.index.is_some()
    }

    /// Lets the index go; its files are removed by the next build.
    pub(super) fn forget(&mut self) {
        self.writer = None;
        if let Some(directory) = self.index.take().and_then(|of| of.directory) {
            directory.retire();
        }
    }

    /// Goes back to the last commit after a failure; lets the index go if that is not the one of
    /// which `applied` is the number. A failed commit may have been made all the same, and writing
    /// its changes once more would double them.
    pub(super) fn recover(&mut self, applied: u64, hash: u64) {
        self.writer = None;
        let payload = self.index.as_ref().and_then(|of| of.index.load_metas().ok()?.payload);
        let holds = payload.and_then(|payload| parse_payload(&payload, hash));
        if holds != Some(Holds::All(applied)) {
            self.forget();
        }
    }

    /// Keeps the files in memory from now on: the store may only be read.
    pub(super) fn move_to_memory(&mut self) {
        self.forget();
        self.home = Home::Memory;
    }

    fn index(&mut self, shape: &Shape, schema: &DiskSchema) -> tantivy::Result<&Index> {
        if self.index.is_none() {
            self.index = Some(self.home.create(shape, schema)?);
        }
        match &self.index {
            Some(of) => Ok(&of.index),
            None => Err(tantivy::TantivyError::SystemError("the index went away".to_owned())),
        }
    }

    /// Opens the writer; for a build with more memory.
    pub(super) fn writer(
        &mut self,
        shape: &Shape,
        schema: &DiskSchema,
        is_build: bool,
    ) -> tantivy::Result<()> {
        let writer = if let Some(writer) = self.writer.take().filter(|_| !is_build) {
            writer
        } else {
            let bytes = if is_build { BUILD_BYTES } else { WRITER_BYTES };
            let writer = self.index(shape, schema)?.writer_with_num_threads(1, bytes)?;
            writer.set_merge_policy(Box::new(NoMergePolicy));
            writer
        };
        self.writer = Some(writer);
        Ok(())
    }

    /// Ends the writer's threads and gives its memory back; what was not committed is dropped.
    pub(super) fn close_writer(&mut self) -> bool {
        self.writer.take().is_some()
    }

    /// Writes a document, and takes out those of a key before it.
    pub(super) fn replace(
        &self,
        key: Option<Term>,
        document: Option<TantivyDocument>,
    ) -> tantivy::Result<()> {
        let Some(writer) = &self.writer else { return Ok(()) };
        if let Some(key) = key {
            writer.delete_term(key);
        }
        document.map_or(Ok(()), |document| writer.add_document(document).map(drop))
    }

    /// Makes what was written last.
    pub(super) fn commit(&mut self, holds: Holds, hash: u64) -> tantivy::Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let mut prepared = writer.prepare_commit()?;
        prepared.set_payload(&payload(holds, hash));
        prepared.commit()?;
        Ok(())
    }

    /// What the last commit holds.
    pub(super) fn searcher(&self) -> tantivy::Result<Option<Searcher>> {
        let Some(of) = &self.index else { return Ok(None) };
        of.reader.reload()?;
        Ok(Some(of.reader.searcher()))
    }

    /// Merges segments of about one size, and the smallest if there are many; says whether there
    /// was something to merge.
    pub(super) fn merge(&mut self) -> tantivy::Result<bool> {
        let (Some(Opened { index, .. }), Some(writer)) = (&self.index, &mut self.writer) else {
            return Ok(false);
        };
        let mut merged = false;
        while let Some(segments) = to_merge(index)? {
            writer.merge(&segments).wait()?;
            merged = true;
        }
        if merged {
            writer.garbage_collect_files().wait()?;
        }
        Ok(merged)
    }

    /// Files whose checksums are wrong.
    pub(super) fn damaged(&self) -> tantivy::Result<Vec<PathBuf>> {
        let Some(of) = &self.index else { return Ok(Vec::new()) };
        let mut files: Vec<_> = of.index.validate_checksum()?.into_iter().collect();
        files.sort();
        Ok(files)
    }
}

fn manual_reader(index: &Index) -> tantivy::Result<IndexReader> {
    index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()
}

/// Segments to merge next.
fn to_merge(index: &Index) -> tantivy::Result<Option<Vec<SegmentId>>> {
    let mut segments = index.searchable_segment_metas()?;
    if let Some(half_dead) =
        segments.iter().find(|of| of.num_deleted_docs() * 3 > of.max_doc() && of.num_docs() > 0)
    {
        return Ok(Some(vec![half_dead.id()]));
    }
    segments.sort_by_key(|of| (of.num_docs(), of.id()));
    let tier = |docs: u32| (docs / 16).max(1).ilog2() / 2;
    for same in segments.chunk_by(|a, b| tier(a.num_docs()) == tier(b.num_docs())) {
        if same.len() >= SEGMENTS_OF_TIER {
            return Ok(Some(same.iter().map(tantivy::SegmentMeta::id).collect()));
        }
    }
    if segments.len() > SEGMENTS_MAX {
        let count = segments.len() - SEGMENTS_MAX + SEGMENTS_OF_TIER;
        return Ok(Some(segments.iter().take(count).map(tantivy::SegmentMeta::id).collect()));
    }
    Ok(None)
}

/// A row as tantivy takes it.
pub(super) struct DocumentBuilder<'a> {
    pub(super) shape: &'a Shape,
    pub(super) schema: &'a DiskSchema,
}

impl DocumentBuilder<'_> {
    pub(super) fn key(&self, row_id: u64) -> Term {
        Term::from_field_u64(self.schema.row, row_id)
    }

    pub(super) fn document(
        &self,
        row_id: u64,
        row: &dyn lightning_db_expression::Columns,
    ) -> crate::error::Result<TantivyDocument> {
        let mut document = TantivyDocument::new();
        document.add_u64(self.schema.row, row_id);
        let mut lens = vec![0; self.schema.lens.len()];
        self.shape.texts(row, |field, text| {
            let at = usize::from(field);
            lens[at] = self.shape.count_words(field, text);
            if self.shape.fields[at].kind == super::options::Analyzer::Facet {
                for term in super::shape::facet_terms(text).unwrap_or_default() {
                    document.add_text(self.schema.texts[at], term);
                }
            } else {
                document.add_text(self.schema.texts[at], text);
            }
            Ok(())
        })?;
        for (field, len) in self.schema.lens.iter().zip(lens) {
            document.add_u64(*field, len);
        }
        Ok(document)
    }
}
