//! How many rows conditions with parameters leave, by the values that the parameters have: cheap
//! enough to be asked before each run of a statement.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use lightning_db_expression::Comparison;
use lightning_db_expression::number::{self, Fit};
use lightning_db_types::{Value, ValueType};

use super::facts::{Facts, Relation, conjuncts, number as as_number};
use crate::cache::{REACH, SELECTIVITIES_MAX};
use crate::catalog::Catalog;
use crate::query::{Query, Scalar, ScalarId};
use crate::statistics::{ColumnStatistics, TableStatistics};

/// Share of the values on one side of a bound in a column whose values are not known.
const BOUND_SHARE: f64 = 1.0 / 3.0;
/// Corners of the space of selectivities that are looked at.
const CORNERS_MAX: u32 = 8;

/// For each column that is compared with parameters, and whose values are not all as common: the
/// share of the rows that the comparisons leave, by common values and histogram.
///
/// What it gives is what [`Question::selectivities`](crate::cache::Question::selectivities) wants:
/// a plan for some values is good for others with about these shares.
#[derive(Debug)]
pub struct ParameterShares {
    columns: Vec<Compared>,
    parameters: Vec<usize>,
}

/// A column with what it is compared with.
#[derive(Debug)]
struct Compared {
    statistics: Arc<TableStatistics>,
    position: usize,
    value_type: ValueType,
    /// The common values, ascending, each with the share of the rows that have it or one before.
    common: Vec<(Value, f64)>,
    /// Share of the rows whose value is neither null nor common; that of one such value; and that
    /// of one row.
    rest: f64,
    each: f64,
    row: f64,
    /// It equals one of these, if there are any.
    equal: Vec<Operand>,
    /// It is above these, or equal to them where so said; and below these.
    low: Vec<(Operand, bool)>,
    high: Vec<(Operand, bool)>,
}

#[derive(Debug)]
enum Operand {
    Parameter(usize),
    Literal(Value),
}

impl ParameterShares {
    /// What the conditions of a query say of columns, best after it was rewritten; `None` if no
    /// value of a parameter makes it give many more rows than another.
    pub fn new(query: &Query, catalog: &dyn Catalog) -> Option<Self> {
        let facts = Facts::new(query, catalog);
        let mut columns: Vec<Compared> = Vec::new();
        for relation in &facts.relations {
            let all = conjuncts(query, &relation.filters);
            for position in 0..relation.columns.len() {
                columns.extend(Compared::new(query, relation, position, &all));
            }
        }
        columns.truncate(SELECTIVITIES_MAX);
        let operands = columns.iter().flat_map(Compared::operands);
        let mut parameters: Vec<usize> = operands.filter_map(Operand::parameter).collect();
        parameters.sort_unstable();
        parameters.dedup();
        (!columns.is_empty()).then_some(Self { columns, parameters })
    }

    /// The parameters that it looks at, ascending: those that a plan should be made with the values
    /// of.
    pub fn parameters(&self) -> &[usize] {
        &self.parameters
    }

    /// The share of each column, 0 to 1, never below that of one row; in the first places of
    /// `shares`. A value that is missing is taken for null. Time: two binary searches for each
    /// comparison, and no allocation where a value has the type of its column.
    pub fn of<'s>(&self, values: &[Value], shares: &'s mut [f64; SELECTIVITIES_MAX]) -> &'s [f64] {
        for (share, column) in shares.iter_mut().zip(&self.columns) {
            *share = column.share(values);
        }
        &shares[..self.columns.len()]
    }

    /// Values that leave few rows of some columns and many of the others, each with its parameter:
    /// all combinations of up to three columns. Where all of them have one plan, it is the plan for
    /// any values.
    pub fn corners(&self) -> impl Iterator<Item = Vec<(usize, Value)>> {
        let count = 1_u32.checked_shl(u32::try_from(self.columns.len()).unwrap_or(u32::MAX));
        (0..count.map_or(CORNERS_MAX, |it| it.min(CORNERS_MAX))).map(|corner| {
            let columns = self.columns.iter().enumerate();
            columns.flat_map(|(at, column)| column.extreme(corner >> at & 1 == 1)).collect()
        })
    }
}

