//! Which columns are used where, and how deep a query is.

use crate::error::{Error, Result};
use crate::query::{ColumnId, JoinKind, Node, NodeId, Query, Scalar, ScalarId, Subquery};

/// Operators on top of each other, blocks of joins and filters counting as one.
const DEPTH_MAX: usize = 400;

/// Subqueries in a scalar.
pub(super) fn subqueries(query: &Query, id: ScalarId, found: &mut Vec<NodeId>) {
    let scalar = query.scalar(id);
    if let Scalar::Subquery(
        Subquery::Exists(node)
        | Subquery::Value(node)
        | Subquery::Any(_, _, node)
        | Subquery::All(_, _, node),
    ) = scalar
    {
        found.push(*node);
    }
    scalar.each_operand(&mut |operand| subqueries(query, operand, found));
}

/// Nodes of a query, those of subqueries among them, each after its inputs and subqueries.
pub(crate) fn all_nodes(query: &Query, root: NodeId) -> Vec<NodeId> {
    let (mut stack, mut order) = (vec![root], Vec::new());
    while let Some(id) = stack.pop() {
        order.push(id);
        let node = query.node(id);
        stack.extend(node.each_input());
        for scalar in node.scalars() {
            subqueries(query, scalar, &mut stack);
        }
    }
    order.reverse();
    order
}

/// Columns that a node uses beside those in its scalars.
fn columns_used(node: &Node) -> Vec<ColumnId> {
    match node {
        Node::Aggregate { groups, .. } => groups.clone(),
        Node::Set { left, right, .. } => left.1.iter().chain(&right.1).copied().collect(),
        Node::Sort { keys, .. } => keys.iter().map(|key| key.column).collect(),
        Node::Window { functions, .. } => functions
            .iter()
            .flat_map(|(_, function)| {
                let order = function.order.iter().map(|key| key.column);
                function.partition.iter().copied().chain(order).collect::<Vec<_>>()
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// How often each column is used, by its position in the query: each scalar that uses it counts
/// once, wherever it stands.
pub(super) fn count_uses(query: &Query, root: NodeId) -> Vec<u32> {
    let mut uses = vec![0; query.column_count()];
    count_uses_below(query, root, &mut |column| uses[column.index()] += 1);
    for column in query.output(root) {
        uses[column.index()] += 1;
    }
    uses
}

/// Calls `count` for each use of a column in a node and below it, those of its output apart.
pub(super) fn count_uses_below(query: &Query, root: NodeId, count: &mut dyn FnMut(ColumnId)) {
    let mut outputs = Vec::new();
    for id in all_nodes(query, root) {
        let node = query.node(id);
        columns_used(node).into_iter().for_each(&mut *count);
        for scalar in node.scalars() {
            query.scalar_columns(scalar).into_iter().for_each(&mut *count);
            subqueries(query, scalar, &mut outputs);
        }
    }
    outputs.into_iter().flat_map(|output| query.output(output)).for_each(count);
}

/// Whether conditions on a node's rows may be put into the block of joins that it is part of.
fn is_inner(query: &Query, node: NodeId) -> bool {
    matches!(
        query.node(node),
        Node::Scan { .. } | Node::Filter { .. } | Node::Join { kind: JoinKind::Inner, .. }
    )
}

/// # Errors
/// [`Error::TooLarge`] if operators are too deep.
pub(super) fn check_depth(query: &Query, root: NodeId) -> Result<()> {
    let mut stack = vec![(root, 0)];
    while let Some((id, depth)) = stack.pop() {
        if depth > DEPTH_MAX {
            let found = depth;
            return Err(Error::TooLarge { what: "nested operators", found, limit: DEPTH_MAX });
        }
        let node = query.node(id);
        let flat = match node {
            Node::Join { .. } => true,
            Node::Filter { input, .. } => is_inner(query, *input),
            _ => false,
        };
        let inner = depth + usize::from(!flat);
        stack.extend(node.each_input().map(|input| (input, inner)));
        let mut nested = Vec::new();
        for scalar in node.scalars() {
            subqueries(query, scalar, &mut nested);
        }
        stack.extend(nested.into_iter().map(|input| (input, depth + 1)));
    }
    Ok(())
}

/// Where nodes stand in a query: what is below a node stands together, right before it.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// First place below each node, and its own; by the node's position.
    nodes: Vec<(usize, usize)>,
    /// Places of the nodes that make each column, by the column's position: a rewrite may have a
    /// column made again above where it came from.
    makers: Vec<Vec<usize>>,
    /// Joins whose right side uses columns of the left, by the node's position.
    lateral: Vec<bool>,
}

impl Places {
    pub(super) fn new(query: &Query, root: NodeId) -> Self {
        let order = all_nodes(query, root);
        let mut places = Self {
            nodes: vec![(0, 0); query.node_count()],
            makers: vec![Vec::new(); query.column_count()],
            lateral: vec![false; query.node_count()],
        };
        let mut parents = vec![None; query.node_count()];
        for (place, id) in order.iter().enumerate() {
            let mut below = query.node(*id).inputs();
            for scalar in query.node(*id).scalars() {
                subqueries(query, scalar, &mut below);
            }
            let first = below.iter().map(|input| places.nodes[input.index()].0).min();
            places.nodes[id.index()] = (first.unwrap_or(place), place);
            for input in below {
                parents[input.index()] = Some(*id);
            }
            for column in made(query, *id) {
                places.makers[column.index()].push(place);
            }
        }
        for id in order {
            let node = query.node(id);
            let mut used = columns_used(node);
            used.extend(node.scalars().into_iter().flat_map(|it| query.scalar_columns(it)));
            for column in used {
                places.note_use(query, &parents, id, column);
            }
        }
        places
    }

    /// Climbs from a node that uses a column of rows around it to the join that gives them.
    fn note_use(
        &mut self,
        query: &Query,
        parents: &[Option<NodeId>],
        user: NodeId,
        column: ColumnId,
    ) {
        let mut at = user;
        while !self.has_column(at, column) {
            let Some(parent) = parents[at.index()] else { return };
            if let Node::Join { left, right, .. } = query.node(parent)
                && *right == at
                && self.has_column(*left, column)
            {
                self.lateral[parent.index()] = true;
            }
            at = parent;
        }
    }

    /// Whether a column is made by a node or below it.
    pub(super) fn has_column(&self, node: NodeId, column: ColumnId) -> bool {
        let (first, last) = self.nodes[node.index()];
        self.makers[column.index()].iter().any(|maker| (first..=last).contains(maker))
    }

    /// Whether the right side of a join is evaluated for each row of the left.
    pub(super) fn is_lateral(&self, node: NodeId) -> bool {
        self.lateral[node.index()]
    }
}

/// Columns that a node makes itself.
fn made(query: &Query, id: NodeId) -> Vec<ColumnId> {
    match query.node(id) {
        Node::Scan { columns, .. } | Node::Values { columns, .. } | Node::Set { columns, .. } => {
            columns.clone()
        }
        Node::Project { columns, .. } => {
            let made = columns
                .iter()
                .filter(|(column, scalar)| *query.scalar(*scalar) != Scalar::Column(*column));
            made.map(|(column, _)| *column).collect()
        }
        Node::Aggregate { aggregates, .. } => {
            aggregates.iter().map(|(column, _)| *column).collect()
        }
        Node::Window { functions, .. } => functions.iter().map(|(column, _)| *column).collect(),
        Node::Join { kind: JoinKind::Mark(mark), .. } => vec![*mark],
        _ => Vec::new(),
    }
}
