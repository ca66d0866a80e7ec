//! Places of a table in bulk.

use std::ops::ControlFlow;

use lightning_db_expression::Columns;

use super::SpatialIndex;
use super::place::Place as Shape;
use crate::error::Result;
use crate::loader::{Loaded, Loader, Loading, Resumed};
use crate::row::{row_id_of, row_key};
use crate::row_set::RowSet;
use crate::runs::{Place, Runs, ingest};

/// See [`Loader`].
pub(super) struct PlaceLoader<'a> {
    index: &'a SpatialIndex,
    places: Vec<(u64, Shape)>,
    runs: Runs<'a>,
}

impl<'a> PlaceLoader<'a> {
    pub(super) fn new(index: &'a SpatialIndex, loading: Loading) -> Result<Self> {
        let runs = Runs::open(&index.store, &index.definition, loading)?;
        if runs.is_again() {
            index.entries.clear()?;
        }
        Ok(Self { index, places: Vec::new(), runs })
    }

    /// What was gathered, by row.
    fn take(&mut self) -> Vec<(u64, Shape)> {
        let mut places = std::mem::take(&mut self.places);
        places.sort_by_key(|(row_id, _)| *row_id);
        places
    }

    fn spill(&mut self) -> Result<()> {
        let places = self.take();
        let entries = places.iter().map(|(row_id, place)| (row_key(*row_id), place.encode()));
        self.runs.write(entries, Vec::new())
    }
}

impl Loader for PlaceLoader<'_> {
    fn add(&mut self, row_id: u64, row: &dyn Columns) -> Result<()> {
        if let Some(place) = self.index.place(row)? {
            if (self.places.len() + 1) * size_of::<(u64, Shape)>() > self.runs.budget()
                && !self.places.is_empty()
            {
                self.spill()?;
            }
            self.places.push((row_id, place));
        }
        self.runs.pass(row_id);
        Ok(())
    }

    fn pass(&mut self, row_id: u64) {
        self.runs.pass(row_id);
    }

    fn resumed(&self) -> Option<Resumed> {
        self.runs.resumed()
    }

    fn leave_out(&mut self, rows: &RowSet) {
        self.runs.leave_out(rows);
    }

    fn finish(
        mut self: Box<Self>,
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<Loaded> {
        let SpatialIndex { store, definition, entries: keyspace, .. } = self.index;
        let to = Place { store, definition, keyspace };
        let loaded = if self.runs.is_empty() {
            let places = self.take();
            let left_out = self.runs.left_out();
            let kept = places.iter().filter(|(row_id, _)| !left_out.contains(*row_id));
            let entries = kept.map(|(row_id, place)| Ok((row_key(*row_id), place.encode())));
            ingest(to, entries, places.len() as u64, progress)?
        } else {
            if !self.places.is_empty() {
                self.spill()?;
            }
            let left_out = self.runs.left_out();
            let is_left_out =
                |key: &[u8]| row_id_of(key).is_some_and(|row_id| left_out.contains(row_id));
            let entries = self.runs.merge();
            let kept = entries.filter(|of| !matches!(of, Ok((key, _)) if is_left_out(key)));
            let written = ingest(to, kept, self.runs.entries(), progress);
            self.runs.end().and(written)?
        };
        self.index.load()?;
        Ok(loaded)
    }
}
