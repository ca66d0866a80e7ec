//! Statistics of one column from what was counted and the sample.

use lightning_db_types::Value;
use lightning_db_types::sketch::Histogram;

use super::ColumnStatistics;
use super::collect::{COUNTED, ColumnBuilder, Numbered, StatisticsLimits};

/// A value is common if it occurs so many times more often than the average one.
const COMMON_FACTOR: f64 = 1.25;
/// Occurrences that a common value has at least, where not all values were counted.
const COMMON_MIN: f64 = 10.0;

/// Statistics of a column; the sample is in the order of the rows.
pub(super) fn statistics(
    counted: &ColumnBuilder,
    position: usize,
    sample: &[Numbered],
    rows: u64,
    limits: StatisticsLimits,
) -> ColumnStatistics {
    let present = number(rows - counted.nulls.min(rows));
    let (common, distinct) = common(counted, position, sample, rows, limits);
    let values = sample.iter().map(|(_, row)| row.get(position).unwrap_or(&Value::Null));
    let is_rest = |value: &&Value| !value.is_null() && !common.iter().any(|(it, _)| it == *value);
    let mut rest: Vec<Value> = if common.len() < 16 {
        values.filter(is_rest).cloned().collect()
    } else {
        let mut known: Vec<&Value> = common.iter().map(|(value, _)| value).collect();
        known.sort_unstable();
        let is_rest = |value: &&Value| !value.is_null() && known.binary_search(value).is_err();
        values.filter(is_rest).cloned().collect()
    };
    if !rest.is_empty() {
        // The ends are known, and seldom in the sample.
        let ends = [&counted.min, &counted.max].into_iter().flatten();
        rest.extend(ends.filter(|value| !common.iter().any(|(it, _)| it == *value)).cloned());
    }
    rest.sort_unstable();
    ColumnStatistics {
        nulls: counted.nulls,
        min: counted.min.clone(),
        max: counted.max.clone(),
        sketch: Some(counted.distinct.clone()),
        distinct,
        common,
        histogram: Histogram::of_sorted(&rest, limits.buckets),
        width: if present > 0.0 { number(counted.width) / present } else { 0.0 },
        clustering: clustering(position, sample),
    }
}

/// Common values with their shares of all rows, and the number of distinct values.
fn common(
    counted: &ColumnBuilder,
    position: usize,
    sample: &[Numbered],
    rows: u64,
    limits: StatisticsLimits,
) -> (Vec<(Value, f64)>, f64) {
    let present = number(rows - counted.nulls.min(rows));
    if counted.unique {
        return (Vec::new(), present);
    }
    let top = counted.common.top(COUNTED);
    let kept: u64 = top.iter().map(|(_, count)| count).sum();
    // Nothing was dropped while counting if all rows are still there.
    let lost = present - number(kept);
    let all = lost < 0.5;
    let entries = number(top.len() as u64);
    let distinct = if all { entries } else { counted.distinct.estimate().min(present) };
    let share = |count: f64| count / number(rows.max(1));
    if all && top.len() <= limits.common {
        let common = top.into_iter().map(|(value, count)| (value, share(number(count))));
        return (common.collect(), distinct);
    }
    let least = COMMON_FACTOR * present / distinct.max(1.0);
    let least = if all { least } else { least.max(COMMON_MIN) };
    // Each drop took as much from at least half of the counters.
    let error = 2.0 * lost / number(COUNTED as u64);
    let seen = |value: &Value| {
        let hits = sample.iter().filter(|(_, row)| row.get(position) == Some(value)).count();
        number(hits as u64) / number(sample.len().max(1) as u64) * number(rows)
    };
    let common = top.into_iter().take(limits.common).filter_map(|(value, count)| {
        let low = number(count);
        let count = if all { low } else { seen(&value).clamp(low, low + error) };
        (count >= least && low >= error).then(|| (value, share(count)))
    });
    let mut common: Vec<(Value, f64)> = common.collect();
    common.sort_by(|left, right| right.1.total_cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
    (common, distinct.max(1.0))
}

/// Rank correlation of values and row numbers, -1 to 1.
fn clustering(position: usize, sample: &[Numbered]) -> f64 {
    let values: Vec<&Value> = sample.iter().filter_map(|(_, row)| row.get(position)).collect();
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|left, right| values[*left].cmp(values[*right]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    for run in order.chunk_by(|left, right| values[*left] == values[*right]) {
        // Equal values share the middle of their ranks.
        let middle = number(start as u64) + (number(run.len() as u64) - 1.0) / 2.0;
        for place in run {
            ranks[*place] = middle;
        }
        start += run.len();
    }
    let mean = (number(values.len() as u64) - 1.0) / 2.0;
    let (mut both, mut own, mut other) = (0.0, 0.0, 0.0);
    for (place, rank) in ranks.iter().enumerate() {
        let (x, y) = (number(place as u64) - mean, rank - mean);
        both += x * y;
        own += x * x;
        other += y * y;
    }
    let correlation = both / (own * other).sqrt();
    if correlation.is_finite() { correlation.clamp(-1.0, 1.0) } else { 1.0 }
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows need not be exact")]
pub(super) fn number(count: u64) -> f64 {
    count as f64
}
