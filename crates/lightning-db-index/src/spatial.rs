//! Spatial indexes: points and boxes of a plane or of the Earth, searched through R-trees.
//!
//! The truth is a keyspace of entries, row number to place, written in the transaction that changes
//! the row: 16 bytes for a point, 32 for a box. The trees (rstar) are in memory and derived from
//! it: they are loaded when the index is opened, and follow the commits by a hook. Each place in
//! them knows the commits between which it counts, so that a reader of any age gets its own answer;
//! one that is older than the opening of the index is answered from the entries. A transaction
//! gets its snapshot's answer with its own writes laid over it.
//!
//! On the sphere the nearest places are found by bounds of the great-circle distance to boxes of
//! longitudes and latitudes, which hold at the poles and over the antimeridian; what is returned
//! is decided and ordered by the haversine formula. One tree so serves windows and distances alike.

mod answer;
mod check;
mod estimate;
mod join;
mod level;
mod loader;
mod metric;
mod place;
mod polygon;
mod query;
mod search;
mod sphere;
mod state;
mod summary;
mod view;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lightning_db_expression::Columns;
use lightning_db_storage::{
    Commit, CommitSubscription, Keyspace, KeyspaceOptions, Snapshot, Store, Transaction,
    WholeChange,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::definition::IndexDefinition;
use crate::error::{Error, Result};
use crate::estimate::Estimate;
use crate::index::{IndexQuery, IndexStatistics, IndexedRows, Kind, Problem, wrong_query};
use crate::loader::{Loader, Loading};
use crate::reader::Reader;
use crate::row::{RowChange, RowStore, row_id_of, row_key};
use crate::row_set::RowSet;
use level::{Level, LevelBuilder, OPEN, Version};
use place::Place;
use query::Prepared;
use state::{Change, Effort, Known, State};
use view::View;

pub use join::SpatialJoin;
pub use place::{Bounds, Geometry, Location};
pub use polygon::{Polygon, PolygonError};
pub use query::SpatialQuery;

/// Levels from which on writers see whether some are to be folded.
const LEVELS_MANY: usize = 6;
/// Places for which room is made before they are read.
const CAPACITY_MAX: usize = 1 << 24;
/// What a writer folds; larger levels are left to `upkeep`.
const WRITER_EFFORT: Effort = Effort { versions_max: 1 << 17, ratio: 2 };
const UPKEEP_EFFORT: Effort = Effort { versions_max: usize::MAX, ratio: 8 };

/// Options of a spatial index.
///
/// The index has one key part that gives a point, two that give its coordinates (`x`, `y`), or four
/// that give a box (least `x` and `y`, greatest `x` and `y`). A row for which one of them is null
/// is not in the index.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpatialOptions {
    /// What the coordinates mean.
    pub geometry: Geometry,
}

/// A row and its distance from a point: in metres on the sphere, else in the unit of the plane.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Neighbor {
    /// Number of the row.
    pub row_id: u64,
    /// Its distance; zero inside a box.
    pub distance: f64,
}

/// A spatial index, open. See [`Index::as_spatial`](crate::Index::as_spatial).
#[derive(Debug)]
pub struct SpatialIndex {
    definition: Arc<IndexDefinition>,
    geometry: Geometry,
    store: Store,
    entries: Keyspace,
    state: Arc<State>,
    /// What an old snapshot was last answered from.
    older: Mutex<Option<(u64, Arc<Level>)>>,
    /// Changes of rows that left their entries as they were.
    unchanged: Arc<AtomicU64>,
    _subscription: CommitSubscription,
}

impl SpatialIndex {
    pub(crate) fn open(
        store: &Store,
        definition: &Arc<IndexDefinition>,
        options: &SpatialOptions,
        _rows: &Arc<dyn RowStore>,
    ) -> Result<Arc<Self>> {
        if !matches!(definition.parts.len(), 1 | 2 | 4) {
            let detail = "a spatial index has one part (a point), two (x, y), or four (a box)";
            return Err(definition.refuse(detail));
        }
        let name = definition.keyspace_name("places");
        let entries = store.keyspace(&name, KeyspaceOptions::new())?;
        let (state, geometry) = (Arc::new(State::new()), options.geometry);
        let followed = Arc::clone(&state);
        let hook = move |commit: &Commit<'_>| follow(&followed, geometry, &name, commit);
        let index = Self {
            definition: Arc::clone(definition),
            geometry,
            store: store.clone(),
            entries,
            state,
            older: Mutex::default(),
            unchanged: Arc::default(),
            _subscription: store.on_commit(hook),
        };
        match index.load() {
            // A table must open for its index to be checked and repaired: who asks is told.
            Err(Error::Corrupt { .. }) => {}
            loaded => loaded?,
        }
        Ok(Arc::new(index))
    }

