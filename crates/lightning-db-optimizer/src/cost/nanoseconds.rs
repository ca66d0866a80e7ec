//! Cost in nanoseconds: a sum of counted things, each times a constant that can be measured.

use super::pages::pages_touched;
use super::{Constant, Constants, CostModel, Work};

/// Tables and hash tables up to this size count as cached.
const CACHE_BYTES: f64 = 1_048_576.0;
/// Look-ups in those from this size on all miss the cache.
const MEMORY_BYTES: f64 = 67_108_864.0;
/// A page of a table.
const PAGE_BYTES: f64 = 4_096.0;
/// What a row takes in a hash table beside its own bytes.
const TABLE_ENTRY_BYTES: f64 = 16.0;
/// Rows of a block of a set of rows.
const SET_BLOCK_ROWS: f64 = 65_536.0;

/// The time that work takes on one worker, in nanoseconds.
///
/// # Examples
/// ```
/// use lightning_db_optimizer::{CostModel, Nanoseconds, Work};
/// let model = Nanoseconds::default();
/// let seek = model.cost(&Work::Seek { count: 1.0, entries: 1e6 });
/// let scan = model.cost(&Work::Scan { rows: 1e6, pages: 1e4, columns: 2.0 });
/// assert!(seek * 1_000.0 < scan);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Nanoseconds {
    constants: Constants,
}

impl Nanoseconds {
    /// With constants that were measured on this machine.
    pub fn new(constants: Constants) -> Self {
        Self { constants }
    }

    /// The constants.
    pub fn constants(&self) -> &Constants {
        &self.constants
    }
}

impl CostModel for Nanoseconds {
    fn cost(&self, work: &Work) -> f64 {
        let mut sum = 0.0;
        count(work, &mut |constant, times| sum += self.constants.get(constant) * times);
        sum
    }

    fn unit(&self) -> &'static str {
        "ns"
    }

    fn worker_cost_min(&self) -> f64 {
        5e6
    }
}

/// Tells how often each constant counts in a piece of work.
pub(super) fn count(work: &Work, add: &mut impl FnMut(Constant, f64)) {
    // A number that is NaN or negative counts as none, so that no plan is free of cost by mistake.
    let mut add = |constant, times: f64| add(constant, times.max(0.0));
    match *work {
        Work::HashBuild { .. }
        | Work::HashProbe { .. }
        | Work::Merge { .. }
        | Work::NestedLoop { .. }
        | Work::Sort { .. }
        | Work::HashAggregate { .. }
        | Work::StreamAggregate { .. } => count_in_memory(work, &mut add),
        Work::Exchange { rows, width } => {
            add(Constant::ExchangeRow, rows);
            add(Constant::CopyByte, rows * width);
        }
        Work::Workers { count } => add(Constant::WorkerStart, count),
        Work::Emit { rows } => add(Constant::EmitRow, rows),
        Work::Evaluate { rows, scalars } => add(Constant::Evaluate, rows * scalars),
        _ => count_access(work, &mut add),
    }
}

/// Work on tables and indexes.
fn count_access(work: &Work, add: &mut impl FnMut(Constant, f64)) {
    match *work {
        Work::Scan { rows, pages, columns } => {
            add(Constant::ScanRow, rows);
            add(Constant::ScanPage, pages);
            add(Constant::Decode, rows * columns);
        }
        Work::Seek { count, entries } => {
            add(Constant::Seek, count);
            add(Constant::SeekLevel, count * doublings(entries));
        }
        Work::HashSeek { count } => add(Constant::HashSeek, count),
        Work::Entries { rows, columns } => {
            add(Constant::Entry, rows);
            add(Constant::Decode, rows * columns);
        }
        Work::Fetch { rows, table_rows, pages, clustering, sorted, columns } => {
            let apart = if sorted { pages_touched(rows, table_rows, pages, 0.0) } else { rows };
            add(Constant::FetchRow, rows);
            add(Constant::FetchMiss, rows_missed((rows, apart), table_rows, pages, clustering));
            add(Constant::Decode, rows * columns);
        }
        Work::BitmapRead { sets, table_rows } => {
            add(Constant::BitmapSet, sets);
            add(Constant::BitmapBlock, sets * (table_rows / SET_BLOCK_ROWS).ceil());
        }
        Work::SetCombine { rows, table_rows } => {
            add(Constant::SetRow, rows);
            // The search that finds the rows has a first block in its cost.
            let blocks = rows.min((table_rows / SET_BLOCK_ROWS).ceil());
            add(Constant::BitmapBlock, (blocks - 1.0).max(0.0));
        }
        Work::Spatial { rows, entries } => {
            add(Constant::SpatialLevel, doublings(entries));
            add(Constant::SpatialRow, rows);
        }
        Work::Text { rows, entries } => {
            add(Constant::TextLevel, doublings(entries));
            add(Constant::TextRow, rows);
        }
        Work::Bloom { count } => add(Constant::Bloom, count),
        _ => {}
    }
}

