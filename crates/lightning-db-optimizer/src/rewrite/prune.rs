//! Projection pruning: columns that nothing above uses are not computed.
//!
//! Scans give all columns of their tables: which of them are read, a plan takes from what is used.

use super::tree::{Columns, Rewriter};
use crate::query::{Node, NodeId};

pub(super) const RULE: &str = "prune columns";

impl Rewriter<'_> {
    pub(super) fn prune(&mut self, root: NodeId) -> NodeId {
        let wanted = self.output_set(root);
        self.narrowed(root, &wanted)
    }

    /// Columns of the node's scalars and lists, with those that come from around subqueries.
    fn used_by(&self, node: &Node) -> Columns {
        let mut used: Columns = node.columns_used().into_iter().collect();
        for scalar in node.scalars() {
            used.extend(self.query.scalar_columns(scalar));
            for inner in self.query.subqueries(scalar) {
                used.extend(self.query.free_columns(inner));
            }
        }
        used
    }

    /// The tree, of which only these columns are wanted; it gives at least those.
    fn narrowed(&mut self, id: NodeId, wanted: &Columns) -> NodeId {
        let id = self.without_join(id, wanted);
        let id = self.without_marks(id, wanted);
        let mut node = self.query.node(id).clone();
        let before = self.query.output(id).len();
        match &mut node {
            Node::Project { columns, .. } => columns.retain(|(column, _)| wanted.contains(column)),
            Node::Aggregate { aggregates, .. } => {
                aggregates.retain(|(column, _)| wanted.contains(column));
            }
            Node::Window { functions, .. } => {
                functions.retain(|(column, _)| wanted.contains(column));
            }
            Node::Set { all: true, operation, left, right, columns }
                if *operation == crate::query::SetOperation::Union =>
            {
                let keep: Vec<bool> = columns.iter().map(|it| wanted.contains(it)).collect();
                for list in [&mut left.1, &mut right.1, &mut *columns] {
                    let mut flags = keep.iter();
                    list.retain(|_| flags.next().copied().unwrap_or(true));
                }
            }
            _ => {}
        }
        if let Node::Window { input, functions } = &node
            && functions.is_empty()
        {
            let input = *input;
            self.record(RULE, input, "a window is not used");
            return self.narrowed(input, wanted);
        }
        let mut used = self.used_by(&node);
        let passes =
            !matches!(node, Node::Project { .. } | Node::Aggregate { .. } | Node::Set { .. });
        if passes {
            used.extend(wanted);
        }
        let id = if node == *self.query.node(id) { id } else { self.query.add_node(node.clone()) };
        let after = self.query.output(id).len();
        if after < before {
            self.record(RULE, id, format!("{} columns are not used", before - after));
        }
        let inputs = node.inputs();
        if let Node::Join { left, right, .. } = node {
            // A dependent side uses columns of the other one.
            used.extend(self.bound_by(left, right));
        }
        let made: Vec<NodeId> = inputs.iter().map(|input| self.narrowed(*input, &used)).collect();
        self.with_inputs(id, &made)
    }
}
