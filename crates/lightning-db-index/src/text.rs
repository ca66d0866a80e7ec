//! Full-text indexes: words, phrases, near words, scores, facets, snippets (tantivy beneath).
//!
//! A derived index. What tantivy holds on the disk is a *generation*: the rows as one commit of the
//! store left them. Commits since are gathered in memory (the *overlay*), and a reader sees the
//! newest generation that is not younger than itself, without the rows that changed up to its own
//! commit, and with these rows as the overlay has them; a transaction's own writes are laid over
//! that once more. Nothing is written to the files of tantivy in a user's transaction: such a
//! commit costs some 5 ms, and is made by [`Index::upkeep`](crate::Index::upkeep) for many at once.
//! A snapshot that is older than every generation is answered from its rows.
//!
//! The score of a row (BM25) is a function of the query and of the rows that the reader sees; it
//! does not depend on what is where.

mod options;
mod query;

mod english;
mod parse;
mod plan;
mod shape;

mod evaluate;
mod matcher;
mod memory;
mod phrase;

mod build;
mod directory;
mod disk;
mod generation;
mod indexer;
mod overlay;
mod search;
mod view;

mod check;
mod snippet;

pub use options::{Analyzer, Language, TextField, TextOptions};
pub use query::TextQuery;
pub use search::TextHit;
pub use snippet::{Fragment, SnippetOptions};

use std::sync::Arc;

use lightning_db_storage::{CommitSubscription, Snapshot, Store, Transaction};
use parking_lot::{Mutex, RwLock};
use quick_cache::sync::Cache;

use crate::definition::IndexDefinition;
use crate::error::{Error, Result};
use crate::estimate::Estimate;
use crate::index::{IndexQuery, IndexStatistics, IndexedRows, Kind, Problem, wrong_query};
use crate::loader::{Loader, Loading};
use crate::reader::Reader;
use crate::row::{RowChange, RowStore};
use crate::row_set::RowSet;
use directory::Failure;
use disk::{Disk, Home};
use overlay::{Overlay, Queue};
use shape::{DiskSchema, FieldNumber, Shape};

/// Plans whose frequencies are remembered.
const ESTIMATES_MAX: usize = 1_024;

/// A full-text index.
pub struct TextIndex {
    store: Store,
    rows: Arc<dyn RowStore>,
    shape: Shape,
    schema: DiskSchema,
    queue: Arc<Mutex<Queue>>,
    overlay: RwLock<Overlay>,
    /// Held by the one who writes a generation.
    disk: Mutex<Disk>,
    failure: Failure,
    /// By the number of the generation's commit and the query, as text.
    estimates: Cache<(u64, String), Estimate>,
    subscription: CommitSubscription,
}

impl std::fmt::Debug for TextIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TextIndex")
            .field("definition", &self.shape.definition)
            .field("overlay", &*self.overlay.read())
            .finish_non_exhaustive()
    }
}

/// The error of a failed call of tantivy: that of the disk, if it was the disk.
fn tantivy_error(
    definition: &IndexDefinition,
    failure: &Failure,
    error: &tantivy::TantivyError,
) -> Error {
    if let Some(of_disk) = failure.take() {
        return of_disk.into();
    }
    let detail = format!("full-text engine: {error}");
    Error::Corrupt { index: definition.name.clone(), detail }
}

impl TextIndex {
    pub(crate) fn open(
        store: &Store,
        definition: &Arc<IndexDefinition>,
        options: &TextOptions,
        rows: &Arc<dyn RowStore>,
    ) -> Result<Arc<Self>> {
        let shape = Shape::new(definition, options)?;
        let schema = shape.disk_schema();
        let failure = Failure::default();
        let queue: Arc<Mutex<Queue>> = Arc::default();
        let (hooked, name) = (Arc::clone(&queue), rows.keyspace().name().to_owned());
        let subscription = store.on_commit(move |commit| hooked.lock().take_commit(&name, commit));
        let index = Self {
            store: store.clone(),
            rows: Arc::clone(rows),
            overlay: RwLock::new(Overlay::new(&shape)),
            shape,
            schema,
            queue,
            disk: Mutex::new(Disk::new(Home::of(store, definition, &failure))),
            failure,
            estimates: Cache::new(ESTIMATES_MAX),
            subscription,
        };
        index.bring_up()?;
        Ok(Arc::new(index))
    }

    pub(crate) fn remove_files(store: &Store, definition: &IndexDefinition) -> Result<()> {
        let failure = Failure::default();
        let removed = Home::of(store, definition, &failure).remove();
        removed.map_err(|error| tantivy_error(definition, &failure, &error.into()))
    }

    fn facet_fields(&self) -> impl Iterator<Item = FieldNumber> + '_ {
        let all = (0..).zip(&self.shape.fields);
        all.filter(|(_, field)| field.kind == Analyzer::Facet).map(|(at, _)| at)
    }
}

impl Kind for TextIndex {
    /// The entries follow the commit, so that nothing is written here: what cannot be indexed is
    /// refused, and a writer that is far ahead of the upkeep does a part of it.
    fn maintain(&self, _: &mut Transaction, change: &RowChange<'_>) -> Result<()> {
        if let Some(row) = change.new {
            self.shape.validate(row)?;
        }
        self.hold_back()
    }

    fn rows(&self, reader: Reader<'_>, query: &IndexQuery) -> Result<RowSet> {
        match query {
            IndexQuery::Text(query) => self.rows_of(reader, query),
            _ => Err(wrong_query(&self.shape.definition, "text")),
        }
    }

    fn estimate(&self, reader: Reader<'_>, query: &IndexQuery) -> Result<Estimate> {
        match query {
            IndexQuery::Text(query) => self.estimate_of(reader, query),
            _ => Err(wrong_query(&self.shape.definition, "text")),
        }
    }

    fn loader(&self, loading: Loading) -> Result<Box<dyn Loader + '_>> {
        Ok(Box::new(build::TextLoader::new(self, loading)))
    }

    fn check(&self, snapshot: &Snapshot, rows: &mut IndexedRows<'_>) -> Result<Vec<Problem>> {
        self.check_rows(snapshot, rows)
    }

    fn upkeep(&self) -> Result<bool> {
        self.keep_up()
    }

    fn statistics(&self) -> Result<IndexStatistics> {
        let overlay = self.overlay.read();
        let (pending, bytes) = overlay.pending();
        let queue = self.queue.lock();
        let generation = overlay.generations.last();
        let disk_bytes = generation
            .and_then(|of| of.searcher.as_ref())
            .map(tantivy::Searcher::space_usage)
            .transpose()
            .map_err(|error| self.failed(&error.into()))?
            .map_or(0, |usage| usage.total().get_bytes());
        let applied = generation.map_or(0, |of| of.applied);
        let queued = queue.changes.len() as u64;
        let behind = pending + queued > 0 || generation.is_none();
        Ok(IndexStatistics {
            entries: generation.map_or(0, |of| of.rows),
            entries_exact: !behind,
            disk_bytes,
            memory_bytes: bytes + queue.bytes as u64,
            lag: if behind { self.store.last_lsn().saturating_sub(applied) } else { 0 },
            ..IndexStatistics::default()
        })
    }
}

#[cfg(test)]
mod tests;
