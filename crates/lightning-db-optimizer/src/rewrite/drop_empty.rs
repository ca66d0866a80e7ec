//! Operators over no rows, and orders that nothing sees.

use super::tree::Rewriter;
use crate::query::{JoinKind, Node, NodeId, SetOperation};

pub(super) const RULE: &str = "drop empty parts";

impl Rewriter<'_> {
    pub(super) fn drop_empty(&mut self, root: NodeId) -> NodeId {
        self.bottom_up(root, &mut |this, id| {
            let none = this.gives_none(id);
            if none && !this.is_empty(id) {
                this.record(RULE, id, "there are no rows");
                return this.empty(id);
            }
            this.without_empty_side(id)
        })
    }

    fn gives_none(&self, id: NodeId) -> bool {
        match self.query.node(id) {
            Node::Scan { .. } => false,
            Node::Values { rows, .. } => rows.known_len() == Some(0),
            Node::Filter { input, .. }
            | Node::Project { input, .. }
            | Node::Sort { input, .. }
            | Node::Limit { input, .. }
            | Node::Window { input, .. } => self.is_empty(*input),
            Node::Aggregate { input, groups, .. } => !groups.is_empty() && self.is_empty(*input),
            Node::Join { kind, left, right, .. } => match kind {
                JoinKind::Inner | JoinKind::Semi => self.is_empty(*left) || self.is_empty(*right),
                JoinKind::Left | JoinKind::Anti | JoinKind::Mark(_) | JoinKind::Single => {
                    self.is_empty(*left)
                }
                JoinKind::Full => self.is_empty(*left) && self.is_empty(*right),
            },
            Node::Set { operation, left, right, .. } => match operation {
                SetOperation::Union => self.is_empty(left.0) && self.is_empty(right.0),
                SetOperation::Intersect => self.is_empty(left.0) || self.is_empty(right.0),
                SetOperation::Except => self.is_empty(left.0),
            },
        }
    }

    fn without_empty_side(&mut self, id: NodeId) -> NodeId {
        match self.query.node(id).clone() {
            Node::Join { kind: JoinKind::Anti, left, right, .. } if self.is_empty(right) => {
                self.record(RULE, left, "nothing can match");
                left
            }
            // The sort below would be undone.
            Node::Join { left, right, .. } => self.unordered(id, &[left, right]),
            Node::Aggregate { input, .. } | Node::Sort { input, .. } => {
                self.unordered(id, &[input])
            }
            Node::Set { left, right, .. } => self.unordered(id, &[left.0, right.0]),
            _ => id,
        }
    }

    /// The node over inputs that are not sorted: it gives no order, or one of its own.
    fn unordered(&mut self, id: NodeId, inputs: &[NodeId]) -> NodeId {
        let mut made = Vec::with_capacity(inputs.len());
        for input in inputs {
            made.push(match self.query.node(*input) {
                Node::Sort { input, .. } => {
                    let input = *input;
                    self.record(RULE, id, "nothing sees an order");
                    input
                }
                _ => *input,
            });
        }
        self.with_inputs(id, &made)
    }
}
