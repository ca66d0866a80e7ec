//! Places of a table in bulk.

use lightning_db_expression::Columns;

use std::ops::ControlFlow;

use super::SpatialIndex;
use super::place::Place;
use crate::error::{Error, Result};
use crate::loader::{Loaded, Loader};
use crate::row::row_key;

/// Entries between two reports of progress.
const REPORT_EVERY: u64 = 4096;

/// See [`Loader`].
#[derive(Debug)]
pub(super) struct PlaceLoader<'a> {
    index: &'a SpatialIndex,
    places: Vec<(u64, Place)>,
}

impl<'a> PlaceLoader<'a> {
    pub(super) fn new(index: &'a SpatialIndex) -> Self {
        Self { index, places: Vec::new() }
    }

    fn cancelled(&self) -> Error {
        Error::Cancelled { index: self.index.definition.name.clone() }
    }
}

impl Loader for PlaceLoader<'_> {
    fn add(&mut self, row_id: u64, row: &dyn Columns) -> Result<()> {
        self.places.extend(self.index.place(row)?.map(|place| (row_id, place)));
        Ok(())
    }

    fn finish(
        mut self: Box<Self>,
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<Loaded> {
        // The sort is stable, so the last of several additions of a row is the last one.
        self.places.sort_by_key(|(row_id, _)| *row_id);
        self.places.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 = next.1;
            }
            same
        });
        let total = self.places.len() as u64;
        if progress(0, total).is_break() {
            return Err(self.cancelled());
        }
        if total == 0 {
            return Ok(Loaded::default());
        }
        let mut is_cancelled = false;
        let mut done = 0;
        let entries = self.places.iter().map(|(row_id, place)| {
            done += 1;
            if !is_cancelled && done % REPORT_EVERY == 0 {
                is_cancelled = progress(done, total).is_break();
            }
            // Keys that do not ascend make the store take back what it has written.
            (row_key(if is_cancelled { 0 } else { *row_id }), place.encode())
        });
        let ingested = self.index.entries.ingest(entries);
        if is_cancelled {
            return Err(self.cancelled());
        }
        let entries = ingested?.entries;
        self.index.load()?;
        Ok(Loaded { entries, ..Loaded::default() })
    }
}
