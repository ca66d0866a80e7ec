//! Columns that depend on each other, found in the sample.

use lightning_db_types::Value;
use lightning_db_types::sketch::value_hash;

use super::collect::StatisticsLimits;
use super::column::number;
use super::{ColumnGroup, ColumnStatistics};

/// Columns with more distinct values than this share of the rows are as good as keys: what depends
/// on them is of no use.
const DISTINCT_SHARE_MAX: f64 = 0.2;
/// Columns depend on each other if together they have less than this share of the combinations
/// that independent ones would have.
const DEPENDENT_SHARE: f64 = 0.5;
/// Columns whose pairs are looked at.
const COLUMNS_MAX: usize = 24;

/// One hash of several values; `None` if one is null.
pub(super) fn hash_of(row: &[Value], columns: &[usize]) -> Option<u64> {
    let mut hash = 0_u64;
    for column in columns {
        let value = row.get(*column).filter(|value| !value.is_null())?;
        // An odd factor, so that the order of the columns counts.
        hash = hash.rotate_left(23).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        hash ^= value_hash(value.as_value_ref());
    }
    // The registers go by the upper bits, which have to depend on all columns.
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    Some(hash ^ (hash >> 32))
}

/// The groups that were counted, with their common combinations, and the pairs of columns that
/// depend on each other most.
pub(super) fn find(
    mut counted: Vec<ColumnGroup>,
    columns: &[ColumnStatistics],
    sample: &[Vec<Value>],
    rows: u64,
    limits: StatisticsLimits,
) -> Vec<ColumnGroup> {
    for group in &mut counted {
        let (_, common) = combinations(&group.columns, sample, rows, limits.common);
        group.common = common;
    }
    let most = number(rows) * DISTINCT_SHARE_MAX;
    let is_of_use = |column: &usize| (2.0..=most).contains(&columns[*column].distinct);
    let candidates: Vec<usize> = (0..columns.len()).filter(is_of_use).take(COLUMNS_MAX).collect();
    let mut found: Vec<(f64, ColumnGroup)> = Vec::new();
    for (place, one) in candidates.iter().enumerate() {
        for other in &candidates[place + 1..] {
            let pair = vec![*one, *other];
            if counted.iter().any(|group| group.columns == pair) {
                continue;
            }
            let product = columns[*one].distinct * columns[*other].distinct;
            let expected = among(product, number(sample.len() as u64));
            let (distinct, common) = combinations(&pair, sample, rows, limits.common);
            let seen = distinct.seen / expected;
            if seen < DEPENDENT_SHARE {
                let distinct = distinct.all.min(product);
                found.push((seen, ColumnGroup { columns: pair, distinct, common }));
            }
        }
    }
    found.sort_by(|left, right| left.0.total_cmp(&right.0));
    counted.extend(found.into_iter().map(|(_, group)| group).take(limits.groups));
    counted
}

/// Distinct values that so many draws of `distinct` equally likely ones give.
fn among(distinct: f64, draws: f64) -> f64 {
    (distinct * -(-draws / distinct.max(1.0)).exp_m1()).max(1.0)
}

/// Distinct combinations: in the sample, and in the table as far as the sample says.
struct Distinct {
    seen: f64,
    all: f64,
}

/// Combinations of values in the sample; those that are seen often come with their shares.
fn combinations(
    columns: &[usize],
    sample: &[Vec<Value>],
    rows: u64,
    limit: usize,
) -> (Distinct, Vec<(Vec<Value>, f64)>) {
    let of = |row: &Vec<Value>| -> Option<Vec<Value>> {
        let values = columns.iter().map(|it| row.get(*it).filter(|it| !it.is_null()).cloned());
        values.collect()
    };
    let mut drawn: Vec<Vec<Value>> = sample.iter().filter_map(of).collect();
    drawn.sort_unstable();
    let total = number(sample.len().max(1) as u64);
    let (mut seen, mut once, mut common) = (0, 0, Vec::new());
    for run in drawn.chunk_by(|left, right| left == right) {
        seen += 1;
        once += u64::from(run.len() == 1);
        // Fewer occurrences say little of the true share.
        if run.len() >= 20 {
            common.push((run[0].clone(), number(run.len() as u64) / total));
        }
    }
    common.sort_by(|left, right| right.1.total_cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
    common.truncate(limit);
    let (count, once) = (number(drawn.len() as u64), number(once));
    let seen = number(seen);
    // Source: the estimator Duj1 of P. Haas and L. Stokes, JASA 93, 1998.
    let whole = number(rows).max(count).max(1.0);
    let all = count * seen / (count - once + once * count / whole).max(1.0);
    (Distinct { seen, all: all.max(seen) }, common)
}
