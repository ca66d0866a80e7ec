//! Rows of each operator.

use super::Cardinality;
use super::facts::{conjuncts, number};
use crate::estimate::{Estimate, Source};
use crate::query::{JoinKind, Node, NodeId, ScalarId, SetOperation, ValueRows};

/// Given rows may be more than expected by this factor.
const GIVEN_RANGE: f64 = 1e3;

/// How many rows that no table has.
pub(crate) fn values(rows: &ValueRows) -> Estimate {
    match rows {
        ValueRows::Given { expected } => {
            let expected = number(*expected);
            Estimate::guess(expected, expected.max(1.0) * GIVEN_RANGE)
        }
        ValueRows::Known(_) | ValueRows::Series(_) => {
            Estimate::exact(number(rows.known_len().unwrap_or(0)))
        }
    }
}

impl Cardinality<'_> {
    pub(super) fn rows_of(&self, id: NodeId) -> Estimate {
        match self.query.node(id) {
            Node::Scan { .. } => {
                self.facts.scan(id).map_or(Estimate::guess(1_000.0, 1e9), |it| it.rows)
            }
            Node::Values { rows, .. } => values(rows),
            Node::Filter { input, conditions } => self.filtered(*input, conditions),
            Node::Project { input, .. } | Node::Sort { input, .. } | Node::Window { input, .. } => {
                self.rows(*input)
            }
            Node::Join { kind, left, right, on } => self.joined(*kind, *left, *right, on),
            Node::Aggregate { input, groups, .. } => {
                if groups.is_empty() {
                    return Estimate::exact(1.0);
                }
                self.distinct(groups, self.rows(*input))
            }
            Node::Set { operation, all, left, right, columns } => {
                let (one, other) = (self.rows(left.0), self.rows(right.0));
                let found = set(*operation, *all, one, other);
                if *all { found } else { self.distinct(columns, found) }
            }
            Node::Limit { input, limit, offset } => limited(self.rows(*input), *limit, *offset),
        }
    }

    /// Conditions over the rows of a node: those on one table at its scan together, the others as
    /// those of a join are.
    fn filtered(&self, input: NodeId, conditions: &[ScalarId]) -> Estimate {
        let mut conditions = conjuncts(self.query, conditions);
        let mut at = input;
        while let Node::Filter { input, conditions: more } = self.query.node(at) {
            conditions.extend(conjuncts(self.query, more));
            at = *input;
        }
        conditions.sort_unstable();
        conditions.dedup();
        if let Node::Scan { .. } = self.query.node(at) {
            return self.rows(at).times(self.selectivity(at, &conditions));
        }
        let (mut found, mut between) = (self.rows(at), Vec::new());
        let mut by_relation: Vec<(usize, Vec<ScalarId>)> = Vec::new();
        for condition in conditions {
            if let Some((share, source)) = self.share_of_groups(at, condition) {
                let point = found.point * share;
                found = Estimate::new(point, 0.0, found.high, found.source.max(source));
                continue;
            }
            let columns = self.query.scalar_columns(condition);
            let mut relations = columns.iter().map(|it| Some(self.facts.column(*it)?.0));
            let first = relations.next().flatten();
            match first.filter(|_| relations.all(|it| it == first)) {
                Some(one) => match by_relation.iter_mut().find(|(known, _)| *known == one) {
                    Some((_, all)) => all.push(condition),
                    None => by_relation.push((one, vec![condition])),
                },
                None => between.push(condition),
            }
        }
        for (relation, conditions) in by_relation {
            let relation = &self.facts.relations[relation];
            found = found.times(self.scan(relation).selectivity(&conditions));
        }
        if between.is_empty() {
            return found;
        }
        let combined = self.combined(&between);
        let source = found.source.max(combined.source);
        Estimate::new(found.point * combined.selectivity, 0.0, found.high, source)
    }

    fn joined(&self, kind: JoinKind, left: NodeId, right: NodeId, on: &[ScalarId]) -> Estimate {
        self.join(kind, self.rows(left), self.rows(right), on)
    }
}

fn set(operation: SetOperation, all: bool, left: Estimate, right: Estimate) -> Estimate {
    let source = left.source.max(right.source).max(Source::Distinct);
    match operation {
        SetOperation::Union if all => left.plus(right),
        SetOperation::Union => {
            let low = left.low.max(right.low).min(1.0);
            Estimate::new(left.point + right.point, low, left.high + right.high, source)
        }
        SetOperation::Intersect => {
            let high = left.high.min(right.high);
            Estimate::new(left.point.min(right.point) / 2.0, 0.0, high, source)
        }
        SetOperation::Except => {
            let low = if all { (left.low - right.high).max(0.0) } else { 0.0 };
            let gone = right.point.min(left.point) / 2.0;
            Estimate::new(left.point - gone, low, left.high, source)
        }
    }
}

fn limited(input: Estimate, limit: Option<u64>, offset: u64) -> Estimate {
    let left = |rows: f64| (rows - number(offset)).max(0.0);
    let rest = Estimate::new(left(input.point), left(input.low), left(input.high), input.source);
    let Some(limit) = limit.map(number) else { return rest };
    if rest.low >= limit {
        return Estimate::exact(limit);
    }
    rest.at_most(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_below_what_is_certainly_there_is_exact() {
        let input = Estimate::new(500.0, 100.0, 900.0, Source::Sample);
        assert_eq!(limited(input, Some(50), 10), Estimate::exact(50.0));
        let some = limited(input, Some(300), 10);
        assert_eq!((some.point, some.low, some.high), (300.0, 90.0, 300.0));
        let none = limited(input, None, 1_000);
        assert_eq!((none.point, none.low, none.high), (0.0, 0.0, 0.0));
    }

    #[test]
    fn unions_have_the_rows_of_both() {
        let (one, other) = (Estimate::exact(5.0), Estimate::exact(3.0));
        assert_eq!(set(SetOperation::Union, true, one, other), Estimate::exact(8.0));
        let bounds = |operation| {
            let found = set(operation, true, one, other);
            (found.low, found.high)
        };
        assert_eq!(bounds(SetOperation::Except), (2.0, 5.0));
        assert_eq!(bounds(SetOperation::Intersect), (0.0, 3.0));
    }
}