/// Work on rows that have been read.
fn count_in_memory(work: &Work, add: &mut impl FnMut(Constant, f64)) {
    match *work {
        Work::HashBuild { rows, width } => {
            add(Constant::BuildRow, rows);
            add(Constant::CopyByte, rows * width);
        }
        Work::HashProbe { rows, build_rows, build_width } => {
            let missed = missed(build_rows * (build_width + TABLE_ENTRY_BYTES));
            add(Constant::ProbeCache, rows * (1.0 - missed));
            add(Constant::ProbeMemory, rows * missed);
        }
        Work::Merge { rows } => add(Constant::MergeRow, rows),
        Work::NestedLoop { pairs } => add(Constant::NestedPair, pairs),
        Work::Sort { rows, width, kept } => {
            let kept = kept.min(rows);
            add(Constant::SortCompare, rows * doublings(kept));
            add(Constant::CopyByte, kept * width);
        }
        Work::HashAggregate { rows, groups, aggregates } => {
            add(Constant::AggregateRow, rows);
            add(Constant::AggregateGroup, groups);
            add(Constant::AggregateValue, rows * aggregates);
        }
        Work::StreamAggregate { rows, keys, aggregates } => {
            add(Constant::StreamRow, rows * keys);
            add(Constant::AggregateValue, rows * aggregates);
        }
        _ => {}
    }
}

/// How often one must be doubled to reach a number; at least one.
fn doublings(number: f64) -> f64 {
    number.max(2.0).log2()
}

/// Share of look-ups that miss the cache, for a table of this size: none up to the cache's size,
/// then rising with each doubling.
fn missed(bytes: f64) -> f64 {
    let doublings = (bytes.max(CACHE_BYTES) / CACHE_BYTES).log2();
    (doublings / (MEMORY_BYTES / CACHE_BYTES).log2()).clamp(0.0, 1.0)
}

/// Rows of those that are fetched that lie elsewhere than the one before and in no cache: scattered
/// ones so many, clustered ones one for each page, of tables larger than the caches.
fn rows_missed((rows, scattered): (f64, f64), table_rows: f64, pages: f64, clustering: f64) -> f64 {
    let clustering = clustering.abs().clamp(0.0, 1.0);
    let pages_clustered = (rows / table_rows.max(1.0)).min(1.0) * pages;
    let apart = scattered.min(rows) * (1.0 - clustering) + pages_clustered.min(rows) * clustering;
    apart * missed(pages * PAGE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(work: &Work) -> f64 {
        Nanoseconds::default().cost(work)
    }

    #[test]
    fn rows_of_large_tables_miss_the_cache_unless_they_are_clustered() {
        let missed = |clustering, pages| rows_missed((1e3, 1e3), 1e6, pages, clustering);
        assert!((missed(0.0, 2e4) - 1e3).abs() < 1e-6);
        assert!((missed(1.0, 2e4) - 20.0).abs() < 1e-6);
        assert!(missed(0.0, 256.0).abs() < 1e-6);
        assert!((missed(0.0, 2_048.0) - 500.0).abs() < 1e-6);
    }

    #[test]
    fn rows_that_are_fetched_in_their_order_miss_once_a_page() {
        let fetch = |rows: f64, sorted: bool| {
            let (table_rows, pages, clustering, columns) = (3e5, 7e3, 0.0, 1.0);
            cost(&Work::Fetch { rows, table_rows, pages, clustering, sorted, columns })
        };
        assert!(fetch(6e4, true) * 2.0 < fetch(6e4, false));
        assert!(fetch(10.0, true) > fetch(10.0, false) * 0.99);
    }

    #[test]
    fn large_hash_tables_are_slower_to_probe() {
        let probe =
            |build_rows| cost(&Work::HashProbe { rows: 1e6, build_rows, build_width: 16.0 });
        assert!(probe(1e3) < probe(1e6) && probe(1e6) < probe(1e8));
        assert!((probe(1.0) - probe(1e4)).abs() < 1e-6);
    }

    #[test]
    fn a_limit_makes_a_sort_cheaper() {
        let sort = |kept| cost(&Work::Sort { rows: 1e6, width: 50.0, kept });
        assert!(sort(10.0) * 4.0 < sort(1e6));
        assert!((sort(1e6) - sort(1e9)).abs() < 1e-6);
    }

    #[test]
    fn numbers_that_are_none_cost_nothing_and_never_less() {
        for rows in [f64::NAN, -5.0] {
            let cost = cost(&Work::Emit { rows });
            assert!(cost.abs() < 1e-9, "{cost}");
        }
    }
}
