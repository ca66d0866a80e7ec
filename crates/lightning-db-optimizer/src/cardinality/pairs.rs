//! Conditions of two tables seen together: on the rows of the values that both tables' join
//! sketches hold.
//!
//! Source: D. Vengerov, A. Menck, M. Zait, S. Chakkappen, "Join size estimation subject to filter
//! conditions", PVLDB 8, 2015: correlated sampling, by hash of the join column.

use lightning_db_expression::{Columns, Expression};
use lightning_db_types::{Value, ValueRef};

use super::Cardinality;
use super::belief::Belief;
use super::facts::{Relation, number};
use crate::estimate::Source;
use crate::query::{ColumnId, ScalarId};
use crate::statistics::JoinSketch;

/// Values that both sketches have to hold rows of.
const VALUES_MIN: usize = 12;
/// Rows of a side that have to be seen for the share of those that have a match.
const ROWS_MIN: f64 = 30.0;
/// Pairs of rows that are looked at.
const PAIRS_MAX: usize = 100_000;
/// How far the logarithm of a join's size may be off if conditions of both sides depend on each
/// other.
const SIGMA: f64 = 0.7;

/// What the rows of some values say of a join.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    /// How many times more pairs fulfil all conditions than if the conditions of both sides did
    /// not depend on each other.
    pub factor: f64,
    /// Share of the rows of each side, after its own conditions, that have a match, if enough rows
    /// were looked at.
    pub matched: [Option<f64>; 2],
    /// Rows that the conditions leave of each side.
    pub rows: [f64; 2],
}

/// Two rows, the second one's columns behind those of the first.
struct Pair<'a> {
    one: &'a [Value],
    other: &'a [Value],
    width: usize,
}

impl Columns for Pair<'_> {
    fn column(&self, position: usize) -> ValueRef<'_> {
        match position.checked_sub(self.width) {
            Some(position) => self.other.column(position),
            None => self.one.column(position),
        }
    }
}

/// What was counted.
#[derive(Debug, Default)]
struct Count {
    values: usize,
    pairs: f64,
    hits: f64,
    rows: [f64; 2],
    matched: [f64; 2],
}

impl Cardinality<'_> {
    /// Looks at the rows of values that both columns' sketches hold: of the pairs that fulfil all
    /// equalities, which fulfil the conditions of both tables and the others between them, too?
    /// `None` if there are too few.
    pub(super) fn seen(
        &self,
        columns: [ColumnId; 2],
        equal: &[ScalarId],
        others: &[ScalarId],
    ) -> Option<Seen> {
        let [(_, one, one_at), (_, other, other_at)] =
            [self.facts.column(columns[0])?, self.facts.column(columns[1])?];
        if self.narrowed(columns) < 1.0 {
            // The few values that are left are hardly among those of the sketches.
            return None;
        }
        if one.filters.is_empty() && other.filters.is_empty() && others.is_empty() {
            return None;
        }
        let of = |relation: &Relation, at: usize| {
            relation.definition.columns.get(at).map(|column| column.value_type)
        };
        let sketches = [one.sketch_of(one_at)?, other.sketch_of(other_at)?];
        if of(one, one_at) != of(other, other_at) {
            return None;
        }
        // Looking at the rows is what takes long.
        let key = (columns, equal.to_vec(), others.to_vec());
        if let Some(known) = self.seen.borrow().get(&key) {
            return *known;
        }
        let seen = self.look(columns, sketches, equal, others);
        self.seen.borrow_mut().insert(key, seen);
        seen
    }

    fn look(
        &self,
        columns: [ColumnId; 2],
        sketches: [&JoinSketch; 2],
        equal: &[ScalarId],
        others: &[ScalarId],
    ) -> Option<Seen> {
        let [(_, one, _), (_, other, _)] =
            [self.facts.column(columns[0])?, self.facts.column(columns[1])?];
        let filters = [self.filters_of(one)?, self.filters_of(other)?];
        let width = one.columns.len();
        let place = |id: ColumnId| {
            let own = one.columns.iter().position(|it| *it == id);
            own.or_else(|| other.columns.iter().position(|it| *it == id).map(|at| at + width))
        };
        let of_pairs = |conditions: &[ScalarId]| -> Option<Vec<Expression>> {
            conditions.iter().map(|it| self.query.expression(*it, &place)).collect()
        };
        let between = [of_pairs(equal)?, of_pairs(others)?];
        let last = sketches[0].row_hash_max.min(sketches[1].row_hash_max);
        let rows = sketches.map(|sketch| {
            let end = sketch.rows.partition_point(|(hash, _)| *hash <= last);
            &sketch.rows[..end]
        });
        let count = count(rows, &filters, &between, width);
        if count.values < VALUES_MIN || count.pairs <= 0.0 {
            return None;
        }
        let left = [one, other].map(|it| self.scan(it).selectivity(&it.filters).point);
        let independent = (left[0] * left[1]).max(1e-12);
        let shares = others.iter().map(|it| self.edge(*it).selectivity);
        let expected = shares.fold(independent, |all, share| all * share);
        // Rows of one value are alike: each value counts as one draw of all that are in both.
        let all = if last == u64::MAX { number(count.values as u64) } else { f64::INFINITY };
        let sigma = if others.is_empty() { SIGMA } else { 2.0 * SIGMA };
        let belief = Belief::new(expected, sigma, Source::Join);
        let drawn = number(count.values as u64);
        let found = belief.observed(count.hits / count.pairs * drawn, drawn, all);
        let matched = [0, 1].map(|side| {
            // As if half a row more had been seen of each kind.
            let share = (count.matched[side] + 0.5) / (count.rows[side] + 1.0);
            (count.rows[side] >= ROWS_MIN).then_some(share)
        });
        let rows = [one.rows.point * left[0], other.rows.point * left[1]];
        Some(Seen { factor: found.point / independent, matched, rows })
    }

    fn filters_of(&self, relation: &Relation) -> Option<Vec<Expression>> {
        let place = |id: ColumnId| relation.columns.iter().position(|it| *it == id);
        relation.filters.iter().map(|it| self.query.expression(*it, &place)).collect()
    }
}