impl Operand {
    fn new(query: &Query, id: ScalarId) -> Option<Self> {
        match query.scalar(id) {
            Scalar::Parameter(number, _) => Some(Self::Parameter(*number)),
            Scalar::Literal(value) => Some(Self::Literal(value.clone())),
            _ => None,
        }
    }

    fn parameter(&self) -> Option<usize> {
        match self {
            Self::Parameter(number) => Some(*number),
            Self::Literal(_) => None,
        }
    }

    /// Its value; `None` for null.
    fn value<'v>(&'v self, values: &'v [Value]) -> Option<&'v Value> {
        let value = match self {
            Self::Parameter(number) => values.get(*number)?,
            Self::Literal(value) => value,
        };
        (!value.is_null()).then_some(value)
    }
}

impl Compared {
    /// What conditions say of a column; `None` if it is not compared with parameters, or one value
    /// is like another.
    fn new(
        query: &Query,
        relation: &Relation,
        position: usize,
        conditions: &[ScalarId],
    ) -> Option<Self> {
        let statistics = Arc::clone(relation.statistics.as_ref()?);
        let column = statistics.column(position)?;
        let rows = relation.rows.point.max(1.0);
        let mut common = column.common.clone();
        common.sort_by(|one, other| one.0.cmp(&other.0));
        let mut all = 0.0;
        for (_, share) in &mut common {
            all += *share;
            *share = all;
        }
        let rest = (1.0 - all - as_number(column.nulls) / rows).max(0.0);
        let others = (column.distinct - as_number(column.common.len() as u64)).max(1.0);
        let value_type = relation.definition.columns.get(position)?.value_type;
        let (each, row) = (rest / others, 1.0 / rows);
        let (equal, low, high) = (Vec::new(), Vec::new(), Vec::new());
        let mut made =
            Self { statistics, position, value_type, common, rest, each, row, equal, low, high };
        let this = Scalar::Column(relation.columns[position]);
        let is_this = |id: ScalarId| *query.scalar(id) == this;
        for condition in conditions {
            made.add(query, *condition, &is_this);
        }
        made.varies().then_some(made)
    }

    fn add(&mut self, query: &Query, condition: ScalarId, is_this: &dyn Fn(ScalarId) -> bool) {
        match query.scalar(condition) {
            Scalar::Compare(comparison, left, right) => {
                let (comparison, with) = match (is_this(*left), is_this(*right)) {
                    (true, false) => (*comparison, *right),
                    (false, true) => (comparison.exchanged(), *left),
                    _ => return,
                };
                let Some(with) = Operand::new(query, with) else { return };
                match comparison {
                    Comparison::Equal => self.equal.push(with),
                    Comparison::Less => self.high.push((with, false)),
                    Comparison::AtMost => self.high.push((with, true)),
                    Comparison::Greater => self.low.push((with, false)),
                    Comparison::AtLeast => self.low.push((with, true)),
                    Comparison::NotEqual => {}
                }
            }
            Scalar::In(one, list) if is_this(*one) => {
                let list = list.iter().map(|it| Operand::new(query, *it));
                self.equal.extend(list.collect::<Option<Vec<_>>>().unwrap_or_default());
            }
            _ => {}
        }
    }

    fn operands(&self) -> impl Iterator<Item = &Operand> {
        self.equal.iter().chain(self.low.iter().chain(&self.high).map(|(operand, _)| operand))
    }

    fn statistics(&self) -> &ColumnStatistics {
        &self.statistics.columns[self.position]
    }

    /// Whether some value of a parameter leaves many more rows than another.
    fn varies(&self) -> bool {
        if self.equal.is_empty() {
            let is_known = self.statistics().histogram.buckets() > 0 || self.common.len() > 1;
            return is_known && self.operands().any(|it| it.parameter().is_some());
        }
        let common = &self.statistics().common;
        let most = common.first().map_or(self.each, |(_, share)| *share);
        let least = common.last().map_or(self.each, |(_, share)| *share);
        let least = if self.rest > self.row { least.min(self.each) } else { least };
        most > least * REACH && self.equal.iter().any(|it| it.parameter().is_some())
    }

