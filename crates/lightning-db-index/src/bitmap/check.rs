//! Comparing a bitmap index with the rows.

use std::collections::BTreeMap;

use lightning_db_storage::Snapshot;

use super::BitmapIndex;
use super::sets::{ChunkError, Chunks, Scratch};
use crate::error::Result;
use crate::index::{IndexedRows, Problem};
use crate::reader::Reader;
use crate::row_set::{Rows, portable::SetWriter};

/// After so many problems the rest is not listed.
const PROBLEMS_MAX: usize = 1_000;

impl BitmapIndex {
    /// Compares all sets with those that the rows make.
    pub(super) fn compare(
        &self,
        snapshot: &Snapshot,
        rows: &mut IndexedRows<'_>,
    ) -> Result<Vec<Problem>> {
        let mut wanted: BTreeMap<Vec<u8>, Rows> = BTreeMap::new();
        rows.for_each(&mut |row_id, row| {
            for set in self.sets_of(row)? {
                wanted.entry(set).or_default().insert(row_id);
            }
            Ok(())
        })?;
        let mut problems = Vec::new();
        let mut found: BTreeMap<Vec<u8>, Rows> = BTreeMap::new();
        let entries = Reader::Snapshot(snapshot).range::<&[u8]>(&self.keyspace, ..);
        let mut chunks = Chunks::new(entries);
        let mut scratch = Scratch::new();
        loop {
            let (set, stored) = match chunks.next_chunk() {
                Ok(Some(next)) => next,
                Ok(None) => break,
                Err(ChunkError::Store(error)) => return Err(error),
                Err(error) => {
                    let detail = self.of_chunk(error).to_string();
                    problems.push(Problem::Structure { detail });
                    continue;
                }
            };
            let read = stored.container(&mut scratch);
            let read = read.and_then(|(rows, container)| {
                container.validate(rows)?;
                Ok((rows, container))
            });
            let chunk = stored.chunk;
            match read {
                Err(detail) => {
                    let detail = format!("{}, chunk {chunk}: {detail}", set.escape_ascii());
                    problems.push(Problem::Structure { detail });
                }
                Ok((0, _)) => {}
                Ok((rows, container)) => {
                    let mut writer = SetWriter::default();
                    writer.push(chunk, rows, container)?;
                    let of_set = found.entry(set).or_default();
                    *of_set = of_set.or(&writer.finish()?);
                }
            }
        }
        let sets: std::collections::BTreeSet<&Vec<u8>> =
            wanted.keys().chain(found.keys()).collect();
        let none = Rows::default();
        for set in sets {
            let (wanted, found) =
                (wanted.get(set).unwrap_or(&none), found.get(set).unwrap_or(&none));
            let detail = || format!("in set {}", set.escape_ascii());
            let missing = wanted.and_not(found);
            let missing =
                missing.iter().map(|row_id| Problem::Missing { row_id, detail: detail() });
            let extra = found.and_not(wanted);
            let extra = extra.iter().map(|row_id| Problem::Extra { row_id, detail: detail() });
            let room = PROBLEMS_MAX.saturating_sub(problems.len());
            problems.extend(missing.chain(extra).take(room));
        }
        Ok(problems)
    }
}
