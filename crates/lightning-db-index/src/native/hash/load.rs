//! Bulk builds and checks of a hash index.

use std::ops::ControlFlow;

use lightning_db_expression::Columns;
use lightning_db_storage::Snapshot;

use super::{HashIndex, HashedKey, Member, members, push_member, rows_of};
use crate::error::Result;
use crate::index::{IndexedRows, Problem};
use crate::loader::{Loaded, Loader, Loading, Resumed};
use crate::native::load::{Sorter, Unique, Writer};
use crate::native::sketch::Known;
use crate::reader::Reader;
use crate::row_set::RowSet;
use crate::runs::Place;

pub(super) struct HashLoader<'a> {
    index: &'a HashIndex,
    sorter: Sorter<'a>,
    known: Known,
    /// Rows that were added.
    rows: u64,
}

pub(super) fn loader(index: &HashIndex, loading: Loading) -> Result<HashLoader<'_>> {
    let (store, definition, keyspace) = (&index.store, &*index.definition, &index.keyspace);
    let sorter = Sorter::new(Place { store, definition, keyspace }, loading, Vec::new)?;
    Ok(HashLoader { index, sorter, known: Known::new(1), rows: 0 })
}

impl Loader for HashLoader<'_> {
    fn add(&mut self, row_id: u64, row: &dyn Columns) -> Result<()> {
        let HashedKey { encoded, exclusive } = self.index.key(row)?;
        self.known.observe(&encoded, [encoded.len()]);
        self.rows += 1;
        if !exclusive {
            let key = self.index.shared_key(&encoded, row_id);
            return self.sorter.push(row_id, &key, &encoded);
        }
        let mut value = Vec::with_capacity(encoded.len() + 12);
        push_member(&mut value, Member { row_id, encoded: &encoded });
        self.sorter.push(row_id, &self.index.hash(&encoded), &value)
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
        let Self { index, sorter, known, rows } = *self;
        let member = |value: &[u8]| members(value).next().map(|one| one.encoded.to_vec());
        let unique = Unique {
            same: &|left, right| member(left) == member(right),
            text: &|_, value| member(value).map_or_else(String::new, |key| HashIndex::text(&key)),
            joined: true,
        };
        let unique = index.unique.then_some(unique);
        let row_of = |key: &[u8], value: &[u8]| match key.get(8..).and_then(<[u8]>::first_chunk) {
            Some(row_id) => u64::from_be_bytes(*row_id),
            None => members(value).next().map_or(0, |one| one.row_id),
        };
        let is_whole = sorter.resumed().is_none();
        let loaded = sorter.finish(&mut Writer { row_of: &row_of, unique, progress })?;
        if loaded.duplicates.is_empty() {
            index.sketch.load(&known, rows, is_whole);
        }
        Ok(loaded)
    }
}

/// Each row must be found by its key. If there are then as many entries as rows, there are no
/// others; if not, the row of each entry is looked at.
pub(super) fn check(
    index: &HashIndex,
    snapshot: &Snapshot,
    rows: &mut IndexedRows<'_>,
) -> Result<Vec<Problem>> {
    let reader = Reader::Snapshot(snapshot);
    let mut problems = Vec::new();
    let mut right = 0_u64;
    rows.for_each(&mut |row_id, row| {
        let key = index.key(row)?;
        let mut found = false;
        index.find(reader, key.borrowed(), &mut |other| found |= other == row_id)?;
        if found {
            right += 1;
        } else {
            let detail = format!("there is no key ({})", HashIndex::text(&key.encoded));
            problems.push(Problem::Missing { row_id, detail });
        }
        Ok(())
    })?;
    let mut entries = 0;
    for item in snapshot.iter(&index.keyspace) {
        let (entry, value) = item?;
        let Some(of_entry) = rows_of(&entry, &value) else {
            let detail = format!("the entry {entry:?} cannot be read");
            problems.push(Problem::Structure { detail });
            continue;
        };
        entries += of_entry.len() as u64;
        if of_entry.iter().any(|(_, encoded)| !entry.starts_with(&index.hash(encoded))) {
            let detail = format!("the entry {entry:?} is not under the hash of its key");
            problems.push(Problem::Structure { detail });
        }
    }
    if entries > right {
        find_extra(index, snapshot, rows, &mut problems)?;
    }
    Ok(problems)
}

fn find_extra(
    index: &HashIndex,
    snapshot: &Snapshot,
    rows: &IndexedRows<'_>,
    problems: &mut Vec<Problem>,
) -> Result<()> {
    for item in snapshot.iter(&index.keyspace) {
        let (entry, value) = item?;
        for (row_id, encoded) in rows_of(&entry, &value).unwrap_or_default() {
            let mut expected = false;
            rows.rows.get(rows.reader, row_id, &mut |row| {
                expected = rows.definition.holds(row)? && index.key(row)?.encoded == encoded;
                Ok(())
            })?;
            if !expected {
                let detail = format!("no row has the key ({})", HashIndex::text(&encoded));
                problems.push(Problem::Extra { row_id, detail });
            }
        }
    }
    Ok(())
}
