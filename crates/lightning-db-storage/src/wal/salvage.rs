//! Reading what can be read of a damaged log.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lightning_db_types::Vfs;

use super::format::Ops;
use super::replay::Apply;
use super::segment::{Segment, SegmentReader, Step, list_segments};
use crate::error::{Error, Result};

/// Records start at multiples of this.
const ALIGN: u64 = 8;

/// What was read, and what was not.
#[derive(Debug, Default)]
pub(crate) struct Salvaged {
    /// Commits given to the caller.
    pub(crate) commits: u64,
    /// Number of the last one.
    pub(crate) last_seq: u64,
    /// Damaged segments, and what of them is lost.
    pub(crate) lost: Vec<(PathBuf, String)>,
}

/// Gives every commit above `floor_seq` that can be read to `apply`, in order. Damage is stepped
/// over: a record's checksum covers the random number of its segment, so that a record found by
/// looking at each place is one.
pub(crate) fn salvage(
    vfs: &dyn Vfs,
    dir: &Path,
    floor_seq: u64,
    apply: &mut Apply<'_>,
) -> Result<Salvaged> {
    let mut found = Salvaged { last_seq: floor_seq, ..Salvaged::default() };
    for path in list_segments(vfs, dir)? {
        let segment = match Segment::open(vfs, &path) {
            Ok(Some(segment)) => segment,
            Ok(None) => continue,
            Err(error @ Error::FormatVersion { .. }) => return Err(error),
            Err(error) => {
                found.lost.push((path, format!("all of its commits: {error}")));
                continue;
            }
        };
        salvage_segment(segment, apply, &mut found)?;
    }
    Ok(found)
}

fn salvage_segment(segment: Segment, apply: &mut Apply<'_>, found: &mut Salvaged) -> Result<()> {
    let durable_seq = segment.durable_seq().unwrap_or(0);
    let capacity = segment.header.capacity;
    let path = segment.path.clone();
    let mut reached = segment.header.prev_last_seq;
    let mut reader = SegmentReader::new(Arc::new(segment));
    let mut offset = reader.offset();
    while offset < capacity {
        reader.jump_within(offset);
        match reader.step()? {
            Step::Record { seq, ops, payload } if seq > reached => {
                if seq > reached + 1 {
                    found.lost.push((path.clone(), lost_commits(reached + 1, seq - 1)));
                }
                let whole = Ops(payload).flatten().count() == ops as usize;
                if seq > found.last_seq && whole {
                    apply(seq, Ops(payload))?;
                    found.commits += 1;
                    found.last_seq = seq;
                }
                reached = seq;
                offset = reader.offset();
            }
            // A record of before the last cut of the log.
            Step::Record { .. } => offset = reader.offset(),
            Step::End { garbage: false, .. } if reached >= durable_seq => break,
            Step::End { .. } => offset += ALIGN,
        }
    }
    if reached < durable_seq {
        found.lost.push((path, lost_commits(reached + 1, durable_seq)));
    }
    Ok(())
}

fn lost_commits(first: u64, last: u64) -> String {
    if first == last { format!("commit {first}") } else { format!("commits {first} to {last}") }
}