    /// What the coordinates mean.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// The rows that match, each once, in no order: what
    /// [`Index::rows`](crate::Index::rows) puts into a set.
    ///
    /// # Errors
    /// [`Error::Query`], those of the store.
    pub fn locate(&self, reader: Reader<'_>, query: &SpatialQuery) -> Result<Vec<u64>> {
        let prepared = self.prepare(query)?;
        let view = self.view(reader)?;
        Ok(answer::rows(&view, &prepared))
    }

    /// The `count` rows nearest to a point, by distance; of two that are equally far, the one with
    /// the lower number comes first.
    ///
    /// # Errors
    /// As [`locate`](Self::locate).
    pub fn nearest(
        &self,
        reader: Reader<'_>,
        centre: Location,
        count: usize,
    ) -> Result<Vec<Neighbor>> {
        self.nearest_where(reader, centre, count, |_| true)
    }

    /// The `count` nearest of the rows for which `admits` says yes. It is called for rows that are
    /// near, in no order, and may be called twice for one.
    ///
    /// # Errors
    /// As [`locate`](Self::locate).
    pub fn nearest_where(
        &self,
        reader: Reader<'_>,
        centre: Location,
        count: usize,
        mut admits: impl FnMut(u64) -> bool,
    ) -> Result<Vec<Neighbor>> {
        let centre = self.centre(centre)?;
        let view = self.view(reader)?;
        Ok(neighbors(view.nearest(centre, count, f64::INFINITY, &mut admits)))
    }

    /// The rows within a distance of a point, by distance, then by number.
    ///
    /// # Errors
    /// As [`locate`](Self::locate).
    pub fn within_distance(
        &self,
        reader: Reader<'_>,
        centre: Location,
        distance: f64,
    ) -> Result<Vec<Neighbor>> {
        let Prepared::Near { centre, distance } =
            self.prepare(&SpatialQuery::Near { centre, distance })?
        else {
            return Ok(Vec::new());
        };
        let view = self.view(reader)?;
        let mut near = Vec::new();
        view.in_circle(centre, distance, &mut |row_id, place| {
            near.push((view.distance(centre, place), row_id));
        });
        near.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        near.dedup();
        Ok(neighbors(near))
    }

    /// Pairs of a row of this index and a row of another one, or of this one again, that fulfil a
    /// condition; by the first row, then by the second.
    ///
    /// # Errors
    /// [`Error::Query`] if the indexes have different geometries, or for the distance of two boxes
    /// on the sphere, which is not known; those of the store.
    pub fn join(
        &self,
        reader: Reader<'_>,
        other: &Self,
        condition: SpatialJoin,
    ) -> Result<Vec<(u64, u64)>> {
        if self.geometry != other.geometry {
            return Err(self.refuse(format!("{} has another geometry", other.definition.name)));
        }
        let (own, others) = (self.view(reader)?, other.view(reader)?);
        join::pairs(&own, &others, condition).map_err(|detail| self.refuse(detail))
    }

    fn refuse(&self, detail: String) -> Error {
        Error::Query { index: self.definition.name.clone(), detail }
    }

    fn prepare(&self, query: &SpatialQuery) -> Result<Prepared> {
        Prepared::new(self.geometry, query).map_err(|detail| self.refuse(detail))
    }

    fn centre(&self, at: Location) -> Result<Location> {
        self.geometry.location(at).map_err(|detail| self.refuse(detail))
    }

    /// The place of a row, or what is wrong with it.
    fn place(&self, row: &dyn Columns) -> Result<Option<Place>> {
        let parts = self.definition.key_values(row)?;
        let refuse = |detail| Error::Value { index: self.definition.name.clone(), detail };
        self.geometry.place(&parts).map_err(refuse)
    }

    fn decode(&self, key: &[u8], value: &[u8]) -> Result<(u64, Place)> {
        let decoded = row_id_of(key).zip(Place::decode(self.geometry, value));
        decoded.ok_or_else(|| {
            let detail = format!("{} bytes under {key:02x?} are no place", value.len());
            Error::Corrupt { index: self.definition.name.clone(), detail }
        })
    }

