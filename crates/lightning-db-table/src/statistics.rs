//! What is known of a table's values without reading it: for the estimates of planners.
//!
//! Each commit adds its rows to sketches in memory: counts of rows and nulls, which are exact,
//! distinct values, a sample, and the counts of values that are known to be common. From these a
//! view is made whenever a tenth of the table has changed, which costs a sort of the sample; an
//! estimate reads the view. Values that are removed stay in the sketches until
//! [`Tables::analyze`](crate::Tables::analyze) makes them anew from the rows, as
//! [`Tables::upkeep`](crate::Tables::upkeep) does when a third has changed.
//!
//! Sketches are kept in the catalog by upkeep, when much has changed, and by the end of the last
//! handle. After a crash they are those of the last time; where these are far off, with the count
//! of rows that the store expects.

mod collect;
mod estimate;
mod view;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use lightning_db_storage::Keyspace;
use lightning_db_types::{Rng, SeededRng, Value};
use parking_lot::Mutex;

pub(crate) use collect::{Change, Collected};
pub(crate) use estimate::estimate;
pub use view::ColumnStatistics;
pub(crate) use view::View;

use crate::catalog::Schema;
use crate::error::Result;

/// Least number of changed rows after which a view is made anew.
const REFRESH_ROWS_MIN: u64 = 64;
/// Least number of changed rows after which upkeep saves.
const SAVE_ROWS_MIN: u64 = 1_000;
const FORMAT: u8 = 1;

/// Key of the catalog that holds a table's statistics.
pub(crate) fn key(table_id: u32) -> Vec<u8> {
    [b"statistics/", &table_id.to_be_bytes()[..]].concat()
}

/// The statistics of one table, shared by all its states.
#[derive(Debug)]
pub(crate) struct TableStatistics {
    collected: Mutex<Collecting>,
    view: ArcSwap<View>,
    /// Rows of the table now.
    rows: AtomicU64,
    /// Analyses since the store was opened.
    analyses: AtomicU64,
    rng: SeededRng,
}

#[derive(Debug, Default)]
struct Collecting {
    now: Collected,
    /// What commits add while the rows are read by an analysis: it has not seen these.
    meanwhile: Option<Collected>,
    /// Rows changed since the view was made.
    since_view: u64,
    /// Rows changed since the rows were read.
    since_analysis: u64,
    /// Rows changed since the catalog got them, at least one if it has something else.
    unsaved: u64,
}

impl TableStatistics {
    pub(crate) fn new(table_id: u32) -> Self {
        Self {
            collected: Mutex::default(),
            view: ArcSwap::default(),
            rows: AtomicU64::new(0),
            analyses: AtomicU64::new(0),
            // The same commits give the same sample in every run.
            rng: SeededRng::new(u64::from(table_id)),
        }
    }

    /// Statistics as the catalog holds them; none if they cannot be read: they are made anew.
    pub(crate) fn load(catalog: &Keyspace, table_id: u32) -> Result<Option<Collected>> {
        let bytes = catalog.get(key(table_id))?;
        Ok(bytes.and_then(|bytes| match bytes.split_first() {
            Some((&FORMAT, rest)) => postcard::from_bytes(rest).ok(),
            _ => None,
        }))
    }

    /// Goes on with statistics from before; `expected_rows` is what the store expects.
    pub(crate) fn restore(&self, saved: Option<Collected>, expected_rows: u64) {
        let mut collecting = self.collected.lock();
        collecting.now = saved.unwrap_or_default();
        let rows = collecting.now.rows;
        // They were not saved for a while: a crash, most likely.
        if rows.abs_diff(expected_rows) > expected_rows / 5 {
            collecting.now.rows = expected_rows;
            collecting.since_analysis = expected_rows.max(rows);
        }
        self.publish(&mut collecting);
    }