    fn share(&self, values: &[Value]) -> f64 {
        let share = if self.equal.is_empty() {
            let low =
                self.low.iter().map(|(it, equal)| Some(self.up_to(it.value(values)?, !equal)));
            let high =
                self.high.iter().map(|(it, equal)| Some(self.up_to(it.value(values)?, *equal)));
            let low = low.reduce(|one, other| Some(one?.max(other?))).unwrap_or(Some(0.0));
            let high = high.reduce(|one, other| Some(one?.min(other?))).unwrap_or(Some(1.0));
            // Compared with null nothing is true.
            low.zip(high).map_or(0.0, |(low, high)| high - low)
        } else {
            let equal = self.equal.iter().filter_map(|it| it.value(values));
            equal.map(|value| self.equal_to(value)).sum()
        };
        share.clamp(self.row.min(1.0), 1.0)
    }

    /// A value as one of the column, or the nearest below if there is no such one.
    fn fitted<'v>(&self, value: &'v Value) -> (Option<Cow<'v, Value>>, bool) {
        if value.value_type() == self.value_type {
            return (Some(Cow::Borrowed(value)), true);
        }
        match number::fit(value.as_value_ref(), self.value_type) {
            Some(Fit::Exact(value)) => (Some(Cow::Owned(value)), true),
            Some(Fit::Between(below, _)) => (below.map(Cow::Owned), false),
            None => (Some(Cow::Borrowed(value)), true),
        }
    }

    /// Share of the rows with a value.
    fn equal_to(&self, value: &Value) -> f64 {
        let (Some(value), true) = self.fitted(value) else { return 0.0 };
        match self.common.binary_search_by(|(common, _)| common.cmp(&value)) {
            Ok(0) => self.common[0].1,
            Ok(at) => self.common[at].1 - self.common[at - 1].1,
            Err(_) => self.each,
        }
    }

    /// Share of the rows with a value below one, or equal to it.
    fn up_to(&self, value: &Value, or_equal: bool) -> f64 {
        let (fitted, exact) = self.fitted(value);
        let Some(value) = fitted else { return 0.0 };
        let or_equal = or_equal || !exact;
        let value = value.as_value_ref();
        let is_below = |(common, _): &(Value, f64)| match common.as_value_ref().cmp(&value) {
            Ordering::Less => true,
            Ordering::Equal => or_equal,
            Ordering::Greater => false,
        };
        let below = self.common.partition_point(is_below);
        let common = below.checked_sub(1).map_or(0.0, |last| self.common[last].1);
        let rest = self.statistics().fraction_below(value, or_equal).unwrap_or(BOUND_SHARE);
        common + self.rest * rest
    }

    /// Values that leave most, or least, of the rows.
    fn extreme(&self, most: bool) -> Vec<(usize, Value)> {
        let of = self.statistics();
        let range = of.histogram.range();
        let ends = range.into_iter().flat_map(|(low, high)| [low, high]);
        let known = || ends.clone().chain(self.common.iter().map(|(value, _)| value));
        let (min, max) = (known().min(), known().max());
        let first = of.common.first().map(|(value, _)| value);
        let last = of.common.last().map(|(value, _)| value);
        let one = if most { first } else { range.map(|(low, _)| low).or(last) };
        let at_low = if most { min } else { max };
        let at_high = if most || !self.low.is_empty() { max } else { min };
        let of =
            |operand: &Operand, value: Option<&Value>| Some((operand.parameter()?, value?.clone()));
        let equal = self.equal.iter().filter_map(|operand| of(operand, one));
        let low = self.low.iter().filter_map(|(operand, _)| of(operand, at_low));
        let high = self.high.iter().filter_map(|(operand, _)| of(operand, at_high));
        equal.chain(low).chain(high).collect()
    }
}

#[cfg(test)]
mod tests;