    /// All places of a snapshot, from the entries.
    fn scan(&self, snapshot: &Snapshot) -> Result<Level> {
        let expected = usize::try_from(self.entries.approximate_len()).unwrap_or(0);
        let mut builder = LevelBuilder::with_capacity(expected.min(CAPACITY_MAX));
        for entry in snapshot.iter(&self.entries) {
            let (key, value) = entry?;
            let (row_id, place) = self.decode(&key, &value)?;
            builder.push(&Version { row_id, place, begin: 0, end: OPEN });
        }
        Ok(builder.finish())
    }

    /// Loads the trees from the entries, if a change of all entries has made them unknown.
    fn load(&self) -> Result<()> {
        let _only_one = self.state.folding.lock();
        while self.state.is_unloaded(self.store.last_lsn()) {
            let snapshot = self.store.snapshot();
            let level = self.scan(&snapshot)?;
            if self.state.install(level, snapshot.lsn()) {
                break;
            }
        }
        Ok(())
    }

    /// What a reader sees.
    fn view(&self, reader: Reader<'_>) -> Result<View> {
        let lsn = reader.lsn();
        let mut known = self.state.read(lsn);
        if matches!(known, Known::Unloaded) {
            self.load()?;
            known = self.state.read(lsn);
        }
        let (levels, beside) = match known {
            Known::Seen { levels, tail } => (levels, tail),
            Known::Unloaded | Known::Older => (Arc::new(vec![self.older(reader)?]), Vec::new()),
        };
        let geometry = self.geometry;
        let hidden = std::collections::HashSet::default();
        let mut view = View { geometry, lsn, levels, beside, hidden, own: None };
        if let Some(transaction) = reader.transaction() {
            transaction.watch::<&[u8]>(&self.entries, ..);
            let mut own = Vec::new();
            for (key, value) in transaction.writes(&self.entries) {
                match value {
                    Some(value) => {
                        let (row_id, place) = self.decode(key, value)?;
                        own.push((row_id, Some(place)));
                    }
                    None => own.extend(row_id_of(key).map(|row_id| (row_id, None))),
                }
            }
            view.lay_over(own);
        }
        Ok(view)
    }

    /// All places of a snapshot that is older than the trees.
    fn older(&self, reader: Reader<'_>) -> Result<Arc<Level>> {
        let lsn = reader.lsn();
        let mut older = self.older.lock();
        if let Some((of, level)) = &*older
            && *of == lsn
        {
            return Ok(Arc::clone(level));
        }
        let level = Arc::new(match reader {
            Reader::Snapshot(snapshot) => self.scan(snapshot)?,
            Reader::Transaction(transaction) => self.scan(&transaction.snapshot())?,
        });
        *older = Some((lsn, Arc::clone(&level)));
        Ok(level)
    }

    /// Folds what has become due, unless somebody does so already.
    fn fold_due(&self) {
        if self.state.levels().0.len() > LEVELS_MANY
            && let Some(_only_one) = self.state.folding.try_lock()
        {
            self.state.fold(WRITER_EFFORT, self.store.oldest_reader_lsn());
        }
    }
}

fn neighbors(near: Vec<(f64, u64)>) -> Vec<Neighbor> {
    near.into_iter().map(|(distance, row_id)| Neighbor { row_id, distance }).collect()
}

/// Brings the trees in line with a commit that is about to become visible.
fn follow(state: &State, geometry: Geometry, name: &str, commit: &Commit<'_>) {
    let lsn = commit.lsn();
    if let Some(WholeChange::Cleared(of) | WholeChange::Ingested(of)) = commit.whole() {
        if of == name {
            state.forget(lsn);
        }
        return;
    }
    let mut is_readable = true;
    let own = commit.changes().filter(|change| change.keyspace == name);
    state.apply(own.filter_map(|change| {
        let place = change.value.map(|value| Place::decode(geometry, value));
        let row_id = row_id_of(change.key);
        is_readable &= row_id.is_some() && place != Some(None) && !change.in_blob;
        Some(Change { row_id: row_id?, lsn, place: place.flatten() })
    }));
    if !is_readable {
        // The load will say what is wrong with the entry.
        state.forget(lsn);
    }
}

