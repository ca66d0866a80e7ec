//! What rules share: walking, substitution, copies.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::{Applied, balance, push_aggregate};
use crate::catalog::Catalog;
use crate::query::{
    Column, ColumnId, JoinKind, Node, NodeId, Properties, PropertyCache, Query, Scalar, ScalarId,
    SortKey, WindowFunction,
};

/// A set of columns.
pub(super) type Columns = HashSet<ColumnId, FixedState>;

/// What stands for columns.
pub(super) type Substitution = HashMap<ColumnId, ScalarId, FixedState>;

/// A query that is being rewritten.
pub(super) struct Rewriter<'a> {
    pub(super) query: &'a mut Query,
    pub(super) catalog: &'a dyn Catalog,
    pub(super) applied: Vec<Applied>,
    pub(super) known: PropertyCache,
    /// Conditions of which it was told that they were pushed down.
    pub(super) passed: HashSet<ScalarId, FixedState>,
    /// What alternatives were found to say of one side.
    pub(super) restrictions: HashSet<ScalarId, FixedState>,
    /// Rows that must become one for an aggregate to be done early.
    pub(super) reduction_min: f64,
    /// Relations of a chain of joins that is not balanced.
    pub(super) chain_max: usize,
}

impl<'a> Rewriter<'a> {
    pub(super) fn new(query: &'a mut Query, catalog: &'a dyn Catalog) -> Self {
        Self {
            query,
            catalog,
            applied: Vec::new(),
            known: PropertyCache::default(),
            passed: HashSet::default(),
            restrictions: HashSet::default(),
            reduction_min: push_aggregate::REDUCTION_MIN,
            chain_max: balance::CHAIN_MAX,
        }
    }
}

impl Rewriter<'_> {
    /// Notes that a rule was applied.
    pub(super) fn record(&mut self, rule: &'static str, node: NodeId, detail: impl Into<String>) {
        self.applied.push(Applied { rule, node, detail: detail.into() });
    }

    pub(super) fn properties(&mut self, node: NodeId) -> Arc<Properties> {
        self.known.of(self.query, self.catalog, node)
    }

    pub(super) fn output_set(&self, node: NodeId) -> Columns {
        self.query.output(node).into_iter().collect()
    }

    /// Rebuilds a tree from its leaves: `turn` gets each node with the inputs that were made.
    pub(super) fn bottom_up(
        &mut self,
        root: NodeId,
        turn: &mut dyn FnMut(&mut Self, NodeId) -> NodeId,
    ) -> NodeId {
        // Most rules change few nodes, or none: only those are kept.
        let mut made: HashMap<NodeId, NodeId, FixedState> = HashMap::default();
        for id in self.query.post_order(root) {
            let node = self.query.node(id);
            let rebuilt = if node.each_input().any(|input| made.contains_key(&input)) {
                let turned = |input: NodeId| made.get(&input).copied().unwrap_or(input);
                let turned: Vec<NodeId> = node.each_input().map(turned).collect();
                self.with_inputs(id, &turned)
            } else {
                id
            };
            let node = turn(self, rebuilt);
            if node != id {
                made.insert(id, node);
            }
        }
        made.get(&root).copied().unwrap_or(root)
    }

    /// The node over these inputs: itself, if they are its own.
    pub(super) fn with_inputs(&mut self, id: NodeId, inputs: &[NodeId]) -> NodeId {
        let node = self.query.node(id);
        if node.each_input().eq(inputs.iter().copied()) {
            return id;
        }
        let node = node.with_inputs(inputs);
        self.query.add_node(node)
    }

    /// The input with the conditions before it; itself if there are none.
    pub(super) fn filtered(&mut self, input: NodeId, mut conditions: Vec<ScalarId>) -> NodeId {
        if conditions.is_empty() {
            return input;
        }
        if let Node::Filter { input, conditions: known } = self.query.node(input).clone() {
            conditions.retain(|condition| !known.contains(condition));
            let conditions = known.into_iter().chain(conditions).collect();
            return self.query.add_node(Node::Filter { input, conditions });
        }
        self.query.add_node(Node::Filter { input, conditions })
    }

    /// The input with exactly these columns, in this order.
    pub(super) fn exactly(&mut self, input: NodeId, columns: &[ColumnId]) -> NodeId {
        if self.query.output(input) == columns {
            return input;
        }
        let columns = columns.iter().map(|column| (*column, self.query.column_scalar(*column)));
        let columns = columns.collect();
        self.query.add_node(Node::Project { input, columns })
    }

    /// No rows, with the columns of a node.
    pub(super) fn empty(&mut self, like: NodeId) -> NodeId {
        let columns = self.query.output(like);
        self.query.add_node(Node::Values { columns, rows: crate::query::ValueRows::none() })
    }

    pub(super) fn is_empty(&self, node: NodeId) -> bool {
        matches!(self.query.node(node), Node::Values { rows, .. } if rows.known_len() == Some(0))
    }

    /// A new column like another one.
    pub(super) fn column_like(&mut self, column: ColumnId) -> ColumnId {
        let column = self.query.column(column).clone();
        self.query.add_column(column)
    }

    /// A new column that holds a scalar, named like another one.
    pub(super) fn column_for(&mut self, scalar: ScalarId, like: ColumnId) -> ColumnId {
        let value_type = self.query.value_type(scalar);
        let column = Column { value_type, nullable: true, ..self.query.column(like).clone() };
        self.query.add_column(column)
    }

    /// A scalar with others for columns; columns that stand for nothing stay. Subqueries in it are
    /// changed as well.
    pub(super) fn substitute(&mut self, id: ScalarId, by: &Substitution) -> ScalarId {
        let scalar = self.query.scalar(id).clone();
        if let Scalar::Column(column) = scalar {
            return by.get(&column).copied().unwrap_or(id);
        }
        let operands = scalar.operands();
        let turned: Vec<ScalarId> =
            operands.iter().map(|operand| self.substitute(*operand, by)).collect();
        let mut scalar = if turned == operands { scalar } else { scalar.with_operands(&turned) };
        if let Scalar::Subquery(subquery) = &mut scalar {
            let node = subquery.node_mut();
            *node = self.substitute_below(*node, by);
        }
        self.query.add_scalar(scalar)
    }

    pub(super) fn substitute_all(&mut self, ids: &[ScalarId], by: &Substitution) -> Vec<ScalarId> {
        ids.iter().map(|id| self.substitute(*id, by)).collect()
    }

    /// A tree with others for columns that come from around it.
    pub(super) fn substitute_below(&mut self, root: NodeId, by: &Substitution) -> NodeId {
        if by.is_empty() {
            return root;
        }
        self.bottom_up(root, &mut |this, id| {
            let scalars = this.query.node(id).scalars();
            let turned = this.substitute_all(&scalars, by);
            if turned == scalars { id } else { this.with_scalars(id, &turned) }
        })
    }

    /// The same operator over other scalars, as many as it has.
    pub(super) fn with_scalars(&mut self, id: NodeId, scalars: &[ScalarId]) -> NodeId {
        let node = with_scalars(self.query.node(id).clone(), scalars);
        self.query.add_node(node)
    }

    /// A copy of a tree, all of whose columns are new, with the column that each one became.
    pub(super) fn copy(
        &mut self,
        root: NodeId,
    ) -> (NodeId, HashMap<ColumnId, ColumnId, FixedState>) {
        let mut columns: HashMap<ColumnId, ColumnId, FixedState> = HashMap::default();
        let mut made: HashMap<NodeId, NodeId, FixedState> = HashMap::default();
        for id in self.query.post_order(root) {
            for column in self.query.columns_made(id) {
                let new = self.column_like(column);
                columns.insert(column, new);
            }
            let by: Substitution = columns
                .iter()
                .map(|(old, new)| (*old, *new))
                .map(|(old, new)| (old, self.query.column_scalar(new)))
                .collect();
            let node = self.query.node(id).clone();
            let inputs: Vec<NodeId> = node.inputs().iter().map(|input| made[input]).collect();
            let scalars = self.substitute_all(&node.scalars(), &by);
            let node = with_scalars(node.with_inputs(&inputs), &scalars);
            let node = renamed(node, &|column| columns.get(&column).copied().unwrap_or(column));
            made.insert(id, self.query.add_node(node));
        }
        (made[&root], columns)
    }
}

