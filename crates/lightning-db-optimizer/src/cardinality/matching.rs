//! How many rows of two tables have equal values in a column of each.

use lightning_db_types::sketch::value_hash;

use super::distinct;
use super::facts::{Relation, number};
use crate::estimate::Source;
use crate::statistics::{ColumnStatistics, JoinSketch};

/// A column of a table.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub relation: &'a Relation,
    pub position: usize,
}

/// What two columns have in common, over all rows of their tables.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Matching {
    /// Share of all pairs of rows whose values are equal.
    pub selectivity: f64,
    /// Share of the rows of each side whose value the other has.
    pub matched: [f64; 2],
    /// Most rows of each side that have one value.
    pub degree: [f64; 2],
    /// Rows of each side.
    pub rows: [f64; 2],
    /// Where it came from.
    pub source: Source,
}

/// Values that the samples have to share for them to be trusted alone.
const SHARED_MIN: f64 = 12.0;

/// Where no value was seen often enough to be called common, none is taken to have more rows than
/// so many times the average: more would have been seen.
const UNCOMMON: f64 = 4.0;

impl Side<'_> {
    fn rows(&self) -> f64 {
        self.relation.rows.point.max(1.0)
    }

    fn statistics(&self) -> Option<&ColumnStatistics> {
        self.relation.statistics_of(self.position)
    }

    fn sketch(&self) -> Option<&JoinSketch> {
        self.relation.sketch_of(self.position)
    }

    pub(super) fn is_key(&self) -> bool {
        self.relation.has_key(&[self.position])
    }

    pub(super) fn distinct(&self) -> f64 {
        distinct::of_column(self.relation, self.position).point.max(1.0)
    }

    /// Share of the rows that are not null.
    pub(super) fn present(&self) -> f64 {
        let nulls = self.statistics().map_or(0.0, |it| number(it.nulls));
        (1.0 - nulls / self.rows()).clamp(0.0, 1.0)
    }

    /// Whether the engine checks that each value of this column is one of the other.
    pub(super) fn refers_to(&self, other: &Self) -> bool {
        self.relation.definition.foreign_keys.iter().any(|key| {
            key.references == other.relation.table
                && key.columns == [self.position]
                && key.referenced == [other.position]
        })
    }

    /// Most rows that have one value.
    pub(super) fn degree(&self) -> f64 {
        if self.is_key() {
            return 1.0;
        }
        let seen = self.sketch().map(|it| number(it.degree_max));
        let average = self.rows() / self.distinct();
        let common = self.statistics().map(|it| match it.common.first() {
            Some((_, share)) => share * self.rows(),
            None if seen.is_some() => average,
            None => UNCOMMON * average,
        });
        match (seen, common) {
            (None, None) => self.rows(),
            (seen, common) => {
                let most = seen.unwrap_or(0.0).max(common.unwrap_or(0.0));
                most.max(average).clamp(1.0, self.rows())
            }
        }
    }
}

/// What two columns have in common.
pub(super) fn matching(one: Side<'_>, other: Side<'_>) -> Matching {
    let rows = [one.rows(), other.rows()];
    let degree = [one.degree(), other.degree()];
    let found = |selectivity: f64, matched: [f64; 2], source| Matching {
        selectivity: selectivity.clamp(0.0, 1.0),
        matched,
        degree,
        rows,
        source,
    };
    let values = |side: Side<'_>| side.distinct().min(side.rows());
    // Each value that is present is a key of the other side.
    if one.refers_to(&other) && other.is_key() {
        let covered = (values(one) / values(other)).min(1.0);
        return found(one.present() / rows[1], [one.present(), covered], Source::Join);
    }
    if other.refers_to(&one) && one.is_key() {
        let covered = (values(other) / values(one)).min(1.0);
        return found(other.present() / rows[0], [covered, other.present()], Source::Join);
    }
    if let Some((selectivity, matched)) = by_sketches(one, other) {
        return found(selectivity, matched, Source::Join);
    }
    by_distinct(one, other, &found)
}

/// By numbers of distinct values: all values of the side that has fewer are held to be in the
/// other, as far as the ranges of both overlap.
fn by_distinct(
    one: Side<'_>,
    other: Side<'_>,
    found: &dyn Fn(f64, [f64; 2], Source) -> Matching,
) -> Matching {
    let within = [inside(one, other), inside(other, one)];
    let distinct = [one.distinct() * within[0], other.distinct() * within[1]];
    let most = distinct[0].max(distinct[1]).max(1.0);
    let present = [one.present() * within[0], other.present() * within[1]];
    let covered = |own: usize| present[own] * (distinct[1 - own] / distinct[own]).min(1.0);
    let known = one.statistics().is_some() && other.statistics().is_some();
    let source = if known { Source::Distinct } else { Source::Default };
    found(present[0] * present[1] / most, [covered(0), covered(1)], source)
}

/// Share of a side's rows with values between the least and the largest of the other.
fn inside(side: Side<'_>, other: Side<'_>) -> f64 {
    let (Some(own), Some(other)) = (side.statistics(), other.statistics()) else { return 1.0 };
    let (Some(min), Some(max)) = (&other.min, &other.max) else { return 1.0 };
    if own.min.as_ref().zip(own.max.as_ref()).is_some_and(|(low, high)| low > max || high < min) {
        return 0.0;
    }
    let below = share_below(own, max, true).zip(share_below(own, min, false));
    below.map_or(1.0, |(high, low)| (high - low).clamp(1.0 / side.rows(), 1.0))
}

