//! Aggregates before a join: rows that are equal in all that matters are gathered first, and the
//! parts put together after the join.
//!
//! Source: W. Yan, P. Larson, "Eager aggregation and lazy aggregation", VLDB 1995. Done only where
//! the statistics say that the first step leaves few rows of many, and where the join loses none by
//! a filter of its other side, so that there is nothing that could have been cheaper.

use lightning_db_expression::Function;
use lightning_db_types::{Value, ValueType};

use super::tree::{Columns, Rewriter};
use crate::query::{
    Aggregate, AggregateFunction, ColumnId, ColumnSet, JoinKind, Node, NodeId, Origin, Scalar,
    ScalarId,
};

pub(super) const RULE: &str = "push down aggregates";

/// Rows that become one, on average, where aggregating early is worth a second step.
pub(super) const REDUCTION_MIN: f64 = 10.0;

impl Rewriter<'_> {
    pub(super) fn push_aggregates(&mut self, root: NodeId) -> NodeId {
        self.bottom_up(root, &mut |this, id| this.pushed_aggregate(id).unwrap_or(id))
    }

    fn pushed_aggregate(&mut self, id: NodeId) -> Option<NodeId> {
        let Node::Aggregate { input, groups, aggregates } = self.query.node(id).clone() else {
            return None;
        };
        let Node::Join { kind: JoinKind::Inner, left, right, on } = self.query.node(input).clone()
        else {
            return None;
        };
        if aggregates.is_empty() || !self.bound_by(left, right).is_empty() {
            return None;
        }
        aggregates.iter().all(|(_, aggregate)| self.comes_apart(aggregate)).then_some(())?;
        let mut used = Columns::default();
        for (_, aggregate) in &aggregates {
            for scalar in aggregate.argument.iter().chain(&aggregate.filter) {
                used.extend(self.query.scalar_columns(*scalar));
            }
        }
        for (side, other) in [(left, right), (right, left)] {
            let own = self.output_set(side);
            let keys = self.keys_of(&own, &groups, &on);
            if used.is_subset(&own) && self.is_worth(side, other, &keys) {
                return Some(self.in_two_steps(id, input, side, keys));
            }
        }
        None
    }

    /// Whether an aggregate of parts is an aggregate of their aggregates, exactly.
    fn comes_apart(&self, aggregate: &Aggregate) -> bool {
        let function = match aggregate.function {
            AggregateFunction::Average | AggregateFunction::Spread(_) => false,
            // Floats added in another order are another sum.
            AggregateFunction::Sum => aggregate
                .argument
                .is_some_and(|argument| self.query.value_type(argument) != ValueType::F64),
            _ => true,
        };
        function && !aggregate.distinct
    }

    /// Columns of a side that the join or the groups look at.
    fn keys_of(&self, own: &Columns, groups: &[ColumnId], on: &[ScalarId]) -> ColumnSet {
        let joined = on.iter().flat_map(|condition| self.query.scalar_columns(*condition));
        joined.chain(groups.iter().copied()).filter(|column| own.contains(column)).collect()
    }

    fn is_worth(&mut self, side: NodeId, other: NodeId, keys: &ColumnSet) -> bool {
        let filtered = |this: &Self, root: NodeId| {
            this.query
                .post_order(root)
                .iter()
                .any(|id| !matches!(this.query.node(*id), Node::Scan { .. } | Node::Project { .. }))
        };
        // Without keys there would be a part even of no rows.
        if keys.is_empty() || self.reduction_min <= 0.0 {
            return !keys.is_empty();
        }
        if self.properties(side).is_key(keys) || filtered(self, other) {
            return false;
        }
        self.reduction(side, keys).is_some_and(|rows| rows >= self.reduction_min)
    }

    /// Rows of a table, or of those a filter leaves, for each combination of the keys.
    fn reduction(&self, side: NodeId, keys: &ColumnSet) -> Option<f64> {
        let scan = match self.query.node(side) {
            Node::Filter { input, .. } => *input,
            _ => side,
        };
        let Node::Scan { table, .. } = self.query.node(scan) else { return None };
        let statistics = self.catalog.statistics(*table)?;
        let mut combinations = 1.0;
        for key in keys {
            let Origin::Table(_, position) = self.query.column(*key).origin else { return None };
            let distinct = statistics.column(position)?.distinct;
            // Null is one more.
            combinations *= distinct + 1.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "a rough ratio is enough")]
        let rows = statistics.rows as f64;
        Some(rows / combinations)
    }

    fn in_two_steps(&mut self, id: NodeId, join: NodeId, side: NodeId, keys: ColumnSet) -> NodeId {
        let Node::Aggregate { groups, aggregates, .. } = self.query.node(id).clone() else {
            return id;
        };
        let mut first = Vec::with_capacity(aggregates.len());
        let mut second = Vec::with_capacity(aggregates.len());
        let mut above: Vec<(ColumnId, ScalarId)> = Vec::new();
        for group in &groups {
            above.push((*group, self.query.column_scalar(*group)));
        }
        for (column, aggregate) in aggregates {
            let part = self.column_like(column);
            let counts = aggregate.function == AggregateFunction::Count;
            let function = if counts { AggregateFunction::Sum } else { aggregate.function };
            let argument = Some(self.query.column_scalar(part));
            let whole = Aggregate { function, argument, distinct: false, filter: None };
            first.push((part, aggregate));
            let made = self.column_like(column);
            let mut value = self.query.column_scalar(made);
            if counts {
                // Of no parts, the sum is null and the count zero.
                let none = self.query.add_scalar(Scalar::Literal(Value::I64(0)));
                value = self.query.add_scalar(Scalar::Call(Function::Coalesce, vec![value, none]));
            }
            second.push((made, whole));
            above.push((column, value));
        }
        let keys: Vec<ColumnId> = keys.into_iter().collect();
        let early = Node::Aggregate { input: side, groups: keys, aggregates: first };
        let early = self.query.add_node(early);
        self.record(RULE, early, "before a join");
        let inputs = self.query.node(join).inputs();
        let inputs: Vec<NodeId> =
            inputs.into_iter().map(|input| if input == side { early } else { input }).collect();
        let input = self.with_inputs(join, &inputs);
        let late = self.query.add_node(Node::Aggregate { input, groups, aggregates: second });
        self.query.add_node(Node::Project { input: late, columns: above })
    }
}