impl Kind for SpatialIndex {
    fn maintain(&self, transaction: &mut Transaction, change: &RowChange<'_>) -> Result<()> {
        let new = change.new.map(|row| self.place(row)).transpose()?.flatten();
        // A row that could not be indexed may have been there before the index.
        let old = change.old.map(|row| self.place(row).ok());
        let key = row_key(change.row_id);
        match new {
            Some(place) if old != Some(Some(Some(place))) => {
                transaction.insert(&self.entries, key, place.encode())?;
            }
            None if !matches!(old, None | Some(Some(None))) => {
                transaction.remove(&self.entries, key)?;
            }
            _ => {
                let unchanged = Arc::clone(&self.unchanged);
                transaction.after_commit(move |_| {
                    unchanged.fetch_add(1, Ordering::Relaxed);
                });
            }
        }
        self.fold_due();
        Ok(())
    }

    fn rows(&self, reader: Reader<'_>, query: &IndexQuery) -> Result<RowSet> {
        let IndexQuery::Spatial(query) = query else {
            return Err(wrong_query(&self.definition, "spatial"));
        };
        Ok(answer::row_set(self.locate(reader, query)?))
    }

    fn rows_without(
        &self,
        reader: Reader<'_>,
        query: &IndexQuery,
        hidden: &RowSet,
    ) -> Result<RowSet> {
        let &IndexQuery::Spatial(SpatialQuery::Nearest { centre, count }) = query else {
            return Ok(self.rows(reader, query)?.and_not(hidden));
        };
        let admits = |row_id| !hidden.contains(row_id);
        let nearest = self.nearest_where(reader, centre, count, admits)?;
        Ok(answer::row_set(nearest.into_iter().map(|of| of.row_id).collect()))
    }

    fn estimate(&self, reader: Reader<'_>, query: &IndexQuery) -> Result<Estimate> {
        let IndexQuery::Spatial(query) = query else {
            return Err(wrong_query(&self.definition, "spatial"));
        };
        let prepared = self.prepare(query)?;
        let own = reader.transaction().map_or(0, |own| own.writes(&self.entries).count());
        let (levels, waiting) = self.state.levels();
        Ok(estimate::estimate(self.geometry, &levels, waiting + own, &prepared))
    }

    fn loader(&self, loading: Loading) -> Result<Box<dyn Loader + '_>> {
        Ok(Box::new(loader::PlaceLoader::new(self, loading)?))
    }

    fn check(&self, snapshot: &Snapshot, rows: &mut IndexedRows<'_>) -> Result<Vec<Problem>> {
        check::check(self, snapshot, rows)
    }

    fn upkeep(&self) -> Result<bool> {
        let oldest_lsn = self.store.oldest_reader_lsn();
        self.older.lock().take_if(|(lsn, _)| *lsn < oldest_lsn);
        let must_load = self.state.is_unloaded(self.store.last_lsn());
        if must_load {
            match self.load() {
                // Other indexes must not wait for the repair of this one.
                Err(Error::Corrupt { .. }) => return Ok(false),
                loaded => loaded?,
            }
        }
        let _only_one = self.state.folding.lock();
        Ok(self.state.fold(UPKEEP_EFFORT, oldest_lsn) || must_load)
    }

    fn statistics(&self) -> Result<IndexStatistics> {
        let (levels, _) = self.state.levels();
        let store = self.store.statistics();
        let entries = self.state.read(self.store.last_lsn());
        let (tail, seen) = match &entries {
            Known::Seen { tail, .. } => (tail.len(), true),
            Known::Unloaded | Known::Older => (0, false),
        };
        // A box over the antimeridian stands in a tree twice.
        let points_only = levels.iter().all(|level| level.boxes.size() == 0);
        let counting = levels.iter().map(|level| level.len() - level.ended_len());
        let memory: usize = levels.iter().map(|level| level.memory_bytes()).sum();
        let name = self.entries.name();
        let on_disk = store.keyspaces.iter().find(|keyspace| keyspace.name == name);
        Ok(IndexStatistics {
            entries: (counting.sum::<usize>() + tail) as u64,
            entries_exact: seen && points_only,
            disk_bytes: on_disk.map_or(0, |keyspace| keyspace.table_bytes),
            memory_bytes: (memory + tail * size_of::<Version>()) as u64,
            lag: self.state.gathered_len() as u64,
            unchanged: self.unchanged.load(Ordering::Relaxed),
            false_positive_rate: None,
        })
    }
}

#[cfg(test)]
mod tests;
