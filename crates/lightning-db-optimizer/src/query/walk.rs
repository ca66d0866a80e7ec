//! Ways through a query, without recursion: a chain of ten thousand joins is a deep tree.

use std::collections::HashSet;

use foldhash::fast::FixedState;

use super::{ColumnId, JoinKind, Node, NodeId, Query, Scalar, ScalarId};

impl Query {
    /// The nodes below one, itself included, each after its inputs; those in subqueries are not
    /// among them.
    pub fn post_order(&self, root: NodeId) -> Vec<NodeId> {
        let (mut stack, mut order) = (vec![root], Vec::new());
        while let Some(id) = stack.pop() {
            order.push(id);
            stack.extend(self.node(id).each_input());
        }
        order.reverse();
        order
    }

    /// The subqueries in a scalar, from left to right; not those inside of them.
    pub fn subqueries(&self, id: ScalarId) -> Vec<NodeId> {
        let mut found = Vec::new();
        self.visit_scalar(id, &mut |scalar| {
            if let Scalar::Subquery(subquery) = scalar {
                found.push(subquery.node());
            }
        });
        found
    }

    /// Calls `visit` with a scalar and all that it is made of, from left to right.
    pub fn visit_scalar(&self, id: ScalarId, visit: &mut dyn FnMut(&Scalar)) {
        let scalar = self.scalar(id);
        visit(scalar);
        scalar.each_operand(&mut |operand| self.visit_scalar(operand, visit));
    }

    /// Columns that a node and all below it use, but do not make, ascending: those of the rows
    /// around a correlated part. Subqueries are looked into.
    pub fn free_columns(&self, root: NodeId) -> Vec<ColumnId> {
        let mut used: HashSet<ColumnId, FixedState> = HashSet::default();
        let mut made: HashSet<ColumnId, FixedState> = HashSet::default();
        let mut stack = vec![root];
        while let Some(id) = stack.pop() {
            let node = self.node(id);
            stack.extend(node.each_input());
            for scalar in node.scalars() {
                self.visit_scalar(scalar, &mut |scalar| {
                    if let Scalar::Column(column) = scalar {
                        used.insert(*column);
                    }
                });
                stack.extend(self.subqueries(scalar));
            }
            used.extend(node.columns_used());
            made.extend(self.columns_made(id));
        }
        let mut free: Vec<ColumnId> = used.difference(&made).copied().collect();
        free.sort_unstable();
        free
    }

    /// Columns that a node makes itself, and does not pass on.
    pub fn columns_made(&self, id: NodeId) -> Vec<ColumnId> {
        match self.node(id) {
            Node::Scan { columns, .. }
            | Node::Values { columns, .. }
            | Node::Set { columns, .. } => columns.clone(),
            Node::Project { columns, .. } => {
                let made = columns
                    .iter()
                    .filter(|(column, scalar)| *self.scalar(*scalar) != Scalar::Column(*column));
                made.map(|(column, _)| *column).collect()
            }
            Node::Aggregate { aggregates, .. } => {
                aggregates.iter().map(|(column, _)| *column).collect()
            }
            Node::Window { functions, .. } => functions.iter().map(|(column, _)| *column).collect(),
            Node::Join { kind: JoinKind::Mark(mark), .. } => vec![*mark],
            Node::Filter { .. } | Node::Join { .. } | Node::Sort { .. } | Node::Limit { .. } => {
                Vec::new()
            }
        }
    }
}

impl Node {
    /// Columns that it uses beside those in its scalars.
    pub fn columns_used(&self) -> Vec<ColumnId> {
        match self {
            Self::Aggregate { groups, .. } => groups.clone(),
            Self::Set { left, right, .. } => left.1.iter().chain(&right.1).copied().collect(),
            Self::Sort { keys, .. } => keys.iter().map(|key| key.column).collect(),
            Self::Window { functions, .. } => {
                let used = functions.iter().flat_map(|(_, function)| {
                    let order = function.order.iter().map(|key| key.column);
                    function.partition.iter().copied().chain(order)
                });
                used.collect()
            }
            Self::Scan { .. }
            | Self::Values { .. }
            | Self::Filter { .. }
            | Self::Project { .. }
            | Self::Join { .. }
            | Self::Limit { .. } => Vec::new(),
        }
    }
}
