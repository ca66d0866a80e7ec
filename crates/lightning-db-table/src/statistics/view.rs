//! Statistics in the form that estimates read.

use lightning_db_types::sketch::Histogram;
use lightning_db_types::{Value, ValueRef};

use super::collect::{Collected, Column};

/// Values that are kept as common ones.
const COMMON_MAX: usize = 100;
const BUCKETS: usize = 256;
/// How much more often than the average a value is seen to be called common.
const COMMON_FACTOR: f64 = 1.25;
/// Least number of times that a common value is seen in the sample.
const SEEN_MIN: u64 = 3;
/// Values that are kept to try predicates on for which there is nothing else.
const TRIED: usize = 64;

/// All columns of a table.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// By column id; `None` if nothing was seen.
    pub(crate) columns: Vec<Option<ColumnStatistics>>,
}

/// What is known of a column's values.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ColumnStatistics {
    /// Share of rows in which it is null; exact when it was taken.
    pub null_fraction: f64,
    /// Distinct values that are not null; within 5 % most of the time.
    pub distinct: f64,
    /// Common values, ascending, each with its share of the rows.
    pub common: Vec<(Value, f64)>,
    /// Share of the rows that have one of the common values.
    pub common_fraction: f64,
    /// How the other values spread.
    pub histogram: Histogram,
    /// Values that were looked at.
    pub sample_size: usize,
    /// Some of the values, in no order.
    pub some: Vec<Value>,
}

impl View {
    pub(crate) fn new(collected: &Collected) -> Self {
        let rows = collected.rows;
        Self { columns: collected.columns.iter().map(|column| of(column, rows)).collect() }
    }

    pub(crate) fn column(&self, id: usize) -> Option<&ColumnStatistics> {
        self.columns.get(id)?.as_ref()
    }
}

#[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^52")]
fn of(column: &Column, rows: u64) -> Option<ColumnStatistics> {
    let sample = column.sample.items();
    if rows == 0 || sample.is_empty() && column.nulls == 0 {
        return None;
    }
    let null_fraction = (column.nulls as f64 / rows as f64).min(1.0);
    let filled = 1.0 - null_fraction;
    let distinct = column.distinct.estimate().max(1.0).min((rows as f64 * filled).max(1.0));
    let mut sorted = sample.to_vec();
    sorted.sort_unstable();
    let (seen, of) = match column.common_of {
        0 => (runs(&sorted), sorted.len() as u64),
        of => (column.common.top(COMMON_MAX * 2), of),
    };
    let average = of as f64 / distinct;
    let is_common = |count: u64| {
        // Where there are so few values, all of them are listed.
        let few = distinct <= COMMON_MAX as f64;
        count >= SEEN_MIN && (few || count as f64 > average * COMMON_FACTOR)
    };
    let mut common: Vec<(Value, f64)> = seen
        .into_iter()
        .filter(|(_, count)| is_common(*count))
        .take(COMMON_MAX)
        .map(|(value, count)| (value, count as f64 / of as f64 * filled))
        .collect();
    common.sort_by(|left, right| left.0.cmp(&right.0));
    let is_listed = |value: &Value| common.binary_search_by(|(it, _)| it.cmp(value)).is_ok();
    sorted.retain(|value| !is_listed(value));
    Some(ColumnStatistics {
        null_fraction,
        distinct,
        common_fraction: common.iter().map(|(_, share)| share).sum::<f64>().min(filled),
        histogram: Histogram::of_sorted(&sorted, BUCKETS),
        common,
        sample_size: sample.len(),
        some: sample.iter().take(TRIED).cloned().collect(),
    })
}

/// Values of a sorted list with how often each stands there, most frequent first.
fn runs(sorted: &[Value]) -> Vec<(Value, u64)> {
    let mut runs: Vec<(Value, u64)> = sorted
        .chunk_by(|left, right| left == right)
        .map(|run| (run[0].clone(), run.len() as u64))
        .collect();
    runs.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
    runs
}

impl ColumnStatistics {
    /// Share of the rows whose value is common and within bounds given as a test.
    fn common_where(&self, fits: impl Fn(ValueRef<'_>) -> bool) -> f64 {
        let fitting = self.common.iter().filter(|(value, _)| fits(value.as_value_ref()));
        fitting.map(|(_, share)| share).sum()
    }

    /// Share of the rows with a value: the expected one, and the highest to be expected.
    pub(super) fn equal(&self, value: ValueRef<'_>) -> (f64, f64) {
        let found = self.common.binary_search_by(|(it, _)| it.as_value_ref().cmp(&value));
        if let Ok(at) = found {
            return (self.common[at].1, self.common[at].1 * 1.5);
        }
        let rest = (1.0 - self.null_fraction - self.common_fraction).max(0.0);
        #[expect(clippy::cast_precision_loss, reason = "at most 100 values")]
        let others = (self.distinct - self.common.len() as f64).max(1.0);
        let rarest = self.common.iter().map(|(_, share)| *share).fold(1.0, f64::min);
        (rest / others, rest.min(rarest))
    }

    /// Share of the rows below a value, or at most it.
    pub(super) fn below(&self, value: ValueRef<'_>, or_equal: bool) -> f64 {
        let rest = (1.0 - self.null_fraction - self.common_fraction).max(0.0);
        let common = self.common_where(|it| it < value || or_equal && it == value);
        common + rest * self.histogram.fraction_below(value, or_equal)
    }

    /// How far the share of a range may be off, most of the time: twice the bound of Dvoretzky,
    /// Kiefer and Wolfowitz at 95 %, for two ends.
    #[expect(clippy::cast_precision_loss, reason = "a sample of some thousands")]
    pub(super) fn range_error(&self) -> f64 {
        1.36 / (self.sample_size.max(1) as f64).sqrt()
    }
}
