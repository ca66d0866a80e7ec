//! Blocks of joins: what is joined, and on what.

use super::planner::Planner;
use crate::query::{ColumnId, JoinKind, Node, NodeId, ScalarId};

/// What a block joins: a relation, or a node of any other kind.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub(super) node: NodeId,
    /// What must be true of its rows, beside what the node itself says.
    pub(super) conditions: Vec<ScalarId>,
}

/// A part of a block.
#[derive(Debug, Clone)]
pub(super) enum Part {
    /// A leaf, by position.
    Leaf(usize),
    /// A join of two earlier parts, by position.
    Join { kind: JoinKind, left: usize, right: usize, on: Vec<ScalarId> },
}

/// A block: its parts stand after those they are made of, the whole is the last.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    pub(super) leaves: Vec<Leaf>,
    pub(super) parts: Vec<Part>,
}

enum Step {
    Visit(NodeId, Vec<ScalarId>),
    Make(JoinKind, Vec<ScalarId>),
}

/// Conditions by where they are evaluated.
#[derive(Default)]
struct Split {
    left: Vec<ScalarId>,
    right: Vec<ScalarId>,
    here: Vec<ScalarId>,
}

impl Planner<'_> {
    /// The block whose root is a node. Conditions are moved to the leaves that they are on, as far
    /// as that changes no rows.
    pub(super) fn tree(&self, root: NodeId) -> Tree {
        let mut tree = Tree::default();
        let mut steps = vec![Step::Visit(root, Vec::new())];
        let mut made: Vec<usize> = Vec::new();
        while let Some(step) = steps.pop() {
            match step {
                Step::Visit(node, conditions) => {
                    if let Some(leaf) = self.visit(node, conditions, &mut steps) {
                        tree.leaves.push(leaf);
                        tree.parts.push(Part::Leaf(tree.leaves.len() - 1));
                        made.push(tree.parts.len() - 1);
                    }
                }
                Step::Make(kind, on) => {
                    let (right, left) = (made.pop().unwrap_or(0), made.pop().unwrap_or(0));
                    tree.parts.push(Part::Join { kind, left, right, on });
                    made.push(tree.parts.len() - 1);
                }
            }
        }
        tree
    }

    /// A leaf, or the steps to what a join or filter is made of.
    fn visit(
        &self,
        node: NodeId,
        mut conditions: Vec<ScalarId>,
        steps: &mut Vec<Step>,
    ) -> Option<Leaf> {
        match self.query.node(node) {
            Node::Filter { input, conditions: more } if self.is_open(*input) => {
                conditions.extend(more.iter().copied());
                steps.push(Step::Visit(*input, conditions));
                None
            }
            Node::Join { kind, left, right, on } if !self.places.is_lateral(node) => {
                let split = if *kind == JoinKind::Inner {
                    conditions.extend(on.iter().copied());
                    self.split_inner(*left, *right, conditions)
                } else {
                    match self.split_outer(*kind, (*left, *right), on, &conditions) {
                        Some(split) => split,
                        None => return Some(Leaf { node, conditions }),
                    }
                };
                steps.push(Step::Make(*kind, split.here));
                steps.push(Step::Visit(*right, split.right));
                steps.push(Step::Visit(*left, split.left));
                None
            }
            _ => Some(Leaf { node, conditions }),
        }
    }

    /// Whether a filter on a node is part of the node's block.
    pub(super) fn is_open(&self, node: NodeId) -> bool {
        match self.query.node(node) {
            Node::Scan { .. } | Node::Filter { .. } => true,
            Node::Join { .. } => !self.places.is_lateral(node),
            _ => false,
        }
    }

    /// Whether all columns that a scalar uses, those of rows around the block excepted, are made
    /// below a node. What a subquery in it uses of the row is not looked for.
    fn is_within(&self, scalar: ScalarId, node: NodeId, other: NodeId) -> bool {
        let mut nested = Vec::new();
        super::uses::subqueries(self.query, scalar, &mut nested);
        let columns = self.query.scalar_columns(scalar);
        let elsewhere = |column: &ColumnId| self.places.has_column(other, *column);
        nested.is_empty() && !columns.iter().any(elsewhere) && {
            columns.is_empty() || columns.iter().any(|it| self.places.has_column(node, *it))
        }
    }

    fn split_inner(&self, left: NodeId, right: NodeId, conditions: Vec<ScalarId>) -> Split {
        let mut split = Split::default();
        for condition in conditions {
            if self.is_within(condition, left, right) {
                split.left.push(condition);
            } else if self.is_within(condition, right, left) {
                split.right.push(condition);
            } else {
                split.here.push(condition);
            }
        }
        split
    }

    /// `None` if there is a condition on the join's rows that must wait for it.
    fn split_outer(
        &self,
        kind: JoinKind,
        (left, right): (NodeId, NodeId),
        on: &[ScalarId],
        conditions: &[ScalarId],
    ) -> Option<Split> {
        let mut split = Split::default();
        for condition in conditions {
            let columns = self.query.scalar_columns(*condition);
            let below = columns.iter().all(|column| match kind {
                JoinKind::Mark(mark) => *column != mark,
                _ => true,
            });
            if kind == JoinKind::Full || !below || !self.is_within(*condition, left, right) {
                return None;
            }
            split.left.push(*condition);
        }
        let pushes =
            matches!(kind, JoinKind::Left | JoinKind::Semi | JoinKind::Anti | JoinKind::Single);
        for condition in on {
            let columns = self.query.scalar_columns(*condition);
            if pushes && !columns.is_empty() && self.is_within(*condition, right, left) {
                split.right.push(*condition);
            } else {
                split.here.push(*condition);
            }
        }
        Some(split)
    }
}