/// Share of a column's rows, nulls apart, below a value, or at most it; `None` if nothing is known
/// of how its values spread.
pub(super) fn share_below(
    of: &ColumnStatistics,
    value: &lightning_db_types::Value,
    or_equal: bool,
) -> Option<f64> {
    let (mut all, mut below) = (0.0, 0.0);
    for (common, share) in &of.common {
        all += share;
        if common < value || or_equal && common == value {
            below += share;
        }
    }
    // What is not common may be no value at all, but null.
    if of.histogram.buckets() == 0 && all > 0.5 {
        return Some(below / all);
    }
    let rest = (1.0 - all).max(0.0);
    Some(below + rest * of.fraction_below(value.as_value_ref(), or_equal)?)
}

/// By the rows of each value: of the common values as they are counted, of the others by the
/// samples of both sides, which hold the same values.
fn by_sketches(one: Side<'_>, other: Side<'_>) -> Option<(f64, [f64; 2])> {
    let sides = [one, other];
    let (sketches, statistics) =
        ([one.sketch()?, other.sketch()?], [one.statistics()?, other.statistics()?]);
    let value_type = |side: Side<'_>| {
        side.relation.definition.columns.get(side.position).map(|column| column.value_type)
    };
    if value_type(one) != value_type(other) {
        // Equal numbers of different types have different hashes.
        return None;
    }
    let hash_max = sketches[0].hash_max.min(sketches[1].hash_max);
    let share = (number(hash_max) + 1.0) / number(u64::MAX);
    let heavy = heavy_hashes(&statistics);
    let mut counted = Counted::default();
    for hash in &heavy {
        let degree = |place: usize| degree_of(*hash, sides[place], sketches[place]);
        counted.add(degree(0), degree(1), 1.0);
    }
    let is_light = |(hash, _): &&(u64, u64)| *hash <= hash_max && !heavy_contains(&heavy, *hash);
    let mut of_other = sketches[1].degrees.iter().filter(is_light).peekable();
    let mut shared = 0.0;
    for (hash, degree) in sketches[0].degrees.iter().filter(is_light) {
        while let Some((_, alone)) = of_other.next_if(|(other, _)| other < hash) {
            counted.add(0.0, number(*alone), 1.0 / share);
        }
        let meets = of_other.next_if(|(other, _)| other == hash).map_or(0.0, |(_, it)| number(*it));
        shared += f64::from(u8::from(meets > 0.0));
        counted.add(number(*degree), meets, 1.0 / share);
    }
    for (_, alone) in of_other {
        counted.add(0.0, number(*alone), 1.0 / share);
    }
    if shared < SHARED_MIN && share < 0.999 && counted.pairs <= counted.heavy_pairs {
        // The samples met too seldom to say anything of the many values that are in neither.
        let distinct = one.distinct().max(other.distinct());
        let light = |place: usize| (counted.rows[place] - counted.heavy_rows[place]).max(0.0);
        if light(0) > 0.0 && light(1) > 0.0 && shared <= 0.0 && share * distinct < SHARED_MIN {
            return None;
        }
    }
    let rows = [one.rows(), other.rows()];
    let matched = |place: usize| {
        let seen = counted.matched[place] / counted.rows[place].max(1.0);
        seen.min(1.0) * sides[place].present()
    };
    Some((counted.pairs / (rows[0] * rows[1]), [matched(0), matched(1)]))
}

/// Pairs and rows, counted value by value.
#[derive(Debug, Default)]
struct Counted {
    pairs: f64,
    rows: [f64; 2],
    matched: [f64; 2],
    heavy_pairs: f64,
    heavy_rows: [f64; 2],
}

impl Counted {
    fn add(&mut self, one: f64, other: f64, weight: f64) {
        self.pairs += one * other * weight;
        self.rows[0] += one * weight;
        self.rows[1] += other * weight;
        if one > 0.0 && other > 0.0 {
            self.matched[0] += one * weight;
            self.matched[1] += other * weight;
        }
        if weight <= 1.0 {
            self.heavy_pairs += one * other;
            self.heavy_rows[0] += one;
            self.heavy_rows[1] += other;
        }
    }
}

/// Hashes of the values that are common on one side or the other, ascending.
fn heavy_hashes(statistics: &[&ColumnStatistics; 2]) -> Vec<u64> {
    let common = statistics.iter().flat_map(|it| &it.common);
    let mut hashes: Vec<u64> = common.map(|(value, _)| value_hash(value.as_value_ref())).collect();
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}

fn heavy_contains(heavy: &[u64], hash: u64) -> bool {
    heavy.binary_search(&hash).is_ok()
}

/// Rows of a side that have the value with this hash.
fn degree_of(hash: u64, side: Side<'_>, sketch: &JoinSketch) -> f64 {
    if let Ok(place) = sketch.degrees.binary_search_by_key(&hash, |(hash, _)| *hash) {
        return number(sketch.degrees[place].1);
    }
    if hash <= sketch.hash_max {
        return 0.0;
    }
    let Some(statistics) = side.statistics() else { return 0.0 };
    let mut common = statistics.common.iter();
    let is_it = |value: &lightning_db_types::Value| value_hash(value.as_value_ref()) == hash;
    if let Some((_, share)) = common.find(|(value, _)| is_it(value)) {
        return share * side.rows();
    }
    // One of the many others, if it is there at all: the average of them.
    let all: f64 = statistics.common.iter().map(|(_, share)| share).sum();
    let others = statistics.distinct - number(statistics.common.len() as u64);
    if others < 0.5 { 0.0 } else { (side.present() - all).max(0.0) * side.rows() / others.max(1.0) }
}
