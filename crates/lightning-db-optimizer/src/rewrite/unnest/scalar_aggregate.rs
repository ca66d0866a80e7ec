//! Aggregates without groups that use outer columns: one row for each outer row.
//!
//! They become an outer join with groups, over which what stood above the aggregate is computed. A
//! row without a group has counts of zero.

use lightning_db_expression::Function;
use lightning_db_types::Value;

use super::super::tree::{Columns, Rewriter};
use crate::query::{
    Aggregate, AggregateFunction, ColumnId, JoinKind, Node, NodeId, Scalar, ScalarId,
};

/// What stands above the aggregate, lowest first.
enum Above {
    Filter(Vec<ScalarId>),
    Project(Vec<(ColumnId, ScalarId)>),
}

impl Rewriter<'_> {
    /// The join, if the right side is an aggregate without groups below filters and projections.
    pub(super) fn over_scalar_aggregate(
        &mut self,
        kind: JoinKind,
        left: NodeId,
        right: NodeId,
        on: &[ScalarId],
    ) -> Option<NodeId> {
        if kind == JoinKind::Full {
            return None;
        }
        let mut above = Vec::new();
        let mut below = right;
        let aggregate = loop {
            match self.query.node(below).clone() {
                Node::Filter { input, conditions } => {
                    above.push(Above::Filter(conditions));
                    below = input;
                }
                Node::Project { input, columns } => {
                    above.push(Above::Project(columns));
                    below = input;
                }
                Node::Sort { input, .. } => below = input,
                Node::Aggregate { input, groups, aggregates } if groups.is_empty() => {
                    break (input, aggregates);
                }
                _ => return None,
            }
        };
        above.reverse();
        let (node, mut columns) = self.beside_groups(left, below, aggregate)?;
        let mut node = node;
        let mut guards: Vec<ScalarId> = Vec::new();
        for step in above {
            match step {
                Above::Filter(conditions) => guards.extend(conditions),
                Above::Project(made) => {
                    let new = made.into_iter().filter(|(column, _)| !columns.contains(column));
                    let new: Vec<(ColumnId, ScalarId)> = new.collect();
                    let mut all: Vec<(ColumnId, ScalarId)> = Vec::new();
                    for column in self.query.output(node) {
                        all.push((column, self.query.column_scalar(column)));
                    }
                    columns.extend(new.iter().map(|(column, _)| *column));
                    all.extend(new);
                    node = self.query.add_node(Node::Project { input: node, columns: all });
                }
            }
        }
        Some(self.decided_by(kind, left, right, node, guards, on))
    }

    /// The left rows, each with the aggregates over the rows that are its own.
    fn beside_groups(
        &mut self,
        left: NodeId,
        below: NodeId,
        (input, aggregates): (NodeId, Vec<(ColumnId, Aggregate)>),
    ) -> Option<(NodeId, Columns)> {
        let outer = self.bound_by(left, below);
        if outer.is_empty() {
            // What stands above uses outer columns: the one row is beside each left row.
            let (kind, on) = (JoinKind::Inner, Vec::new());
            let node = self.query.add_node(Node::Join { kind, left, right: below, on });
            let columns = aggregates.iter().map(|(column, _)| *column).collect();
            return Some((node, columns));
        }
        let input_needs: Vec<ColumnId> = outer.clone();
        let (input, bound) = self.push(left, input, &input_needs)?;
        let by = self.by_bound(&bound);
        let mut groups: Vec<ColumnId> = Vec::new();
        for column in &outer {
            let bound = bound[column].column;
            if !groups.contains(&bound) {
                groups.push(bound);
            }
        }
        let mut made = Vec::with_capacity(aggregates.len());
        let mut above = Vec::with_capacity(aggregates.len());
        for (column, aggregate) in aggregates {
            let argument = aggregate.argument.map(|id| self.substitute(id, &by));
            let filter = aggregate.filter.map(|id| self.substitute(id, &by));
            let inner = self.column_like(column);
            let mut value = self.query.column_scalar(inner);
            if aggregate.function == AggregateFunction::Count {
                let none = self.query.add_scalar(Scalar::Literal(Value::I64(0)));
                value = self.query.add_scalar(Scalar::Call(Function::Coalesce, vec![value, none]));
            }
            made.push((inner, Aggregate { argument, filter, ..aggregate }));
            above.push((column, value));
        }
        let right = self.query.add_node(Node::Aggregate { input, groups, aggregates: made });
        let mut on = Vec::new();
        for column in outer {
            on.extend(self.same_value(JoinKind::Left, left, column, bound[&column]));
        }
        let kind = JoinKind::Left;
        let node = self.query.add_node(Node::Join { kind, left, right, on });
        let columns: Columns = above.iter().map(|(column, _)| *column).collect();
        let mut all: Vec<(ColumnId, ScalarId)> = Vec::new();
        for column in self.query.output(left) {
            all.push((column, self.query.column_scalar(column)));
        }
        all.extend(above);
        self.record(super::RULE, node, "an aggregate is grouped by the outer columns");
        Some((self.query.add_node(Node::Project { input: node, columns: all }), columns))
    }

    /// The join of the kind, given that each left row has its one right row beside it, which is
    /// there if the guards are true.
    fn decided_by(
        &mut self,
        kind: JoinKind,
        left: NodeId,
        right: NodeId,
        node: NodeId,
        guards: Vec<ScalarId>,
        on: &[ScalarId],
    ) -> NodeId {
        let never = self.query.add_scalar(Scalar::Literal(Value::Bool(false)));
        let both: Vec<ScalarId> = guards.iter().chain(on).copied().collect();
        match kind {
            JoinKind::Inner | JoinKind::Semi => self.filtered(node, both),
            JoinKind::Anti => {
                let all = self.query.add_scalar(Scalar::And(both));
                let met = Scalar::Call(Function::Coalesce, vec![all, never]);
                let met = self.query.add_scalar(met);
                let condition = self.query.add_scalar(Scalar::Not(met));
                self.filtered(node, vec![condition])
            }
            JoinKind::Mark(mark) => {
                let met = self.query.add_scalar(Scalar::And(on.to_vec()));
                let there = self.query.add_scalar(Scalar::And(guards));
                let branches = vec![(there, met)];
                let value = Scalar::Case { branches, otherwise: Some(never) };
                let value = self.query.add_scalar(value);
                let mut columns = Vec::new();
                for column in self.query.output(left) {
                    columns.push((column, self.query.column_scalar(column)));
                }
                columns.push((mark, value));
                self.query.add_node(Node::Project { input: node, columns })
            }
            JoinKind::Left | JoinKind::Single | JoinKind::Full => {
                if both.is_empty() {
                    return node;
                }
                self.blanked(left, right, node, both)
            }
        }
    }

    /// The right columns as they are where the conditions are true, and null elsewhere.
    fn blanked(
        &mut self,
        left: NodeId,
        right: NodeId,
        node: NodeId,
        conditions: Vec<ScalarId>,
    ) -> NodeId {
        let there = self.query.add_scalar(Scalar::And(conditions));
        let mut kept = Vec::new();
        for column in self.query.output(left) {
            kept.push((column, self.query.column_scalar(column)));
        }
        let mut first = kept.clone();
        for column in self.query.output(right) {
            let whole = self.query.column_scalar(column);
            let branches = vec![(there, whole)];
            let value = self.query.add_scalar(Scalar::Case { branches, otherwise: None });
            let blank = self.column_for(value, column);
            first.push((blank, value));
            kept.push((column, self.query.column_scalar(blank)));
        }
        let node = self.query.add_node(Node::Project { input: node, columns: first });
        self.query.add_node(Node::Project { input: node, columns: kept })
    }
}
