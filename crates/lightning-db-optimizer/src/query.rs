//! A query: a tree of relational operators, in arenas that only grow.
//!
//! Nodes, scalars and columns are handles of 32 bits. Every column that an operator makes has a
//! number of its own, unique in the query, so that nothing is ever renamed when operators move.
//! Equal scalars have one handle. A rewrite makes new nodes and leaves the old ones alone.

mod display;
mod node;
mod properties;
mod rows;
mod scalar;
mod strict;
mod typing;
mod walk;

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use lightning_db_types::{Value, ValueType};

pub use node::{
    Aggregate, AggregateFunction, JoinKind, Node, SetOperation, SortKey, Spread, WindowFunction,
};
pub use properties::{ColumnSet, Properties, PropertyCache};
pub use rows::{Series, ValueRows};
pub use scalar::{Scalar, Subquery};
pub use typing::arithmetic_type;

use crate::catalog::TableId;

/// A node of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

/// A scalar of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScalarId(u32);

/// A column of a query, unique in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnId(u32);

impl NodeId {
    /// Position in the arena.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl ScalarId {
    /// Position in the arena.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl ColumnId {
    /// Position in the arena.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A column: what it is called, what it holds, where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Name for people; need not be unique.
    pub name: Arc<str>,
    /// Name of the relation it is of, for people.
    pub relation: Option<Arc<str>>,
    /// Type of its values.
    pub value_type: ValueType,
    /// Whether it may be null where it is made. Outer joins make more columns null.
    pub nullable: bool,
    /// Where its values come from.
    pub origin: Origin,
}

/// Where the values of a column come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A column of a table, by position.
    Table(TableId, usize),
    /// An operator computes it.
    Computed,
}

/// A query. Made by the builder, changed by rewrites, read by planning.
#[derive(Debug, Clone, Default)]
pub struct Query {
    nodes: Vec<Node>,
    scalars: Vec<Scalar>,
    known: HashMap<Scalar, ScalarId, FixedState>,
    columns: Vec<Column>,
    root: Option<NodeId>,
    /// Values that parameters have now, for estimates; a plan is right for any values.
    parameters: Vec<Option<Value>>,
}

impl Query {
    /// An empty query.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a node.
    pub fn add_node(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(handle(self.nodes.len()))
    }

    /// Handle of a scalar: the same for equal ones.
    pub fn add_scalar(&mut self, scalar: Scalar) -> ScalarId {
        if let Some(id) = self.known.get(&scalar) {
            return *id;
        }
        self.scalars.push(scalar.clone());
        let id = ScalarId(handle(self.scalars.len()));
        self.known.insert(scalar, id);
        id
    }

    /// The scalar that is a column.
    pub fn column_scalar(&mut self, column: ColumnId) -> ScalarId {
        self.add_scalar(Scalar::Column(column))
    }

    /// Adds a column.
    pub fn add_column(&mut self, column: Column) -> ColumnId {
        self.columns.push(column);
        ColumnId(handle(self.columns.len()))
    }

    /// Makes a node the root: its rows are the query's.
    pub fn set_root(&mut self, root: NodeId) {
        self.root = Some(root);
    }

    /// Sets the value that a parameter has now, which estimates use.
    pub fn bind(&mut self, parameter: usize, value: Value) {
        if self.parameters.len() <= parameter {
            self.parameters.resize(parameter + 1, None);
        }
        self.parameters[parameter] = Some(value);
    }

    /// The same query where tables have other identifiers: for queries of one catalog that are to
    /// run on another.
    #[cfg(feature = "reference")]
    #[must_use]
    pub fn with_tables(mut self, of: impl Fn(TableId) -> TableId) -> Self {
        for node in &mut self.nodes {
            if let Node::Scan { table, .. } = node {
                *table = of(*table);
            }
        }
        for column in &mut self.columns {
            if let Origin::Table(table, _) = &mut column.origin {
                *table = of(*table);
            }
        }
        self
    }

    /// The root, once there is one.
    pub fn root(&self) -> Option<NodeId> {
        self.root
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// A scalar.
    pub fn scalar(&self, id: ScalarId) -> &Scalar {
        &self.scalars[id.index()]
    }

    /// A column.
    pub fn column(&self, id: ColumnId) -> &Column {
        &self.columns[id.index()]
    }

    /// All nodes ever made, inputs before what reads them.
    pub fn node_ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..handle(self.nodes.len() + 1)).map(NodeId)
    }

    /// Number of nodes ever made.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Number of scalars ever made.
    pub fn scalar_count(&self) -> usize {
        self.scalars.len()
    }

    /// Number of columns ever made.
    pub fn column_count(&self) -> usize {
        self.columns.len()
    }

    /// All columns ever made, in that order.
    pub fn column_ids(&self) -> impl Iterator<Item = ColumnId> + use<> {
        (1..=self.columns.len()).map(|len| ColumnId(handle(len)))
    }

    /// The value that a parameter has now, if it is known.
    pub fn parameter(&self, parameter: usize) -> Option<&Value> {
        self.parameters.get(parameter)?.as_ref()
    }

    /// The parameters whose values are known, with these, ascending.
    pub fn bound(&self) -> impl Iterator<Item = (usize, &Value)> {
        let all = self.parameters.iter().enumerate();
        all.filter_map(|(number, value)| Some((number, value.as_ref()?)))
    }

    /// Columns that a node gives, in order.
    pub fn output(&self, id: NodeId) -> Vec<ColumnId> {
        let mut output = Vec::new();
        // A chain of thousands of joins is a deep tree: what is left to do stands on a stack.
        let mut stack = vec![Given::By(id)];
        while let Some(next) = stack.pop() {
            let id = match next {
                Given::By(id) => id,
                Given::Columns(columns) => {
                    output.extend(columns);
                    continue;
                }
            };
            match self.node(id) {
                Node::Scan { columns, .. }
                | Node::Values { columns, .. }
                | Node::Set { columns, .. } => output.extend(columns),
                Node::Filter { input, .. }
                | Node::Sort { input, .. }
                | Node::Limit { input, .. } => stack.push(Given::By(*input)),
                Node::Project { columns, .. } => {
                    output.extend(columns.iter().map(|(column, _)| *column));
                }
                Node::Join { kind, left, right, .. } => {
                    match kind {
                        JoinKind::Semi | JoinKind::Anti => {}
                        JoinKind::Mark(mark) => stack.push(Given::Columns(vec![*mark])),
                        JoinKind::Single | JoinKind::Inner | JoinKind::Left | JoinKind::Full => {
                            stack.push(Given::By(*right));
                        }
                    }
                    stack.push(Given::By(*left));
                }
                Node::Aggregate { groups, aggregates, .. } => {
                    output.extend(groups);
                    output.extend(aggregates.iter().map(|(column, _)| *column));
                }
                Node::Window { input, functions } => {
                    let made = functions.iter().map(|(column, _)| *column);
                    stack.push(Given::Columns(made.collect()));
                    stack.push(Given::By(*input));
                }
            }
        }
        output
    }
}

/// Part of the columns that a node gives.
enum Given {
    By(NodeId),
    Columns(Vec<ColumnId>),
}

/// Handle of the last of `len` items. More than 2^32 items do not fit into memory.
fn handle(len: usize) -> u32 {
    u32::try_from(len - 1).unwrap_or(u32::MAX)
}
