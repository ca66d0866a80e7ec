//! Joins whose right side uses columns of the left one.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use lightning_db_expression::{Comparison, Function};
use lightning_db_types::Value;

use super::super::tree::{Columns, Rewriter};
use super::RULE;
use crate::query::{ColumnId, JoinKind, Node, NodeId, Scalar, ScalarId};

/// Columns that hold the values of outer columns inside of an unnested part.
pub(super) type Bound = HashMap<ColumnId, BoundColumn, FixedState>;

#[derive(Debug, Clone, Copy)]
pub(super) struct BoundColumn {
    pub(super) column: ColumnId,
    /// Whether it may be null, and then stands for a null outside.
    pub(super) nullable: bool,
}

impl Rewriter<'_> {
    /// A join, made independent if it can be.
    pub(super) fn joined(
        &mut self,
        kind: JoinKind,
        left: NodeId,
        right: NodeId,
        on: Vec<ScalarId>,
    ) -> NodeId {
        let plain = Node::Join { kind, left, right, on: on.clone() };
        if self.bound_by(left, right).is_empty() {
            return self.query.add_node(plain);
        }
        let before = self.applied.len();
        if let Some(node) = self.independent(kind, left, right, on) {
            return node;
        }
        self.applied.truncate(before);
        let node = self.query.add_node(plain);
        self.record(RULE, node, "stays dependent: each row has a limit of its own");
        node
    }

    fn independent(
        &mut self,
        kind: JoinKind,
        left: NodeId,
        right: NodeId,
        on: Vec<ScalarId>,
    ) -> Option<NodeId> {
        let mut output = self.query.output(left);
        match kind {
            JoinKind::Semi | JoinKind::Anti => {}
            JoinKind::Mark(mark) => output.push(mark),
            _ => output.extend(self.query.output(right)),
        }
        let for_existence = matches!(kind, JoinKind::Semi | JoinKind::Anti | JoinKind::Mark(_));
        let right = if for_existence && on.is_empty() { self.witness(right) } else { right };
        if let Some(node) = self.over_scalar_aggregate(kind, left, right, &on) {
            return Some(self.exactly(node, &output));
        }
        let outer: Columns = self.bound_by(left, right).into_iter().collect();
        let (right, pulled) = self.pulled(right, &outer);
        let mut on = on;
        for condition in pulled {
            on.push(self.decisive(kind, left, right, condition));
        }
        let rest = self.bound_by(left, right);
        let right = if rest.is_empty() {
            right
        } else {
            let (pushed, bound) = self.push(left, right, &rest)?;
            for column in rest {
                let equal = self.same_value(kind, left, column, bound[&column]);
                on.extend(equal);
            }
            self.record(RULE, pushed, "a dependent join is pushed down");
            pushed
        };
        let node = self.query.add_node(Node::Join { kind, left, right, on });
        Some(self.exactly(node, &output))
    }

    /// What has rows exactly if the node has, and is simpler.
    fn witness(&self, mut node: NodeId) -> NodeId {
        loop {
            node = match self.query.node(node) {
                Node::Project { input, .. }
                | Node::Sort { input, .. }
                | Node::Window { input, .. } => *input,
                Node::Aggregate { input, groups, .. } if !groups.is_empty() => *input,
                Node::Limit { input, limit, offset: 0 } if *limit != Some(0) => *input,
                _ => return node,
            };
        }
    }

    /// A condition in the form that the join needs: a filter takes unknown for false, and so does
    /// each join but a mark join.
    fn decisive(
        &mut self,
        kind: JoinKind,
        left: NodeId,
        right: NodeId,
        condition: ScalarId,
    ) -> ScalarId {
        let nullable =
            |column| self.may_be_null_in(left, column) || self.may_be_null_in(right, column);
        if !matches!(kind, JoinKind::Mark(_)) || !self.query.may_be_null(condition, &nullable) {
            return condition;
        }
        let never = self.query.add_scalar(Scalar::Literal(Value::Bool(false)));
        self.query.add_scalar(Scalar::Call(Function::Coalesce, vec![condition, never]))
    }

    /// Whether a column that a node gives may be null; true where it is not seen.
    pub(in super::super) fn may_be_null_in(&self, mut node: NodeId, column: ColumnId) -> bool {
        loop {
            node = match self.query.node(node) {
                Node::Filter { input, .. }
                | Node::Sort { input, .. }
                | Node::Limit { input, .. } => *input,
                Node::Window { input, functions } => {
                    if functions.iter().any(|(made, _)| *made == column) {
                        return self.query.column(column).nullable;
                    }
                    *input
                }
                Node::Aggregate { input, groups, .. } if groups.contains(&column) => *input,
                Node::Project { input, columns } => {
                    let Some((_, scalar)) = columns.iter().find(|(made, _)| *made == column) else {
                        return false;
                    };
                    let nullable = |used| self.may_be_null_in(*input, used);
                    return self.query.may_be_null(*scalar, &nullable);
                }
                Node::Join { kind, left, right, .. } => match kind {
                    JoinKind::Mark(mark) if *mark == column => return true,
                    JoinKind::Full => return true,
                    _ if self.query.output(*left).contains(&column) => *left,
                    JoinKind::Left | JoinKind::Single => return true,
                    _ => *right,
                },
                Node::Scan { columns, .. } | Node::Values { columns, .. } => {
                    return columns.contains(&column) && self.query.column(column).nullable;
                }
                Node::Set { .. } | Node::Aggregate { .. } => {
                    return self.query.column(column).nullable;
                }
            };
        }
    }

    /// Conditions that say that an outer column and what holds its value inside are the same, nulls
    /// included.
    pub(super) fn same_value(
        &mut self,
        kind: JoinKind,
        left: NodeId,
        outer: ColumnId,
        bound: BoundColumn,
    ) -> Vec<ScalarId> {
        let (one, other) =
            (self.query.column_scalar(outer), self.query.column_scalar(bound.column));
        let equal = self.query.add_scalar(Scalar::Compare(Comparison::Equal, one, other));
        if !self.may_be_null_in(left, outer) {
            return vec![equal];
        }
        let mark = matches!(kind, JoinKind::Mark(_));
        let null = self.query.add_scalar(Scalar::IsNull(one));
        if !bound.nullable {
            let known = self.query.add_scalar(Scalar::Not(null));
            return if mark { vec![equal, known] } else { vec![equal] };
        }
        let other_null = self.query.add_scalar(Scalar::IsNull(other));
        let both = self.query.add_scalar(Scalar::And(vec![null, other_null]));
        let same = self.query.add_scalar(Scalar::Or(vec![equal, both]));
        if !mark {
            return vec![same];
        }
        let never = self.query.add_scalar(Scalar::Literal(Value::Bool(false)));
        vec![self.query.add_scalar(Scalar::Call(Function::Coalesce, vec![same, never]))]
    }

    fn uses(&self, scalar: ScalarId, columns: &Columns) -> bool {
        self.query.scalar_columns(scalar).iter().any(|column| columns.contains(column))
    }

    /// The tree without the conditions that use outer columns, as far as they can stand above it,
    /// and these conditions; the tree gives the columns that they need.
    fn pulled(&mut self, id: NodeId, outer: &Columns) -> (NodeId, Vec<ScalarId>) {
        match self.query.node(id).clone() {
            Node::Filter { input, conditions } => {
                let (input, mut pulled) = self.pulled(input, outer);
                let (out, kept): (Vec<ScalarId>, Vec<ScalarId>) =
                    conditions.into_iter().partition(|condition| self.uses(*condition, outer));
                pulled.extend(out);
                (self.filtered(input, kept), pulled)
            }
            Node::Project { input, mut columns } => {
                let (input, pulled) = self.pulled(input, outer);
                for condition in &pulled {
                    for column in self.query.scalar_columns(*condition) {
                        let here = columns.iter().any(|(known, _)| *known == column);
                        if !here && !outer.contains(&column) {
                            columns.push((column, self.query.column_scalar(column)));
                        }
                    }
                }
                (self.query.add_node(Node::Project { input, columns }), pulled)
            }
            Node::Sort { input, .. } => self.pulled(input, outer),
            Node::Join { kind, left, right, on } => {
                if !self.bound_by(left, right).is_empty() || kind == JoinKind::Full {
                    return (id, Vec::new());
                }
                let (left, mut pulled) = self.pulled(left, outer);
                if kind != JoinKind::Inner {
                    let node = Node::Join { kind, left, right, on };
                    return (self.query.add_node(node), pulled);
                }
                let (right, more) = self.pulled(right, outer);
                let (out, on): (Vec<ScalarId>, Vec<ScalarId>) =
                    on.into_iter().partition(|condition| self.uses(*condition, outer));
                pulled.extend(more.into_iter().chain(out));
                (self.query.add_node(Node::Join { kind, left, right, on }), pulled)
            }
            _ => (id, Vec::new()),
        }
    }
}
