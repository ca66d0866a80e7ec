//! Which runs to merge.
//!
//! Runs of similar size are merged, so that an entry is written again a logarithmic number of times
//! (tiering); when the newer runs have grown to the size of the oldest one, all are merged, which
//! bounds dead space by about half. See docs/decisions/0001 for the measurements. Runs whose keys
//! lie apart, as those of keys that are inserted in order do, become one without writing anything.
//! When no writes come, runs are merged until one or two are left, as far as that pays.

use std::ops::Range;

use crate::table::Portion;
use crate::view::Run;

/// Runs of similar size that are merged into one.
const FAN_IN: usize = 4;
/// Bytes up to which a keyspace is small.
const SMALL_LEN: u64 = 128 << 20;
/// Most runs of a keyspace before the newest are merged whatever their sizes.
const RUNS_MAX: usize = 12;
/// An idle merge may read this many bytes for each byte of the runs behind which reads look.
const IDLE_COST_MAX: u64 = 9;
/// A table that is shorter than a whole one by more than this factor is not left as it is: there
/// would be too many of them.
const KEPT_LEN_FACTOR: u64 = 8;

/// What decides besides the runs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rules {
    /// Commit that last emptied the keyspace, or zero.
    pub(super) floor: u64,
    /// Whether a merge filter may drop entries.
    pub(super) filtered: bool,
    pub(super) now_ms: u64,
    pub(super) oldest_snapshot: Option<u64>,
    /// Length of a whole table.
    pub(super) table_size: u64,
    /// Whether memtables wait for their flush: writers then need the processor and the disk more
    /// than reads need fewer runs.
    pub(super) pressed: bool,
}

impl Rules {
    /// Whether a merge of runs leaves a table of one of them as it is: it has nothing to give back,
    /// and no other one of the runs has a key within its own.
    pub(super) fn keeps(&self, portion: &Portion, at: usize, runs: &[&Run]) -> bool {
        let meta = portion.meta();
        let settled = meta.tombstones == 0 && meta.older == 0 && meta.expiring == 0;
        portion.bound().is_none()
            && meta.file_len >= self.table_size / KEPT_LEN_FACTOR
            && settled
            && !self.filtered
            && meta.seq_min >= self.floor
            && runs.iter().enumerate().all(|(other, run)| {
                other == at || !run.overlaps(portion.first_key(), portion.last_key())
            })
    }

    /// Bytes of tables that a merge of runs reads.
    fn cost(&self, runs: &[Run]) -> u64 {
        let runs: Vec<&Run> = runs.iter().collect();
        let tables = runs.iter().enumerate();
        let tables = tables.flat_map(|(at, run)| run.tables.iter().map(move |table| (at, table)));
        let read = tables.filter(|(at, table)| !self.keeps(table, *at, &runs));
        read.map(|(_, table)| table.meta().file_len).sum()
    }

    /// Whether a run holds nothing that a reader needs, or little. A merge of one run gives back
    /// space only then.
    fn is_dead(&self, run: &Run) -> bool {
        self.oldest_snapshot.is_none_or(|oldest| oldest >= self.floor) && run.seq_max() < self.floor
            || self.oldest_snapshot.is_none() && self.is_mostly_expired(run)
    }

    /// Whether half of a run's entries have expired.
    fn is_mostly_expired(&self, run: &Run) -> bool {
        let metas = || run.tables.iter().map(Portion::meta);
        let entries: u64 = metas().map(|meta| meta.entries).sum();
        let expired = metas().filter(|meta| meta.max_expires_at_ms <= self.now_ms);
        2 * expired.map(|meta| meta.expiring).sum::<u64>() >= entries.max(1)
    }
}

/// Bytes of the files of runs.
pub(super) fn len_of(runs: &[Run]) -> u64 {
    runs.iter().map(Run::len).sum()
}

/// Which runs to merge now, as a range of their positions (newest first). They are the newest runs
/// of a keyspace, and `whole` if they are all.
pub(super) fn due(runs: &[Run], whole: bool, rules: &Rules) -> Option<Range<usize>> {
    let lens: Vec<u64> = runs.iter().map(Run::len).collect();
    let count = lens.len();
    if let Some(at) = runs.windows(2).position(|pair| rules.cost(pair) == 0) {
        return Some(at..at + 2);
    }
    let newer: u64 = lens.iter().rev().skip(1).sum();
    let oldest = lens.last().copied().unwrap_or(0);
    // A small keyspace is merged early: that takes a moment, and a range then reads one run.
    let early = !rules.pressed && newer + oldest <= SMALL_LEN && newer >= oldest / 4;
    if whole && (count >= 2 && early || count >= FAN_IN && newer >= oldest) {
        return Some(0..count);
    }
    for from in 0..count {
        let mut sum = lens[from];
        let mut to = from + 1;
        while to < count && lens[to] <= 2 * sum / (to - from) as u64 {
            sum += lens[to];
            to += 1;
        }
        if to - from >= FAN_IN {
            return Some(from..to);
        }
    }
    if count > RUNS_MAX {
        return Some(0..count.div_ceil(2));
    }
    runs.iter().position(|run| rules.is_dead(run)).map(|at| at..at + 1)
}

/// Which runs to merge while nothing else is to be done: as many as can be for at most `allowed`
/// bytes, and only if those in which a read looks first are not few beside what is read for them.
pub(super) fn idle(runs: &[Run], allowed: u64, rules: &Rules) -> Option<Range<usize>> {
    (2..=runs.len()).rev().map(|to| 0..to).find(|range| {
        let cost = rules.cost(&runs[range.clone()]);
        let newer = len_of(&runs[..range.end - 1]);
        cost <= allowed && cost <= newer.saturating_mul(IDLE_COST_MAX)
    })
}
