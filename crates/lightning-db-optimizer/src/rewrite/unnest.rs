//! Subqueries and dependent joins as plain joins.
//!
//! A subquery in a scalar becomes a join: semi and anti where its truth alone decides, mark where
//! it is part of a larger condition, single where its value is used. The join's right side may then
//! use columns of the left one; what can be pulled up into the join's condition is, and the rest is
//! pushed down to where the columns are used, over the distinct values that they have.
//!
//! Source: T. Neumann, A. Kemper, "Unnesting arbitrary queries", BTW 2015. A correlated LIMIT stays
//! dependent: it would need a window function, and those belong to the engine.

mod dependent;
mod push;
mod scalar_aggregate;

use lightning_db_types::ValueType;

use super::tree::Rewriter;
use crate::query::{Column, ColumnId, JoinKind, Node, NodeId, Origin, Scalar, ScalarId, Subquery};

pub(super) const RULE: &str = "unnest subqueries";

impl Rewriter<'_> {
    /// The tree without subqueries, and with dependent joins only where there is no other way.
    pub(super) fn unnest(&mut self, root: NodeId) -> NodeId {
        self.bottom_up(root, &mut |this, id| this.unnest_node(id))
    }

    fn has_subquery(&self, scalar: ScalarId) -> bool {
        !self.query.subqueries(scalar).is_empty()
    }

    fn unnest_node(&mut self, id: NodeId) -> NodeId {
        let node = self.query.node(id).clone();
        let nested = node.scalars().iter().any(|scalar| self.has_subquery(*scalar));
        match node {
            Node::Filter { input, conditions } if nested => self.unnest_filter(input, &conditions),
            Node::Join { kind, left, right, on } if nested => {
                self.unnest_condition(id, kind, left, right, &on)
            }
            Node::Project { .. } | Node::Aggregate { .. } | Node::Window { .. } if nested => {
                let output = self.query.output(id);
                let mut input = node.inputs()[0];
                let mut scalars = node.scalars();
                for scalar in &mut scalars {
                    (input, *scalar) = self.embedded(input, *scalar);
                }
                let turned = self.with_scalars(id, &scalars);
                let turned = self.with_inputs(turned, &[input]);
                self.exactly(turned, &output)
            }
            Node::Join { kind, left, right, on } => {
                let dependent = self.bound_by(left, right);
                if dependent.is_empty() { id } else { self.joined(kind, left, right, on) }
            }
            _ => id,
        }
    }

    /// Columns of the left side that the right one uses.
    pub(super) fn bound_by(&self, left: NodeId, right: NodeId) -> Vec<ColumnId> {
        let mut free = self.query.free_columns(right);
        if !free.is_empty() {
            let given = self.output_set(left);
            free.retain(|column| given.contains(column));
        }
        free
    }

    fn unnest_filter(&mut self, input: NodeId, conditions: &[ScalarId]) -> NodeId {
        let output = self.query.output(input);
        let (nested, plain): (Vec<ScalarId>, Vec<ScalarId>) =
            conditions.iter().partition(|condition| self.has_subquery(**condition));
        let mut node = self.filtered(input, plain);
        let mut kept = Vec::new();
        for condition in nested {
            let (made, rest) = self.decided(node, condition);
            node = made;
            kept.extend(rest);
        }
        let node = self.filtered(node, kept);
        self.exactly(node, &output)
    }

    /// A condition as a join that decides it, or as a condition over what joins give.
    fn decided(&mut self, input: NodeId, condition: ScalarId) -> (NodeId, Option<ScalarId>) {
        let (scalar, kind) = match self.query.scalar(condition) {
            Scalar::Not(one) => (self.query.scalar(*one).clone(), JoinKind::Anti),
            other => (other.clone(), JoinKind::Semi),
        };
        match scalar {
            Scalar::Subquery(Subquery::Exists(node)) => {
                let right = self.subquery(node);
                self.record(RULE, input, format!("EXISTS is a {kind} join"));
                (self.joined(kind, input, right, Vec::new()), None)
            }
            Scalar::Subquery(Subquery::Any(comparison, value, node))
                if kind == JoinKind::Semi && !self.has_subquery(value) =>
            {
                let right = self.subquery(node);
                let other = self.only_column(right);
                let on = self.query.add_scalar(Scalar::Compare(comparison, value, other));
                self.record(
                    RULE,
                    input,
                    format!("{} ANY is a semi join", comparison_text(comparison)),
                );
                (self.joined(kind, input, right, vec![on]), None)
            }
            _ => {
                let (node, scalar) = self.embedded(input, condition);
                (node, Some(scalar))
            }
        }
    }

    fn only_column(&mut self, node: NodeId) -> ScalarId {
        let column = self.query.output(node)[0];
        self.query.column_scalar(column)
    }

    /// The tree of a subquery, unnested itself. Its columns are new, since one scalar may stand in
    /// several places.
    fn subquery(&mut self, node: NodeId) -> NodeId {
        let (copied, _) = self.copy(node);
        self.unnest(copied)
    }

    /// The scalar over columns of joins in place of subqueries, and the joins over the input.
    fn embedded(&mut self, input: NodeId, id: ScalarId) -> (NodeId, ScalarId) {
        if !self.has_subquery(id) {
            return (input, id);
        }
        let scalar = self.query.scalar(id).clone();
        let mut input = input;
        let mut operands = scalar.operands();
        for operand in &mut operands {
            (input, *operand) = self.embedded(input, *operand);
        }
        match scalar.with_operands(&operands) {
            Scalar::Subquery(Subquery::Exists(node)) => {
                let right = self.subquery(node);
                self.record(RULE, input, "EXISTS is a mark join");
                self.marked(input, right, Vec::new())
            }
            Scalar::Subquery(Subquery::Value(node)) => {
                let right = self.subquery(node);
                let column = self.only_column(right);
                self.record(RULE, input, "a value is a single join");
                (self.joined(JoinKind::Single, input, right, Vec::new()), column)
            }
            Scalar::Subquery(Subquery::Any(comparison, value, node)) => {
                let right = self.subquery(node);
                let other = self.only_column(right);
                let on = self.query.add_scalar(Scalar::Compare(comparison, value, other));
                self.record(
                    RULE,
                    input,
                    format!("{} ANY is a mark join", comparison_text(comparison)),
                );
                self.marked(input, right, vec![on])
            }
            // All are exactly if it is not so that one is not: in three values as well.
            Scalar::Subquery(Subquery::All(comparison, value, node)) => {
                let right = self.subquery(node);
                let other = self.only_column(right);
                let opposite = Scalar::Compare(comparison.opposite(), value, other);
                let on = self.query.add_scalar(opposite);
                self.record(
                    RULE,
                    input,
                    format!("{} ALL is a mark join", comparison_text(comparison)),
                );
                let (node, mark) = self.marked(input, right, vec![on]);
                (node, self.query.add_scalar(Scalar::Not(mark)))
            }
            other => (input, self.query.add_scalar(other)),
        }
    }

    fn marked(&mut self, left: NodeId, right: NodeId, on: Vec<ScalarId>) -> (NodeId, ScalarId) {
        let mark = self.query.add_column(Column {
            name: "mark".into(),
            relation: None,
            value_type: ValueType::Bool,
            nullable: true,
            origin: Origin::Computed,
        });
        let node = self.joined(JoinKind::Mark(mark), left, right, on);
        (node, self.query.column_scalar(mark))
    }

    /// A join with subqueries in its condition.
    fn unnest_condition(
        &mut self,
        id: NodeId,
        kind: JoinKind,
        left: NodeId,
        right: NodeId,
        on: &[ScalarId],
    ) -> NodeId {
        let output = self.query.output(id);
        let (nested, mut plain): (Vec<ScalarId>, Vec<ScalarId>) =
            on.iter().partition(|condition| self.has_subquery(**condition));
        if kind == JoinKind::Inner {
            let joined = self.joined(kind, left, right, plain);
            return self.unnest_filter(joined, &nested);
        }
        let (left_columns, right_columns) = (self.output_set(left), self.output_set(right));
        let (mut left, mut right) = (left, right);
        for condition in nested {
            let mut used = self.query.scalar_columns(condition);
            for node in self.query.subqueries(condition) {
                used.extend(self.query.free_columns(node));
            }
            let condition = if !used.iter().any(|column| right_columns.contains(column)) {
                let (made, condition) = self.embedded(left, condition);
                left = made;
                condition
            } else if !used.iter().any(|column| left_columns.contains(column)) {
                let (made, condition) = self.embedded(right, condition);
                right = made;
                condition
            } else if kind == JoinKind::Full {
                // There is no side that could evaluate it; the engine sees it as it is.
                condition
            } else {
                right = self.unnest_filter(right, &[condition]);
                continue;
            };
            plain.push(condition);
        }
        let joined = self.joined(kind, left, right, plain);
        self.exactly(joined, &output)
    }
}

fn comparison_text(comparison: lightning_db_expression::Comparison) -> String {
    comparison.to_string()
}
