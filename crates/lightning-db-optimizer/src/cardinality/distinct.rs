//! How many distinct values columns have, alone and together.

use super::facts::{Facts, Relation, number};
use crate::estimate::{Estimate, Source};
use crate::query::ColumnId;

/// Distinct values of a column of which nothing is known, for each row.
const DISTINCT_SHARE: f64 = 0.1;

/// Distinct values of a column of a table without conditions.
pub(super) fn of_column(relation: &Relation, position: usize) -> Estimate {
    let rows = relation.rows.point.max(1.0);
    if relation.has_key(&[position]) {
        return relation.rows;
    }
    match relation.statistics_of(position) {
        Some(known) => {
            let distinct = known.distinct.clamp(1.0, rows);
            Estimate::new(distinct, distinct * 0.9, (distinct * 1.1).min(rows), Source::Distinct)
        }
        None => Estimate::new((rows * DISTINCT_SHARE).max(1.0), 1.0, rows, Source::Default),
    }
}

/// Distinct values that `drawn` of `rows` rows have, if all rows together have `distinct`.
///
/// Source: S. Yao, "Approximating block accesses in database organizations", CACM 20, 1977.
pub(super) fn after(distinct: f64, rows: f64, drawn: f64) -> f64 {
    let distinct = distinct.max(1.0);
    if rows <= drawn || rows <= 1.0 {
        return distinct;
    }
    let share = (drawn / rows).clamp(0.0, 1.0);
    let none = (rows / distinct * (-share).ln_1p().max(-700.0)).exp();
    (distinct * (1.0 - none)).min(drawn).max(drawn.min(1.0))
}

/// Distinct combinations of columns of one table without conditions.
pub(super) fn of_columns(relation: &Relation, positions: &[usize]) -> Estimate {
    let rows = relation.rows.point.max(1.0);
    if relation.has_key(positions) {
        return relation.rows;
    }
    if let [position] = positions {
        return of_column(relation, *position);
    }
    let all: Vec<Estimate> = positions.iter().map(|it| of_column(relation, *it)).collect();
    let least = all.iter().fold(1.0_f64, |least, one| least.max(one.point));
    let mut source = all.iter().map(|it| it.source).max().unwrap_or(Source::Default);
    // Columns that are known together count once; the others multiply.
    let mut rest: Vec<usize> = positions.to_vec();
    let mut product = 1.0;
    let groups = relation.statistics.iter().flat_map(|it| &it.groups);
    let mut groups: Vec<_> = groups.filter(|group| group.columns.len() > 1).collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.columns.len()));
    for group in groups {
        if group.columns.iter().all(|column| rest.contains(column)) {
            product *= group.distinct.max(1.0);
            rest.retain(|column| !group.columns.contains(column));
            source = source.min(Source::Group);
        }
    }
    let known = rest.is_empty() && positions.len() > 1;
    for position in rest {
        product *= of_column(relation, position).point;
    }
    let mut point = product.min(rows).max(least);
    if !known && let Some(seen) = in_sample(relation, positions) {
        // Independence gives the most that is likely, the sample what was seen.
        point = point.min(seen.max(least));
        source = Source::Sample;
    }
    Estimate::new(point, least.min(point), product.min(rows).max(point), source)
}

/// Distinct combinations, from how many there are in the sample and how many of them once.
///
/// Source: P. Haas, L. Stokes, "Estimating the number of classes in a finite population", JASA 93,
/// 1998: the estimator Duj1.
fn in_sample(relation: &Relation, positions: &[usize]) -> Option<f64> {
    let sample = &relation.statistics.as_ref()?.sample;
    if sample.is_empty() {
        return None;
    }
    let of = |row: &'_ Vec<_>, position: usize| row.get(position).cloned().unwrap_or_default();
    let mut drawn: Vec<Vec<_>> = sample
        .iter()
        .map(|row| positions.iter().map(|position| of(row, *position)).collect())
        .collect();
    drawn.sort_unstable();
    let (mut distinct, mut once) = (0_u64, 0_u64);
    for run in drawn.chunk_by(|left, right| left == right) {
        distinct += 1;
        once += u64::from(run.len() == 1);
    }
    let (count, distinct, once) = (number(drawn.len() as u64), number(distinct), number(once));
    let rows = relation.rows.point.max(count);
    Some(count * distinct / (count - once + once * count / rows).max(1.0))
}

/// Distinct combinations of columns of any tables among `rows` rows; `restricted` gives the share
/// of a column's values that conditions on it leave.
pub(super) fn among(
    facts: &Facts,
    columns: &[ColumnId],
    rows: Estimate,
    restricted: &dyn Fn(ColumnId) -> f64,
) -> Estimate {
    if columns.is_empty() {
        return Estimate::exact(1.0).at_most(rows.high.max(1.0));
    }
    let mut by_relation: Vec<(usize, &Relation, Vec<usize>, f64)> = Vec::new();
    let mut classes = Vec::new();
    let mut unknown: i32 = 0;
    for column in columns {
        // Columns that are equal in every row count once.
        let class = facts.class(*column);
        if classes.contains(&class) {
            continue;
        }
        classes.push(class);
        let Some((place, relation, position)) = facts.column(*column) else {
            unknown += 1;
            continue;
        };
        let left = restricted(*column);
        match by_relation.iter_mut().find(|(known, ..)| *known == place) {
            Some((_, _, positions, share)) => {
                positions.push(position);
                *share *= left;
            }
            None => by_relation.push((place, relation, vec![position], left)),
        }
    }
    let mut total = Estimate::exact(1.0);
    for (_, relation, positions, share) in &mut by_relation {
        positions.sort_unstable();
        let all = of_columns(relation, positions);
        let kept = |number: f64| (number * *share).max(1.0);
        let left = kept(relation.rows.point);
        let point = after(kept(all.point), left, rows.point);
        let high = if *share < 1.0 { all.high } else { kept(all.high) };
        total = total.times(Estimate::new(point, 0.0, high.max(point), all.source));
    }
    if unknown > 0 {
        // Computed columns: of each a share of the rows, but together no more than all.
        let most = rows.point.max(1.0);
        let each = most.powf(1.0 - 0.5_f64.powi(unknown));
        total = total.times(Estimate::guess(each, rows.high.max(1.0)));
    }
    let low = rows.low.min(1.0);
    let high = total.high.min(rows.high).max(low);
    Estimate::new(total.point.min(rows.point.max(1.0)), low, high, total.source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_rows_have_fewer_values() {
        assert!((after(100.0, 1e4, 1e4) - 100.0).abs() < 1e-9);
        assert!((after(1e4, 1e4, 100.0) - 100.0).abs() < 1.0);
        let half = after(100.0, 200.0, 100.0);
        assert!((74.0..76.0).contains(&half), "{half}");
        assert!((after(100.0, 1e4, 1.0) - 1.0).abs() < 0.02);
        assert!(after(5.0, 10.0, 0.0).abs() < 1e-9);
    }
}
