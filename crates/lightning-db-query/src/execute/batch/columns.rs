//! Columns of segments that stay decoded from run to run.
//!
//! A scan decodes a column once for each segment of the files of a table, and finds it the next
//! time: a scan of what was scanned before reads no row. Segments never change, so nothing here is
//! ever out of date; columns of files that are gone leave when others need the room.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::FixedState;
use lightning_db_table::Segment;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};

use super::vector::{Values, Vector};

/// Stands for the number of rows of a segment, where no column is asked for.
const LEN: usize = usize::MAX;
/// Bytes that a column takes beside its values.
const OVERHEAD: usize = 160;
/// Bytes of a column, about: what room is made for at the start.
const BYTES_TYPICAL: u64 = 8 << 10;
/// Shards below this would refuse columns that are a little longer than usual.
const SHARD_BYTES_MIN: u64 = 1 << 20;
const SHARDS_MAX: u64 = 64;

/// How well kept columns do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ColumnCacheStatistics {
    /// Segments of which a scan found all that it needed.
    pub known: u64,
    /// Segments that a scan read.
    pub read: u64,
    /// Bytes that are kept.
    pub bytes: u64,
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct ColumnCache {
    /// `None` if nothing may be kept.
    columns: Option<Cache<Place, Arc<Vector>, ByMemory, FixedState>>,
    known: AtomicU64,
    read: AtomicU64,
}

/// A column, by id, of a segment.
type Place = (Segment, usize);

#[derive(Debug, Clone)]
struct ByMemory;

impl Weighter<Place, Arc<Vector>> for ByMemory {
    fn weight(&self, _: &Place, column: &Arc<Vector>) -> u64 {
        (column.bytes() + OVERHEAD) as u64
    }
}

impl ColumnCache {
    /// Keeps up to about so many bytes.
    pub(crate) fn new(limit: usize) -> Self {
        let limit = limit as u64;
        let items = usize::try_from(limit.div_ceil(BYTES_TYPICAL)).unwrap_or(usize::MAX);
        let shards = (limit / SHARD_BYTES_MIN).clamp(1, SHARDS_MAX);
        let options = OptionsBuilder::new()
            .estimated_items_capacity(items)
            .weight_capacity(limit)
            .shards(usize::try_from(shards).unwrap_or(1))
            .build()
            .ok()
            .filter(|_| limit > 0);
        let columns = options.map(|options| {
            let (hasher, life) = (FixedState::default(), DefaultLifecycle::default());
            Cache::with_options(options, ByMemory, hasher, life)
        });
        Self { columns, known: AtomicU64::new(0), read: AtomicU64::new(0) }
    }

    pub(crate) fn statistics(&self) -> ColumnCacheStatistics {
        ColumnCacheStatistics {
            known: self.known.load(Ordering::Relaxed),
            read: self.read.load(Ordering::Relaxed),
            bytes: self.columns.as_ref().map_or(0, Cache::weight),
        }
    }

    pub(super) fn get(&self, segment: Segment, id: usize) -> Option<Arc<Vector>> {
        self.columns.as_ref()?.get(&(segment, id))
    }

    /// These columns of a segment and how many rows it has, if all are kept.
    pub(super) fn all(
        &self,
        segment: Segment,
        ids: impl Iterator<Item = usize>,
    ) -> Option<(Vec<Arc<Vector>>, usize)> {
        let found = ids.map(|id| self.get(segment, id)).collect::<Option<Vec<_>>>();
        let found = found.and_then(|found| {
            let len = match found.first() {
                Some(column) => column.len(),
                None => self.get(segment, LEN)?.len(),
            };
            Some((found, len))
        });
        let counter = if found.is_some() { &self.known } else { &self.read };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Keeps a column that has all rows of a segment.
    pub(super) fn keep(&self, segment: Segment, id: usize, mut column: Vector) -> Arc<Vector> {
        column.shrink();
        let column = Arc::new(column);
        if let Some(columns) = &self.columns {
            columns.insert((segment, id), Arc::clone(&column));
        }
        column
    }

    /// Keeps how many rows a segment has.
    pub(super) fn keep_len(&self, segment: Segment, len: usize) {
        self.keep(segment, LEN, Vector::new(Values::Null(len)));
    }
}