type Rows<'a> = &'a [(u64, Vec<Value>)];

/// Counts pairs of rows of equal values, and those that fulfil everything.
fn count(
    rows: [Rows<'_>; 2],
    filters: &[Vec<Expression>; 2],
    between: &[Vec<Expression>; 2],
    width: usize,
) -> Count {
    let mut count = Count::default();
    let (mut others, mut looked_at) = (rows[1], 0);
    for one in rows[0].chunk_by(|left, right| left.0 == right.0) {
        let hash = one[0].0;
        while let Some(run) = run_below(others, hash) {
            count.rows[1] += number(kept(run, &filters[1]).len() as u64);
            others = &others[run.len()..];
        }
        let end = others.partition_point(|(other, _)| *other <= hash);
        let (other, behind) = others.split_at(end);
        others = behind;
        looked_at += one.len() * other.len();
        if looked_at > PAIRS_MAX {
            break;
        }
        let pairs = pairs(one, other, &between[0], width);
        count.values += usize::from(pairs > 0.0);
        count.pairs += pairs;
        add_hits(&mut count, &[kept(one, &filters[0]), kept(other, &filters[1])], between, width);
    }
    count
}

/// Pairs of rows of one value that fulfil the equalities.
fn pairs(one: Rows<'_>, other: Rows<'_>, equal: &[Expression], width: usize) -> f64 {
    if let [_] = equal {
        return number((one.len() * other.len()) as u64);
    }
    let all = one.iter().flat_map(|(_, one)| other.iter().map(move |(_, other)| (one, other)));
    let is_equal = |(one, other): &(&Vec<Value>, &Vec<Value>)| {
        let pair = Pair { one, other, width };
        equal.iter().all(|it| it.is_true(&pair).unwrap_or(false))
    };
    number(all.filter(is_equal).count() as u64)
}

/// The first rows, all of one value, if their hash is below a bound.
fn run_below(rows: Rows<'_>, bound: u64) -> Option<Rows<'_>> {
    let (first, _) = rows.first().filter(|(hash, _)| *hash < bound)?;
    Some(&rows[..rows.partition_point(|(hash, _)| hash <= first)])
}

/// Rows that fulfil the conditions of their table.
fn kept<'a>(rows: Rows<'a>, filters: &[Expression]) -> Vec<&'a [Value]> {
    let is_kept = |row: &Vec<Value>| filters.iter().all(|it| it.is_true(row).unwrap_or(false));
    rows.iter().filter(|(_, row)| is_kept(row)).map(|(_, row)| &row[..]).collect()
}

fn add_hits(
    count: &mut Count,
    rows: &[Vec<&[Value]>; 2],
    between: &[Vec<Expression>; 2],
    width: usize,
) {
    let mut met = vec![false; rows[1].len()];
    for one in &rows[0] {
        let mut hits = 0_u64;
        for (other, met) in rows[1].iter().zip(&mut met) {
            let pair = Pair { one, other, width };
            if between.iter().flatten().all(|it| it.is_true(&pair).unwrap_or(false)) {
                hits += 1;
                *met = true;
            }
        }
        count.hits += number(hits);
        count.matched[0] += f64::from(u8::from(hits > 0));
    }
    count.matched[1] += number(met.iter().filter(|met| **met).count() as u64);
    count.rows[0] += number(rows[0].len() as u64);
    count.rows[1] += number(rows[1].len() as u64);
}
