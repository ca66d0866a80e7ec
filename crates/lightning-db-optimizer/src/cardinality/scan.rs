//! Conditions on one table: what each column says, what is known of columns together, what the
//! sample says of all at once, and what indexes say.

use lightning_db_expression::{Comparison, Expression};
use lightning_db_types::{Value, ValueType};

use super::belief::Belief;
use super::facts::{Relation, conjuncts, number};
use super::matching::Side;
use super::range::{Rest, Shape};
use crate::catalog::{Catalog, IndexDefinition, Probe, ProbeCondition};
use crate::estimate::{Estimate, Source};
use crate::query::{ColumnId, Query, Scalar, ScalarId};
use crate::statistics::ColumnStatistics;

/// One of the conditions that must all be true of a row.
#[derive(Debug)]
struct Condition {
    scalar: ScalarId,
    /// Positions of the columns that it uses.
    columns: Vec<usize>,
    /// The condition over positions, if it can be evaluated here.
    expression: Option<Expression>,
}

/// The rows of one table, and what is asked of them.
pub(super) struct Scan<'a> {
    pub query: &'a Query,
    pub catalog: &'a dyn Catalog,
    pub relation: &'a Relation,
}

impl Scan<'_> {
    /// Share of the rows for which all conditions are true.
    pub(super) fn selectivity(&self, conditions: &[ScalarId]) -> Estimate {
        let conditions: Vec<Condition> =
            conjuncts(self.query, conditions).into_iter().map(|it| self.condition(it)).collect();
        if conditions.is_empty() {
            return Estimate::exact(1.0);
        }
        let belief = self.belief(&conditions);
        let (hits, drawn) = self.sampled(&conditions);
        let rows = self.relation.rows.point;
        let found = belief.observed(number(hits), number(drawn), rows);
        self.indexed(&conditions, self.keyed(&conditions, found))
    }

    /// Share of the rows for which the conditions on one column alone are true, without a look at
    /// the sample.
    pub(super) fn column_share(&self, position: usize, conditions: &[ScalarId]) -> Belief {
        let conditions: Vec<Condition> = conjuncts(self.query, conditions)
            .into_iter()
            .map(|it| self.condition(it))
            .filter(|it| it.columns == [position])
            .collect();
        if conditions.is_empty() {
            return Belief::certain(1.0);
        }
        self.of_column(position, &conditions.iter().collect::<Vec<_>>())
    }

    fn condition(&self, scalar: ScalarId) -> Condition {
        let position = |id: ColumnId| self.relation.columns.iter().position(|it| *it == id);
        let used = self.query.scalar_columns(scalar);
        let mut columns: Vec<usize> = used.into_iter().filter_map(position).collect();
        columns.sort_unstable();
        Condition { scalar, columns, expression: self.query.expression(scalar, &position) }
    }

    /// What is held before the sample is looked at.
    fn belief(&self, conditions: &[Condition]) -> Belief {
        let mut groups: Vec<(usize, Vec<&Condition>)> = Vec::new();
        let mut belief = Belief::certain(1.0);
        for condition in conditions {
            match condition.columns[..] {
                [column] => match groups.iter_mut().find(|(known, _)| *known == column) {
                    Some((_, all)) => all.push(condition),
                    None => groups.push((column, vec![condition])),
                },
                _ => belief = belief.and(self.of_several(condition)),
            }
        }
        let mut equal: Vec<(usize, Value, Belief)> = Vec::new();
        for (column, conditions) in &groups {
            let one = self.of_column(*column, conditions);
            match self.single_value(*column, conditions) {
                Some(value) => equal.push((*column, value, one)),
                None => belief = belief.and(one),
            }
        }
        self.together(equal, belief)
    }

    /// Equalities: those whose columns are known together count as one.
    fn together(&self, mut equal: Vec<(usize, Value, Belief)>, mut belief: Belief) -> Belief {
        let groups = self.relation.statistics.iter().flat_map(|it| &it.groups);
        let mut groups: Vec<_> = groups.filter(|group| group.columns.len() > 1).collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.columns.len()));
        for group in groups {
            let value = |column: &usize| {
                equal.iter().find(|(known, ..)| known == column).map(|(_, value, _)| value.clone())
            };
            let Some(values) = group.columns.iter().map(value).collect::<Option<Vec<_>>>() else {
                continue;
            };
            let common: f64 = group.common.iter().map(|(_, share)| share).sum();
            let found = group.common.iter().find(|(known, _)| *known == values);
            let others = number(group.common.len() as u64);
            let one = found.map_or_else(
                || {
                    let share = (1.0 - common).max(0.0) / (group.distinct - others).max(1.0);
                    Belief::new(share, 0.7, Source::Group)
                },
                |(_, share)| Belief::new(*share, 0.1, Source::Group),
            );
            belief = belief.and(one);
            equal.retain(|(column, ..)| !group.columns.contains(column));
        }
        equal.into_iter().fold(belief, |belief, (_, _, one)| belief.and(one))
    }

    /// The one value that conditions allow a column to have.
    fn single_value(&self, column: usize, conditions: &[&Condition]) -> Option<Value> {
        let of = self.value_type(column);
        conditions.iter().find_map(|condition| {
            match &Shape::of(condition.expression.as_ref()?, of)[..] {
                [Shape::OneOf(values)] if values.len() == 1 => values.first().cloned(),
                _ => None,
            }
        })
    }

    /// Conditions that use the same column and no other.
    fn of_column(&self, column: usize, conditions: &[&Condition]) -> Belief {
        let Some(statistics) = self.relation.statistics_of(column) else {
            return self.without_statistics(column, conditions);
        };
        let (mut known, mut belief) = (Vec::new(), Belief::certain(1.0));
        for condition in conditions {
            match &condition.expression {
                Some(expression) => known.push(expression),
                None => belief = belief.and(self.with_unknown_value(condition, Some(statistics))),
            }
        }
        if known.is_empty() {
            return belief;
        }
        let rows = self.relation.rows.point.max(1.0);
        let share = of_known(&known, column, self.value_type(column), statistics, rows);
        belief.and(share)
    }

    fn without_statistics(&self, column: usize, conditions: &[&Condition]) -> Belief {
        let of = self.value_type(column);
        let mut belief = Belief::certain(1.0);
        for condition in conditions {
            let one = match &condition.expression {
                Some(expression) => {
                    let rest = Rest::new(&Shape::of(expression, of));
                    let unique = self.relation.has_key(&[column]);
                    let distinct = if unique { self.relation.rows.point } else { 100.0 };
                    let none = ColumnStatistics::default();
                    let share = rest.share(&none, distinct, self.relation.rows.point);
                    Belief { sigma: share.sigma.max(1.5), source: Source::Default, ..share }
                }
                None => self.with_unknown_value(condition, None),
            };
            belief = belief.and(one);
        }
        belief
    }

    /// A condition that cannot be evaluated: it has a parameter without a value, or a function that
    /// only the engine knows.
    fn with_unknown_value(
        &self,
        condition: &Condition,
        statistics: Option<&ColumnStatistics>,
    ) -> Belief {
        let Scalar::Compare(comparison, left, right) = self.query.scalar(condition.scalar) else {
            return Belief::default(0.05);
        };
        match (comparison, statistics) {
            (Comparison::Equal, Some(known)) => {
                let share = Belief::new(1.0 / known.distinct.max(1.0), 1.0, Source::Distinct);
                let is_column = |id| matches!(self.query.scalar(id), Scalar::Column(_));
                match condition.columns[..] {
                    // As many rows as the value that has most of them.
                    [position] if is_column(*left) || is_column(*right) => {
                        let most = Side { relation: self.relation, position }.degree();
                        Belief { high: most / self.relation.rows.point.max(1.0), ..share }
                    }
                    _ => share,
                }
            }
            (Comparison::Equal, None) => Belief::default(0.01),
            (Comparison::NotEqual, _) => Belief::new(0.95, 0.1, Source::Default),
            _ => Belief::new(1.0 / 3.0, 1.0, Source::Default),
        }
    }

    /// A condition that uses no column, or several.
    fn of_several(&self, condition: &Condition) -> Belief {
        if condition.columns.is_empty() {
            let value = condition.expression.as_ref().and_then(super::range::constant);
            return match value {
                Some(Value::Bool(true)) => Belief::certain(1.0),
                Some(_) => Belief::certain(0.0),
                None => Belief::default(0.5),
            };
        }
        match self.query.scalar(condition.scalar) {
            Scalar::Compare(Comparison::Equal, ..) => {
                let distinct = condition
                    .columns
                    .iter()
                    .filter_map(|column| Some(self.relation.statistics_of(*column)?.distinct));
                let most = distinct.fold(10.0, f64::max);
                Belief::new(1.0 / most, 2.0, Source::Distinct)
            }
            Scalar::Compare(Comparison::NotEqual, ..) => Belief::new(0.95, 0.2, Source::Default),
            Scalar::Compare(..) => Belief::new(1.0 / 3.0, 1.0, Source::Default),
            Scalar::Or(all) => {
                let none = all.iter().fold(1.0, |none, one| {
                    let inner: Vec<Condition> = conjuncts(self.query, &[*one])
                        .into_iter()
                        .map(|it| self.condition(it))
                        .collect();
                    none * (1.0 - self.belief(&inner).point)
                });
                Belief::new(1.0 - none, 1.0, Source::Histogram)
            }
            _ => Belief::default(0.2),
        }
    }

    /// How many rows of the sample fulfil all conditions, and how many there are.
    fn sampled(&self, conditions: &[Condition]) -> (u64, u64) {
        let Some(statistics) = &self.relation.statistics else { return (0, 0) };
        let Some(all) =
            conditions.iter().map(|it| it.expression.as_ref()).collect::<Option<Vec<_>>>()
        else {
            return (0, 0);
        };
        // A row for which a condition fails is not among those that are given.
        let is_hit = |row: &&Vec<Value>| all.iter().all(|one| one.is_true(*row).unwrap_or(false));
        let hits = statistics.sample.iter().filter(is_hit).count();
        (hits as u64, statistics.sample.len() as u64)
    }

    /// At most one row has the values of a key.
    fn keyed(&self, conditions: &[Condition], found: Estimate) -> Estimate {
        let fixed: Vec<usize> = conditions
            .iter()
            .filter(|condition| {
                matches!(
                    self.query.scalar(condition.scalar),
                    Scalar::Compare(Comparison::Equal, ..)
                ) && condition.columns.len() == 1
            })
            .flat_map(|condition| condition.columns.iter().copied())
            .collect();
        if fixed.is_empty() || !self.relation.has_key(&fixed) {
            return found;
        }
        let one = 1.0 / self.relation.rows.point.max(1.0);
        Estimate::new(found.point.min(one), 0.0, one, found.source)
    }

    /// What the indexes say of the conditions that their columns are in.
    fn indexed(&self, conditions: &[Condition], mut found: Estimate) -> Estimate {
        let rows = self.relation.rows.point.max(1.0);
        for (index, definition) in self.relation.definition.indexes.iter().enumerate() {
            let answered: Vec<&Condition> =
                conditions.iter().filter(|condition| self.answers(definition, condition)).collect();
            if answered.is_empty() {
                continue;
            }
            let probes: Option<Vec<_>> =
                answered.iter().map(|condition| self.probe(condition)).collect();
            let Some(probes) = probes else { continue };
            let probe = Probe { table: self.relation.table, index, conditions: &probes };
            let Some(entries) = self.catalog.estimate(&probe) else { continue };
            let share = entries.scaled(1.0 / rows).at_most(1.0);
            // All conditions are at most as often true as some of them.
            let high = found.high.min(share.high);
            found = if answered.len() == conditions.len() && is_tighter(&share, &found) {
                Estimate::new(share.point, share.low, high, share.source)
            } else {
                Estimate::new(found.point, found.low.min(high), high, found.source)
            };
        }
        found
    }

    /// Whether an index says something of a condition.
    fn answers(&self, index: &IndexDefinition, condition: &Condition) -> bool {
        if let Scalar::External { function, .. } = self.query.scalar(condition.scalar) {
            return index.answers.contains(function);
        }
        let Some(expression) = &condition.expression else { return false };
        if index.condition.is_some() || condition.columns.is_empty() {
            return false;
        }
        let mut parts = index.parts.iter().map(|part| &part.expression);
        condition
            .columns
            .iter()
            .all(|column| parts.any(|part| *part == Expression::Column(*column)))
            || parts.any(|part| expression.operands().contains(&part))
    }

    fn probe(&self, condition: &Condition) -> Option<ProbeCondition> {
        if let Scalar::External { function, arguments, .. } = self.query.scalar(condition.scalar) {
            let position = |id: ColumnId| self.relation.columns.iter().position(|it| *it == id);
            let arguments = arguments.iter().map(|it| self.query.expression(*it, &position));
            let arguments = arguments.collect::<Option<Vec<_>>>()?;
            let function = std::sync::Arc::clone(function);
            return Some(ProbeCondition::External { function, arguments });
        }
        condition.expression.clone().map(ProbeCondition::Expression)
    }

    fn value_type(&self, column: usize) -> ValueType {
        self.relation.definition.columns.get(column).map_or(ValueType::Null, |it| it.value_type)
    }
}

