//! Reading the log at open.
//!
//! The rule of the torn tail: a record that cannot be read ends the log if it lies above every
//! durable note, because nothing behind it was acknowledged as durable; at or below a durable note
//! it is damage, and refused.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use lightning_db_types::Vfs;

use super::format::Ops;
use super::segment::{Segment, SegmentReader, Step, list_segments};
use crate::error::{Error, Result};
use crate::planted;

/// What replaying found.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    /// Segments that hold records, oldest first.
    pub(crate) segments: VecDeque<Arc<Segment>>,
    /// Files that hold no record of the log: made when the power went, or behind a torn tail.
    pub(crate) leftovers: Vec<std::path::PathBuf>,
    /// Sequence number of the last record.
    pub(crate) last_seq: u64,
    /// Commits given to the caller.
    pub(crate) commits: u64,
    /// Whether bytes behind the last record were no record: a torn tail, which was left out.
    pub(crate) torn_tail: bool,
    /// Highest sequence number known to be on the disk.
    pub(crate) durable_seq: u64,
}

/// Receives the commits of a replay: sequence number and operations.
pub(crate) type Apply<'a> = dyn FnMut(u64, Ops<'_>) -> Result<()> + 'a;

/// What is known of the log before it is read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Known {
    /// Commits up to this one are in tables.
    pub(crate) floor_seq: u64,
    /// Commits up to this one were synced.
    pub(crate) durable_seq: u64,
}

/// Reads the log in `dir` and gives each commit above the floor to `apply`, in order, up to the
/// last synced one if the caller wants no more.
pub(crate) fn replay(
    vfs: &dyn Vfs,
    dir: &Path,
    known: Known,
    synced_only: bool,
    apply: &mut Apply<'_>,
) -> Result<Replayed> {
    let Known { floor_seq, durable_seq } = known;
    let mut found = Replayed { last_seq: floor_seq, durable_seq, ..Replayed::default() };
    let mut segments = VecDeque::new();
    for path in list_segments(vfs, dir)? {
        match Segment::open(vfs, &path)? {
            Some(segment) => segments.push_back(Arc::new(segment)),
            None => found.leftovers.push(path),
        }
    }
    for segment in &segments {
        found.durable_seq = found.durable_seq.max(segment.durable_seq()?);
    }
    let limit = if synced_only { found.durable_seq } else { u64::MAX };
    // A first segment that starts above the checkpoint means that records between are gone. If they
    // were never synced, neither was anything behind them.
    if let Some(first) = segments.front().filter(|first| first.header.prev_last_seq > floor_seq) {
        if found.durable_seq <= floor_seq {
            found.leftovers.extend(segments.iter().map(|later| later.path.clone()));
            found.torn_tail = true;
            return Ok(found);
        }
        let detail = format!(
            "the log starts at commit {} but the tables end at {floor_seq}",
            first.header.prev_last_seq + 1
        );
        return Err(Error::corrupt(&first.path, 32, detail));
    }
    while let Some(segment) = segments.pop_front() {
        let end_seq = segments.front().map(|next| next.header.prev_last_seq);
        if let Some(end_seq) = end_seq.filter(|end_seq| *end_seq <= floor_seq) {
            // All of it is in tables; it is kept for change readers, who check what they read.
            segment.last_seq.store(end_seq, Ordering::Release);
            segment.synced_seq.store(end_seq, Ordering::Release);
            let next = segments.front().map(|next| next.header.number);
            let number = segment.header.number;
            found.segments.push_back(segment);
            if next != Some(number + 1) {
                // The disk kept the removal of a newer segment and lost that of an older one: what
                // is left before the gap leads readers nowhere. (A segment that could not be made
                // leaves a gap of numbers too; its readers start again once for nothing.)
                let before = found.segments.drain(..).map(|earlier| earlier.path.clone());
                found.leftovers.extend(before);
            }
            continue;
        }
        let stop = end_seq.unwrap_or(u64::MAX).min(limit);
        let end = replay_segment(&segment, floor_seq, stop, apply, &mut found)?;
        let reached = segment.last_seq.load(Ordering::Acquire);
        segment.synced_seq.store(0, Ordering::Release);
        // What is missing at or below the floor is in tables.
        let covered = reached.max(floor_seq);
        let whole = end_seq.is_none_or(|end_seq| covered >= end_seq);
        let damaged = covered < found.durable_seq.min(end_seq.unwrap_or(u64::MAX));
        if damaged && covered < limit && !planted::is("ignore-durable-note") {
            let detail = format!(
                "commit {} cannot be read, and the log was synced up to {}",
                reached + 1,
                found.durable_seq
            );
            return Err(Error::corrupt(&segment.path, end.offset, detail));
        }
        found.segments.push_back(segment);
        found.torn_tail |= end.garbage;
        if !whole {
            found.leftovers.extend(segments.iter().map(|later| later.path.clone()));
            found.torn_tail |= !segments.is_empty();
            break;
        }
    }
    let last = found.segments.back().map_or(0, |last| last.last_seq.load(Ordering::Acquire));
    found.last_seq = found.last_seq.max(last);
    Ok(found)
}

struct End {
    offset: u64,
    garbage: bool,
}

/// Reads one segment up to `stop` or its end.
fn replay_segment(
    segment: &Arc<Segment>,
    floor_seq: u64,
    stop: u64,
    apply: &mut Apply<'_>,
    found: &mut Replayed,
) -> Result<End> {
    let mut reader = SegmentReader::new(Arc::clone(segment));
    let mut reached = segment.header.prev_last_seq;
    loop {
        let offset = reader.offset();
        if reached >= stop {
            return Ok(End { offset, garbage: false });
        }
        match reader.step()? {
            Step::End { offset, garbage } => return Ok(End { offset, garbage }),
            Step::Record { seq, .. } if seq != reached + 1 => {
                return Ok(End { offset, garbage: true });
            }
            Step::Record { seq, ops, payload } => {
                let valid = Ops(payload).flatten().count() == ops as usize;
                if !valid {
                    let detail = format!("operations of commit {seq} cannot be read");
                    return Err(Error::corrupt(&segment.path, offset, detail));
                }
                if seq > floor_seq {
                    apply(seq, Ops(payload))?;
                    found.commits += 1;
                }
                reached = seq;
                segment.last_seq.store(seq, Ordering::Release);
            }
        }
    }
}
