//! Bulk builds of an ordered index.

use std::ops::ControlFlow;

use lightning_db_expression::Columns;

use super::OrderedIndex;
use crate::error::Result;
use crate::loader::{Loaded, Loader, Loading, Resumed};
use crate::native::load::{Sorter, Unique, Writer};
use crate::native::sketch::Known;
use crate::row_set::RowSet;

pub(super) struct OrderedLoader<'a> {
    index: &'a OrderedIndex,
    sorter: Sorter<'a>,
    known: Known,
}

impl<'a> OrderedLoader<'a> {
    pub(super) fn new(index: &'a OrderedIndex, loading: Loading) -> Result<Self> {
        let known = Known::new(index.plan.definition.parts.len());
        let sorter = Sorter::new(index.place(), loading, || index.plan.seen_types())?;
        // Those of rows that are not read again; the note of them may have gone with the entries.
        index.plan.note_types(sorter.kept())?;
        Ok(Self { index, sorter, known })
    }
}

impl Loader for OrderedLoader<'_> {
    fn add(&mut self, row_id: u64, row: &dyn Columns) -> Result<()> {
        let entry = self.index.entry(row_id, row)?;
        self.known.observe(&entry.key, self.index.plan.ends(&entry.key));
        self.sorter.push(row_id, &entry.key, &entry.value)
    }

    fn pass(&mut self, row_id: u64) {
        self.sorter.pass(row_id);
    }

    fn resumed(&self) -> Option<Resumed> {
        self.sorter.resumed()
    }

    fn leave_out(&mut self, rows: &RowSet) {
        self.sorter.leave_out(rows);
    }

    fn finish(
        self: Box<Self>,
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<Loaded> {
        let Self { index, sorter, known } = *self;
        let unique =
            Unique { same: &|_, _| true, text: &|key, _| index.plan.text(key), joined: false };
        let unique = index.options.unique.then_some(unique);
        let row_of = |key: &[u8], value: &[u8]| index.row_id_of(key, value).unwrap_or(0);
        let is_whole = sorter.resumed().is_none();
        let loaded = sorter.finish(&mut Writer { row_of: &row_of, unique, progress })?;
        if loaded.duplicates.is_empty() {
            index.sketch.load(&known, loaded.entries, is_whole);
        }
        Ok(loaded)
    }
}
