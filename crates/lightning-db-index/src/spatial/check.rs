//! Whether entries, rows and trees agree.

use lightning_db_storage::{Range, Snapshot};

use super::SpatialIndex;
use super::place::Place;
use super::state::Known;
use crate::error::Result;
use crate::index::{IndexedRows, Problem};
use crate::reader::Reader;
use crate::row::row_id_of;

/// Compares the entries with the rows, and the trees with the entries.
pub(super) fn check(
    index: &SpatialIndex,
    snapshot: &Snapshot,
    rows: &mut IndexedRows<'_>,
) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    let mut entries =
        Entries { index, range: snapshot.iter(&index.entries), next: None, seen: Vec::new() };
    entries.advance(&mut problems)?;
    rows.for_each(&mut |row_id, row| {
        let expected = match index.place(row) {
            Ok(place) => place,
            Err(error) => {
                let detail = format!("the row cannot be indexed: {error}");
                problems.push(Problem::Missing { row_id, detail });
                return Ok(());
            }
        };
        while let Some((extra, place)) = entries.next.filter(|(at, _)| *at < row_id) {
            problems.push(no_row(extra, &place));
            entries.advance(&mut problems)?;
        }
        let found = entries.next.filter(|(at, _)| *at == row_id).map(|(_, place)| place);
        if found.is_some() {
            entries.advance(&mut problems)?;
        }
        match (expected, found) {
            (Some(expected), None) => {
                let detail = format!("no entry for {expected:?}");
                problems.push(Problem::Missing { row_id, detail });
            }
            (Some(expected), Some(found)) if expected != found => {
                let detail = format!("the entry is {found:?}, the row says {expected:?}");
                problems.push(Problem::Missing { row_id, detail });
            }
            (None, Some(found)) => problems.push(no_row(row_id, &found)),
            _ => {}
        }
        Ok(())
    })?;
    while let Some((extra, place)) = entries.next {
        problems.push(no_row(extra, &place));
        entries.advance(&mut problems)?;
    }
    check_trees(index, snapshot, entries.seen, &mut problems)?;
    Ok(problems)
}

fn no_row(row_id: u64, place: &Place) -> Problem {
    Problem::Extra { row_id, detail: format!("no row has {place:?}") }
}

/// The entries of a snapshot, one ahead.
struct Entries<'a> {
    index: &'a SpatialIndex,
    range: Range,
    next: Option<(u64, Place)>,
    /// All that have been read.
    seen: Vec<(u64, Place)>,
}

impl Entries<'_> {
    fn advance(&mut self, problems: &mut Vec<Problem>) -> Result<()> {
        self.next = None;
        for entry in self.range.by_ref() {
            let (key, value) = entry?;
            match self.index.decode(&key, &value) {
                Ok(decoded) => {
                    self.next = Some(decoded);
                    self.seen.push(decoded);
                    break;
                }
                Err(error) => match row_id_of(&key) {
                    Some(row_id) => {
                        problems.push(Problem::Missing { row_id, detail: error.to_string() });
                    }
                    None => problems.push(Problem::Structure { detail: error.to_string() }),
                },
            }
        }
        Ok(())
    }
}

/// Compares what a reader of the trees sees with the entries, which ascend by row.
fn check_trees(
    index: &SpatialIndex,
    snapshot: &Snapshot,
    entries: Vec<(u64, Place)>,
    problems: &mut Vec<Problem>,
) -> Result<()> {
    for level in &*index.state.levels().0 {
        problems.extend(level.damage().map(|detail| Problem::Structure { detail }));
    }
    if !matches!(index.state.read(snapshot.lsn()), Known::Seen { .. }) {
        // The snapshot is answered from the entries.
        return Ok(());
    }
    let mut places = Vec::with_capacity(entries.len());
    index.view(Reader::Snapshot(snapshot))?.for_each(&mut |row_id, place| {
        places.push((row_id, *place));
    });
    places.sort_unstable_by_key(|(row_id, _)| *row_id);
    let mut places = places.into_iter().peekable();
    for (row_id, entry) in entries {
        while let Some((extra, place)) = places.next_if(|(at, _)| *at < row_id) {
            let detail = format!("the trees hold row {extra} at {place:?}, the entries do not");
            problems.push(Problem::Structure { detail });
        }
        match places.next_if(|(at, _)| *at == row_id) {
            Some((_, place)) if place == entry => {}
            found => {
                let found = found.map(|(_, place)| place);
                let detail = format!("row {row_id} is at {entry:?}, but {found:?} in the trees");
                problems.push(Problem::Structure { detail });
            }
        }
    }
    for (extra, place) in places {
        let detail = format!("the trees hold row {extra} at {place:?}, the entries do not");
        problems.push(Problem::Structure { detail });
    }
    Ok(())
}
