//! Comparing the entries of an index with the rows.

use lightning_db_expression::Columns;
use lightning_db_storage::{Keyspace, Slice, Snapshot};

use super::key::FIRST;
use crate::error::Result;
use crate::index::{IndexedRows, Problem};

/// Key and value of a row's entry.
type EntryOf<'a> = &'a dyn Fn(u64, &dyn Columns) -> Result<(Vec<u8>, Vec<u8>)>;

/// How an index makes entries, and reads them.
pub(super) struct Shape<'a> {
    pub(super) entry: EntryOf<'a>,
    /// Number of the row that an entry names; `None` if the entry cannot be read.
    pub(super) row_id: &'a dyn Fn(&Slice, &Slice) -> Option<u64>,
    pub(super) text: &'a dyn Fn(&[u8]) -> String,
}

/// Each row must have its entry. If there are then as many entries as rows, there are no others, as
/// no two rows have one entry; if not, the row of each entry is looked at.
pub(super) fn check(
    snapshot: &Snapshot,
    keyspace: &Keyspace,
    rows: &mut IndexedRows<'_>,
    shape: &Shape<'_>,
) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    let mut right = 0_u64;
    rows.for_each(&mut |row_id, row| {
        let (key, value) = (shape.entry)(row_id, row)?;
        let missing = |detail| Problem::Missing { row_id, detail };
        let shown = || (shape.text)(&key);
        match snapshot.get(keyspace, &key)? {
            Some(found) if *found == *value => right += 1,
            Some(found) => {
                let other = Slice::from(&key[..]);
                let detail = match (shape.row_id)(&other, &found) {
                    Some(other) if other != row_id => {
                        format!("the key ({}) is that of row {other}", shown())
                    }
                    _ => format!("the key ({}) has other stored columns", shown()),
                };
                // The entry is there, if not as it should be.
                right += u64::from(detail.ends_with("columns"));
                problems.push(missing(detail));
            }
            None => problems.push(missing(format!("there is no key ({})", shown()))),
        }
        Ok(())
    })?;
    let mut entries = 0;
    let mut last: Option<Slice> = None;
    for item in snapshot.range(keyspace, FIRST..) {
        let (key, value) = item?;
        entries += 1;
        if (shape.row_id)(&key, &value).is_none() {
            let detail = format!("the entry {key:?} cannot be read");
            problems.push(Problem::Structure { detail });
        }
        if last.as_ref().is_some_and(|last| *last >= key) {
            problems.push(Problem::Structure { detail: format!("{key:?} is out of order") });
        }
        last = Some(key);
    }
    if entries > right {
        find_extra(snapshot, keyspace, rows, shape, &mut problems)?;
    }
    if snapshot.range(keyspace, &b"\x00\x01"[..]..&FIRST[..]).next().is_some() {
        let detail = "a key was claimed in a commit, and never got".to_owned();
        problems.push(Problem::Structure { detail });
    }
    Ok(problems)
}

fn find_extra(
    snapshot: &Snapshot,
    keyspace: &Keyspace,
    rows: &IndexedRows<'_>,
    shape: &Shape<'_>,
    problems: &mut Vec<Problem>,
) -> Result<()> {
    for item in snapshot.range(keyspace, FIRST..) {
        let (key, value) = item?;
        let Some(row_id) = (shape.row_id)(&key, &value) else { continue };
        let mut expected = false;
        rows.rows.get(rows.reader, row_id, &mut |row| {
            expected = rows.definition.holds(row)? && *(shape.entry)(row_id, row)?.0 == *key;
            Ok(())
        })?;
        if !expected {
            let detail = format!("no row has the key ({})", (shape.text)(&key));
            problems.push(Problem::Extra { row_id, detail });
        }
    }
    Ok(())
}