    /// Adds what a commit changed.
    pub(crate) fn apply(&self, schema: &Schema, changes: &[Change]) {
        let mut collecting = self.collected.lock();
        for change in changes {
            collecting.now.apply(schema, change, &self.rng);
            if let Some(meanwhile) = &mut collecting.meanwhile {
                meanwhile.apply(schema, change, &self.rng);
            }
        }
        let count = changes.len() as u64;
        collecting.since_view += count;
        collecting.since_analysis += count;
        collecting.unsaved = collecting.unsaved.saturating_add(count);
        self.rows.store(collecting.now.rows, Ordering::Relaxed);
        if collecting.since_view >= (collecting.now.rows / 10).max(REFRESH_ROWS_MIN) {
            self.publish(&mut collecting);
        }
    }

    fn publish(&self, collecting: &mut Collecting) {
        collecting.since_view = 0;
        self.rows.store(collecting.now.rows, Ordering::Relaxed);
        self.view.store(Arc::new(View::new(&collecting.now)));
    }

    /// Whether so much has changed that the rows should be read.
    pub(crate) fn wants_analysis(&self) -> bool {
        let collecting = self.collected.lock();
        collecting.since_analysis > (collecting.now.rows / 3).max(1_000)
    }

    /// From now on commits are noted for an analysis of the state before them.
    pub(crate) fn begin_analysis(&self) {
        self.collected.lock().meanwhile = Some(Collected::default());
    }

    /// Puts what an analysis found in the place of what was known; `None` if it failed.
    pub(crate) fn end_analysis(&self, found: Option<Collected>) {
        let mut collecting = self.collected.lock();
        let meanwhile = collecting.meanwhile.take();
        let (Some(mut found), Some(meanwhile)) = (found, meanwhile) else { return };
        found.merge(&meanwhile, &self.rng);
        collecting.now = found;
        collecting.since_analysis = 0;
        collecting.unsaved = u64::MAX;
        self.publish(&mut collecting);
        self.analyses.fetch_add(1, Ordering::Release);
    }

    /// How often they were made anew since the store was opened.
    pub(crate) fn analyses(&self) -> u64 {
        self.analyses.load(Ordering::Acquire)
    }

    /// The bytes to be saved, if there is something new; with `only_much`, if a tenth of the table
    /// has changed: they are some 30 KiB a column.
    pub(crate) fn to_save(&self, only_much: bool) -> Option<Vec<u8>> {
        let mut collecting = self.collected.lock();
        let least = if only_much { (collecting.now.rows / 10).max(SAVE_ROWS_MIN) } else { 1 };
        if collecting.unsaved < least {
            return None;
        }
        collecting.unsaved = 0;
        let mut bytes = vec![FORMAT];
        bytes.extend(postcard::to_stdvec(&collecting.now).ok()?);
        Some(bytes)
    }

    /// What estimates read.
    pub(crate) fn view(&self) -> arc_swap::Guard<Arc<View>> {
        self.view.load()
    }

    /// Rows of the table, as far as is known.
    pub(crate) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    pub(crate) fn rng(&self) -> &dyn Rng {
        &self.rng
    }

    /// Makes the view anew, however little has changed.
    pub(crate) fn refresh(&self) {
        let mut collecting = self.collected.lock();
        if collecting.since_view > 0 {
            self.publish(&mut collecting);
        }
    }
}

/// Bytes of a text that sketches keep.
const KEPT_LEN_MAX: usize = 256;

/// A value as sketches keep it: the beginning of a long one.
pub(crate) fn kept(value: lightning_db_types::ValueRef<'_>) -> Value {
    use lightning_db_types::ValueRef;
    match value {
        ValueRef::Text(text) if text.len() > KEPT_LEN_MAX => {
            Value::from(&text[..text.floor_char_boundary(KEPT_LEN_MAX)])
        }
        ValueRef::Bytes(bytes) if bytes.len() > KEPT_LEN_MAX => Value::from(&bytes[..KEPT_LEN_MAX]),
        value => value.to_value(),
    }
}

#[cfg(test)]
mod tests;
