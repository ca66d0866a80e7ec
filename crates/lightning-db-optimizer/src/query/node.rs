//! Relational operators.

use std::sync::Arc;

use super::{ColumnId, NodeId, ScalarId, ValueRows};
use crate::catalog::TableId;

/// A relational operator over the rows of others.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// All rows of a table.
    Scan {
        /// The table.
        table: TableId,
        /// What the relation is called in this query.
        alias: Arc<str>,
        /// Its columns, by position in the table.
        columns: Vec<ColumnId>,
    },
    /// Rows that no table has.
    Values {
        /// The columns.
        columns: Vec<ColumnId>,
        /// The rows.
        rows: ValueRows,
    },
    /// Rows for which all conditions are true.
    Filter {
        /// Rows to choose from.
        input: NodeId,
        /// The conditions.
        conditions: Vec<ScalarId>,
    },
    /// Each row turned into another. A column whose scalar is itself passes through.
    Project {
        /// Rows to turn.
        input: NodeId,
        /// Columns of the result, each with what it holds.
        columns: Vec<(ColumnId, ScalarId)>,
    },
    /// Pairs of rows. The right side may use columns of the left one, until unnesting has taken
    /// care of it: it is then evaluated for each row of the left side.
    Join {
        /// Which rows are given.
        kind: JoinKind,
        /// The left side.
        left: NodeId,
        /// The right side.
        right: NodeId,
        /// A pair for which all are true matches.
        on: Vec<ScalarId>,
    },
    /// One row for each combination of the group columns; with no group columns, one row.
    /// Without aggregates these are the distinct rows.
    Aggregate {
        /// Rows to gather.
        input: NodeId,
        /// The group columns, of the input.
        groups: Vec<ColumnId>,
        /// Columns that are computed over the rows of a group.
        aggregates: Vec<(ColumnId, Aggregate)>,
    },
    /// Rows of two inputs put together by position.
    Set {
        /// How.
        operation: SetOperation,
        /// Whether equal rows are kept as often as they occur.
        all: bool,
        /// The left input, and its columns in the order of the result.
        left: (NodeId, Vec<ColumnId>),
        /// The right input, and its columns in the order of the result.
        right: (NodeId, Vec<ColumnId>),
        /// Columns of the result.
        columns: Vec<ColumnId>,
    },
    /// The rows in an order.
    Sort {
        /// Rows to sort.
        input: NodeId,
        /// The order.
        keys: Vec<SortKey>,
    },
    /// Some of the first rows.
    Limit {
        /// Rows to take from.
        input: NodeId,
        /// At most so many; `None` for all.
        limit: Option<u64>,
        /// So many are left out before.
        offset: u64,
    },
    /// Each row with values that are computed over rows near it: opaque to the optimizer.
    Window {
        /// Rows to look at.
        input: NodeId,
        /// Columns that are added.
        functions: Vec<(ColumnId, WindowFunction)>,
    },
}

/// Which rows a join gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JoinKind {
    /// Each pair that matches.
    Inner,
    /// The same, and each left row without a match, with nulls.
    Left,
    /// The same, and each right row without a match, with nulls. There is no right join: its sides
    /// are exchanged where a query is built.
    Full,
    /// Each left row that has a match, once.
    Semi,
    /// Each left row that has no match, once.
    Anti,
    /// Each left row, and in this column whether it has a match: true, false, or null if no pair is
    /// true and one is unknown.
    Mark(ColumnId),
    /// As `Left`, but a left row with two matches is an error: a scalar subquery.
    Single,
}

/// How the rows of two inputs are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SetOperation {
    /// The rows of both.
    Union,
    /// The rows that are in both.
    Intersect,
    /// The rows of the left that are not in the right.
    Except,
}

/// A value computed over the rows of a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Aggregate {
    /// What is computed.
    pub function: AggregateFunction,
    /// Over which value of each row; `None` only for `Count`, which then counts rows.
    pub argument: Option<ScalarId>,
    /// Whether equal values count once.
    pub distinct: bool,
    /// Rows for which this is not true are left out.
    pub filter: Option<ScalarId>,
}

/// What an aggregate computes. Nulls are left out, but for `Count` without an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AggregateFunction {
    /// How many.
    Count,
    /// The sum; null of none.
    Sum,
    /// The smallest; null of none.
    Min,
    /// The largest; null of none.
    Max,
    /// The average; null of none.
    Average,
    /// Whether one is true; null of none.
    Any,
    /// Whether all are true; null of none.
    Every,
    /// How far numbers are from their average.
    Spread(Spread),
}