/// Conditions on one column of which everything is known: the common values are tried one by one,
/// the others are looked up in the histogram.
fn of_known(
    conditions: &[&Expression],
    column: usize,
    of: ValueType,
    statistics: &ColumnStatistics,
    rows: f64,
) -> Belief {
    let is_true = |value: &Value| {
        let mut row = vec![Value::Null; column];
        row.push(value.clone());
        conditions.iter().all(|it| it.is_true(&row).unwrap_or(false))
    };
    let (mut all, mut hit) = (0.0, 0.0);
    for (value, share) in &statistics.common {
        all += share;
        if is_true(value) {
            hit += share;
        }
    }
    let nulls = (number(statistics.nulls) / rows).min(1.0);
    if nulls > 0.0 && is_true(&Value::Null) {
        hit += nulls;
    }
    let rest = (1.0 - all - nulls).max(0.0);
    let others = statistics.distinct - number(statistics.common.len() as u64);
    // Where the common values are all there are, nothing is left but what came since.
    let rest =
        if others < 0.5 && !statistics.common.is_empty() { rest.min(1.0 / rows) } else { rest };
    let shapes: Vec<Shape> = conditions.iter().flat_map(|it| Shape::of(it, of)).collect();
    let conditions = Rest::new(&shapes);
    if conditions.null {
        return Belief::new(hit, 0.02, Source::Histogram);
    }
    let share = conditions.share(statistics, others, rest * rows);
    let point = hit + rest * share.point;
    // The part that was tried is sure, the other is as sure as its form allows.
    let part = if point > 0.0 { rest * share.point / point } else { 1.0 };
    let source = if part > 0.5 { share.source } else { Source::Histogram };
    Belief::new(point, (share.sigma * part).max(0.02), source)
}

/// Whether one estimate has nearer bounds than another, or came from where numbers are surer.
fn is_tighter(one: &Estimate, other: &Estimate) -> bool {
    one.source <= Source::Index || one.high - one.low < other.high - other.low
}