fn with_scalars(mut node: Node, scalars: &[ScalarId]) -> Node {
    let mut next = scalars.iter().copied();
    let mut put = |place: &mut ScalarId| {
        if let Some(scalar) = next.next() {
            *place = scalar;
        }
    };
    match &mut node {
        Node::Filter { conditions, .. } | Node::Join { on: conditions, .. } => {
            conditions.iter_mut().for_each(put);
        }
        Node::Project { columns, .. } => columns.iter_mut().for_each(|(_, scalar)| put(scalar)),
        Node::Aggregate { aggregates, .. } => {
            for (_, aggregate) in aggregates {
                aggregate.argument.iter_mut().chain(&mut aggregate.filter).for_each(&mut put);
            }
        }
        Node::Window { functions, .. } => {
            let arguments = functions.iter_mut().flat_map(|(_, function)| &mut function.arguments);
            arguments.for_each(put);
        }
        Node::Scan { .. }
        | Node::Values { .. }
        | Node::Set { .. }
        | Node::Sort { .. }
        | Node::Limit { .. } => {}
    }
    node
}

/// The node with other names for the columns that it makes, and uses outside of scalars.
pub(super) fn renamed(mut node: Node, name: &dyn Fn(ColumnId) -> ColumnId) -> Node {
    let turn = |columns: &mut Vec<ColumnId>| {
        for column in columns {
            *column = name(*column);
        }
    };
    let keys = |keys: &mut Vec<SortKey>| {
        for key in keys {
            key.column = name(key.column);
        }
    };
    match &mut node {
        Node::Scan { columns, .. } | Node::Values { columns, .. } => turn(columns),
        Node::Project { columns, .. } => {
            for (column, _) in columns {
                *column = name(*column);
            }
        }
        Node::Join { kind, .. } => {
            if let JoinKind::Mark(mark) = kind {
                *mark = name(*mark);
            }
        }
        Node::Aggregate { groups, aggregates, .. } => {
            turn(groups);
            for (column, _) in aggregates {
                *column = name(*column);
            }
        }
        Node::Set { left, right, columns, .. } => {
            turn(&mut left.1);
            turn(&mut right.1);
            turn(columns);
        }
        Node::Sort { keys: order, .. } => keys(order),
        Node::Window { functions, .. } => {
            for (column, WindowFunction { partition, order, .. }) in functions {
                *column = name(*column);
                turn(partition);
                keys(order);
            }
        }
        Node::Filter { .. } | Node::Limit { .. } => {}
    }
    node
}