/// A measure of how far numbers are from their average, as a double.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Spread {
    /// The variance of what the values are a sample of; null of less than two.
    Variance,
    /// The variance of the values themselves; null of none.
    VarianceOfAll,
    /// The standard deviation of what the values are a sample of; null of less than two.
    Deviation,
    /// The standard deviation of the values themselves; null of none.
    DeviationOfAll,
}

impl Spread {
    /// The measure of so many values, of the sum of the squares of their distances from their
    /// average.
    pub fn of(self, count: u64, squares: f64) -> Option<f64> {
        let (is_of_all, is_root) = match self {
            Self::Variance => (false, false),
            Self::VarianceOfAll => (true, false),
            Self::Deviation => (false, true),
            Self::DeviationOfAll => (true, true),
        };
        let divisor = if is_of_all { count } else { count.saturating_sub(1) };
        if divisor == 0 {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "of more than 2^53 values")]
        let variance = squares / divisor as f64;
        Some(if is_root { variance.sqrt() } else { variance })
    }
}

/// A column to sort by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SortKey {
    /// The column.
    pub column: ColumnId,
    /// Whether larger values come first.
    pub descending: bool,
    /// Whether nulls come first.
    pub nulls_first: bool,
}

/// A window function, which only the engine knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WindowFunction {
    /// Its name.
    pub name: Arc<str>,
    /// Its arguments.
    pub arguments: Vec<ScalarId>,
    /// Columns whose equal values make a partition.
    pub partition: Vec<ColumnId>,
    /// Order in a partition.
    pub order: Vec<SortKey>,
    /// The frame, as the engine writes it.
    pub frame: Arc<str>,
}

impl Node {
    /// The nodes whose rows it reads, from left to right. Subqueries in scalars are not among them.
    pub fn inputs(&self) -> Vec<NodeId> {
        self.each_input().collect()
    }

    /// The same, without a list: walks through a query ask each node many times.
    pub(crate) fn each_input(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        let (one, other) = match self {
            Self::Scan { .. } | Self::Values { .. } => (None, None),
            Self::Filter { input, .. }
            | Self::Project { input, .. }
            | Self::Aggregate { input, .. }
            | Self::Sort { input, .. }
            | Self::Limit { input, .. }
            | Self::Window { input, .. } => (Some(*input), None),
            Self::Join { left, right, .. } => (Some(*left), Some(*right)),
            Self::Set { left, right, .. } => (Some(left.0), Some(right.0)),
        };
        one.into_iter().chain(other)
    }

    /// The same operator over other inputs, as many as [`inputs`](Self::inputs) gives.
    #[must_use]
    pub fn with_inputs(&self, inputs: &[NodeId]) -> Self {
        let mut node = self.clone();
        match (&mut node, inputs) {
            (
                Self::Filter { input, .. }
                | Self::Project { input, .. }
                | Self::Aggregate { input, .. }
                | Self::Sort { input, .. }
                | Self::Limit { input, .. }
                | Self::Window { input, .. },
                [one],
            ) => *input = *one,
            (Self::Join { left, right, .. }, [one, other]) => (*left, *right) = (*one, *other),
            (Self::Set { left, right, .. }, [one, other]) => (left.0, right.0) = (*one, *other),
            _ => {}
        }
        node
    }

    /// The scalars that it evaluates.
    pub fn scalars(&self) -> Vec<ScalarId> {
        match self {
            Self::Filter { conditions, .. } | Self::Join { on: conditions, .. } => {
                conditions.clone()
            }
            Self::Project { columns, .. } => columns.iter().map(|(_, scalar)| *scalar).collect(),
            Self::Aggregate { aggregates, .. } => {
                let used = aggregates.iter().flat_map(|(_, it)| [it.argument, it.filter]);
                used.flatten().collect()
            }
            Self::Window { functions, .. } => {
                functions.iter().flat_map(|(_, function)| function.arguments.clone()).collect()
            }
            Self::Scan { .. }
            | Self::Values { .. }
            | Self::Set { .. }
            | Self::Sort { .. }
            | Self::Limit { .. } => Vec::new(),
        }
    }
}

impl SortKey {
    /// A column, ascending, nulls last.
    pub fn ascending(column: ColumnId) -> Self {
        Self { column, descending: false, nulls_first: false }
    }

    /// A column, descending, nulls first.
    pub fn descending(column: ColumnId) -> Self {
        Self { column, descending: true, nulls_first: true }
    }
}
